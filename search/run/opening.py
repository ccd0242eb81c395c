"""Starting and continuing a run folder: identity once, totals that may grow, a plan that is only appended to."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.algorithms.table import adaptive
from search.flags import CONFIRM_SEEDS, KEEP_BEST
from search.records import ALLOWABLE, EXPLAINING, GROWING, Identity, Totals
from search.run import confirmation, cuts, identity, order, plan
from search.run.ledger import Run, Trial, has_begun, read, read_identity, read_totals
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
from trainables.own.code import FOLDER as CODE
from trainables.own.code import changes
from trainables.written import plural


def refuse_link(folder: Path) -> None:
    """Refuse a run folder that is a link: whoever made the link could make the search write anywhere.

    Raises:
        RunError: the folder is a symbolic link.
    """
    if folder.is_symlink():
        raise RunError(f"not a run: {folder}: it is a link. Use --runs-dir DIR for runs that lie elsewhere.")


def refuse_other(folder: Path, settings: Settings, data: Dataset | None, on_gpu: bool) -> None:
    """Refuse to continue the run of another search, before the user's code is tried.

    Raises:
        RunError: the run's identity differs.
    """
    if has_begun(folder):
        check_identity(folder, identity.describe(settings, data, on_gpu), settings)


def open_run(folder: Path, settings: Settings, data: Dataset | None, on_gpu: bool) -> Run:
    """Create the run, or check that the existing run is the one that is asked for; then write down what is asked.

    Every mistake in what is asked is found before anything is written.

    Raises:
        RunError: the run's identity differs, or a total would shrink.
        SpaceError: the space has fewer points than asked for.
    """
    asked = identity.describe(settings, data, on_gpu)
    is_new = not has_begun(folder)
    changes = {} if is_new else check_identity(folder, asked, settings)
    history = read_totals(folder)
    totals = ask(folder, settings, history[-1] if history else None)
    if history and "scheduler" in changes.get("identity", {}):
        refuse_late_rule(folder, history[-1], totals)
    totals = replace(totals, rungs=rungs(folder, asked, totals, history))
    points = drawn(folder, settings, [*history, totals])
    new = unplanned(folder, plan.replicates(points, [*history, totals], settings.seed))
    if settings.code:
        settings.code.keep(folder)
    if is_new:
        durable.write_json(folder / "run.json", asked.record())
    is_other_code = bool(history) and "own_code" in changes.get("identity", {})
    totals = replace(totals, **changes, until=until_now(folder) if is_other_code else {})
    if not history or changes or any(getattr(totals, key) != getattr(history[-1], key) for key in GROWING):
        durable.append(folder / "totals.jsonl", totals.record())
    if new:
        durable.append(folder / "trials.jsonl", *new)
    return read(folder)


def refuse_late_rule(folder: Path, before: Totals, totals: Totals) -> None:
    """Refuse another early-stopping rule for a search whose trials have all ended, unless it grows.

    The rule would decide nothing now, but much later: when the search grows.

    Raises:
        RunError: that is asked for.
    """
    grows = any(getattr(totals, key) > getattr(before, key) for key in ("trials", "epochs", "seeds"))
    if not grows and read(folder).search_ended:
        raise RunError(
            f"nothing to decide: {folder}: every trial has ended, so another early-stopping rule changes nothing. Ask for more "
            "with --num-samples or --epochs, or start another search with --name NEW."
        )


def until_now(folder: Path) -> Record:
    """The hash of the user's code that the run has had until now, and the number of epochs that each trial has."""
    run = read(folder)
    epochs = {str(trial.index): len(trial.epochs) for trial in run.trials if trial.epochs}
    return {"own_code": run.identity.own_code, "epochs": epochs}


def rungs(folder: Path, asked: Identity, totals: Totals, history: Sequence[Totals]) -> list[list[int]] | None:
    """The rungs to cut: as recorded if the rule, trials and epochs are unchanged, else counted anew; None if none is cut."""
    rule = asked.scheduler
    if has_begun(folder):
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
    """The wanted trials of a search that are not planned yet; trials of a confirmation may stand between those planned.

    Raises:
        RunError: the planned trials of the search are not the first of the wanted trials.
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
    """The allowed changes of the identity for totals.jsonl: in words, and as the parts that hold from now on.

    Empty if nothing changed.

    Raises:
        RunError: a change was not allowed, or no change of that part can be allowed.
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
            f"not the same search: {folder}: what follows differs. Start another search with --name NEW{way_out}.",
            [line for line in words if line not in unsaid] + edited,
        )
    return {"allowed": words, "identity": changed | renamed} if changed else {}


def as_begun(folder: Path, asked: Identity, recorded: Identity, settings: Settings) -> Identity:
    """The identity asked for, with the precision and the version of the rule that the run was started with.

    The precision is the recorded one only if --precision is auto.

    Raises:
        RunError: the version of the rule is not known.
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
    """The totals that are asked for now: from the settings, else from what was asked before, else from the space.

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
    """Refuse a total that shrinks, and more epochs if a schedule of the space is sized for the number of epochs.

    Raises:
        RunError: one of these is asked for.
    """
    for key, name in GROWING.items():
        was, now = getattr(before, key), getattr(totals, key)
        if now < was:
            raise RunError(
                f"{name} cannot shrink: {folder}: it was {was} and is now {now}. Leave it out, or start another search with "
                "--name NEW."
            )
    depends = sized_schedules(settings.space)
    if totals.epochs > before.epochs and depends:
        raise RunError(
            f"--epochs cannot grow: {folder}: the {depends[0]} schedule is sized for {plural(before.epochs, 'epoch')}. "
            'Start another search with --name NEW; with "schedule": "constant" in its space, --epochs can grow later.'
        )


