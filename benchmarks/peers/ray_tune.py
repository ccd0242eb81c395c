"""Ray Tune as PyTorch's tutorial on it teaches: a checkpoint after each epoch, loader processes in each trial, no ASHA.

https://docs.pytorch.org/tutorials/beginner/hyperparameter_tuning_tutorial.html
"""

import sys
import tempfile
from pathlib import Path

import torch
from ray import tune

from benchmarks.peers import textbook


def train(config: dict, task: str, loader_processes: int) -> None:
    for done in textbook.train(task, config["lr"], loader_processes):
        with tempfile.TemporaryDirectory() as folder:
            state = {"epoch": done.epoch, "net": done.net.state_dict(), "optimizer": done.optimizer.state_dict()}
            torch.save(state, Path(folder) / "checkpoint.pt")
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({"accuracy": done.accuracy}, checkpoint=checkpoint)


def main(task: str, out: str, loader_processes: str) -> None:
    asked = textbook.read(task)
    trainable = tune.with_parameters(train, task=task, loader_processes=int(loader_processes))
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),  # and so one thread
        param_space={"lr": tune.grid_search(list(asked.rates))},
        tune_config=tune.TuneConfig(metric="accuracy", mode="max", max_concurrent_trials=asked.concurrent),
        run_config=tune.RunConfig(storage_path=out),
    ).fit()
    textbook.report({result.config["lr"]: result.metrics_dataframe["accuracy"].max() for result in results})


if __name__ == "__main__":
    main(*sys.argv[1:])
