"""How far a search is, and what a terminal shows of it: pytest tests/search/terminal/test_progress.py"""

import dataclasses
import fcntl
import io
import os
import re
import select
import struct
import termios

import pytest
from rich.console import Console, Group
from rich.table import Table

from search.run import confirmation, ledger, opening, order
from search.terminal import display
from search.terminal.progress import Progress
from trainables.files import durable


@pytest.fixture
def run(tmp_path, toy, settings):
    return opening.open_run(tmp_path, settings(), toy, on_gpu=False)


def row(epoch, accuracy):
    return {"epoch": epoch, "val_accuracy": accuracy}


def shown_best(progress):
    """The trials that lead, and what they came to on average."""
    leaders = progress.leaders()
    return [trial.index for trial in leaders], order.mean(trial.value for trial in leaders)


def test_rows_and_endings_are_counted(run):
    progress = Progress(run)
    progress.update(0, row(1, 0.4))
    progress.update(1, row(1, 0.6))
    progress.update(1, row(2, 0.5))
    assert (progress.trained, progress.ended(), shown_best(progress)) == (3, 0, ([1], 0.6))
    run.trials[0].folder.mkdir(parents=True)
    durable.append(run.trials[0].folder / "epochs.jsonl", row(1, 0.4), {"outcome": "diverged", "epoch": 2})
    assert progress.update(0, None).status == "diverged"
    assert progress.ended() == 1


def test_a_plan_that_grew_is_read_again_and_a_confirmation_leads_nothing(run):
    progress = Progress(run)
    progress.update(0, row(1, 0.4))
    line = durable.read_lines(run.folder / "trials.jsonl")[0]
    durable.append(run.folder / "trials.jsonl", line | {"index": 3, "seed": 5, "id": "abcdef", "source": "confirm"})
    assert progress.update(3, row(1, 0.9)).value == 0.9
    assert (len(progress.trials), shown_best(progress)) == (4, ([0], 0.4))


def end(run, values):
    """Each of these trials has finished, with this value at every epoch."""
    for index, value in values.items():
        folder = ledger.reread(run, index).folder
        durable.append(folder / "epochs.jsonl", *(row(epoch, value) for epoch in range(1, 5)), {"outcome": "finished"})


def test_the_line_shows_the_winner_that_a_confirmation_decided(tmp_path, toy, settings):
    """The search's own best is shown until every fresh seed has ended, and the confirmed one from then on."""
    run = opening.open_run(tmp_path, settings(confirm=3, confirm_seeds=2), toy, on_gpu=False)
    for trial in run.trials:
        trial.folder.mkdir(parents=True)
    end(run, {0: 0.5, 1: 0.9, 2: 0.8})
    run = confirmation.extend(ledger.read(tmp_path))
    progress = Progress(run)
    assert shown_best(progress) == ([1], 0.9)
    rates = {trial.index: trial.config["lr"] for trial in run.fresh_trials}
    worth = {run.trials[1].config["lr"]: 0.6, run.trials[2].config["lr"]: 0.7, run.trials[0].config["lr"]: 0.1}
    for place, index in enumerate(rates):
        run.trials[index].folder.mkdir(parents=True)
        end(run, {index: worth[rates[index]] + 0.02 * (place % 2)})
        assert "best 90.00 % (lr" in display.summary(progress)
        progress.update(index, None)
    decided = [trial.config for trial in progress.leaders()]
    assert [config["lr"] for config in decided] == [run.trials[2].config["lr"]] * 2
    assert f"best 71.00 %, mean of 2 fresh seeds (lr={run.trials[2].config['lr']:.3g})" in display.summary(progress)
    assert confirmation.winner(ledger.read(tmp_path)).index == 2


def test_of_several_seeds_the_line_shows_the_best_mean_and_not_the_luckiest_seed(tmp_path, toy, settings):
    run = opening.open_run(tmp_path, settings(seeds=2), toy, on_gpu=False)
    for trial in run.trials:
        trial.folder.mkdir(parents=True)
    lucky, steady, other = ([t.index for t in group] for group in order.configurations(run.trials))
    end(run, dict(zip(lucky, (0.9, 0.1), strict=True)) | dict.fromkeys(steady, 0.7) | dict.fromkeys(other, 0.2))
    progress = Progress(ledger.read(tmp_path))
    assert shown_best(progress) == (steady, 0.7)
    assert "best 70.00 %, mean of 2 seeds (lr=" in display.summary(progress)


def test_the_last_row_reported_again_after_a_restart_is_not_counted_twice(run):
    run.trials[0].folder.mkdir(parents=True)
    durable.append(run.trials[0].folder / "epochs.jsonl", row(1, 0.4), row(2, 0.5))
    progress = Progress(ledger.read(run.folder))
    progress.update(0, row(2, 0.5))
    assert (progress.trained, progress.trials[0].epochs) == (0, 2)


def test_time_left_counts_every_epoch_that_may_come(run):
    progress = Progress(run)
    assert progress.seconds_left() is None
    progress.started -= 100  # starting says nothing about what is to come
    progress.update(0, row(1, 0.4))
    assert progress.seconds_left() is None
    progress.first_row_at -= 10
    progress.update(1, row(1, 0.4))
    assert progress.seconds_left() == pytest.approx(10 * 10, rel=0.01)


def shown(progress, terminal):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120, no_color=True)
    with display.shown(progress, console) as notify:
        notify(1, row(1, 0.61))
    return stream.getvalue()


def test_a_terminal_gets_a_live_table(run):
    text = shown(Progress(run), terminal=True)
    assert "\x1b[" in text
    assert all(word in text for word in ("trial", "lr", "epochs", "best val", "61.00 %", "running", "0/3 trials"))


