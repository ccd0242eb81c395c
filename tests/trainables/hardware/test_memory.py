"""Freed memory that is kept: pytest tests/trainables/hardware/test_memory.py"""

import os
import platform
import subprocess
import sys

import pytest

from trainables.hardware import memory

# Page faults of a later round of blocks as large as the activations of a convnet, in a thread as Ray uses one.
FAULTS = """
import resource, sys, threading
from trainables.hardware import memory
import torch

def rounds():
    if sys.argv[1] == "here":
        memory.keep_freed()
    for _ in range(12):  # it takes a few until no block is split
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for size in (8 << 20, 64 << 20, 100 << 20):
            torch.ones(size // 4)
        seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

seen = []
if sys.argv[1] == "here":
    rounds()
else:
    thread = threading.Thread(target=rounds)
    thread.start()
    thread.join()
print(min(seen[4:]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize(
    ("where", "environment", "kept"), [("here", {}, True), ("thread", memory.ENVIRONMENT, True), ("thread", {}, False)]
)
@pytest.mark.slow
def test_blocks_that_were_freed_are_used_again(where, environment, kept):
    command = [sys.executable, "-c", FAULTS, where]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert (int(done.stdout) < 100) == kept  # 172 MiB are 44,000 pages
