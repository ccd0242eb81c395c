"""What must not become slow again, as ratios within this process or as counts: pytest tests/benchmarks/test_regressions.py

Margins are wide, and of several rounds the best counts: a busy machine slows both sides, and cannot make the fast one fast.
"""

import os
import time
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from benchmarks import leaderboard  # noqa: E402
from benchmarks.floor import OWN  # noqa: E402
from benchmarks.steps import prepared, rounds  # noqa: E402
from search.run import ledger  # noqa: E402
from trainables.augmentations.crop import crop  # noqa: E402
from trainables.data.loading import Dataset, Split  # noqa: E402
from trainables.files import durable, json_lines  # noqa: E402
from trainables.training.definition import Training  # noqa: E402
from trainables.training.loop import as_tensor  # noqa: E402
from trainables.trial import checkpointing  # noqa: E402

ROUNDS = 3


def fastest(work, repeat=ROUNDS):
    """Seconds of this thread in the fastest of some rounds: what else runs on the machine is not counted."""
    taken = []
    for _ in range(repeat):
        started = time.thread_time()
        work()
        taken.append(time.thread_time() - started)
    return min(taken)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", OWN])
@pytest.mark.parametrize("augmentation", ["none", "standard"])
def test_the_epoch_loop_keeps_half_the_pace_of_its_floor(augmentation, model, toy, one_thread):
    images = Split(toy.train.images.repeat(6, 0), toy.train.labels.repeat(6))  # 606
    data = Dataset(**{**vars(toy), "train": images})
    one = prepared({"model": model, "batch_size": 128, "augment": "none", "optimizer": "adamw"}, data, "fp32")
    ratios = [loop / floor for each in rounds(one, (augmentation,), 4, ROUNDS) for loop, floor in each.values()]
    assert max(ratios) > 0.5, ratios


def test_cropping_a_batch_is_nearer_to_copying_it_than_to_indexing_it_pixel_by_pixel(one_thread):
    images, labels = torch.randint(256, (512, 32, 32, 3), dtype=torch.uint8), torch.zeros(512, dtype=torch.int64)
    chosen = torch.arange(512 * 32 * 32) % (512 * 32 * 32)
    pixels = images.view(-1, 3)
    by_pixel = fastest(lambda: pixels[chosen])
    assert fastest(lambda: crop(images, labels, torch.Generator().manual_seed(0))) < by_pixel


def test_an_epoch_waits_for_the_disk_once_and_opens_few_files(tmp_path, toy, small, monkeypatch):
    calls = {"fsync": 0, "open": 0}

    def counted(name):
        real = getattr(os, name)

        def call(*arguments, **named):
            calls[name] += 1
            return real(*arguments, **named)

        monkeypatch.setattr(os, name, call)

    counted("fsync")
    counted("open")
    monkeypatch.setattr(checkpointing, "SAVE_EVERY", 3600)  # a state takes more of both, and comes by the clock
    rows = checkpointing.run(
        tmp_path / "t", Training({**small, "epochs": 9}, toy, seed=0, device="cpu", precision="fp32")
    )
    seen = [dict(calls) for _ in rows]
    whole = seen[1:-1]  # the first epoch makes the files, the last one ends the trial
    between = [{key: after[key] - before[key] for key in calls} for before, after in pairwise(whole)]
    assert between == [{"fsync": 1, "open": 2}] * len(between), between


def test_the_memory_map_is_the_training_set_itself(toy):
    assert as_tensor(toy.train.images).data_ptr() == toy.train.images.ctypes.data


@pytest.mark.slow
def test_reading_and_ranking_ten_times_as_many_trials_is_not_a_hundred_times_as_slow(tmp_path):
    from analysis.ranking import standing

    taken = {}
    for count in (200, 2000):
        planned = leaderboard.plan(count)
        leaderboard.write_ours(tmp_path / str(count), planned, leaderboard.curves(planned, 3))
        taken[count] = fastest(lambda count=count: standing.stand(ledger.read(tmp_path / str(count))), 2)
    assert taken[2000] < 25 * taken[200], taken


def test_the_end_of_a_trial_parses_the_last_decision_about_it_alone(tmp_path, monkeypatch):
    planned = leaderboard.plan(50)
    leaderboard.write_ours(tmp_path / "run", planned, leaderboard.curves(planned, 3))
    lines = [
        {"sequence": index + 1, "trial": index, "epoch": 1, "value": 0.1, "decision": "continue"} for index in range(50)
    ]
    durable.append(tmp_path / "run" / "decisions.jsonl", *lines)
    run, parsed, real = ledger.read(tmp_path / "run"), [], durable.parse
    monkeypatch.setattr(json_lines, "parse", lambda line, where: parsed.append(where) or real(line, where))
    ledger.reread(run, 7)
    assert [where for where in parsed if "decisions.jsonl" in where] == [f"{tmp_path / 'run' / 'decisions.jsonl'}"]
