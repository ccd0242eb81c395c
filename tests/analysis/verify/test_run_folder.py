"""Every kind of damage to a run is named, and a good run has none: pytest tests/analysis/verify/test_run_folder.py"""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.frame import dataframe
from analysis.results import files, page
from analysis.results.rows import as_json, records
from analysis.verify import run_folder
from analysis.verify.evidence import fits
from search import records as recorded
from search.records import Identity
from search.run import confirmation, identity, ledger, lock, opening
from search.run.confirmation import is_complete
from search.run.decisions import Decisions
from search.settings import Settings
from search.turns import Turns
from spaces import Space, loguniform
from trainables.files import durable
from trainables.objective import ACCURACY
from trainables.training.definition import Training
from trainables.trial import checkpointing, timing

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "optimizer": "adamw", "schedule": "constant", "batch_size": 20,
            "augment": "none", "lr": loguniform(1e-3, 1e-1)},
    baseline={"lr": 1e-2}, epochs=4,
)  # fmt: skip
ASKED = {
    "space_name": "toy", "space": SPACE, "dataset": "toy", "dataset_short": "toy", "fallback": None, "cache": Path("none"),
    "algorithm": "random", "scheduler": "asha", "num_samples": 5, "precision": "fp32",
}  # fmt: skip


@pytest.fixture(scope="module")
def images(toy):
    """Labels that are partly chance, so that the accuracy of an epoch is neither 0 nor 1."""
    dice = np.random.default_rng(0)
    labels = np.where(dice.random(40) < 0.4, dice.integers(4, size=40), toy.val.labels)
    return replace(toy, val=replace(toy.val, labels=labels))


def search(path: Path, images, **more) -> ledger.Run:
    """What run_search.py does, without Ray: trials one after the other, with early stopping, states after every epoch."""
    durable.make_folder(path)
    run = opening.open_run(path, Settings(**{**ASKED, **more}), images, on_gpu=False)
    decisions = Decisions(path / "decisions.jsonl", run.identity.scheduler, run.totals.epochs, run.decisions, ACCURACY)
    for planned in run.trials:
        if not planned.ended:
            rows = checkpointing.run(
                planned.folder, Training(planned.config, images, seed=0, device="cpu", precision="fp32")
            )
            with contextlib.closing(rows):
                any(decisions.stops(planned.index, row["epoch"], row["val_accuracy"]) for row in rows)
    run = ledger.read(path)
    opening.tidy(run)
    opening.prune_weights(run, 1)
    return ledger.read(path)


def search_in_turns(path: Path, images, **more) -> ledger.Run:
    """The same with synchronous halving."""
    durable.make_folder(path)
    run = opening.open_run(path, Settings(**{**ASKED, "scheduler": "sha", **more}), images, on_gpu=False)
    turns = Turns(run)
    while turn := turns.take():
        one = run.trials[turn.trial]
        training = Training(one.config, images, seed=0, device="cpu", precision="fp32")
        assert [*checkpointing.run(one.folder, training, until=turn.until)]
        turns.end(turn.trial)
    return ledger.read(path)


def search_with_seeds(path: Path, images) -> ledger.Run:
    """Two seeds of each configuration, then a confirmation; results as they are written in the end."""
    more = {"scheduler": "none", "num_samples": 3, "seeds": 2, "confirm": 1, "confirm_seeds": 2}
    durable.make_folder(path)
    run = opening.open_run(path, Settings(**{**ASKED, **more}), images, on_gpu=False)
    while waiting := [one for one in run.trials if not one.ended]:
        for one in waiting:
            assert [
                *checkpointing.run(
                    one.folder, Training(one.config, images, seed=one.seed, device="cpu", precision="fp32")
                )
            ]
        run = confirmation.extend(ledger.read(path))
    files.write_results(path)
    return run


def derive(run: ledger.Run) -> None:
    """The test of the winner and results.json."""
    ranked = page.rank(run)
    best = run.trials[int(ranked["index"][0])]
    weights = durable.read_json(best.folder / "best.json")
    entry = {"weights": weights["sha256"], "trial": best.index, "epoch": weights["epoch"]}
    durable.append(run.folder / "tests.jsonl", {**entry, "state": "intent"})
    durable.append(run.folder / "tests.jsonl", {**entry, "state": "done", "metrics": {"accuracy": 0.5}})
    rows = as_json(records(ranked, dataframe.varied(ranked, [run])))
    durable.write(run.folder / "results.json", rows.encode())


