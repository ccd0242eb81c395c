"""Where Ray may write, and what it may use, without Ray: pytest tests/search/test_runner.py"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from search import runner


@pytest.fixture
def made():
    """Scratch folders that are removed in the end."""
    folders = []
    yield folders
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def test_what_a_killed_search_left_is_removed_by_the_next(tmp_path, made):
    made.append(runner.fresh_scratch(tmp_path / "a"))
    made.append(runner.fresh_scratch(tmp_path / "a"))
    assert [folder.exists() for folder in made] == [False, True]


def test_a_copy_of_a_run_leaves_the_search_of_the_original_alone(tmp_path, made):
    made.append(runner.fresh_scratch(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    made.append(runner.fresh_scratch(tmp_path / "b"))
    assert [folder.exists() for folder in made] == [True, True]


def test_a_note_of_an_older_version_or_without_sense_removes_nothing(tmp_path, made):
    made.append(runner.fresh_scratch(tmp_path / "a"))
    (tmp_path / "a" / "ray" / "scratch").write_text(str(made[0]))
    made.append(runner.fresh_scratch(tmp_path / "a"))
    assert [folder.exists() for folder in made] == [True, True]


@pytest.mark.parametrize(
    ("usual", "expected"), [("/tmp/jobs/12345", "/tmp/jobs/12345"), ("/var/folders/ab/" + "c" * 30, "/tmp")]
)
def test_a_temporary_folder_that_is_too_deep_for_sockets_is_not_used(monkeypatch, usual, expected):
    """That of a Mac is 48 bytes long."""
    monkeypatch.setattr(tempfile, "tempdir", usual)
    assert runner.scratch_place() == expected
    longest = f"{expected}/search-12345678/ray/session_2026-11-23_12-00-00_123456_1234567/sockets/plasma_store"
    assert len(longest) <= 103, "macOS allows that many"


def test_ray_is_told_how_many_gpus_there_are(monkeypatch):
    """Ray would count the GPU of a Mac, too, which torch does not call cuda."""
    monkeypatch.setattr(runner, "local_gpus", lambda: 0)
    assert runner.here(Path("/tmp/search-x")) == {"num_gpus": 0, "_temp_dir": "/tmp/search-x/ray"}


def test_ray_is_told_of_cores_that_belong_to_others(monkeypatch):
    monkeypatch.setattr(runner, "local_cpus", lambda: 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert runner.here(Path("/tmp/search-x"))["num_cpus"] == 4
