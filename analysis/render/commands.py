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
)  # the first flags of a command, in the order that reads best  # fmt: skip
LAST = ("skip_bad", "group_by", "resize", "set_")  # the last flags of a command, after any added ones


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as flags: {"batch_size": 128} becomes --batch-size 128; a list becomes one flag for each value."""
    return [word for key, value in settings.items() for each in listed(value) for word in flag(key, each)]


def program(run: Run) -> tuple[str, ...]:
    """The program that runs a search: the installed command if the user's own code is searched, else run_search.py.

    The user's code lies in another folder, in which only the installed command is found.
    """
    return ANYWHERE if run.identity.own_code else HERE


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def flag(key: str, value: Any) -> list[str]:
    """One flag; a switch has no value."""
    written = f"--{key.rstrip('_').replace('_', '-')}"
    return [written] if value is True else [written, one_line(value)]


def dataset(run: Run) -> str:
    """The data set as a command line names it; a run does not know the folder of the user's own images."""
    return run.identity.dataset_elsewhere


def train_again(run: Run, trial: Trial) -> str:
    """The command that trains the configuration and seed of one trial without a search."""
    identity = run.identity
    setup = {"dataset": dataset(run), "fraction": identity.fraction, "seed": trial.seed}
    setup |= {"threads": identity.threads, "precision": identity.precision}
    setup |= identity.reading
    setup |= {"fold": f"{trial.fold}/{identity.folds}"} if identity.folds else {}
    setup |= {} if identity.objective.is_accuracy else {"metric": identity.objective.metric}
    return shlex.join(["python", "-m", "trainables", *flags(trial.config), *flags(setup)])


def go_on(run: Run, **settings: Any) -> str:
    """The command that continues a search, with changed settings if any are given."""
    return search(run, asked(run) | settings)


def resume(run: Run, where: str) -> str:
    """The command that continues a search with its recorded settings.

    Args:
        where: the run, by its name or path.
    """
    return shlex.join([*program(run), "--resume", one_line(where)])


def shortest(run: Path) -> str:
    """The name of a run in the default folder of runs; else the path of the run's folder."""
    return run.name if run.parent == Flags.runs_dir else str(run)


def longer(run: Run, epochs: int, is_new: bool) -> str:
    """The command that trains for more epochs: it continues the search, or starts another one if `is_new`.

    A new search is needed where the learning rate schedule depends on the number of epochs.
    """
    return search(run, asked(run) | {"epochs": epochs} | ({"name": f"{run.name}-longer"} if is_new else {}))


def confirm(run: Run, top: int, seeds: int = 5) -> str:
    """The command that trains the `top` best configurations again on `seeds` fresh seeds."""
    return go_on(run, confirm=top, confirm_seeds=seeds)


def changed(run: Run, *changes: str, **settings: Any) -> str:
    """The command that starts another search, with changes of the space (KEY=VALUE) or other settings.

    The name of the new search lists the changed keys, so that searches with different changed keys are different runs.
    """
    keys = [change.partition("=")[0] for change in changes] + list(settings)
    suffix = f"-{'-'.join(keys)}"[:40]
    rule = settings.get("scheduler", "")
    dropped = OF_A_RULE if rule == "none" else ("grace_period",) if rule else ()
    kept = {key: value for key, value in asked(run).items() if key not in dropped}
    kept |= {"name": run.name[: 64 - len(suffix)] + suffix, "set_": [*run.identity.set, *changes]}
    return search(run, kept | settings)


def search(run: Run, settings: Mapping[str, Any]) -> str:
    """The command of a search with these settings; flags in LAST come last."""
    ordered = sorted(settings, key=LAST.__contains__)
    return shlex.join([*program(run), *flags({key: settings[key] for key in ordered})])


def asked(run: Run) -> dict[str, Any]:
    """The settings that the command line of a search has to name: those that differ from the default of their flag.

    The number of points is left out for a grid, because the grid determines that number.
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
    """The command that trains a trial again as its run recorded it, and compares the results.

    Args:
        where: the run, by its name or path.
    """
    command = [*program(run), "--reproduce", f"{where}/{trial.label}"]
    return shlex.join(map(one_line, command))


def show(run: Run, trial: Trial) -> str:
    """The command that prints one trial, with its error if it failed."""
    return shlex.join(["python", "-m", "analysis", "show", f"{one_line(shortest(run.folder))}/{trial.id}"])


def export(run: Run, trial: Trial) -> str:
    """The command that exports the network of one trial to a folder."""
    name = one_line(run.name)
    return shlex.join(["python", "-m", "analysis", "export", f"{name}/{trial.id}", f"{name}-{trial.id}"])


def rebuild(run: Run) -> str:
    """The command that writes the derived files of a run again."""
    return shlex.join(["python", "-m", "analysis", "leaderboard", one_line(run.name)])
