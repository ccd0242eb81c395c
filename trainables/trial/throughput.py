"""Measure the training speed of one configuration, in images per second: `python -m trainables.trial.throughput`.

`--gpus-per-trial auto` starts several of these processes. A process reads JSON lines from stdin. The first line is an object:
config, cache, fraction, precision, device and threads of a trial, and the folder of the user's code (empty without any). After
the first batches the process answers "ready". Each further line is a number of seconds to train; the answer is the number of
images trained per second. The process ends when its input ends, and writes no file.
"""

import json
import sys
import time
from pathlib import Path
from typing import TextIO

import torch

from trainables.cli import child
from trainables.data import loading
from trainables.files.durable import Record
from trainables.hardware import memory
from trainables.parts import named
from trainables.training.definition import Training
from trainables.training.loop import train

WARM_UP = 5  # batches: the first ones load kernels and ask for memory
FOREVER = 1_000_000  # epochs


class Pace:
    """Counts the images trained between two requests on stdin. Training waits between an answer and the next request."""

    def __init__(self, batch_size: int, device: str, answers: TextIO) -> None:
        self._batch_size, self._device, self._answers = batch_size, device, answers
        self._images, self._began, self._seconds = 0, time.monotonic(), 0.0
        self._is_warm = False

    def batch_ended(self, done: int, batches: int) -> None:
        self._images += self._batch_size
        if not self._is_warm:
            if self._images >= WARM_UP * self._batch_size:
                self._is_warm = True
                self._answer("ready")
        elif time.monotonic() - self._began >= self._seconds:
            self._wait_for_the_device()
            self._answer(self._images / (time.monotonic() - self._began))

    def _answer(self, what: object) -> None:
        self._wait_for_the_device()
        print(what, file=self._answers, flush=True)
        word = sys.stdin.readline()
        if not word:
            sys.exit()
        self._images, self._began, self._seconds = 0, time.monotonic(), float(word)

    def _wait_for_the_device(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    asked: Record = json.loads(sys.stdin.readline())
    answers = child.answers()
    if asked["code"]:
        named.reach(Path(asked["code"]))
    torch.set_num_threads(asked["threads"])
    memory.keep_freed()  # as the workers of a search have it
    config = {**asked["config"], "epochs": FOREVER}
    images = loading.load(Path(asked["cache"]), fraction=asked["fraction"])
    pace = Pace(config["batch_size"], asked["device"], answers)
    epochs = train(
        Training(config, images, seed=0, device=asked["device"], precision=asked["precision"]),
        on_batch=pace.batch_ended,
    )
    for _ in epochs:
        pass


if __name__ == "__main__":
    main()
