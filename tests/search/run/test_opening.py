"""Starting and continuing a run folder: pytest tests/search/run/test_opening.py"""

import re
import shutil
from dataclasses import replace

import pytest

from search.run import identity, ledger, opening
from spaces import Space, choice, when
from tests import own
from trainables.errors import RunError, SpaceError, UsageError
from trainables.files import durable

UNREADABLE = Space(
    params={"lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1,
    constraint=lambda config: config["lr"] < 0.2 or config["layers"] > 2,
)  # fmt: skip


@pytest.fixture
def start(tmp_path, toy):
    """Open the run in a folder, as a search does."""
    return lambda settings, at=tmp_path: opening.open_run(at, settings, toy, on_gpu=False)


def test_a_new_run_holds_its_identity_its_totals_and_its_plan(start, settings):
    run = start(settings())
    assert run.identity.space_params == {"lr": "choice(0.1, 0.2, 0.3)"}
    assert run.totals.record() == {
        "trials": 3, "epochs": 4, "seeds": 1, "confirm": 0, "confirm_seeds": 0, "keep_best": 0,
        "allowed": [],
    }  # fmt: skip
    assert [(trial.index, trial.source, trial.config["lr"]) for trial in run.trials] == [
        (0, "baseline", 0.2),
        (1, "grid", 0.1),
        (2, "grid", 0.3),
    ]


def test_no_path_of_this_machine_is_written_down(start, settings, tmp_path):
    start(settings())
    texts = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert str(tmp_path) not in texts
    assert str(settings().cache.resolve()) not in texts


def test_opening_it_again_changes_no_byte(start, settings, tmp_path):
    start(settings())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    start(settings())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_start_that_was_killed_before_anything_was_asked_binds_nobody(start, settings, tmp_path):
    start(settings())
    for name in ("trials.jsonl", "totals.jsonl"):
        (tmp_path / name).unlink()
    assert start(settings(seed=7)).identity.seed == 7


@pytest.mark.parametrize("missing", ["trials.jsonl", "totals.jsonl"])
def test_a_start_that_was_killed_half_way_is_completed(start, settings, tmp_path, missing):
    whole = start(settings())
    (tmp_path / missing).unlink()
    assert start(settings()) == whole


FP32 = {"precision": "fp32"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"seed": 1}, "seed: 0 is now 1"),
        ({"fraction": 0.5}, "fraction: 1.0 is now 0.5"),
        ({"algorithm": "random"}, "algorithm: grid is now random"),
        ({"space_name": "other"}, "space: made_up is now other"),
    ],
)
def test_what_makes_it_another_search_is_named_and_refused_even_if_changes_are_allowed(start, settings, change, line):
    start(settings())
    for allow in (False, True):
        with pytest.raises(RunError, match=line) as caught:
            start(settings(allow_changes=allow, **change))
        assert "--name NEW" in str(caught.value)
        assert "--allow-changes" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "line", "part"),
    [
        ({"precision": "bf16"}, "precision: fp32 is now bf16", ("precision", "bf16")),
        ({"cpus_per_trial": 2}, "--cpus-per-trial (threads): 1 is now 2", ("threads", 2)),
        (
            {"scheduler": "sha"},
            "scheduler: ",
            ("scheduler", {"name": "sha", "grace_period": 1, "reduction_factor": 3, "version": 3}),
        ),
    ],
)
def test_a_change_that_can_be_allowed_is_refused_first_then_recorded_and_made(start, settings, change, line, part):
    start(settings(**FP32))
    with pytest.raises(RunError, match=re.escape(line)) as caught:
        start(settings(**{**FP32, **change}))
    assert "--allow-changes" in str(caught.value)
    run = start(settings(**{**FP32, "allow_changes": True, **change}))
    assert [entry.startswith(line) for entry in run.totals.allowed] == [True]
    assert getattr(run.identity, part[0]) == part[1], "it was recorded and not made"
    assert start(settings(**{**FP32, **change})) == run


def record(folder_of_run, **scheduler):
    """Another rule in run.json, as another version of the program left it."""
    identity = durable.read_json(folder_of_run / "run.json")
    durable.write_json(folder_of_run / "run.json", {**identity, "scheduler": scheduler})


