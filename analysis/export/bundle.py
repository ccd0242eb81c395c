"""Export a trained network as a folder that needs torch and safetensors alone.

    model.safetensors  config.json  model.py  program.pt2  model.onnx  README.md

model.py is the source of the network. program.pt2 is the network as a torch.export program, if torch can export the network.
model.onnx is the network as ONNX, if ONNX was asked for.
"""

from pathlib import Path
from typing import Any

from analysis.export import fresh_process, model_card, network_source, onnx_file, retrain, scored
from analysis.frame import own_code
from analysis.ranking import test_scores
from analysis.results import next_step
from search.run.ledger import Run, Trial
from trainables.config import image_size
from trainables.data.loading import Split
from trainables.data.names import CROP
from trainables.errors import RunError
from trainables.files import durable
from trainables.files.durable import Record

FORMAT = "cifar-search export 1"  # in config.json: marks a folder that export wrote and may replace
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
PROGRAM, ONNX = "program.pt2", "model.onnx"
KEPT = "best.safetensors"  # in the folder of a trial


def export(
    run: Run, trial: Trial, folder: Path, images: "retrain.Images", val: Split | None = None, *, again: bool,
    onnx: bool = False,
) -> str:  # fmt: skip
    """Write the network of a trial to a folder; with `again`, first train it on training and validation images.

    Args:
        images: a function that loads the run's images; it is called only if they are needed.
        val: validation images on which the export is scored; None if they are not on this machine. Not used with `again`.

    Returns:
        The result of testing the export, in words.

    Raises:
        RunError: the folder holds other files, the weights of the trial are not kept, or the export does not load in a process
            without this project, or its accuracy there is not the recorded one.
        StorageError: the disk refused.
    """
    refuse_foreign(folder)
    if trial.best is None:
        raise RunError(f"no network: {trial.folder}: {next_step.without_epoch(run, trial)}")
    if not again and not (trial.folder / KEPT).exists():
        raise RunError(f"no weights: {trial.folder}: {next_step.without_weights(run, trial)}")
    replaces = replaced(run, trial, folder)
    durable.make_folder(folder)
    own_code.use(run, trial)
    weights = retrain.retrain(run, trial, folder, images) if again else test_scores.read_weights(trial)[0]
    facts = describe(run, trial, normalisation(run, trial, images), again) | {"weights_sha256": durable.sha256(weights)}
    durable.write_json(folder / CONFIG, facts)
    durable.write(folder / WEIGHTS, weights)
    for name, text in network_source.files(trial.config).items():
        durable.make_folder((folder / name).parent)
        durable.write(folder / name, text.encode())
    for name in (PROGRAM, ONNX):
        (folder / name).unlink(missing_ok=True)  # of an export before this one
    network = trial.config, len(facts["classes"]), weights
    val = None if again else val  # images that were trained on say nothing about accuracy
    found = fresh_process.tried(folder, *network, val.images if val else None)
    told = "" if again else f", {scored.words(folder, trial, val, found.predicted)}"
    if found.program is not None:
        facts |= keep(folder / PROGRAM, "program_sha256", found.program)
    if onnx:
        facts |= keep(folder / ONNX, "onnx_sha256", onnx_file.written(folder, *network))
    durable.write_json(folder / CONFIG, facts)
    durable.write(folder / CARD, model_card.card(run, trial, facts, found.refused).encode())
    retrain.clear(folder)
    return f"loads without this project{told}{replaces}"


def keep(path: Path, key: str, data: bytes) -> Record:
    """Write a file of an export; return the entry of config.json with the file's hash."""
    durable.write(path, data)
    return {key: durable.sha256(data)}


def refuse_foreign(folder: Path) -> None:
    """Make sure that a folder is absent, empty, or an earlier export.

    Raises:
        RunError: the folder holds other files.
    """
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} - {retrain.SCRATCH} if folder.is_dir() else {folder.name}
    if names and not ((folder / CONFIG).is_file() and durable.read_json(folder / CONFIG).get("format") == FORMAT):
        raise RunError(f"not replaced: {folder}: it holds something that export did not write. Choose another folder.")


def replaced(run: Run, trial: Trial, folder: Path) -> str:
    """The words about the network of another trial that an export replaces; empty if there is none."""
    before = durable.read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    known = before.get("trial"), before.get("run")
    return f"; it replaces {known[0]} of {known[1]}" if before and known != (trial.label, run.name) else ""


def normalisation(run: Run, trial: Trial, images: "retrain.Images") -> Record:
    """Mean and standard deviation of the training pixels, as the run recorded them, or computed from the run's images."""
    known = run.identity.of_size(image_size(trial.config))
    if "mean" in known:
        return known
    found = images()
    return {"mean": list(found.mean), "std": list(found.std)}


def describe(run: Run, trial: Trial, scale: Record, again: bool) -> dict[str, Any]:
    """The content of config.json."""
    assert trial.best is not None, "only what was trained is exported"
    return {
        "format": FORMAT,
        "classes": run.identity.classes,
        "mean": scale["mean"],
        "std": scale["std"],
        "image": {
            "width": image_size(trial.config),
            "height": image_size(trial.config),
            "channels": "RGB",
            "values": "0 to 1, less mean, divided by std",
            "resize": run.identity.census.get("resize", CROP),
        },
        "config": trial.config,
        "run": run.name,
        "trial": trial.label,
        "seed": trial.seed,
        "epoch": trial.best["epoch"],
        "trained_on": "train and validation" if again else "train",
        "dataset": run.identity.dataset_title,
        "fingerprint": run.identity.of_size(image_size(trial.config))["fingerprint"],
    }
