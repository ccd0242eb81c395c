"""How fast 1, 2, 4, ... trials of one configuration train in one process: `python -m trainables.engine.measure`.

`--engine auto` starts it. It reads a JSON line: config, cache, fraction, precision, device and threads of a trial, the numbers to
try, ascending, and the seconds to train for each. It prints a line for each number: that, and the images that were trained in a
second. It ends before a number that there is no memory for, and writes nothing anywhere.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from trainables.data import loading
from trainables.engine import pace
from trainables.engine.lanes import Lane, lanes
from trainables.engine.pace import Running
from trainables.files.durable import Record
from trainables.hardware import memory
from trainables.training.definition import Training
from trainables.training.device_errors import is_out_of_memory, is_starved
from trainables.training.loop import copy_weights

HEADROOM = 0.1  # of the memory of a GPU, which is left free: libraries that are refused memory take other algorithms
SPREAD = 1.5  # times the memory of the trials that were measured may others take


def main() -> None:
    asked: Record = json.loads(sys.stdin.readline())
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
    torch.set_num_threads(asked["threads"])
    memory.keep_freed()
    images = loading.load(Path(asked["cache"]), fraction=asked["fraction"])
    training = Training(asked["config"], images, seed=0, device=asked["device"], precision=asked["precision"])
    made = lanes(asked["device"], max(asked["numbers"]))
    for number, found in rates(training, made, asked["numbers"], asked["seconds"]):
        print(number, found, flush=True)


def rates(
    training: Training, made: Sequence[Lane], numbers: Sequence[int], seconds: float
) -> Iterator[tuple[int, float]]:
    """Each number of trials, and the images per second of all together, as long as there is memory for so many."""
    running: list[Running] = []
    before = free(training.device)
    try:
        for number in numbers:
            if running and free(training.device) < needed(len(running), number, before - free(training.device)):
                return
            running += [begun(training, lane) for lane in made[len(running) : number]]
            pace.warm_up(running)
            yield number, pace.rate(running, seconds)
    except RuntimeError as error:
        if not (is_out_of_memory(error) or is_starved(error)):
            raise


def begun(training: Training, lane: Lane) -> Running:
    """A trial that has all that one has in a search: its validation, as a graph too, and a copy of its best weights."""
    found = pace.begun(training, lane)
    with lane.within():
        for _ in range(2):
            for _ in found.pieces.evaluate():
                pass
        found.best = copy_weights(found.course.judged)
    return found


def needed(there: int, number: int, taken: int) -> float:
    """Bytes that must be free before as many more are begun: trials of a search differ, and some headroom stays."""
    return SPREAD * taken * (number - there) / there + HEADROOM * total()


def free(device: str) -> int:
    """Bytes of the GPU that nobody has taken; of a host none are counted."""
    if device == "cpu":
        return 0
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def total() -> int:
    """Bytes of the GPU, if one is used."""
    return torch.cuda.mem_get_info()[1] if torch.cuda.is_initialized() else 0


if __name__ == "__main__":
    main()
