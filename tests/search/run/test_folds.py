"""Searches in folds: identity, plan, confirmation, what is refused. pytest tests/search/run/test_folds.py"""

import dataclasses
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from analysis.verify.run_folder import verify
from search.backend import worker
from search.records import Identity, Totals
from search.run import confirmation, ledger, opening, plan, rule_choice
from search.terminal import estimate
from search.turns import Turn
from trainables.data import loading
from trainables.data.held_out.folds import Fold
from trainables.errors import RunError, UsageError
from trainables.files import durable
from trainables.training.definition import Training
from trainables.trial import single


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return loading.prepare("digits", tmp_path_factory.mktemp("digits") / "data", progress=False)


@pytest.fixture
def start(tmp_path, settings, cache):
    """Open the run, as a search does."""

    def opened(**asked):
        found = settings(cache=cache, **({"folds": 3, "epochs": 1, "precision": "fp32"} | asked))
        durable.make_folder(tmp_path / "run")
        return opening.open_run(tmp_path / "run", found, loading.load(cache), on_gpu=False)

    return opened


def end_all(run, value=0.5):
    for trial in run.trials:
        if not trial.ended:
            trial.folder.mkdir(parents=True)
            durable.append(trial.folder / "epochs.jsonl", {"epoch": 1, "val_accuracy": value}, {"outcome": "finished"})
    return ledger.read(run.folder)


def test_each_configuration_is_planned_once_for_each_fold_on_a_seed_of_its_own(start):
    run = start()
    assert (run.identity.folds, run.totals.seeds, run.identity.repeat) == (3, 3, "fold")
    assert [trial.fold for trial in run.trials] == [1, 2, 3] * 3
    assert [trial.seed for trial in run.trials] == [plan.replicate_seed(0, place) for place in range(3)] * 3
    assert run.identity.sizes["val"] == 1497  # each image is validated on once
    assert run.identity.census["counts"]["val"] == run.identity.census["counts"]["train"]
    assert start() == run


def test_a_confirmation_is_on_folds_that_the_search_did_not_see(start):
    run = confirmation.extend(end_all(start(confirm=1)))
    assert run.totals.confirm_seeds == 3  # as many as folds, where nothing else is said
    assert {trial.fold for trial in run.fresh_trials} == {4, 5, 6}
    assert len({trial.seed for trial in run.trials}) == 6


def test_the_weights_of_a_winner_are_those_of_its_first_fold(start):
    run = start()
    for trial, value in zip(run.trials, (0.5, 0.6, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1), strict=True):
        trial.folder.mkdir(parents=True)
        durable.append(trial.folder / "epochs.jsonl", {"epoch": 1, "val_accuracy": value}, {"outcome": "finished"})
    found = confirmation.winner(ledger.read(run.folder))
    assert (found.index, found.fold) == (0, 1)


def test_the_weights_that_are_kept_are_those_of_the_best_configurations(start):
    """Not of single folds, whose images may have been easy: the second configuration has the best one and the worst mean."""
    run = start()
    for trial, value in zip(run.trials, (0.5, 0.5, 0.6, 0.1, 0.1, 0.9, 0.7, 0.5, 0.6), strict=True):
        trial.folder.mkdir(parents=True)
        durable.write_checked(trial.folder / "best.safetensors", b"weights")
        durable.append(trial.folder / "epochs.jsonl", {"epoch": 1, "val_accuracy": value}, {"outcome": "finished"})
    run = ledger.read(run.folder)
    opening.prune_weights(run, keep=2)
    kept = [trial.index for trial in run.trials if (trial.folder / "best.safetensors").exists()]
    assert [trial.index for trial in run.trials if trial.source == "baseline"] == [0, 1, 2]
    assert kept == [0, 1, 2, 6]


@pytest.mark.parametrize(("folds", "told"), [(4, "folds: 3 is now 4"), (None, "folds: 3 is now none")])
def test_another_number_of_folds_is_another_search(start, folds, told):
    start()
    with pytest.raises(RunError) as caught:
        start(folds=folds)
    assert list(caught.value.details) == [told]


def test_a_run_without_folds_is_given_none(start):
    start(folds=None)
    with pytest.raises(RunError) as caught:
        start()
    assert list(caught.value.details) == ["folds: none is now 3"]


def test_images_that_are_cut_otherwise_are_another_search(start, monkeypatch):
    start()
    monkeypatch.setattr(loading.folds, "PURPOSE", 99)
    with pytest.raises(RunError) as caught:
        start()
    assert [line.split(":")[0] for line in caught.value.details] == ["fold_hash"]


