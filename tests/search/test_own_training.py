"""Own training through everything that a search does but Ray: pytest tests/search/test_own_training.py"""

import itertools
import json
import re
import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import run_search
from analysis.__main__ import app as analysis_app
from analysis.diagnostics import rung_agreement
from analysis.ranking import across_runs, standing
from analysis.render.markdown import rendered
from analysis.results import next_step, printed
from analysis.results.files import is_stale, write_files
from analysis.results.sections.early_stopping import early_stopping
from analysis.verify.run_folder import verify
from analysis.views import compare, selection, show
from analysis.views.selection import Selection
from search.faults.interrupts import Interrupted, Interrupts
from search.run import ledger, opening
from search.terminal import estimate
from tests import own
from trainables.cli.execution import execute
from trainables.errors import RayError, RunError, SpaceError, StorageError
from trainables.files import durable
from trainables.own import names
from trainables.own.code import Code, File

pytestmark = pytest.mark.usefixtures("undrawn")

EVERYTHING = {"seeds": 2, "confirm": 1, "confirm_seeds": 2, "audit": 0.5}


@pytest.fixture(params=own.KINDS)
def kind(request):
    """Of training that is the user's."""
    return request.param


@pytest.fixture(params=own.ALL)
def any_kind(request):
    """Of code that is the user's: their networks too."""
    return request.param


@pytest.fixture
def images(toy, one_thread):
    """Of a kind; none where the user trains."""
    return lambda kind: toy if kind == "model" else None


def cases():
    """Every rule with every kind; of a network, and of a program with its hundreds of processes, all but one are long tests."""
    for scheduler in ("none", "asha", "sha", "median", "epochs:2", "ladder"):
        yield "loop", scheduler
        yield pytest.param("model", scheduler, marks=() if scheduler == "ladder" else pytest.mark.slow)
        yield pytest.param("program", scheduler, marks=() if scheduler == "asha" else pytest.mark.slow)


@pytest.mark.parametrize(("any_kind", "scheduler"), list(cases()))
def test_every_rule_searches_it_and_the_run_is_good(tmp_path, any_kind, images, scheduler):
    more = EVERYTHING if scheduler != "none" else {}
    asked = own.settings(own.write(tmp_path, any_kind), scheduler=scheduler, **more)
    run = own.search(tmp_path / "run", asked, images(any_kind))
    assert all(trial.status in ("finished", "stopped") for trial in run.trials)
    assert ("stopped" in {trial.status for trial in run.trials}) == (scheduler != "none")
    write_files(run)
    assert verify(tmp_path / "run") == []


WAITING = [
    pytest.param(*each, marks=() if each == ("loop", "ladder") else pytest.mark.slow)
    for each in itertools.product(own.ALL, ["ladder", "sha", "epochs:2"])
]  # fmt: skip


@pytest.mark.parametrize(("kind", "scheduler"), WAITING, ids=str)
def test_however_many_train_at_once_a_rule_that_waits_ends_in_the_same_bytes(tmp_path, images, kind, scheduler):
    asked = own.settings(own.write(tmp_path, kind), scheduler=scheduler, share=0.7, epochs=6, **EVERYTHING)
    found = []
    for workers in (1, 2, 4, 8):
        folder = tmp_path / f"{workers}" / "run"
        write_files(own.search(folder, asked, images(kind), workers))
        ledgers = sorted(folder.glob("trials/*/epochs.jsonl"))
        files = [folder / name for name in ("results.md", "results.json", "decisions.jsonl", "trials.jsonl")]
        found.append([path.read_bytes() for path in (*files, *ledgers)])
    assert found[1:] == [found[0]] * 3
    assert any(trial.status == "stopped" for trial in ledger.read(folder).trials)
    assert verify(folder) == []


def test_the_value_of_a_trial_is_its_least_loss(tmp_path):
    run = own.search(tmp_path / "run", own.settings(own.write(tmp_path, "loop"), num_samples=3))
    assert run.identity.objective.record() == {"column": "loss", "mode": "min", "form": "decimals"}
    losses = [trial.value for trial in run.trials]
    assert min(losses) == min(row["loss"] for trial in run.trials for row in trial.epochs)


