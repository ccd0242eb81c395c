"""The hardware of this machine and its settings: cores, memory, GPUs, precision."""
