"""How fast 1, 2, 4, ... trials of one configuration train in one process: `python -m trainables.engine.measure`.

`--engine auto` starts it. It reads a JSON line: config, cache, fraction, precision, device and threads of a trial, the folder of
the user's code (empty without any), the numbers to try, ascending, and the seconds to train for each. It prints a line for each
number: the number of trials, and the images that they train per second together. It ends before the first number of trials that
does not fit into memory. It writes no file.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from trainables.cli import child
from trainables.data import loading
from trainables.engine import pace
from trainables.engine.lanes import Lane, lanes
from trainables.engine.pace import Running
from trainables.files.durable import Record
from trainables.hardware import memory
from trainables.parts import named
from trainables.training.definition import Training
from trainables.training.device_errors import is_out_of_memory, is_starved
from trainables.training.loop import copy_weights

HEADROOM = 0.1  # share of a GPU's memory that stays free: a library that is refused memory takes another algorithm
SPREAD = 1.5  # other trials may take this many times the memory of the measured ones


def main() -> None:
    asked: Record = json.loads(sys.stdin.readline())
    answers = child.answers()
    if asked["code"]:
        named.reach(Path(asked["code"]))
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
    torch.set_num_threads(asked["threads"])
    memory.keep_freed()
    images = loading.load(Path(asked["cache"]), fraction=asked["fraction"])
    training = Training(asked["config"], images, seed=0, device=asked["device"], precision=asked["precision"])
    made = lanes(asked["device"], max(asked["numbers"]))
    for number, found in rates(training, made, asked["numbers"], asked["seconds"]):
        print(number, found, file=answers, flush=True)


def rates(
    training: Training, made: Sequence[Lane], numbers: Sequence[int], seconds: float
) -> Iterator[tuple[int, float]]:
    """Yield each number of trials with the images per second of all trials together, as long as memory suffices."""
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
    """Begin a trial and evaluate it twice, so that it takes the memory of a trial in a search.

    The second evaluation is captured where the lane captures. A copy of the weights stands for the best weights.
    """
    found = pace.begun(training, lane)
    with lane.within():
        for _ in range(2):
            for _ in found.pieces.evaluate():
                pass
        found.best = copy_weights(found.course.judged)
    return found


def needed(there: int, number: int, taken: int) -> float:
    """Bytes that must be free before `there` trials, which have taken `taken` bytes, become `number` trials.

    Trials of a search may need more than the measured one, so the estimate is raised by SPREAD, and HEADROOM stays free.
    """
    return SPREAD * taken * (number - there) / there + HEADROOM * total()


def free(device: str) -> int:
    """Free bytes of GPU memory; 0 on a CPU, where memory is not counted."""
    if device == "cpu":
        return 0
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def total() -> int:
    """Bytes of GPU memory, free or not; 0 if no GPU is used."""
    return torch.cuda.mem_get_info()[1] if torch.cuda.is_initialized() else 0


if __name__ == "__main__":
    main()
