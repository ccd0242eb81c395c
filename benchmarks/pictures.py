"""Measure larger pictures: augmented images per second beside torchvision's ImageFolder with a DataLoader, whole searches.

    python -m benchmarks.pictures --count 2000 --rounds 3
    python -m benchmarks.pictures --searches            adds a search at each size to its end, with its peak memory

The pictures are JPEGs of 320 x 320 pixels: tiles of the photographs in scikit-learn (and in scikit-image, if installed), and
enlarged images of a folder tree (`--source`). Both sides make augmented, normalised float32 batches and train nothing. This
project takes the images that were decoded once, in this process on one thread. The DataLoader decodes in as many processes as
there are cores. The time to decode all images once has its own row.
"""

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

from benchmarks.data import timed
from benchmarks.processes import watched
from benchmarks.record import Table, keep, spread
from trainables.data import loading
from trainables.training.augmentations import augment
from trainables.training.shared import as_tensor, pixel_scale

SIZES, AIMS = (64, 224), {64: 2.0, 224: 1.3}
SIDE, BATCH = 320, 64
ROOT = Path(__file__).parents[1]


def photographs() -> list[Path]:
    """The photographs in installed packages whose sides have at least SIDE pixels."""
    from sklearn.datasets import load_sample_images

    found = [Path(name) for name in load_sample_images().filenames]
    if spec := importlib.util.find_spec("skimage"):
        folder = Path(spec.origin or "").parent / "data"
        found += sorted(path for path in folder.glob("*.*") if path.suffix in (".png", ".jpg", ".jpeg"))
    return [path for path in found if min(Image.open(path).size) >= SIDE]