def test_flags_lead_back_to_the_folds(start):
    assert start().identity.flags()["folds"] == 3
    assert "folds" not in Identity.read(start().identity.record() | {"folds": 0, "fold_hash": ""}, "run.json").flags()


def test_folds_and_seeds_together_are_refused_in_one_line(settings):
    with pytest.raises(UsageError, match="--folds 5 and --seeds 3: each fold has a seed of its own"):
        settings(folds=5, seeds=3)
    with pytest.raises(UsageError, match="--folds must be at least 2"):
        settings(folds=1)


@pytest.mark.parametrize("rule", ["asha", "median"])
def test_a_rule_that_judges_trials_on_arrival_is_refused_as_with_seeds(tmp_path, settings, rule):
    with pytest.raises(UsageError, match=f"--folds 5 and --scheduler {rule}: .* the folds of a configuration together"):
        rule_choice.settle(tmp_path, settings(folds=5, scheduler=rule))
    found, notes = rule_choice.settle(tmp_path, settings(folds=5, scheduler=rule, scheduler_asked=False))
    assert (found.scheduler, len(notes)) == ("ladder", 1)


def test_a_worker_trains_on_the_fold_of_its_trial(start, cache):
    run = start()
    durable.make_folder(run.folder / "ray")
    job = worker.Job(
        run=run.folder, cache=cache, epochs=1, fraction=1.0, precision="fp32", threads=1, device="cpu",
        objective=run.identity.objective, folds=3,
    )  # fmt: skip
    for index in (1, 2):
        worker.train_trial(job, Turn(index, 1), lambda row: None)
        training = worker.rows_of(job, ledger.read(run.folder).trials[index], 1)
        assert str(training.data.fold) == f"{index + 1}/3"
        assert len(training.data.val.labels) == 499
    assert verify(run.folder) == []


def test_trials_of_one_engine_share_one_copy_of_each_fold(start, cache):
    """Though they train on other folds in between, and begin at the same time."""
    first, second = (worker.images(cache, 1.0, Fold(number, 3)) for number in (1, 2))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: worker.images(cache, 1.0, Fold(number, 3)), [1, 2] * 4))
    assert {id(each) for each in found} == {id(first), id(second)}
    assert worker.images(cache, 1.0) is worker.images(cache, 1.0)
    kept = weakref.ref(first)
    del first, found
    gc.collect()
    assert kept() is None, "a fold that nobody trains on takes no memory"


def test_verify_finds_a_trial_on_another_fold_and_a_plan_of_other_totals(start):
    run = confirmation.extend(end_all(start(confirm=1)))
    path = run.folder / "trials.jsonl"
    lines = durable.read_lines(path)
    for place, fold in ((1, 1), (10, 1), (2, None)):
        spoilt = [dict(line) for line in lines]
        spoilt[place]["fold"] = fold
        path.unlink()
        durable.append(path, *spoilt)
        assert any(f"trials.jsonl:{place + 1}: fold is {fold}, not" in line for line in verify(run.folder)), place
    path.unlink()
    durable.append(path, *lines)
    totals = dataclasses.replace(run.totals, seeds=2)
    durable.append(run.folder / "totals.jsonl", totals.record())
    assert any("seeds is 2, but there are 3 folds" in line for line in verify(run.folder))


def test_a_dry_run_counts_each_fold():
    facts = {"trials": 4, "epochs": 3, "seeds": 5}
    found = estimate.Estimate(
        totals=Totals(**facts), rule={"name": "none"}, trained=0, left=60, full=60, ideal=60, confirming=0, disk=None,
        pictures=[], kinds=1, unmeasured=None, epoch_seconds=1.0, slots=2, has_folds=True,
    )  # fmt: skip
    assert estimate.sentences(found)[0] == "trials: 4 configurations x 5 folds = 20, of 3 epochs each"


def test_a_kept_trial_on_another_fold_is_another_trial(tmp_path, cache, small):
    def facts(fold):
        training = Training(small, loading.load(cache, fold=fold), seed=0, device="cpu", precision="fp32")
        return single.facts_of(training, dataset="digits", fraction=1.0, threads=1)

    single.claim(tmp_path / "one", facts(Fold(2, 5)), small)
    single.claim(tmp_path / "one", facts(Fold(2, 5)), small)
    for fold, told in ((Fold(1, 5), "'1/5'"), (None, "None")):
        with pytest.raises(RunError, match=f"fold '2/5' is now {told}"):
            single.claim(tmp_path / "one", facts(fold), small)
