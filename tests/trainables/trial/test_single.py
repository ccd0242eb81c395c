"""One trial by itself, from its folder to what is printed: pytest tests/trainables/trial/test_single.py"""

import io
import re

import pytest
import torch
from rich.console import Console

from trainables.config import LATER, complete
from trainables.errors import RunError, UsageError
from trainables.files import durable
from trainables.objective import ACCURACY, LOSS
from trainables.training import loop, shared
from trainables.trial import checkpointing, single, timing
from trainables.trial.single import claim, train_single

SMALL = {
    "model": "mlp",
    "depth": 1,
    "width": 8,
    "optimizer": "adamw",
    "lr": 3e-3,
    "schedule": "constant",
    "augment": "none",
}


@pytest.fixture
def digits(tmp_path):
    """A folder for data sets, where the digits are decoded once."""
    threads = torch.get_num_threads()
    yield tmp_path / "data"
    torch.set_num_threads(threads)


def start(out, data_dir, *, test=False, epochs=2, objective=ACCURACY, **changes):
    train_single(
        out, complete({**SMALL, "epochs": epochs, **changes}), "digits", data_dir,
        fraction=0.2, seed=0, precision="fp32", threads=1, device="cpu", test=test, quiet=True,
        objective=objective,
    )  # fmt: skip


def printed(capsys):
    """The lines on stdout as names and values."""
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    return dict(lines)


def test_it_prints_the_outcome_and_the_best_epoch(digits, tmp_path, capsys):
    start(tmp_path / "one", digits)
    rows = checkpointing.committed_rows(tmp_path / "one")
    best = max(rows, key=lambda row: row["val_accuracy"])
    found = printed(capsys)
    assert found["outcome"] == "finished"
    assert found["best_epoch"] == str(best["epoch"])
    assert found["val_accuracy"] == f"{best['val_accuracy']:.4f}"
    assert "test_accuracy" not in found


def test_it_prints_the_best_epoch_of_its_objective(digits, tmp_path, capsys, monkeypatch):
    """By accuracy the first of these epochs is the best one, by loss the second."""
    result, drawn = loop.Course.result, iter([(0.9, 0.8), (0.4, 0.7)])  # val_loss and val_accuracy

    def changed(course, epoch, report):
        return result(course, epoch, torch.tensor([*report[:2].tolist(), *next(drawn)]))

    monkeypatch.setattr(loop.Course, "result", changed)
    start(tmp_path / "one", digits, objective=LOSS)
    found = printed(capsys)
    assert (found["best_epoch"], found["val_loss"]) == ("2", "0.4000")
    assert durable.read_json(tmp_path / "one" / "best.json")["epoch"] == 2


def test_the_objective_is_a_part_of_what_a_kept_trial_is(digits, tmp_path):
    """One that was kept before it was said went by accuracy."""
    start(tmp_path / "one", digits, epochs=1)
    with pytest.raises(RunError, match=r"another trial: .*objective"):
        start(tmp_path / "one", digits, objective=LOSS)
    facts = durable.read_json(tmp_path / "one" / single.FACTS)
    del facts["objective"]
    durable.write_json(tmp_path / "one" / single.FACTS, facts)
    start(tmp_path / "one", digits)
    with pytest.raises(RunError, match=r"another trial: .*objective"):
        start(tmp_path / "one", digits, objective=LOSS)


def test_without_a_folder_it_prints_the_same_and_keeps_nothing(digits, tmp_path, capsys, monkeypatch):
    start(tmp_path / "one", digits)
    kept = capsys.readouterr().out
    monkeypatch.setattr(single.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    start(None, digits)
    assert capsys.readouterr().out == kept
    assert not list((tmp_path / "temporary").iterdir())


def test_the_test_split_is_read_once_and_its_intent_is_written_first(digits, tmp_path, capsys):
    start(tmp_path / "one", digits, test=True)
    found = printed(capsys)
    intent, done = durable.read_lines(tmp_path / "one/tests.jsonl")
    assert (intent["state"], done["state"]) == ("intent", "done")
    assert intent["weights"] == done["weights"]
    assert found["test_count"] == str(done["metrics"]["count"]) == "300"
    assert found["test_accuracy"] == f"{done['metrics']['accuracy']:.4f}"


def test_the_same_command_continues_a_trial_to_a_larger_number_of_epochs(digits, tmp_path):
    start(tmp_path / "whole", digits, epochs=3)
    start(tmp_path / "cut", digits, epochs=2)
    start(tmp_path / "cut", digits, epochs=3)
    assert checkpointing.committed_rows(tmp_path / "cut") == checkpointing.committed_rows(tmp_path / "whole")
    assert durable.read_json(tmp_path / "cut" / single.FACTS)["epochs"] == 3


def test_a_diverged_trial_says_what_to_try(digits, tmp_path, capsys):
    start(tmp_path / "one", digits, optimizer="sgd", lr=1e12, momentum=0.0)
    assert "try a smaller --lr" in capsys.readouterr().err


def test_a_failed_trial_is_an_error_that_names_its_cause(digits, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ValueError("no such layer")

    monkeypatch.setattr(shared, "build", broken)
    with pytest.raises(RunError, match=r"failed: .*ValueError: no such layer"):
        start(tmp_path / "one", digits)


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"lr": 0.1}, "lr 0.003 is now 0.1"), ({"epochs": 1}, "3 epochs cannot become shorter"),
     ({"model": "convnet", "depth": 2}, "model 'mlp' is now 'convnet'; depth 1 is now 2")],
)  # fmt: skip
def test_another_trial_is_not_mixed_into_a_folder(tmp_path, changes, why):
    config = complete({**SMALL, "epochs": 3})
    other = complete({**SMALL, "epochs": 3, **changes})
    claim(tmp_path / "one", facts(config), config)
    with pytest.raises(RunError, match=why):
        claim(tmp_path / "one", facts(other), other)


