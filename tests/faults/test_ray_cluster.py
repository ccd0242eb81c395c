"""A cluster of two nodes on one machine: a node is lost, and a stranger is refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
MINUTES = 240.0  # seconds: less than Ray itself would try for
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-cluster"}


@pytest.fixture(scope="module")
def cluster():
    """The process that runs it; its address is the first line that it prints that looks like one."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("cluster.py")], env={**os.environ, **TOKEN},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    yield process
    process.communicate(timeout=60)


@pytest.fixture(scope="module")
def address(cluster):
    return cluster.stdout.readline().strip()


@pytest.mark.slow
def test_a_wrong_token_is_refused(search, address):
    started = time.monotonic()
    code, errors = search.done("--address", address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="another")
    assert code == 8, (errors, search.log())
    assert errors.startswith("error[ray]: Ray does not start: ")
    assert errors.count("\n") == 1
    assert time.monotonic() - started < MINUTES


@pytest.mark.slow
def test_without_a_token_the_search_does_not_start(search, address, tmp_path):
    """Ray would otherwise be asked without one, or make one up."""
    started = time.monotonic()
    code, errors = search.done("--address", address, HOME=str(tmp_path))
    assert code == 8, (errors, search.log())
    assert errors.startswith(f"error[ray]: no token: {tmp_path}/.ray/auth_token: the Ray cluster at {address} must ask")
    assert errors.count("\n") == 1
    assert time.monotonic() - started < MINUTES
    assert not (tmp_path / ".ray").exists()


@pytest.mark.slow
def test_with_the_token_in_its_file_the_search_ends_well(search, check, address, tmp_path):
    """As docs/security.md has it: nothing in the environment says so, and the file is made private."""
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text(TOKEN["RAY_AUTH_TOKEN"])
    token.chmod(0o644)
    code, errors = search.done("--address", address, HOME=str(tmp_path))
    assert code == 0, (errors, search.log())
    assert token.stat().st_mode & 0o777 == 0o600
    check(search)


@pytest.mark.slow
def test_a_worker_on_another_machine_is_killed_through_ray(cluster, address):
    """Both nodes call themselves by the name of this machine, so the order goes to both."""
    hung = subprocess.Popen(["sleep", "600"])
    order = (
        "import ray, socket, sys, time; from search.backend.session import kill_through_ray\n"
        "ray.init(address=sys.argv[1]); kill_through_ray(int(sys.argv[2]), socket.gethostname()); time.sleep(20)"
    )
    surroundings = {**os.environ, **TOKEN, "PYTHONPATH": str(Path(__file__).parents[2])}
    driver = subprocess.Popen([sys.executable, "-c", order, address, str(hung.pid)], env=surroundings)
    try:
        assert hung.wait(120) == -signal.SIGKILL
    finally:
        hung.kill()
        driver.kill()
        driver.wait()


def test_a_lost_node_loses_no_epoch(search, check, cluster, address):
    process = search.start("--address", address, **TOKEN)
    search.wait_for_rows(3, process)
    before = search.rows()
    cluster.stdin.write("lose it\n")
    cluster.stdin.flush()
    code, errors = search.end(process)
    assert cluster.stdout.readline() == "removed\n"
    assert code == 0, (errors, search.log())
    assert all(search.rows()[trial][: len(rows)] == rows for trial, rows in before.items())
    check(search)
