"""Small runs made by hand: as objects, and as real run folders that the ledger reads back."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spaces
from analysis.export import fresh_process, scored
from analysis.results.files import write_results
from search.records import Totals
from search.run.ledger import Run, Trial
from tests.records import recorded_identity
from trainables.config import complete, trial_id
from trainables.data import loading
from trainables.training import loop
from trainables.training.definition import Training
from trainables.trial import checkpointing as trials

VALUES: dict[float, tuple[float, ...]] = {
    1e-3: (0.90, 0.91, 0.92),
    5e-4: (0.94, 0.95, 0.955),
    1e-4: (0.70, 0.71, 0.72),
}  # lr to the value at each seed


def make_trial(
    index: int,
    values: Sequence[float] = (),
    status: str = "finished",
    *,
    epochs: int | None = None,
    source: str = "grid",
    **config: Any,
) -> Trial:
    """A trial with these validation accuracies; `status` is what it came to, `epochs` what it was allowed."""
    whole = complete({"model": "mlp", "schedule": "constant", "epochs": epochs or max(1, len(values)), **config})
    identifier = trial_id(whole, 0)
    rows = [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "train_accuracy": value,
            "val_loss": 1.5 / epoch,
            "val_accuracy": value,
        }
        | {"lr": whole["lr"]}
        for epoch, value in enumerate(values, 1)
    ]
    outcomes: dict[str, dict[str, Any]] = {
        "finished": {"outcome": "finished"},
        "diverged": {"outcome": "diverged", "epoch": len(values) + 1},
        "failed": {"outcome": "failed", "error": "RuntimeError: broken", "where": "train.py:12"},
    }
    stopped_at = len(values) if status == "stopped" else None
    folder = Path(f"trials/{index:04d}-{identifier}")
    return Trial(index, identifier, whole, 0, source, folder, rows, outcomes.get(status), stopped_at)


def make_run(trials: Sequence[Trial], *, total: int | None = None, **identity: Any) -> Run:
    """A run of these trials; `total` is how many were asked for."""
    epochs = max((trial.config["epochs"] for trial in trials), default=1)
    asked = len(trials) if total is None else total
    totals = Totals(trials=asked, epochs=epochs)
    decisions = [
        {
            "sequence": place,
            "trial": trial.index,
            "epoch": trial.stopped_at,
            "value": 0.5,
            "cutoff": 0.6,
            "decision": "stop",
        }
        for place, trial in enumerate(trials)
        if trial.stopped_at is not None
    ]
    return Run(
        Path("runs/lr_sweep-digits"),
        recorded_identity(**identity),
        totals,
        list(trials),
        decisions,
        [],
    )


def write_run(folder: Path, run: Run) -> Path:
    """The run as a folder, in the format that the search writes."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run.identity.record()))
    write_lines(folder / "totals.jsonl", [run.totals.record()])
    write_lines(folder / "decisions.jsonl", run.decisions)
    write_lines(folder / "tests.jsonl", run.tests)
    write_lines(folder / "trials.jsonl", [plan_line(trial) for trial in run.trials])
    for trial in run.trials:
        (folder / trial.folder).mkdir(parents=True)
        ends = [trial.outcome] if trial.outcome else []
        write_lines(folder / trial.folder / "epochs.jsonl", [*trial.epochs, *ends])
    return folder


def plan_line(trial: Trial) -> dict[str, Any]:
    facts = {"index": trial.index, "id": trial.id, "seed": trial.seed, "source": trial.source}
    return facts | {"config": {key: value for key, value in trial.config.items() if key != "epochs"}}


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def write_correct(folder: Path, trial: Trial, correct: np.ndarray) -> None:
    """val.npz as a trial writes it: which validation images were right at the best epoch."""
    assert trial.best is not None
    np.savez(
        folder / trial.folder / "val.npz",
        correct=correct,
        predicted=correct.astype(np.uint8),
        epoch=trial.best["epoch"],
    )


def three_rates() -> list[Trial]:
    """The README's search: three learning rates, all within noise of each other."""
    curves = {1e-3: (0.90, 0.97, 0.99), 5e-4: (0.92, 299 / 300, 0.99), 1e-4: (0.80, 0.95, 298 / 300)}
    return [
        make_trial(index, values, lr=lr, source="baseline" if index == 0 else "grid")
        for index, (lr, values) in enumerate(curves.items())
    ]


