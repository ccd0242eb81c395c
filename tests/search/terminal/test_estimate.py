"""What a search will cost, before it is paid: pytest tests/search/terminal/test_estimate.py"""

import re

import pytest

from analysis.verify.run_folder import verify
from search.run import ledger, opening
from search.terminal import estimate
from search.terminal.display import clock
from search.terminal.progress import Progress
from spaces import Space, choice
from tests import own
from tests.trainables.parts.own_parts import FlowerNet
from trainables.errors import DataError, ExpectedError, RunError, TrialsError
from trainables.files import durable
from trainables.training import loop
from trainables.trial import timing

TINY = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "batch_size": 20, "schedule": "constant", "lr": choice(0.1, 0.2, 0.3)},
    baseline={"lr": 0.2}, epochs=4,
)  # fmt: skip
TWELVE = Space(
    params={**TINY.params, "lr": choice(*(at / 100 for at in range(1, 13)))}, baseline={"lr": 0.02}, epochs=9
)  # fmt: skip
BYTES = 4 * (3072 * 8 + 8 + 8 + 8 * 4 + 4)  # a layer without bias, its normalisation, the classifier


@pytest.fixture
def guess(tmp_path, toy, settings):
    """The estimate of a search whose run is, or would be, tmp_path/run."""
    return lambda **asked: estimate.estimate(
        tmp_path / "run", settings(**{"space": TINY, **asked}), toy, on_gpu=False, slots=2
    )


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.0123, "0.012"), (4.26, "4.3"), (99.6, "100"), (416.7, "417"), (7200, "7,200")]
)
def test_an_epoch_of_minutes_is_written_in_whole_seconds(seconds, written):
    assert estimate.short(seconds) == written


def test_a_start_that_was_cut_off_is_no_damage(guess, toy, settings, tmp_path):
    """Killed, or without room, between run.json and totals.jsonl: nothing was asked for yet."""
    durable.make_folder(tmp_path / "run")
    run = opening.open_run(tmp_path / "run", settings(space=TINY), toy, on_gpu=False)
    for name in ("totals.jsonl", "trials.jsonl"):
        (run.folder / name).unlink()
    assert guess().left == 12
    assert verify(run.folder) == []
    with pytest.raises(RunError, match=r"not begun: .* Run the same command again"):
        ledger.read(run.folder)


def test_trials_epochs_and_disk_are_counted(guess, tmp_path):
    found = guess(keep_best=1)
    assert (found.full, found.ideal, found.confirming, found.trained, found.left) == (12, 12, 0, 0, 12)
    assert found.disk == pytest.approx(2 * 2 * 3 * BYTES + 3 * 3 * BYTES + 2 * BYTES), "SGD keeps one number a weight"
    assert found.kinds == 1
    assert estimate.sentences(found)[0] == "trials: 3, of 4 epochs each"
    assert found.seconds == pytest.approx(found.epoch_seconds * 8), "one of two slots trains two of three trials"
    assert list(tmp_path.iterdir()) == []


def test_early_stopping_seeds_and_confirmation_are_part_of_it(guess):
    found = guess(scheduler="sha", epochs=9, seeds=3, confirm=1, confirm_seeds=2)
    assert (found.full, found.ideal, found.confirming) == (81, 9 + 3 * 2 + 3 * 6, 2 * 2 * 9), (
        "seeds are judged together"
    )
    text = "\n".join(estimate.sentences(found))
    assert "3 configurations x 3 seeds = 9, of 9 epochs each" in text
    assert "81 without early stopping; 33 (41 %) with sha" in text
    assert "confirmation: 36 epochs more" in text


