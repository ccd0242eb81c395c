"""The flags about spaces and points, in this process and without training: pytest tests/test_space_flags.py"""

import json

import pytest

import run_search
import spaces
from search import attempts, ledger
from trainables.commandline import execute

FINE = """'A space.'
from spaces import Space, choice
SPACE = Space(params={"lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)
"""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Call run_search.py in a folder of its own, without training; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(attempts, "train", lambda *_: None)
    monkeypatch.setattr(run_search, "finish", lambda *_: None)

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
    for part in ("uniform(0.0001, 0.1)", "integers(1, 4)", "adamw", "asha", "warning: lr: 90 %"):
        assert part in out
    assert out.count("\nrandom ") == 4
    assert "\nbaseline " in out


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_can_be_shown(command, name):
    assert command("--show-space", name)[0] == 0


def test_what_is_set_is_part_of_what_the_run_is(command, tmp_path):
    changes = ("--set", "lr=loguniform(1e-4,1)", "--set", "depth=2")
    assert command(*SEARCH, *changes)[0] == 0
    run = ledger.read(tmp_path / "runs" / "t")
    assert run.identity["set"] == ["lr=loguniform(1e-4,1)", "depth=2"]
    assert {trial.config["depth"] for trial in run.trials} == {2}
    assert command(*SEARCH, "--set", "depth=2", "--set", "lr = loguniform(1e-4, 1)")[0] == 0  # the same space
    code, _, err = command(*SEARCH)
    assert code == 5
    assert 'set: ["lr=loguniform(1e-4,1)", "depth=2"] is now null' in err


def test_a_moved_baseline_and_the_warnings_are_said(command):
    _, _, err = command(*SEARCH, "--set", "lr=uniform(1e-2, 1e1)")
    assert "note: baseline lr=" in err
    assert "warning: lr: 90 % of uniform(0.01, 10)" in err


def test_no_network_is_planned_with_more_weights_than_allowed(command, tmp_path):
    from trainables.cost import parameters

    limit = 2_000_000
    assert command(*SEARCH, "--max-params", str(limit), "--set", "width=64,256,1024", "--set", "depth=1,2")[0] == 3
    assert (
        command(*SEARCH, "--max-params", str(limit), "--set", "width=logintegers(16, 4096)", "--set", "lr=1e-3")[0] == 3
    )  # the baseline is too large
    narrow = ("--set", "width=logintegers(16, 300)")
    assert command(*SEARCH, "--max-params", "700000", *narrow)[0] == 0
    run = ledger.read(tmp_path / "runs" / "t")
    assert run.identity["max_params"] == 700_000
    assert all(parameters(trial.config, classes=10) <= 700_000 for trial in run.trials)
    assert command(*SEARCH, *narrow)[0] == 5


def test_points_of_tpe_and_qmc_can_be_asked_for(command, tmp_path):
    assert command(*SEARCH, "--algo", "tpe")[0] == 0
    run = ledger.read(tmp_path / "runs" / "t")
    assert len(run.trials) == 1
    assert "optuna" in run.identity["versions"]
    assert command(*SEARCH[:-1], "q", "--algo", "qmc")[0] == 0
    lines = (tmp_path / "runs" / "q" / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["baseline", *["qmc"] * 15]