def test_it_grows_by_trials_seeds_and_epochs(tmp_path, kind):
    asked = own.settings(own.write(tmp_path, kind), num_samples=2)
    before = own.search(tmp_path / "run", asked)
    run = own.search(tmp_path / "run", replace(asked, num_samples=3, seeds=2, epochs=6))
    assert len(run.trials) == 6
    assert [trial.epochs[:4] for trial in run.trials[:2]] == [trial.epochs for trial in before.trials]
    assert {len(trial.epochs) for trial in run.trials} == {6}
    whole = own.search(tmp_path / "whole", replace(asked, num_samples=2, epochs=6))
    assert [trial.epochs for trial in run.trials[:2]] == [trial.epochs for trial in whole.trials]


def test_results_know_the_objective_and_every_metric_and_speak_of_no_images(tmp_path, kind):
    asked = own.settings(own.write(tmp_path, kind), scheduler="sha", seeds=2, confirm=1, confirm_seeds=2)
    run = own.search(tmp_path / "run", asked)
    write_files(run)
    text = (tmp_path / "run/results.md").read_text()
    assert "| " in text
    assert "loss" in text
    assert not [word for word in ("image", "accuracy", "network", "test split", "data set", "Wilson") if word in text]
    rows = json.loads((tmp_path / "run/results.json").read_text())
    metrics = {"loss", "at"} if kind == "loop" else {"loss"}
    assert metrics <= rows[0].keys()
    assert not {"val_accuracy", "parameters", "flops"} & rows[0].keys()
    header = (tmp_path / "run/results.csv").read_text().partition("\n")[0].split(",")
    assert metrics <= set(header)


def test_a_share_is_written_in_per_cent_and_is_no_accuracy_of_images(tmp_path):
    path = own.write(tmp_path, "loop")
    path.write_text(
        own.LOOP.replace('metric="loss"', 'metric="val_accuracy", mode="max", form="percent"').replace(
            '{"loss": (at - 3) ** 2, "at": at}', '{"val_accuracy": torch.sigmoid(at)}'
        )
    )
    run = own.search(tmp_path / "run", own.settings(path))
    assert not run.identity.objective.is_accuracy
    write_files(run)
    text = (tmp_path / "run/results.md").read_text()
    assert "95 % interval" not in text
    assert "val_accuracy %" in text, "as the code spells it"
    assert "validation accuracy" not in text
    assert verify(tmp_path / "run") == []


def test_an_edited_file_is_another_search_and_the_difference_is_shown(tmp_path):
    path = own.write(tmp_path, "loop")
    own.search(tmp_path / "run", own.settings(path))
    path.write_text(own.LOOP.replace("(3 - at)", "(4 - at)"))
    with pytest.raises(RunError, match="not the same search") as caught:
        opening.open_run(tmp_path / "run", own.settings(path), None, False)
    assert "(4 - at)" in "".join(caught.value.details)
    path.write_text("# a comment\n" + own.LOOP)
    assert own.search(tmp_path / "run", own.settings(path)).identity.own_code


@pytest.mark.parametrize("error", [StorageError("full"), RayError("gone"), Interrupted(signal.SIGTERM)], ids=repr)
@pytest.mark.parametrize("place", ["search.attempts.train", "run_search.finish"])
def test_whatever_ends_a_search_results_md_is_what_the_ledgers_say(tmp_path, monkeypatch, error, place):
    settings = own.settings(own.write(tmp_path, "loop"), runs_dir=tmp_path, num_samples=2)
    folder = tmp_path / settings.run_name
    own.search(folder, settings)
    monkeypatch.setattr("search.attempts.train", lambda *_: None)

    def fail(*_):
        raise error

    monkeypatch.setattr(place, fail)
    with pytest.raises(type(error)):
        run_search.run(
            settings,
            Interrupts(""),
            tmp_path / "results.md",
            retry_failed=False,
            quiet=True,
            followers=nullcontext(lambda: None),
        )
    assert not is_stale(ledger.read(folder))


def test_an_edited_file_is_refused_before_it_is_tried(tmp_path, monkeypatch):
    path = own.write(tmp_path, "loop")
    settings = own.settings(path, runs_dir=tmp_path)
    own.search(tmp_path / settings.run_name, settings)
    path.write_text(own.LOOP.replace("(3 - at)", "(4 - at)"))
    monkeypatch.setattr("search.rehearsal.rehearse_training", lambda *_: pytest.fail("it was tried"))
    with pytest.raises(RunError, match="not the same search"):
        run_search.rehearse(own.settings(path, runs_dir=tmp_path), None, on_gpu=False, quiet=True)


