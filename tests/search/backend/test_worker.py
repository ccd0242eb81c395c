"""What a worker of Ray does between trials, without Ray: pytest tests/search/backend/test_worker.py"""

import contextlib
import gc
import os
from dataclasses import replace

import pytest

from search.backend import worker
from search.run import opening
from search.turns import Turn
from tests import own
from trainables.files import durable
from trainables.objective import ACCURACY
from trainables.own import printed
from trainables.trial import checkpointing

pytest.importorskip("torch")
FEW = 20_000  # objects; torch alone has ten times as many


@pytest.fixture
def job(tmp_path, settings, toy, monkeypatch):
    """A run of three trials, planned."""
    asked = replace(settings(), epochs=1)
    durable.make_folder(tmp_path / "run" / "ray")
    opening.open_run(tmp_path / "run", asked, toy, False)
    monkeypatch.setattr(worker, "images", lambda cache, fraction, fold=None: toy)
    return worker.Job(
        run=tmp_path / "run",
        cache=tmp_path,
        epochs=1,
        fraction=1.0,
        precision="fp32",
        threads=1,
        device="cpu",
        objective=ACCURACY,
    )


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


@pytest.mark.parametrize("end", [None, SystemExit(0)])
def test_memory_of_a_gpu_is_given_back_also_when_ray_ends_a_trial_that_was_stopped(job, monkeypatch, end):
    """Ray leaves a trial that early stopping ended by SystemExit, in the middle of its report; the process is used again."""
    given_back = []

    def report(row):
        if end:
            raise end

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: given_back.append(True))
    monkeypatch.setattr(checkpointing, "run", lambda *_, **__: (row for row in [{"epoch": 1}]))
    with contextlib.suppress(SystemExit):
        worker.train_trial(replace(job, device="cuda"), Turn(0, 1), report)
    assert given_back == [True]


def test_a_trial_without_a_gpu_sees_none(job, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(checkpointing, "run", lambda *_, **__: (row for row in ()))
    worker.train_trial(job, Turn(0, 1), lambda row: None)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


PRINTING = own.LOOP.replace(
    "        yield {", "        print(f'epoch {epoch} in', os.getcwd(), flush=True)\n        yield {"
)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_loop_runs_where_its_run_was_started_and_what_it_prints_stays_with_its_trial(
    tmp_path, monkeypatch, capfd, is_there
):
    path = own.write(tmp_path / "code", "loop")
    path.write_text(PRINTING.replace("import torch", "import os, torch"))
    place, here = tmp_path / "place", tmp_path / "here"
    for folder in [here, *([place] if is_there else [])]:
        folder.mkdir()
    monkeypatch.chdir(here)
    durable.make_folder(tmp_path / "run" / "ray")
    run = opening.open_run(tmp_path / "run", own.settings(path, num_samples=1), None, False)
    job = worker.Job(
        run=run.folder, cache=tmp_path, epochs=4, fraction=1.0, precision="fp32", threads=1, device="cpu",
        objective=run.identity.objective, code=run.identity.code_of(run.folder), own=run.identity.training, place=place,
    )  # fmt: skip
    rows = []
    with capfd.disabled():  # pytest's own stream is not that of the process
        worker.train_trial(job, Turn(0, 4), rows.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4], rows
    said = (run.trials[0].folder / printed.FILE).read_text()
    assert said.splitlines() == [f"epoch {epoch} in {place if is_there else here}" for epoch in (1, 2, 3, 4)]
