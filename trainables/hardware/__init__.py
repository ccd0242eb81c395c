"""What this machine has and how it is used: cores, memory, GPUs, precision."""
