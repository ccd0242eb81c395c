"""More epochs for a run that is there, and what became of its early stopping: pytest tests/search/run/test_lengthening.py"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.verify import run_folder
from search.run import ledger
from spaces import Space, loguniform
from trainables.files import durable

SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "optimizer": "adamw", "schedule": "constant", "batch_size": 20,
            "augment": "flip", "dropout": 0.2, "lr": loguniform(1e-4, 1e-1)},
    baseline={"lr": 1e-2}, epochs=3,
)  # fmt: skip
WEIGHTS = ("best.safetensors", "best.json", "val.npz")


@pytest.fixture(scope="module")
def images(toy):
    """Labels that are partly chance, so that the best epoch is not always the last."""
    dice = np.random.default_rng(0)
    labels = np.where(dice.random(40) < 0.4, dice.integers(4, size=40), toy.val.labels)
    return replace(toy, val=replace(toy.val, labels=labels))


@pytest.fixture
def search(tmp_path, settings, images, without_ray) -> Callable[..., ledger.Run]:
    def train(name: str, **more) -> ledger.Run:
        asked = {"space": SPACE, "algorithm": "random", "num_samples": 7, "precision": "fp32", **more}
        return without_ray(tmp_path / name, settings(**asked), images)

    return train


def files(run: ledger.Run, index: int) -> list[bytes]:
    return [(run.trials[index].folder / name).read_bytes() for name in WEIGHTS]


def keep_everything(trial: ledger.Trial) -> None:
    pass


def remove_states(trial: ledger.Trial) -> None:
    durable.remove_states(trial.folder)


def remove_weights(trial: ledger.Trial) -> None:
    durable.remove_checked(trial.folder / "best.safetensors")


def damage_states(trial: ledger.Trial) -> None:
    for path in durable.states(trial.folder):
        path.write_bytes(path.read_bytes()[:-100])


def remove_all_but_the_ledger(trial: ledger.Trial) -> None:
    for path in trial.folder.iterdir():
        if path.name != "epochs.jsonl":
            path.unlink()


@pytest.mark.parametrize(
    "lose",
    [
        keep_everything,
        remove_all_but_the_ledger,
        *(pytest.param(lose, marks=pytest.mark.slow) for lose in (remove_states, remove_weights, damage_states)),
    ],
)
def test_lengthened_trials_equal_those_of_that_length(search, lose):
    at_once = search("once", epochs=5)
    for trial in search("grown").trials:
        lose(trial)
    grown = search("grown", epochs=5)
    assert [trial.epochs for trial in grown.trials] == [trial.epochs for trial in at_once.trials]
    assert [files(grown, trial.index) for trial in at_once.trials] == [files(at_once, i) for i in range(7)]
    assert {trial.status for trial in grown.trials} == {"finished"}
    assert run_folder.verify(grown.folder) == []


def decided(run: ledger.Run) -> set[tuple[int, int, str]]:
    return {(line["trial"], line["epoch"], line["decision"]) for line in run.decisions}


def test_stopped_trials_stay_stopped_and_new_rungs_decide_about_the_others(search):
    """The end of a short search is a rung of a longer one: whoever finished there is judged there now."""
    short = search("run", scheduler="asha")
    stopped = {trial.index for trial in short.trials if trial.status == "stopped"}
    finished = {trial.index for trial in short.trials if trial.status == "finished"}
    assert stopped
    assert {epoch for _, epoch, _ in decided(short)} == {1}
    before = {trial.index: trial.epochs for trial in short.trials}
    long = search("run", scheduler="asha", epochs=6)
    assert [long.trials[index].epochs for index in stopped] == [before[index] for index in stopped]
    assert long.decisions[: len(short.decisions)] == short.decisions
    assert {index for index, epoch, _ in decided(long) if epoch == 3} == finished
    assert {len(trial.epochs) for trial in long.trials if trial.status == "finished"} == {6}
    assert run_folder.verify(long.folder) == []


def test_with_synchronous_halving_a_lengthened_search_equals_one_of_that_length(search):
    at_once = search("once", scheduler="sha", epochs=6)
    search("grown", scheduler="sha")
    grown = search("grown", scheduler="sha", epochs=6)
    assert decided(grown) == decided(at_once)
    assert [(t.status, t.epochs) for t in grown.trials] == [(t.status, t.epochs) for t in at_once.trials]
    assert run_folder.verify(grown.folder) == []


def test_diverged_and_failed_trials_stay_as_they_ended(search):
    run = search("run")
    for index, last in (
        (1, {"outcome": "diverged", "epoch": 3}),
        (2, {"outcome": "failed", "error": "E: x", "where": "x"}),
    ):
        path: Path = run.trials[index].folder / "epochs.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)[:2]
        path.write_bytes(b"".join(lines))
        durable.append(path, last)
    longer = search("run", epochs=5)
    assert [trial.status for trial in longer.trials[:3]] == ["finished", "diverged", "failed"]
    assert [len(trial.epochs) for trial in longer.trials[:3]] == [5, 2, 2]


def test_an_epoch_of_a_longer_search_that_was_killed_is_repeated_and_not_doubled(search, tmp_path):
    search("run")
    grown = search("run", epochs=6)
    path = grown.trials[0].folder / "epochs.jsonl"
    whole = path.read_bytes()
    durable.remove_states(path.parent)
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:5]))  # outcome at 3 epochs, then epoch 4
    assert search("run").trials[0].epochs == grown.trials[0].epochs
    assert path.read_bytes() == whole
