"""The census of a data set: images of each class, duplicates across splits, images left out; and warnings from it.

The census is counted when the images are decoded, and kept in the cache and in run.json. Runs of early versions have none.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from trainables.data import duplicates
from trainables.files.durable import Record
from trainables.written import plural

FEW = 50  # validation images below which a warning is given; one of 50 images is worth two points of accuracy
LOPSIDED = 1.2  # classes are unbalanced if the largest class has more than this many times an equal share,
NOTICED = 0.1  # and more than this share of all images
UNLIKE = 10  # a warning is given if the largest class has this many times the training images of the smallest
SCARCE = 5  # validation images of the smallest class below which a warning is given
NAMED = 5  # classes that are named; of the others the number is told
FULL_NAMES = {"train": "training", "val": "validation", "test": "test"}


def count(images: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], classes: int, source: Record) -> Record:
    """The census of train, val and test.

    Args:
        images: uint8 (N, S, S, 3) of each split.
        labels: int64 (N,) of each split.
        source: facts that only the source knows: `validation`, the folder of the validation images, or None if they were held
            out of the training images; `skipped`, the number of pictures left out; `unread`, a line about arrays that were not
            read; `dataset`, the name of the data set for other machines; `groups` of the images.
    """
    counts = {split: of_classes(own, classes) for split, own in labels.items()}
    return {"counts": counts, "duplicates": duplicates.count(images, labels), **source}


def of_classes(labels: np.ndarray, classes: int) -> list[int]:
    """The number of images of each class."""
    return np.bincount(labels, minlength=classes).tolist()


def remarks(census: Record, classes: Sequence[str]) -> list[str]:
    """One warning for each weakness of a data set for training and comparing networks, with the next step."""
    if not census:
        return []
    counts = census["counts"]
    absent = (without(split, counts[split], classes) for split in ("train", "val", "test") if sum(counts[split]))
    untested = "" if sum(counts["test"]) else "no test images: the winner has no test score. Add some to have one."
    copies = (copied(line, counts) for line in census["duplicates"])
    unread = f"{census['unread']}." if census.get("unread") else ""
    told = [
        few(sum(counts["val"])) or scarce(counts["val"], classes),
        *absent,
        untested,
        unread,
        unlike_sizes(counts["train"], classes),
    ]
    return [*filter(None, told), *copies, *mixed_groups(census), *lone_group(census)]


def unlike_sizes(counts: Sequence[int], classes: Sequence[str]) -> str:
    """Warn if the largest class has at least UNLIKE times as many training images as the smallest; else an empty text."""
    there = [(number, place) for place, number in enumerate(counts) if number]
    if len(there) < 2 or max(there)[0] < UNLIKE * min(there)[0]:
        return ""
    (least, small), (most, large) = min(there), max(there)
    return (
        f"classes of unequal size: {classes[small]} has {least:,} training image{'s' if least > 1 else ''}, {classes[large]} has "
        f"{most:,}. Try --metric balanced_accuracy and class_weight=balanced."
    )


def mixed_groups(census: Record) -> list[str]:
    """Warn about groups that are in two splits of the data set."""
    shared = census.get("groups", {}).get("shared", {})
    return [
        f"{number:,} group{' stands' if number == 1 else 's stand'} among the {FULL_NAMES[split]} images and in another split: "
        "the score there partly measures memorised groups. Keep the images of each group in one split."
        for split, number in shared.items() if number
    ]  # fmt: skip


def lone_group(census: Record) -> list[str]:
    """Warn when all validation images are of one group, so no interval and no test can be computed."""
    if len(set(census.get("groups", {}).get("val", ()))) != 1:
        return []
    return [
        "all validation images are of one group: no interval and no test can be computed. "
        "Add groups, or validate on all with --folds."
    ]


def few(images: int) -> str:
    """Warn if there are fewer than FEW validation images; else an empty text."""
    if images >= FEW:
        return ""
    return f"only {images} validation images: each is worth {100 / images:.1f} points of accuracy. Add some."


def scarce(counts: Sequence[int], classes: Sequence[str]) -> str:
    """Warn if the smallest class that has validation images has fewer than SCARCE; else an empty text."""
    least, place = min((number, place) for place, number in enumerate(counts) if number)
    if least >= SCARCE:
        return ""
    return (
        f"the smallest class, {classes[place]}, has only {plural(least, 'validation image')}: its accuracy, and a metric that "
        f"weighs each class, moves in steps of {100 / least:.0f} points. Add some, or validate on all with --folds."
    )


def without(split: str, counts: Sequence[int], classes: Sequence[str], remedy: str = "Add some.") -> str:
    """Warn if some classes have no images in a split; else an empty text."""
    names = [name for name, number in zip(classes, counts, strict=True) if not number]
    if not names:
        return ""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    which = f"{len(names):,} of {len(classes):,} classes have" if len(names) > 1 else "one class has"
    them, their = ("them", "their") if len(names) > 1 else ("it", "its")
    means = f"no network can learn {them}" if split == "train" else f"{their} accuracy is not measured"
    return f"{which} no {FULL_NAMES[split]} images: {', '.join(names[:NAMED])}{more}; {means}. {remedy}"


def copied(line: Record, counts: Mapping[str, Sequence[int]]) -> str:
    """The warning about images that are in two splits, perhaps with different labels."""
    split, also = (FULL_NAMES[line[key]] for key in ("split", "also"))
    number, of = line["images"], f"of {sum(counts[line['split']]):,} {split} images also"
    told = (
        f"1 {of} stands among the {also} images, pixel by pixel: it does not measure new images. Remove it from one of the two."
        if number == 1
        else f"{number:,} {of} stand among the {also} images, pixel by pixel: they do not measure new images. "
        "Remove them from one of the two."
    )
    unlike = line.get("relabelled", 0)  # absent in older censuses, and if it is 0
    return f"{told} {relabelled(unlike, number)}" if unlike else told


def relabelled(unlike: int, number: int) -> str:
    """The sentence about duplicates that have another label in the other split: `unlike` of `number` duplicates."""
    if number == 1:
        return "It is of another class there: one of the two labels is wrong."
    return (
        f"{f'{unlike:,} of them are' if unlike > 1 else '1 of them is'} of another class there: some labels are wrong."
    )


def majority(counts: Sequence[int]) -> float:
    """The share of the most common class, 0 to 1, which is the accuracy of always predicting this class."""
    return max(counts) / sum(counts)


def is_lopsided(counts: Sequence[int]) -> bool:
    """Whether the share of the most common class is so large that an accuracy should be shown beside that share."""
    return majority(counts) > max(LOPSIDED / len(counts), NOTICED)


def reshaped(census: Record) -> str:
    """One line on how pictures that are not square were made square; empty if all are square."""
    counts = {
        split: own for split, own in census.get("counts", {}).items() if split != "train" or not census.get("folds")
    }
    number, of = census.get("oblong", 0), sum(map(sum, counts.values()))  # in folds val counts those of train too
    if number == 1:
        single = {
            "crop": "it is cropped to its centre (--resize squash or pad keeps all of it)",
            "squash": "it is squashed (--resize crop keeps its proportions)",
            "pad": "it is padded with black",
        }
        return f"1 of {of:,} images is not square: {single[census['resize']]}."
    done = {
        "crop": "they are cropped to their centre (--resize squash or pad keeps all of each)",
        "squash": "they are squashed (--resize crop keeps their proportions)",
        "pad": "they are padded with black",
    }
    return f"{number:,} of {of:,} images are not square: {done[census['resize']]}." if number else ""


def skipped(census: Record) -> str:
    """One line on the number of images that were left out; empty if none was."""
    number = census.get("skipped", 0)
    return f"{number:,} image{'s' if number > 1 else ''} left out that cannot be read (--skip-bad)." if number else ""