def test_what_is_over_has_no_speed_and_no_time_left(run):
    progress = Progress(run)
    assert display.summary(progress).endswith("no epoch yet  starting")
    progress.update(0, row(1, 0.5))
    assert display.summary(progress).endswith("(lr=0.2)"), "one epoch says nothing about speed and the time left"
    for trial in run.trials:
        trial.folder.mkdir(parents=True)
        rows = [row(epoch, 0.5) for epoch in range(1, 5)]
        durable.append(trial.folder / "epochs.jsonl", *rows, {"outcome": "finished"})
        progress.update(trial.index, None)
    assert display.summary(progress) == "3/3 trials  12 epochs  best 50.00 % (lr=0.2)  ended"


@pytest.mark.parametrize(("outcome", "over"), [("finished", False), ("diverged", True)])
def test_a_search_is_over_when_there_is_nothing_left_to_confirm(tmp_path, toy, settings, outcome, over):
    run = opening.open_run(tmp_path, settings(confirm=1, confirm_seeds=2), toy, on_gpu=False)
    for trial in run.trials:
        trial.folder.mkdir(parents=True)
        rows = [row(epoch, 0.5) for epoch in range(1, 5)]
        durable.append(trial.folder / "epochs.jsonl", *rows, {"outcome": outcome, "epoch": 5})
    progress = Progress(ledger.read(tmp_path))
    assert progress.is_over() is over
    count = "3/3 trials" if over else "3/7 trials"  # four may confirm: the best and the baseline, twice
    assert display.summary(progress).startswith(count)


def test_off_a_terminal_there_is_no_animation_and_an_ending_is_one_line(run):
    progress = Progress(run)
    assert shown(progress, terminal=False) == ""
    run.trials[2].folder.mkdir(parents=True)
    durable.append(run.trials[2].folder / "epochs.jsonl", *(row(n, 0.5) for n in range(1, 5)), {"outcome": "finished"})
    stream = io.StringIO()
    display.plain_lines(progress, Console(file=stream, width=20))(2, None)
    line = f"trial 0002-{run.trials[2].id}  lr=0.3  finished after 4 of 4 epochs  val_accuracy 50.00 %\n"
    assert stream.getvalue() == line


def test_a_trial_that_never_began_has_no_line_when_the_search_is_asked_to_stop(run):
    stream = io.StringIO()
    notify = display.plain_lines(Progress(run), Console(file=stream, width=20))
    notify(1, None)
    assert stream.getvalue() == ""
    run.trials[1].folder.mkdir(parents=True)
    durable.append(
        run.trials[1].folder / "epochs.jsonl", {"outcome": "failed", "error": "ValueError: no", "where": "x.py:1"}
    )
    display.plain_lines(Progress(ledger.read(run.folder)), Console(file=stream, width=20))(1, None)
    assert "failed after 0 of 4 epochs" in stream.getvalue()


def test_the_line_of_a_configuration_with_several_seeds_names_the_seed(tmp_path, toy, settings):
    run = opening.open_run(tmp_path, dataclasses.replace(settings(), seeds=2), toy, False)
    progress = Progress(run)
    seeds = {trial.seed for trial in run.trials}
    told = {display.ending(progress, trial).split("seed=")[1].split()[0] for trial in progress.trials.values()}
    assert told == set(map(str, seeds)) and len(seeds) > 1


def on_terminal(run, monkeypatch, **environment) -> str:
    """What a search sends to a real (pseudo) terminal 200 columns wide, told so or not by the environment."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    kept = os.dup(2)
    os.dup2(follower, 2)
    try:
        with display.open_console(quiet=False) as console, display.shown(Progress(run), console) as notify:
            notify(1, row(1, 0.61))
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    text = b""
    while select.select([leader], [], [], 0.1)[0]:
        text += os.read(leader, 1 << 16)
    os.close(follower)
    os.close(leader)
    return text.decode()


COLOURED = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;\d+)*m")


def test_no_color_is_honoured(run, monkeypatch):
    bold = Table("a", header_style="bold red")
    monkeypatch.setattr(display, "render", lambda _: Group(bold, "61.00 %"))
    assert COLOURED.search(on_terminal(run, monkeypatch))
    text = on_terminal(run, monkeypatch, NO_COLOR="1")
    assert "61.00" in text
    assert not COLOURED.search(text)


def test_columns_are_honoured(run, monkeypatch):
    def widest(text):
        return max(len(line.rstrip()) for line in re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text).splitlines())

    assert widest(on_terminal(run, monkeypatch)) > 40
    assert widest(on_terminal(run, monkeypatch, COLUMNS="40")) <= 40


def test_a_confirmation_that_is_not_planned_yet_is_part_of_the_time_left(tmp_path, toy, settings):
    progress = Progress(opening.open_run(tmp_path, settings(confirm=1, confirm_seeds=2), toy, on_gpu=False))
    progress.update(0, row(1, 0.4))
    progress.first_row_at -= 10
    progress.update(1, row(1, 0.4))
    assert progress.seconds_left() == pytest.approx(10 * (10 + 2 * 2 * 4), rel=0.01)
    assert progress.asked() == 3, "it is no part of the search"


def test_trials_that_confirm_are_not_taken_for_those_of_a_search_that_grew(run):
    line = durable.read_lines(run.folder / "trials.jsonl")[0]
    durable.append(run.folder / "trials.jsonl", line | {"index": 3, "seed": 5, "id": "abcdef", "source": "confirm"})
    grown = ledger.read(run.folder)
    assert Progress(grown).asked() == 4
    more = dataclasses.replace(
        grown, totals=dataclasses.replace(grown.totals, trials=5)
    )  # TPE has yet to draw two points
    assert Progress(more).asked() == 6
