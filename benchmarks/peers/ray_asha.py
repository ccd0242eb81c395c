"""Ray Tune with ASHA as PyTorch's tutorial on it teaches: a checkpoint after each epoch, loader processes in each trial.

https://docs.pytorch.org/tutorials/beginner/hyperparameter_tuning_tutorial.html

Kinder than the tutorial in two things: the best epoch of all counts and not the last one, and the baseline is tried first.
"""

import sys
import tempfile
from pathlib import Path

import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from benchmarks.peers import halving

LOADER_PROCESSES = 2
SPACE = {
    "width": tune.choice(halving.WIDTHS),
    "dropout": tune.uniform(*halving.DROPOUT),
    "lr": tune.loguniform(*halving.RATE),
    "weight_decay": tune.loguniform(*halving.DECAY),
    "augment": tune.choice(halving.AUGMENTS),
}


def train(config: dict, task: str) -> None:
    for done in halving.train(task, config, LOADER_PROCESSES):
        with tempfile.TemporaryDirectory() as folder:
            state = {"epoch": done.epoch, "net": done.net.state_dict(), "optimizer": done.optimizer.state_dict()}
            torch.save(state, Path(folder) / "checkpoint.pt")
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({"accuracy": done.accuracy}, checkpoint=checkpoint)


def main(task: str, out: str) -> None:
    asked = halving.read(task)
    results = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, task=task), {"cpu": 1}),  # and so one thread
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="accuracy", mode="max", num_samples=asked.points, max_concurrent_trials=asked.concurrent,
            scheduler=ASHAScheduler(max_t=asked.epochs, grace_period=1, reduction_factor=2),
            search_alg=BasicVariantGenerator(points_to_evaluate=[halving.BASELINE], random_state=asked.seed),
        ),
        run_config=tune.RunConfig(storage_path=out),
    ).fit()  # fmt: skip
    best = results.get_best_result(scope="all")
    with best.get_best_checkpoint("accuracy", "max").as_directory() as folder:
        state = torch.load(Path(folder) / "checkpoint.pt")["net"]
    epochs = sum(result.metrics["training_iteration"] for result in results)
    accuracy = best.metrics_dataframe["accuracy"].max()
    halving.report(accuracy, halving.accuracy_on_test(task, best.config, state), epochs)


if __name__ == "__main__":
    main(*sys.argv[1:])
