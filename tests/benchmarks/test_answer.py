"""Time to the answer beside peers: pytest tests/benchmarks/test_answer.py"""

import json
import re
import subprocess
import sys

import pytest

from benchmarks import answer
from benchmarks.answer import COLUMNS, OURS, PEERS, ROOT, SIDES, Found, compared, of_run, reached, row
from benchmarks.processes import Cost


def found(seconds, test_accuracy=0.6):
    return Found(Cost(seconds, 2 * seconds, 1 << 30), 100, 0.65, test_accuracy)


def rows(seed, sides, when):
    return compared([row(seed, side, one, when) for side, one in sides.items()])


def test_a_row_says_the_minutes_and_how_many_times_ours_they_are():
    ours, peer = rows(3, {"Ray Tune, ASHA": found(240), "ours": found(60)}, "today")
    assert ours == ["3", "ours", "1.00", "", "2.00", "100", "65.00", "60.00", "today"]
    assert peer[:4] == ["3", "Ray Tune, ASHA", "4.00", "4.00 x"]
    assert len(peer) == len(COLUMNS)
    assert rows(3, {"Ray Tune, ASHA": found(240)}, "")[0][3] == "", "without ours there is no ratio"


def test_the_aim_is_answered_by_the_seeds_that_both_have():
    table = [
        *rows(0, {"ours": found(60, 0.64), "Ray Tune, ASHA": found(240, 0.61)}, ""),
        *rows(1, {"ours": found(60, 0.60), "Ray Tune, ASHA": found(120, 0.61)}, ""),
        *rows(2, {"ours": found(60, 0.99)}, ""),
    ]
    assert reached(table) == "ours: 0.375 of its minutes (missed), +1.00 points (missed), means of 2 seeds."
    near = rows(0, {"ours": found(60, 0.64), "Ray Tune, ASHA": found(239, 0.61)}, "")
    assert reached(near) == "ours: 0.251 of its minutes (missed), +3.00 points (reached), means of 1 seed."
    assert reached(table[-1:]) == "not measured yet."


def test_of_a_run_the_winner_and_the_epochs_of_all_are_read(tmp_path):
    trials = [{"val_accuracy": 0.7, "epochs": 9}, {"val_accuracy": 0.6, "epochs": 3}]
    scores = [{"state": "intent"}, {"state": "done", "metrics": {"accuracy": 0.68}}]
    (tmp_path / "results.json").write_text(json.dumps(trials))
    (tmp_path / "tests.jsonl").write_text("".join(json.dumps(score) + "\n" for score in scores))
    assert of_run(tmp_path) == {"val_accuracy": 0.7, "test_accuracy": 0.68, "epochs": 12}


def test_peers_search_the_space_that_ours_does():
    from benchmarks.peers import halving
    from spaces import load

    space = load("convnet_asha")
    assert space.baseline == halving.BASELINE
    told = {name: str(space.params[name]) for name in ("width", "augment", "dropout", "lr", "weight_decay")}
    for name, values in (("width", halving.WIDTHS), ("augment", halving.AUGMENTS)):
        assert re.findall(r"\w+", told[name])[1:] == list(map(str, values))
    for name, bounds in (("dropout", halving.DROPOUT), ("lr", halving.RATE), ("weight_decay", halving.DECAY)):
        assert [float(word) for word in re.findall(r"[\d.e-]+", told[name].partition("(")[2])] == list(bounds)


def test_peers_train_the_network_that_ours_does():
    from benchmarks.peers.textbook import convnet
    from spaces import load
    from trainables.models.networks import build

    space = load("convnet_asha")
    config = space.config({**space.baseline, "width": 8})
    shapes = [parameter.shape for parameter in build(config, 10).parameters()]
    assert shapes == [parameter.shape for parameter in convnet(8, 0.0).parameters()]


def test_a_side_that_fails_is_named_and_the_others_are_kept(monkeypatch, capsys):
    def run(side, *_):
        if side == "Optuna, halving":
            raise RuntimeError("exit code 1: no memory")
        return found(60)

    monkeypatch.setattr(answer, "run", run)
    table = []
    for side in reversed(SIDES):
        table = answer.measure(answer.Images("digits", ROOT, 1.0), 0, side, 3, 4, table)
    assert [one[1] for one in table] == [side for side in SIDES if side != "Optuna, halving"]
    assert "Optuna, halving is left out: exit code 1: no memory" in capsys.readouterr().out


def test_every_peer_is_a_module():
    assert {*PEERS, *OURS} == set(SIDES)
    assert all((ROOT / "benchmarks" / "peers" / f"{module}.py").exists() for module in PEERS.values())


@pytest.mark.slow
@pytest.mark.integration
def test_a_tiny_search_is_measured_beside_every_peer(tmp_path):
    chosen = ["ours", *PEERS]
    size = ["--seeds", "5", "--points", "3", "--epochs", "4", "--fraction", "1"]
    options = [*size, "--sides", ";".join(chosen), "--data-dir", str(tmp_path), "--no-keep"]
    command = [sys.executable, "-m", "benchmarks.answer", "--dataset", "digits", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "| 5 " in line]
    assert [one[1] for one in table] == chosen, done.stdout
    for one in table:
        assert all(float(one[place]) > 0 for place in (2, 4, 6, 7))
        assert 3 <= int(one[5]) <= 12
