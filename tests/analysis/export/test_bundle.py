"""`export` and `predict`: a network that leaves the project, and comes out the same elsewhere."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from analysis.__main__ import app
from analysis.export import model_card, network_source, retrain, scored
from analysis.ranking.standing import confirmed_values
from search.run import ledger
from trainables.cli.execution import execute
from trainables.config import MODELS, complete
from trainables.data import loading
from trainables.errors import RunError
from trainables.models.networks import build
from trainables.training.definition import Training
from trainables.training.loop import predict
from trainables.trial import checkpointing as one_trial

Call = Callable[..., tuple[int, str, str]]
TRIAL = ledger.Trial(0, "a", {}, 0, "grid", Path())
words = scored.words  # some tests have another
OURS = ("trainables", "analysis", "search", "spaces", "torchvision", "ray", "sklearn", "pandas")


@pytest.fixture
def call(trained_run: Path, digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(trained_run.parent.parent)

    def run(*words: str) -> tuple[int, str, str]:
        code = execute(app, "python -m analysis", list(words))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def tried() -> None:
    """For a test whose exports are."""


@pytest.fixture(autouse=True)
def mostly_untried(request: pytest.FixtureRequest) -> None:
    if "tried" not in request.fixturenames:
        request.getfixturevalue("untried")


def elsewhere(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Run code in another process, from another folder, where none of our packages can be imported."""
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({OURS!r}))\n"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-c", blocked + code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.integration
@pytest.mark.usefixtures("tried")
def test_ten_lines_load_it_with_torch_and_safetensors_alone(call: Call, trained_run: Path, tmp_path: Path) -> None:
    """The lines of the card, as they stand there but for the folder, give the probabilities that `predict` gives."""
    assert call("export", "lr_sweep-digits", "net")[0] == 0
    snippet, program = re.findall(r"```python\n(.*?)```", Path("net/README.md").read_text(), re.DOTALL)
    assert len(snippet.splitlines()) == 11
    assert (snippet.strip(), program.strip()) == (model_card.SNIPPET, model_card.PROGRAM)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("one.png")
    own = snippet.replace('folder = "."', f"folder = {str(Path('net').resolve())!r}").replace(
        "torch.rand(1, 3, 32, 32)", f"torch.tensor({pixels.tolist()}).permute(2, 0, 1)[None] / 255"
    )
    assert own.count(str(Path("net").resolve())) == 1
    away = tmp_path / "away"
    away.mkdir()
    told = own.replace("print(", "print((").replace(".softmax(1))", ".softmax(1)).tolist())")
    as_they_stand = f"for block in {(snippet, program)!r}: exec(block, {{}})\n"  # in the folder of the export
    elsewhere_too = f"import os; os.chdir({str(away)!r}); sys.modules.pop('model')\n"  # one process: torch loads slowly
    done = elsewhere(f"{as_they_stand}{elsewhere_too}{told}", Path("net"))
    assert done.returncode == 0, done.stderr
    code, out, _ = call("predict", "net", "one.png", "--format", "json")
    (row,) = json.loads(out)
    assert code == 0
    classes = json.loads(Path("net/config.json").read_text())["classes"]
    assert json.loads(done.stdout.splitlines()[-1])[0] == pytest.approx(
        [row["probabilities"][name] for name in classes], abs=1e-5
    )


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.usefixtures("tried")
def test_it_is_scored_on_the_validation_images_before_it_is_called_a_success(
    call: Call, trained_run: Path, digits: Path
) -> None:
    run = ledger.read(trained_run)
    trial, images = run.trials[0], run.identity.val_images
    assert trial.best is not None
    code, _, err = call("export", "lr_sweep-digits/0", "net", "--data-dir", str(digits))
    recorded = f"{100 * trial.best['val_accuracy']:.2f} % of {images} validation images right, as recorded"
    assert (code, err.splitlines()[-1]) == (
        0,
        f"net: {trial.label} of lr_sweep-digits; loads without this project, {recorded}",
    )
    facts = json.loads((trained_run / "run.json").read_text())
    facts["normalisation"]["mean"] = [0.9, 0.9, 0.9]  # the same network, but an export that says another input
    (trained_run / "run.json").write_text(json.dumps(facts))
    code, _, err = call("export", "lr_sweep-digits/0", "net", "--data-dir", str(digits))
    assert code == 5
    assert re.search(rf"not usable: net: in a process without this project it gets \d+\.\d\d % of {images}", err)


