"""Keep the memory that a training step frees for the next step, instead of returning it to the system.

glibc returns large blocks at once. Then every layer of every batch touches fresh pages that the kernel has to clear, which
takes a third of the time of a convolutional network on a CPU. The settings change no result. Meaning of the three settings:
https://sourceware.org/glibc/manual/latest/html_node/Malloc-Tunable-Parameters.html
"""

import contextlib
import ctypes

LARGE = 1 << 32  # bytes: no activation is larger, so that no activation gets a mapping of its own
KEPT = 1 << 36  # bytes at the end of the heap that may stay unused: in effect all of it

# Environment of processes to be started, because a thread chooses its arena at its first allocation. The arenas of threads other
# than the first hold no block above 64 MiB, so all threads must use one arena.
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(LARGE),
    "MALLOC_TRIM_THRESHOLD_": str(KEPT),
}

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # their numbers in malloc.h


def keep_freed() -> None:
    """Make this process's main arena keep freed memory. With a C library other than glibc nothing is done."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
        library.mallopt(MMAP_THRESHOLD, 1 << 30)
        library.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)
