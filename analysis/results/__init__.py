"""results.md and the files beside it: put together, written, copied, and found to be current or not."""
