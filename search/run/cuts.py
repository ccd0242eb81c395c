"""The cuts of a run: one durable line decides a complete rung, and the lines decide which trials may train."""

from collections.abc import Callable, Sequence
from pathlib import Path

from search.records import Totals
from search.run import plan
from search.run.ledger import Run, Trial
from search.stopping.cuts import Course, Curve, Curves, Stage
from trainables.files import durable


def stages(history: Sequence[Totals]) -> list[Stage]:
    """A stage for each line of totals.jsonl that changed what is cut; none if nothing is cut now."""
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
    """The course of a run according to its lines about whole rungs; None if the run cuts no rung."""
    asked, identity = stages(run.history), run.identity
    if not asked:
        return None
    trials = [trial.index for trial in run.search_trials]
    found = Course(asked, entries(run.history, trials), identity.scheduler, identity.seed, identity.objective)
    for line in run.cuts:
        found.take(line)
    return found


def now(run: Run) -> Course | None:
    """The course of a run, moved on to its present stage; None if the run cuts no rung.

    The lines alone may end in an earlier stage: a stage has no line if all of its trials diverged before a rung.
    """
    found = course(run)
    if found:
        found.next(curves(run))
    return found


def entries(history: Sequence[Totals], trials: Sequence[int]) -> dict[int, int]:
    """Each search trial, by its index and in plan order, with the index of the first trial of its configuration."""
    first: dict[int, int] = {}
    return {
        trial: first.setdefault(point, trial) for trial, (point, _) in zip(trials, plan.order(history), strict=False)
    }


def curves(run: Run) -> Curves:
    """The course of each search trial by its index: its values so far, and whether it diverged or failed."""
    return {trial.index: curve(trial) for trial in run.search_trials}


def curve(trial: Trial) -> Curve:
    outcome = (trial.outcome or {}).get("outcome")
    return Curve(trial.values, outcome == "diverged", outcome == "failed")


def decide(run: Run, read: Callable[[Path], Run]) -> Run:
    """Write every line about whole rungs that is due, and read the run again.

    Raises:
        StorageError: a line could not be written; the line took no effect.
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
    """Remove the resume states of trials that were left behind, except of those that would be thawed next."""
    spared = kept(run)
    for trial in run.search_trials:
        if trial.status == "stopped" and trial.index not in spared:
            durable.remove_states(trial.folder)


def kept(run: Run) -> set[int]:
    """The trials that were left behind and would train next if all others diverged; none once a configuration has finished."""
    found, known = course(run), curves(run)
    best = None if found is None or found.has_finished(known) else found.best_left_behind(known)
    return set(found.members[best[0]]) if found and best else set()