def sized_schedules(space: Space) -> list[str]:
    """The schedules of a space that are sized for the number of epochs."""
    return [] if space.is_own else [name for name in possible(space, "schedule") if knows_its_end(name)]


def possible(space: Space, knob: str) -> list[Any]:
    """The values that a knob may have in a space; only for a knob whose values are names."""
    given = space.params.get(knob, usual(knob))
    values = list((given,) if isinstance(given, str) else given.bounds())
    return values + [usual(knob)] * (isinstance(given, When) and not space.decides_all(given))


def remarks(rule: Record, totals: Totals, settings: Settings, *, is_over: bool = False) -> list[str]:
    """Notes about the search that is asked for, whether it is started or only estimated.

    Args:
        rule: of early stopping, as run.json has it.
        is_over: every trial has ended, so notes about trials to come are left out.
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
    """Notes about what early stopping cannot do in this search."""
    epochs, found = totals.epochs, []
    if adaptive(settings.algorithm) and waits(rule) and decisive(rule, epochs):
        found.append(
            f"{settings.algorithm} has nothing to learn from with {label(rule)}: no trial ends before all points are drawn, so "
            "they are random; use asha, median or none"
        )
    if decisive(rule, epochs) and (told := too_small(rule, totals.trials, epochs)):
        least = percent(least_share(totals.trials, epochs, rule.get("audit", 0.0)))
        found.append(f"a share of {least} in place of {percent(rule['share'])}: {told}")
    if rule["name"] != "none" and not decisive(rule, epochs):
        found.append(f"no trial will be stopped early: there is no rung before the end of {plural(epochs, 'epoch')}")
    elif rule["name"] != "none" and totals.seeds > 1 and not is_cut(rule):
        found.append(
            "early stopping judges each seed by itself, and a configuration has finished when all its seeds have"
        )
    return found


def of_schedule(rule: Record, totals: Totals, settings: Settings) -> list[str]:
    """A note that early stopping compares values from the middle of a schedule; none if it does not."""
    sized = sized_schedules(settings.space)
    if rule["name"] == "none" or not sized or not decisive(rule, totals.epochs):
        return []
    names = f"the {' and '.join(sized)} {'schedule is' if len(sized) == 1 else 'schedules are'}"
    return [
        f"{names} sized for all {totals.epochs} epochs: early stopping compares values from the middle of a schedule, and "
        "--epochs cannot grow later, because the learning rates depend on it"
    ]


def of_numba(settings: Settings) -> list[str]:
    """A note that NUMBA_DISABLE_JIT keeps the convnet from its fast layers; none if it does not."""
    is_off = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
    if settings.space.is_own or not is_off or "convnet" not in possible(settings.space, "model"):
        return []
    return [
        "NUMBA_DISABLE_JIT is set: the convnet trains with torch's own layers, which is slower and rounds otherwise"
    ]


def remove_remains(folder: Path) -> None:
    """Remove what Ray has written at the old place of a run folder that was moved while it trained; it would be in the way."""
    if not (folder / "run.json").exists():
        shutil.rmtree(folder / "ray", ignore_errors=True)
        with suppress(OSError):
            folder.rmdir()


def retry_failed(run: Run) -> Run:
    """Open the failed trials again; an epoch that was committed must come out the same when it is trained again."""
    for trial in run.trials:
        if trial.status == "failed":
            durable.append(trial.folder / "epochs.jsonl", {"outcome": "retried"})
            (trial.folder / "error.txt").unlink(missing_ok=True)
    return read(run.folder)


def kept(totals: Totals) -> int:
    """The number of trials whose weights are kept."""
    return int(totals.keep_best or KEEP_BEST)


def tidy(run: Run) -> None:
    """Drop what will not be needed again: leftovers of a killed process, resume states of trials that will not go on."""
    for name in ("", "plots", CODE, "dvc"):
        durable.sweep(run.folder / name)
    kept = cuts.kept(run)
    for trial in run.trials:
        tidy_trial(trial, may_go_on=trial.index in kept)


def tidy_trial(trial: Trial, may_go_on: bool = False) -> None:
    """Remove leftovers and the resume states that a trial does not need; one that can be lengthened keeps its last state.

    Args:
        may_go_on: the trial was left behind, and a later line may let it train on.
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

    With folds, the best trial may only have had the easiest images. Instead of the best trials, each of the best `keep`
    configurations then keeps the weights of its first finished fold.
    """
    finished = [trial for trial in run.search_trials if trial.status == "finished"]
    ranked = confirmation.leaders(run.search_trials) if run.identity.folds else sorted(finished, key=order.of_trial)
    kept = {trial.index for trial in (*ranked[:keep], confirmation.winner(run)) if trial}
    for trial in finished:
        if trial.source != "baseline" and trial.index not in kept:
            durable.remove_checked(trial.folder / "best.safetensors")