@pytest.fixture(scope="module")
def good(tmp_path_factory, images):
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpointing, "SAVE_EVERY", 0.0)
        run = search(tmp_path_factory.mktemp("good") / "toy", images)
        derive(run)
    assert {"stopped", "finished"} == {trial.status for trial in run.trials}
    assert is_complete(ledger.read(run.folder))
    return run.folder


def test_a_run_with_seeds_and_confirmation_is_sound_and_its_ranks_are_held(tmp_path, images):
    torch.set_num_threads(1)
    run = search_with_seeds(tmp_path / "toy", images)
    assert [one.source for one in run.trials].count("confirm") >= 2
    assert run_folder.verify(run.folder) == []
    path = run.folder / "results.json"
    rows = json.loads(path.read_text())
    assert sorted({row["rank"] for row in rows} - {None}) == [1, 2, 3]
    path.write_text(path.read_text().replace('"rank": 2', '"rank": 3'))
    assert any("rank is 3, not 2" in problem for problem in run_folder.verify(run.folder))


@pytest.fixture
def run(good, tmp_path):
    shutil.copytree(good, tmp_path / "toy")
    return tmp_path / "toy"


@pytest.fixture
def winner(run):
    """The folder of the best trial."""
    return run / ledger.read(run).trials[durable.read_lines(run / "tests.jsonl")[0]["trial"]].folder


@pytest.fixture
def stopped(run):
    """The folder of a trial that was stopped at the first rung."""
    return next(trial.folder for trial in ledger.read(run).trials if trial.stopped_at == 1)


GONE = "gone"  # instead of a value: the key is removed


