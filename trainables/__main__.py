"""Train one configuration by itself, without Ray.

    python -m trainables --dataset cifar100 --epochs 300 --batch-size 128 --lr 0.1 --weight-decay 5e-4
    python -m trainables --dataset digits --model mlp --optimizer adamw --lr 1e-3 --epochs 20 --out runs/one --test
    python -m trainables --dataset digits --model my_nets.py:FlowerNet --channels 64 --epochs 5

On a CPU the same configuration, data, seed and number of threads gives the rows that the search gives, bit for bit. With --out
the trial is kept in a folder, and the same command continues it.
"""

import inspect
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from trainables import config as settings
from trainables.cli import knobs, signals
from trainables.cli.execution import check_choice, execute
from trainables.cli.options import Version, application, option, with_examples
from trainables.cli.paths import DATA_DIR
from trainables.data.names import CROP, FORMS
from trainables.errors import SpaceError, UsageError
from trainables.objective import METRICS, named
from trainables.own import metric as own

HELP = "Train one configuration without Ray, and print its validation metrics."

FIRST = (
    "context",
    "dataset",
    "data_dir",
    "skip_bad",
    "group_by",
    "fraction",
)  # parameters that stand before the hyperparameters

app = application(add_completion=False)


def main(
    context: typer.Context,
    dataset: Annotated[str, option(", ".join(("auto", *FORMS)))] = "auto",
    data_dir: Annotated[Path, option("folder of data archives, also for downloads")] = DATA_DIR,
    skip_bad: Annotated[bool, option("leave out images that cannot be read", "--skip-bad")] = False,
    group_by: Annotated[
        str | None, option("keep images of one group on one side: a column, or a part of the file's name")
    ] = None,
    resize: Annotated[str, option("for images that are not square: crop, squash or pad")] = CROP,
    fraction: Annotated[float, option("fraction of the training images, above 0 and at most 1")] = 1.0,
    fold: Annotated[str | None, option("hold out one fold of the images: 2/5 is the second of five")] = None,
    metric: Annotated[
        str,
        option(f"what the best epoch is chosen by, on the validation images: {', '.join(METRICS)}, or FILE.py:NAME"),
    ] = "accuracy",
    seed: Annotated[int, option("seed of every random choice")] = 0,
    precision: Annotated[str, option("auto, fp32 or bf16")] = "auto",
    threads: Annotated[int, option("CPU threads of torch; another number may change the last digits")] = 1,
    device: Annotated[str, option("auto, cpu or cuda")] = "auto",
    out: Annotated[Path | None, option("keep the trial in this folder; the same command continues it")] = None,
    test: Annotated[bool, option("evaluate the best epoch on the test split at the end", "--test")] = False,
    quiet: Annotated[bool, option("print no progress", "--quiet")] = False,
    version: Version = False,
    **values: Any,
) -> None:
    """Train the configuration that the flags describe."""
    try:
        config = settings.complete(knobs.given(values, context.args))
    except SpaceError as error:
        raise UsageError(str(error)) from error
    check_choice("precision", precision, ("auto", "fp32", "bf16"))
    check_choice("device", device, ("auto", "cpu", "cuda"))
    if threads < 1:
        raise UsageError(f"--threads must be at least 1, but got {threads}.")
    objective = own.objective(metric, Path.cwd()) if own.is_own(metric) else named(metric)
    from trainables.data.held_out import folds
    from trainables.trial.single import train_single  # torch loads here, after the arguments are known to be good

    signals.exit_when_asked()
    try:
        train_single(
            out, config, dataset, data_dir,
            skip_bad=skip_bad, group_by=group_by, resize=resize, fraction=fraction, fold=folds.parse(fold) if fold else None,
            seed=seed, precision=precision, threads=threads, device=device, test=test, quiet=quiet, objective=objective,
        )  # fmt: skip
    except (KeyboardInterrupt, SystemExit):
        again = "the same command continues it" if out else "use --out DIR to keep a trial that can be continued"
        print(f"interrupted; {again}", file=sys.stderr)
        raise


def with_knobs(command: Any) -> Any:
    """Give the signature of a command one parameter for each hyperparameter in place of **values, and return the command."""
    *own, _ = inspect.signature(command).parameters.values()
    first = [each for each in own if each.name in FIRST]
    after = [each.replace(kind=each.KEYWORD_ONLY) for each in own if each.name not in FIRST]
    vars(command)["__signature__"] = inspect.Signature([*first, *knobs.parameters(), *after])
    return command


app.command(cls=knobs.Training, help=with_examples(HELP, __doc__))(with_knobs(main))


if __name__ == "__main__":
    sys.exit(execute(app, "python -m trainables", sys.argv[1:]))
