"""`python -m trainables.data`: fetch, verify and decode a data set."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainables.cli.execution import execute
from trainables.cli.options import Command, Version, application, option
from trainables.cli.paths import DATA_DIR
from trainables.config import IMAGE_SIZE
from trainables.data import duplicates
from trainables.data.cache import SPLITS, open_split, val_names
from trainables.data.loading import load, prepare, resolve
from trainables.data.names import CROP, FORMS
from trainables.errors import DataError

SHOWN = 5  # images that are named


def _main(
    dataset: str, data_dir: Path, skip_bad: bool, group_by: str | None, resize: str, near: bool, size: int = IMAGE_SIZE
) -> None:
    """Prepare a data set, check every byte of what was prepared before, and print one line about it."""
    name, fallback = resolve(dataset, data_dir)
    if fallback:
        raise DataError(fallback.removeprefix("training on digits: "))
    folder = prepare(
        name, data_dir, skip_bad=skip_bad, group_by=group_by, resize=resize, image_size=size, thorough=True
    )
    images = load(folder)
    sizes = ", ".join(f"{count:,} {part}" for part, count in images.sizes.items())
    print(f"{name}: {sizes}, {len(images.classes)} classes, fingerprint {images.fingerprint}, in {folder}")
    if near:
        _tell_alike(folder)


def _tell_alike(folder: Path) -> None:
    """Print a line for each pair of splits: how many images of the first look like one of the second, and a few of them."""
    names = val_names(folder)
    for (split, other), found in duplicates.near({part: open_split(folder, part)[0] for part in SPLITS}).items():
        called = [names[place] if split == "val" and names else f"{split}[{place}]" for place in found[:SHOWN].tolist()]
        more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        look = f"{split} image looks" if len(found) == 1 else f"{split} images look"
        print(f"{len(found):,} {look} like one of {other}{': ' if called else ''}{', '.join(called)}{more}")


app = application(add_completion=False)


@app.command(cls=Command, help="Fetch, verify and decode a data set, so that searches and trials find it ready.")
def prepare_one(
    dataset: Annotated[str, typer.Argument(help=", ".join(FORMS))],
    data_dir: Annotated[Path, option("folder of data archives, also for downloads")] = DATA_DIR,
    skip_bad: Annotated[bool, option("leave out images that cannot be read", "--skip-bad")] = False,
    group_by: Annotated[
        str | None, option("keep images of one group on one side: a column, or a part of the file's name")
    ] = None,
    resize: Annotated[str, option("for images that are not square: crop, squash or pad")] = CROP,
    image_size: Annotated[int, option("height and width of every image in pixels")] = IMAGE_SIZE,
    near_duplicates: Annotated[
        bool, option("count images that look like one of another split", "--near-duplicates")
    ] = False,
    version: Version = False,
) -> None:
    _main(dataset, data_dir, skip_bad, group_by, resize, near_duplicates, image_size)


if __name__ == "__main__":
    sys.exit(execute(app, "python -m trainables.data", sys.argv[1:]))
