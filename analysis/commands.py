"""The commands that results.md names, each ready to be pasted."""

import shlex
from collections.abc import Mapping
from typing import Any

from analysis.markdown import one_line
from search.ledger import Run, Trial

NAMED = ("digits", "cifar10", "cifar100")  # data sets that are no folder of the user's


def flags(settings: Mapping[str, Any]) -> list[str]:
    """--batch-size 128 for {"batch_size": 128}; the value exactly as the run recorded it."""
    return [part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", one_line(value))]


def dataset(run: Run) -> str:
    """The data set as it is named on the command line; where a folder of images lies is not known to a run."""
    name = run.identity["dataset"]
    return name if name in NAMED else f"folder:/path/to/{run.identity['dataset_title']}"


def train_again(run: Run, trial: Trial) -> str:
    """Trains the configuration of one row by itself."""
    identity = run.identity
    setup = {"dataset": dataset(run), "fraction": identity["fraction"], "seed": trial.seed}
    setup |= {"threads": identity["threads"], "precision": identity["precision"]}
    return shlex.join(["python", "-m", "trainables", *flags(trial.config), *flags(setup)])


def go_on(run: Run) -> str:
    """Continues the search."""
    identity = run.identity
    setup = {"space": identity["space"], "dataset": dataset(run), "epochs": run.totals["epochs"]}
    if run.name != f"{identity['space']}-{identity['dataset']}":
        setup |= {"name": run.name}
    if identity["algorithm"] != "grid":  # a grid knows its own size
        setup |= {"num_samples": run.totals["trials"]}
    setup |= {"algo": identity["algorithm"], "seed": identity["seed"]}
    scheduler = {"scheduler": identity["scheduler"]["name"]}
    if scheduler["scheduler"] != "none":
        scheduler |= {key: identity["scheduler"][key] for key in ("grace_period", "reduction_factor")}
    setup |= scheduler | {
        "fraction": identity["fraction"],
        "precision": identity["precision"],
        "cpus_per_trial": identity["threads"],
    }
    return shlex.join(["python", "run_search.py", *flags(setup)])


def export(run: Run, trial: Trial) -> str:
    """Writes the weights of one row for use elsewhere."""
    name = one_line(run.name)
    return shlex.join(["python", "-m", "analysis", "export", f"{name}/{trial.id}", f"{name}-{trial.id}"])


def rebuild(run: Run) -> str:
    """Writes the derived files again."""
    return shlex.join(["python", "-m", "analysis", "leaderboard", one_line(run.name)])
