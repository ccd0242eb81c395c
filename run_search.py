"""Search hyperparameters of image classifiers; the same command again continues the search.

    python run_search.py --space lr_sweep
    python run_search.py --space mlp_random --dataset cifar10 --num-samples 32 --scheduler asha
    python run_search.py --resume lr_sweep-digits
    python run_search.py --list-spaces
    python run_search.py --reproduce lr_sweep-digits/7f3a

This file parses, wires and prints. What is searched stands in spaces/, how in search/, one trial in trainables/, what came
out in analysis/.
"""

import shlex
import sys
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from search.flags import Flags, check_bounds, spellings
from search.terminal import from_flags, options
from trainables.cli import signals
from trainables.cli.execution import check_choice, end, execute, tell
from trainables.cli.options import application, with_examples
from trainables.errors import ExpectedError, StorageError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.results.live import Live
    from search.faults.interrupts import Interrupts
    from search.records import Totals
    from search.run.ledger import Run
    from search.settings import Settings
    from search.terminal.progress import Progress
    from search.turns import Notify
    from trainables.data.loading import Dataset
    from trainables.files.durable import Record

SCRIPT, INSTALLED = "python run_search.py", "cifar-search"  # how this command is called
HELP = "Train one image classifier per point of a search space, and leave a leaderboard in results.md."
INTERRUPTED, TIME_IS_UP = "interrupted", "the time budget is used up"
BESIDE_REPRODUCE = {"reproduce", "runs_dir", "dataset", "data_dir", "out", "quiet"}
EPILOG = (
    "Exit codes: 0 all trials ended; 1 some configurations failed; 2 usage; 3 bad space; 4 data; 5 run folder; 6 storage; "
    "7 in use; 8 Ray; 75 time budget used up, 129, 130, 143 or 152 interrupted: can be continued."
)


def main(asked: Flags, given: Set[str]) -> int:
    """Run a search, or another action that the flags ask for; return the exit code.

    Args:
        asked: the values of all flags.
        given: the names of the flags that are on the command line.
    """
    check_bounds(asked)
    if asked.list_spaces:
        return print_spaces()
    if asked.show_space is not None:
        return print_space(asked.show_space, asked)
    if asked.reproduce is not None:
        refuse_beside_reproduce(given)
        return train_row_again(asked.reproduce, asked)
    if asked.out is not None:
        raise UsageError(
            "--out keeps a trial of --reproduce, and this is a search. Leave it out, or add --reproduce RUN/ID."
        )
    if asked.resume is not None:
        from search.run import resume

        asked = replace(asked, **resume.recorded(asked.runs_dir, asked.resume, given, asked.scheduler))
    if asked.space is None:
        raise UsageError("--space is missing. Choose one with --list-spaces, or continue a run with --resume NAME.")
    from analysis.mirrors import refreshing

    refreshing.check(asked.log_to or [])
    return interruptible(lambda interrupts: search_space(asked, interrupts))


def command_line(name: str, **how: Any) -> typer.Typer:
    """The command line application under a name; the examples in its help use this name."""
    found = application(**how)
    text = with_examples(HELP, __doc__).replace(SCRIPT, name)
    found.command(cls=options.Searching, help=text, epilog=EPILOG)(options.command(main))
    return found


app = command_line(SCRIPT, add_completion=False)


def interruptible(work: "Callable[[Interrupts], int]") -> int:
    """Run `work` and return its exit code; if a signal or the time budget ends it, print the command that continues."""
    from search.faults.interrupts import Interrupted, Interrupts

    interrupts = Interrupts(f"{INTERRUPTED}; continue with: {continuation()}")
    interrupts.listen()
    try:
        return work(interrupts)
    except Interrupted as stop:
        tell(f"{TIME_IS_UP if stop.is_budget else INTERRUPTED}; continue with: {continuation()}\n", sys.stderr)
        return stop.exit_code
    finally:
        interrupts.end_in(None)


