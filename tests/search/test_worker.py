"""What a worker of Ray does between trials, without Ray: pytest tests/search/test_worker.py"""

import gc
from dataclasses import replace

import pytest

from search import folder, worker
from search.turns import Turn
from trainables import durable

pytest.importorskip("torch")
FEW = 20_000  # objects; torch alone has ten times as many


@pytest.fixture
def job(tmp_path, settings, toy, monkeypatch):
    """A run of three trials, planned."""
    asked = replace(settings(), epochs=1)
    durable.make_folder(tmp_path / "run" / "ray")
    folder.open_run(tmp_path / "run", asked, toy, False)
    monkeypatch.setattr(worker, "images", lambda cache, fraction: toy)
    return worker.Job(
        run=tmp_path / "run", cache=tmp_path, epochs=1, fraction=1.0, precision="fp32", threads=1, device="cpu",
        shares_gpu=False, exact=True,
    )  # fmt: skip


def test_the_collection_after_a_trial_does_not_look_through_what_was_loaded_before_the_first(job):
    worker.spare_the_loaded.cache_clear()
    try:
        rows = []
        for index in (0, 1):
            worker.train_trial(job, Turn(index, 1), rows.append)
        assert [row["epoch"] for row in rows] == [1, 1], rows
        assert len(gc.get_objects()) < FEW
    finally:
        gc.unfreeze()
