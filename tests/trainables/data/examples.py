"""A small data set of every kind in sources/, for the conformance suite. A new kind needs its Example in EXAMPLES."""

import io
import struct
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

    listing: str = ""
    """The ending of a file that lists the others, and is read to find them."""


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


def noise(spot: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """uint8 (N, 32, 32, 3) and labels of train and test, in two classes."""
    random = np.random.default_rng(0)
    found = {}
    for split, count in {"train": 40, "test": 10}.items():
        images = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        images[0, 0, 0, 0] ^= spot * (split == "train")
        found[split] = images, np.arange(count) % 2
    return found


def write_table(_: str, place: Path, __: pytest.MonkeyPatch, spot: int) -> str:
    lines = ["path,label,split"]
    (place / "images").mkdir()
    for split, (images, labels) in noise(spot).items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            Image.fromarray(image).save(place / "images" / f"{split}{number}.png", compress_level=1)
            lines.append(f"images/{split}{number}.png,{('cat', 'dog')[label]},{split}")
    (place / "pets.csv").write_text("\n".join(lines))
    return f"csv:{place / 'pets.csv'}"


def write_npz(_: str, place: Path, __: pytest.MonkeyPatch, spot: int) -> str:
    found = noise(spot)
    arrays = {
        f"{split}_{kind}": found[split][number] for split in found for number, kind in enumerate(("images", "labels"))
    }
    np.savez(place / "pets.npz", **arrays)
    return f"npz:{place / 'pets.npz'}"


def write_parquet(_: str, place: Path, __: pytest.MonkeyPatch, spot: int) -> str:
    import pyarrow.parquet

    (place / "pets").mkdir()
    for split, (images, labels) in noise(spot).items():
        table = pyarrow.table({"image": [{"bytes": as_png(image)} for image in images], "label": labels.tolist()})
        pyarrow.parquet.write_table(table, place / "pets" / f"{split}-00000-of-00001.parquet")
    return f"hf:{place / 'pets'}"


def as_png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def write_mnist(_: str, place: Path, __: pytest.MonkeyPatch, spot: int) -> str:
    raw = place / DATA / "torchvision" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, count in {"train": 100, "t10k": 20}.items():
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        images[0, 0, 0] ^= spot * (split == "train")
        head = struct.pack(">IIII", 2051, count, 28, 28)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())
    return "torchvision:MNIST"


FUNCTION = """
import numpy as np
def load():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    images[0, 0, 0, 0] ^= {spot}
    labels = ["cat", "dog"] * 25
    return {{"train": (images[:40], labels[:40]), "test": (images[40:], labels[40:])}}
"""


def write_function(_: str, place: Path, __: pytest.MonkeyPatch, spot: int) -> str:
    (place / "my_data.py").write_text(FUNCTION.format(spot=spot))
    return f"{place / 'my_data.py'}:load"


def cut_first(place: Path) -> None:
    """Cut the first file in half."""
    first = min(path for path in place.rglob("*") if path.is_file())
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])


EXAMPLES = {  # by the name of the file in sources/
    "digits": Example(write_digits),
    "cifar": Example(write_archive, cut_first),
    "image_folder": Example(write_folder, cut_first),
    "table": Example(write_table, cut_first, listing=".csv"),
    "npz": Example(write_npz, cut_first),
    "parquet": Example(write_parquet, cut_first),
    "torchvision_sets": Example(write_mnist, cut_first),
    "function": Example(write_function, cut_first),
}