def search_space(asked: Flags, interrupts: "Interrupts") -> int:
    """Run the search, or with --dry-run print an estimate of the search's cost; return the exit code."""
    from analysis.mirrors import launcher
    from search.settings import duration

    budget = duration(asked.time_budget) if asked.time_budget is not None else None
    interrupts.end_in(None if asked.dry_run else budget)
    settings = from_flags.settings_of(asked)
    if asked.dry_run:
        return print_estimate(settings, budget, asked.quiet)
    followers = launcher.following(settings.folder, asked.log_to or [], asked.notify)
    return run(settings, interrupts, asked.results, asked.retry_failed, asked.quiet, followers)


def refuse_beside_reproduce(names: Set[str]) -> None:
    """Refuse flags of a search beside --reproduce, which trains a row again as its run recorded it.

    Raises:
        UsageError: there are such flags.
    """
    flags = [spellings(name)[0] for name in sorted(names - BESIDE_REPRODUCE)]
    if flags:
        raise UsageError(
            f"{', '.join(flags)}: not with --reproduce, which takes every setting from the run. Leave "
            f"{'it' if len(flags) == 1 else 'them'} out, or search without --reproduce."
        )


def print_spaces() -> int:
    """Print every space in one line on stdout; return exit code 0."""
    from search.terminal import preview

    tell(preview.listing())
    return 0


def print_space(name: str, asked: Flags) -> int:
    """Print a preview of a search of this space on stdout; return exit code 0. --max-params counts with ten classes."""
    import spaces
    from search.algorithms.table import ALGORITHMS
    from search.run import plan
    from search.terminal import preview

    given = spaces.find(name)
    space = from_flags.change_space(given.space, tuple(asked.set_ or ()), asked.image_size)
    if asked.max_params is not None:
        space = replace(space, max_params=asked.max_params)
    algorithm = asked.algo or plan.default_algorithm(space)
    check_choice("algo", algorithm, ALGORITHMS)
    print(preview.show(given.name, given.text, space, algorithm, asked.seed), end="")
    return 0


def print_estimate(settings: "Settings", budget: float | None, quiet: bool) -> int:
    """Print an estimate of the search's cost on stdout; return exit code 0. The search itself is not started.

    Args:
        budget: seconds of --time-budget.
    """
    from search.backend import resources
    from search.terminal import estimate

    path = settings.folder
    images = images_of(settings)
    on_gpu = resources.uses_gpu(settings)
    first_epoch = rehearse(settings, images, on_gpu, quiet)
    slots = resources.local(settings).slots if settings.address is None else 1
    if images is not None and not quiet:
        tell("measuring what training takes ...\n", sys.stderr)
    found = estimate.estimate(path, settings, images, on_gpu, slots, first_epoch)
    if settings.address:
        print(
            f"note: this estimate is for one trial at a time on this machine, not for the cluster at {settings.address}",
            file=sys.stderr,
        )
    remark(found.rule, found.totals, settings)
    print(*estimate.sentences(found, budget), sep="\n")
    try:
        estimate.keep(path, found)
    except StorageError as error:
        tell(f"note: the estimate is not kept for the search: {error.message}\n", sys.stderr)
    return 0


def images_of(settings: "Settings") -> "Dataset | None":
    """Load the images of a search, or of its first fold, and tell which classes are lost; None for the user's own training."""
    from trainables.data import loading
    from trainables.data.held_out.folds import Fold

    if settings.space.is_own:
        return None
    first = Fold(1, settings.folds) if settings.folds else None
    images = loading.load(settings.cache, fraction=settings.fraction, fold=first)
    loading.tell_lost_classes(images)
    return images


def train_row_again(name: str, asked: Flags) -> int:
    """Train one row of a run again for --reproduce; return the exit code, which is 1 if the result differs."""
    from analysis.cli.reproduce import reproduce

    signals.exit_when_asked()  # saves nothing, but leaves no folder
    return reproduce(name, asked.runs_dir, asked.dataset, asked.data_dir, asked.out, asked.quiet)


