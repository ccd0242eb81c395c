"""Optuna with its pruner of successive halving and its default sampler: processes that work on one study in a journal file.

https://optuna.readthedocs.io/en/stable/tutorial/10_key_features/003_efficient_optimization_algorithms.html
https://optuna.readthedocs.io/en/stable/tutorial/10_key_features/004_distributed.html

The baseline is queued. The best weights of each trial are saved, as its advice on saving a model is.
"""

import multiprocessing
import sys
from pathlib import Path

import optuna
import torch
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from benchmarks.peers import halving
from benchmarks.peers.optuna_processes import storage

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


def suggested(trial: optuna.Trial) -> dict:
    return {
        "width": trial.suggest_categorical("width", halving.WIDTHS),
        "dropout": trial.suggest_float("dropout", *halving.DROPOUT),
        "lr": trial.suggest_float("lr", *halving.RATE, log=True),
        "weight_decay": trial.suggest_float("weight_decay", *halving.DECAY, log=True),
        "augment": trial.suggest_categorical("augment", halving.AUGMENTS),
    }


def work(task: str, out: str, number: int) -> None:
    """What each process does: take a trial until all are taken."""
    torch.set_num_threads(1)
    asked = halving.read(task)

    def objective(trial: optuna.Trial) -> float:
        best = 0.0
        for done in halving.train(task, suggested(trial)):
            if done.accuracy > best:
                best = done.accuracy
                torch.save(done.net.state_dict(), Path(out) / f"{trial.number}.pt")
            trial.report(done.accuracy, done.epoch)
            trial.set_user_attr("best", best)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    sampler = TPESampler(seed=asked.concurrent * asked.seed + number)
    study = optuna.load_study(
        study_name="asha", storage=storage(out), sampler=sampler, pruner=SuccessiveHalvingPruner()
    )  # fmt: skip
    study.optimize(objective, callbacks=[MaxTrialsCallback(asked.points, COUNTED)])


def main(task: str, out: str) -> None:
    asked = halving.read(task)
    study = optuna.create_study(study_name="asha", storage=storage(out), direction="maximize")
    study.enqueue_trial(halving.BASELINE)
    processes = [multiprocessing.Process(target=work, args=(task, out, number)) for number in range(asked.concurrent)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    best = max(study.trials, key=lambda trial: trial.user_attrs.get("best", 0.0))
    state = torch.load(Path(out) / f"{best.number}.pt")
    epochs = sum(len(trial.intermediate_values) for trial in study.trials)
    halving.report(best.user_attrs["best"], halving.accuracy_on_test(task, best.params, state), epochs)


if __name__ == "__main__":
    main(*sys.argv[1:])
