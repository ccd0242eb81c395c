"""Classes and probabilities of image files from an exported network."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.export.bundle import CONFIG, FORMAT, PROGRAM, WEIGHTS
from analysis.frame.dataframe import Row
from analysis.render.blocks import Foreign, Table, Words
from analysis.render.markdown import percent, rendered
from analysis.results.rows import as_csv, as_json
from trainables.data.names import SQUASH
from trainables.errors import DataError, RunError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.parts import named

SHOWN = 3  # classes in the table, the likeliest first


def predict(folder: Path, paths: Sequence[Path], form: str) -> tuple[str, list[str]]:
    """Predict the class of each image file with an exported network.

    Returns:
        The predictions as text, which is empty if no image can be read, and an error message for each image that cannot be
        read. The text is a table (md) or has every class with its probability (csv, json).

    Raises:
        RunError: the folder is no export, or its weights are damaged.
    """
    facts = read_config(folder)
    image = facts["image"]
    images, refused = decoded(
        paths, image.get("resize", SQUASH), image["width"]
    )  # SQUASH, because exports from before the method was recorded resized images this way
    chances = probabilities(folder, facts, list(images.values())) if images else []
    rows = [row(path, facts["classes"], each) for path, each in zip(images, chances, strict=True)]
    return (printed(rows, facts["classes"], form) if rows else ""), refused


def printed(rows: list[Row], classes: Sequence[str], form: str) -> str:
    """The predictions as md, csv or json."""
    if form == "json":
        return as_json(rows)
    if form == "csv":
        return as_csv([{"image": each["image"], "class": name, "probability": value}
                       for each in rows for name, value in each["probabilities"].items()])  # fmt: skip
    shown = min(SHOWN, len(classes))
    header = ("image", *(part for place in range(1, shown + 1) for part in (f"class {place}", "%")))
    return rendered((Table(header, tuple(cells(each, shown) for each in rows), "l" + "lr" * shown),)) + "\n"


def decoded(paths: Sequence[Path], how: str, size: int) -> tuple[dict[Path, np.ndarray], list[str]]:
    """Read image files: the images, uint8 (H, W, 3), by path, and an error message for each file that cannot be read."""
    from trainables.data import decode

    images, refused = {}, []
    for path in dict.fromkeys(paths):
        try:
            images[path] = decode.decode(str(path), how, size)
        except DataError as error:
            refused.append(error.message)
    return images, refused


def read_config(folder: Path) -> Record:
    """Read config.json of an export.

    Raises:
        RunError: the folder is no export.
    """
    facts = durable.read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if facts.get("format") != FORMAT:
        raise RunError(
            f"no export: {folder}: {CONFIG} is missing or another's. Make one: python -m analysis export RUN DIR."
        )
    return facts


def probabilities(folder: Path, facts: Record, pictures: Sequence[np.ndarray]) -> list[list[float]]:
    """Class probabilities, (images, classes), of pictures that are uint8 (H, W, 3), computed in float32 on the CPU.

    A built-in network is built from this project's sources. Any other network is loaded from program.pt2. So no Python source
    in the export folder is run.

    Raises:
        RunError: the weights or the program are damaged, or there is no program.
    """
    import safetensors.torch
    import torch

    from trainables.models.networks import build
    from trainables.training.augmentations import normalise
    from trainables.training.loop import at_once, predict_resident

    weights = (folder / WEIGHTS).read_bytes() if (folder / WEIGHTS).is_file() else b""
    if durable.sha256(weights) != facts["weights_sha256"]:
        raise RunError(f"damaged export: {folder / WEIGHTS}: not the weights that {CONFIG} names. Export it again.")
    images = torch.from_numpy(np.stack(pictures))
    pixels = images.shape[1] * images.shape[2]
    mean, std = (torch.tensor(facts[key]).mul(255).repeat(pixels) for key in ("mean", "std"))
    if not named.is_built_in(facts["config"]["model"]):
        program = torch.export.load(io.BytesIO(read_program(folder, facts))).module()
        with torch.inference_mode():
            parts = [program(normalise(each, mean, std).contiguous()) for each in images.split(at_once(images))]
        answers: list[list[float]] = torch.cat(parts).double().softmax(1).tolist()
        return answers
    model = build(facts["config"], len(facts["classes"]))
    model.load_state_dict(safetensors.torch.load(weights))
    found: list[list[float]] = predict_resident(model, images, (mean, std), "fp32").double().softmax(1).tolist()
    return found


def read_program(folder: Path, facts: Record) -> bytes:
    """Read the torch.export program of a network that is not built in.

    Raises:
        RunError: the export has no program, or the program is damaged.
    """
    if "program_sha256" not in facts:
        raise RunError(
            f"no program: {folder}: torch.export made none of this network. Load it as {folder}/README.md says."
        )
    program = (folder / PROGRAM).read_bytes() if (folder / PROGRAM).is_file() else b""
    if durable.sha256(program) != facts["program_sha256"]:
        raise RunError(f"damaged export: {folder / PROGRAM}: not the program that {CONFIG} names. Export it again.")
    return program


def row(path: Path, classes: Sequence[str], chances: Sequence[float]) -> Row:
    """The row of one image, with its classes in descending order of probability."""
    order = sorted(range(len(classes)), key=lambda place: -chances[place])
    best = order[0]
    each = {classes[place]: round(chances[place], 6) for place in order}
    return {"image": str(path), "class": classes[best], "probability": round(chances[best], 6), "probabilities": each}


def cells(each: Row, shown: int) -> tuple[Words, ...]:
    likeliest = list(each["probabilities"].items())[:shown]
    return Foreign(each["image"]), *(part for name, value in likeliest for part in (Foreign(name), percent(value)))
