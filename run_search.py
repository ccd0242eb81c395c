"""Search hyperparameters of image classifiers; the same command again continues the search.

    python run_search.py --space lr_sweep
    python run_search.py --space mlp_random --dataset cifar10 --num-samples 32 --scheduler asha
    python run_search.py --resume lr_sweep-digits
    python run_search.py --list-spaces

This file parses, wires and prints. What is searched stands in spaces/, how in search/, one trial in trainables/, what came
out in analysis/.
"""

import importlib
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainables.commandline import complain, execute, one_line, option, tell
from trainables.errors import SpaceError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from search.interrupts import Interrupts
    from search.progress import Progress
    from search.runner import Notify
    from search.settings import Settings
    from trainables.durable import Record

RESULTS_NEED = ("torch", "analysis.write", "analysis.joined", "trainables.train", "sklearn.metrics")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

EPILOG = (
    "Exit codes: 0 all trials ended; 1 some configurations failed; 2 usage; 3 bad space; 4 data; 5 run folder; 6 storage; "
    "7 in use; 8 Ray; 130 or 143 interrupted, can be continued."
)


@app.command(epilog=EPILOG)
def main(
    ctx: typer.Context,
    space: Annotated[str | None, option("what to search: a file of spaces/ without .py")] = None,
    list_spaces: Annotated[bool, option("name every space in one line and stop", "--list-spaces")] = False,
    algo: Annotated[str | None, option("grid or random [grid if the space has only choices]")] = None,
    num_samples: Annotated[int | None, option("trials; may grow later [the whole grid, or the space's number]")] = None,
    seed: Annotated[int, option("of points and trials [0]")] = 0,
    dataset: Annotated[str, option("auto, digits, cifar10, cifar100 or folder:PATH [auto]")] = "auto",
    data_dir: Annotated[Path, option("where archives lie or are downloaded to [data]")] = Path("data"),
    epochs: Annotated[int | None, option("per trial; may grow later [the space's]", "--epochs", "--num-epochs")] = None,
    fraction: Annotated[float, option("of the training images, 0 to 1 [1]")] = 1.0,
    precision: Annotated[str, option("auto, fp32 or bf16 [auto]")] = "auto",
    scheduler: Annotated[
        str | None, option("early stopping: asha, sha (all wait at a rung) or none [the space's]")
    ] = None,
    grace_period: Annotated[int, option("epochs before the first decision [1]")] = 1,
    reduction_factor: Annotated[int, option("of trials at each decision, one in this many goes on [3]")] = 3,
    cpus_per_trial: Annotated[int, option("also the threads of a trial [1]")] = 1,
    gpus_per_trial: Annotated[float | None, option("fractions share a GPU [1 where there is one]")] = None,
    max_concurrent: Annotated[int | None, option("trials at once [as many as fit]")] = None,
    name: Annotated[str | None, option("of the run [SPACE-DATASET]")] = None,
    runs_dir: Annotated[Path, option("where runs are kept [runs]")] = Path("runs"),
    results: Annotated[Path, option("a copy of the leaderboard [results.md]")] = Path("results.md"),
    keep_best: Annotated[int, option("trials whose weights are kept [5]")] = 5,
    resume: Annotated[str | None, option("continue this run with the settings it has recorded")] = None,
    retry_failed: Annotated[bool, option("try failed configurations again", "--retry-failed")] = False,
    allow_changes: Annotated[
        bool, option("continue although the search was changed; recorded", "--allow-changes")
    ] = False,
    quiet: Annotated[bool, option("no progress", "--quiet")] = False,
) -> int:
    """Train one image classifier per point of a search space, and leave a leaderboard in results.md."""
    if list_spaces:
        return print_spaces()
    if resume is not None:
        from search import resuming

        given = {key for key in ctx.params if getattr(ctx.get_parameter_source(key), "name", "") == "COMMANDLINE"}
        return main(ctx, **(ctx.params | resuming.recorded(runs_dir, resume, given)))
    if space is None:
        raise UsageError("--space is missing. Choose one with --list-spaces, or continue a run with --resume NAME.")
    if keep_best < 1:
        raise UsageError(f"--keep-best must be at least 1, but got {keep_best}: the winner is tested and exported.")
    from search.interrupts import Interrupted, Interrupts

    farewell = f"interrupted; continue with: {continuation()}"
    interrupts = Interrupts(farewell)
    interrupts.listen()
    try:
        import spaces
        from search import plan
        from search.settings import Settings
        from trainables import data

        chosen = spaces.load(space)
        resolved, fallback = data.resolve(dataset, data_dir)
        settings = Settings(
            space_name=space, space=chosen, dataset=resolved, dataset_short=data.short_name(resolved), fallback=fallback,
            cache=data.prepare(resolved, data_dir, progress=not quiet), algorithm=algo or plan.default_algorithm(chosen),
            scheduler=scheduler or chosen.scheduler, grace_period=grace_period, reduction_factor=reduction_factor,
            num_samples=num_samples, epochs=epochs, seed=seed, fraction=fraction, precision=precision,
            cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial, max_concurrent=max_concurrent,
            runs_dir=runs_dir, name=name, allow_changes=allow_changes,
        )  # fmt: skip
        if fallback:
            tell(f"{fallback}\n", sys.stderr)
        return run(settings, interrupts, results, keep_best, retry_failed, quiet)
    except Interrupted as stop:
        tell(f"{farewell}\n", sys.stderr)
        return stop.exit_code