def test_a_ladder_has_its_rungs_its_shares_and_the_share_that_fits_a_time(guess, monkeypatch):
    monkeypatch.setattr(estimate, "probe", lambda *_: 1.0)
    found = guess(space=TWELVE, scheduler="ladder")
    assert found.seconds == 6 * 1 + 4 * 1 + 2 * 2 + 1 * 4 + 1 * 1, "two slots for 12, 7, 4, 2 and 2 trials"
    rungs, share = estimate.of_cuts(found, None)
    assert rungs == (
        "ladder: of 12 configurations the best 7, 4, 2, 2 go on from epochs 1, 2, 4, 8; "
        "none has finished before the last of these is reached"
    )
    told = "share: at most 35% of all epochs, at least 26%; "
    assert share == f"{told}with --time-budget this line says which share fits a time"
    fits = re.fullmatch(rf"{told}--share (\d+)% fits into 0m 49s", estimate.of_cuts(found, 49.0)[1])
    assert int(fits[1]) >= 50
    asked = [guess(space=TWELVE, scheduler="ladder", share=(int(fits[1]) + more) / 100).seconds for more in (0, 1)]
    assert asked[0] <= 49 - 20 < asked[1], "with the start, one per cent more would not fit"
    nothing = "not even that fits into 0m 25s: ask for fewer points or epochs"
    assert estimate.of_cuts(found, 25.0)[1] == f"{told}{nothing}"


def test_a_share_that_gave_way_is_the_least_one(guess):
    _, share = estimate.of_cuts(guess(scheduler="ladder", epochs=9), None)
    assert share.startswith("share: 71% of all epochs, the least for so few points or epochs; with --time-budget ")


def test_another_rule_with_rungs_has_no_share(guess):
    (rungs,) = estimate.of_cuts(guess(space=TWELVE, scheduler="sha"), 60.0)
    assert rungs.startswith("sha: of 12 configurations the best 4, 2 go on from epochs 1, 3; none has finished ")
    assert estimate.of_cuts(guess(space=TWELVE), 60.0) == []


def test_a_run_of_before_is_estimated_by_the_version_of_its_rule(guess, toy, settings, tmp_path):
    durable.make_folder(tmp_path / "run")
    sha = {"space": TWELVE, "scheduler": "sha", "seeds": 2}
    opening.open_run(tmp_path / "run", settings(**sha), toy, on_gpu=False)
    identity = durable.read_json(tmp_path / "run" / "run.json")
    assert estimate.of_cuts(guess(**sha), None)
    identity["scheduler"]["version"] = 2
    durable.write_json(tmp_path / "run" / "run.json", identity)
    found = guess(**sha)
    assert found.rule["version"] == 2
    assert estimate.of_cuts(found, None) == [], "it judged each seed by itself"


def test_one_trial_is_not_faster_for_many_slots(guess):
    found = guess(num_samples=1)
    assert found.seconds == pytest.approx(4 * found.epoch_seconds)


def test_of_a_run_that_is_there_only_the_rest_is_paid_and_nothing_is_written(guess, tmp_path, toy, settings):
    durable.make_folder(tmp_path / "run")
    run = opening.open_run(tmp_path / "run", settings(space=TINY), toy, on_gpu=False)
    run.trials[0].folder.mkdir(parents=True)
    durable.append(run.trials[0].folder / "epochs.jsonl", {"epoch": 1, "val_accuracy": 0.5})
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    found = guess(epochs=5)
    assert (found.full, found.trained, found.left) == (15, 1, 14)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before
    with pytest.raises(RunError, match="seed: 0 is now 1"):
        guess(seed=1)


def test_epochs_that_a_trial_which_broke_off_will_never_train_are_not_left(guess, tmp_path, toy, settings):
    durable.make_folder(tmp_path / "run")
    asked = {"space": TWELVE, "num_samples": 3, "epochs": 4}
    run = opening.open_run(tmp_path / "run", settings(**asked), toy, on_gpu=False)
    row, diverged = {"epoch": 1, "val_accuracy": 0.5}, {"outcome": "diverged", "epoch": 2, "train_loss": 9.9}
    run.trials[0].folder.mkdir(parents=True)
    durable.append(run.trials[0].folder / "epochs.jsonl", row, diverged)
    found = guess(**asked)
    assert (found.trained, found.left) == (1, 8)
    for trial in run.trials[1:]:
        trial.folder.mkdir(parents=True)
        durable.append(trial.folder / "epochs.jsonl", row, diverged)
    over = guess(**asked)
    assert (over.trained, over.left, over.seconds) == (3, 0, 0)
    assert estimate.time_words(over) == "time: none, all trials have ended"
    assert guess(**asked | {"num_samples": 4}).left == 4, "a larger search has the epochs of its new trial"