def edit(path: Path, number: int, **changes) -> None:
    """Change keys of one line (or of the object) of a file."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    record = json.loads(lines[number - 1]) | changes
    lines[number - 1] = json.dumps({key: value for key, value in record.items() if value != GONE})
    path.write_text("\n".join(lines) + "\n")


def remove_line(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: number - 1] + lines[number:]))


def add_line(path: Path, record: dict) -> None:
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def assert_violations(run: Path, where: str, what: str) -> list[str]:
    """All that is found; the first must be this one."""
    found = run_folder.verify(run)
    assert found, "nothing was noticed"
    assert re.match(where, found[0]), found
    assert what in found[0], found
    return found


def test_a_good_run_has_no_violation(run):
    assert run_folder.verify(run) == []


@pytest.mark.parametrize(
    "names", [["results.*", "plots"], ["ray", "local.json"], ["trials/*/state-*"], ["trials/*/best.*"]]
)
def test_what_the_docs_allow_to_delete_leaves_a_sound_run(run, winner, names):
    """The table of docs/time-and-disk.md; of weights those of the winner stay."""
    page = (Path(__file__).parents[3] / "docs/time-and-disk.md").read_text("utf-8")
    for name in ("results.md", "plots/curves.svg", "ray/output.log", "local.json"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).touch()
    for name in names:
        assert f"`{name}" in page
        found = list(run.glob(name))
        assert found
        for path in found:
            if not path.name.startswith("best.") or path.parent != winner:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run_folder.verify(run) == []


def test_a_copy_of_only_the_documented_files_is_a_whole_run(run):
    """No lock, no scratch of Ray, no timing, nothing derived."""
    for name in ("results.json", "decisions.jsonl.bak", "run.lock", "ray"):
        (run / name).unlink(missing_ok=True)
    for path in run.glob("trials/*/timing.jsonl"):
        path.unlink()
    assert run_folder.verify(run) == []


def test_files_that_are_none_of_ours_are_no_violation(run):
    (run / "ray/tune").mkdir(parents=True)
    (run / "ray/tune/.x.tmp").touch()
    (run / "notes.md").write_text("mine")
    (run / "trials").joinpath(ledger.read(run).trials[0].folder.name, "events.out.tfevents.1").touch()
    assert run_folder.verify(run) == []


def test_what_is_written_has_the_shape_that_is_checked(images):
    record = identity.describe(Settings(**ASKED), images, on_gpu=False).record()
    assert record.keys() == Identity.shape(record).keys() >= Identity.shape().keys()
    assert all(fits(record[key], types) for key, types in Identity.shape(record).items())


def test_the_check_loads_neither_torch_nor_ray_nor_pandas():
    code = (
        "import sys, analysis.verify.run_folder\n"
        "print([x for x in ('torch', 'ray', 'pandas', 'matplotlib') if x in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("example", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_example_runs_are_good(example):
    assert run_folder.verify(example) == []


@pytest.mark.parametrize("epochs", [0, 1, 2, 3])
def test_a_search_that_was_killed_in_the_middle_is_a_good_run(tmp_path, images, monkeypatch, epochs):
    monkeypatch.setattr(checkpointing, "SAVE_EVERY", 0.0)
    durable.make_folder(tmp_path / "toy")
    run = opening.open_run(tmp_path / "toy", Settings(**ASKED), images, on_gpu=False)
    first = run.trials[0]
    rows = checkpointing.run(first.folder, Training(first.config, images, seed=0, device="cpu", precision="fp32"))
    decisions = Decisions(tmp_path / "toy/decisions.jsonl", run.identity.scheduler, 4, [], ACCURACY)
    for _ in range(epochs):
        row = next(rows)
        decisions.stops(0, row["epoch"], row["val_accuracy"])
    rows.close()
    with (run.folder / "trials.jsonl").open("ab") as file:
        file.write(b'{"index": 5, "id"')  # a torn line was never committed
    assert run_folder.verify(run.folder) == []


def test_failed_retried_and_lengthened_trials_are_good(run, images, winner):
    search(run, images, num_samples=6)
    failing = ledger.read(run).trials[5].folder / "epochs.jsonl"
    decisions = [line for line in durable.read_lines(run / "decisions.jsonl") if line["trial"] != 5]
    (run / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in decisions))
    shutil.rmtree(failing.parent)
    failing.parent.mkdir()
    durable.append(failing, {"outcome": "failed", "error": "RuntimeError: x", "where": "x.py:1"})
    assert run_folder.verify(run) == []
    durable.append(failing, {"outcome": "retried"})
    assert run_folder.verify(run) == []
    search(run, images, epochs=6, num_samples=6)
    lines = (winner / "epochs.jsonl").read_text().splitlines()
    assert [number for number, line in enumerate(lines) if "finished" in line] == [4, 7]
    assert run_folder.verify(run) == []


def test_a_run_that_grew_and_was_killed_at_once_is_good(run):
    add_line(run / "totals.jsonl", {"trials": 9, "epochs": 12, "seeds": 1, "allowed": []})
    assert run_folder.verify(run) == []


def test_what_a_writer_may_be_changing_is_not_looked_at(run, winner):
    (winner / ".best.json.1.tmp").touch()
    (winner / "best.safetensors").write_bytes(b"half")
    with lock.hold(run):
        assert run_folder.verify(run) == []
    assert len(run_folder.verify(run)) == 2


def test_a_folder_that_is_no_run_is_one_violation(tmp_path):
    assert assert_violations(tmp_path / "nothing", "run.json", "no run") == ["run.json: missing, so this is no run"]


@pytest.mark.parametrize("key", sorted(Identity.shape()))
def test_a_key_missing_from_run_json_is_named(run, key):
    edit(run / "run.json", 1, **{key: GONE})
    assert_violations(run, "run.json:1", f"{key} is missing")


@pytest.mark.parametrize(
    ("name", "number", "changes", "what"),
    [
        ("run.json", 1, {"schema": 3}, "schema is 3"),
        ("run.json", 1, {"torch": 2}, "torch is 2"),
        ("run.json", 1, {"git": 7}, "git is 7"),
        ("run.json", 1, {"census": []}, "census is []"),
        ("run.json", 1, {"max_params": "9"}, "max_params is '9'"),
        ("totals.jsonl", 1, {"keep_best": None}, "keep_best is None"),
        ("run.json", 1, {"sizes": {"train": 1, "val": "40", "test": 1}}, "val is '40'"),
        ("run.json", 1, {"scheduler": {"name": "asha"}}, "grace_period is missing"),
        ("totals.jsonl", 1, {"epochs": "4"}, "epochs is '4'"),
        ("trials.jsonl", 3, {"index": 7}, "index is 7, not 2"),
        ("trials.jsonl", 3, {"id": "abcdef"}, "id is 'abcdef'"),
        ("trials.jsonl", 3, {"seed": 1}, "id is"),
        ("trials.jsonl", 3, {"source": GONE}, "source is missing"),
        ("decisions.jsonl", 2, {"sequence": 3}, "sequence is 3, not 2"),
        ("decisions.jsonl", 2, {"trial": 77}, "trial 77 is not planned"),
        ("decisions.jsonl", 2, {"epoch": 2}, "but the ledger says"),
        ("decisions.jsonl", 1, {"value": 0.125}, "value is 0.125, but the ledger says"),
        ("decisions.jsonl", 1, {"cutoff": 0.5}, "replayed"),
        ("decisions.jsonl", 1, {"decision": "stop"}, "stopped the trial"),
        ("decisions.jsonl", 1, {"decision": "perhaps"}, "replayed"),
        ("tests.jsonl", 2, {"state": "finished"}, "neither an intent nor metrics"),
        ("tests.jsonl", 2, {"weights": "0" * 64}, "done without an intent"),
        ("tests.jsonl", 1, {"epoch": 9}, "has no epoch 9"),
        ("tests.jsonl", 1, {"weights": "0" * 64}, "are others"),
    ],
)
def test_a_changed_record_is_named_by_file_and_line(run, name, number, changes, what):
    edit(run / name, number, **changes)
    where = "trials/.*/epochs.jsonl:2" if what == "stopped the trial" else f"{name}:{number}"
    assert_violations(run, where, what)


@pytest.mark.parametrize("name", ["totals.jsonl", "trials.jsonl", "decisions.jsonl", "tests.jsonl"])
@pytest.mark.parametrize("bad", ["{", "[]", '{"epochs": NaN}', "\x00"])
def test_a_damaged_line_is_named_in_every_ledger(run, name, bad):
    lines = (run / name).read_text().splitlines()
    (run / name).write_text("\n".join([bad, *lines]) + "\n")
    assert_violations(run, f"{name}:1", "")


def test_a_total_that_shrinks_is_named(run):
    add_line(run / "totals.jsonl", {"trials": 5, "epochs": 3, "seeds": 1, "allowed": []})
    assert_violations(run, "totals.jsonl:2", "epochs shrinks from 4 to 3")


def test_a_run_of_which_nothing_was_asked_is_named(run):
    (run / "totals.jsonl").write_text("")
    assert_violations(run, "totals.jsonl:1", "no line")


def test_a_trial_planned_twice_is_named(run):
    plan = durable.read_lines(run / "trials.jsonl")
    add_line(run / "totals.jsonl", {"trials": 6, "epochs": 4, "seeds": 1, "allowed": []})
    add_line(run / "trials.jsonl", plan[2] | {"index": 5})
    assert_violations(run, "trials.jsonl:6", "the same configuration and seed as trials.jsonl:3")


def test_more_trials_than_were_asked_for_are_named(run):
    edit(run / "totals.jsonl", 1, trials=4)
    assert_violations(run, "trials.jsonl:5", "5 trials where 4 were asked for")


def test_a_folder_of_no_planned_trial_is_named(run):
    (run / "trials/0007-abcdef").mkdir()
    assert_violations(run, "trials/0007-abcdef", "of no planned trial")


@pytest.mark.parametrize(
    ("number", "changes", "what"),
    [
        (2, {"epoch": 3}, "epoch 3 where 2 comes next"),
        (2, {"epoch": "2"}, "epoch is '2'"),
        (3, {"val_loss": GONE}, "val_loss is missing"),
        (3, {"train_loss": "low"}, "train_loss is 'low'"),
        (2, {"val_accuracy": 1.5}, "val_accuracy is 1.5, not from 0 to 1"),
        (2, {"train_accuracy": -0.5}, "train_accuracy is -0.5"),
        (2, {"val_accuracy": 0.512345}, "is not a fraction of 40 images"),
        (2, {"seconds": 1.5}, "seconds does not belong"),
        (5, {"outcome": "won"}, "outcome is 'won'"),
    ],
)
def test_a_changed_row_is_named_by_file_and_line(run, winner, number, changes, what):
    edit(winner / "epochs.jsonl", number, **changes)
    assert_violations(run, rf"trials/{winner.name}/epochs\.jsonl:{number}", what)


def test_a_missing_row_is_named(run, winner):
    remove_line(winner / "epochs.jsonl", 2)
    assert_violations(run, rf"trials/{winner.name}/epochs\.jsonl:2", "epoch 3 where 2 comes next")


def test_a_row_twice_is_named(run, winner):
    rows = (winner / "epochs.jsonl").read_text().splitlines()
    (winner / "epochs.jsonl").write_text("\n".join([*rows[:2], *rows[1:]]) + "\n")
    assert_violations(run, rf"trials/{winner.name}/epochs\.jsonl:3", "epoch 2 where 3 comes next")


@pytest.mark.parametrize("last", [{"outcome": "finished"}, {"outcome": "diverged", "epoch": 4}])
def test_a_line_after_the_last_outcome_is_named(run, winner, last):
    add_line(winner / "epochs.jsonl", last)
    assert_violations(run, rf"trials/{winner.name}/epochs\.jsonl:6", "a line after the trial finished")


def test_an_epoch_after_a_divergence_is_named(run, winner):
    rows = durable.read_lines(winner / "epochs.jsonl")
    outcome = {"outcome": "diverged", "epoch": 3}
    (winner / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows[:2], outcome, *rows[2:]]))
    assert_violations(run, rf"trials/{winner.name}/epochs\.jsonl:4", "a line after the trial diverged")


def test_a_retry_of_what_had_not_failed_is_named(run, winner, stopped):
    add_line(stopped / "epochs.jsonl", {"outcome": "retried"})
    assert_violations(run, rf"trials/{stopped.name}/epochs\.jsonl:2", "retried, but it had not failed")


def test_a_divergence_in_an_epoch_that_never_began_is_named(run, stopped):
    add_line(stopped / "epochs.jsonl", {"outcome": "diverged", "epoch": 9})
    assert_violations(run, rf"trials/{stopped.name}/epochs\.jsonl:\d", "diverged in epoch 9")


def test_a_trial_that_finished_too_early_is_named(run, winner):
    remove_line(winner / "epochs.jsonl", 4)
    assert_violations(
        run, rf"trials/{winner.name}/epochs\.jsonl:4", "finished after 3 epochs, which were never asked for"
    )


def test_more_epochs_than_were_asked_for_are_named(run, winner):
    row = durable.read_lines(winner / "epochs.jsonl")[3]
    remove_line(winner / "epochs.jsonl", 5)
    add_line(winner / "epochs.jsonl", row | {"epoch": 5})
    assert_violations(run, rf"trials/{winner.name}/epochs\.jsonl:5", "5 epochs where 4 were asked for")


def test_an_epoch_after_a_stop_is_named(run, stopped):
    rows = durable.read_lines(stopped / "epochs.jsonl")
    add_line(stopped / "epochs.jsonl", rows[-1] | {"epoch": len(rows) + 1})
    assert_violations(run, rf"trials/{stopped.name}/epochs\.jsonl:{len(rows) + 1}", "stopped the trial")


def test_an_epoch_after_a_rung_without_a_decision_is_named(run):
    remove_line(run / "decisions.jsonl", len(durable.read_lines(run / "decisions.jsonl")))
    assert_violations(run, r"trials/.*/epochs\.jsonl:4", "an epoch after rung 3, where nothing was decided")


def test_a_decision_for_a_rung_that_was_not_reached_is_named(run, stopped):
    index, decisions = int(stopped.name[:4]), durable.read_lines(run / "decisions.jsonl")
    add_line(run / "decisions.jsonl", decisions[-1] | {"sequence": len(decisions) + 1, "trial": index, "epoch": 3})
    assert_violations(run, "decisions.jsonl", "has no epoch 3")


def test_a_decision_taken_twice_is_named(run):
    decisions = durable.read_lines(run / "decisions.jsonl")
    add_line(run / "decisions.jsonl", decisions[0] | {"sequence": len(decisions) + 1})
    assert_violations(run, rf"decisions.jsonl:{len(decisions) + 1}", "was decided about at epoch 1 before")


def test_a_decision_between_two_rungs_is_named(run, winner):
    decisions, rows = durable.read_lines(run / "decisions.jsonl"), durable.read_lines(winner / "epochs.jsonl")
    extra = {"sequence": len(decisions) + 1, "trial": int(winner.name[:4]), "epoch": 2, "cutoff": None}
    add_line(run / "decisions.jsonl", extra | {"value": rows[1]["val_accuracy"], "decision": "continue"})
    assert_violations(run, rf"decisions.jsonl:{len(decisions) + 1}", "epoch 2 is not a rung of this search")


def test_decisions_under_a_scheduler_that_was_allowed_to_change_are_not_replayed(run):
    changed = {"scheduler": {"name": "asha", "grace_period": 1, "reduction_factor": 2}}
    totals = {"trials": 5, "epochs": 4, "seeds": 1, "allowed": ["scheduler: ..."], "identity": changed}
    add_line(run / "totals.jsonl", totals)
    remove_line(run / "decisions.jsonl", len(durable.read_lines(run / "decisions.jsonl")))
    assert run_folder.verify(run) == []
    edit(run / "decisions.jsonl", 1, value=0.125)
    assert_violations(run, "decisions.jsonl:1", "but the ledger says")


def test_decisions_of_a_search_without_early_stopping_are_named(run):
    edit(run / "run.json", 1, scheduler={"name": "none"})
    assert_violations(run, "decisions.jsonl:1", "epoch 1 is not a rung of this search")


def allowed(run: Path, **changed) -> None:
    """A continuation that changed these parts of the identity."""
    last = durable.read_lines(run / "totals.jsonl")[-1]
    add_line(run / "totals.jsonl", last | {"allowed": [f"{key}: ..." for key in changed], "identity": changed})


@pytest.mark.parametrize("key", sorted(set(recorded.ALLOWABLE) - {"scheduler", "schema", "own_code"}))
def test_any_other_change_that_was_allowed_leaves_the_decisions_checked(run, key):
    allowed(run, **{key: 2 if key == "threads" else "bf16"})
    assert run_folder.verify(run) == []
    edit(run / "decisions.jsonl", 1, cutoff=0.5)
    assert_violations(run, "decisions.jsonl:1", "replayed")


@pytest.mark.parametrize("key", sorted(set(recorded.COMPARED) - set(recorded.ALLOWABLE)))
def test_a_change_that_can_never_be_allowed_is_named(run, key):
    allowed(run, **{key: "other"})
    assert_violations(run, "totals.jsonl:2", f"{key} may not change")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ({"identity": "scheduler"}, "identity is 'scheduler'"),
        ({"identity": {"threads": 2}, "allowed": []}, "threads changed, but no change was allowed"),
        ({"identity": {}, "allowed": ["threads: 1 is now 2"]}, "allowed without a change of identity"),
        ({"identity": {"scheduler": {"name": "asha"}}, "allowed": ["scheduler"]}, "grace_period is missing"),
        ({"identity": {"scheduler": "asha"}, "allowed": ["scheduler"]}, "scheduler is 'asha'"),
        ({"identity": {"threads": "2"}, "allowed": ["threads"]}, "threads is '2'"),
    ],
)
def test_an_allowance_that_says_nothing_or_too_much_is_named(run, line, what):
    add_line(run / "totals.jsonl", durable.read_lines(run / "totals.jsonl")[-1] | line)
    assert_violations(run, "totals.jsonl:2", what)


def test_what_the_command_writes_when_a_change_is_allowed_is_good(run, images):
    search(run, images, scheduler="none", num_samples=7, allow_changes=True)
    last = durable.read_lines(run / "totals.jsonl")[-1]
    assert last["identity"] == {"scheduler": {"name": "none"}}
    assert [words.startswith("scheduler: ") for words in last["allowed"]] == [True]
    assert run_folder.verify(run) == []
    search(run, images, scheduler="none", num_samples=8)
    assert ledger.read(run).identity.scheduler == {"name": "none"}
    assert run_folder.verify(run) == []


def test_a_run_whose_scheduler_changed_keeps_the_other_promises(run, winner):
    allowed(run, scheduler={"name": "none"})
    remove_line(winner / "epochs.jsonl", 2)
    assert_violations(run, rf"trials/{winner.name}/epochs\.jsonl:2", "epoch 3 where 2 comes next")


@pytest.fixture
def halved(tmp_path, images):
    """A run with synchronous halving that was asked for more trials when it was complete."""
    search_in_turns(tmp_path / "sha", images, num_samples=4)
    run = search_in_turns(tmp_path / "sha", images, num_samples=9)
    assert is_complete(run)
    return run.folder


def test_a_run_with_synchronous_halving_is_good(halved):
    assert len({line["cutoff"] for line in durable.read_lines(halved / "decisions.jsonl") if line["epoch"] == 1}) == 2
    assert run_folder.verify(halved) == []


@pytest.mark.parametrize("changes", [{"cutoff": 0.0}, {"decision": "perhaps"}])
def test_a_changed_decision_of_a_whole_rung_is_named(halved, changes):
    edit(halved / "decisions.jsonl", 3, **changes)
    assert_violations(halved, r"decisions\.jsonl:\d", "replayed")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["state-000004.pt", "best.safetensors"])
def test_a_flipped_bit_is_named(run, winner, name):
    flip(winner / name)
    assert_violations(run, f"trials/{winner.name}/{name}", "its sha256 is not that of its sidecar")


@pytest.mark.parametrize("name", ["state-000004.pt", "best.safetensors"])
def test_a_sidecar_without_its_file_is_named(run, winner, name):
    (winner / name).unlink()
    assert_violations(run, f"trials/{winner.name}/{name}", "cannot be read: No such file")


def test_a_state_without_its_sidecar_is_named(run, winner):
    (winner / "state-000004.json").unlink()
    assert_violations(run, f"trials/{winner.name}/state-000004.pt", "no sidecar")


def test_the_winner_without_the_sidecar_of_its_weights_is_named(run, winner):
    (winner / "best.json").unlink()
    assert_violations(run, f"trials/{winner.name}/best.safetensors", "no sidecar, although it is the winner's")


@pytest.mark.parametrize(
    ("name", "changes", "what"),
    [
        ("state-000004.json", {"trial": "abcdef"}, "of trial abcdef"),
        ("state-000004.json", {"epoch": 3}, "of epoch 3"),
        ("state-000004.json", {"sha256": GONE}, "sha256 is missing"),
        ("best.json", {"epoch": 9}, "of epoch 9, but the best is"),
        ("best.json", {"val_accuracy": 0.5}, "val_accuracy 0.5 is not the ledger's"),
        ("best.json", {"sha256": 5}, "sha256 is 5"),
    ],
)
def test_a_changed_sidecar_is_named(run, winner, name, changes, what):
    edit(winner / name, 1, **changes)
    assert_violations(run, f"trials/{winner.name}/{name}:1", what)


def test_a_state_from_the_future_is_named(run, stopped):
    rows = len(durable.read_lines(stopped / "epochs.jsonl"))
    durable.write_checked(stopped / "state-000009.pt", b"x", epoch=9, trial=stopped.name[5:])
    assert_violations(
        run, f"trials/{stopped.name}/state-000009.json:1", f"of epoch 9, where the ledger has {rows} epochs"
    )


def change_predictions(winner: Path, **changes) -> None:
    with np.load(winner / "val.npz") as arrays:
        np.savez_compressed(winner / "val.npz", **{**arrays, **changes})


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"epoch": 77}, "of epoch 77"),
        ({"correct": np.zeros(40, bool)}, "0.0 of them are right"),
        ({"correct": np.ones(39, bool)}, "each of 40 images"),
        ({"predicted": np.ones(41, np.uint8)}, "each of 40 images"),
        ({"correct": np.ones(40)}, "not a true or false"),
    ],
)
def test_predictions_that_do_not_agree_with_the_best_row_are_named(run, winner, changes, what):
    change_predictions(winner, **changes)
    assert_violations(run, f"trials/{winner.name}/val.npz", what)


def test_predictions_of_an_epoch_that_is_known_to_have_come_out_differently_are_no_damage(run, winner):
    """On a GPU, after a kill: the committed row stands, and the weights and predictions are of the second time."""
    change_predictions(winner, correct=np.zeros(40, bool))
    best = durable.read_json(winner / "best.json")["epoch"]
    timing.note_repeated(winner, {"epoch": best + 1})
    assert_violations(run, f"trials/{winner.name}/val.npz", "0.0 of them are right")
    timing.note_repeated(winner, {"epoch": best})
    assert run_folder.verify(run) == []


def test_missing_predictions_are_named(run, winner):
    (winner / "val.npz").unlink()
    assert_violations(run, f"trials/{winner.name}/val.npz", "missing")


def test_unreadable_predictions_are_named(run, winner):
    (winner / "val.npz").write_bytes((winner / "val.npz").read_bytes()[:-30])
    assert_violations(run, f"trials/{winner.name}/val.npz", "cannot be read")


def test_a_test_without_an_intent_is_named(run):
    remove_line(run / "tests.jsonl", 1)
    assert_violations(run, "tests.jsonl:1", "done without an intent")


def change_result(run: Path, number: int, **changes) -> None:
    rows = json.loads((run / "results.json").read_text())
    rows[number] |= changes
    (run / "results.json").write_text(as_json(rows))


@pytest.mark.parametrize(
    ("number", "changes", "what"),
    [
        (0, {"val_accuracy": 0.5}, "are not the ledger's"),
        (0, {"best_epoch": 77}, "are not the ledger's"),
        (1, {"rank": 1}, "rank is 1, not 2"),
        (0, {"epochs": 9}, "9 epochs where the ledger has 4"),
        (0, {"status": "diverged"}, "diverged after 4 epochs"),
        (0, {"id": "abcdef"}, "with id abcdef is not planned"),
        (0, {"index": "0"}, "index is '0'"),
    ],
)
def test_results_that_the_ledger_does_not_say_are_named(run, number, changes, what):
    change_result(run, number, **changes)
    assert_violations(run, f"results.json:{number + 2}", what)


@pytest.mark.parametrize("text", ["{", "{}", "[1]", ""])
def test_results_that_are_no_table_are_named(run, text):
    (run / "results.json").write_text(text)
    assert_violations(run, "results.json:", "")


def test_results_of_an_earlier_moment_are_no_violation(run, winner):
    value = durable.read_lines(winner / "epochs.jsonl")[0]["val_accuracy"]
    change_result(run, 0, status="running", epochs=1, best_epoch=1, val_accuracy=value)
    assert run_folder.verify(run) == []


@pytest.mark.parametrize("place", [".", "trials/*", "plots"])
def test_a_temporary_file_that_was_left_behind_is_named(run, place):
    (run / "plots").mkdir()
    where = next(run.glob(place)) if "*" in place else run / place
    (where / ".results.md.77.tmp").touch()
    assert_violations(run, r".*\.results\.md\.77\.tmp", "left behind")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.data())
def test_whatever_the_files_hold_the_check_ends_with_a_list(run, data):
    """A byte of one file becomes another, or some are cut out."""
    path = data.draw(st.sampled_from(sorted(p for p in run.rglob("*") if p.suffix in (".json", ".jsonl", ".npz"))))
    before = path.read_bytes()
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(start, min(len(before), start + 3)))
    path.write_bytes(before[:start] + data.draw(st.binary(max_size=3)) + before[end:])
    try:
        assert all(isinstance(problem, str) for problem in run_folder.verify(run))
    finally:
        path.write_bytes(before)


def test_results_that_are_wrong_alone_are_written_again_and_a_ledger_is_restored():
    from analysis.verify.run_folder import remedy

    assert remedy("a run", ["results.json:2: rank is 3, not 1"]).endswith(
        "python -m analysis leaderboard 'a run' writes the results again."
    )
    assert remedy("t", ["results.json:2: x", "totals.jsonl:1: y"]) == "Restore the folder from a copy."
    assert remedy("t", ["code/.a.7.tmp: left behind by a killed process"]).startswith("Nothing is lost")


def test_a_test_of_the_best_epoch_before_a_trial_was_lengthened_is_good(run, winner):
    """Its weights were others, and they were the best then."""
    rows = durable.read_lines(winner / "epochs.jsonl")
    tested = durable.read_lines(run / "tests.jsonl")[-1]
    totals = durable.read_lines(run / "totals.jsonl")[-1]
    add_line(run / "totals.jsonl", {**totals, "epochs": totals["epochs"] + 1})
    better = {**rows[-2], "epoch": rows[-2]["epoch"] + 1, "val_accuracy": 1.0}
    with (winner / "epochs.jsonl").open("a") as file:
        file.write(json.dumps(better) + "\n" + json.dumps({"outcome": "finished"}) + "\n")
    durable.write_checked(winner / "best.safetensors", b"other weights", epoch=better["epoch"], val_accuracy=1.0)
    change_predictions(winner, epoch=better["epoch"], correct=np.ones(40, bool))
    found = run_folder.verify(run)
    assert not any(problem.startswith("tests.jsonl") for problem in found), found
    edit(run / "tests.jsonl", 1, epoch=1 if tested["epoch"] != 1 else 2)
    assert any(problem.startswith("tests.jsonl:1: the weights of trial") for problem in run_folder.verify(run))
