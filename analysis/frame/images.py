"""Find the images that a run was made with, and check them against the fingerprint of the run."""

import sys
from pathlib import Path

from analysis.render import commands
from search.run import local
from search.run.ledger import Run, Trial
from trainables.data import cache, loading
from trainables.data.cache import val_names
from trainables.data.held_out.folds import Fold
from trainables.data.names import ELSEWHERE, NAMED
from trainables.data.sources.base import Options, find
from trainables.errors import DataError, ExpectedError, UsageError

__all__ = ["at_hand", "cache_of", "load", "recorded", "val_names", "validated_on"]


def cache_of(run: Run, dataset: str, data_dir: Path, size: int, *, quiet: bool = False) -> Path:
    """The folder of decoded images of a size, prepared if need be.

    Args:
        dataset: as on the command line of a search; `auto` for the data set that the run names.
        size: pixels of their height and width.

    Raises:
        UsageError: it is not known here where the images lie.
        DataError: the images cannot be had, or are others than those of the run.
    """
    name = recorded(run) if dataset == "auto" else loading.resolve(dataset, data_dir)[0]
    folder = loading.prepare(name, data_dir, progress=not quiet, tell=False, image_size=size, **run.identity.reading)
    found, expected = loading.load(folder).fingerprint, run.identity.of_size(size)["fingerprint"]
    if found != expected:
        raise DataError(
            f"other images: {name}: fingerprint {found[:12]}, but {run.name} was made with {expected[:12]}. "
            "Name its data set with --dataset."
        )
    print(f"images: {name}, fingerprint {found[:12]} as recorded", file=sys.stderr)
    return folder


def load(run: Run, dataset: str, data_dir: Path, size: int) -> loading.Dataset:
    """Training and validation images of a run, as `cache_of` finds them."""
    return loading.load(cache_of(run, dataset, data_dir, size), fraction=run.identity.fraction)


def validated_on(run: Run, trial: Trial, folder: Path) -> loading.Split:
    """The validation images of a trial: those of its fold, if it has one."""
    fold = Fold(trial.fold, run.identity.folds) if run.identity.folds else None
    return loading.load(folder, fold=fold).val


def at_hand(run: Run, size: int) -> Path | None:
    """The folder of decoded images of a size, if this machine still has it where it was; else None.

    Nothing is printed, fetched or decoded.
    """
    data_dir = local.known(run.folder).get("data_dir")
    if data_dir is None:
        return None
    expected = run.identity.of_size(size)["fingerprint"]
    try:
        wanted = find(recorded(run), Options(Path(data_dir), image_size=size, **run.identity.reading))
        folder = cache.find(wanted.name, wanted.key, Path(data_dir))
        is_same = folder is not None and cache.read_meta(folder)["fingerprint"] == expected
    except ExpectedError:
        return None
    return folder if is_same else None


def recorded(run: Run) -> str:
    """The data set that the run names.

    A data set with a place of its own is named by the place where it was when the run was last trained on this machine.

    Raises:
        UsageError: it is not known here where the data set lies.
        DataError: the data set is not there any more.
    """
    name = commands.dataset(run)
    if run.identity.dataset in NAMED:
        return name
    if here := local.dataset(run.folder):
        return here
    if ELSEWHERE not in name:
        return name
    raise UsageError(
        f"--dataset is missing: {run.name} was made with images that lie elsewhere. Name them: --dataset {name}."
    )
