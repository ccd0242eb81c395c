"""Where Ray may write, and what it may use, without Ray: pytest tests/search/backend/test_session.py"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from search.backend import session


@pytest.fixture
def made():
    """Scratch folders that are removed in the end."""
    folders = []
    yield folders
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def test_what_a_killed_search_left_is_removed_by_the_next(tmp_path, made):
    made.append(session.fresh_scratch(tmp_path / "a"))
    made.append(session.fresh_scratch(tmp_path / "a"))
    assert [folder.exists() for folder in made] == [False, True]


def test_a_copy_of_a_run_leaves_the_search_of_the_original_alone(tmp_path, made):
    made.append(session.fresh_scratch(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    made.append(session.fresh_scratch(tmp_path / "b"))
    assert [folder.exists() for folder in made] == [True, True]


def test_a_note_of_an_older_version_or_without_sense_removes_nothing(tmp_path, made):
    made.append(session.fresh_scratch(tmp_path / "a"))
    (tmp_path / "a" / "ray" / "scratch").write_text(str(made[0]))
    made.append(session.fresh_scratch(tmp_path / "a"))
    assert [folder.exists() for folder in made] == [True, True]


@pytest.mark.parametrize(
    ("usual", "expected"), [("/tmp/jobs/12345", "/tmp/jobs/12345"), ("/var/folders/ab/" + "c" * 30, "/tmp")]
)
def test_a_temporary_folder_that_is_too_deep_for_sockets_is_not_used(monkeypatch, usual, expected):
    """That of a Mac is 48 bytes long."""
    monkeypatch.setattr(tempfile, "tempdir", usual)
    assert session.scratch_place() == expected
    longest = f"{expected}/search-12345678/ray/session_2026-11-23_12-00-00_123456_1234567/sockets/plasma_store"
    assert len(longest) <= 103, "macOS allows that many"


def test_ray_is_told_how_many_gpus_there_are(monkeypatch):
    """Ray would count the GPU of a Mac, too, which torch does not call cuda."""
    monkeypatch.setattr(session, "local_gpus", lambda: 0)
    assert session.here(Path("/tmp/search-x"))["num_gpus"] == 0
    assert session.here(Path("/tmp/search-x"))["_temp_dir"] == "/tmp/search-x/ray"


@pytest.mark.parametrize("cores", [1, 4, 64])
def test_ray_is_told_of_cores_that_belong_to_others(monkeypatch, cores):
    """Always: of half a core Ray makes none, and of the whole machine's it counts those outside a quota."""
    monkeypatch.setattr(session, "local_cpus", lambda: cores)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert session.here(Path("/tmp/search-x"))["num_cpus"] == cores


def test_what_a_shell_sets_of_tune_is_none_of_ours():
    """The first two end a search, as variables of old; the third buffers results that decisions wait for."""
    of_tune = {"TUNE_RESULT_DIR": "/x", "RAY_AIR_LOCAL_CACHE_DIR": "/x", "TUNE_RESULT_BUFFER_LENGTH": "100"}
    ours = {"TUNE_DISABLE_SIGINT_HANDLER": "0", "RAY_CHDIR_TO_TRIAL_DIR": "1"}
    environment = {**of_tune, **ours, "RAY_TUNE_CALLBACKS": "no.such", "PATH": "/bin"}
    session.prepare(environment, None)
    assert environment == {**session.ENVIRONMENT, "PATH": "/bin"}


def test_what_a_shell_sets_of_ray_itself_stays():
    of_ray = {"RAY_memory_usage_threshold": "0.8", "RAY_USAGE_STATS_ENABLED": "1", "MALLOC_ARENA_MAX": "2"}
    environment = dict(of_ray)
    session.prepare(environment, None)
    assert environment == {**session.ENVIRONMENT, **of_ray}


def test_what_tune_tells_a_trial_of_its_environment_it_has_from_the_search(monkeypatch):
    """So a worker has no environment of its own; Ray takes one without variables for none."""
    import ray
    from ray.runtime_env import RuntimeEnv
    from ray.tune.execution import class_cache

    asked = []
    monkeypatch.setattr(ray, "remote", lambda **options: asked.append(options["runtime_env"]) or (lambda kind: kind))
    for name in ("DEFAULT_ENV_VARS", "ENV_VARS_TO_PROPAGATE"):
        monkeypatch.setattr(class_cache, name, getattr(class_cache, name))  # put back in the end
    monkeypatch.setattr(os, "environ", {})
    session.prepare(os.environ, None)
    class_cache._ActorClassCache().get(object)
    session.share_environment()
    class_cache._ActorClassCache().get(object)
    before, after = asked
    assert before["env_vars"], "else there is nothing to do any more"
    assert before["env_vars"].items() <= os.environ.items()
    assert not RuntimeEnv(**after)


def test_a_user_without_a_home_has_that_of_a_container(monkeypatch):
    """Ray's modules do not load without one; and nothing of ours is written there."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    environment = {}
    session.prepare(environment, None)
    assert environment == {**session.ENVIRONMENT, "HOME": "/"}


@pytest.mark.parametrize(("address", "stays"), [(None, False), ("head:6379", True)])
def test_a_job_of_a_cluster_has_no_part_in_a_ray_that_is_started_here(address, stays):
    environment = {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}", "RAY_RUNTIME_ENV_HOOK": "no.such"}
    session.prepare(environment, address)
    assert ("RAY_RUNTIME_ENV_HOOK" in environment, "RAY_JOB_CONFIG_JSON_ENV_VAR" in environment) == (stays, stays)


@pytest.mark.parametrize("name", ["caf\udce9", "\u65e5\u672c"])
def test_the_scratch_of_a_run_of_any_name_is_found_again_and_ray_reads_its_path(tmp_path, monkeypatch, name):
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    run = tmp_path / name
    scratch = session.fresh_scratch(run)
    assert session.noted_scratch(run) == scratch
    (Path(os.fsdecode(session.storage(run).encode())) / "tune").mkdir()
    assert (run / "ray" / "tune").is_dir()
    again = session.fresh_scratch(run)
    assert not scratch.exists()
    assert run.exists(), "a link to it was removed, and no more"
    again.rmdir()