def test_a_first_epoch_that_was_tried_tells_the_time_of_a_search(tmp_path):
    settings = own.settings(own.write(tmp_path, "loop"), num_samples=3)
    found = estimate.estimate(tmp_path / "run", settings, None, on_gpu=False, slots=2, first_epoch=5.0)
    assert found.seconds == 5.0 * 4 * 2, "three trials on two slots"
    assert "the first epoch of the baseline" in estimate.time_words(found)
    unseen = estimate.estimate(tmp_path / "run", settings, None, on_gpu=False, slots=2)
    assert "unknown until" in estimate.time_words(unseen)
    own.search(tmp_path / "run", settings)
    begun = estimate.estimate(tmp_path / "run", settings, None, on_gpu=False, slots=2, first_epoch=5.0)
    assert begun.epoch_seconds is not None
    assert begun.epoch_seconds < 5.0, "what the run has counts"


def test_runs_of_different_code_are_not_said_to_be_of_different_images(tmp_path):
    path = own.write(tmp_path, "loop")
    first = own.search(tmp_path / "first", own.settings(path, num_samples=1))
    path.write_text(own.LOOP.replace("(3 - at)", "(4 - at)"))
    second = own.search(tmp_path / "second", own.settings(path, num_samples=1))
    assert "The runs are of different code, so their losses cannot be compared." in compare.show(
        [first, second], "md", Selection()
    )
    assert printed.show([first, second], "md").startswith("Runs on different code are ranked apart")


def test_the_best_rows_of_runs_of_different_code_are_tables_of_their_own(tmp_path):
    path = own.write(tmp_path, "loop")
    first = own.search(tmp_path / "first", own.settings(path, num_samples=2))
    path.write_text(own.LOOP.replace("(3 - at)", "(4 - at)"))
    second = own.search(tmp_path / "second", own.settings(path, num_samples=2))
    text = selection.listed([first, second], "md", Selection(top=1))
    assert text.startswith("Runs on different code are ranked apart")
    assert text.count(" rank |") == 2
    assert text.count("| first ") == text.count("| second ") == 1


def test_a_share_is_in_per_cent_in_every_table_and_an_accuracy_that_is_none_is_not(tmp_path):
    path = own.write(tmp_path, "loop")
    share = own.LOOP.replace('"loss": (at - 3) ** 2, "at": at', '"hits": 0.25, "val_accuracy": 25.0').replace(
        'metric="loss"', 'metric="hits", mode="max", form="percent"'
    )
    path.write_text(share)
    run = own.search(tmp_path / "run", own.settings(path, num_samples=1))
    text = selection.listed([run], "md", Selection(columns="hits,val_accuracy"))
    assert "hits %" in text and "25.00" in text
    assert "val_accuracy %" not in text.replace("\\", "")
    path.write_text(
        own.LOOP.replace('"loss": (at - 3) ** 2', '"val_accuracy": 25.0').replace('"loss"', '"val_accuracy"')
    )
    run = own.search(tmp_path / "decimals", own.settings(path, num_samples=1))
    assert "%" not in selection.listed([run], "md", Selection(columns="val_accuracy"))


def test_a_trial_is_shown_with_all_digits_of_its_configuration(tmp_path):
    run = own.search(tmp_path / "run", own.settings(own.write(tmp_path, "loop"), num_samples=2))
    trial = run.trials[1]
    assert f"| {trial.config['rate']!r} " in show.show(run, trial, "md")


def test_an_error_in_own_code_is_corrected_in_the_users_file_and_allowed(tmp_path):
    path = own.write(tmp_path, "loop")
    path.write_text(own.LOOP.replace("        noise =", "        1 / 0\n        noise ="))
    run = own.search(tmp_path / "run", own.settings(path, num_samples=2))
    said = next_step.of_run(run)
    assert "/error.txt, then: cifar-search --space " in said
    assert "--retry-failed --allow-changes" in said


def test_how_a_state_is_read_and_of_which_epoch_it_is_is_shown(tmp_path):
    run = own.search(tmp_path / "run", own.settings(own.write(tmp_path, "loop"), num_samples=1))
    (trial,) = run.trials
    text = show.show(run, trial, "md")
    told = re.search(r"after epoch 4(?P<best>[^:]*): `torch\.load\('(?P<path>.*)', weights_only=True\)\['own'\]`", text)
    assert told, text
    assert torch.load(told["path"], weights_only=True)["own"]["epoch"] == 4
    assert told["best"] == ("" if trial.best["epoch"] == 4 else f" (the best is epoch {trial.best['epoch']})")


