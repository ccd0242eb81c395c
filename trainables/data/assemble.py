"""Turn the labelled pictures of any source into the array files of a data set: hold out validation images, and decode."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainables.cli.progress import meter, say
from trainables.data import cache
from trainables.data.cache import Written
from trainables.data.held_out.tenth import held_out
from trainables.data.sources.base import Options
from trainables.errors import DataError
from trainables.files.durable import Record
from trainables.written import plural

if TYPE_CHECKING:
    from trainables.cli.progress import Advance
    from trainables.data import decode

ENOUGH = 15  # least number of training images of which a tenth, rounded, is two
LEAST = 2  # least number of validation images; with one image, accuracy could only be 0 or 1
LISTED = 5  # bad files that are named; of the others the number is told


class Taken(Sequence[Any]):
    """The items of a sequence at some positions. Each item is read when it is accessed."""

    def __init__(self, whole: Sequence[Any] | np.ndarray, positions: np.ndarray) -> None:
        self.whole, self.positions = whole, positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, place: Any) -> Any:
        return self.whole[int(self.positions[place])]


@dataclass(frozen=True)
class Labelled:
    """The pictures of one split with their labels.

    Attributes:
        pictures: paths of image files, or pictures that decode.fit reads.
        labels: int64 (N,).
        names: the name of each picture, independent of the place of the data set; for files a relative path.
        groups: the group of each picture, or empty.
        are_files: whether the pictures are paths.
    """

    pictures: Sequence[Any] | np.ndarray
    labels: np.ndarray
    names: Sequence[str]
    groups: Sequence[str] = ()
    are_files: bool = False

    def take(self, positions: np.ndarray) -> "Labelled":
        names, groups = (
            [each[place] for place in positions] if len(each) else () for each in (self.names, self.groups)
        )
        return Labelled(Taken(self.pictures, positions), self.labels[positions], names, groups, self.are_files)

    def without(self, bad: Collection[str]) -> "Labelled":
        """The pictures that are not among the bad ones, given by path for files and by name for others."""
        called = self.pictures if self.are_files else self.names
        return self.take(np.array([place for place, name in enumerate(called) if name not in bad], np.int64))


Splits = Mapping[str, Labelled]  # train, and val and test if they are there


def whole(where: str, splits: Splits, classes: Sequence[str]) -> Splits:
    """The splits with a validation split. If there is none, about a tenth of the training images is held out.

    If the images have groups, whole groups are held out.

    Args:
        where: name of the training images in messages.

    Raises:
        DataError: a class has no training images, there is a single class, or there are too few images or groups to hold some
            out.
    """
    train = splits["train"]
    counts = np.bincount(train.labels, minlength=len(classes))
    if not counts.all():
        raise DataError(
            f"empty class: {where}: {classes[int(np.argmin(counts))]} has no training images. Add some or remove it."
        )
    if len(classes) < 2:
        raise DataError(f"a single class: {where}: nothing to tell apart. Add images of another class.")
    if "val" in splits:
        if (count := len(splits["val"].labels)) < LEAST:
            raise DataError(
                f"too few images: {where}: {plural(count, 'validation image')} where at least {LEAST} are needed. Add some, "
                "or leave the split out."
            )
        return splits
    if len(train.labels) < ENOUGH:
        raise DataError(
            f"too few images: {where}: {len(train.labels)} where at least {ENOUGH} are needed. Add some, or validation images."
        )
    rest, val = held_out(train.labels, train.groups)
    if len(val) < LEAST:
        raise DataError(
            f"too few groups: {where}: none can be held out for validation. Add some, or validation images."
        )
    lost = np.setdiff1d(train.labels, train.labels[rest])
    if len(lost):
        raise DataError(
            f"too few images: {where}: the only image of {classes[lost[0]]} would be held out for validation. "
            "Add some, or validation images."
        )
    return {**splits, "train": train.take(rest), "val": train.take(val)}


def write(where: str, splits: Splits, classes: Sequence[str], folder: Path, options: Options, facts: Record) -> Written:
    """Decode all pictures into the array files of a folder. With --skip-bad, pictures that cannot be read are left out.

    Args:
        where: name of the data set in messages.
        facts: the part of the census that only the source knows.

    Raises:
        DataError: some pictures cannot be read (the message lists them), or too few are left.
    """
    made, skipped = whole(where, splits, classes), 0
    bad, oblong = _decode(where, made, folder, options)
    if bad and options.skip_bad:
        say(f"note: {_left_out(bad)}")
        skipped, names = len(bad), {name for name, _ in bad}
        kept = {split: own.without(names) for split, own in splits.items()}
        made = whole(where, kept, classes)
        bad, oblong = _decode(where, made, folder, options)  # decode all again: another tenth is held out now
    if bad:
        raise _refusal(where, bad)
    held: Record = {"resize": options.resize, "oblong": oblong} | ({} if "val" in splits else {"validation": None})
    return Written(
        tuple(classes), {**held, **facts, "skipped": skipped, **_groups(made, options)}, list(made["val"].names),
        _numbered(made),
    )  # fmt: skip


def _groups(made: Splits, options: Options) -> Record:
    """The census of groups: the groups of validation and test images as numbers, and how many groups are in two splits."""
    if not any(len(own.groups) for own in made.values()):
        return {}
    names = {split: set(own.groups) for split, own in made.items()}
    others = {"val": names["train"], "test": names["train"] | names["val"]}
    shared = {split: len(names[split] & others[split]) for split in names if split != "train"}
    places = {
        split: np.unique(np.asarray(own.groups, dtype=object).astype(str), return_inverse=True)[1].tolist()
        for split, own in made.items() if split != "train"
    }  # fmt: skip
    return {"groups": {"by": options.group_by, "train": len(names["train"]), "shared": shared, **places}}


def _numbered(made: Splits) -> list[int]:
    """The group of each training image and then of each validation image as a number; empty without groups.

    A group that is in both splits has one number.
    """
    names = [*made["train"].groups, *made["val"].groups]
    return np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)[1].tolist() if names else []


def _decode(where: str, made: Splits, folder: Path, options: Options) -> "tuple[list[decode.Bad], int]":
    """Fill the array files. Return the pictures that cannot be read, and the number of pictures that are not square."""
    from trainables.data import decode  # Pillow loads here

    total = sum(len(own.labels) for own in made.values())
    bad: list[decode.Bad] = []
    work: list[decode.Strip] = []
    with meter(f"decoding {total:,} images of {where}", total, "images", bar=options.progress) as advance:
        for split in cache.SPLITS:
            own = made.get(split) or made["train"].take(np.zeros(0, np.int64))
            place = cache.begin_split(folder, split, own.labels, options.image_size)
            if own.are_files:
                work += decode.strips(*place, list(own.pictures), options.resize, options.image_size)
            else:
                bad += _fit(own, *place, options, advance)
        bad += decode.decode_all(work, advance)
    oblong = sum(why == decode.OBLONG for _, why in bad)
    return [each for each in bad if each[1] != decode.OBLONG], oblong


def _fit(own: Labelled, file: Path, offset: int, options: Options, advance: "Advance") -> "list[decode.Bad]":
    """Decode pictures that are not files. Return the bad and the OBLONG pictures, as decode.decode_all does."""
    from trainables.data import decode

    bad, size = [], options.image_size
    with file.open("r+b") as array:
        array.seek(offset)
        for place, name in enumerate(own.names):
            try:
                row, is_oblong = decode.fit(lambda at=place: own.pictures[at], name, options.resize, size)
                bad += [(name, decode.OBLONG)] if is_oblong else []
            except decode.BadImageError as error:
                bad.append(error.bad)
                row = np.zeros((size, size, 3), np.uint8)
            array.write(np.ascontiguousarray(row).data)
            advance(1)
    return bad


def _refusal(where: str, bad: "Sequence[decode.Bad]") -> DataError:
    """The error for all bad pictures: it names the first few and gives their number."""
    if len(bad) == 1:
        return DataError(
            f"cannot read image: {': '.join(bad[0])}. Replace or remove it, or leave it out with --skip-bad."
        )
    more = [f"... and {len(bad) - LISTED:,} more"] if len(bad) > LISTED else []
    return DataError(
        f"cannot read {len(bad):,} images: {where}. Replace or remove them, or leave them out with --skip-bad.",
        [*(": ".join(each) for each in bad[:LISTED]), *more],
    )


def _left_out(bad: "Sequence[decode.Bad]") -> str:
    """One line that names the first few pictures left out by --skip-bad and gives the number of the others."""
    more = f", and {len(bad) - LISTED:,} more" if len(bad) > LISTED else ""
    return f"left out, as --skip-bad asks: {'; '.join(': '.join(each) for each in bad[:LISTED])}{more}"


def groups_of(names: Sequence[str], pattern: str) -> list[str]:
    """The group of each name: the match of a regular expression, or its first matching parenthesis if it has any.

    Raises:
        DataError: the pattern is not a regular expression, or it matches nothing in some names.
    """
    try:
        found = [re.search(pattern, name) for name in names]
    except re.error as error:
        raise DataError(
            f"--group-by {pattern}: no regular expression: {error}. Write one such as 'patient[0-9]+'."
        ) from error
    missing = [name for name, match in zip(names, found, strict=True) if match is None]
    if missing:
        raise DataError(
            f"--group-by {pattern}: {len(missing):,} of {len(names):,} names have no such part, {missing[0]} among them. "
            "Name a part that every name has."
        )
    return [next((part for part in match.groups() if part is not None), match.group()) for match in found if match]