@pytest.mark.parametrize("name", ["sha", "epochs:2"])
def test_a_run_keeps_the_version_of_its_rule(start, settings, name):
    run = start(settings(**FP32, scheduler=name))
    old = {key: value for key, value in run.identity.scheduler.items() if key != "version"}
    assert run.identity.scheduler == old | {"version": 3}
    record(run.folder, **old)
    assert start(settings(**FP32, scheduler=name)).identity.scheduler == old
    with pytest.raises(RunError, match="scheduler: "):
        start(settings(**FP32, scheduler=name, reduction_factor=5))
    changed = start(settings(**FP32, scheduler=name, reduction_factor=5, allow_changes=True))
    assert changed.identity.scheduler == old | {"reduction_factor": 5}
    other = start(settings(**FP32, scheduler="median", allow_changes=True))
    assert "version" not in other.identity.scheduler
    new = start(settings(**FP32, scheduler=name, allow_changes=True))
    assert new.identity.scheduler == old | {"version": 3}


@pytest.mark.parametrize(("name", "version"), [("sha", 4), ("asha", 2), ("sha", "2"), ("epochs:2", None)])
def test_a_rule_of_a_later_version_is_not_gone_on_with(start, settings, name, version):
    run = start(settings(**FP32, scheduler=name))
    record(run.folder, **{**run.identity.scheduler, "version": version})
    with pytest.raises(RunError, match=rf"run.json: version {version!r} of .* Update this program"):
        start(settings(**FP32, scheduler=name))


def test_nothing_is_written_for_what_cannot_be(start, settings, tmp_path):
    for wrong in ({"algorithm": "random", "num_samples": 9}, {"space": UNREADABLE}):
        with pytest.raises(SpaceError):
            start(settings(**wrong))
        assert list(tmp_path.iterdir()) == []


def test_the_order_of_parameters_is_part_of_the_space(settings):
    """It decides the order of a grid, and which random number goes to which parameter."""
    params = {"model": "mlp", "lr": choice(0.1, 0.2), "dropout": choice(0.1, 0.2)}
    spaces = [
        Space(params=dict(order), baseline={"lr": 0.1, "dropout": 0.1}, epochs=1)
        for order in (params.items(), reversed(params.items()))
    ]
    assert spaces[0].digest() != spaces[1].digest()


def test_a_plan_whose_points_are_drawn_differently_now_is_refused(start, settings, tmp_path):
    start(settings())
    lines = (tmp_path / "trials.jsonl").read_text().splitlines()
    (tmp_path / "trials.jsonl").write_text("\n".join([lines[0], lines[2], lines[1]]) + "\n")
    with pytest.raises(RunError, match="drawn differently"):
        start(settings())


def test_moved_images_are_the_same_images(start, settings):
    run = start(settings())
    assert start(settings(dataset="folder:elsewhere", dataset_short="elsewhere-1234")) == run


@pytest.mark.parametrize(
    "change", [{"max_concurrent": 1}, {"gpus_per_trial": 0.5}, {"grace_period": 5}, {"reduction_factor": 4}]
)
def test_what_is_free_or_not_read_may_change(start, settings, change):
    assert start(settings()) == start(settings(**change))


def test_a_changed_value_of_the_space_is_another_search(start, settings):
    start(settings())
    other = Space(params={**settings().space.params, "lr": choice(0.1, 0.2, 0.4)}, baseline={"lr": 0.2}, epochs=4)
    with pytest.raises(RunError, match="the space"):
        start(settings(space=other))


def test_other_images_are_another_search(settings, tmp_path, toy):
    opening.open_run(tmp_path, settings(), toy, on_gpu=False)
    with pytest.raises(RunError, match="fingerprint"):
        opening.open_run(tmp_path, settings(), replace(toy, fingerprint="1" * 64), on_gpu=False)


def test_totals_grow_and_what_is_not_said_stays(start, settings):
    start(settings(num_samples=1, epochs=2))
    assert len(start(settings(num_samples=2)).trials) == 2
    run = start(settings(epochs=6))
    assert (len(run.trials), run.totals.epochs, run.trials[0].config["epochs"]) == (2, 6, 6)
    assert start(settings()).totals == run.totals


def test_seeds_and_confirmation_may_grow_later(start, settings):
    assert len(start(settings(num_samples=2)).trials) == 2
    run = start(settings(seeds=2, confirm=1))
    assert [trial.config["lr"] for trial in run.trials] == [0.2, 0.1, 0.2, 0.1]
    run = start(settings(num_samples=3, confirm_seeds=5))
    assert [trial.config["lr"] for trial in run.trials] == [0.2, 0.1, 0.2, 0.1, 0.3, 0.3]
    assert {key: getattr(run.totals, key) for key in ("seeds", "confirm", "confirm_seeds")} == {
        "seeds": 2, "confirm": 1, "confirm_seeds": 5
    }  # fmt: skip
    assert start(settings()) == run


