"""The commands that results.md names, each ready to be pasted."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.markdown import one_line
from search import stopping
from search.flags import OF_A_RULE, Flags
from search.ledger import Run, Trial
from trainables.named import NAMED


def flags(settings: Mapping[str, Any]) -> list[str]:
    """--batch-size 128 for {"batch_size": 128}; the value exactly as the run recorded it."""
    return [part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", one_line(value))]


def dataset(run: Run) -> str:
    """The data set as it is named on the command line; where a folder of images lies is not known to a run."""
    name = run.identity.dataset
    return name if name in NAMED else f"folder:/path/to/{run.identity.dataset_title}"


def skipping(run: Run) -> list[str]:
    """The flag of a run that left out damaged images."""
    return ["--skip-bad"] if run.identity.skips_bad else []


def train_again(run: Run, trial: Trial) -> str:
    """Trains the configuration of one row by itself."""
    identity = run.identity
    setup = {"dataset": dataset(run), "fraction": identity.fraction, "seed": trial.seed}
    setup |= {"threads": identity.threads, "precision": identity.precision}
    return shlex.join(["python", "-m", "trainables", *flags(trial.config), *flags(setup), *skipping(run)])


def go_on(run: Run, **settings: Any) -> str:
    """Continues the search, with other settings if they are given."""
    return search(run, asked(run) | settings)


def resume(where: str) -> str:
    """Goes on with a search as it was asked for.

    Args:
        where: the run, by its name or path.
    """
    return shlex.join(["python", "run_search.py", "--resume", one_line(where)])


def shortest(run: Path) -> str:
    """A run by its name where that is enough, else its folder."""
    return run.name if run.parent == Flags.runs_dir else str(run)


def longer(run: Run, epochs: int, is_new: bool) -> str:
    """Goes on with more epochs; where the schedule is sized for the old number, another search does."""
    return search(run, asked(run) | {"epochs": epochs} | ({"name": f"{run.name}-longer"} if is_new else {}))


def confirm(run: Run, top: int, seeds: int = 5) -> str:
    """Trains the best again on so many fresh seeds."""
    return go_on(run, confirm=top, confirm_seeds=seeds)


def changed(run: Run, *changes: str, **settings: Any) -> str:
    """Starts another search, in which the space has these changes (KEY=VALUE) or the search these settings.

    Its name says what is changed, so that two such searches do not meet in one run.
    """
    sets = [part for change in changes for part in ("--set", one_line(change))]
    keys = [change.partition("=")[0] for change in changes] + list(settings)
    suffix = f"-{'-'.join(keys)}"[:40]
    rule = settings.get("scheduler", "")
    dropped = OF_A_RULE if rule == "none" else ("grace_period",) if rule else ()
    kept = {key: value for key, value in asked(run).items() if key not in dropped}
    return search(run, kept | {"name": run.name[: 64 - len(suffix)] + suffix} | settings, *sets)


def search(run: Run, settings: Mapping[str, Any], *more: str) -> str:
    """run_search.py with these settings, in the space as the run had changed it; of two changes of a key the last counts."""
    own = [part for change in run.identity.set for part in ("--set", one_line(change))]
    return shlex.join(["python", "run_search.py", *flags(settings), *skipping(run), *own, *more])


def asked(run: Run) -> dict[str, Any]:
    """The settings of a search, as its command line has them."""
    identity = run.identity
    setup = {"space": identity.space, "dataset": dataset(run), "epochs": run.totals.epochs}
    if run.name != f"{identity.space}-{identity.dataset}":
        setup |= {"name": run.name}
    if identity.algorithm != "grid":  # a grid knows its own size
        setup |= {"num_samples": run.totals.trials}
    setup |= {"algo": identity.algorithm, "seed": identity.seed}
    if run.totals.seeds > 1:
        setup |= {"seeds": run.totals.seeds}
    if identity.max_params is not None:
        setup |= {"max_params": identity.max_params}
    return setup | stopping.flags(identity.scheduler) | {
        "fraction": identity.fraction,
        "precision": identity.precision,
        "cpus_per_trial": identity.threads,
    }  # fmt: skip


def reproduce(run: Run, trial: Trial, where: str) -> str:
    """Trains a row again as its run recorded it, and compares.

    Args:
        where: the run, by its name or path.
    """
    command = ["python", "run_search.py", "--reproduce", f"{where}/{trial.index:04d}-{trial.id}"]
    return shlex.join(map(one_line, command))


def export(run: Run, trial: Trial) -> str:
    """Writes the weights of one row for use elsewhere."""
    name = one_line(run.name)
    return shlex.join(["python", "-m", "analysis", "export", f"{name}/{trial.id}", f"{name}-{trial.id}"])


def rebuild(run: Run) -> str:
    """Writes the derived files again."""
    return shlex.join(["python", "-m", "analysis", "leaderboard", one_line(run.name)])
