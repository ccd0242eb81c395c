"""The cuts of a run: a rung that is complete is decided in one durable line, and what may train follows from the lines."""

from collections.abc import Callable, Sequence
from pathlib import Path

from search.records import Totals
from search.run import plan
from search.run.ledger import Run, Trial
from search.stopping.cuts import Course, Curve, Curves, Stage
from trainables.files import durable


def stages(history: Sequence[Totals]) -> list[Stage]:
    """What was asked for, each time that it changed what is cut; none if nothing is cut now."""
    found: list[Stage] = []
    for line, totals in enumerate(history, 1):
        if totals.rungs is None:
            continue
        places = tuple((rung, quota) for rung, quota in totals.rungs)
        stage = Stage(line, len(plan.order(history[:line])), totals.epochs, places)
        if not found or (stage.trials, stage.epochs, stage.places) != (
            found[-1].trials,
            found[-1].epochs,
            found[-1].places,
        ):
            found.append(stage)
    return found if history and history[-1].rungs is not None else []


def course(run: Run) -> Course | None:
    """How far a run has come by its lines; none if nothing is cut there."""
    asked, identity = stages(run.history), run.identity
    if not asked:
        return None
    trials = [trial.index for trial in run.search_trials]
    found = Course(asked, entries(run.history, trials), identity.scheduler, identity.seed, identity.objective)
    for line in run.cuts:
        found.take(line)
    return found


def now(run: Run) -> Course | None:
    """The same in the stage that the search has come to: one may end without a line, when all of it diverged before a rung."""
    found = course(run)
    if found:
        found.next(curves(run))
    return found


def entries(history: Sequence[Totals], trials: Sequence[int]) -> dict[int, int]:
    """Each trial of the search, in the order of the plan, with the first one of its configuration."""
    first: dict[int, int] = {}
    return {
        trial: first.setdefault(point, trial) for trial, (point, _) in zip(trials, plan.order(history), strict=False)
    }


def curves(run: Run) -> Curves:
    """What each trial of the search has come to."""
    return {trial.index: curve(trial) for trial in run.search_trials}


def curve(trial: Trial) -> Curve:
    outcome = (trial.outcome or {}).get("outcome")
    return Curve(trial.values, outcome == "diverged", outcome == "failed")


def decide(run: Run, read: Callable[[Path], Run]) -> Run:
    """Write every line that can be written by now, and read the run again.

    Raises:
        StorageError: a line could not be written; it was not acted on.
    """
    found, known = course(run), curves(run)
    before = sequence = max((line.get("sequence", 0) for line in (*run.decisions, *run.cuts)), default=0)
    while found and (line := found.next(known)):
        sequence += 1
        durable.append(run.folder / "decisions.jsonl", {"sequence": sequence, **line})
        found.take(line)
    if sequence == before:
        return run
    after = read(run.folder)
    drop_states(after)
    return after


def drop_states(run: Run) -> None:
    """Remove the resume states of trials that were left behind, but for those that would be thawed next."""
    spared = kept(run)
    for trial in run.search_trials:
        if trial.status == "stopped" and trial.index not in spared:
            durable.remove_states(trial.folder)


def kept(run: Run) -> set[int]:
    """The trials that were left behind and would be the next to train, if all others diverged; none once one has finished."""
    found, known = course(run), curves(run)
    best = None if found is None or found.has_finished(known) else found.best_left_behind(known)
    return set(found.members[best[0]]) if found and best else set()
