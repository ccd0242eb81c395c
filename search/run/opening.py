"""Starting and continuing a run folder: identity once, totals that may grow, a plan that is only appended to."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.algorithms.table import adaptive
from search.flags import CONFIRM_SEEDS, KEEP_BEST
from search.records import ALLOWABLE, EXPLAINING, GROWING, Identity, Totals
from search.run import confirmation, cuts, identity, order, plan
from search.run.ledger import Run, Trial, read, read_identity, read_totals
from search.run.rule_choice import percent, too_small
from search.settings import Settings
from search.status import LOST
from search.stopping.base import version_of
from search.stopping.ladder import least_share
from search.stopping.rules import continued, decisive, is_known, label, places, waits
from search.stopping.rules import cuts as is_cut
from spaces import MAX_GRID, Space, When
from trainables.config import key_of, knows_its_end, usual
from trainables.data.loading import Dataset
from trainables.errors import RunError, UsageError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.own.code import changes
from trainables.written import plural


def refuse_link(folder: Path) -> None:
    """A run lies where its name says; whoever made a link of it could have the search write anywhere.

    Raises:
        RunError: the folder is a symbolic link.
    """
    if folder.is_symlink():
        raise RunError(f"not a run: {folder}: it is a link. Use --runs-dir DIR for runs that lie elsewhere.")


def refuse_other(folder: Path, settings: Settings, data: Dataset | None, on_gpu: bool) -> None:
    """Find a run of another search before its code is tried.

    Raises:
        RunError: the run's identity differs.
    """
    if (folder / "run.json").exists():
        check_identity(folder, identity.describe(settings, data, on_gpu), settings)


def open_run(folder: Path, settings: Settings, data: Dataset | None, on_gpu: bool) -> Run:
    """Create the run, or make sure that it is the one that is asked for; then write down what is asked.

    Everything that can be wrong with what is asked is found before anything is written.

    Raises:
        RunError: the run's identity differs, or a total would shrink.
        SpaceError: the space has fewer points than asked for.
    """
    asked = identity.describe(settings, data, on_gpu)
    is_new = not (folder / "run.json").exists()
    changes = {} if is_new else check_identity(folder, asked, settings)
    history = read_totals(folder)
    totals = ask(folder, settings, history[-1] if history else None)
    totals = replace(totals, rungs=rungs(folder, asked, totals, history))
    points = drawn(folder, settings, [*history, totals])
    new = unplanned(folder, plan.replicates(points, [*history, totals], settings.seed))
    if settings.code:
        settings.code.keep(folder)
    if is_new:
        durable.write_json(folder / "run.json", asked.record())
    totals = replace(totals, **changes, until=until_now(folder) if "own_code" in changes.get("identity", {}) else {})
    if not history or changes or any(getattr(totals, key) != getattr(history[-1], key) for key in GROWING):
        durable.append(folder / "totals.jsonl", totals.record())
    if new:
        durable.append(folder / "trials.jsonl", *new)
    return read(folder)


def until_now(folder: Path) -> Record:
    """What was trained by the user's code that a run has had until now."""
    run = read(folder)
    epochs = {str(trial.index): len(trial.epochs) for trial in run.trials if trial.epochs}
    return {"own_code": run.identity.own_code, "epochs": epochs}


def rungs(folder: Path, asked: Identity, totals: Totals, history: Sequence[Totals]) -> list[list[int]] | None:
    """What is cut: as it was recorded while the same is asked for by the same rule, else counted anew."""
    rule = asked.scheduler
    if (folder / "run.json").exists():
        recorded = read_identity(folder).scheduler
        rule = continued(rule, recorded)
        before = history[-1] if history else None
        if before and rule == recorded and (before.trials, before.epochs) == (totals.trials, totals.epochs):
            return before.rungs
    return [list(place) for place in places(rule, totals.trials, totals.epochs)] if is_cut(rule) else None