@pytest.fixture(scope="session")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `runs` with one complete run and its derived files, for tests that only copy it."""
    runs = tmp_path_factory.mktemp("once") / "runs"
    write_results(write_run(runs / "lr_sweep-digits", make_run(three_rates())))
    return runs


@pytest.fixture
def written(written_once: Path, tmp_path: Path) -> Path:
    """A complete run of three rates with its derived files, tmp_path/runs/lr_sweep-digits, for one test to spoil."""
    shutil.copytree(written_once, tmp_path / "runs")
    return tmp_path / "runs" / "lr_sweep-digits"


def on_seeds(source: str = "random", start: int = 0, values: Any = VALUES, seed: int = 0) -> list[Trial]:
    """A trial for each rate and seed, in the order in which a plan has them."""
    planned = [(lr, seed + r, value) for lr, each in values.items() for r, value in enumerate(each)]
    found = []
    for place, (lr, own, value) in enumerate(planned, start):
        one = make_trial(place, (0.5, value), lr=lr, source="baseline" if (lr, source) == (1e-3, "random") else source)
        found.append(
            dataclasses.replace(one, seed=own, id=f"{one.id}{own}", folder=Path(f"trials/{place:04d}-{one.id}{own}"))
        )
    return found


@pytest.fixture
def seeded() -> Run:
    """Three configurations on three seeds each."""
    found = make_run(on_seeds())
    return dataclasses.replace(found, totals=dataclasses.replace(found.totals, seeds=3))


@pytest.fixture
def confirmed() -> Run:
    return confirmed_run()


@pytest.fixture(scope="session")
def make_confirmed() -> Callable[[], Run]:
    """The same, for what is made once for many tests."""
    return confirmed_run


def confirmed_run() -> Run:
    """One seed in the search, whose best two and baseline were trained again on three fresh seeds; the second is best."""
    search = on_seeds(values={lr: each[-1:] for lr, each in VALUES.items()} | {2e-3: (0.97,)})
    fresh = on_seeds("confirm", 4, {2e-3: (0.90, 0.91, 0.905), 5e-4: (0.94, 0.95, 0.945), 1e-3: (0.9, 0.91, 0.9)}, 70)
    found = make_run([*search, *fresh])
    return dataclasses.replace(found, totals=dataclasses.replace(found.totals, trials=4, confirm=2, confirm_seeds=3))


@pytest.fixture
def seed_values() -> dict[float, tuple[float, ...]]:
    """Learning rate to the value on each seed, of `seeded`."""
    return VALUES


@pytest.fixture(scope="session")
def trial() -> Callable[..., Trial]:
    return make_trial


@pytest.fixture(scope="session")
def run() -> Callable[..., Run]:
    return make_run


def draw_run(
    space: str, number: int, accuracy: Callable[[dict[str, Any], np.random.Generator], float], seed: int = 0
) -> Run:
    """A random search of a space in which each trial of one epoch has the accuracy of its configuration; NaN diverges."""
    own, dice = spaces.load(space), np.random.default_rng(seed)
    trials = []
    for place in range(number):
        config = own.config(own.at(dice.random(len(own.axes)).tolist()))
        value = accuracy(config, dice)
        ends = ("finished", value) if value == value else ("diverged", 0.1)
        known = {key: each for key, each in config.items() if key != "epochs"}
        trials.append(make_trial(place, (ends[1],), ends[0], source="random", **known))
    params = {key: str(value) for key, value in own.searched.items()}
    return make_run(trials, space_params=params, algorithm="random", space=space)


@pytest.fixture(scope="session")
def drawn() -> Callable[..., Run]:
    return draw_run


@pytest.fixture(scope="session")
def rates() -> Callable[[], list[Trial]]:
    return three_rates


@pytest.fixture(scope="session")
def save() -> Callable[[Path, Run], Path]:
    return write_run


@pytest.fixture(scope="session")
def correct() -> Callable[[Path, Trial, np.ndarray], None]:
    return write_correct


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder beside whose cache the digits are decoded."""
    data_dir = tmp_path_factory.mktemp("digits") / "data"
    loading.prepare("digits", data_dir, progress=False)
    return data_dir


@pytest.fixture
def threads_seen(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many threads torch had each time a network predicted, in a process that had two before; the runs say one."""
    seen: list[int] = []
    predict = loop.predict

    def watched(*given: Any) -> Any:
        seen.append(torch.get_num_threads())
        return predict(*given)

    monkeypatch.setattr(loop, "predict", watched)
    torch.set_num_threads(2)
    return seen


@pytest.fixture(scope="session")
def trained_once(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of three small networks, really trained: one stopped after an epoch, two for two epochs."""
    return really_trained(digits, tmp_path_factory.mktemp("trained") / "lr_sweep-digits")


@pytest.fixture(scope="session")
def averaged_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with averaged weights; not to be spoilt."""
    return really_trained(digits, tmp_path_factory.mktemp("averaged") / "runs" / "lr_sweep-digits", ema=1.0)


def really_trained(digits: Path, folder: Path, **config: Any) -> Path:
    images = loading.load(loading.prepare("digits", digits, progress=False))
    rates = (0.001, 0.01, 0.0001)
    planned = [
        make_trial(i, (), "planned", epochs=2, depth=1, width=32, lr=lr, augment="none", **config)
        for i, lr in enumerate(rates)
    ]
    facts = {"fingerprint": images.fingerprint, "sizes": images.sizes, "classes": list(images.classes)}
    facts |= {"normalisation": {"mean": list(images.mean), "std": list(images.std)}}
    facts |= {"constants": {**config}} if config else {}
    write_run(folder, make_run(planned, **facts))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as run.json says: they decide the last bits
    for each in planned:
        until = 1 if each.index == 2 else None
        list(
            trials.run(
                folder / each.folder, Training(each.config, images, seed=0, device="cpu", precision="fp32"), until=until
            )
        )
    torch.set_num_threads(threads)
    stop = {"sequence": 0, "trial": 2, "epoch": 1, "value": 0.1, "cutoff": 0.5, "decision": "stop"}
    write_lines(folder / "decisions.jsonl", [stop])
    return folder


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports are not tried in another process, which takes seconds; tests/analysis/export/test_fresh_process.py has those."""
    monkeypatch.setattr(fresh_process, "tried", lambda *_: fresh_process.Tried(None, "it was not asked", np.zeros(0)))
    monkeypatch.setattr(scored, "words", lambda *_: "untried")


@pytest.fixture
def trained_run(trained_once: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test to spoil."""
    return Path(shutil.copytree(trained_once, tmp_path / "runs" / "lr_sweep-digits"))