def print_spaces() -> int:
    """Names, number of points and one line each, on stdout."""
    import spaces

    exit_code = 0
    for name in spaces.names():
        try:
            space = spaces.load(name)
        except SpaceError as error:  # it hides no other
            exit_code = complain(error.kind, one_line(error.message), error.exit_code)
            continue
        points = f"{space.grid_size} points" if space.is_grid else "random"
        tell(f"{name:<16} {points:<10} {spaces.describe(name)}\n")
    return exit_code


def run(
    settings: "Settings", interrupts: "Interrupts", results: Path, keep_best: int, retry_failed: bool, quiet: bool
) -> int:
    """Train what is not trained yet, write the results, and return the exit code."""
    from analysis.copying import refuse_foreign
    from search import attempts, display, folder, ledger, lock, resources
    from search.interrupts import Interrupted
    from search.progress import Progress
    from trainables import data, durable

    path = settings.runs_dir / settings.run_name
    images = data.load(settings.cache, fraction=settings.fraction)
    resources.check_local(settings)
    refuse_foreign(path, results)
    folder.refuse_link(path)
    durable.make_folder(path, 0o700)  # configurations and notes are the user's own business
    with lock.hold(path):
        on_gpu = resources.local_gpus() > 0 and settings.gpus_per_trial != 0
        found = folder.open_run(path, settings, images, on_gpu)
        progress = Progress(folder.retry_failed(found) if retry_failed else found)
        console = display.open_console(quiet)
        announce(console, settings, progress)
        try:
            with display.shown(progress, console) as show, loading_early(show, interrupts) as notify:
                attempts.train(path, settings, interrupts, notify)
        except Interrupted:
            write(path, settings, results)
            raise
        ended = ledger.read(path)
        folder.prune_weights(ended, keep_best)
        write(path, settings, results)
    return int(any(trial.status == "failed" for trial in ended.trials))


@contextmanager
def loading_early(notify: "Notify", interrupts: "Interrupts") -> Iterator["Notify"]:
    """Import what writing the results needs when the first trial ends, in a thread: seconds that nobody has to wait for."""
    loader = threading.Thread(target=lambda: [importlib.import_module(name) for name in RESULTS_NEED])

    def notify_and_load(index: int, row: "Record | None") -> None:
        notify(index, row)
        if row is None and not loader.ident and interrupts.number is None:
            loader.start()

    try:
        yield notify_and_load
    finally:
        if loader.ident:
            loader.join()  # two threads in the middle of one import see half a module


def announce(console: "Console", settings: "Settings", progress: "Progress") -> None:
    """What is about to happen, in one line."""
    rule = progress.run.identity["scheduler"]["name"]
    stopping = "no early stopping" if rule == "none" else f"early stopping by {rule}"
    verb = "continuing" if any(trial.epochs for trial in progress.run.trials) else "starting"
    console.print(
        f"{verb} {progress.run.folder}: {settings.space_name} on {settings.dataset_short}, {len(progress.run.trials)} trials "
        f"of {progress.epochs_each} epochs, {stopping}",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    if settings.algorithm == "grid" and (settings.num_samples or 0) > settings.space.grid_size:
        console.print(f"the grid has {settings.space.grid_size} points, so no more are tried", highlight=False)


def write(folder: Path, settings: "Settings", results: Path) -> None:
    """Test the winner if the search is complete, and write every derived file."""
    from analysis import joined, testing
    from analysis.copying import copy_results
    from analysis.write import write_results
    from search import ledger

    testing.test_winner(ledger.read(folder), settings.cache)
    write_results(folder)
    copy_results(folder, results)
    tell(joined.show([ledger.read(folder)], "md"))
    tell(f"results: {results} and {folder}\n", sys.stderr)


def continuation() -> str:
    """The command that goes on: the same one."""
    return shlex.join(["python", *sys.argv])


if __name__ == "__main__":
    exit_code = execute(app, "python run_search.py", sys.argv[1:])
    tell("")  # and what is still buffered
    os._exit(exit_code)  # Ray's threads may abort while the interpreter shuts down, and that would be the exit code
