"""`python -m analysis export`: the network of a trial as a folder, or the scores of an ensemble."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.options import DataDir, Dataset, RunsDir, Trial, check_format
from analysis.cli.writing import write_if_allowed
from search.flags import Flags
from trainables.cli.execution import tell
from trainables.cli.options import option
from trainables.config import image_size
from trainables.errors import UsageError


def export(
    trial: Trial,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="folder to write: new, empty, or an earlier export", show_default=False),
    ] = None,
    retrain: Annotated[
        bool, option("first train the configuration again, on training and validation images together", "--retrain")
    ] = False,
    ensemble: Annotated[
        int | None, option("score the averaged predictions of this many best networks on the test split; writes no DIR")
    ] = None,
    onnx: Annotated[bool, option("also write model.onnx, and check it with onnxruntime", "--onnx")] = False,
    format: Annotated[str, option("format of the scores: md, csv or json")] = "md",
    dataset: Dataset = Flags.dataset,
    data_dir: DataDir = Flags.data_dir,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Write the network of a trial to a folder that needs torch and safetensors alone, with a model card."""
    check_format(format)
    if folder is None and ensemble is None:
        raise UsageError("DIR is missing: where to write the network. Or give --ensemble K, which writes none.")
    from analysis import lookup
    from analysis.export import bundle, onnx_file
    from analysis.export.ensemble import members, score
    from analysis.frame import images, own_code

    if onnx:
        onnx_file.check_installed()
    run, chosen = lookup.find_or_winner(trial, runs_dir)
    if not run.identity.has_images:
        raise UsageError(
            f"nothing to export: {run.name}: its trials are trained by your own code. {own_code.left(chosen)}"
        )
    if ensemble is not None:
        members(run, ensemble)  # before anything is written
    if folder is not None:
        size = image_size(chosen.config)
        is_named = (dataset, data_dir) != (Flags.dataset, Flags.data_dir)
        here = images.cache_of(run, dataset, data_dir, size) if is_named else images.at_hand(run, size)
        known = images.validated_on(run, chosen, here) if here else None
        tell(
            f"{'training it again, then ' if retrain else ''}writing the network and trying it in a fresh process ...\n",
            sys.stderr,
        )
        tried = bundle.export(
            run, chosen, folder, lambda: images.load(run, dataset, data_dir, size), known, again=retrain, onnx=onnx
        )
        tell(f"{folder}: {chosen.label} of {run.name}; {tried}\n", sys.stderr)
    if ensemble is not None:
        tell(score(run, ensemble, lambda config: images.cache_of(run, dataset, data_dir, image_size(config)), format))
        bring_up_to_date(run.folder)


def bring_up_to_date(folder: Path) -> None:
    """Write the results of a run again if its ledger has gone on since: the test split was read once more."""
    from analysis.results import files
    from search.run import ledger

    run = ledger.read(folder)
    if files.is_stale(run):
        write_if_allowed(lambda: files.write_files(run))
        tell(f"{folder / 'results.md'}: written again, because the test split was read once more\n", sys.stderr)
