"""What a trial gets and how many run at once: pytest tests/search/backend/test_resources.py"""

import os
from types import SimpleNamespace

import pytest

from search.backend.resources import check_disk, fit, local_cpus, local_gpus, share
from trainables.errors import StorageError, UsageError
from trainables.hardware import nvidia


def asked(cpus=1, gpus=None, at_once=None, engine=None):
    return SimpleNamespace(cpus_per_trial=cpus, gpus_per_trial=gpus, max_concurrent=at_once, engine=engine)


@pytest.mark.parametrize(
    ("node", "cpus", "gpus", "expected"),
    [
        ({"CPU": 2}, 1, 0, 2),
        ({"CPU": 3}, 2, 0, 1),
        ({"CPU": 16, "GPU": 2}, 1, 1, 2),
        ({"CPU": 16, "GPU": 1}, 1, 1 / 3, 3),
        ({"CPU": 2, "GPU": 1}, 1, 0.25, 2),
        ({"CPU": 16, "GPU": 4}, 1, 1, 4),
        ({"CPU": 16, "GPU": 2}, 1, 0.4, 4),
        ({"CPU": 2}, 1, 1, 0),
    ],
)
def test_how_many_trials_fit_on_a_node(node, cpus, gpus, expected):
    assert fit(node, cpus, gpus) == expected


def test_a_gpu_is_used_if_there_is_one_and_a_core_otherwise():
    assert share(asked(), [{"CPU": 4}]).gpus == 0
    assert share(asked(), [{"CPU": 4, "GPU": 1}]).gpus == 1


def test_slots_add_up_over_nodes_and_are_capped():
    nodes = [{"CPU": 2}, {"CPU": 3}]
    assert share(asked(cpus=2), nodes).slots == 2
    assert share(asked(at_once=1), nodes).slots == 1


@pytest.mark.parametrize(
    ("node", "at_once", "slots", "engines"),
    [({"CPU": 2}, None, 16, 1), ({"CPU": 4, "GPU": 2}, None, 32, 2), ({"CPU": 4, "GPU": 2}, 5, 5, 2)],
)
def test_an_engine_has_a_gpu_or_a_node(node, at_once, slots, engines):
    found = share(asked(engine=16, at_once=at_once), [node])
    assert (found.slots, found.engines) == (slots, engines)


def test_a_node_without_cores_has_no_engine():
    """As the head of a cluster often is."""
    found = share(asked(engine=2), [{"CPU": 0}, {"CPU": 1}, {"CPU": 4}])
    assert (found.slots, found.engines) == (4, 2)


def test_a_trial_that_fits_nowhere_is_refused_with_what_there_is():
    with pytest.raises(UsageError, match=r"asks for 8 CPUs.*2 CPUs"):
        share(asked(cpus=8), [{"CPU": 2}])


def test_a_disk_that_can_be_written_to_is_fine_and_nothing_is_left(tmp_path):
    check_disk(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_storage(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        check_disk(tmp_path / "gone")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="an affinity is Linux's")
def test_cores_that_belong_to_others_are_not_counted():
    """As in a job of SLURM, or under taskset."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert local_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert local_cpus() == len(before)


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, 2), ("", 0), ("-1", 0), ("1", 1), ("0,1,2", 2), ("NoDevFiles", 0)]
)
def test_only_visible_gpus_are_used(monkeypatch, visible, expected):
    monkeypatch.setattr(nvidia, "count", lambda: 2)
    monkeypatch.setattr(os, "environ", {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    assert local_gpus() == expected