def tiles(count: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield squares from random places of each photograph, with the photograph's name as their class."""
    random = np.random.default_rng(0)
    for path in photographs():
        with Image.open(path) as whole:
            picture = whole.convert("RGB")
        for _ in range(count):
            left, top = (int(random.integers(side - SIDE + 1)) for side in picture.size)
            yield path.stem, picture.crop((left, top, left + SIDE, top + SIDE))


def enlarged(source: Path, count: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield the first `count` images of each class in source/train/CLASS/*, enlarged; nothing if there is no such folder."""
    for folder in sorted((source / "train").glob("*/")):
        for path in sorted(folder.iterdir())[:count]:
            with Image.open(path) as small:
                yield folder.name, small.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def write(folder: Path, source: Path, count: int) -> int:
    """Write about `count` JPEGs into folder/train/CLASS; return how many were written."""
    classes = len(photographs()) + len(list((source / "train").glob("*/")))
    each, written = -(-count // classes), 0
    for number, (name, picture) in enumerate([*tiles(each), *enlarged(source, each)]):
        place = folder / "train" / name
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{number:06}.jpg", quality=90)
        written += 1
    return written


def ours(images: loading.Dataset) -> int:
    """Make all batches of an epoch as a training step gets them, without the step; return the number of images."""
    generator, scale = torch.Generator().manual_seed(0), pixel_scale(images, "cpu")
    pixels, labels = as_tensor(images.train.images), as_tensor(images.train.labels)
    for chosen in torch.randperm(len(labels), generator=generator).split(BATCH):
        some = pixels.index_select(0, chosen), labels.index_select(0, chosen)
        augment({"augment": "standard"}, *some, *scale, generator)
    return len(labels)


def loader(folder: Path, size: int, workers: int) -> torch.utils.data.DataLoader:
    """The DataLoader that a script with torchvision would use for pictures of this size."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    small = [v2.Resize(size), v2.CenterCrop(size), v2.RandomCrop(size, padding=4)]
    moves = [*(small if size <= 64 else [v2.RandomResizedCrop(size)]), v2.RandomHorizontalFlip()]
    floats = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.25] * 3)]
    whole = ImageFolder(str(folder / "train"), v2.Compose([*moves, *floats]))
    return torch.utils.data.DataLoader(
        whole, BATCH, shuffle=True, num_workers=workers, persistent_workers=True, multiprocessing_context="forkserver"
    )


def pace(work: Sequence[float], images: int) -> str:
    return spread([images / each for each in work], "images/s", 0)


def epochs(folder: Path, size: int, rounds: int, workers: int) -> list[list[str]]:
    """Measure one size of images: rows for both sides, which take turns, and for decoding once."""
    dataset, data_dir = f"folder:{folder}", folder.parent / "data"
    decoding = timed(lambda: loading.prepare(dataset, data_dir, image_size=size, progress=False))
    images = loading.load(loading.prepare(dataset, data_dir, image_size=size, progress=False, tell=False))
    theirs = loader(folder, size, workers)
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds + 1):  # the first is not counted: processes start, files are read from the disk
        found = {"ours": timed(lambda: ours(images)), "theirs": timed(lambda: list(map(len, theirs)))}
        for side in taken if number else ():
            taken[side].append(found[side])
    count, of_theirs = len(images.train.labels), len(theirs.dataset)  # type: ignore[arg-type]
    own, other = statistics.median(taken["ours"]) / count, statistics.median(taken["theirs"]) / of_theirs
    return [
        [f"{size} pixels: ours, one thread", pace(taken["ours"], count), f"{other / own:.1f}x"],
        [f"{size} pixels: ImageFolder, DataLoader of {workers} processes", pace(taken["theirs"], of_theirs), ""],
        [f"{size} pixels: decoding once, before the first epoch", pace([decoding], of_theirs), ""],
    ]


def search(folder: Path, size: int) -> list[str]:
    """Run a search of small convnets; return its row with the time and the peak memory, including Ray's processes."""
    with tempfile.TemporaryDirectory(prefix="search-") as place:
        words = [
            "--space", "lr_sweep", "--set", "model=convnet", "--set", "width=8", "--set", "depth=4", "--set",
            "lr=0.001,0.003", "--epochs", "2", "--dataset", f"folder:{folder}", "--data-dir", str(folder.parent / "data"),
            "--image-size", str(size), "--runs-dir", str(Path(place) / "runs"), "--results", str(Path(place) / "results.md"),
            "--quiet",
        ]  # fmt: skip
        cost, _ = watched([sys.executable, str(ROOT / "run_search.py"), *words], {})
    told = f"{cost.wall:.0f} s, at most {cost.memory / 1e9:.2f} GB of memory in all processes"
    return [f"{size} pixels: a search of 2 convnets, 2 epochs", told, ""]


def measure(source: Path, count: int, rounds: int, searches: bool) -> Table:
    """Measure all rows and return the table."""
    torch.set_num_threads(1)
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="pictures-") as place:
        folder = Path(place) / "pictures"
        there = write(folder, source, count)
        started = time.perf_counter()
        rows = [row for size in SIZES for row in epochs(folder, size, rounds, workers)]
        rows += [search(folder, size) for size in SIZES if searches]
    ratios = {size: next(row[2] for row in rows if row[0].startswith(f"{size} pixels: ours")) for size in SIZES}
    return Table(
        name="pictures",
        title="Larger pictures",
        command=f"python -m benchmarks.pictures --count {count} --rounds {rounds}{' --searches' if searches else ''}",
        columns=["", "median (minimum to maximum)", "ratio"],
        rows=rows,
        aim=" and ".join(f"{aim:g}x at {size} pixels" for size, aim in AIMS.items()) + ".",
        reached=", ".join(f"{ratio} at {size}" for size, ratio in ratios.items()) + ".",
        notes=f"{there:,} JPEGs of {SIDE} x {SIDE}; batches of {BATCH}, augmented (crop and flip, from 65 pixels on a "
        f"random resized crop) and normalised, nothing trained. {time.perf_counter() - started:.0f} s in all.",
    )


def main(
    source: Annotated[Path, typer.Option(help="tree of train/<class>/* whose images are enlarged")] = Path(
        "data/cifar10-jpeg"
    ),
    count: Annotated[int, typer.Option(help="pictures, about")] = 2000,
    rounds: Annotated[int, typer.Option(help="epochs of both sides in turn")] = 3,
    searches: Annotated[bool, typer.Option("--searches", help="also a whole search at each size")] = False,
) -> None:
    """Measure, print and keep the table."""
    keep(measure(source, count, rounds, searches))


if __name__ == "__main__":
    typer.run(main)
