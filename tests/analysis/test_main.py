"""`python -m analysis`: stdout is only the result, errors are one line, nothing heavy is loaded."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.__main__ import app
from search.run.ledger import Run, Trial
from trainables.cli.execution import execute
from trainables.errors import StorageError
from trainables.files import durable

Rates = Callable[[], list[Trial]]
MakeRun = Callable[..., Run]
WriteRun = Callable[[Path, Run], Path]


@pytest.fixture
def folder(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return written


def call(*words: str) -> int:
    return execute(app, "python -m analysis", words)


def test_leaderboard_rebuilds_the_files_and_prints_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "results.md").unlink()
    assert call("leaderboard", "lr_sweep-digits") == 0
    out, err = capsys.readouterr()
    assert "| 1= |" in out.replace("   ", " ").replace("  ", " ")
    assert err == ""
    assert (folder / "results.md").exists()


def test_json_on_stdout_is_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("leaderboard", str(folder), "--format", "json") == 0
    out = capsys.readouterr().out
    assert out == (folder / "results.json").read_text()
    assert [row["rank"] for row in json.loads(out)] == [1, 2, 3]


def test_csv_on_stdout_is_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("leaderboard", str(folder), "--format=csv") == 0
    assert capsys.readouterr().out == (folder / "results.csv").read_text()


def test_several_runs_are_only_printed(
    folder: Path, rates: Rates, run: MakeRun, save: WriteRun, tmp_path: Path
) -> None:
    save(tmp_path / "runs" / "other", run(rates()))
    (folder / "results.md").unlink()
    assert call("leaderboard", "lr_sweep-digits", "other") == 0
    assert not (folder / "results.md").exists()


def test_the_same_run_twice_is_one_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("leaderboard", "lr_sweep-digits", str(folder), "--format", "json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_a_run_that_cannot_be_written_to_is_shown_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on storage that is read-only; root may write everywhere, so the refusal is put in its place."""

    def refuse(*_: object) -> None:
        raise StorageError("cannot write: results.csv: Read-only file system (check the disk).")

    monkeypatch.setattr(durable, "write", refuse)
    assert call("leaderboard", "lr_sweep-digits") == 6
    out, err = capsys.readouterr()
    assert "| " in out
    assert err.startswith("error[storage]: cannot write: results.csv")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("leaderboard", "lr_swep"), 5, "error[run]: unknown run 'lr_swep'. Did you mean 'lr_sweep-digits'?"),
        (("leaderboard", "."), 5, "error[run]: no run: "),
        (
            ("leaderboard", "x", "--format", "jsn"),
            2,
            "error[usage]: unknown value of --format 'jsn'. Did you mean 'json'",
        ),
        (("leaderboard", "--runs_dri", "x"), 2, "error[usage]: No such option: --runs-dri"),
        (("leaderbord",), 2, "error[usage]: No such command 'leaderbord'."),
    ],
)
def test_errors_are_one_line_on_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    assert call(*words) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_nothing_loads_torch_or_ray() -> None:
    """Not the import of any module here. Those in `standalone` are texts that an export copies; a mirror may need an extra."""
    code = (
        "import importlib, pkgutil, sys, analysis\n"
        "for module in pkgutil.walk_packages(analysis.__path__, 'analysis.'):\n"
        "    if not {'standalone', 'mirrors'} & {*module.name.split('.')}: importlib.import_module(module.name)\n"
        "print(sorted({'torch', 'ray', 'matplotlib.pyplot', 'scipy.stats', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_help_needs_no_pandas() -> None:
    code = "import sys; import analysis.__main__; print(sorted({'pandas', 'numpy', 'matplotlib'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


EXAMPLE = next((Path(__file__).parents[2] / "docs" / "examples").glob("mlp_random-cifar10*"))


def test_verify_says_that_a_good_run_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", str(EXAMPLE)) == 0
    assert capsys.readouterr().out.endswith("sound\n")


def test_verify_names_the_first_thing_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(EXAMPLE, run)
    decisions = (run / "decisions.jsonl").read_text()
    (run / "decisions.jsonl").write_text(decisions.replace('"stops": [4, ', '"stops": [', 1))
    assert call("verify", str(run)) == 5
    err = capsys.readouterr().err
    assert err.startswith("error[run]: not sound: ")
    assert "decisions.jsonl:" in err


@pytest.mark.parametrize("name", ["decisions.jsonl", "trials.jsonl", "run.json"])
def test_verify_names_one_next_step(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged record brings a step of its own, which was printed before that of the folder."""
    run = tmp_path / "run"
    shutil.copytree(EXAMPLE, run)
    (run / name).write_text("{\n" + (run / name).read_text())
    assert call("verify", str(run)) == 5
    err = capsys.readouterr().err
    assert f"{name}:1: " in err
    assert err.count("Restore") == 1
    assert err.endswith(" in all). Restore the folder from a copy.\n")


def test_stale_says_whether_the_file_is_what_the_ledger_says(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trial that ended since, an edit or a missing file: exit code 1, one line, and nothing is written."""
    asked = ("leaderboard", str(written), "--stale")
    assert call(*asked) == 0
    assert capsys.readouterr().out == ""
    text = (written / "results.md").read_text()
    for change in (lambda path: path.write_text(text + "edited"), lambda path: path.unlink()):
        change(written / "results.md")
        before = sorted(path.name for path in written.iterdir())
        assert call(*asked) == 1
        assert capsys.readouterr().out == f"stale: {written.resolve() / 'results.md'}\n"
        assert sorted(path.name for path in written.iterdir()) == before
