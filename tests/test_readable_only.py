"""A run that its reader may not write to, as a colleague's: pytest tests/test_readable_only.py"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def heed_permissions() -> None:
    """In a child: root does as well, from its next program on."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux, to have root heed permissions")
    example = min((ROOT / "docs" / "examples").iterdir())
    folder = Path(shutil.copytree(example, tmp_path_factory.mktemp("colleague") / "runs" / example.name))
    (folder / "results.md").write_text("old\n")
    everything = [folder.parent, folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in everything:
        path.chmod(0o755)


def call(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, capture_output=True, text=True, preexec_fn=heed_permissions,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_leaderboard_is_printed_with_a_note(run: Path, tmp_path: Path) -> None:
    done = call(tmp_path, "-m", "analysis", "leaderboard", run)
    assert done.returncode == 0, done.stderr
    assert "| " in done.stdout
    assert done.stderr.startswith("note: the files of the run stay as they are: cannot write: ")
    assert "Permission denied" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (run / "results.md").read_text() == "old\n"


def test_the_report_goes_into_a_folder_that_one_names(run: Path, tmp_path: Path) -> None:
    refused = call(tmp_path, "-m", "analysis", "report", run)
    assert (refused.returncode, refused.stderr.endswith("Name another folder: --out DIR.\n")) == (6, True)
    done = call(tmp_path, "-m", "analysis", "report", run, "--out", "mine/too")
    assert (done.returncode, done.stdout, done.stderr) == (0, "mine/too/report.html\n", "")
    assert "<table" in (tmp_path / "mine/too/report.html").read_text()


@pytest.mark.parametrize(
    "command", ["verify", *(pytest.param(one, marks=pytest.mark.slow) for one in ("show", "watch"))]
)
def test_what_only_reads_needs_no_more(run: Path, tmp_path: Path, command: str) -> None:
    done = call(tmp_path, "-m", "analysis", command, run)
    assert "Permission denied" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout or command == "verify"  # which may find fault with the results.md of this test


def test_a_search_there_is_refused_for_the_permission_and_not_for_the_disk(run: Path, tmp_path: Path) -> None:
    """Before anything is prepared for it: a mirror stands for whatever writes into a run."""
    done = call(tmp_path, "-m", "analysis", "mirror", run, "--to", "tensorboard")
    assert done.returncode == 6
    assert "Permission denied. This user may not write there" in done.stderr
    assert "disk" not in done.stderr


@pytest.mark.slow
@pytest.mark.integration
def test_what_a_search_would_cost_is_printed_with_a_note(run: Path, tmp_path: Path) -> None:
    (tmp_path / "data-cache").mkdir()
    words = ("--space", "lr_sweep", "--dataset", "digits", "--fraction", "0.2", "--epochs", "1", "--name", "other")
    done = call(tmp_path, ROOT / "run_search.py", *words, "--dry-run", "--runs-dir", run.parent)
    assert done.returncode == 0, done.stderr
    assert "trials: 3, of 1 epoch each" in done.stdout
    assert "note: the estimate is not kept for the search: cannot write: " in done.stderr


@pytest.mark.slow
@pytest.mark.integration
def test_a_copy_that_cannot_be_written_is_refused_before_anything_is_trained(run: Path, tmp_path: Path) -> None:
    words = ("--space", "lr_sweep", "--dataset", "digits", "--fraction", "0.2", "--epochs", "1", "--runs-dir", "runs")
    done = call(tmp_path, ROOT / "run_search.py", *words, "--results", run / "copy.md")
    assert done.returncode == 6
    assert "--results OTHER" in done.stderr
    assert not (tmp_path / "runs").exists()
