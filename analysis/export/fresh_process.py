"""Test an export in a new process that has torch and safetensors but not this project, before the export is reported done."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.errors import RunError

PATIENCE = 600.0  # seconds, and one more for each image that is scored
IMAGES = 8
LARGEST = 1e-3  # allowed difference of logits, as a share of the largest: sums in another order differ in the last bits
BLOCKED = ("trainables", "spaces", "search", "analysis", "run_search")
IMPORT = "Let the network's own file import all that it needs."  # the next step after most failures
START = """
import json, sys
sys.modules.update(dict.fromkeys({blocked!r}))
folder, scratch, largest = {folder!r}, {scratch!r}, {largest!r}
facts = json.load(open(folder + "/config.json"))
"""
LOAD = """
sys.path.insert(0, folder)
import torch
from safetensors.torch import load_file
from model import build
network = build(facts["config"], len(facts["classes"])).eval()
network.load_state_dict(load_file(folder + "/model.safetensors"))
probe = load_file(scratch + "/probe")
images, pixels, predicted = probe["images"], probe["pixels"], []
any_number = ({0: torch.export.Dim("images")},)
with torch.no_grad():
    logits = network(images)
    for some in pixels.split(500) if len(pixels) else ():
        mean, std = (torch.tensor(facts[key]).view(3, 1, 1) for key in ("mean", "std"))
        predicted += network((some.permute(0, 3, 1, 2).contiguous() / 255 - mean) / std).argmax(1).tolist()
answer = {"apart": float((logits - probe["logits"]).abs().max()), "predicted": predicted, "refused": ""}
"""
PROGRAM = """
try:
    program = torch.export.export(network, (images,), dynamic_shapes=any_number)
    torch.export.save(program, scratch + "/program.pt2")
    again = torch.export.load(scratch + "/program.pt2").module()
    with torch.no_grad():
        alike = torch.cat([again(images[:1]), again(images[1:])])
    if float((alike - logits).abs().max()) > largest * float(logits.abs().max()):
        answer["refused"] = "the program gives other numbers than the network"
except Exception as error:
    answer["refused"] = next(iter(str(error).strip().splitlines()), type(error).__name__)
print("\\n" + json.dumps(answer))
"""


@dataclass(frozen=True)
class Tried:
    """The result of testing an export.

    Attributes:
        program: the bytes of a torch.export program; None if torch makes none of the network.
        refused: why there is no program; empty if there is one.
        predicted: the predicted class of each picture, int64 (N,).
    """

    program: bytes | None
    refused: str
    predicted: np.ndarray


def tried(
    folder: Path, config: Mapping[str, Any], classes: int, weights: bytes, pictures: np.ndarray | None = None
) -> Tried:
    """Load an export in a new process, compare its logits with those of the trained network, and classify pictures.

    Args:
        pictures: uint8 (N, S, S, 3), for a network of images of S pixels a side.

    Raises:
        RunError: the export does not load, or its logits differ too much.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        largest = write_probe(Path(scratch) / "probe", config, classes, weights, pictures)
        seconds = PATIENCE + (0 if pictures is None else len(pictures))
        answer = answered(folder, Path(scratch), LOAD + PROGRAM, seconds, "in a process without this project", IMPORT)
        if not answer["apart"] <= LARGEST * largest:
            raise RunError(
                f"not usable: {folder}: in a process without this project its logits differ by {answer['apart']:.3g}. "
                "Do not use this export. Let the network's own file hold all that it computes with."
            )
        program = None if answer["refused"] else (Path(scratch) / "program.pt2").read_bytes()
        return Tried(program, answer["refused"], np.array(answer["predicted"], np.int64))


def answered(folder: Path, scratch: Path, code: str, seconds: float, where: str, step: str) -> dict[str, Any]:
    """Run code on an export in a new process; return the JSON object in the last line that the process prints.

    Args:
        seconds: the time limit.
        where: where the code runs, in words for an error message.
        step: the next step if the code fails.

    Raises:
        RunError: the process fails, or takes too long.
    """
    words = {"folder": str(folder.resolve()), "scratch": str(scratch), "blocked": BLOCKED, "largest": LARGEST}
    command = [sys.executable, "-I", "-B", "-c", START.format(**words) + code]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RunError(f"not usable: {folder}: {where} it took longer than {seconds:.0f} s. Try again.") from None
    if done.returncode:
        why = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit code {done.returncode}").rstrip(".")
        raise RunError(f"not usable: {folder}: {where} it does not load: {why}. {step}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_probe(
    path: Path, config: Mapping[str, Any], classes: int, weights: bytes, pictures: np.ndarray | None = None
) -> float:
    """Write noise images, the trained network's logits for them, and pictures to a file; return the largest absolute logit."""
    import safetensors.torch
    import torch

    from trainables.config import image_size
    from trainables.models.networks import build

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        network = build(config, classes).eval()
        network.load_state_dict(safetensors.torch.load(weights))
        side = image_size(config)
        images = torch.randn(IMAGES, 3, side, side, generator=torch.Generator().manual_seed(0))
        logits = network(images)
    pixels = torch.zeros(0, side, side, 3, dtype=torch.uint8)
    pixels = pixels if pictures is None else torch.from_numpy(np.array(pictures))
    safetensors.torch.save_file({"images": images, "logits": logits.contiguous(), "pixels": pixels}, path)
    return float(logits.abs().max())
