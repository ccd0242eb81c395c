"""Mirror a search as an Optuna study, for `optuna-dashboard sqlite:///runs/NAME/optuna.db`.

A trial that was stopped early is PRUNED. A trial that diverged or failed is FAIL. (Ray's own OptunaSearch marks every trial
that ever reported a value as COMPLETE, so that a trial of one epoch looks like a trial of thirty.) Trials that confirm
configurations on fresh seeds are left out, because the study shows the search only. Optuna cannot change a trial that has
ended. If the ledger of such a trial changes (a longer training, a failed trial tried again), the study is written anew.
"""

import ast
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from analysis.frame.ranges import Range, parse_searched
from analysis.mirrors.refreshing import database
from search.run.confirmation import winner
from search.run.ledger import Run, Trial
from trainables.trial import timing

FILE = "optuna.db"
STATES = {
    "planned": TrialState.WAITING,
    "running": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "diverged": TrialState.FAIL,
    "failed": TrialState.FAIL,
}


def refresh(run: Run, before: Run | None = None) -> None:
    """Update the study from the ledger."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = RDBStorage(database(run.folder / FILE))
    try:
        searched = run.search_trials
        wanted = [frozen(trial, run.identity.space_params) for trial in searched]
        study = open_study(storage, run)
        there = storage.get_all_trials(study)
        if len(there) > len(wanted) or not all(map(can_become, there, wanted)):
            storage.delete_study(study)
            study, there = open_study(storage, run), []
        for old, new in zip(there, wanted, strict=False):
            advance(storage, storage.get_trial_id_from_study_id_trial_number(study, old.number), old, new)
        for trial, new in list(zip(searched, wanted, strict=True))[len(there) :]:
            storage.create_new_trial(study, template_trial=dated(new, trial))
        tell_winner(storage, study, run)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def open_study(storage: RDBStorage, run: Run) -> int:
    """The number of the study with the name of the run; the study is created if there is none."""
    if run.name in [study.study_name for study in storage.get_all_studies()]:
        return storage.get_study_id_from_name(run.name)
    objective = run.identity.objective
    direction = StudyDirection.MAXIMIZE if objective.mode == "max" else StudyDirection.MINIMIZE
    number = storage.create_new_study([direction], study_name=run.name)
    storage.set_study_system_attr(number, "study:metric_names", [objective.column])
    for key in ("space", "dataset_title", "seed", "algorithm"):
        storage.set_study_user_attr(number, key, getattr(run.identity, key))
    return number


def tell_winner(storage: RDBStorage, study: int, run: Run) -> None:
    """Record the winner as an attribute of the study: it may differ from Optuna's best trial, because fresh seeds choose."""
    best = winner(run)
    if best and storage.get_study_user_attrs(study).get("winner") != best.id:
        storage.set_study_user_attr(study, "winner", best.id)


def frozen(trial: Trial, space_params: Mapping[str, str]) -> FrozenTrial:
    """One trial as an Optuna trial without times; Optuna gives the trial its number when the trial is stored."""
    state, known = STATES[trial.status], {key: distribution(text, trial.config) for key, text in space_params.items()}
    ranges = {key: range for key, range in known.items() if range and contains(range, trial.config.get(key))}
    params = {key: trial.config[key] for key in ranges}
    value = trial.value if state in (TrialState.COMPLETE, TrialState.PRUNED) else None
    attributes = {"id": trial.id, "seed": trial.seed, "source": trial.source, "status": trial.status}
    if trial.outcome and "error" in trial.outcome:
        attributes["error"] = trial.outcome["error"]
    return FrozenTrial(
        number=-1, trial_id=-1, state=state, value=value, params=params,
        distributions=ranges, user_attrs=attributes, system_attrs={},
        intermediate_values=dict(enumerate(trial.values, 1)),
        datetime_start=None, datetime_complete=None,
    )  # fmt: skip


def dated(new: FrozenTrial, trial: Trial) -> FrozenTrial:
    """Add start and end times to an Optuna trial, as far as files tell.

    The end is the last write of the trial's ledger. The start is the end minus the seconds of the trial's epochs.
    """
    if new.state == TrialState.WAITING:
        return new
    path = trial.folder / "epochs.jsonl"
    end = datetime.fromtimestamp(path.stat().st_mtime if path.exists() else 0)  # in local time, as Optuna has it
    seconds = sum(record.get("seconds", 0.0) for record in timing.lines(trial.folder))
    new.datetime_start = end - timedelta(seconds=seconds)
    new.datetime_complete = end if new.state.is_finished() else None
    return new


def can_become(old: FrozenTrial, new: FrozenTrial) -> bool:
    """Whether a stored trial can be updated to the state in the ledger without changing or removing anything stored."""
    same = old.user_attrs.get("id") == new.user_attrs["id"] and old.distributions == new.distributions
    grown = old.intermediate_values.items() <= new.intermediate_values.items()
    if old.state.is_finished():
        return same and facts(old) == facts(new)
    return same and grown and not (old.state == TrialState.RUNNING and new.state == TrialState.WAITING)


def facts(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.state, trial.value, trial.params, trial.intermediate_values, trial.user_attrs


def advance(storage: RDBStorage, number: int, old: FrozenTrial, new: FrozenTrial) -> None:
    """Add new values to a stored trial that had not ended; set its state last, because an ended trial cannot change."""
    if facts(old) == facts(new):
        return
    for epoch, value in new.intermediate_values.items():
        if epoch not in old.intermediate_values:
            storage.set_trial_intermediate_value(number, epoch, value)
    for key, value in new.user_attrs.items():
        if old.user_attrs.get(key) != value:
            storage.set_trial_user_attr(number, key, value)
    if old.state == TrialState.WAITING and new.state != TrialState.WAITING:
        storage.set_trial_state_values(number, TrialState.RUNNING)
    if new.state.is_finished():
        storage.set_trial_state_values(number, new.state, new.values)


def distribution(text: str, config: dict[str, Any]) -> BaseDistribution | None:
    """Convert a range in run.json to an Optuna distribution for this configuration; None if Optuna cannot express it.

    In a study a parameter has one kind of range, so of a parameter with cases only intervals of one kind can be expressed.
    """
    found = parse_searched(text)
    own = found.of(config) if found else None
    if found is None or own is None:
        return None
    intervals = [each for each in found.cases.values() if not each.values]
    if found.decider and (own.values or len({(each.whole, each.log) for each in intervals}) > 1):
        return None
    return of_range(own)


def of_range(own: Range) -> BaseDistribution:
    if own.values:
        return CategoricalDistribution(list(dict.fromkeys(map(literal, own.values))))
    if own.whole:
        return IntDistribution(int(own.low), int(own.high), log=own.log, step=int(own.step or 1))
    return FloatDistribution(own.low, own.high, log=own.log, step=own.step or None)


def literal(word: str) -> Any:
    """The Python value of a literal such as a number, a truth value or None; any other word as text."""
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word


def contains(range: BaseDistribution, value: Any) -> bool:
    """Whether a value lies in a range; a configuration that was not drawn from the space may lie outside."""
    if isinstance(range, CategoricalDistribution):
        return value in range.choices
    assert isinstance(range, (FloatDistribution, IntDistribution))
    return isinstance(value, (int, float)) and range.low <= value <= range.high
