"""A plan that grows while the search runs, on simulated curves: pytest tests/search/run/test_growth.py"""

import functools
import math
import random
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import spaces
from analysis.verify.run_folder import verify
from search import attempts
from search.run import confirmation, decisions, growth, ledger, opening
from search.run.confirmation import is_complete
from search.turns import Turns
from spaces import Space, choice, loguniform, uniform
from trainables.config import trial_id
from trainables.errors import SpaceError
from trainables.files import durable

EPOCHS = 4
SPACE = Space(
    params={"model": "mlp", "lr": loguniform(1e-4, 1.0), "dropout": uniform(0.0, 0.9), "schedule": "constant"},
    baseline={"lr": 1e-3, "dropout": 0.5},
    epochs=EPOCHS,
)


@pytest.fixture
def start(toy, settings, tmp_path):
    """Open a run of TPE in a folder."""

    def open_run(path=tmp_path / "run", count=14, **more):
        path.mkdir(parents=True, exist_ok=True)
        asked = settings(**{"space": SPACE, "algorithm": "tpe", "num_samples": count, "precision": "fp32", **more})
        return opening.open_run(path, asked, toy, on_gpu=False)

    return open_run


@pytest.fixture(autouse=True)
def known_space(monkeypatch):
    """The space is in the folder of spaces, so that its points can be drawn again."""
    monkeypatch.setattr(spaces, "load", lambda name: SPACE)


def problems(run):
    """What is wrong with it, but for the files that a trial leaves when it is really trained."""
    return [line for line in verify(run.folder) if "val.npz" not in line]


def accuracy(config, epoch):
    """Of 40 images: best at lr 0.01 and without dropout, better with each epoch."""
    return round(40 * math.exp(-((math.log10(config["lr"]) + 2) ** 2) - config["dropout"]) * epoch / (EPOCHS + 2)) / 40


def train_one_epoch(run, index):
    """What a worker commits."""
    trial = ledger.read(run.folder).trials[index]
    trial.folder.mkdir(parents=True, exist_ok=True)
    epoch = len(trial.epochs) + 1
    row = {"epoch": epoch, "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.0,
           "val_accuracy": accuracy(trial.config, epoch), "lr": 0.1}  # fmt: skip
    ending = [{"outcome": "finished"}] if epoch == trial.config["epochs"] else []
    durable.append(trial.folder / "epochs.jsonl", row, *ending)
    return row


def play(run, seed, slots=2, deaths=0.0):
    """Workers at random speed, and the scheduler; with `deaths` the search is killed and started again now and then."""
    dice = random.Random(seed)
    while attempts.is_open(run := confirmation.extend(ledger.read(run.folder))):
        turns = Turns(run, grow=functools.partial(growth.extend, run.folder, SPACE))
        rules, running, is_killed = decisions.of_run(run), {}, False
        while not turns.over and not is_killed:
            while len(running) < slots and (turn := turns.take()):
                running[turn.trial] = turn.until
            if not running:
                break
            trial = dice.choice(sorted(running))
            row = train_one_epoch(run, trial)
            if rules.stops(trial, row["epoch"], row["val_accuracy"]) or row["epoch"] >= running[trial]:
                del running[trial]
                turns.end(trial)
            is_killed = dice.random() < deaths
    return ledger.read(run.folder)


def test_it_starts_with_the_baseline_alone(start):
    run = start()
    assert [trial.source for trial in run.trials] == ["baseline"]
    assert not run.is_planned
    assert not is_complete(run)


def test_a_line_says_what_is_new_since_the_line_before(start):
    run = start()
    for _ in range(EPOCHS):
        train_one_epoch(run, 0)
    assert [growth.extend(run.folder, SPACE) for _ in range(2)] == [1, 2]
    train_one_epoch(run, 1)
    assert growth.extend(run.folder, SPACE) == 3
    told = [line.get("told") for line in durable.read_lines(run.folder / "trials.jsonl")]
    assert told == [
        None,
        {"ended": [[0, "finished", EPOCHS]], "running": []},
        {"ended": [], "running": [1]},
        {"ended": [], "running": [1, 2]},
    ]


@pytest.mark.parametrize("scheduler", ["none", "asha", "sha"])
@pytest.mark.parametrize("more", [{}, {"seeds": 2}, {"confirm": 1, "confirm_seeds": 2}], ids=str)
def test_a_whole_search_is_planned_trained_and_verified(start, scheduler, more):
    after = play(start(scheduler=scheduler, grace_period=1, reduction_factor=2, **more), seed=0)
    assert is_complete(after)
    lines = durable.read_lines(after.folder / "trials.jsonl")
    searched = [line for line in lines if line["source"] != "confirm"]
    assert len(searched) == 14 * more.get("seeds", 1)
    assert len({(line["id"], line["seed"]) for line in lines}) == len(lines)
    assert {line["source"] for line in searched} == {"baseline", "tpe"}
    assert sum("told" in line for line in lines) == 13
    assert problems(after) == []


def test_sha_decides_no_rung_before_all_trials_are_planned(start, begun_as):
    """In runs from before that was refused."""
    run = start(count=3, scheduler="sha", reduction_factor=2)
    begun_as(run.folder, 2)
    grow = functools.partial(growth.extend, run.folder, SPACE)
    for _ in range(2):  # killed and started again after each trial that got to the first rung
        turns = Turns(ledger.read(run.folder), grow=grow)
        turn = turns.take()
        assert turn.until == 1
        train_one_epoch(run, turn.trial)
    last = Turns(ledger.read(run.folder), grow=grow)
    assert ledger.read(run.folder).decisions == []
    turn = last.take()
    train_one_epoch(run, turn.trial)
    last.end(turn.trial)
    assert last.take() is not None
    assert len(ledger.read(run.folder).decisions) == 3


