"""The sections of results.md, one a module: each returns the values of analysis/render/blocks.py."""