@pytest.mark.parametrize(
    ("right", "recorded", "what"),
    [(90, 0.9, "90.00 % of 100 validation images right, as recorded"), (91, 0.9, "right, 1 other than recorded"),
     (88, 0.9, None), (20, 0.9, None)],
)  # fmt: skip
def test_as_right_as_recorded_but_for_rounding(right: int, recorded: float, what: str | None) -> None:
    trial = dataclasses.replace(TRIAL, epochs=[{"epoch": 1, "val_accuracy": recorded}])
    val = loading.Split(np.zeros((100, 1, 1, 3), np.uint8), np.zeros(100, np.int64))
    predicted = (np.arange(100) >= right).astype(np.int64)
    if what:
        assert what in words(Path("net"), trial, val, predicted)
    else:
        with pytest.raises(RunError, match=r"not usable: net: .* but 90\.00 % are recorded"):
            words(Path("net"), trial, val, predicted)
    assert "not scored" in words(Path("net"), trial, None, np.zeros(0))


@pytest.mark.slow
def test_the_source_of_every_model_stands_alone(tmp_path: Path) -> None:
    """The same weights in model.py and in our own network give the same logits. One process for all: torch loads slowly."""
    torch.manual_seed(0)
    images, expected = torch.rand(2, 3, 32, 32), {}
    for model in MODELS:
        config = complete({"model": model, "dropout": 0.3})
        ours = build(config, 7)
        for value in ours.state_dict().values():
            if value.is_floating_point():
                value.copy_(value + 0.01 * torch.rand_like(value))
        (tmp_path / f"{model}.py").write_text(network_source.source(model))
        (tmp_path / f"{model}.json").write_text(json.dumps(config))
        safetensors.torch.save_file({**ours.state_dict(), "images": images}, tmp_path / model)
        assert "trainables" not in network_source.source(model)
        with torch.no_grad():
            expected[model] = ours.eval()(images)
    code = f"""
import importlib, json, torch
from safetensors.torch import load_file
sys.path.insert(0, {str(tmp_path)!r})
found = {{}}
for name in {tuple(MODELS)!r}:
    weights = load_file(f"{tmp_path}/{{name}}")
    images = weights.pop("images")
    network = importlib.import_module(name).build(json.load(open(f"{tmp_path}/{{name}}.json")), 7).eval()
    network.load_state_dict(weights)
    found[name] = network(images).tolist()
print(json.dumps(found))
"""
    done = elsewhere(code, tmp_path)
    assert done.returncode == 0, done.stderr
    for model, logits in json.loads(done.stdout).items():
        assert torch.tensor(logits).allclose(expected[model], atol=1e-4), model


def test_the_weights_and_facts_are_those_of_the_trial(call: Call, trained_run: Path) -> None:
    code, out, err = call("export", "lr_sweep-digits/0", "net")
    run = ledger.read(trained_run)
    trial = run.trials[0]
    assert (code, out) == (0, "")
    assert err.endswith(f"\nnet: {trial.label} of lr_sweep-digits; loads without this project, untried\n")
    assert Path("net/model.safetensors").read_bytes() == (trial.folder / "best.safetensors").read_bytes()
    facts = json.loads(Path("net/config.json").read_text())
    assert (facts["config"], facts["trial"]) == (trial.config, trial.label)
    assert facts["mean"] == run.identity.normalisation["mean"]
    assert sorted(path.name for path in Path("net").iterdir()) == [
        "README.md", "config.json", "model.py", "model.safetensors",  # and program.pt2, where it is tried
    ]  # fmt: skip


def test_predictions_are_those_that_chose_it(call: Call, trained_run: Path, digits: Path) -> None:
    """Validation images as PNG files: the classes in val.npz."""
    call("export", "lr_sweep-digits/0", "net")
    images = loading.load(loading.prepare("digits", digits, progress=False))
    names = [f"{place}.png" for place in range(20)]
    for name, pixels in zip(names, images.val.images, strict=False):
        Image.fromarray(pixels).save(name)
    (val,) = trained_run.glob("trials/0000-*/val.npz")
    code, out, _ = call("predict", "net", *names, "--format", "json")
    rows = json.loads(out)
    assert code == 0
    assert [int(row["class"]) for row in rows] == np.load(val)["predicted"][:20].tolist()
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-4) for row in rows)
    table = call("predict", "net", *names)[1].splitlines()
    assert len(table) == 22


