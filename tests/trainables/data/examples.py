"""A small data set of every kind in sources/, for the conformance suite. A new kind needs its Example in EXAMPLES."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from tests.trainables.data.archives import batches, publish
from trainables.data.sources import cifar, digits

DATA = "data"  # in the place of an example: --data-dir


class Example(NamedTuple):
    """What the suite needs to know of a kind of data set."""

    write: Callable[[str, Path, pytest.MonkeyPatch, int], str]
    """(form, place, monkeypatch, spot): put images into place and return what --dataset says; no two images are alike.
    `spot` is XORed with one colour of one pixel of a training image."""

    damage: Callable[[Path], object] | None = None
    """Damage what was written into a place; none if a kind reads no files of the user."""


def write_digits(form: str, _: Path, monkeypatch: pytest.MonkeyPatch, spot: int) -> str:
    images, labels = digits.read()
    images[0, 0, 0, 0] ^= spot
    monkeypatch.setattr(digits, "read", lambda: (images, labels))
    return form


PUBLISHED = dict(cifar.ARCHIVES)


def write_archive(form: str, place: Path, monkeypatch: pytest.MonkeyPatch, spot: int) -> str:
    (place / DATA).mkdir()
    members = batches(PUBLISHED[form], spot=spot)
    monkeypatch.setitem(cifar.ARCHIVES, form, publish(place / DATA, PUBLISHED[form], members))
    return form


def write_folder(_: str, place: Path, __: pytest.MonkeyPatch, spot: int) -> str:
    random = np.random.default_rng(0)
    for split, count in {"train": 20, "test": 5}.items():
        for name in ("cat", "dog"):
            (place / "pets" / split / name).mkdir(parents=True)
            for number in range(count):
                image = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                image[0, 0, 0] ^= spot * (split == "train" and number == 0)
                Image.fromarray(image).save(place / "pets" / split / name / f"{number}.png", compress_level=1)
    return f"folder:{place / 'pets'}"


def cut_first(place: Path) -> None:
    """Cut the first file in half."""
    first = min(path for path in place.rglob("*") if path.is_file())
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])


EXAMPLES = {  # by the name of the file in sources/
    "digits": Example(write_digits),
    "cifar": Example(write_archive, cut_first),
    "image_folder": Example(write_folder, cut_first),
}