@hypothesis_settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), slots=st.integers(1, 4), scheduler=st.sampled_from(["asha", "median", "none"]))
def test_a_search_that_is_killed_again_and_again_is_sound(start, tmp_path_factory, seed, slots, scheduler):
    run = start(tmp_path_factory.mktemp("killed"), scheduler=scheduler, reduction_factor=2)
    after = play(run, seed, slots, deaths=0.15)
    assert is_complete(after)
    assert problems(after) == []


@pytest.mark.parametrize("algorithm", ["tpe", "gp"])
def test_the_same_ledger_gives_the_same_next_point(start, tmp_path, algorithm):
    """With any number of threads of torch."""
    run = play(start(count=12, algorithm=algorithm), seed=1)
    shutil.copytree(run.folder, tmp_path / "copy")
    lines, before = [], torch.get_num_threads()
    for threads, path in enumerate((run.folder, tmp_path / "copy"), 1):
        torch.set_num_threads(threads)
        start(path, count=13, algorithm=algorithm)
        growth.extend(path, SPACE)
        lines.append(durable.read_lines(path / "trials.jsonl")[-1])
    torch.set_num_threads(before)
    assert lines[0] == lines[1]
    assert lines[0]["source"] == algorithm


def test_a_search_by_gp_that_is_killed_again_and_again_is_sound_and_its_points_are_drawn_again(start):
    after = play(start(count=13, algorithm="gp", scheduler="asha", reduction_factor=2), seed=3, deaths=0.15)
    assert is_complete(after)
    assert problems(after) == []
    config = {**durable.read_lines(after.folder / "trials.jsonl")[12]["config"], "lr": 0.5}
    assert "another point than the one that gp draws" in tamper(after, 12, config=config, id=trial_id(config, 0))[0]


def test_going_on_changes_no_line_and_asking_for_more_only_appends(start):
    run = play(start(count=12), seed=2)
    before = (run.folder / "trials.jsonl").read_bytes()
    start(count=12)
    assert (run.folder / "trials.jsonl").read_bytes() == before
    after = play(start(count=15, seeds=2), seed=3)
    assert (run.folder / "trials.jsonl").read_bytes().startswith(before)
    assert len(after.trials) == 30
    assert problems(after) == []


def test_a_longer_training_is_told_anew(start):
    run = play(start(count=11), seed=0)
    start(count=12, epochs=EPOCHS + 2)
    growth.extend(run.folder, SPACE)
    assert durable.read_lines(run.folder / "trials.jsonl")[-1]["told"]["running"] == list(range(11))
    play(run, seed=0)
    assert problems(run) == []


def test_more_points_than_there_are_is_refused_before_anything_is_written(start, tmp_path):
    few = Space(params={"lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)
    with pytest.raises(SpaceError, match="only 2 different points"):
        start(space=few, count=3)
    assert list((tmp_path / "run").iterdir()) == []


def tamper(run, number, **changes):
    """Write one line of the plan otherwise."""
    lines = durable.read_lines(run.folder / "trials.jsonl")
    lines[number] |= changes
    (run.folder / "trials.jsonl").unlink()
    durable.append(run.folder / "trials.jsonl", *lines)
    return problems(run)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"source": "random"}, "another point than the one that tpe draws"),
        ({"told": {"ended": [], "running": []}}, "not every earlier trial"),
        ({"told": {"ended": [[11, "diverged", 1]], "running": []}}, "is not diverged"),
        ({"told": {"ended": [[11, "finished", 99]], "running": []}}, "is not finished"),
        ({"told": {"ended": [[99, "stopped", 1]], "running": []}}, "is not stopped"),
        ({"told": {"ended": [[11]], "running": []}}, "is not an index"),
        ({"told": {"ended": [], "running": ["11"]}}, "is not a number"),
        ({"told": {"ended": 3, "running": []}}, "told is wrong"),
        ({"told": {}}, "told is wrong"),
        ({"told": 7}, "told is wrong"),
    ],
)
def test_a_line_that_was_changed_is_found(start, changes, what):
    found = tamper(play(start(count=13), seed=0, slots=1), 12, **changes)
    assert found
    assert what in found[0]


def test_another_point_than_the_one_drawn_is_found(start):
    run = start(count=13)
    for _ in range(EPOCHS):
        train_one_epoch(run, 0)
    growth.extend(run.folder, SPACE)
    assert problems(run) == []
    config = {**ledger.read(run.folder).trials[1].config, "lr": 0.5}
    del config["epochs"]
    assert tamper(run, 1, config=config, id=trial_id(config, 0)) == [
        "trials.jsonl:2: another point than the one that tpe draws from what it was told"
    ]


def test_a_trial_of_the_baseline_was_told_nothing(start):
    assert any("told, but" in line for line in tamper(start(count=2), 0, told={}))


def test_random_points_that_were_changed_are_found_too(start):
    run = start(algorithm="random", count=4)
    assert verify(run.folder) == []
    config = {**durable.read_lines(run.folder / "trials.jsonl")[3]["config"], "lr": 0.5}
    assert tamper(run, 3, config=config, id=trial_id(config, 0)) == [
        "trials.jsonl:4: another point than the one that random draws"
    ]


def test_a_space_that_has_changed_since_is_not_drawn_from(start, monkeypatch):
    run = start(count=4, algorithm="random")
    monkeypatch.setattr(spaces, "load", lambda name: replace(SPACE, baseline={"lr": 2e-3, "dropout": 0.5}))
    assert problems(run) == []
