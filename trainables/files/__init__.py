"""Durable files: atomic writes, JSON lines, files with a checksum, locks."""