def drawn(folder: Path, settings: Settings, history: list[Totals]) -> list[Record]:
    """The points that are known: all that were asked for, or with an adaptive algorithm those that were drawn so far.

    Raises:
        SpaceError: the space has fewer points than asked for.
    """
    count = history[-1].trials
    lines = plan.draw(settings.space, settings.algorithm, count, settings.seed, settings.warm_points)
    points = [plan.on_first_fold(line, settings.folds or 0) for line in lines]
    if adaptive(settings.algorithm):
        plan.draw(settings.space, "random", count, settings.seed)  # finds out now whether there are so many
        points += plan.first_lines(searched_lines(folder), history)[len(points) :]
    return points


def searched_lines(folder: Path) -> list[Record]:
    """The lines of the plan without those of the confirmation."""
    return [line for line in durable.read_lines(folder / "trials.jsonl") if line.get("source") != confirmation.SOURCE]


def unplanned(folder: Path, wanted: list[Record]) -> list[Record]:
    """Of the trials that a search wants, those that are not planned yet; a confirmation may stand among the others.

    Raises:
        RunError: what is planned is something else.
    """
    planned = durable.read_lines(folder / "trials.jsonl")
    there = searched_lines(folder)
    if list(map(content, wanted[: len(there)])) != list(map(content, there)):
        raise RunError(f"another plan: {folder}/trials.jsonl: its points are drawn differently now. Use --name NEW.")
    return [{**line, "index": index} for index, line in enumerate(wanted[len(there) :], len(planned))]


def content(line: Record) -> Record:
    """A line of the plan for comparison: without index and id, with canonical numbers."""
    return {**line, "index": None, "id": None, "config": key_of(line["config"])}


def check_identity(folder: Path, asked: Identity, settings: Settings) -> Record:
    """What totals.jsonl has to say about allowed changes: in words, and the parts that hold from now on.

    Raises:
        RunError: there are changes that were not allowed, or that cannot be.
    """
    recorded = read_identity(folder)
    asked = as_begun(folder, asked, recorded, settings)
    changed = recorded.differences(asked)
    renamed = {}
    if "schema" in changed and recorded.space_hash == settings.space.digest_of_schema_1():
        renamed = {
            key: changed.pop(key) for key in ("space_hash",) if key in changed
        }  # it is that space under its new hash
    told = changed.keys() - {"space_hash"} if changed.keys() & {"space", *EXPLAINING} else changed
    words = [recorded.sentence(key, value) for key, value in changed.items() if key in told]
    final = [key for key in changed if key not in ALLOWABLE]
    if final or (changed and not settings.allow_changes):
        edited = changes(folder, recorded.own_code, settings.code) if "own_code" in changed else []
        unsaid = (
            {recorded.sentence("own_code", changed["own_code"])} if edited else set()
        )  # two hashes say less than a diff
        way_out = "" if final else ", or go on with --allow-changes, which is recorded"
        raise RunError(
            f"not the same search: {folder}: what follows differs. Start another with --name NEW{way_out}.",
            [line for line in words if line not in unsaid] + edited,
        )
    return {"allowed": words, "identity": changed | renamed} if changed else {}


def as_begun(folder: Path, asked: Identity, recorded: Identity, settings: Settings) -> Identity:
    """What is asked, with what was decided once, when the run was started: the precision, and the version of the rule.

    Raises:
        RunError: the rule is of a version that is not known.
    """
    rule = continued(asked.scheduler, recorded.scheduler)
    if not is_known(rule):
        found = f"version {version_of(rule)!r} of {rule['name']}"
        raise RunError(
            f"unknown rule: {folder}/run.json: {found}, which this version does not have. Update this program."
        )
    precision = recorded.precision if settings.precision == "auto" else asked.precision
    return replace(asked, scheduler=rule, precision=precision)


