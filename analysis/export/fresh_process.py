"""An export tried in a process that has torch and safetensors and nothing of ours, before it is called a success."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.errors import RunError

PATIENCE = 600.0  # seconds
IMAGES = 8
LARGEST = 1e-3  # difference of two logits, as a share of the largest: another order of a sum makes one in the last bits
BLOCKED = ("trainables", "spaces", "search", "analysis", "run_search")
SCRIPT = """
import json, sys
sys.modules.update(dict.fromkeys({blocked!r}))
sys.path.insert(0, {folder!r})
import torch
from safetensors.torch import load_file
from model import build
facts = json.load(open({folder!r} + "/config.json"))
network = build(facts["config"], len(facts["classes"])).eval()
network.load_state_dict(load_file({folder!r} + "/model.safetensors"))
probe = load_file({scratch!r} + "/probe")
with torch.no_grad():
    logits = network(probe["images"])
answer = {{"apart": float((logits - probe["logits"]).abs().max()), "refused": ""}}
try:
    any_number = ({{0: torch.export.Dim("images")}},)
    program = torch.export.export(network, (probe["images"],), dynamic_shapes=any_number)
    torch.export.save(program, {scratch!r} + "/program.pt2")
    again = torch.export.load({scratch!r} + "/program.pt2").module()
    with torch.no_grad():
        alike = torch.cat([again(probe["images"][:1]), again(probe["images"][1:])])
    if float((alike - logits).abs().max()) > {largest} * float(logits.abs().max()):
        answer["refused"] = "the program gives other numbers than the network"
except Exception as error:
    answer["refused"] = next(iter(str(error).strip().splitlines()), type(error).__name__)
print("\\n" + json.dumps(answer))
"""


@dataclass(frozen=True)
class Tried:
    """What came of it: the bytes of a torch.export program, or why there is none."""

    program: bytes | None
    refused: str


def tried(folder: Path, config: Mapping[str, Any], classes: int, weights: bytes) -> Tried:
    """Load what was written and compare its answers with those of the network that was trained.

    Raises:
        RunError: it does not load, or gives other numbers.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        largest = write_probe(Path(scratch) / "probe", config, classes, weights)
        words = {"folder": str(folder.resolve()), "scratch": scratch, "blocked": BLOCKED, "largest": LARGEST}
        done = subprocess.run(
            [sys.executable, "-I", "-B", "-c", SCRIPT.format(**words)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if done.returncode:
            why = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit code {done.returncode}")
            raise RunError(f"not usable: {folder}: in a process without this project it does not load: {why}")
        answer = json.loads(done.stdout.splitlines()[-1])
        if not answer["apart"] <= LARGEST * largest:
            raise RunError(
                f"not usable: {folder}: in a process without this project its logits differ by {answer['apart']:.3g}."
            )
        return Tried(None if answer["refused"] else (Path(scratch) / "program.pt2").read_bytes(), answer["refused"])


def write_probe(path: Path, config: Mapping[str, Any], classes: int, weights: bytes) -> float:
    """Normalised noise, and what the network that was trained makes of it; the largest of the logits."""
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
    safetensors.torch.save_file({"images": images, "logits": logits.contiguous()}, path)
    return float(logits.abs().max())
