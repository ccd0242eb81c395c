"""What a second node of a cluster lacks: it is given the packages and the images, and refused without the run folder."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-cluster"}
ROOT = Path(__file__).parents[2]
CAN_HIDE = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0

pytestmark = [
    pytest.mark.integration, pytest.mark.slow, pytest.mark.skipif(not CAN_HIDE, reason="no mount namespaces here"),
]  # fmt: skip


@contextlib.contextmanager
def cluster_where_one_lacks(*folders):
    """The address of a cluster whose only node that trains sees these folders empty."""
    command = [sys.executable, Path(__file__).with_name("cluster.py"), *folders]
    environment = {**os.environ, **TOKEN}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(60)


def test_a_node_without_code_and_images_is_given_both(search, check):
    packages = [place / name for place in (ROOT, search.source) for name in ("search", "trainables", "spaces")]
    images = (search.folder / "data-cache").resolve()
    with cluster_where_one_lacks(*packages, images) as address:
        code, errors = search.done("--address", address, **TOKEN)
    assert code == 0, (errors, search.log())
    check(search)


def test_a_node_without_the_run_folder_is_told_before_the_first_trial(search):
    search.run.parent.mkdir()
    with cluster_where_one_lacks(search.run.parent) as address:
        code, errors = search.done("--address", address, **TOKEN)
    assert code == 6, (errors, search.log())
    assert errors.startswith("error[storage]: node ")
    assert f"the run folder cannot be used: {search.run}: No such file or directory." in errors
    assert errors.count("\n") == 1
    assert search.count() == 0
