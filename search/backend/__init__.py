"""The only place with Ray: it places trials, calls them and stops them, and remembers nothing for us."""
