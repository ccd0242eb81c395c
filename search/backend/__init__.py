"""The only package that uses Ray: Ray places trials, calls them and stops them, and keeps no state for us."""
