"""The commands that results.md names, each ready to be pasted."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.render.markdown import one_line
from search.flags import OF_A_RULE, Flags
from search.run.ledger import Run, Trial
from search.settings import usual_name

HERE, ANYWHERE = ("python", "run_search.py"), ("cifar-search",)
FIRST = (
    "space", "dataset", "epochs", "name", "num_samples", "algo", "seed", "seeds", "folds"
)  # in a command, as it reads best  # fmt: skip
LAST = ("skip_bad", "group_by", "resize", "set_")  # in a command, whatever was added to it


def flags(settings: Mapping[str, Any]) -> list[str]:
    """--batch-size 128 for {"batch_size": 128}; the value exactly as the run recorded it. A list has a flag for each value."""
    return [word for key, value in settings.items() for each in listed(value) for word in flag(key, each)]


def program(run: Run) -> tuple[str, ...]:
    """What runs a search. A file of the user's own lies in a folder of its own, where only the installed command is found."""
    return ANYWHERE if run.identity.own_code else HERE


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def flag(key: str, value: Any) -> list[str]:
    """One flag; a switch has no value."""
    written = f"--{key.rstrip('_').replace('_', '-')}"
    return [written] if value is True else [written, one_line(value)]


def dataset(run: Run) -> str:
    """The data set as it is named on the command line; where images of the user's own lie is not known to a run."""
    return run.identity.dataset_elsewhere


def train_again(run: Run, trial: Trial) -> str:
    """Trains the configuration of one row by itself."""
    identity = run.identity
    setup = {"dataset": dataset(run), "fraction": identity.fraction, "seed": trial.seed}
    setup |= {"threads": identity.threads, "precision": identity.precision}
    setup |= identity.reading
    setup |= {"fold": f"{trial.fold}/{identity.folds}"} if identity.folds else {}
    setup |= {} if identity.objective.is_accuracy else {"metric": identity.objective.metric}
    return shlex.join(["python", "-m", "trainables", *flags(trial.config), *flags(setup)])


def go_on(run: Run, **settings: Any) -> str:
    """Continues the search, with other settings if they are given."""
    return search(run, asked(run) | settings)


def resume(run: Run, where: str) -> str:
    """Goes on with a search as it was asked for.

    Args:
        where: the run, by its name or path.
    """
    return shlex.join([*program(run), "--resume", one_line(where)])


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
    keys = [change.partition("=")[0] for change in changes] + list(settings)
    suffix = f"-{'-'.join(keys)}"[:40]
    rule = settings.get("scheduler", "")
    dropped = OF_A_RULE if rule == "none" else ("grace_period",) if rule else ()
    kept = {key: value for key, value in asked(run).items() if key not in dropped}
    kept |= {"name": run.name[: 64 - len(suffix)] + suffix, "set_": [*run.identity.set, *changes]}
    return search(run, kept | settings)


def search(run: Run, settings: Mapping[str, Any]) -> str:
    """A search with these settings; of two changes of one key of the space the last counts."""
    ordered = sorted(settings, key=LAST.__contains__)
    return shlex.join([*program(run), *flags({key: settings[key] for key in ordered})])


def asked(run: Run) -> dict[str, Any]:
    """The settings of a search that its command line has to name: those that are not the default of their flag.

    A grid knows its own size.
    """
    identity, totals = run.identity, run.totals
    images = {"dataset": dataset(run)} if identity.has_images else {}
    known = identity.flags() | images | {"epochs": totals.epochs}
    known |= {"name": run.name} if run.name != usual_name(identity.space, identity.dataset) else {}
    known |= {"num_samples": totals.trials} if identity.algorithm != "grid" else {}
    known |= {"seeds": totals.seeds} if totals.seeds > 1 and not identity.folds else {}
    ordered = [key for key in dict.fromkeys((*FIRST, *known)) if key in known]
    return {key: known[key] for key in ordered if known[key] != getattr(Flags, key, None)}


def reproduce(run: Run, trial: Trial, where: str) -> str:
    """Trains a row again as its run recorded it, and compares.

    Args:
        where: the run, by its name or path.
    """
    command = [*program(run), "--reproduce", f"{where}/{trial.index:04d}-{trial.id}"]
    return shlex.join(map(one_line, command))


def export(run: Run, trial: Trial) -> str:
    """Writes the weights of one row for use elsewhere."""
    name = one_line(run.name)
    return shlex.join(["python", "-m", "analysis", "export", f"{name}/{trial.id}", f"{name}-{trial.id}"])


def rebuild(run: Run) -> str:
    """Writes the derived files again."""
    return shlex.join(["python", "-m", "analysis", "leaderboard", one_line(run.name)])