def test_a_run_of_before_finds_its_normalisation_in_the_images(call: Call, trained_run: Path, digits: Path) -> None:
    facts = json.loads((trained_run / "run.json").read_text())
    scale = facts.pop("normalisation")
    (trained_run / "run.json").write_text(json.dumps(facts))
    assert call("export", "lr_sweep-digits/0", "net", "--data-dir", str(digits))[0] == 0
    assert json.loads(Path("net/config.json").read_text())["mean"] == scale["mean"]


def test_the_card_has_validation_confirmed_and_test(trained_run: Path) -> None:
    run = ledger.read(trained_run)
    best = run.trials[0].best
    assert best is not None
    fresh = [
        ledger.Trial(
            place,
            f"f{place}",
            run.trials[0].config,
            place,
            "confirm",
            Path(),
            run.trials[0].epochs,
            {"outcome": "finished"},
        )
        for place in (3, 4)
    ]
    tested = {"weights": "w", "trial": 0, "epoch": best["epoch"], "state": "done"}
    tests = [tested | {"metrics": {"accuracy": 0.75, "count": 300}}]
    whole = ledger.Run(
        run.folder,
        run.identity,
        dataclasses.replace(run.totals, confirm_seeds=2),
        [*run.trials, *fresh],
        run.decisions,
        tests,
    )
    facts = {"classes": ["a", "b|c"], "trained_on": "train", "epoch": 2, "trial": "x", "run": "r", "config": {}}
    text = model_card.card(whole, whole.trials[0], facts)
    assert f"{100 * best['val_accuracy']:.2f} (95 % interval" in text
    assert "mean of 2 fresh seeds" in text
    assert "75.00 (95 % interval" in text
    (validated, tested_on) = [
        row for row in text.splitlines() if f"the network of trial 0000-{whole.trials[0].id} " in row
    ]
    assert ("validation images" in validated, "test images" in tested_on) == (True, True)
    assert "b\\|c" in text
    unfinished = ledger.Trial(5, "f5", run.trials[0].config, 5, "confirm", Path())
    assert confirmed_values(ledger.Run(run.folder, {}, {}, [*fresh, unfinished], [], []), run.trials[0]) == []
    lost = dataclasses.replace(fresh[0], epochs=[], outcome={"outcome": "diverged", "epoch": 1})
    text = model_card.card(dataclasses.replace(whole, trials=[*run.trials, lost, fresh[1]]), run.trials[0], facts)
    assert "not finished on 1 fresh seed" in text
    assert "mean of" not in text


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (
            ("export", "lr_sweep-digits/2", "net"),
            5,
            "it was stopped early after 1 epoch, and weights are kept",
        ),
        (("export", "lr_sweep-digits", "theirs"), 5, "Choose another folder."),
        (("export", "lr_sweep-digits"), 2, "--ensemble K"),
        (("export", "lr_sweep-digits", "net", "--ensemble", "1"), 2, "--ensemble must be at least 2"),
        (("predict", "theirs", "x.png"), 5, "no export: theirs"),
    ],
)
def test_what_cannot_be_is_one_line(call: Call, words: tuple[str, ...], code: int, hint: str) -> None:
    Path("theirs").mkdir()
    (Path("theirs") / "README.md").write_text("their own words")
    found, out, err = call(*words)
    assert (found, out) == (code, "")
    assert hint in err.splitlines()[-1]
    assert (Path("theirs") / "README.md").read_text() == "their own words"


def test_an_export_is_replaced_by_the_next(call: Call) -> None:
    assert call("export", "lr_sweep-digits/0", "net")[0] == 0
    before = Path("net/model.safetensors").read_bytes()
    code, _, err = call("export", "lr_sweep-digits/1", "net")
    assert code == 0
    assert Path("net/model.safetensors").read_bytes() != before
    assert re.search(r"; it replaces 0000-\w{6} of lr_sweep-digits\n$", err)
    assert "replaces" not in call("export", "lr_sweep-digits/1", "net")[2]