def ask(folder: Path, settings: Settings, before: Totals | None) -> Totals:
    """What is asked now: what the settings say, else what was asked before, else what the space says.

    Raises:
        RunError: less is asked than before, or a longer training that the schedule does not allow.
        UsageError: --confirm-seeds without anything to confirm, or more trials than can be planned.
    """
    said = before or Totals(trials=0, epochs=settings.space.epochs)
    trials = plan.size(settings.space, settings.algorithm, settings.num_samples or said.trials or None)
    confirm = said.confirm if settings.confirm is None else settings.confirm
    if settings.confirm_seeds and not confirm:
        raise UsageError("--confirm-seeds says how often, but nothing is confirmed. Add --confirm K.")
    confirm_seeds = settings.confirm_seeds or said.confirm_seeds or settings.folds or CONFIRM_SEEDS
    totals = Totals(
        trials=trials, epochs=settings.epochs or said.epochs, seeds=settings.folds or settings.seeds or said.seeds,
        confirm=confirm,
        confirm_seeds=confirm_seeds if confirm else 0, keep_best=settings.keep_best or said.keep_best,
    )  # fmt: skip
    if (count := trials * totals.seeds + confirm * totals.confirm_seeds) > MAX_GRID:
        several = "--folds" if settings.folds else "--seeds"
        raise UsageError(f"--num-samples, {several} and --confirm make {count} trials; at most {MAX_GRID} are planned.")
    if before:
        check_growth(folder, settings, before, totals)
    return totals


def check_growth(folder: Path, settings: Settings, before: Totals, totals: Totals) -> None:
    """Totals only grow, and the length only where no schedule depends on it."""
    for key, name in GROWING.items():
        was, now = getattr(before, key), getattr(totals, key)
        if now < was:
            raise RunError(
                f"{name} cannot shrink: {folder}: it was {was} and is now {now}. Start another with --name NEW."
            )
    depends = sized_schedules(settings.space)
    if totals.epochs > before.epochs and depends:
        raise RunError(
            f"--epochs cannot grow: {folder}: the {depends[0]} schedule is sized for {plural(before.epochs, 'epoch')}. "
            'Start another with --name NEW; with "schedule": "constant" in its space, --epochs can grow later.'
        )


def sized_schedules(space: Space) -> list[str]:
    """The schedules of a space that are sized for the number of epochs."""
    return [] if space.is_own else [name for name in possible(space, "schedule") if knows_its_end(name)]


def possible(space: Space, knob: str) -> list[Any]:
    """The values that a knob with names for values may have in a space."""
    given = space.params.get(knob, usual(knob))
    values = list((given,) if isinstance(given, str) else given.bounds())
    return values + [usual(knob)] * (isinstance(given, When) and not space.decides_all(given))


def remarks(rule: Record, totals: Totals, settings: Settings, *, is_over: bool = False) -> list[str]:
    """Notes about the search that is asked for, whether it is started or only estimated.

    Args:
        rule: of early stopping, as run.json has it.
        is_over: every trial has ended, so what would happen to the next one is no news.
    """
    found = (
        []
        if is_over
        else [*of_stopping(rule, totals, settings), *of_schedule(rule, totals, settings), *of_numba(settings)]
    )
    if settings.algorithm == "grid":
        points = len(settings.space.grid)
        if (settings.num_samples or 0) > points:
            found.append(f"the grid has {plural(points, 'point')}, so no more are tried")
    confirm, there = totals.confirm, totals.trials
    if confirm > there:
        found.append(
            f"--confirm {confirm}: the search has {plural(there, 'configuration')}, so no more than that can be confirmed"
        )
    return found


