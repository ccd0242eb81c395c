"""Pictures of the validation images that the winner gets wrong, and mistakes.json, in which a run keeps these pictures.

The images of a data set lie outside the run folder. With the kept pictures, results.md stays the same on a machine that does
not have the images.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from analysis.diagnostics import mistakes
from analysis.diagnostics.mistakes import Mistakes
from analysis.diagnostics.suspects import Suspect
from analysis.frame import images
from analysis.ranking.standing import Standing
from search.run.ledger import Run, Trial
from trainables.config import image_size
from trainables.data import cache, loading
from trainables.data.held_out.folds import Fold
from trainables.errors import ExpectedError
from trainables.files import durable

FILE = "mistakes.json"


@dataclass(frozen=True)
class Picture:
    """A validation image as the networks see it.

    Attributes:
        position: the place among the validation images, from 0.
        name: the path of the image's file; empty if there is no file or its path is not known.
        png: the image as PNG, base64.
    """

    position: int
    name: str
    png: str


def of_winner(run: Run, where: Standing) -> tuple[Mistakes, list[Picture]] | None:
    """Find the winner's mistakes and a picture of each example; None if there are no mistakes or no pictures."""
    found = mistakes.find(run, where) if run.identity.has_images else None
    if found is None:
        return None
    pictures = at_hand(run, found.examples, found.trial, image_size(found.trial.config)) or kept(run, found)
    return (found, pictures) if pictures else None


def at_hand(run: Run, examples: Sequence[Suspect], trial: Trial, size: int) -> list[Picture]:
    """Read the pictures of a trial's validation images; an empty list if the images are not here or cannot be read."""
    try:
        folder = images.at_hand(run, size)
        if folder is None:
            return []
        return [picture(folder, each.position, place) for each, place in placed(run, examples, trial, folder)]
    except (ExpectedError, OSError, IndexError):  # a damaged cache, or one that is being removed
        return []


def placed(run: Run, examples: Sequence[Suspect], trial: Trial, folder: Path) -> list[tuple[Suspect, int]]:
    """Pair each example with its place in the sequence of all training images followed by all validation images.

    Raises:
        DataError: the cache is damaged.
    """
    positions = np.array([each.position for each in examples], np.int64)
    if run.identity.folds:
        places = loading.held_out(folder, Fold(trial.fold, run.identity.folds))[positions]
    else:
        places = positions + len(cache.open_split(folder, "train")[1])
    return list(zip(examples, places.tolist(), strict=True))


def picture(folder: Path, position: int, place: int) -> Picture:
    """Read one image; only images of the data set's own validation split get a name."""
    train, val = (cache.open_split(folder, name)[0] for name in ("train", "val"))
    if place < len(train):
        return Picture(position, "", png(train[place]))
    names = images.val_names(folder)
    own = place - len(train)
    return Picture(position, names[own] if own < len(names) else "", png(val[own]))


def keep(run: Run, where: Standing) -> None:
    """Write mistakes.json, unless the file has these pictures already or there are no pictures.

    Raises:
        StorageError: the disk refused.
    """
    shown = of_winner(run, where)
    if shown and kept(run, shown[0]) != shown[1]:
        record = {"trial": shown[0].trial.id, "pictures": [asdict(each) for each in shown[1]]}
        durable.write_json(run.folder / FILE, record)


def kept(run: Run, found: Mistakes) -> list[Picture]:
    """Read the pictures in mistakes.json; an empty list if the file does not belong to these mistakes."""
    try:
        record = durable.read_json(run.folder / FILE)
        pictures = [Picture(int(own["position"]), str(own["name"]), str(own["png"])) for own in record["pictures"]]
    except (ExpectedError, KeyError, TypeError, ValueError):
        return []
    is_same = [each.position for each in pictures] == [each.position for each in found.examples]
    return pictures if is_same and record.get("trial") == found.trial.id and all(map(is_png, pictures)) else []


def is_png(picture: Picture) -> bool:
    """Whether the picture holds a valid PNG: mistakes.json may be damaged or come from elsewhere."""
    from PIL import Image

    try:
        Image.open(io.BytesIO(base64.b64decode(picture.png, validate=True)), formats=["PNG"]).verify()
    except Exception:  # whatever Pillow raises, down to SyntaxError
        return False
    return True


def png(image: np.ndarray) -> str:
    """Encode an image, uint8 (H, W, 3), as PNG in base64."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
