"""What Ray leaves behind, what a clock says, what its object store holds: none of it matters to a search."""

import pickle
from pathlib import Path

import pytest

from search.backend.worker import Job
from trainables.objective import ACCURACY, Objective

LATER = "experiment_state-2099-01-01_00-00-00.json"  # the newest by its name, where names are taken for order
TWO_YEARS_AGO = """
import sys, time
if any(argument.endswith("run_search.py") for argument in sys.orig_argv):
    now = time.time
    time.time = lambda: now() - 63_072_000
"""


def interrupted(search, rows: int) -> None:
    process = search.start()
    search.wait_for_rows(rows, process)
    process.kill()
    search.end(process)


@pytest.mark.slow
@pytest.mark.integration
def test_f3_torn_snapshots_of_ray_are_not_even_read(search, check):
    interrupted(search, 3)
    left = [path for path in (search.run / "ray").rglob("*") if path.is_file() and not path.is_symlink()]
    assert left
    for number, path in enumerate(left):
        path.write_bytes((b"", b"\x80\x04garbage")[number % 2])
    (search.run / "ray" / "tune").mkdir(exist_ok=True)
    (search.run / "ray" / "tune" / LATER).write_text("{}")
    code, errors = search.done()
    assert code == 0, (errors, search.log())
    check(search)


@pytest.mark.slow
@pytest.mark.integration
def test_f20_a_clock_that_jumped_back_two_years_changes_no_order(search, check, tmp_path):
    interrupted(search, 3)
    (tmp_path / "sitecustomize.py").write_text(TWO_YEARS_AGO)
    code, errors = search.done(PYTHONPATH=f"{tmp_path}:{search.source}")
    assert code == 0, (errors, search.log())
    check(search)


def test_f23_images_never_go_through_the_object_store():
    """A worker is given paths, and maps the images of its own machine into memory."""
    job = Job(
        run=Path("/r"), cache=Path("/c"), epochs=1, fraction=1.0, precision="fp32", threads=1, device="cpu", objective=ACCURACY,
    )  # fmt: skip
    facts = vars(job) | {"caches": None}
    assert all(isinstance(value, (Path, int, float, str, Objective, type(None))) for value in facts.values())
    assert job.caches == {}, "paths, by size"
    assert len(pickle.dumps(job)) < 1000
