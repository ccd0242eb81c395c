"""Syne Tune's local backend: a process for each trial, which reports through its standard output (`syne_trial.py`).

https://syne-tune.readthedocs.io/en/latest/getting_started.html

Needs `pip install syne-tune`, which this project does not ask for. The tuner looks every five seconds for a trial that has
ended, as it does unless told otherwise.
"""

import os
import sys
from pathlib import Path

from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend import LocalBackend
from syne_tune.config_space import choice
from syne_tune.experiments import load_experiment
from syne_tune.optimizer.baselines import RandomSearch

from benchmarks.peers import textbook


class Once(RandomSearch):
    """Each of the points to evaluate, then nothing more."""

    def suggest(self):  # type: ignore[no-untyped-def]
        return super().suggest() if self.searcher.points_to_evaluate else None


def main(task: str, out: str) -> None:
    asked = textbook.read(task)
    os.chdir(out)  # its backend leaves an empty std.out where it was started
    os.environ |= {"OMP_NUM_THREADS": "1", "SYNETUNE_FOLDER": out}
    rates = list(asked.rates)
    scheduler = Once(
        {"lr": choice(rates), "task": task},
        metrics=["accuracy"],
        do_minimize=False,
        points_to_evaluate=[{"lr": rate, "task": task} for rate in rates],
    )
    tuner = Tuner(
        trial_backend=LocalBackend(entry_point=str(Path(__file__).with_name("syne_trial.py"))),
        scheduler=scheduler,
        stop_criterion=StoppingCriterion(max_num_trials_completed=len(rates)),
        n_workers=min(asked.concurrent, len(rates)),
    )
    tuner.run()
    results = load_experiment(tuner.name).results
    textbook.report(results.groupby("config_lr")["accuracy"].max().to_dict())


if __name__ == "__main__":
    main(*sys.argv[1:])