def test_by_a_rule_without_waiting_each_trial_that_has_not_ended_is_left(guess, tmp_path, toy, settings):
    """Others may have trained more than the ideal course has for all."""
    durable.make_folder(tmp_path / "run")
    asked = {"space": TWELVE, "num_samples": 4, "epochs": 9, "scheduler": "asha"}
    run = opening.open_run(tmp_path / "run", settings(**asked), toy, on_gpu=False)
    rows = [{"epoch": epoch, "val_accuracy": 0.5} for epoch in range(1, 10)]
    for trial in run.trials[:3]:
        trial.folder.mkdir(parents=True)
        durable.append(trial.folder / "epochs.jsonl", *rows, {"outcome": "finished"})
    found = guess(**asked)
    assert (found.trained, found.left) == (27, round(found.ideal / 4))
    grown = guess(**asked | {"num_samples": 6})
    assert grown.left == round(3 * grown.ideal / 6)
    none = guess(**asked | {"scheduler": "none", "allow_changes": True})
    assert none.left == 9


def test_the_first_epoch_of_a_trial_with_its_preparation_does_not_count_if_there_are_others(tmp_path):
    settings = own.settings(own.write(tmp_path, "loop"), num_samples=2)
    own.search(tmp_path / "run", settings)
    run = ledger.read(tmp_path / "run")
    for trial in run.trials:
        (trial.folder / "timing.jsonl").unlink()
        durable.append(trial.folder / "timing.jsonl", timing.epoch_line(1, 9.0, 0, "cpu"))
    assert estimate.seconds_so_far(run) == 9.0
    durable.append(run.trials[0].folder / "timing.jsonl", timing.epoch_line(2, 3.0, 0, "cpu"))
    assert estimate.seconds_so_far(run) == 3.0


@pytest.mark.parametrize(("patience", "kinds"), [(0.0, 8), (1e9, 30)])
def test_where_probes_take_long_only_eight_kinds_are_measured_and_the_others_scaled(
    guess, monkeypatch, patience, kinds
):
    monkeypatch.setattr(estimate, "probe", lambda config, *_: float(config["width"]))
    monkeypatch.setattr(estimate, "ALL_PROBES", patience)
    widths = list(range(8, 38))
    space = Space(params={**TINY.params, "lr": 0.1, "width": choice(*widths)}, baseline={"width": 8}, epochs=1)
    found = guess(space=space)
    assert found.kinds == kinds
    assert found.epoch_seconds == pytest.approx(sum(widths) / 30, rel=0.01)


def test_a_probe_ends_after_a_few_batches(toy, small, monkeypatch):
    batches = []
    real = loop.train_epoch

    def counted(*arguments):
        *rest, on_batch = arguments
        return real(*rest, lambda *told: (batches.append(told), on_batch(*told)))

    monkeypatch.setattr(loop, "train_epoch", counted)
    assert estimate.probe(small, toy, 1, False, "fp32") > 0
    assert [done for done, _ in batches] == list(range(1, estimate.BATCHES + 1))


@pytest.fixture
def progress(tmp_path, toy, settings):
    durable.make_folder(tmp_path / "run")
    run = opening.open_run(tmp_path / "run", settings(space=TINY), toy, on_gpu=False)
    return Progress(ledger.read(run.folder))


