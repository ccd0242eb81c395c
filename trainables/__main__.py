"""Train one configuration by itself, without Ray.

    python -m trainables --dataset cifar100 --epochs 300 --batch-size 128 --lr 0.1 --weight-decay 5e-4
    python -m trainables --dataset digits --model mlp --optimizer adamw --lr 1e-3 --epochs 20 --out runs/one --test

On a CPU the same configuration, data, seed and number of threads gives the rows that the search gives, bit for bit. With --out
the trial is kept in a folder, and the same command continues it.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainables import config as settings
from trainables import signals
from trainables.commandline import check_choice, execute, option
from trainables.errors import SpaceError, UsageError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    dataset: Annotated[str, option("digits, cifar10, cifar100, folder:PATH or auto [auto]")] = "auto",
    data_dir: Annotated[Path, option("where the archives lie or are downloaded to [data]")] = Path("data"),
    skip_bad: Annotated[bool, option("leave out files of a folder that are no good images", "--skip-bad")] = False,
    fraction: Annotated[float, option("of the training images to use, 0 to 1 [1]")] = 1.0,
    model: Annotated[str | None, option(f"{', '.join(settings.MODELS)} [resnet18]")] = None,
    depth: Annotated[
        int | None, option("layers of the mlp [3], blocks of the convnet [3], 6n + 2 of the resnet [20]")
    ] = None,
    width: Annotated[
        int | None, option("of the first layer: mlp [1024], convnet [32], resnet [16], speed_net [64]")
    ] = None,
    dropout: Annotated[float | None, option("probability [0]")] = None,
    optimizer: Annotated[
        str | None, option("adamw, sgd (Nesterov) or muon (with AdamW for what is no matrix) [sgd]")
    ] = None,
    lr: Annotated[float | None, option("learning rate [0.1]")] = None,
    adamw_lr: Annotated[float | None, option("of what muon leaves to AdamW [3e-3]")] = None,
    momentum: Annotated[float | None, option("of sgd and muon; the first beta of adamw [0.9]")] = None,
    weight_decay: Annotated[float | None, option("[5e-4]")] = None,
    schedule: Annotated[str | None, option("constant, cosine or onecycle [cosine]")] = None,
    batch_size: Annotated[int | None, option("images per step [128]")] = None,
    label_smoothing: Annotated[float | None, option("0 to 1 [0]")] = None,
    augment: Annotated[str | None, option(f"{', '.join(settings.AUGMENTATIONS)} [standard]")] = None,
    epochs: Annotated[int | None, option("passes over the training images [30]", "--epochs", "--num-epochs")] = None,
    seed: Annotated[int, option("of every random choice [0]")] = 0,
    precision: Annotated[str, option("auto, fp32 or bf16 [auto]")] = "auto",
    threads: Annotated[int, option("of torch on the CPU; part of what makes rows identical [1]")] = 1,
    device: Annotated[str, option("auto, cpu or cuda [auto]")] = "auto",
    out: Annotated[Path | None, option("keep the trial in this folder; the same command continues it")] = None,
    test: Annotated[bool, option("evaluate the best epoch on the test split at the end", "--test")] = False,
    quiet: Annotated[bool, option("no progress", "--quiet")] = False,
) -> None:
    """Train one configuration without Ray, and print its validation metrics."""
    given = {key: value for key, value in locals().items() if key in settings.KEYS and value is not None}
    try:
        config = settings.complete(given)
    except SpaceError as error:
        raise UsageError(str(error)) from error
    check_choice("precision", precision, ("auto", "fp32", "bf16"))
    check_choice("device", device, ("auto", "cpu", "cuda"))
    if threads < 1:
        raise UsageError(f"--threads must be at least 1, but got {threads}.")
    from trainables.single import train_single  # torch loads here, after the arguments are known to be good

    signals.exit_when_asked()
    try:
        train_single(
            out, config, dataset, data_dir,
            skip_bad=skip_bad, fraction=fraction, seed=seed, precision=precision, threads=threads, device=device,
            test=test, quiet=quiet,
        )  # fmt: skip
    except (KeyboardInterrupt, SystemExit):
        again = "the same command continues it" if out else "use --out DIR to keep a trial that can be continued"
        print(f"interrupted; {again}", file=sys.stderr)
        raise


if __name__ == "__main__":
    sys.exit(execute(app, "python -m trainables", sys.argv[1:]))
