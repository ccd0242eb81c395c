"""Durable bytes: atomic writes, lines of JSON, files with a checksum, locks."""
