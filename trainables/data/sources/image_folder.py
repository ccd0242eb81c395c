"""A folder of images, train/<class>/* and test/<class>/*: decoded once; without val/ a tenth of train is held out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.cli.progress import meter, say
from trainables.data import cache, folder_tree
from trainables.data.cache import Written
from trainables.data.names import base_name, folder_of
from trainables.data.sources.base import Options, Source, divide
from trainables.errors import DataError

if TYPE_CHECKING:
    from trainables.data import decode

ENOUGH = 15  # training images of which a tenth can be held out; of fewer that would be a single one
LISTED = 5  # bad files that are named; of more the number is told


def source(dataset: str, options: Options) -> Source:
    """The source of folder:PATH, which is listed; no image is opened.

    Raises:
        DataError: there is no such folder, or it cannot be used.
    """
    root, skip_bad = folder_of(dataset), options.skip_bad
    found = folder_tree.scan(root)
    images = _with_validation(found)

    def write(folder: Path) -> Written:
        kept, bad = found, _decode(root, images, folder, options.progress)
        skipped = bad if skip_bad else []
        if skipped:
            say(f"note: {_left_out(skipped)}")
            kept = found.without({path for path, _ in skipped})
            bad = _decode(root, _with_validation(kept), folder, options.progress)  # all: another tenth is held out now
        if bad:
            raise _refusal(root, bad)
        return Written(kept.classes, {"validation": kept.folders.get("val"), "skipped": len(skipped)})

    kind = f"folder, upright{', bad ones left out' if skip_bad else ''}"  # as their cameras noted: not so at first
    return Source(base_name(root), cache.key(kind, found.key), write, notes=_notes(found, images))


def _decode(root: Path, images: dict[str, folder_tree.Images], folder: Path, progress: bool) -> "list[decode.Bad]":
    """Fill the array files, and return the files that are no good images."""
    from trainables.data import decode  # Pillow loads here

    work: list[decode.Strip] = []
    for part, some in images.items():
        work += decode.strips(*cache.begin_split(folder, part, some.labels), some.paths)
    total = sum(len(some.paths) for some in images.values())
    with meter(f"decoding {total:,} images of {base_name(root)}", total, "images", bar=progress) as advance:
        return decode.decode_all(work, advance)


def _refusal(root: Path, bad: "Sequence[decode.Bad]") -> DataError:
    """All bad files at once: the first few by name, and how many there are."""
    if len(bad) == 1:
        return DataError(
            f"cannot read image: {': '.join(bad[0])}. Replace or remove it, or leave it out with --skip-bad."
        )
    more = [f"... and {len(bad) - LISTED:,} more"] if len(bad) > LISTED else []
    return DataError(
        f"cannot read {len(bad):,} images: {root}. Replace or remove them, or leave them out with --skip-bad.",
        [*(": ".join(each) for each in bad[:LISTED]), *more],
    )


def _left_out(bad: "Sequence[decode.Bad]") -> str:
    """What --skip-bad does without, in one line."""
    more = f", and {len(bad) - LISTED:,} more" if len(bad) > LISTED else ""
    return f"left out, as --skip-bad asks: {'; '.join(': '.join(each) for each in bad[:LISTED])}{more}"


def _notes(found: folder_tree.Tree, images: dict[str, folder_tree.Images]) -> tuple[str, ...]:
    """How the folders were understood where that is no matter of course, and what is not read."""
    otherwise = [
        f"{found.root / name} is read as {usual}/: {len(images[usual].paths):,} images"
        for usual, name in found.folders.items() if name != usual
    ]  # fmt: skip
    held_out = len(images["val"].paths)
    without = (
        f"no val/ (valid/, validation/) in {found.root}: {held_out:,} training images, a tenth, are held out instead"
    )
    return (
        *otherwise,
        *([] if "val" in found.folders else [without]),
        *filter(None, [folder_tree.unread_words(found)]),
    )


def _with_validation(found: folder_tree.Tree) -> dict[str, folder_tree.Images]:
    """The splits of a folder; without val/ a tenth of train is held out.

    Raises:
        DataError: that would leave too few images.
    """
    splits = found.splits
    if "val" in splits:
        return splits
    train, folder = splits["train"], found.root / found.folders["train"]
    if len(train.paths) < ENOUGH:
        raise DataError(
            f"too few images: {folder}: {len(train.paths)} where at least {ENOUGH} are needed. Add some, or a val/ folder."
        )
    rest, val = divide(train.labels, round(len(train.paths) / 10))
    lost = np.setdiff1d(train.labels, train.labels[rest])
    if len(lost):
        raise DataError(
            f"too few images: {folder / found.classes[lost[0]]}: its only image would be held out for validation. "
            "Add some, or a val/ folder."
        )
    return {**splits, "train": train.take(rest), "val": train.take(val)}
