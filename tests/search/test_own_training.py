"""Own training through everything that a search does but Ray: pytest tests/search/test_own_training.py"""

import json
from dataclasses import replace

import pytest

from analysis.results.files import write_files
from analysis.verify.run_folder import verify
from search.run import ledger, opening
from tests import own
from trainables.errors import RunError
from trainables.files import durable

EVERYTHING = {"seeds": 2, "confirm": 1, "confirm_seeds": 2, "audit": 0.5}


@pytest.fixture(params=own.KINDS)
def kind(request):
    return request.param


def cases():
    """Every rule with both kinds; of a program, which starts hundreds of processes, all but one in the long tests."""
    for scheduler in ("none", "asha", "sha", "median", "epochs:2"):
        yield "loop", scheduler
        yield pytest.param("program", scheduler, marks=() if scheduler == "asha" else pytest.mark.slow)


@pytest.mark.parametrize(("kind", "scheduler"), list(cases()))
def test_every_rule_searches_it_and_the_run_is_good(tmp_path, kind, scheduler):
    more = EVERYTHING if scheduler != "none" else {}
    run = own.search(tmp_path / "run", own.settings(own.write(tmp_path, kind), scheduler=scheduler, **more))
    assert all(trial.status in ("finished", "stopped") for trial in run.trials)
    assert ("stopped" in {trial.status for trial in run.trials}) == (scheduler != "none")
    write_files(run)
    assert verify(tmp_path / "run") == []


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
    assert "95 % interval" not in (tmp_path / "run/results.md").read_text()
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
