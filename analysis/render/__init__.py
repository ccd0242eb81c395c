"""Render results as text: blocks as Markdown and HTML, curves for the terminal, numbers, and commands to paste."""
