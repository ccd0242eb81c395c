"""Train one configuration by itself, without Ray.

    python -m trainables --dataset cifar100 --epochs 300 --batch-size 128 --lr 0.1 --weight-decay 5e-4
    python -m trainables --dataset digits --model mlp --optimizer adamw --lr 1e-3 --epochs 20 --out runs/one --test

On a CPU the same configuration, data, seed and number of threads gives the rows that the search gives, bit for bit. With --out
the trial is kept in a folder, and the same command continues it.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from trainables import config as settings
from trainables.cli import signals
from trainables.cli.execution import check_choice, execute
from trainables.cli.options import Command, Version, application, in_brackets, option, shown, with_examples
from trainables.cli.paths import DATA_DIR
from trainables.data.names import CROP, FORMS
from trainables.errors import SpaceError, UsageError
from trainables.objective import METRICS, named

HELP = "Train one configuration without Ray, and print its validation metrics."

app = application(add_completion=False)


def knob(name: str, text: str, *names: str) -> Any:
    """The option of a hyperparameter; trainables/config.py has its default."""
    return option(text + in_brackets(shown(settings.DEFAULTS[name])), *names)


def own(name: str, **texts: str) -> Any:
    """The option of a hyperparameter that only some models or optimizers read, each with a default of its own."""
    kinds = settings.MODELS | settings.OPTIMIZERS
    return option(", ".join(text + in_brackets(shown(kinds[kind][name])) for kind, text in texts.items()))


@app.command(cls=Command, help=with_examples(HELP, __doc__))
def main(
    context: typer.Context,
    dataset: Annotated[str, option(", ".join(("auto", *FORMS)))] = "auto",
    data_dir: Annotated[Path, option("where archives lie or are downloaded to")] = DATA_DIR,
    skip_bad: Annotated[bool, option("leave out images that cannot be read", "--skip-bad")] = False,
    group_by: Annotated[
        str | None, option("keep images of one group on one side: a column, or a part of the file's name")
    ] = None,
    resize: Annotated[str, option("of pictures that are not square: crop, squash or pad")] = CROP,
    fraction: Annotated[float, option("fraction of the training images, above 0 and at most 1")] = 1.0,
    model: Annotated[str | None, knob("model", ", ".join(settings.MODELS))] = None,
    depth: Annotated[
        int | None,
        own("depth", mlp="layers of the mlp", convnet="blocks of the convnet", resnet="6n + 2 of the resnet"),
    ] = None,
    width: Annotated[
        int | None,
        own("width", mlp="of the first layer: mlp", convnet="convnet", resnet="resnet", speed_net="speed_net"),
    ] = None,
    dropout: Annotated[float | None, knob("dropout", "probability")] = None,
    optimizer: Annotated[
        str | None, knob("optimizer", "adamw, sgd (Nesterov) or muon (with AdamW for what is no matrix)")
    ] = None,
    lr: Annotated[float | None, knob("lr", "learning rate")] = None,
    adamw_lr: Annotated[float | None, own("adamw_lr", muon="learning rate of what muon leaves to AdamW")] = None,
    momentum: Annotated[float | None, knob("momentum", "of sgd and muon; the first beta of adamw")] = None,
    weight_decay: Annotated[float | None, knob("weight_decay", "weight decay")] = None,
    schedule: Annotated[str | None, knob("schedule", "constant, cosine or onecycle")] = None,
    batch_size: Annotated[int | None, knob("batch_size", "images per step")] = None,
    label_smoothing: Annotated[float | None, knob("label_smoothing", "0 to 1")] = None,
    ema: Annotated[
        float | None, knob("ema", "epochs over which the weights are averaged that are validated; 0 for none")
    ] = None,
    augment: Annotated[str | None, knob("augment", ", ".join(settings.AUGMENTATIONS))] = None,
    class_weight: Annotated[str | None, knob("class_weight", ", ".join(settings.CLASS_WEIGHTS))] = None,
    epochs: Annotated[int | None, knob("epochs", "passes over the training images", "--epochs", "--num-epochs")] = None,
    metric: Annotated[str, option(f"what the best epoch is chosen by: {', '.join(METRICS)}")] = "accuracy",
    seed: Annotated[int, option("seed of every random choice")] = 0,
    precision: Annotated[str, option("auto, fp32 or bf16")] = "auto",
    threads: Annotated[int, option("threads of torch on the CPU; part of what makes rows identical")] = 1,
    device: Annotated[str, option("auto, cpu or cuda")] = "auto",
    out: Annotated[Path | None, option("keep the trial in this folder; the same command continues it")] = None,
    test: Annotated[bool, option("evaluate the best epoch on the test split at the end", "--test")] = False,
    quiet: Annotated[bool, option("print no progress", "--quiet")] = False,
    version: Version = False,
) -> None:
    """Train one configuration as the flags have it."""
    given = {key: value for key, value in context.params.items() if key in settings.KEYS and value is not None}
    try:
        config = settings.complete(given)
    except SpaceError as error:
        raise UsageError(str(error)) from error
    check_choice("precision", precision, ("auto", "fp32", "bf16"))
    check_choice("device", device, ("auto", "cpu", "cuda"))
    if threads < 1:
        raise UsageError(f"--threads must be at least 1, but got {threads}.")
    objective = named(metric)
    from trainables.trial.single import train_single  # torch loads here, after the arguments are known to be good

    signals.exit_when_asked()
    try:
        train_single(
            out, config, dataset, data_dir,
            skip_bad=skip_bad, group_by=group_by, resize=resize, fraction=fraction, seed=seed, precision=precision,
            threads=threads, device=device, test=test, quiet=quiet, objective=objective,
        )  # fmt: skip
    except (KeyboardInterrupt, SystemExit):
        again = "the same command continues it" if out else "use --out DIR to keep a trial that can be continued"
        print(f"interrupted; {again}", file=sys.stderr)
        raise


if __name__ == "__main__":
    sys.exit(execute(app, "python -m trainables", sys.argv[1:]))
