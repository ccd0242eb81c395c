"""The next step for a run or a trial that has not reached what was asked of it, by its state."""

import shlex
from collections import Counter

from analysis.frame.ranges import text
from analysis.render import commands
from analysis.results.sections.leaderboard import worded
from search.flags import Flags
from search.run.confirmation import is_complete
from search.run.ledger import Run, Trial
from search.status import STATUSES
from trainables.written import plural

FAR, NEAR = 1000, 10  # the rates to search after all diverged: from a thousandth to a tenth of the lowest


def of_run(run: Run) -> str:
    """The next step for a run in which no trial has finished."""
    if not is_complete(run):
        return f"Let the search go on: {resume(run)}."
    if failed := [trial for trial in run.search_trials if trial.status == "failed"]:
        return f"Fix the error in {failed[0].folder}/error.txt, then: {retry(run)}."
    if has_rates(run) and any(trial.status == "diverged" for trial in run.search_trials):
        return f"Search lower rates, such as --set {shlex.quote(lower_rates(run))} --name NEW."
    return "Search with more trials, or with --scheduler none --name NEW."


def came_to(run: Run) -> str:
    """What became of the trials of a run without a winner, such as: all 3 trials diverged."""
    none = f"no configuration has finished on all {run.totals.seeds} {run.identity.repeat}s"
    none = none if run.totals.seeds > 1 else "no trial has finished"
    if not is_complete(run):
        return f"{none} yet"
    counts = Counter(trial.status for trial in run.search_trials)
    statuses = {
        worded(status): counts[status] for status in STATUSES if counts[status]
    }  # whatever the order of the trials
    if len(statuses) == 1:
        ((word, number),) = statuses.items()
        return f"all {number} trials {word}" if number > 1 else f"the only trial {word}"
    trials = "trials " if run.totals.seeds > 1 else ""
    return f"{none}: {', '.join(f'{number} {trials}{word}' for word, number in statuses.items())}"


def has_rates(run: Run) -> bool:
    """Whether every trial of the search has a learning rate `lr`. Own training may use another name, or have none."""
    rates = [trial.config.get("lr") for trial in run.search_trials]
    return all(isinstance(rate, int | float) and rate > 0 for rate in rates)


def lower_rates(run: Run) -> str:
    """Learning rates below all that were tried, in the syntax of --set."""
    lowest = min(trial.config["lr"] for trial in run.search_trials)
    low, high = text(lowest / FAR, False), text(lowest / NEAR, False)
    return f"lr={low},{high}" if run.identity.algorithm == "grid" else f"lr=loguniform({low}, {high})"


def without_epoch(run: Run, trial: Trial) -> str:
    """Why a trial has no epoch, and the next step."""
    if trial.status == "diverged":
        return "it diverged in its first epoch. Name another trial: RUN/ID."
    if trial.status == "failed":
        return f"it failed in its first epoch. Fix the error in its error.txt, then: {retry(run)}."
    return f"it has no epoch yet. Let the search go on: {resume(run)}."


def without_weights(run: Run, trial: Trial) -> str:
    """Why the weights of a trial with epochs are missing, and the next step."""
    if trial.status == "finished":
        return "only those of the best finished trials are kept. Use --retrain."
    if trial.ended:
        end = f"it {ENDS[trial.status]} after {plural(len(trial.epochs), 'epoch')}"
        return f"{end}, and weights are kept of finished trials. Use --retrain."
    return f"they are written when it has finished. Let the search go on ({resume(run)}), or use --retrain."


ENDS = {"stopped": "was stopped early", "diverged": "diverged", "failed": "failed"}


def resume(run: Run) -> str:
    return commands.resume(run, commands.shortest(run.folder))


def retry(run: Run) -> str:
    """Train the failed configurations again; an error in the user's own code was corrected in the user's file."""
    if run.identity.own_code:
        where = run.folder.parent
        elsewhere = {} if where == Flags.runs_dir else {"runs_dir": where}
        return f"{commands.go_on(run, retry_failed=True, allow_changes=True, **elsewhere)}, with --space as you first wrote it"
    return f"{resume(run)} --retry-failed"
