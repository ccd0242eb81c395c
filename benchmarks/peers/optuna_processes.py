"""Optuna: several processes work on one study in a journal file, each with a plain loop.

https://optuna.readthedocs.io/en/stable/tutorial/10_key_features/004_distributed.html

The rates are queued, so that every one is tried once. The processes are forked after the imports, which is quicker than the
same program started several times.
"""

import multiprocessing
import sys

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from benchmarks.peers import textbook

COUNTED = (TrialState.COMPLETE, TrialState.RUNNING)  # so that nobody starts a trial more while the last ones run


def storage(out: str) -> JournalStorage:
    return JournalStorage(JournalFileBackend(f"{out}/journal.log"))


def work(task: str, out: str) -> None:
    """What each process does: take a trial until all are taken."""
    torch.set_num_threads(1)
    rates = textbook.read(task).rates

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("lr", min(rates), max(rates), log=True)
        accuracies = []
        for done in textbook.train(task, rate):
            trial.report(done.accuracy, done.epoch)
            accuracies.append(done.accuracy)
        return max(accuracies)

    study = optuna.load_study(study_name="lr", storage=storage(out))
    study.optimize(objective, callbacks=[MaxTrialsCallback(len(rates), COUNTED)])


def main(task: str, out: str) -> None:
    asked = textbook.read(task)
    study = optuna.create_study(study_name="lr", storage=storage(out), direction="maximize")
    for rate in asked.rates:
        study.enqueue_trial({"lr": rate})
    count = min(asked.concurrent, len(asked.rates))
    processes = [multiprocessing.Process(target=work, args=(task, out)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    textbook.report({trial.params["lr"]: trial.value for trial in study.trials})


if __name__ == "__main__":
    main(*sys.argv[1:])
