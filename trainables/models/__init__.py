"""The built-in networks, and the parameters and FLOPs of networks."""
