"""Write an export as ONNX with torch, and test the file with onnxruntime in a process without torch."""

import importlib.util
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.export import fresh_process
from trainables.errors import RunError, UsageError

WITHOUT = "Leave out --onnx."  # the next step
NEEDED = ("onnx", "onnxscript", "onnxruntime")
WRITE = """
import logging, warnings
logging.disable(), warnings.simplefilter("ignore")
torch.onnx.export(network, (images,), scratch + "/model.onnx", dynamo=True, dynamic_shapes=any_number, verbose=False,
                  input_names=["images"], output_names=["logits"], external_data=False)
import numpy
numpy.savez(scratch + "/probe.npz", images=images.numpy(), logits=logits.numpy())
print("\\n" + json.dumps(answer))
"""
READ = """
sys.modules.update(dict.fromkeys(["torch"]))
import numpy, onnxruntime
probe = numpy.load(scratch + "/probe.npz")
session = onnxruntime.InferenceSession(scratch + "/model.onnx", providers=["CPUExecutionProvider"])
found = [session.run(["logits"], {"images": some})[0] for some in (probe["images"][:1], probe["images"][1:])]
print(json.dumps({"apart": float(abs(numpy.concatenate(found) - probe["logits"]).max())}))
"""


def check_installed() -> None:
    """Raises UsageError where the extra is not installed."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise UsageError(
            f'--onnx: {", ".join(missing)} is not installed: pip install "cifar-search[onnx]". '
            "Then run the same command again."
        )


def written(folder: Path, config: Mapping[str, Any], classes: int, weights: bytes) -> bytes:
    """Convert the network of an export to ONNX; return the bytes of model.onnx.

    The ONNX network maps images, float32 (N, 3, S, S) with S pixels a side, to logits (N, classes).

    Raises:
        RunError: torch cannot convert the network, or onnxruntime gives other logits.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        place, seconds = Path(scratch), fresh_process.PATIENCE
        largest = fresh_process.write_probe(place / "probe", config, classes, weights)
        fresh_process.answered(folder, place, fresh_process.LOAD + WRITE, seconds, "as ONNX", WITHOUT)
        answer = fresh_process.answered(folder, place, READ, seconds, "by onnxruntime", WITHOUT)
        if not answer["apart"] <= fresh_process.LARGEST * largest:
            raise RunError(
                f"not usable: {folder}: by onnxruntime its logits differ by {answer['apart']:.3g}. {WITHOUT}"
            )
        return (place / "model.onnx").read_bytes()