def test_a_run_that_knew_nothing_of_seeds_goes_on(start, settings, tmp_path):
    run = start(settings())
    durable.write(tmp_path / "totals.jsonl", b'{"trials": 3, "epochs": 4, "allowed": []}\n')
    assert start(settings()) == run


@pytest.mark.parametrize("much", [{"seeds": 10**6}, {"confirm": 10**6}, {"confirm": 1, "confirm_seeds": 10**6}])
def test_more_trials_than_can_be_planned_are_refused_before_anything_is_written(start, settings, tmp_path, much):
    with pytest.raises(UsageError, match="at most 100000 are planned"):
        start(settings(**much))
    assert list(tmp_path.iterdir()) == []


def test_confirmation_seeds_need_something_to_confirm(start, settings):
    with pytest.raises(UsageError, match="--confirm K"):
        start(settings(confirm_seeds=2))


def test_another_rule_is_refused_where_every_trial_has_ended_unless_the_search_grows(start, settings):
    """It would decide nothing now, but when the search grows."""
    fp32 = {"precision": "fp32", "scheduler": "ladder", "epochs": 9}
    run = start(settings(**fp32, share=0.8))
    for trial in run.trials:
        trial.folder.mkdir(parents=True)
        durable.append(trial.folder / "epochs.jsonl", {"outcome": "diverged", "epoch": 1})
    before = (run.folder / "totals.jsonl").read_bytes()
    with pytest.raises(RunError, match=r"nothing to decide: .*every trial has ended"):
        start(settings(**fp32, share=0.9, allow_changes=True))
    assert (run.folder / "totals.jsonl").read_bytes() == before
    assert start(settings(**fp32 | {"epochs": 12}, share=0.9, allow_changes=True)).identity.scheduler["share"] == 0.9


@pytest.mark.parametrize(
    "less", [{"num_samples": 1}, {"epochs": 1}, {"seeds": 1}, {"confirm": 0}, {"confirm": 1, "confirm_seeds": 1}]
)
def test_totals_never_shrink(start, settings, less):
    start(settings(num_samples=2, epochs=2, seeds=2, confirm=1, confirm_seeds=2))
    with pytest.raises(RunError, match="cannot shrink"):
        start(settings(**less))


@pytest.mark.parametrize("schedule", ["cosine", "onecycle", choice("constant", "cosine")])
def test_a_schedule_that_is_sized_for_a_length_cannot_be_lengthened(start, settings, schedule):
    params = {**settings().space.params, "schedule": schedule}
    baseline = {"lr": 0.2} if isinstance(schedule, str) else {"lr": 0.2, "schedule": "constant"}
    space = Space(params=params, baseline=baseline, epochs=4)
    start(settings(space=space))
    with pytest.raises(RunError, match="sized for 4 epochs"):
        start(settings(space=space, epochs=5))