def run(
    settings: "Settings",
    interrupts: "Interrupts",
    results: Path,
    retry_failed: bool,
    quiet: bool,
    followers: AbstractContextManager[Callable[[], None]],
) -> int:
    """Train all trials that are not trained yet, write the results, and return the exit code."""
    from analysis.results.copying import copy_results, refuse_denied, refuse_foreign
    from analysis.results.live import Live
    from search.backend import resources
    from search.faults.interrupts import Interrupted
    from search.run import local, lock, opening
    from search.terminal import display
    from search.terminal.progress import Progress
    from trainables.files import durable

    path = settings.folder
    images = images_of(settings)
    on_gpu = resources.uses_gpu(settings)
    rehearse(settings, images, on_gpu, quiet)
    if settings.address is None:  # a cluster is asked when it has been joined
        resources.local(settings)
    refuse_foreign(path, results)
    refuse_denied(results)
    opening.refuse_link(path)
    durable.make_folder(path, 0o700)  # configurations and notes are the user's own business
    with lock.hold(path), ExitStack() as stack:
        found = opening.open_run(path, settings, images, on_gpu)
        if images is not None:
            local.keep(path, settings.dataset, settings.data_dir)
        elif line := local.keep_place(path):
            tell(f"note: {line}\n", sys.stderr)
        progress = Progress(opening.retry_failed(found) if retry_failed else found)
        console = stack.enter_context(display.open_console(quiet))
        try:
            ended = trained(
                found, progress, console, settings, interrupts, Live(path, results), stack.enter_context(followers)
            )
            finish(ended, settings, results)
        except Interrupted:
            try:
                tell(write(path, settings))
                copy_results(path, results)
                tell(f"results: {results} and {path}\n", sys.stderr)
            except RuntimeError as error:  # a signal cut off the import of torch, which cannot be imported again then
                tell(f"note: the results are not written now: {error}\n", sys.stderr)
            raise
        except ExpectedError:
            keep_results(path)
            opening.remove_remains(path)
            raise
    return int(any(trial.status == "failed" for trial in ended.trials))


def keep_results(path: Path) -> None:
    """Write the results of a search that an error has ended, if an epoch was trained; an error in writing counts less."""
    from analysis.results.files import write_files
    from search.run import ledger

    with suppress(ExpectedError):
        found = ledger.read(path)
        if any(trial.epochs for trial in found.trials):
            write_files(found)


def trained(
    found: "Run",
    progress: "Progress",
    console: "Console",
    settings: "Settings",
    interrupts: "Interrupts",
    live: "Live",
    grew: Callable[[], None],
) -> "Run":
    """Train what is left of a run, show the progress, and return the run as it is then.

    Args:
        live: writes the results again while the search runs.
        grew: tells the mirrors that the run has grown.
    """
    from search import attempts
    from search.backend import engine_slots, gpu_sharing
    from search.run import ledger
    from search.run.confirmation import is_complete
    from search.terminal import display, estimate

    path = found.folder
    trained_before = sum(len(trial.epochs) for trial in found.trials)
    announce(console, settings, progress)
    remark(found.identity.scheduler, found.totals, settings, is_over=is_complete(progress.run))
    settings, measured = gpu_sharing.settled(settings, progress.run)  # where failed trials are open again
    settings, paying = engine_slots.settled(settings, progress.run)
    for words in filter(None, (measured, paying)):
        tell(f"{words}\n", sys.stderr)
    if not is_complete(progress.run):
        console.print(starting_ray(settings.address), highlight=False, markup=False, soft_wrap=True)
    with display.shown(progress, console) as show, rewriting(show, live, interrupts) as notify:
        attempts.train(path, settings, interrupts, telling(notify, grew))
    interrupts.end_in(None)
    if verdict := estimate.verdict(path, progress, trained_before):
        console.print(verdict, highlight=False, markup=False, soft_wrap=True)
    return ledger.read(path)


def rehearse(settings: "Settings", images: "Dataset | None", on_gpu: bool, quiet: bool) -> float | None:
    """Try the user's own parts, loop or program before anything is started, and print warnings and notes.

    Returns:
        The seconds of the first epoch if one was trained to its end, which only the user's own training does; else None.

    Raises:
        RunError: the run folder belongs to another search.
        SpaceError: the user's code does not work; the message has its file and line.
    """
    from search import rehearsal
    from search.run import opening
    from trainables.hardware import precision

    def say(what: str) -> None:
        if not quiet:
            tell(f"trying {what} ...\n", sys.stderr)

    opening.refuse_other(settings.folder, settings, images, on_gpu)
    if images is None:
        tried = rehearsal.rehearse_training(settings, "cuda" if on_gpu else "cpu", say)
        for line in tried.notes:
            tell(f"note: {line}\n", sys.stderr)
        return tried.seconds
    place = settings.code.origin if settings.code else Path.cwd()
    arithmetic = precision.resolve(settings.precision, on_gpu)
    parts = settings.space, len(images.classes), place, settings.objective.source, arithmetic
    for line in rehearsal.rehearse(*parts, say=say):
        tell(f"warning: {line}\n", sys.stderr)
    return None


