"""A trial that is cut or killed again and again ends in the bytes of one that never was."""

import itertools
import random
from pathlib import Path

import pytest

from analysis.verify.run_folder import verify
from search.run import ledger
from search.run.confirmation import is_complete
from tests import own
from tests.waiting import a_while
from trainables.files import durable

EVERYTHING = {"num_samples": 4, "audit": 0.6, "seeds": 2, "confirm": 1, "confirm_seeds": 2}
TOGETHER = 16
MORE = [(rule, EVERYTHING) for rule in ("median", "epochs:2", "sha", "ladder")]
SHARED = {"num_samples": 6, "share": 0.7, "epochs": 6}  # six points in three rungs
SEARCHES = [
    ("asha", {}),
    ("ladder", SHARED),
    *[pytest.param(*each, marks=pytest.mark.slow) for each in [("sha", {}), *MORE]],
]
QUICK = [("loop", "asha"), ("program", "ladder")]  # both ways to stop; networks of ours are killed above
OWN = [
    pytest.param(kind, *each, marks=() if (kind, each[0]) in QUICK and each not in MORE else pytest.mark.slow)
    for kind in own.ALL
    for each in [("asha", {}), ("ladder", SHARED), *MORE]
]


@pytest.mark.parametrize("cut", [1, 2])
def test_cut_at_any_epoch_and_continued_in_a_new_process(victims, content, memory, tiny, whole, cut):
    assert victims.run("train", memory / "trial", tiny, cut) == 0
    assert len(durable.read_lines(memory / "trial/epochs.jsonl")) == cut
    assert victims.run("train", memory / "trial", tiny) == 0
    assert content(memory / "trial") == whole


def test_a_new_process_for_every_epoch(victims, content, memory, tiny, whole):
    for _ in range(tiny["epochs"]):
        assert victims.run("train", memory / "trial", tiny, 1) == 0
    assert content(memory / "trial") == whole


@pytest.mark.integration
def test_killed_at_random_moments(victims, content, memory, tiny, times, tally):
    """Trials of ten epochs, each killed until it ends, one after the other until there were enough kills."""
    config, dice, kills, wanted = tiny | {"epochs": 10}, random.Random(0), 0, times("FAULT_KILLS", 12)
    assert victims.run("train", memory / "whole", config) == 0
    whole = content(memory / "whole")
    while kills < wanted:
        folder = memory / f"{kills}"
        for before in lives(victims, dice, "train", folder, config):
            assert before in whole["epochs.jsonl"]
            kills += 1
        assert content(folder) == whole
    tally("kills of a trial", kills)


def lives(victims, dice, action, folder, *arguments):
    """Kill an action after a while, again and again until it ended before; yield what the ledger held after each kill."""
    while True:
        process = victims.start(action, folder, *arguments)
        a_while(dice, folder, lambda: victims.ended(process))  # noqa: B023, it is called at once
        if victims.kill(process) == 0:
            return
        yield committed(folder / "epochs.jsonl")


def committed(path: Path) -> bytes:
    """A ledger without a torn last line."""
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]


@pytest.mark.integration
def test_sixteen_trials_of_an_engine_killed_between_any_two_writes(victims, content, memory, tiny, whole, times, tally):
    """Before the Nth call that changes a file, whosever it is; N goes up until nothing is left to be done."""
    assert victims.run("train_together", memory / "whole", tiny, TOGETHER) == 0
    ends = [content(memory / "whole" / str(seed)) for seed in range(TOGETHER)]
    assert ends[0] == whole
    kills, wanted, step = 0, times("FAULT_KILLS", 12), 0
    while kills < wanted:
        folder, step = memory / f"{kills}", step + 1
        for last in itertools.count(step, 7):
            if victims.run("train_together", folder, tiny, TOGETHER, last) == 0:
                break
            kills += 1
            for seed, end in enumerate(ends):
                assert end["epochs.jsonl"].startswith(committed(folder / str(seed) / "epochs.jsonl"))
        assert [content(folder / str(seed)) for seed in range(TOGETHER)] == ends
    tally("kills of sixteen trials in an engine", kills)


