"""The command as people run it, with Ray and real images: pytest tests/test_run_search.py"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import run_search
from analysis.verify.run_folder import verify
from search import attempts
from search.faults.interrupts import DEADLINE
from search.run import ledger
from search.run.confirmation import is_complete
from tests.waiting import until
from trainables.cli.execution import execute
from trainables.files import durable

ROOT = Path(__file__).parent.parent
DIGITS = ("--dataset", "digits", "--fraction", "0.5")


class Search:
    """Runs of the command in a folder of its own, with a name for the parts that tests look at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = ROOT  # where the sources are
        self.run = folder / "runs" / "t"
        self.temporary = tempfile.gettempdir()

    def start(self, *arguments: str, name: str = "t") -> subprocess.Popen:
        command = [sys.executable, self.source / "run_search.py", "--name", name, *DIGITS, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(self.source), "TMPDIR": self.temporary}
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def done(self, *arguments: str, name: str = "t") -> subprocess.CompletedProcess:
        process = self.start(*arguments, name=name)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def rows(self) -> dict[str, bytes]:
        """The ledger of each trial as it is now."""
        return {path.parent.name: path.read_bytes() for path in self.run.glob("trials/*/epochs.jsonl")}

    def log(self) -> str:
        """The end of what Ray said."""
        return (self.run / "ray" / "output.log").read_text()[-2000:]

    def wait_for_rows(self, count: int, process: subprocess.Popen) -> None:
        """Until that many lines are committed, or the process has ended."""
        until(
            lambda: sum(data.count(b"\n") for data in self.rows().values()) >= count,
            lambda: process.poll() is not None,
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One folder for all searches, so that the digits are decoded once."""
    return tmp_path_factory.mktemp("searches")


@pytest.fixture
def search(data, request):
    folder = data / f"{len(list(data.iterdir()))}-{request.node.name[:20]}"
    folder.mkdir()
    (data / "data-cache").mkdir(exist_ok=True)
    (folder / "data-cache").symlink_to(data / "data-cache")
    yield Search(folder)
    shutil.rmtree(folder)


@pytest.fixture
def usage(capfd, monkeypatch):
    """The command in this process: what it says and its exit code."""
    monkeypatch.setattr(attempts, "train", lambda *_: pytest.fail("it was not refused"))

    def called(*arguments):
        code = execute(run_search.app, "python run_search.py", list(arguments))
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return called


def test_help_loads_neither_torch_nor_ray_nor_pandas():
    code = (
        "import sys; sys.argv = ['run_search.py', '--help']; import run_search\n"
        "run_search.execute(run_search.app, 'run_search.py', sys.argv[1:])\n"
        "print([name for name in ('torch', 'torchvision', 'ray', 'pandas', 'numpy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--space" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "kind", "code", "hint"),
    [
        (["--spaec", "lr_sweep"], "usage", 2, "--space"),
        ([], "usage", 2, "--list-spaces"),
        (["--space", "lr_sweep", "--epochs", "many"], "usage", 2, "--epochs"),
        (["--space", "lr_sweep", "--num_epochs", "0"], "usage", 2, "--epochs must be at least 1"),
        (["--space", "lr_sweep", "--scheduler", "asah"], "usage", 2, "'asha'"),
        (["--space", "lr_sweep", "--fraction", "2", "--dataset", "digits"], "usage", 2, "fraction"),
        (["--space", "lr_sweep", "--name", "../evil", "--dataset", "digits"], "usage", 2, "--name"),
        (["--space", "lr_sweep", "--seed", "9" * 30, "--dataset", "digits"], "usage", 2, "--seed"),
        (["--space", "lr_sweep", "--gpus-per-trial", "nan", "--dataset", "digits"], "usage", 2, "--gpus-per-trial"),
        (["--space", "lr_sweep", "--cpus-per-trial", "999", "--dataset", "digits"], "usage", 2, "--cpus-per-trial"),
        (["--space", "lr_sweep", "--keep-best", "0"], "usage", 2, "--keep-best"),
        (["--space", "mlp_random", "--algo", "grid", "--dataset", "digits"], "space", 3, "--algo random"),
        (["--space", "lr_sweep", "--results", "theirs.md", "--dataset", "digits"], "storage", 6, "--results OTHER"),
        (["--space", "lr_sweep", "--time-budget", "0s"], "usage", 2, "above zero"),
        (["--space", "lr_sweep", "--time-budget", "-5m"], "usage", 2, "1h30m"),
        (["--space", "lr_sweep", "--dataset", "digits", "--scheduler", "epochs:x"], "usage", 2, "epochs:K"),
        (["--space", "lr_sweep", "--dataset", "digits", "--audit", "0.1"], "usage", 2, "--scheduler asha"),
        (["--space", "lr_sweep", "--dataset", "digits", "--confirm-seeds", "2"], "usage", 2, "--confirm K"),
        (["--space", "lr_sweep", "--log-to", "optuan"], "usage", 2, "'optuna'"),
        (["--space", "nothing"], "space", 3, "Known: "),
        (["--space", "lr_sweep", "--dataset", "cifar11"], "data", 4, "'cifar10'"),
        (["--space", "lr_sweep", "--dataset", "folder:no/such/folder"], "data", 4, "no/such/folder"),
    ],
)
def test_a_mistake_is_one_line_with_the_next_step(tmp_path, monkeypatch, usage, decoded, arguments, kind, code, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data-cache").symlink_to(decoded)
    (tmp_path / "theirs.md").write_text("somebody's own words")
    done = usage(*arguments)
    assert done.returncode == code
    assert done.stderr.startswith(f"error[{kind}]: ")
    assert done.stderr.count("\n") == 1
    assert hint in done.stderr
    assert not list(tmp_path.rglob("run.json"))


def test_every_space_is_listed(usage):
    import spaces

    listed = [line.split()[0] for line in usage("--list-spaces").stdout.splitlines()]
    assert listed == spaces.names()


@pytest.mark.integration
@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_it_never_was(search):
    """Three kills between the first committed epoch and the last, then the same bytes as an uninterrupted run."""
    sweep = ("--space", "lr_sweep", "--epochs", "40", "--quiet")
    assert search.done(*sweep).returncode == 0
    expected = search.rows()
    assert set(map(len, map(bytes.splitlines, expected.values()))) == {41}
    results = [(search.run / name).read_bytes() for name in ("results.md", "results.csv", "results.json")]
    search.run.rename(search.run.with_name("whole"))

    dice = random.Random(0)
    kills, before = 0, {}
    while kills < 3:
        process = search.start(*sweep)
        # counted in rows, of which three kills use up half at most: a fast machine has as many as a slow one
        search.wait_for_rows(dice.randint(1, 18) + sum(data.count(b"\n") for data in before.values()), process)
        time.sleep(dice.uniform(0, 0.1))  # somewhere within an epoch
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the search ended before it could be killed"
        after = search.rows()
        assert all(after[trial].startswith(data) for trial, data in before.items()), (
            "a committed row was lost or changed"
        )
        before, kills = after, kills + 1
    final = search.done(*sweep)
    assert final.returncode == 0, final.stderr
    assert search.rows() == expected
    assert [(search.run / name).read_bytes() for name in ("results.md", "results.csv", "results.json")] == results

    again = search.done(*sweep)
    assert again.returncode == 0
    assert search.rows() == expected
    assert not (search.run / "ray" / "tune").exists() or (search.run / "results.md").read_bytes() == results[0]


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_in_order_and_it_can_be_continued(search, number, code):
    sweep = ("--space", "lr_sweep", "--epochs", "400")
    process = search.start(*sweep)
    search.wait_for_rows(3, process)
    second = search.done(*sweep)
    assert second.returncode == 7
    assert second.stderr.startswith(f"error[locked]: in use: runs/t: by process {process.pid} on ")
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=60)
    in_order = time.monotonic() - sent < DEADLINE - 2  # else it may have left before the results were written
    assert process.returncode == code, err
    assert "continue with: python " in err
    assert "--epochs 400" in err
    run = ledger.read(search.run)
    assert not is_complete(run)
    trained = [trial for trial in run.trials if trial.epochs]
    assert trained
    states = {trial.index: [path.name for path in durable.states(trial.folder)] for trial in trained}
    assert all(states.values()), (states, [len(trial.epochs) for trial in run.trials], search.log())
    assert not in_order or "of 3 trials" in (search.run / "results.md").read_text()


def listens(process):
    """Whether a process has a handler for SIGTERM."""
    (caught,) = re.findall(r"SigCgt:\s+(\w+)", Path(f"/proc/{process.pid}/status").read_text())
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", [".", "ray", "ray/tune"])
def test_a_signal_before_the_first_epoch_ends_it_with_the_same_words(search, number, code, moment):
    """While modules are imported, while Ray starts, while its workers start."""
    search.temporary = tempfile.mkdtemp(prefix="s", dir="/tmp")  # a short path: Ray's sockets lie in it
    process = search.start("--space", "lr_sweep", "--epochs", "400")
    # on a busy machine Python itself may still be starting, and ends as it always does
    until(lambda: listens(process) and (moment == "." or (search.run / moment).exists()))
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "interrupted; continue with: python " in err
    assert "Traceback" not in err
    in_order = time.monotonic() - sent < DEADLINE / 2  # else it may leave Ray as it was, and the next search tidies up
    assert not (in_order and list(Path(search.temporary).iterdir()))
    shutil.rmtree(search.temporary, ignore_errors=True)


@pytest.mark.integration
@pytest.mark.slow
def test_totals_grow_and_the_identity_does_not_change(search):
    """More epochs lengthen finished trials to what a search of that length gives; another seed is another search."""
    assert search.done("--space", "lr_sweep", "--epochs", "2", "--num-samples", "2").returncode == 0
    refused = search.done("--space", "lr_sweep", "--seed", "1")
    assert refused.returncode == 5
    assert "seed: 0 is now 1" in refused.stderr
    assert "--name NEW" in refused.stderr
    shrunk = search.done("--space", "lr_sweep", "--epochs", "1")
    assert (shrunk.returncode, "--epochs cannot shrink" in shrunk.stderr) == (5, True)

    grown = search.done("--space", "lr_sweep", "--epochs", "3", "--num-samples", "3")
    assert grown.returncode == 0, grown.stderr
    at_once = search.done("--space", "lr_sweep", "--epochs", "3", name="once")
    assert at_once.returncode == 0
    grown_rows = [trial.epochs for trial in ledger.read(search.run).trials]
    assert grown_rows == [trial.epochs for trial in ledger.read(search.folder / "runs" / "once").trials]
    assert [len(rows) for rows in grown_rows] == [3, 3, 3]


@pytest.mark.slow
@pytest.mark.integration
def test_early_stopping_stops_weak_trials_and_is_told_in_the_results(search):
    done = search.done("--space", "mlp_random", "--num-samples", "6", "--epochs", "4")
    assert done.returncode == 0, done.stderr
    run = ledger.read(search.run)
    stopped = [trial for trial in run.trials if trial.status == "stopped"]
    assert stopped
    assert all(len(trial.epochs) == trial.stopped_at < 4 for trial in stopped)
    assert not any(durable.states(trial.folder) for trial in stopped)
    rows = json.loads((search.run / "results.json").read_text())
    assert [row["status"] for row in rows] == sorted((row["status"] for row in rows), key=["finished", "stopped"].index)
    assert sum(row["epochs"] for row in rows) == sum(len(trial.epochs) for trial in run.trials) < 24
    assert "stopped" in (search.run / "results.md").read_text()


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize(("rule", "lengths"), [("sha", [1, 1, 1, 3, 4]), ("ladder", [1, 1, 1, 4, 4])])
def test_a_killed_search_that_waits_at_rungs_ends_in_the_same_bytes(search, rule, lengths):
    sha = ("--space", "mlp_random", "--num-samples", "5", "--epochs", "4", "--scheduler", rule, "--quiet")
    assert search.done(*sha).returncode == 0
    files = ("results.md", "results.csv", "decisions.jsonl")
    expected = search.rows(), [(search.run / name).read_bytes() for name in files]
    assert sorted(len(trial.epochs) for trial in ledger.read(search.run).trials) == lengths
    search.run.rename(search.run.with_name("whole"))
    for lines in (2, 7):
        process = search.start(*sha)
        search.wait_for_rows(lines, process)
        process.kill()
        process.communicate()
    assert search.done(*sha).returncode == 0
    assert (search.rows(), [(search.run / name).read_bytes() for name in files]) == expected


@pytest.mark.integration
@pytest.mark.slow
def test_points_of_tpe_stay_when_it_is_killed_and_can_be_drawn_again(search):
    small = ("--space", "mlp_random", "--set", "width=16,32", "--set", "depth=1,2")
    arguments = (*small, "--algo", "tpe", "--num-samples", "13", "--epochs", "3", "--max-concurrent", "2")
    process = search.start(*arguments)
    search.wait_for_rows(12, process)
    process.kill()
    process.communicate()
    before = (search.run / "trials.jsonl").read_bytes()
    assert 1 < before.count(b"\n") < 13
    done = search.done(*arguments)
    assert done.returncode == 0, done.stderr + search.log()
    assert (search.run / "trials.jsonl").read_bytes().startswith(before)
    run = ledger.read(search.run)
    assert [trial.source for trial in run.trials] == ["baseline", *["tpe"] * 12]
    assert verify(search.run) == []


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("quiet", [("--quiet",), ()])
def test_after_a_run_the_terminal_has_the_table_and_one_line(search, quiet):
    """The first time, and when it was finished already; what the numbers mean is in results.md."""
    sweep = ("--space", "lr_sweep", "--epochs", "1", *quiet)
    for is_first in (True, False):
        done = search.done(*sweep)
        assert done.returncode == 0, done.stderr
        assert ("starting Ray ...\n" in done.stderr) == (is_first and not quiet)
        kinds = ["|" if line.startswith("|") else line for line in done.stdout.splitlines()]
        assert kinds == ["digits: 3 trials: 3 finished.", "", *["|"] * 5]
        assert done.stderr.splitlines()[-1] == "results: results.md and runs/t"
        assert not quiet or done.stderr.count("\n") <= 3, "the images were decoded"
    assert not quiet or done.stderr == "results: results.md and runs/t\n"
    assert "Wilson's" in (search.folder / "results.md").read_text()


@pytest.mark.slow
@pytest.mark.integration
def test_a_row_of_the_search_is_the_row_of_the_trial_alone(search):
    """Under Ray and without it, the same configuration and seed give the same numbers, bit for bit."""
    assert search.done("--space", "lr_sweep", "--epochs", "2", "--num-samples", "1").returncode == 0
    (trial,) = ledger.read(search.run).trials
    flags = [part for key, value in trial.config.items() for part in ("--" + key.replace("_", "-"), str(value))]
    command = [sys.executable, "-m", "trainables", *DIGITS, *flags, "--out", "alone"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=search.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (search.folder / "alone" / "epochs.jsonl").read_bytes() == (trial.folder / "epochs.jsonl").read_bytes()


@pytest.mark.integration
@pytest.mark.slow
def test_rows_of_a_search_under_ray_are_reproduced_without_it(search):
    """Finished and stopped early alike, from what the run recorded alone."""
    assert (
        search.done("--space", "mlp_random", "--num-samples", "5", "--epochs", "4", "--scheduler", "sha").returncode
        == 0
    )
    for trial in ledger.read(search.run).trials[:3]:
        command = [sys.executable, ROOT / "run_search.py", "--reproduce", f"t/{trial.index}", "--quiet"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=search.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"t/{trial.index:04d}-{trial.id}: identical (" in done.stdout, done.stdout


@pytest.mark.integration
@pytest.mark.slow
def test_a_bug_in_every_trial_stops_the_search_and_once_mended_it_goes_on(search):
    search.source = search.folder / "source"
    for package in ("search", "trainables", "spaces", "analysis"):
        shutil.copytree(ROOT / package, search.source / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run_search.py", search.source)
    models = search.source / "trainables" / "models" / "networks.py"
    sound = models.read_text()
    models.write_text(
        sound.replace(
            "    network = calling", "    raise RuntimeError('a | bug\\nin two lines')\n    network = calling"
        )
    )
    sweep = ("--space", "depth_sweep", "--epochs", "1")
    broken = search.done(*sweep)
    assert broken.returncode == 1, broken.stderr
    assert "the first 3 trials failed alike: networks.py:" in broken.stderr.splitlines()[-1]
    failed = [trial for trial in ledger.read(search.run).trials if trial.status == "failed"]
    assert 3 <= len(failed) < 5, "it went on although it looked like a bug"
    assert "RuntimeError: a | bug" in (failed[0].folder / "error.txt").read_text()

    models.write_text(sound)
    changed = search.done(*sweep, "--retry-failed")
    assert (changed.returncode, "this program (hash of its code): " in changed.stderr) == (5, True)
    mended = search.done(*sweep, "--retry-failed", "--allow-changes")
    assert mended.returncode == 0, mended.stderr
    assert {trial.status for trial in ledger.read(search.run).trials} == {"finished"}
    assert "hash of its code" in (search.run / "results.md").read_text(), "a change that was allowed is shown"


@pytest.mark.integration
@pytest.mark.slow
def test_a_time_budget_ends_it_in_order_and_the_rest_comes_later(search):
    sweep = (
        "--space",
        "lr_sweep",
        "--epochs",
        "3",
        "--scheduler",
        "epochs:1",
        "--confirm",
        "1",
        "--confirm-seeds",
        "1",
    )
    ended = search.done(*sweep, "--time-budget", "3s")
    assert ended.returncode == 75, ended.stderr
    assert "the time budget is used up; continue with: python " in ended.stderr
    dry = search.done(*sweep, "--dry-run")
    assert (dry.returncode, "epochs: 9 without early stopping; 5 (56 %) with epochs:1" in dry.stdout) == (0, True), (
        dry.stderr
    )
    done = search.done(*sweep)
    assert done.returncode == 0, done.stderr
    assert "estimate: " in done.stderr
    run = ledger.read(search.run)
    assert is_complete(run)
    assert sorted(len(trial.epochs) for trial in run.search_trials) == [1, 1, 3]
    assert {(trial.status, len(trial.epochs)) for trial in run.trials if trial.source == "confirm"} == {("finished", 3)}


@pytest.mark.integration
@pytest.mark.slow
def test_mirrors_follow_a_search_through_an_interruption(search):
    """No step twice in TensorBoard, no trial twice in Optuna, and the end is told."""
    optuna = pytest.importorskip("optuna")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    news = search.folder / "news.jsonl"
    sweep = ("--space", "lr_sweep", "--epochs", "40", "--log-to", "tensorboard", "--log-to", "optuna")
    sweep += ("--notify", f"tee -a {news}")
    process = search.start(*sweep)
    search.wait_for_rows(3, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    done = search.done(*sweep)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    for folder in (search.run / "trials").iterdir():
        events = accumulator.EventAccumulator(str(folder)).Reload()
        assert [event.step for event in events.Scalars("val/accuracy")] == list(range(1, 41))
    study = optuna.load_study(study_name="t", storage=f"sqlite:///{search.run / 'optuna.db'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    ends = [json.loads(line) for line in news.read_text().splitlines()]
    assert [record["status"] for record in ends if record["event"] == "end"] == ["interrupted", "complete"]