def test_a_program_is_of_the_code_of_a_run_too(tmp_path):
    path = own.write(tmp_path, "program")
    own.search(tmp_path / "run", own.settings(path, num_samples=1))
    (tmp_path / "follow.sh").write_text(own.FOLLOW.replace("(3 - $at)", "(4 - $at)"))
    with pytest.raises(RunError, match="not the same search"):
        opening.open_run(tmp_path / "run", own.settings(path, num_samples=1), None, False)


def test_what_does_not_repeat_makes_the_run_inexact_and_is_said(tmp_path):
    """Two epochs without a state are trained again; the program counts its starts."""
    path = own.write(tmp_path, "loop")
    source = own.LOOP.replace(', lambda: {"at": at, "epoch": epoch}', "").replace(
        "1000 * seed", "STARTS[0] + 1000 * seed"
    )
    source = source.replace('config["noise"] *', "0.1 *")
    source = source.replace("at, start = ", "STARTS[0] += 1\n    at, start = ")
    path.write_text(source.replace("\n\ndef train", "\nSTARTS = [0]\n\n\ndef train"))
    run = own.search(tmp_path / "run", own.settings(path, scheduler="sha"))
    assert all(trial.ended for trial in run.trials)
    again = [trial for trial in run.trials if trial.repeated]
    assert again
    assert again[0].repeated[0]["committed"] == again[0].epochs[0]
    write_files(run)
    assert "**exact: false.**" in (tmp_path / "run/results.md").read_text()
    assert verify(tmp_path / "run") == []


def test_code_that_was_changed_in_the_run_is_no_good_run(tmp_path):
    run = own.search(tmp_path / "run", own.settings(own.write(tmp_path, "loop"), num_samples=1))
    place = run.identity.code_of(run.folder)
    assert place is not None
    (place / "own_loop.py").write_text(own.LOOP.replace("(3 - at)", "(4 - at)"))
    assert any("its hash is" in problem for problem in verify(tmp_path / "run"))


def test_what_is_recorded_names_no_path_of_this_machine(tmp_path):
    own.search(tmp_path / "run", own.settings(own.write(tmp_path, "program"), num_samples=1))
    for name in ("run.json", "totals.jsonl", "trials.jsonl"):
        assert str(tmp_path) not in (tmp_path / "run" / name).read_text()
    identity = ledger.read_identity(tmp_path / "run")
    assert identity.flags()["space"] == "own_program.py"
    assert durable.read_json(tmp_path / "run/run.json")["training"] == {"command": ["./follow.sh", "{rate}", "{noise}"]}


def edited(path, kind):
    """The user's file as it is after a change."""
    name, text = ("follow.sh", own.FOLLOW) if kind == "program" else (path.name, own.TEXTS[kind])
    text = text.replace("(3 - ", "(4 - ").replace("return nn.functional", "return 2 * nn.functional")
    path.with_name(name).write_text(text)


def test_allowed_to_change_a_run_goes_on_with_the_new_code_and_keeps_both(tmp_path, any_kind, images):
    kind, folder = any_kind, tmp_path / "run"
    path, images = own.write(tmp_path / "user", kind), images(kind)
    before = own.search(folder, own.settings(path, num_samples=2, epochs=2), images)
    edited(path, kind)
    with pytest.raises(RunError, match="go on with --allow-changes") as caught:
        own.search(folder, own.settings(path, num_samples=3, epochs=2), images)
    assert ("+    return 2 *" if kind == "model" else "(4 - ") in "".join(caught.value.details)
    asked = own.settings(path, num_samples=3, epochs=3, allow_changes=True)
    run = own.search(folder, asked, images)
    old, new = before.identity.own_code, run.identity.own_code
    assert {place.name for place in (folder / "code").iterdir() if place.is_dir()} == {old, new}
    assert [run.codes(trial) for trial in run.trials] == [[(1, old), (3, new)]] * 2 + [[(1, new)]]
    assert [trial.epochs[:2] for trial in run.trials[:2]] == [trial.epochs for trial in before.trials]
    write_files(run)
    text = re.sub(" +", " ", (folder / "results.md").read_text())
    assert "**The code was changed**" in text
    assert f"| {old}, then {new} from epoch 3 on | 2: 0000-{run.trials[0].id}" in text
    assert f"| {new} | 1: 0002-{run.trials[2].id} |" in text
    assert verify(folder) == []
    assert (
        own.search(folder, replace(asked, allow_changes=False), images).trials == run.trials
    )  # it is the code of the run now


