"""One trial of `syne_local.py`: the training script with a Reporter that Syne Tune starts."""

import argparse

from syne_tune import Reporter

from benchmarks.peers import textbook


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--task")
    parser.add_argument("--lr", type=float)
    asked, _ = parser.parse_known_args()
    report = Reporter()
    for done in textbook.train(asked.task, asked.lr):
        report(epoch=done.epoch, accuracy=done.accuracy)


if __name__ == "__main__":
    main()
