"""A user's program as the rows of a trial: pytest tests/trainables/own/test_command.py"""

import contextlib
import dataclasses
import io
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until
from trainables.errors import LostError
from trainables.files import durable
from trainables.objective import OwnObjective
from trainables.own import collect, command, printed
from trainables.own.command import FILES, CommandRows, filled
from trainables.trial import checkpointing
from trainables.trial.rows import REPEATED

ROOT = Path(__file__).parents[3]
LOSS = OwnObjective("loss", "min", "decimals")
CONFIG = {"rate": 0.5, "epochs": 4}
SAVING = """
epoch=0; [ -f state ] && read epoch < state
while [ $epoch -lt $TRIAL_UNTIL_EPOCH ]; do
    epoch=$((epoch + 1)); echo $epoch > state
    echo "epoch $epoch of $TRIAL_EPOCHS"
    echo "{\\"epoch\\": $epoch, \\"loss\\": $((10 - epoch)), \\"seed\\_of\\": $TRIAL_SEED}" | tr -d '\\\\'
done
"""
ANEW = 'for epoch in 1 2 3 4; do echo "{\\"loss\\": $((10 - epoch))}"; [ $epoch = $TRIAL_UNTIL_EPOCH ] && exit; done\n'


@pytest.fixture
def rows(tmp_path):
    def of(script, *, until=4, folder="trial", words=("{rate}",)):
        (tmp_path / "code").mkdir(exist_ok=True)
        (tmp_path / "code/train.sh").write_text(script)
        return CommandRows(
            CONFIG, LOSS, 7, "cpu", command=["sh", "train.sh", *words], code=tmp_path / "code", folder=tmp_path / folder,
            until=until,
        )  # fmt: skip

    return of


def train(rows, **how):
    return list(checkpointing.run(rows.folder, rows, **how))


def ledger(folder):
    return durable.read_lines(folder / "epochs.jsonl")


@pytest.mark.parametrize("script", [SAVING, ANEW], ids=["saving", "anew"])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_cut_anywhere_it_ends_in_the_same_bytes(tmp_path, rows, script, cut):
    train(rows(script, folder="whole"))
    train(rows(script, until=cut), until=cut)
    assert len(ledger(tmp_path / "trial")) == cut
    train(rows(script))
    assert (tmp_path / "trial/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()
    assert not (tmp_path / "trial" / REPEATED).exists()


def test_an_epoch_may_be_printed_as_a_float(tmp_path, rows):
    script = SAVING.replace('\\"epoch\\": $epoch,', '\\"epoch\\": $epoch.0,')
    train(rows(SAVING, folder="whole"))
    train(rows(script, until=2), until=2)
    train(rows(script))
    assert [type(row["epoch"]) for row in ledger(tmp_path / "trial")[:4]] == [int] * 4
    assert (tmp_path / "trial/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()


def test_a_word_may_be_a_whole_program(tmp_path, rows):
    """Longer than any name of a file."""
    script = f"# {'x' * 5000}\n{ANEW}"
    found = dataclasses.replace(
        rows(ANEW), command=["sh", "-c", script.replace("{", "{{").replace("}", "}}"), "{rate}"]
    )
    assert [row["loss"] for row in train(found)] == [9, 8, 7, 6]
    assert collect.programs(tmp_path, ["sh", "-c", script]) == {}


def test_it_learns_all_from_its_environment_and_its_words(tmp_path, rows):
    train(rows('env > told; echo "$1 $2" > words; pwd > place\n' + ANEW, words=("{rate}", "{seed}-{epochs}")))
    place = tmp_path / "trial" / FILES
    told = dict(line.split("=", 1) for line in (place / "told").read_text().splitlines() if line.startswith("TRIAL_"))
    assert told.pop("TRIAL_ID").isalnum()
    assert told == {
        "TRIAL_FOLDER": str(place), "TRIAL_SEED": "7", "TRIAL_EPOCHS": "4", "TRIAL_LAST_EPOCH": "0", "TRIAL_UNTIL_EPOCH": "4",
        "TRIAL_CONFIG": '{"rate": 0.5}',
    }  # fmt: skip
    assert (place / "words").read_text() == "0.5 7-4\n"
    assert (place / "place").read_text() == f"{place}\n"


def test_no_shell_reads_the_words(tmp_path):
    assert filled(["prog", "{x}; touch y"], {"x": "$(id)"}, 0, tmp_path) == ["prog", "$(id); touch y"]


def test_words_that_name_a_file_of_the_code_name_it_there(tmp_path):
    (tmp_path / "train.py").touch()
    assert filled(["python", "train.py", "other.py"], {}, 0, tmp_path)[1:] == [str(tmp_path / "train.py"), "other.py"]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo bad luck >&2; exit 3\n", "exit code 3: it ended after 0 of 4 epochs"),
        ("echo '{\"loss\": 1}'; echo bad luck >&2\n", "exit code 0: it ended after 1 of 4 epochs"),
        ("echo bad luck >&2; kill -SEGV $$\n", "ended by signal 11: it ended after 0 of 4 epochs"),
        ("echo bad luck >&2; echo '{\"loss\": 1'\n", "line '{\"loss\": 1': "),
        (
            'echo bad luck >&2; python3 -c \'print("{" + chr(34) + "loss" + chr(34) + ":" + "[" * 100000)\'\n',
            'line \'{"loss":[[',
        ),
        (
            'echo bad luck >&2; echo \'{"epoch": 3, "loss": 1}\'\n',
            'line \'{"epoch": 3, "loss": 1}\': epoch 3 where 1 comes',
        ),
    ],
)
def test_exit_code_and_last_lines_become_the_failure(tmp_path, rows, script, error):
    train(rows(script))
    outcome = ledger(tmp_path / "trial")[-1]
    assert outcome["outcome"] == "failed"
    assert outcome["error"].startswith(f"ProgramError: {error}")
    assert outcome["where"] == "train.sh"
    assert "bad luck" in (tmp_path / "trial/error.txt").read_text()


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT", "HUP"])
def test_a_program_that_is_ended_from_outside_is_no_failure(tmp_path, rows, name):
    """By the kernel for want of memory, or by a batch system that signals all processes of a job."""
    with pytest.raises(
        LostError, match=f"train.sh: ended by signal {getattr(signal, f'SIG{name}').value}: .* after 1 of 4"
    ):
        train(rows(f"echo '{{\"loss\": 1}}'; kill -{name} $$\n"))
    assert [row["loss"] for row in ledger(tmp_path / "trial")] == [1]