def test_a_change_in_the_middle_of_all_trials_is_told_too(tmp_path):
    path, folder = own.write(tmp_path / "user", "loop"), tmp_path / "run"
    own.search(folder, own.settings(path, num_samples=2, epochs=2))
    edited(path, "loop")
    run = own.search(folder, own.settings(path, num_samples=2, epochs=3, allow_changes=True))
    assert len({tuple(run.codes(trial)) for trial in run.trials}) == 1
    assert "Several versions of the code trained these trials." in printed.show([run], "md")


def test_the_code_may_change_after_a_start_that_was_killed_before_its_totals(tmp_path):
    path, folder = own.write(tmp_path / "user", "loop"), tmp_path / "run"
    folder.mkdir()
    opening.open_run(folder, own.settings(path, num_samples=1), None, on_gpu=False)
    for name in ("totals.jsonl", "trials.jsonl"):
        (folder / name).unlink()
    edited(path, "loop")
    run = own.search(folder, own.settings(path, num_samples=1, allow_changes=True))
    assert [trial.status for trial in run.trials] == ["finished"]
    assert not run.changes


def test_what_was_trained_by_which_code_is_verified(tmp_path):
    path, folder = own.write(tmp_path / "user", "loop"), tmp_path / "run"
    own.search(folder, own.settings(path, num_samples=1))
    edited(path, "loop")
    run = own.search(folder, own.settings(path, num_samples=2, allow_changes=True))
    assert "Several versions of the code trained these trials." in printed.show([run], "md")
    totals = durable.read_lines(folder / "totals.jsonl")
    old = totals[-1]["until"]["own_code"]
    for until, what in [
        ({"own_code": old, "epochs": {"0": 9}}, "trial 0 had 9 epochs when the code was changed, and has 4"),
        ({"own_code": "0" * 16, "epochs": {}}, "does not say what the code was"),
        ({}, "does not say what the code was"),
    ]:
        (folder / "totals.jsonl").unlink()
        durable.append(folder / "totals.jsonl", *totals[:-1], totals[-1] | {"until": until})
        assert any(what in problem for problem in verify(folder)), verify(folder)
    (folder / "totals.jsonl").unlink()
    durable.append(folder / "totals.jsonl", *totals)
    assert verify(folder) == []
    next((folder / "code" / old).glob("*.py")).unlink()
    assert any("it is missing" in problem for problem in verify(folder))


def test_a_trial_that_two_versions_trained_is_not_reproduced_and_others_are_by_theirs(tmp_path, capsys):
    path, folder = own.write(tmp_path / "user", "loop"), tmp_path / "run"
    own.search(folder, own.settings(path, num_samples=2, epochs=2))
    edited(path, "loop")
    own.search(folder, own.settings(path, num_samples=3, epochs=3, allow_changes=True))
    assert execute(run_search.app, "run_search.py", ["--reproduce", f"{folder}/0"]) == 5
    assert "trained by several versions of the code" in capsys.readouterr().err
    assert execute(run_search.app, "run_search.py", ["--reproduce", f"{folder}/2"]) == 0
    assert ": identical (" in capsys.readouterr().out


def test_a_folder_that_holds_one_reproduced_row_takes_no_other(tmp_path, capsys):
    run = own.search(tmp_path / "run", own.settings(own.write(tmp_path / "user", "loop"), num_samples=2))
    for trial, code, said in ((0, 0, "identical"), (0, 0, "identical"), (1, 5, "another trial: ")):
        words = ["--reproduce", f"{run.folder}/{trial}", "--out", str(tmp_path / "kept")]
        assert execute(run_search.app, "run_search.py", words) == code
        assert said in "".join(capsys.readouterr())


