"""Whole searches beside peers: pytest tests/benchmarks/test_search.py"""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import search
from benchmarks.processes import Cost
from benchmarks.search import (
    AIMS,
    COLUMNS,
    NAMES,
    OURS,
    PEERS,
    ROOT,
    WORKLOADS,
    Bench,
    Run,
    missing,
    reached,
    rounds,
    rows,
)


def run(wall, accuracy=0.5, memory=1 << 30):
    return Run(Cost(wall, 2 * wall, memory), accuracy)


def test_a_ratio_is_of_two_sides_in_the_same_round_and_then_the_median_is_taken():
    found = [{"ours": run(10), "ray": run(20)}, {"ours": run(20), "ray": run(30)}, {"ours": run(1), "ray": run(8)}]
    ours, ray = rows("mlp-short", found, "today")
    assert ours == ["mlp-short", "ours", "10.00 s (1.00 to 20.00)", "", "20.00 s (2.00 to 40.00)", "1024 MiB",
                    "50.00 % (50.00 to 50.00)", "today"]  # fmt: skip
    assert ray[:4] == ["mlp-short", "Ray Tune", "20.00 s (8.00 to 30.00)", "2.00 x (1.50 to 8.00)"]
    assert len(ours) == len(COLUMNS)


def test_a_side_that_failed_in_one_round_is_compared_in_the_others_only():
    found = [{"ours": run(10)}, {"ours": run(20), "syne": run(50)}, {"syne": run(1)}]
    assert [row[3] for row in rows("tiny", found, "")] == ["", "2.50 x"]


def test_the_memory_is_the_highest_and_the_accuracy_the_median():
    found = [{"serial": run(1, 0.3, 3 << 20)}, {"serial": run(1, 0.5, 9 << 20)}, {"serial": run(1, 0.4, 5 << 20)}]
    assert rows("tiny", found, "")[0][5:7] == ["9 MiB", "40.00 % (30.00 to 50.00)"]


def test_each_aim_is_answered_by_its_row_or_said_to_be_unmeasured():
    table = [["mlp-short", "Ray Tune", "20 s", "2.40 x", "", "", "43.1 % (42.0 to 44.0)"],
             ["mlp-short", "Optuna", "", "", "", "", "42.1 %"], ["mlp-short", "ours", "9 s", "", "", "", "42.8 %"],
             ["tiny", "ours", "", "", "", "", "9.0 %"]]  # fmt: skip
    text = reached(table)
    assert text.endswith("points: +0.2 (mlp-short)."), "above the mean of 43.1 and 42.1; nothing to compare tiny with"
    assert text.startswith("2.40 x (Ray Tune, mlp-short)")
    assert text.count("not measured yet") == len(AIMS) - 1
    assert {name for name, _ in AIMS} <= set(WORKLOADS)


class Failing:
    """A bench whose Optuna fails."""

    def __init__(self):
        self.asked = []

    def run(self, side):
        self.asked.append(side)
        if side == "optuna":
            raise RuntimeError("exit code 1: no module named optuna")
        return run(1)


def test_sides_run_in_turn_each_round_starting_with_the_next_and_one_that_fails_is_named(capsys):
    bench = Failing()
    found = rounds(bench, ["ours", "ray", "optuna"], 2)
    assert bench.asked == ["ours", "ray", "optuna", "ray", "optuna", "ours"]
    assert [set(runs) for runs in found] == [{"ours", "ray"}] * 2
    assert "optuna is left out: exit code 1: no module named optuna" in capsys.readouterr().out


def test_both_lengths_of_each_network_with_and_without_augmentation_are_there():
    assert {"mlp-short", "mlp-augmented-long", "convnet-short", "convnet-augmented-long"} <= set(WORKLOADS)
    assert {(len(each.rates), each.epochs) for name, each in WORKLOADS.items() if name != "tiny"} == {(3, 3), (12, 5)}
    assert all(1e-3 in each.rates for each in WORKLOADS.values()), "the baseline of lr_sweep"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp-short", "convnet-augmented-long"])
def test_our_command_asks_for_the_networks_that_the_peers_have(name, tmp_path):
    from benchmarks.peers.textbook import NETWORKS
    from spaces import changed, load
    from trainables.models.networks import build

    workload = WORKLOADS[name]
    command = Bench(workload, "digits", tmp_path, 1.0, tmp_path, {}).ours(tmp_path)
    texts = [value for option, value in itertools.pairwise(command) if option == "--set"]
    space, _ = changed(load("lr_sweep"), texts)
    config = space.config(space.baseline)
    shapes = [parameter.shape for parameter in build(config, 10).parameters()]
    assert shapes == [parameter.shape for parameter in NETWORKS[workload.model]().parameters()]
    assert config["augment"] == ("standard" if workload.augmented else "none")
    assert sorted(point["lr"] for point in space.grid) == sorted(workload.rates)


def test_peers_read_the_images_that_were_written_and_augment_only_those_for_training(tmp_path):
    from benchmarks.peers.textbook import Images, Task, read, write

    task = Task("mlp", True, (1e-3,), 1, 2, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(5)
    write(tmp_path / "task", task, {"train": images, "train-labels": labels, "val": images, "val-labels": labels})
    again = read(tmp_path / "task")
    assert (again.model, again.rates, again.concurrent) == ("mlp", [1e-3], 2)
    seen, label = Images(tmp_path / "task", "val", again)[3]
    np.testing.assert_allclose(seen.permute(1, 2, 0).numpy(), (images[3] / 255 - 0.5) / 0.25, atol=1e-5)
    assert label == 3
    moved = [Images(tmp_path / "task", "train", again, "standard")[3][0] for _ in range(8)]
    assert any(not np.array_equal(one, moved[0]) for one in moved)


def test_without_syne_tune_it_says_what_to_install():
    assert "pip install syne-tune" in missing(["ours", "syne"], {"syne": "false"})
    assert missing(["ours", "syne"], {"syne": "true"}) == missing(["ours"], {"syne": "false"}) == ""


def test_every_peer_is_a_module():
    assert {*PEERS, *OURS} == set(NAMES)
    assert all((ROOT / "benchmarks" / "peers" / f"{module}.py").exists() for module, *_ in PEERS.values())


@pytest.mark.slow
@pytest.mark.integration
def test_a_tiny_search_is_measured_beside_a_serial_loop(tmp_path):
    options = ["--workload", "tiny", "--sides", "ours,serial", "--no-keep", "--data-dir", str(tmp_path / "data")]
    command = [sys.executable, "-m", "benchmarks.search", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    table = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| tiny")]
    ours, serial = ([cell.strip() for cell in row[1:-1]] for row in table)
    assert (ours[1], serial[1]) == ("ours", "serial loop")
    assert re.fullmatch(r"\d+\.\d\d x", serial[3])
    for row in (ours, serial):
        assert all(float(row[place].split()[0]) > 0 for place in (2, 4, 5))
        assert 10 < float(row[6].split()[0]) <= 100
    assert not (search.ROOT / "benchmarks" / "tables" / "tiny.json").exists()
