"""One trial after the other in a loop, the way one starts: torch takes the threads it likes, two processes load images.

https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html
"""

import sys
from pathlib import Path

import torch

from benchmarks.peers import textbook


def main(task: str, out: str) -> None:
    best = {}
    for rate in textbook.read(task).rates:
        accuracies = []
        for done in textbook.train(task, rate, loader_processes=2):
            accuracies.append(done.accuracy)
            print(f"lr {rate:g} epoch {done.epoch}: {done.accuracy:.4f}")
        torch.save(done.net.state_dict(), Path(out) / f"{rate:g}.pt")
        best[rate] = max(accuracies)
    textbook.report(best)


if __name__ == "__main__":
    main(*sys.argv[1:])
