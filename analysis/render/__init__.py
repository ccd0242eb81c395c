"""Values as text: Markdown, HTML, the terminal; numbers, commands, the cost of a network in words."""