def test_a_trial_that_had_ended_is_reproduced_by_the_code_of_then(tmp_path, capsys):
    path, folder = own.write(tmp_path / "user", "loop"), tmp_path / "run"
    own.search(folder, own.settings(path, num_samples=1))
    edited(path, "loop")
    own.search(folder, own.settings(path, num_samples=2, allow_changes=True))
    assert execute(run_search.app, "run_search.py", ["--reproduce", f"{folder}/0"]) == 0
    assert ": identical (" in capsys.readouterr().out


COUNTED = """
from spaces import Space, choice


def train(config, *, seed, device, state=None):
    for epoch in range(1, config["epochs"] + 1):
        yield {"error": (config["a"] * 10 + seed % 100 / 100) / 100, "other": 1.0}


SPACE = Space(train=train, metric="error", mode="min", form="percent", params={"a": choice(1, 2, 3)}, baseline={"a": 2}, epochs=2)
"""


@pytest.mark.parametrize("seeds", [1, 2])
def test_no_column_that_is_worked_out_has_the_name_that_a_metric_or_parameter_can_have(tmp_path, seeds):
    """A metric may be called error: what a frame has beside the user's own names is refused to the user."""
    (tmp_path / "own_loop.py").write_text(COUNTED)
    asked = own.settings(
        tmp_path / "own_loop.py", algorithm="grid", num_samples=None, seeds=seeds, confirm=1, confirm_seeds=2
    )
    runs = [own.search(tmp_path / name, asked) for name in ("one", "two")]
    where = standing.stand(runs[0])
    frames = [where.trials, where.board, where.fresh, where.confirmed, *across_runs.rank(runs)]
    users = {"a", "error", "other", "fold"}
    worked_out = {str(name) for frame in frames for name in frame.columns} - users
    assert worked_out <= set(names.OF_RESULTS)
    values = where.board.sort_values("a")["error"]
    assert [round(10 * value) for value in values] == [1, 2, 3]
    assert where.confirmed["error"].between(0.09, 0.32).all()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"other": 1.0', '"discordant": 1.0', "no metric can be called discordant"),
        ('"other": 1.0', '"error_low": 1.0', "no metric can be called error_low"),
        ('"other": 1.0', '"a\\ud800": 1.0', "is no text that a file can hold"),
        ('metric="error"', 'metric="done"', "metric 'done' is the name of another column"),
        (
            '"a": choice(1, 2, 3)}, baseline={"a": 2}',
            '"error_low": choice(1, 2)}, baseline={}',
            "column of results",
        ),
    ],
)
def test_a_name_of_a_column_of_results_is_refused(tmp_path, old, new, told):
    (tmp_path / "own_loop.py").write_text(COUNTED.replace(old, new))
    with pytest.raises((SpaceError, AssertionError), match=re.escape(told)):
        run = own.search(tmp_path / "run", own.settings(tmp_path / "own_loop.py", num_samples=1))
        raise AssertionError((run.trials[0].outcome or {}).get("error"))


def test_a_full_disk_that_a_loop_meets_is_no_failure_of_its_configuration(tmp_path):
    path = own.write(tmp_path, "loop")
    path.write_text(
        own.LOOP.replace("        noise =", "        raise OSError(28, 'No space left on device')\n        noise =")
    )
    with pytest.raises(StorageError, match="No space left"):
        own.search(tmp_path / "run", own.settings(path, num_samples=1))
    assert ledger.read(tmp_path / "run").trials[0].outcome is None


def test_a_child_that_a_loop_forks_leaves_the_trial_to_its_parent(tmp_path):
    path = own.write(tmp_path, "loop")
    fork = "        child = os.fork()\n        sys.exit(0) if child == 0 else os.waitpid(child, 0)\n        noise ="
    path.write_text(own.LOOP.replace("import torch", "import os, sys, torch").replace("        noise =", fork))
    run = own.search(tmp_path / "run", own.settings(path, num_samples=1))
    assert [trial.status for trial in run.trials] == ["finished"]


def test_a_helper_with_a_number_called_space_is_part_of_the_code():
    """Only SPACE = Space(...) at the top level of a file has a digest of its own."""
    for text, expected in {"SPACE = {}": 2, "SPACE = Space({})": 1, "def f():\n    SPACE = g({})": 2}.items():
        codes = [Code({"a.py": File(Path("a.py"), text.format(number).encode())}) for number in (1, 2)]
        assert len({code.hash for code in codes}) == expected