@pytest.mark.integration
@pytest.mark.parametrize(("scheduler", "more"), SEARCHES, ids=str)
def test_a_search_killed_at_random_moments_takes_the_same_decisions(victims, memory, times, tally, scheduler, more):
    """Without Ray: identity, plan, ledgers, decisions and weights are those of the uninterrupted search, and all is well."""
    dice, kills, wanted = random.Random(1), 0, times("FAULT_KILLS", 12) // 2
    assert victims.run("search", memory / "whole", scheduler, more) == 0
    whole = run_files(memory / "whole")
    assert verify(memory / "whole") == []
    while kills < wanted:
        folder = memory / f"{kills}"
        for _ in lives(victims, dice, "search", folder, scheduler, more):
            kills += 1
            assert before_tidying(verify(folder)) == []
        assert run_files(folder) == whole
        assert verify(folder) == []
    tally("kills of a search without Ray", kills)


@pytest.mark.integration
@pytest.mark.parametrize(("kind", "scheduler", "more"), OWN, ids=str)
def test_own_training_killed_at_random_moments_ends_in_the_same_files(
    victims, memory, times, tally, kind, scheduler, more
):
    """A user's loop and network, and a user's program, whose processes die with those that started them."""
    dice, kills, wanted = random.Random(2), 0, times("FAULT_KILLS", 12) // 2
    own.write(memory / "user", kind)
    assert victims.run("search_own", memory / "whole", kind, scheduler, more) == 0
    whole = run_files(memory / "whole")
    while kills < wanted:
        folder = memory / f"{kills}"
        for _ in lives(victims, dice, "search_own", folder, kind, scheduler, more):
            kills += 1
            assert before_tidying(verify(folder)) == []
        assert run_files(folder) == whole
        assert not list(folder.glob("trials/*/repeated.jsonl"))
        assert verify(folder) == []
    tally("kills of own code without Ray", kills)


@pytest.mark.parametrize(
    "scheduler", ["asha", *(pytest.param(one, marks=pytest.mark.slow) for one in ("median", "epochs:2"))]
)
def test_a_search_with_everything_is_a_good_run(victims, memory, scheduler):
    """Audit, several seeds and a confirmation; then it is asked for more of each."""
    folder = memory / "run"
    assert victims.run("search", folder, scheduler, EVERYTHING) == 0
    assert verify(folder) == []
    more = {"num_samples": 5, "audit": 0.6, "seeds": 3, "confirm": 2, "confirm_seeds": 3}
    assert victims.run("search", folder, scheduler, more) == 0
    assert verify(folder) == []
    run = ledger.read(folder)
    assert is_complete(run)
    assert len(run.search_trials) == 15
    audited = {line["trial"] for line in run.decisions if line.get("audit")}
    assert all(run.trials[index].status == "finished" for index in audited)
    confirming = [trial for trial in run.trials if trial.source == "confirm"]
    assert {trial.status for trial in confirming} == {"finished"}
    assert len({trial.seed for trial in confirming}) == 3


def test_a_damaged_plan_or_audit_is_named(victims, memory):
    folder = memory / "run"
    assert victims.run("search", folder, "asha", EVERYTHING) == 0
    plan, decisions = (folder / f"{name}.jsonl" for name in ("trials", "decisions"))
    for path, changed, what in [
        (plan, {"source": "random"}, "trials where 8 were asked for"),
        (decisions, {"trial": len(durable.read_lines(plan)) - 1}, "confirms, so nothing is decided about it"),
        (decisions, {"audit": True, "decision": "continue"}, "but replayed it is"),
    ]:
        good = path.read_bytes()
        lines = durable.read_lines(path)
        path.unlink()
        durable.append(path, *lines[:-1], lines[-1] | changed)
        assert any(what in problem for problem in verify(folder)), verify(folder)
        path.write_bytes(good)
    assert verify(folder) == []


def before_tidying(problems: list[str]) -> list[str]:
    """What must not be wrong right after a kill: all but temporary files, and there may be no run yet."""
    return [problem for problem in problems if "left behind" not in problem and "no run" not in problem]


def run_files(run: Path) -> dict[str, bytes]:
    """Everything of a run that must not depend on what happened on the way."""
    names = ("run.json", "totals.jsonl", "trials.jsonl", "decisions.jsonl", "trials/*/epochs.jsonl", "trials/*/best*")
    return {path.relative_to(run).as_posix(): path.read_bytes() for name in names for path in run.glob(name)}
