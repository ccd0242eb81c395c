"""What several test folders share: a data set small enough to train on in milliseconds."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from search.run import ledger, opening
from search.run.decisions import Decisions
from search.settings import Settings
from search.turns import Turn, Turns
from trainables.data.loading import Dataset, Split
from trainables.files import durable
from trainables.training.definition import Training

settings.register_profile("quick", deadline=None, max_examples=10)  # of each property; CI adds the other
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("quick")

WORKER_BYTES = 3 << 30  # of memory that a search with Ray may take


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Processes for `-n auto`: one more than cores, since a test that starts Ray often waits; none for a single file."""
    if len(config.args) == 1 and ".py" in config.args[0]:
        return 0
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)) + 1, memory // WORKER_BYTES))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """TESTS_FROM=0.4 begins with the test there, so that runs with a time limit get to each test once in a while."""
    first = int(float(os.environ.get("TESTS_FROM", 0)) * len(items))
    items[:] = items[first:] + items[:first]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that one of the parallel processes fills and all of them read: once(name, fill)."""
    mine = tmp_path_factory.getbasetemp()
    common = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = common / name, common / f"{name}.done"
        with (common / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of one that did not get to its end
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def decoded(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The data-cache with the digits, for tests that start whole searches in folders of their own: link it."""
    from trainables.data import loading

    return once("decoded", lambda folder: loading.prepare("digits", folder / "data", progress=False)) / "data-cache"


CLASSES = ("dark", "bright", "red", "blue")


def make_split(count: int, seed: int) -> Split:
    """Noise around one colour per class, so that a network learns it within an epoch or two."""
    random = np.random.default_rng(seed)
    labels = random.integers(len(CLASSES), size=count)
    colours = np.array([[40, 40, 40], [215, 215, 215], [200, 60, 60], [60, 60, 200]])
    images = colours[labels][:, None, None, :] + random.integers(-40, 41, size=(count, 32, 32, 3))
    return Split(images.clip(0, 255).astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="session")
def toy() -> Dataset:
    """101 training images (so that a batch of one is left over with batches of 20) and 40 for validation."""
    return Dataset(
        name="toy", train=make_split(101, 1), val=make_split(40, 2), classes=CLASSES, mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25), fingerprint="0" * 64, sizes={"train": 101, "val": 40, "test": 40},
    )  # fmt: skip


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that write results and assert nothing of plots: an empty picture for each; drawing takes most of a second."""
    monkeypatch.setattr("analysis.plots.drawing_process.draw", lambda name, values: b"<svg></svg>\n")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As a trial has it; what ran before had more, perhaps."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small() -> dict[str, object]:
    """A complete configuration that trains in milliseconds."""
    from trainables.config import complete

    return complete(
        {"model": "mlp", "depth": 2, "width": 32, "dropout": 0.2, "optimizer": "adamw", "lr": 3e-3, "batch_size": 20,
         "schedule": "constant", "augment": "standard", "epochs": 4}
    )  # fmt: skip


@pytest.fixture(scope="session")
def without_ray() -> Callable[[Path, Settings, Dataset], ledger.Run]:
    """What run_search.py does with a run folder, but for Ray: one turn after the other until all trials have ended."""

    def train_all(path: Path, asked: Settings, images: Dataset) -> ledger.Run:
        import torch

        torch.set_num_threads(1)
        durable.make_folder(path)
        run = opening.open_run(path, asked, images, on_gpu=False)
        opening.tidy(run)
        decisions = Decisions(
            path / "decisions.jsonl", run.identity.scheduler, run.totals.epochs, run.decisions, run.identity.objective
        )
        turns = Turns(run)
        while turn := turns.take():
            train_turn(ledger.reread(run, turn.trial), turn, images, decisions)
            turns.end(turn.trial)
        opening.tidy(ledger.read(path))
        return ledger.read(path)

    return train_all


def train_turn(one: ledger.Trial, turn: Turn, images: Dataset, decisions: Decisions) -> None:
    """The last row is reported again, as a worker does it: the search may have ended before it was decided."""
    from trainables.trial import checkpointing

    if any(decisions.stops(one.index, row["epoch"], row["val_accuracy"]) for row in one.epochs[-1:]):
        return
    rows = checkpointing.run(
        one.folder, Training(one.config, images, seed=one.seed, device="cpu", precision="fp32"), until=turn.until
    )
    with contextlib.closing(rows):
        any(decisions.stops(one.index, row["epoch"], row["val_accuracy"]) for row in rows)
