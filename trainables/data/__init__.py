"""Images: found or fetched, verified, decoded once, split once, memory-mapped by every trial."""