def of_stopping(rule: Record, totals: Totals, settings: Settings) -> list[str]:
    """What the early stopping that was asked for cannot do."""
    epochs, found = totals.epochs, []
    if adaptive(settings.algorithm) and waits(rule) and decisive(rule, epochs):
        found.append(
            f"{settings.algorithm} has nothing to learn from with {label(rule)}: no trial ends before all points are drawn, so "
            "they are random; use asha, median or none"
        )
    if rule["name"] == "ladder" and (told := too_small(rule, totals.trials, epochs)):
        least = percent(least_share(totals.trials, epochs, rule.get("audit", 0.0)))
        found.append(f"a share of {least} in place of {percent(rule['share'])}: {told}")
    if rule["name"] != "none" and not decisive(rule, epochs):
        found.append(f"no trial will be stopped early: there is no rung before the last of {epochs} epochs")
    elif rule["name"] != "none" and totals.seeds > 1 and not is_cut(rule):
        found.append(
            "early stopping judges each seed by itself, and a configuration has finished when all its seeds have"
        )
    return found


def of_schedule(rule: Record, totals: Totals, settings: Settings) -> list[str]:
    """That values at rungs are of an unfinished schedule, if they are."""
    sized = sized_schedules(settings.space)
    if rule["name"] == "none" or not sized:
        return []
    names = f"the {' and '.join(sized)} {'schedule is' if len(sized) == 1 else 'schedules are'}"
    return [
        f"{names} sized for all {totals.epochs} epochs: early stopping compares values from its middle, and --epochs cannot "
        "grow later, because the learning rates depend on it"
    ]


def of_numba(settings: Settings) -> list[str]:
    """That a variable of the shell keeps the convnet from its fast layers, if it does."""
    is_off = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
    if settings.space.is_own or not is_off or "convnet" not in possible(settings.space, "model"):
        return []
    return [
        "NUMBA_DISABLE_JIT is set: the convnet trains with torch's own layers, which is slower and rounds otherwise"
    ]


def retry_failed(run: Run) -> Run:
    """Open the failed trials again; what they had committed must come out the same."""
    for trial in run.trials:
        if trial.status == "failed":
            durable.append(trial.folder / "epochs.jsonl", {"outcome": "retried"})
            (trial.folder / "error.txt").unlink(missing_ok=True)
    return read(run.folder)


def kept(totals: Totals) -> int:
    """Trials whose weights are kept."""
    return int(totals.keep_best or KEEP_BEST)


def tidy(run: Run) -> None:
    """Drop what will not be needed again: leftovers of a killed process, resume states of trials that will not go on."""
    for folder in (run.folder, run.folder / "plots"):
        durable.sweep(folder)
    kept = cuts.kept(run)
    for trial in run.trials:
        tidy_trial(trial, may_go_on=trial.index in kept)


def tidy_trial(trial: Trial, may_go_on: bool = False) -> None:
    """Drop leftovers, and the resume states that a trial does not need; a finished one keeps the last if it can be lengthened.

    Args:
        may_go_on: it was left behind, and may be called again.
    """
    if trial.ended:
        durable.sweep(trial.folder)
    is_sized = knows_its_end(trial.config.get("schedule")) and not trial.objective.is_own  # theirs may mean anything
    is_final = trial.status == "finished" and is_sized
    if is_final or trial.status in LOST or (trial.status == "stopped" and not may_go_on):
        durable.remove_states(trial.folder)
    elif trial.status == "finished":
        for old in durable.states(trial.folder)[1:]:
            durable.remove_checked(old)


def prune_weights(run: Run, keep: int) -> None:
    """Keep the weights of the best `keep` trials of the search, of the winner, of the baseline and of the confirmation.

    In folds the best trial may only have had the easiest images: there each of the best `keep` configurations keeps the
    weights of its first fold.
    """
    finished = [trial for trial in run.search_trials if trial.status == "finished"]
    ranked = confirmation.leaders(run.search_trials) if run.identity.folds else sorted(finished, key=order.of_trial)
    kept = {trial.index for trial in (*ranked[:keep], confirmation.winner(run)) if trial}
    for trial in finished:
        if trial.source != "baseline" and trial.index not in kept:
            durable.remove_checked(trial.folder / "best.safetensors")