def test_a_copied_run_is_a_whole_run(start, settings, tmp_path):
    (tmp_path / "first").mkdir()
    start(settings(), tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    shutil.rmtree(tmp_path / "first")
    run = start(settings(), tmp_path / "second")
    assert all(trial.folder.is_relative_to(tmp_path / "second") for trial in run.trials)


@pytest.mark.parametrize(("schedule", "kept"), [("constant", ["state-000002.pt"]), ("cosine", [])])
def test_states_of_trials_that_will_not_go_on_are_removed(start, settings, tmp_path, schedule, kept):
    """That of a finished one stays only if the trial can be lengthened."""
    params = {**settings().space.params, "schedule": schedule}
    run = start(settings(space=Space(params=params, baseline={"lr": 0.2}, epochs=4)))
    for trial, outcome in zip(run.trials, ("finished", "diverged", "failed"), strict=True):
        trial.folder.mkdir(parents=True)
        durable.write_checked(trial.folder / "state-000001.pt", b"1")
        durable.write_checked(trial.folder / "state-000002.pt", b"2")
        rows = [{"epoch": epoch, "val_accuracy": 0.5} for epoch in range(1, 5)]
        durable.append(trial.folder / "epochs.jsonl", *rows, {"outcome": outcome})
    opening.tidy(ledger.read(tmp_path))
    left = [[path.name for path in durable.states(trial.folder)] for trial in run.trials]
    assert left == [kept, [], []]


def test_a_schedule_of_an_own_loop_costs_it_no_state(tmp_path):
    """Its name may mean anything there, and --epochs may grow."""
    path = own.write(tmp_path / "mine", "loop")
    path.write_text(own.LOOP.replace('"noise": choice', '"schedule": "cosine", "noise": choice'))
    run = own.search(tmp_path / "run", own.settings(path, num_samples=1))
    assert run.trials[0].config["schedule"] == "cosine"
    assert [path.name for path in durable.states(run.trials[0].folder)] == ["state-000004.pt"]


def test_each_of_two_declared_files_of_one_name_is_hashed(tmp_path):
    paths = [tmp_path / folder / "rows.csv" for folder in ("train", "val")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(path.parent.name)
    before = identity.hashes(paths)
    assert list(before) == ["rows.csv", "rows.csv (2)"]
    paths[0].write_text("other content")
    after = identity.hashes(paths)
    assert [before[name] == after[name] for name in before] == [False, True]


def test_weights_of_the_best_and_of_the_baseline_are_kept(start, settings, tmp_path):
    run = start(settings())
    for trial, accuracy in zip(run.trials, (0.1, 0.5, 0.4), strict=True):
        trial.folder.mkdir(parents=True)
        durable.write_checked(trial.folder / "best.safetensors", b"weights")
        rows = [{"epoch": epoch, "val_accuracy": accuracy} for epoch in range(1, 5)]
        durable.append(trial.folder / "epochs.jsonl", *rows, {"outcome": "finished"})
    opening.prune_weights(ledger.read(tmp_path), keep=1)
    assert [(trial.folder / "best.safetensors").exists() for trial in run.trials] == [True, True, False]


def test_tpe_with_a_rung_that_all_wait_for_is_said_to_learn_nothing(start, settings):
    """No trial ends before all points are drawn, so each of them is random."""
    asked = settings(algorithm="tpe", num_samples=3, scheduler="asha", name="a")
    run = start(asked)
    assert not any("tpe" in line for line in opening.remarks(run.identity.scheduler, run.totals, asked))


@pytest.mark.parametrize("scheduler", ["sha", "epochs:2"])
def test_tpe_and_waiting(tmp_path, toy, settings, scheduler):
    asked = settings(algorithm="tpe", num_samples=3, scheduler=scheduler)
    run = opening.open_run(tmp_path, asked, toy, on_gpu=False)
    assert "tpe has nothing to learn from" in opening.remarks(run.identity.scheduler, run.totals, asked)[0]


def test_of_a_search_that_is_over_nothing_is_said_about_trials_to_come(start, settings):
    asked = settings(scheduler="asha", grace_period=9, num_samples=10)
    run = start(asked)
    said = opening.remarks(run.identity.scheduler, run.totals, asked)
    assert said == [
        "no trial will be stopped early: there is no rung before the end of 4 epochs",
        "the grid has 3 points, so no more are tried",
    ]
    assert opening.remarks(run.identity.scheduler, run.totals, asked, is_over=True) == said[1:]


@pytest.mark.parametrize(
    ("cases", "expected"),
    [({"sgd": "constant"}, ["cosine"]), ({"sgd": "constant", "adamw": "constant"}, [])],
)
def test_a_schedule_that_is_left_to_the_default_counts(cases, expected):
    space = Space(
        params={"optimizer": choice("sgd", "adamw"), "schedule": when("optimizer", **cases)},
        baseline={"optimizer": "adamw"}, epochs=2,
    )  # fmt: skip
    assert opening.sized_schedules(space) == expected


def test_weights_that_are_kept_are_five_until_something_is_said_and_then_that(start, settings):
    assert opening.kept(start(settings()).totals) == 5
    assert opening.kept(start(settings(keep_best=2)).totals) == 2
    assert opening.kept(start(settings()).totals) == 2
    with pytest.raises(RunError, match="--keep-best cannot shrink"):
        start(settings(keep_best=1))


def test_what_ray_writes_where_a_run_was_that_moved_is_removed_and_a_run_stays(tmp_path):
    for name in ("moved", "there", "mine"):
        (tmp_path / name / "ray" / "tune").mkdir(parents=True)
    (tmp_path / "there" / "run.json").write_text("{}")
    (tmp_path / "mine" / "notes.txt").write_text("not of a search")
    for name in ("moved", "there", "mine"):
        opening.remove_remains(tmp_path / name)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["mine", "mine/notes.txt", "there", "there/ray", "there/ray/tune", "there/run.json"]