def test_in_the_end_the_search_says_how_good_the_estimate_was(guess, progress, tmp_path):
    found = guess()
    estimate.keep(tmp_path / "run", found)
    progress.update(0, {"epoch": 1, "val_accuracy": 0.5})
    told = estimate.verdict(tmp_path / "run", progress, 0)
    assert f"--dry-run said {clock(found.seconds)}, and 5 to 20 s to start, for 12 epochs; it took " in told
    assert re.search(r"took \d+m \d\ds for 1$", told)


@pytest.mark.parametrize("other", [{"epochs": 5}, {"scheduler": "sha"}, {"seeds": 2}])
def test_an_estimate_of_another_search_does_not_count(guess, progress, tmp_path, other):
    estimate.keep(tmp_path / "run", guess(**other, allow_changes=True))
    progress.update(0, {"epoch": 1, "val_accuracy": 0.5})
    assert estimate.verdict(tmp_path / "run", progress, 0) is None


def test_a_search_that_began_elsewhere_is_held_to_no_estimate(guess, progress, tmp_path):
    estimate.keep(tmp_path / "run", guess())
    assert estimate.verdict(tmp_path / "run", progress, 5) is None, "nothing was trained"
    progress.update(0, {"epoch": 1, "val_accuracy": 0.5})
    progress.update(0, {"epoch": 2, "val_accuracy": 0.5})
    progress.update(0, None)
    assert estimate.verdict(tmp_path / "run", progress, 5) is None, "nobody had asked for an estimate of this"


def test_a_network_that_does_not_fit_is_said_and_the_others_are_measured(guess, monkeypatch):
    real = estimate.probe

    def probe(config, *rest):
        if config["width"] == 16:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB\nand more")
        return real(config, *rest)

    monkeypatch.setattr(estimate, "probe", probe)
    wide = Space(params={**TINY.params, "lr": 0.2, "width": choice(8, 16)}, baseline={"width": 8}, epochs=4)
    found = guess(space=wide)
    assert found.kinds == 1
    assert "1 kind of trial cannot be trained: CUDA out of memory. Tried to allocate 20 GiB" in estimate.sentences(
        found
    )
    monkeypatch.setattr(estimate, "probe", lambda config, *rest: probe({**config, "width": 16}, *rest))
    with pytest.raises(TrialsError, match="no trial can be trained: the first one says: CUDA out of memory"):
        guess(space=wide)


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: no kernel image is available"), DataError("gone")])
def test_a_fault_of_the_machine_is_not_blamed_on_the_space(guess, monkeypatch, error):
    def probe(*_):
        raise error

    monkeypatch.setattr(estimate, "probe", probe)
    with pytest.raises(ExpectedError) as caught:
        guess()
    assert not isinstance(caught.value, TrialsError)


def test_an_average_of_the_weights_is_one_more_copy_in_each_state(guess):
    averaged = Space(params={**TINY.params, "ema": 0.7}, baseline=TINY.baseline, epochs=TINY.epochs)
    assert guess(space=averaged, keep_best=1).disk - guess(keep_best=1).disk == pytest.approx((2 * 2 + 3) * BYTES)


def test_networks_of_a_users_are_as_many_kinds_as_their_knobs_have_values(guess, monkeypatch):
    seen = []
    monkeypatch.setattr(estimate, "probe", lambda config, *rest: seen.append(config["channels"]) or config["channels"])
    params = {"model": FlowerNet, "channels": choice(4, 8), "lr": choice(0.1, 0.2), "schedule": "constant"}
    found = guess(space=Space(params=params, baseline={"channels": 4, "lr": 0.1}, epochs=4), num_samples=None)
    assert sorted(seen) == [4, 8]
    assert found.epoch_seconds == 6


def test_arithmetic_of_unknown_amount_is_not_scaled():
    assert estimate.scaled(10, [(0, 3.0)]) == estimate.scaled(0, [(5, 3.0)]) == 3.0
    assert estimate.scaled(10, [(5, 3.0)]) == 6.0
