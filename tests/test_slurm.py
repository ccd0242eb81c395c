"""The batch scripts of docs/slurm, run with stand-ins for SLURM's commands: preemption ends in a requeue, nothing else does."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, until

SCRIPTS = sorted((Path(__file__).parent.parent / "docs" / "slurm").glob("*.sbatch"))
SEARCH = """
import signal, sys, time
from pathlib import Path
def stop(*_):
    time.sleep(0.3)  # saves
    Path("saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
Path("started").write_text(" ".join(sys.argv[1:]))
if "--fail" in sys.argv: sys.exit(5)
if Path("saved").exists(): sys.exit(0)  # the same command, continued to its end
time.sleep(60)
"""
RAY = """
if [ "$1" = get-auth-token ]; then mkdir -p ~/.ray; echo secret | tee ~/.ray/auth_token; exit; fi
[ "$RAY_AUTH_MODE" = token ] || exit 8
while [ "$1" != -- ]; do shift; done; shift; "$@"; exit $?  # symmetric-run waits for its command
"""
STAND_INS = {
    "scontrol": 'if [ "$1" = requeue ]; then echo "$2" >> requeued; else echo node-1; fi',
    "srun": """set -m; "$@" & task=$!; trap 'kill -TERM -- -$task' TERM; wait $task; wait $task""",  # signals all of a task
    "ray": RAY,
}


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "run_search.py").write_text(SEARCH)
    for name, body in STAND_INS.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def submit(cluster, script, *arguments):
    environment = {
        **os.environ, "HOME": str(cluster), "PATH": f"{cluster / 'bin'}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "17", "SLURM_JOB_NODELIST": "node-[1-2]", "SLURM_JOB_NUM_NODES": "2",
    }  # fmt: skip
    return subprocess.Popen(["bash", script, *arguments], cwd=cluster, env=environment)


def requeued(cluster):
    return (cluster / "requeued").read_text().split() if (cluster / "requeued").exists() else []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_is_valid_bash(script):
    assert subprocess.run(["bash", "-n", script]).returncode == 0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_preemption_saves_requeues_and_continues(cluster, script):
    job = submit(cluster, script, "--space", "mlp_random")
    until(lambda: (cluster / "started").exists() and (cluster / "started").read_text())
    job.send_signal(signal.SIGTERM)
    assert job.wait(PATIENCE) == 143
    assert (cluster / "saved").exists()
    assert requeued(cluster) == ["17"]
    assert (cluster / "started").read_text().endswith("--space mlp_random")
    assert submit(cluster, script, "--space", "mlp_random").wait(PATIENCE) == 0
    assert requeued(cluster) == ["17"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_error_is_not_tried_again(cluster, script):
    assert submit(cluster, script, "--fail").wait(PATIENCE) == 5
    assert requeued(cluster) == []
