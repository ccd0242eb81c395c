"""Memory that a training step frees is kept for the next step, instead of going back to the system.

glibc gives large blocks back at once, so without this every layer of every batch touches fresh pages, which the kernel has
to clear: a third of the time of a convolutional network on a CPU. No number changes by it. Meaning of the three settings:
https://sourceware.org/glibc/manual/latest/html_node/Malloc-Tunable-Parameters.html
"""

import contextlib
import ctypes

LARGE = 1 << 32  # bytes: no activation is larger, so that none has a mapping of its own
KEPT = 1 << 36  # bytes at the end of the heap that may stay unused: all of it

# For processes to be started, because a thread chooses its arena when it first allocates; in those of threads other than
# the first no block above 64 MiB fits, so there is to be one arena.
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(LARGE),
    "MALLOC_TRIM_THRESHOLD_": str(KEPT),
}

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # their numbers in malloc.h


def keep_freed() -> None:
    """Set it for the first thread of this process; another C library is left as it is."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
        library.mallopt(MMAP_THRESHOLD, 1 << 30)
        library.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)