def test_damaged_weights_predict_nothing(call: Call) -> None:
    call("export", "lr_sweep-digits/0", "net")
    Image.new("RGB", (40, 40)).save("one.png")
    weights = bytearray(Path("net/model.safetensors").read_bytes())
    weights[-1] ^= 1
    Path("net/model.safetensors").write_bytes(weights)
    code, out, err = call("predict", "net", "one.png")
    assert (code, out) == (5, "")
    assert "damaged export" in err


def test_an_ensemble_brings_the_results_up_to_date(call: Call) -> None:
    """It reads the test split, and results.md says how often that was read; the same networks again are not read again."""
    assert call("leaderboard", "lr_sweep-digits")[0] == 0
    code, out, err = call("export", "lr_sweep-digits", "--ensemble", "2")
    assert code == 0 and out.startswith("| network")
    assert "results.md: written again, because the test split was read once more" in err
    assert "for winners and for ensembles of the best" in Path("runs/lr_sweep-digits/results.md").read_text()
    assert "written again" not in call("export", "lr_sweep-digits", "--ensemble", "2")[2]


def test_one_bad_file_does_not_cost_the_answers_about_the_others(call: Call) -> None:
    call("export", "lr_sweep-digits/0", "net")
    Image.new("RGB", (40, 40)).save("one.png")
    for name in ("a", "b", "c", "d"):
        Path(f"{name}.png").write_text("no image")
    code, out, err = call("predict", "net", "a.png", "one.png", "b.png", "c.png", "d.png")
    assert code == 4
    assert [line.split()[1] for line in out.splitlines()[2:]] == ["one.png"]
    assert "a.png" in err and "b.png" in err and "and 1 more" in err


def test_a_file_that_is_no_image_is_named(call: Call) -> None:
    call("export", "lr_sweep-digits/0", "net")
    Path("no.png").write_text("no image")
    code, _, err = call("predict", "net", "no.png")
    assert code == 4
    assert "no.png" in err


def test_retrained_on_train_and_validation(call: Call, digits: Path, trained_run: Path) -> None:
    """Other weights, nothing left behind, a card that says whose number it shows; twice the same bytes."""
    words = ("export", "lr_sweep-digits/2", "net", "--retrain", "--data-dir", str(digits))
    code, _, err = call(*words)
    assert code == 0
    assert "epoch 1/2" in err and "epoch 2/2" not in err
    assert not Path("net/training").exists()
    text = Path("net/README.md").read_text()
    assert "trained on 1,497 images (training and validation)" in text
    assert "The numbers above are of the model before that" in text
    weights = Path("net/model.safetensors").read_bytes()
    assert call(*words)[0] == 0
    assert Path("net/model.safetensors").read_bytes() == weights


def test_the_retrained_network_knows_the_validation_images(call: Call, digits: Path) -> None:
    assert call("export", "lr_sweep-digits/1", "net", "--retrain", "--data-dir", str(digits))[0] == 0
    images = loading.load(loading.prepare("digits", digits, progress=False))
    facts = json.loads(Path("net/config.json").read_text())
    model = build(facts["config"], 10)
    model.load_state_dict(safetensors.torch.load_file("net/model.safetensors"))
    logits = predict(model, images.val.images, images, "cpu", "fp32")
    assert (logits.argmax(1) == images.val.labels).mean() > 0.8


def test_a_training_that_was_interrupted_goes_on_only_if_it_is_the_same(
    call: Call, digits: Path, trained_run: Path
) -> None:
    """What another export left in the folder is of other images, and would be taken for a start otherwise."""
    words = ("export", "lr_sweep-digits/2", "net", "--retrain", "--data-dir", str(digits))
    assert call(*words)[0] == 0
    expected = Path("net/model.safetensors").read_bytes()
    one, cache = ledger.read(trained_run).trials[2], loading.prepare("digits", digits, progress=False)
    few = loading.load(cache, fraction=0.1)
    scratch = Path("net") / retrain.SCRATCH
    list(one_trial.run(scratch, Training(one.config, few, seed=one.seed, device="cpu", precision="fp32"), until=1))
    assert call(*words)[0] == 0
    assert Path("net/model.safetensors").read_bytes() == expected