def test_own_training_is_not_measured_by_another_metric_and_has_no_suspects(tmp_path, capsys):
    own.search(tmp_path / "run", own.settings(own.write(tmp_path, "loop"), num_samples=1))
    assert execute(analysis_app, "analysis", ["leaderboard", str(tmp_path / "run"), "--metric", "accuracy"]) == 2
    assert "keeps no predictions to measure" in capsys.readouterr().err
    assert execute(analysis_app, "analysis", ["suspects", str(tmp_path / "run")]) == 5
    assert "it trains by itself" in capsys.readouterr().err


def test_of_several_runs_that_of_mixed_code_is_named(tmp_path):
    path = own.write(tmp_path / "user", "loop")
    own.search(tmp_path / "mixed", own.settings(path, num_samples=1))
    edited(path, "loop")
    mixed = own.search(tmp_path / "mixed", own.settings(path, num_samples=2, allow_changes=True))
    alone = own.search(tmp_path / "alone", own.settings(path, num_samples=2))
    for text in (printed.show([mixed, alone], "md"), selection.listed([mixed, alone], "md", Selection(top=9))):
        assert text.count("mixed: Several versions of the code") == 1
        assert "alone: Several" not in text


def test_runs_of_different_data_files_are_not_compared(tmp_path):
    run = own.search(tmp_path / "one", own.settings(own.write(tmp_path, "loop"), num_samples=1))
    runs = [
        replace(run, identity=replace(run.identity, data_files={"/data/text.txt": digest * 64}))
        for digest in ("a", "b")
    ]
    assert len(across_runs.rank([runs[0], runs[0]])) == 1
    assert len(across_runs.rank(runs)) == 2
    assert across_runs.trained_with(runs) == "code or data files"


def test_shares_are_in_per_cent_in_the_ranking_whose_metric_they_are(tmp_path):
    text = COUNTED.replace('"error"', '"accuracy"').replace('mode="min"', 'mode="max"')
    (tmp_path / "own_loop.py").write_text(text)
    share = own.search(tmp_path / "share", own.settings(tmp_path / "own_loop.py", num_samples=1))
    (tmp_path / "own_loop.py").write_text(text.replace('form="percent"', 'form="decimals"'))
    decimals = own.search(tmp_path / "decimals", own.settings(tmp_path / "own_loop.py", num_samples=1))
    found = selection.listed([share, decimals], "md", Selection(columns="accuracy"))
    assert "accuracy %" in found and re.search(r"\| +20\.\d\d \|", found)
    assert re.search(r"\| +0\.2\d* \|", found)


def test_a_line_of_what_repeated_differently_is_damaged_without_its_rows(tmp_path):
    run = own.search(tmp_path / "run", own.settings(own.write(tmp_path, "loop"), num_samples=1))
    durable.append(run.trials[0].folder / ledger.REPEATED, {"epoch": [1]})
    with pytest.raises(RunError, match=r"repeated\.jsonl:1: no epoch with two rows"):
        ledger.read(tmp_path / "run")
    assert any("repeated.jsonl" in str(line) for line in verify(tmp_path / "run"))


def test_what_is_said_of_rungs_holds_after_the_search_has_grown(tmp_path):
    path = own.write(tmp_path, "loop")
    asked = own.settings(path, scheduler="ladder", share=0.5, num_samples=4, epochs=4)
    own.search(tmp_path / "run", asked)
    run = own.search(tmp_path / "run", replace(asked, num_samples=12, epochs=9))
    text = rendered(early_stopping(run))
    assert "each time; together it is more. More was asked for on the way." in text
    assert "may have another winner" in text
    for rung in rung_agreement.rungs(run):
        assert (f"At epoch {rung.epoch} all went on" in text) <= (rung.stopped == 0)
    again = own.search(tmp_path / "fresh", replace(asked, num_samples=12, epochs=9))
    assert "More was asked for" not in rendered(early_stopping(again))


@pytest.mark.parametrize(("rule", "is_told"), [("ladder", True), ("none", False)])
def test_an_estimate_says_that_starts_behind_a_rung_are_not_in_it(tmp_path, rule, is_told):
    asked = own.settings(own.write(tmp_path, "loop"), scheduler=rule, share=0.5, num_samples=12, epochs=9)
    found = estimate.estimate(tmp_path / "run", asked, None, on_gpu=False, slots=2, first_epoch=5.0)
    assert ("behind each rung is not counted" in estimate.time_words(found)) == is_told