def telling(notify: "Notify", grew: Callable[[], None]) -> "Notify":
    """A function that passes a new row or the end of a trial to `notify`, and then tells followers that the ledger grew."""

    def notify_and_tell(index: int, row: "Record | None") -> None:
        notify(index, row)
        grew()

    return notify_and_tell


@contextmanager
def rewriting(notify: "Notify", live: "Live", interrupts: "Interrupts") -> Iterator["Notify"]:
    """Yield a function that calls `notify`, and writes the results again in the background when a trial has ended."""

    def notify_and_write(index: int, row: "Record | None") -> None:
        notify(index, row)
        if row is None and interrupts.number is None:
            live.trial_ended()

    try:
        yield notify_and_write
    finally:
        live.close()


def starting_ray(address: str | None) -> str:
    """The text for the seconds in which Ray starts and no trial can report."""
    return "starting Ray ..." if address is None else f"connecting to the Ray cluster at {address} ..."


def announce(console: "Console", settings: "Settings", progress: "Progress") -> None:
    """Print one line about the search that starts or continues."""
    from search.run.confirmation import is_complete
    from search.stopping.rules import label
    from trainables.written import plural

    rule = label(progress.run.identity.scheduler)
    stopping = "no early stopping" if rule == "none" else f"early stopping by {rule}"
    trained = sum(len(trial.epochs) for trial in progress.run.trials)
    begun = "finished already" if is_complete(progress.run) else "continuing" if trained else "starting"
    there = f"; {plural(trained, 'epoch')} trained already" if begun == "continuing" else ""
    on = f" on {settings.dataset_short}" if settings.dataset_short else ""
    console.print(
        f"{begun} {progress.run.folder}: {settings.space_name}{on}, "
        f"{plural(progress.asked(), 'trial')} of {plural(progress.epochs_each, 'epoch')}, {stopping}{there}",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip


def remark(rule: "Record", totals: "Totals", settings: "Settings", is_over: bool = False) -> None:
    """Print a note about each remarkable setting of the search, also with --quiet and --dry-run."""
    from search.run import opening

    for line in opening.remarks(rule, totals, settings, is_over=is_over):
        tell(f"note: {line}\n", sys.stderr)


def finish(run: "Run", settings: "Settings", results: Path) -> None:
    """Keep the best weights, write the results and print the table; if nothing has changed, only print and copy."""
    from analysis.results import freshness
    from analysis.results.copying import copy_results

    shown = freshness.shown(run.folder)
    if shown is None:
        from search.run.opening import kept, prune_weights

        prune_weights(run, kept(run.totals))
        shown = write(run.folder, settings)
        freshness.put(run.folder, shown)
    tell(shown)
    copy_results(run.folder, results)
    tell(f"results: {results} and {run.folder}\n", sys.stderr)


def write(folder: Path, settings: "Settings") -> str:
    """Score the winner on the test split if the search is complete, and write all derived files; return text to print."""
    from analysis.ranking import test_scores
    from analysis.results import printed
    from analysis.results.files import write_files
    from search.run import ledger

    if not settings.space.is_own:
        test_scores.test_winner(ledger.read(folder), settings.cache, settings.caches)
    run = ledger.read(folder)
    where = write_files(run)
    return printed.brief(run, where)


def continuation() -> str:
    """The command that continues the search: the same command line again."""
    script, *arguments = sys.argv
    return shlex.join(["python", script, *arguments] if script.endswith(".py") else [Path(script).name, *arguments])


def installed() -> None:
    """The entry point of the installed command `cifar-search`, which also answers a shell's requests for completion."""
    end(execute(command_line(INSTALLED), INSTALLED, sys.argv[1:]))


if __name__ == "__main__":
    end(execute(app, SCRIPT, sys.argv[1:]))
