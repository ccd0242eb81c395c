"""Measure the decoding of images, and augmentation beside torchvision and kornia.

    python -m benchmarks.data --images 10000 --rounds 5

Images are decoded once and memory-mapped later. Augmentation is crop, flip and normalisation to float32 on one thread in this
process; the sides take turns in each round. torchvision on PIL images augments one image at a time, as its CIFAR10 and a
DataLoader do (here without the DataLoader's processes). torchvision on tensors draws one crop and one flip for a whole batch,
so its images vary less than those of the other sides. kornia is no dependency of this project; if kornia is missing, its row
says so.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image

from benchmarks.record import Table, keep, spread
from trainables.augmentations.crop import PADDING
from trainables.data import loading
from trainables.training.augmentations import augment
from trainables.training.shared import as_tensor, pixel_scale

BATCH = 128
Augment = Callable[[np.ndarray], object]  # images uint8 (N, 32, 32, 3) to normalised tensors


def some_images(source: Path, target: Path, count: int) -> int:
    """Copy about `count` training images and 100 test images, the same number of each class; return how many were copied."""
    copied = 0
    for split, wanted in (("train", count), ("test", 100)):
        classes = sorted(folder for folder in (source / split).iterdir() if folder.is_dir())
        for folder in classes:
            (target / split / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[: -(-wanted // len(classes))]:
                shutil.copy(path, target / split / folder.name)
                copied += 1
    return copied


def decoding(source: Path, count: int, rounds: int) -> list[list[str]]:
    """Rows on the time to get the images of a folder: in the first command that uses it, in later ones, and in a trial."""
    taken: dict[str, list[float]] = {"decode": [], "find": [], "map": [], "pillow": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as place:
            folder = Path(place).resolve()
            images = some_images(source, folder / "images", count)
            prepare = lambda: loading.prepare(f"folder:{folder / 'images'}", folder / "data", progress=False)  # noqa: B023, E731
            taken["pillow"].append(timed(lambda: [decoded(path) for path in (folder / "images").rglob("*.*")]))  # noqa: B023
            taken["decode"].append(timed(prepare))
            taken["find"].append(timed(prepare))
            cache = prepare()
            taken["map"].append(timed(lambda: loading.load(cache)))  # noqa: B023
    titles = {
        "pillow": f"Pillow, {images:,} files one after the other, as in every epoch of an ImageFolder",
        "decode": f"the first command: list, decode, hash and save {images:,} files, durably",
        "find": "the next command: list them, find them decoded",
        "map": "a trial: map them into memory",
    }
    return [
        [title, spread([1000 * each for each in taken[name]], "ms", 1), ratio(taken["pillow"], taken[name])]
        for name, title in titles.items()
    ]


def decoded(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def timed(work: Callable[[], Any]) -> float:
    """Run `work` once and return the seconds that it took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(others: list[float], own: list[float]) -> str:
    return f"{statistics.median(others) / statistics.median(own):.1f}x"


def augmentations(images: loading.Dataset) -> dict[str, Augment | None]:
    """The function of each side that crops, flips and normalises a batch; None for a library that is not installed."""
    from torchvision.transforms import v2

    generator = torch.Generator().manual_seed(0)
    labels, scale = torch.zeros(BATCH, dtype=torch.int64), pixel_scale(images, "cpu")
    moves = [v2.RandomCrop(32, padding=PADDING), v2.RandomHorizontalFlip()]
    to_floats = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(images.mean, images.std)]
    per_image, per_batch = v2.Compose([*moves, v2.ToImage(), *to_floats]), v2.Compose([*moves, *to_floats])
    return {
        "ours": lambda batch: augment({"augment": "standard"}, as_tensor(batch), labels, *scale, generator).images,
        "torchvision v2 on tensors, one draw for a batch": lambda batch: per_batch(
            as_tensor(batch).permute(0, 3, 1, 2)
        ),
        "torchvision v2 on PIL images": lambda batch: torch.stack([per_image(Image.fromarray(one)) for one in batch]),
        "kornia": by_kornia(images),
    }


def by_kornia(images: loading.Dataset) -> Augment | None:
    """Crop, flip and normalisation by kornia, with a draw for each image; None if kornia is not installed."""
    try:
        from kornia import augmentation
    except ImportError:
        return None
    moves = augmentation.AugmentationSequential(
        augmentation.RandomCrop((32, 32), padding=PADDING),
        augmentation.RandomHorizontalFlip(),
        augmentation.Normalize(torch.tensor(images.mean), torch.tensor(images.std)),
    )
    return lambda batch: moves(as_tensor(batch).permute(0, 3, 1, 2).float() / 255)


def augmenting(images: loading.Dataset, batches: int, rounds: int) -> list[list[str]]:
    """Rows on the images per second that each side augments."""
    batch, sides = np.array(images.train.images[:BATCH]), augmentations(images)
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):  # the first is not counted
        for name, work in sides.items():
            if work and number:
                taken[name].append(timed(lambda work=work: [work(batch) for _ in range(batches)]))  # type: ignore[misc]
            elif work:
                work(batch)
    return [
        [name, "not installed", ""] if work is None
        else [name, spread([batches * BATCH / each for each in taken[name]], "images/s", 0), ratio(taken[name], taken["ours"])]
        for name, work in sides.items()
    ]  # fmt: skip


def measure(source: Path = Path("data/cifar10-jpeg"), count: int = 10_000, batches: int = 50, rounds: int = 3) -> Table:
    """The table, with rows on augmentation and on decoding."""
    torch.set_num_threads(1)
    images = loading.load(loading.prepare(f"folder:{source}", source.parent))
    rows = augmenting(images, batches, rounds)
    return Table(
        name="data",
        title="Images",
        command=f"python -m benchmarks.data --images {count} --batches {batches} --rounds {rounds}",
        columns=["", "median (minimum to maximum)", "ratio"],
        rows=[*rows, *decoding(source, count, rounds)],
        aim="decoded once, and augmentation faster than by the libraries.",
        reached=f"{rows[0][1]} beside " + ", ".join(f"{value} ({name})" for name, value, _ in rows[1:]) + ".",
        notes=f"Crop with {PADDING} pixels, flip and normalisation of batches of {BATCH}, one thread; two decode. "
        "Ratio: how much faster ours augments, and how much faster than decoding one after the other the images are there.",
    )


def main(
    source: Annotated[Path, typer.Option(help="tree of train/<class>/* and test/<class>/*")] = Path(
        "data/cifar10-jpeg"
    ),
    images: Annotated[int, typer.Option(help="files that are decoded")] = 10_000,
    batches: Annotated[int, typer.Option(help="augmented in each round")] = 50,
    rounds: Annotated[int, typer.Option(help="of all sides in turn")] = 3,
) -> None:
    """Measure, print and keep the table."""
    keep(measure(source, images, batches, rounds))


if __name__ == "__main__":
    typer.run(main)