def test_a_trial_from_before_a_knob_existed_is_the_same_trial_and_no_other(tmp_path):
    config = complete({**SMALL, "epochs": 3})
    older = {key: value for key, value in config.items() if key not in LATER}
    claim(tmp_path, facts(older), older)
    claim(tmp_path, facts(config), config)
    with pytest.raises(RunError, match=r"ema 0 is now 0.5"):
        claim(tmp_path, facts(config | {"ema": 0.5}), config | {"ema": 0.5})


def test_a_schedule_that_is_sized_for_its_length_does_not_grow(tmp_path):
    config = complete({**SMALL, "schedule": "cosine", "epochs": 3})
    claim(tmp_path / "one", facts(config), config)
    with pytest.raises(RunError, match="cosine schedule is sized for them"):
        claim(tmp_path / "one", facts(config), config | {"epochs": 4})


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(RunError, match="it holds other files"):
        claim(tmp_path, facts(complete(SMALL)), complete(SMALL))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_a_kill_left_of_the_first_write_is_no_obstacle(tmp_path):
    (tmp_path / ".trial.json.123.tmp").write_text("{")
    claim(tmp_path, facts(complete(SMALL)), complete(SMALL))
    assert (tmp_path / single.FACTS).exists()


def test_a_trial_does_not_move_to_another_kind_of_device(tmp_path):
    single.refuse_other_device(tmp_path, "cpu")
    timing.note(tmp_path, timing.epoch_line(1, 1.0, 100, "cuda"))
    single.refuse_other_device(tmp_path, "cuda")
    with pytest.raises(RunError, match=r"cuda, not cpu\. Use --device cuda or another --out"):
        single.refuse_other_device(tmp_path, "cpu")


def facts(config):
    return {"config": {key: value for key, value in config.items() if key != "epochs"}, "seed": 0}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    assert single.choose_device("auto") == "cpu"
    with pytest.raises(UsageError, match="Use --device cpu"):
        single.choose_device("cuda")


def test_a_command_that_is_refused_for_its_device_changes_nothing(digits, tmp_path):
    start(tmp_path / "one", digits)
    before = (tmp_path / "one" / single.FACTS).read_bytes()
    timing.note(tmp_path / "one", timing.epoch_line(1, 1.0, 100, "cuda"))
    with pytest.raises(RunError, match="another device"):
        start(tmp_path / "one", digits, epochs=9)
    assert (tmp_path / "one" / single.FACTS).read_bytes() == before


def start_on(root, data_dir, out, *, test=True):
    train_single(
        out, complete({**SMALL, "epochs": 1}), f"folder:{root}", data_dir,
        fraction=1.0, seed=0, precision="fp32", threads=1, device="cpu", test=test, quiet=True,
    )  # fmt: skip


def test_what_the_most_common_class_alone_makes_stands_beside_the_accuracy(make_tree, digits, tmp_path, capsys):
    root = make_tree({"train": 30, "val": 49, "test": 9}, ["big"])
    make_tree({"train": 5, "val": 1, "test": 0}, ["small"])
    start_on(root, digits, tmp_path / "one")
    out, err = capsys.readouterr()
    assert "val_majority         0.9800\n" in out
    assert "test_majority        1.0000\n" in out
    assert "  small        –  " in out  # 0 would say that it was got wrong
    assert "note: one class has no test images: small; " in err


def test_nothing_is_said_of_classes_that_are_about_equal(digits, tmp_path, capsys):
    start(tmp_path / "one", digits, test=True)
    assert "majority" not in capsys.readouterr().out


def test_a_kept_trial_goes_on_under_another_path_of_the_same_images(make_tree, digits, tmp_path, capsys):
    root = make_tree({"train": 30, "val": 30, "test": 9})
    start_on(root, digits, tmp_path / "one", test=False)
    before = capsys.readouterr().out
    root.rename(tmp_path / "elsewhere")
    start_on(tmp_path / "elsewhere", digits, tmp_path / "one", test=False)
    assert capsys.readouterr().out == before


def test_of_many_classes_there_is_a_summary_and_a_file(make_tree, digits, tmp_path, capsys):
    names = [f"class{number:02}" for number in range(25)]
    root = make_tree({"train": 2, "val": 2, "test": 2}, names)
    start_on(root, digits, tmp_path / "one")
    out = capsys.readouterr().out
    assert "  the weakest of 25 classes:\n" in out
    assert f"  all of them: {tmp_path / 'one' / 'classes.csv'}\n" in out
    assert len((tmp_path / "one" / "classes.csv").read_text().splitlines()) == 26
    assert max(map(len, out.splitlines())) < 200
    start_on(root, digits, None)
    out, err = capsys.readouterr()
    assert "note: --out DIR would keep the accuracy of each of 25 classes\n" in err
    assert "all of them" not in out


def test_before_the_first_batch_the_bar_names_no_number_of_batches(tmp_path, monkeypatch):
    """It said 0/100.0 batches: rich takes a task without a total for one of a hundred steps."""
    screen = io.StringIO()
    monkeypatch.setattr(single, "Console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    monkeypatch.setattr(checkpointing, "run", lambda *_, **__: iter(()))
    single.follow(tmp_path, None, quiet=False)
    assert "0/? batches" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