def test_a_failure_while_the_search_stops_is_not_held_against_the_configuration(tmp_path, rows):
    with pytest.raises(LostError, match="exit code 1"):
        train(rows("exit 1\n"), stopping=lambda: True)
    assert not (tmp_path / "trial/epochs.jsonl").exists()


def test_a_program_that_has_nothing_left_to_do_begins_again(tmp_path, rows):
    """It was killed between saving its last epoch and the line about it."""
    train(rows(SAVING, folder="whole"))
    train(rows(SAVING, until=3), until=3)
    (tmp_path / "trial" / FILES / "state").write_text("4\n")
    train(rows(SAVING))
    assert (tmp_path / "trial/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()


def test_a_program_that_ends_while_the_search_stops_keeps_its_files(tmp_path, rows, monkeypatch):
    """A batch system tells all processes of a job; this program saves, and ends with 0."""
    monkeypatch.setattr(command, "LOOK", 0.01)
    train(rows(SAVING, until=1), until=1)
    ending = dataclasses.replace(rows("exit 0\n"), stopping=lambda: True)
    with pytest.raises(LostError, match="ended while the search stops"):
        train(ending)
    assert (tmp_path / "trial" / FILES / "state").exists()


def test_a_program_that_crashed_leaves_no_child_that_holds_its_trial(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(command, "PATIENCE", 0.5)
    train(rows("sleep 600 & echo $! > child; exit 3\n"))
    assert ledger(tmp_path / "trial")[-1]["outcome"] == "failed"
    until(lambda: is_over(int((tmp_path / "trial" / FILES / "child").read_text())))


def test_of_much_that_a_program_says_the_end_is_kept(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(printed, "LONGEST", 1000)
    monkeypatch.setattr(command, "LAST_LINES", 1000)
    told = "for n in $(seq 100); do echo progress >&2; done; echo '{\"loss\": 1}'; sleep 0.2"
    train(rows(f"{told}; {told}; {told}; echo the end >&2; exit 3\n"))
    said = (tmp_path / "trial/error.txt").read_text()
    assert said.count("progress") < 200 and "progress\nthe end\n" in said


def test_a_program_that_does_not_start_is_a_failure(tmp_path):
    rows = CommandRows(
        CONFIG, LOSS, 7, "cpu", command=["no-such-program"], code=tmp_path, folder=tmp_path / "t", until=4
    )
    train(rows)
    assert "no-such-program does not start" in ledger(tmp_path / "t")[-1]["error"]


@pytest.mark.parametrize("trap", ["", "trap '' TERM\n"], ids=["polite", "deaf"])
def test_a_trial_that_is_stopped_early_ends_its_program_and_what_that_started(tmp_path, rows, monkeypatch, trap):
    monkeypatch.setattr(command, "PATIENCE", 0.5)
    script = (
        f"{trap}sleep 600 & echo $! > child; echo $$ > self; echo '{{\"loss\": 1}}'; while true; do sleep 0.05; done\n"
    )
    with contextlib.closing(checkpointing.run(tmp_path / "trial", rows(script))) as running:
        list(itertools.islice(running, 1))
    for name in ("self", "child"):
        process = int((tmp_path / "trial" / FILES / name).read_text())
        until(lambda: not is_alive(process))  # noqa: B023, it is called at once


def test_a_program_that_goes_on_after_its_last_epoch_is_ended_at_once(tmp_path, rows):
    """It would have PATIENCE to save what it wants, if it did not train."""
    script = 'for epoch in 1 2 3 4 5 6 7 8; do echo "{\\"loss\\": $epoch}"; done; sleep 600\n'
    train(rows(script, until=2), until=2)
    assert [row["loss"] for row in ledger(tmp_path / "trial")] == [1, 2]


def test_a_program_that_was_ahead_when_it_was_killed_begins_again(tmp_path, rows):
    train(rows(SAVING, folder="whole"))
    train(rows(SAVING, until=1), until=1)
    (tmp_path / "trial" / FILES / "state").write_text("3\n")
    train(rows(SAVING))
    assert (tmp_path / "trial/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_it_does_not_outlive_a_worker_that_is_killed(tmp_path, rows):
    rows("echo $$ > self; echo '{\"loss\": 1}'; sleep 600\n")
    worker = subprocess.Popen([sys.executable, "-c", WORKER.format(folder=str(tmp_path))], cwd=ROOT)
    told = tmp_path / "trial" / FILES / "self"
    until(lambda: told.exists() and told.read_text().strip(), lambda: worker.poll() is not None)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    until(lambda: not is_alive(int(told.read_text())))


WORKER = """
from pathlib import Path
from trainables.objective import OwnObjective
from trainables.own.command import CommandRows
from trainables.trial import checkpointing
place = Path({folder!r})
rows = CommandRows(
    {{"epochs": 4}}, OwnObjective("loss", "min", "decimals"), 7, "cpu", command=["sh", "train.sh"], code=place / "code",
    folder=place / "trial", until=4,
)
list(checkpointing.run(rows.folder, rows))
"""


def is_alive(process: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    except PermissionError:
        return os.path.exists(f"/proc/{process}")  # noqa: PTH110


def test_what_a_program_started_ends_with_the_worker_however_that_ended(tmp_path, rows):
    """A script that starts the real program: both are gone when the worker was killed."""
    script = rows("sleep 999 & echo $! > pid.part; mv pid.part pid; wait\n")
    worker = os.fork()
    if worker == 0:
        with contextlib.suppress(BaseException):
            train(script)
        os._exit(1)
    pid = tmp_path / "trial" / FILES / "pid"
    until(pid.exists)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    until(lambda: is_over(int(pid.read_text())))


def test_a_worker_that_dies_in_the_moment_in_which_its_program_has_started_leaves_nothing(tmp_path, rows, monkeypatch):
    script = rows("sleep 999 & echo $! > pid.part; mv pid.part pid; wait\n")
    pid, start = tmp_path / "trial" / FILES / "pid", subprocess.Popen

    def started(*words, **how):
        process = start(*words, **how)
        if "cwd" in how:  # the program, and not its guard
            until(pid.exists)
            os.kill(os.getpid(), signal.SIGKILL)
        return process

    worker = os.fork()
    if worker == 0:
        monkeypatch.setattr(command.subprocess, "Popen", started)
        with contextlib.suppress(BaseException):
            train(script)
        os._exit(1)
    os.waitpid(worker, 0)
    until(lambda: is_over(int(pid.read_text())))


def is_over(process):
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return not done.stdout.strip() or done.stdout.strip().startswith("Z")


def test_a_trial_that_ends_leaves_no_guard(rows, monkeypatch):
    started = []
    start = subprocess.Popen
    monkeypatch.setattr(
        command.subprocess, "Popen", lambda *words, **how: started.append(start(*words, **how)) or started[-1]
    )
    train(rows(SAVING))
    assert [process.returncode for process in started if process.args[0] == "sh" and "group" in process.args[2]] == [-9]


def test_what_follows_in_a_very_long_line_is_no_line_of_its_own():
    text = "#" * (2 * command.LONGEST) + '{"loss": 1}\n{"loss": 2}\n'
    assert list(command.lines(io.StringIO(text))) == ['{"loss": 2}\n']


DAEMON = (
    "setsid sh -c 'echo $$ > pid.part; mv pid.part pid; exec sleep 600' & while [ ! -f pid ]; do sleep 0.01; done\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="setsid")
@pytest.mark.parametrize(("script", "ends"), [(f"{DAEMON}{ANEW}", "finished"), (f"{DAEMON}exit 3\n", "failed")])
def test_a_daemon_that_holds_the_stream_of_its_program_holds_up_no_trial(tmp_path, rows, script, ends):
    try:
        train(rows(script))
        assert ledger(tmp_path / "trial")[-1]["outcome"] == ends
    finally:
        os.kill(int((tmp_path / "trial" / FILES / "pid").read_text()), signal.SIGKILL)


def test_what_a_script_has_put_into_the_background_is_heard_to_its_end(tmp_path, rows):
    train(rows(f"( sleep 0.2; {ANEW.strip()} ) &\n"))
    assert ledger(tmp_path / "trial")[-1]["outcome"] == "finished"
