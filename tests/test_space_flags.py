"""The flags about spaces and points, in this process and without training: pytest tests/test_space_flags.py"""

import json
import re
import time
from contextlib import nullcontext

import pytest
from rich.console import Console

import run_search
import spaces
from search import attempts
from search.run import ledger
from search.terminal import display
from trainables.cli.execution import execute
from trainables.files import durable

FINE = """'A space.'
from spaces import Space, choice
SPACE = Space(params={"lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)
"""


SMALL = """'A space of small networks.'
from spaces import Space, choice
SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "lr": choice(0.1, 0.2)},
    baseline={"lr": 0.1}, epochs=1, max_params=50_000,
)
"""


@pytest.fixture
def command(tmp_path, decoded, monkeypatch, capsys):
    """Call run_search.py in a folder of its own, without training; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data-cache").symlink_to(decoded)
    monkeypatch.setattr(attempts, "train", lambda *_: None)
    monkeypatch.setattr(run_search, "finish", lambda *_: None)
    # the real one writes on a copy of file 2, which capsys does not see
    monkeypatch.setattr(display, "open_console", lambda quiet: nullcontext(Console(stderr=True, quiet=quiet)))

    def call(*arguments):
        code = execute(run_search.app, "run_search.py", list(arguments))
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


@pytest.fixture
def add_space(tmp_path, monkeypatch):
    """Put a file beside the real spaces."""
    folder = tmp_path / "spaces"
    folder.mkdir()

    def add(name, source):
        (folder / f"{name}.py").write_text(source)
        monkeypatch.setattr(spaces, "FOLDER", folder)
        monkeypatch.setattr(spaces, "__path__", [str(folder)])

    return add


SEARCH = ("--space", "mlp_random", "--dataset", "digits", "--quiet", "--name", "t")


@pytest.mark.parametrize(
    ("arguments", "kind", "code", "hint"),
    [
        (["--space", "mlp_randm"], "space", 3, "Did you mean 'mlp_random'"),
        (["--show-space", "mlp_randm"], "space", 3, "Did you mean 'mlp_random'"),
        ([*SEARCH, "--algo", "tep"], "usage", 2, "Did you mean 'tpe'"),
        (["--show-space", "mlp_random", "--algo", "tep"], "usage", 2, "Did you mean 'tpe'"),
        (["--show-space", "mlp_random", "--algo", "grid"], "space", 3, "Use --algo random"),
        ([*SEARCH, "--num-samples", "0"], "usage", 2, "at least 1"),
        ([*SEARCH, "--num-samples", "-3"], "usage", 2, "at least 1"),
        ([*SEARCH, "--max-params", "0"], "usage", 2, "at least 1"),
        ([*SEARCH, "--max-params", "10"], "space", 3, "the baseline is refused"),
        ([*SEARCH, "--algo", "tpe", "--num-samples", "9", "--set", "lr=1e-3,1e-2", "--set", "dropout=0.1",
          "--set", "depth=2", "--set", "width=64", "--set", "weight_decay=0"], "space", 3, "only 2 different points"),
        ([*SEARCH, "--set", "lr"], "space", 3, "KEY=VALUE"),
        ([*SEARCH, "--set", "lrr=1"], "space", 3, "Did you mean 'lr'"),
        ([*SEARCH, "--set", "lr=loguniform(1, 0.1)"], "space", 3, "low < high"),
        ([*SEARCH, "--set", "lr=uniform(0.1, nan)"], "space", 3, "finite"),
        ([*SEARCH, "--set", "lr=()"], "space", 3, "empty"),
        ([*SEARCH, "--set", "optimizer=adam"], "space", 3, "Did you mean 'adamw'"),
        ([*SEARCH, "--warm-start", "nowhere"], "run", 5, "nowhere"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_writes_no_run(command, tmp_path, arguments, kind, code, hint):
    found, _, err = command(*arguments)
    last = err.splitlines()[-1]
    assert (found, last.partition(":")[0]) == (code, f"error[{kind}]")
    assert hint in last
    assert not list(tmp_path.rglob("run.json"))


def test_a_broken_space_does_not_hide_the_others(command, add_space):
    add_space("broken", "SPACE = (\n")
    add_space("fine", FINE)
    code, out, _ = command("--list-spaces")
    assert code == 0
    assert out.splitlines()[0].startswith("broken           broken     spaces/broken.py:1: ")
    assert out.splitlines()[1] == "fine             2 points   A space."


def test_a_space_is_shown_with_its_ranges_its_constants_and_five_points(command):
    code, out, _ = command("--show-space", "mlp_random", "--set", "lr=uniform(1e-4, 1e-1)", "--seed", "3")
    assert code == 0
    for part in ("uniform(0.0001, 0.1)", "integers(1, 4)", "adamw", "ladder", "warning: lr: 90 %"):
        assert part in out
    assert out.count("\nrandom ") == 4
    assert "\nbaseline " in out


def test_a_space_keeps_its_own_limit_where_it_is_shown(command, add_space):
    add_space("small", SMALL)
    for flags, limit in (((), "50,000"), (("--max-params", "60000"), "60,000")):
        code, out, _ = command("--show-space", "small", *flags)
        assert code == 0
        assert re.search(rf"at most +{limit} parameters", out)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--scheduler", "median", "--reduction-factor", "7"),
            "--reduction-factor has no effect with --scheduler median",
        ),
        (("--scheduler", "none", "--grace-period", "5"), "--grace-period has no effect with --scheduler none"),
        (("--scheduler", "asha", "--grace-period", "2"), ""),
    ],
)
def test_a_setting_that_the_scheduler_does_not_read_is_named(command, flags, said):
    code, _, err = command(*SEARCH, *flags, "--dry-run")
    assert code == 0
    assert said in err
    assert bool(said) == ("has no effect" in err)


def test_a_dry_run_is_not_ended_by_its_budget_and_needs_no_gpu_for_a_cluster(command, monkeypatch):
    monkeypatch.setattr("search.terminal.estimate.mean_seconds", lambda *_: (time.sleep(1.5) or 1.0, 1, None))
    cluster = ("--address", "ray://nowhere:10001", "--gpus-per-trial", "1")
    code, out, err = command(*SEARCH, "--dry-run", "--time-budget", "1s", *cluster)
    assert code == 0, err
    assert "not for the cluster at ray://nowhere:10001" in err
    assert "0m 01s" in out, "the share that fits the budget"


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_can_be_shown(command, name):
    assert command("--show-space", name)[0] == 0


def test_what_is_set_is_part_of_what_the_run_is(command, tmp_path):
    changes = ("--set", "lr=loguniform(1e-4,1)", "--set", "depth=2")
    assert command(*SEARCH, *changes)[0] == 0
    run = ledger.read(tmp_path / "runs" / "t")
    assert run.identity.set == ["lr=loguniform(1e-4,1)", "depth=2"]
    assert {trial.config["depth"] for trial in run.trials} == {2}
    assert command(*SEARCH, "--set", "depth=2", "--set", "lr = loguniform(1e-4, 1)")[0] == 0  # the same space
    code, _, err = command(*SEARCH)
    assert code == 5
    assert 'set: ["lr=loguniform(1e-4,1)", "depth=2"] is now none' in err


@pytest.mark.parametrize(
    ("first", "again"),
    [(("lr=loguniform(1e-4,1)", "dropout=0,0.3"), ("lr=loguniform(0.0001,1.0)", "dropout=0.0,0.3")),
     (("lr=1e-3,0.30",), ("lr=0.001,3e-1",)), (("width=16,32", "label_smoothing=0"), ("width=16.0,32", "label_smoothing=-0.0")),
     (("dropout=uniform(0,0.5,step=0.10)",), ("dropout=uniform(0.0,5e-1,step=1e-1)",))],
)  # fmt: skip
def test_a_number_may_be_written_in_another_way(command, tmp_path, first, again):
    """They were two searches, with other ids for the same configurations."""

    def words(changes):
        return [part for change in changes for part in ("--set", change)]

    assert command(*SEARCH, *words(first))[0] == 0
    before = [trial.id for trial in ledger.read(tmp_path / "runs" / "t").trials]
    code, _, err = command(*SEARCH, *words(again))
    assert code == 0, err
    assert [trial.id for trial in ledger.read(tmp_path / "runs" / "t").trials] == before
    assert command(*SEARCH, *words(again), "--name", "other")[0] == 0
    assert [trial.id for trial in ledger.read(tmp_path / "runs" / "other").trials] == before


def test_a_moved_baseline_and_the_warnings_are_said(command):
    _, _, err = command(*SEARCH, "--set", "lr=uniform(1e-2, 1e1)")
    assert "note: baseline lr=" in err
    assert "warning: lr: 90 % of uniform(0.01, 10)" in err


def test_no_network_is_planned_with_more_weights_than_allowed(command, tmp_path):
    from trainables.models.cost import parameters

    limit = 2_000_000
    assert command(*SEARCH, "--max-params", str(limit), "--set", "width=64,256,1024", "--set", "depth=1,2")[0] == 3
    assert (
        command(*SEARCH, "--max-params", str(limit), "--set", "width=logintegers(16, 4096)", "--set", "lr=1e-3")[0] == 3
    )  # the baseline is too large
    narrow = ("--set", "width=logintegers(16, 300)")
    assert command(*SEARCH, "--max-params", "700000", *narrow)[0] == 0
    run = ledger.read(tmp_path / "runs" / "t")
    assert run.identity.max_params == 700_000
    assert all(parameters(trial.config, classes=10) <= 700_000 for trial in run.trials)
    assert command(*SEARCH, *narrow)[0] == 5


def test_points_of_tpe_and_qmc_can_be_asked_for(command, tmp_path):
    assert command(*SEARCH, "--algo", "tpe")[0] == 0
    run = ledger.read(tmp_path / "runs" / "t")
    assert len(run.trials) == 1
    assert "optuna" in run.identity.versions
    assert command(*SEARCH[:-1], "q", "--algo", "qmc")[0] == 0
    lines = (tmp_path / "runs" / "q" / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["baseline", *["qmc"] * 15]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--space", "lr_sweep", "--epochs", "three"],
            "error[usage]: --epochs must be a whole number, but got 'three'.",
        ),
        (["--space", "lr_sweep", "--fraction", "half"], "error[usage]: --fraction must be a number, but got 'half'."),
        (["--space", "spaces/lr_sweep.py"], "named without folder and ending. Write --space lr_sweep."),
        (["--space", "lr_sweep.py"], "Write --space lr_sweep."),
        ([*SEARCH, "--set", "lr=foo("], "error[space]: --set 'lr=foo(': '(' was never closed. Write a number"),
    ],
)
def test_a_slip_is_told_in_our_own_words(command, arguments, message):
    code, _, err = command(*arguments)
    assert code in (2, 3)
    assert message in err
    assert err.count("\n") == 1
    assert "<unknown>" not in err


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--space", "lr_sweep"], "--space: not with"),
        (["--seed", "1", "--set", "lr=1"], "--seed, --set: not with"),
        (["--epochs=3", "--allow_changes"], "--allow-changes, --epochs: not with"),
    ],
)
def test_flags_of_a_search_are_refused_beside_reproduce(command, flags, named):
    code, _, err = command("--reproduce", "t/0", *flags)
    assert (code, err.partition(":")[0]) == (2, "error[usage]")
    assert named in err


def test_what_a_space_leaves_to_defaults_is_shown(command):
    lines = [line.split() for line in command("--show-space", "lr_sweep")[1].splitlines()]
    shown = lines[lines.index(["not", "set", "default"]) + 1 :]
    assert ["momentum", "0.9"] in shown
    assert not any(line[:1] in (["lr"], ["epochs"]) for line in shown[: shown.index([])])


def test_a_changed_space_is_told_by_what_was_set(command):
    assert command(*SEARCH)[0] == 0
    code, _, err = command(*SEARCH, "--set", "depth=2")
    assert (code, 'set: none is now ["depth=2"]' in err, "the space (hash)" in err) == (5, True, False)


def test_the_closest_runs_are_named(command):
    assert command(*SEARCH[:-1], "mlp_random-digits")[0] == 0
    _, _, err = command("--resume", "mlp_rndom-digits")
    assert "there is none of that name. Closest: mlp_random-digits. Unfinished there: mlp_random-digits." in err
    assert "Closest" not in command("--resume", "XYZ")[2]


def test_more_to_confirm_than_there_is_is_said(command):
    loud = [word for word in SEARCH if word != "--quiet"]
    _, _, err = command(*loud, "--num-samples", "2", "--confirm", "9")
    assert "--confirm 9: the search has 2 configurations, so no more than that can be confirmed" in err
    assert "16 trials of" in command(*loud[:-1], "u")[2]


def test_one_trial_of_one_epoch_is_not_a_plural(command):
    _, _, err = command(*[word for word in SEARCH if word != "--quiet"], "--num-samples", "1", "--epochs", "1")
    assert "1 trial of 1 epoch," in err


def test_a_search_that_has_ended_is_not_continued(command, tmp_path):
    loud = [word for word in SEARCH if word != "--quiet"]
    assert "starting runs/t:" in command(*loud, "--num-samples", "1", "--epochs", "1")[2]
    folder = ledger.read(tmp_path / "runs" / "t").trials[0].folder
    row = {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, "lr": 0.1}
    durable.make_folder(folder)
    durable.append(folder / "epochs.jsonl", row, {"outcome": "finished"})
    assert "finished already runs/t:" in command(*loud)[2]
    told = command(*loud, "--num-samples", "2")[2]
    assert re.search("continuing runs/t: .*; 1 epoch trained already", told)


def test_each_optimizer_has_its_own_rates():
    """Decay that is added to the gradient and decay that is not are not of one size."""
    space = spaces.load("optimizer")
    for key in ("lr", "weight_decay"):
        ranges = [str(space.ranges({"optimizer": name})[key]) for name in ("sgd", "adamw", "muon")]
        assert ranges[0] != ranges[1], key
