"""--resume NAME: the settings of a run, read back as the flags that started it; and which runs there are."""

from collections.abc import Sequence, Set
from pathlib import Path

from search.flags import OF_A_RULE
from search.records import Identity
from search.run import ledger, local
from search.run.confirmation import is_complete
from trainables import config
from trainables.data.names import NAMED
from trainables.errors import ExpectedError, RunError, UsageError
from trainables.files.durable import Record
from trainables.objective import Objective

CLOSEST = 3  # runs that are named where none has the name that was given


def recorded(runs_dir: Path, name: str, given: Set[str], scheduler: str | None = None) -> Record:
    """The flags that --resume stands for, as fields of Flags, without the flags that were given beside --resume.

    Totals are left out: a total that is not given stays as it was.

    Args:
        name: of a run in runs_dir, or the path of one.
        given: the names of the flags beside --resume.
        scheduler: the value of --scheduler; if it is another rule than the run's, the settings of the run's rule are left out.

    Raises:
        RunError: there is no such run; the message names the runs that could be meant.
        UsageError: this machine does not know where a folder of images lies and no --dataset is given, or --name is given.
        DataError: the folder of images is known, but not there any more.
    """
    folder = find(runs_dir, name)
    if "name" in given:
        raise UsageError(f"--name contradicts --resume {name}. Leave one of them out.")
    identity = ledger.read_identity(folder)
    known = identity.flags() | places(folder, identity, given)
    is_other_rule = scheduler not in (None, known["scheduler"])
    dropped = {*given, *(OF_A_RULE if is_other_rule else ())}
    if code := identity.code_of(folder):
        known |= {"space": str(code / f"{identity.entry}.py")} if identity.entry else {}
        known |= {"metric": str(code / identity.objective.source)} if is_of_file(identity.objective) else {}
    found = {key: value for key, value in known.items() if key not in dropped}
    return found | {"resume": None, "name": folder.name, "runs_dir": folder.parent}


def is_of_file(objective: Objective) -> bool:
    """Whether an objective goes by a metric from a Python file, which lies in the run."""
    return objective.source.partition(":")[0].endswith(".py")


def find(runs_dir: Path, name: str) -> Path:
    """The folder of a run, given by a name under runs_dir or, as a shell completes it, by a path.

    Raises:
        RunError: there is no such run; the message names the runs that could be meant.
    """
    for folder in (runs_dir / name, Path(name)):
        if name and (folder / "run.json").exists():
            return folder.resolve() if folder.name in ("", "..") else folder
    known = names(runs_dir)
    raise RunError(
        f"unknown run {name!r}: {runs_dir}: there is none of that name. {closest(Path(name).name, known)}"
        f"Unfinished there: {', '.join(unfinished(runs_dir)) or 'none'}."
    )


def places(folder: Path, identity: Identity, given: Set[str]) -> Record:
    """The flags data_dir and dataset as far as this machine remembers them; no dataset if --dataset was given.

    Raises:
        UsageError: this machine does not know where the folder of images lies.
        DataError: the folder of images is gone.
    """
    data_dir = local.known(folder).get("data_dir")
    found: Record = {"data_dir": Path(data_dir)} if data_dir and Path(data_dir).is_dir() else {}
    if not identity.has_images or identity.dataset in NAMED or "dataset" in given:
        return found
    dataset = local.dataset(folder)
    if dataset is None:
        raise UsageError(
            f"--dataset is missing: {folder.name} was trained on the images called {identity.dataset_title}, and this "
            f"machine does not know their folder. Add --dataset {identity.dataset_elsewhere}."
        )
    return found | {"dataset": dataset}


def closest(name: str, known: Sequence[str]) -> str:
    """The sentence that names the runs that could be meant, finished ones too; empty if no name is like this one."""
    alike = config.closest(name, known, CLOSEST, cutoff=0.6)
    found = [each for each in known if each in alike or (name and each.casefold().startswith(name.casefold()))]
    return f"Closest: {', '.join(found[:CLOSEST])}. " if found else ""


def names(runs_dir: Path) -> list[str]:
    """The names of the runs in a folder of runs."""
    return sorted(path.parent.name for path in runs_dir.glob("*/run.json"))


def unfinished(runs_dir: Path) -> list[str]:
    """The names of the runs that have something left to do, and of those that cannot be read."""
    found = []
    for name in names(runs_dir):
        try:
            found += [] if is_complete(ledger.read(runs_dir / name)) else [name]
        except ExpectedError:
            found.append(f"{name} (damaged)")
    return found
