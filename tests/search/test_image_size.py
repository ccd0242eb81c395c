"""Searches on images of another size, and of several: pytest tests/search/test_image_size.py"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.frame.dataframe import load
from analysis.verify.run_folder import verify
from search.run import identity, ledger, opening, resume
from spaces import Space, changed, choice, integers, when
from trainables.data import loading
from trainables.errors import RunError, SpaceError
from trainables.files import durable

ROOT = Path(__file__).parents[2]
BASIS = {"model": "mlp", "depth": 1, "width": 8, "schedule": "constant"}


def space(**params):
    params = {**BASIS, "lr": choice(1e-3, 1e-2), **params}
    baseline = {key: value.listed()[0] for key, value in params.items() if hasattr(value, "listed")}
    return Space(params=params, baseline=baseline, epochs=1)


@pytest.fixture
def pictures(tmp_path):
    """Striped pictures of 80 x 80, across or down."""
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 8), ("test", 6)):
        for name, axis in (("across", 0), ("down", 1)):
            (tmp_path / "stripes" / split / name).mkdir(parents=True)
            for number in range(count):
                waves = 90 + 80 * np.sin(np.arange(80) / random.uniform(1, 3) + random.uniform(0, 6))
                grey = np.broadcast_to(waves if axis else waves[:, None], (80, 80)) + random.normal(0, 20, (80, 80))
                rgb = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
                Image.fromarray(rgb).save(tmp_path / "stripes" / split / name / f"{number}.png", compress_level=1)
    return tmp_path / "stripes"


def command(folder, *words):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def search(folder, *words):
    small = [f"--set={key}={value}" for key, value in (BASIS | {"lr": "0.003,0.01"}).items()]
    script = str(ROOT / "run_search.py")
    return command(folder, script, "--space=lr_sweep", "--dataset=folder:stripes", "--name=t", *small, *words)


@pytest.mark.integration
@pytest.mark.slow
def test_a_search_at_64_pixels_from_its_estimate_to_a_prediction(pictures):
    folder = pictures.parent
    told = search(folder, "--epochs=3", "--image-size=64", "--dry-run")
    assert "images: 76 of 64 x 64 pixels, 0.9 MB on the disk" in told
    search(folder, "--epochs=3", "--image-size=64")
    run = ledger.read(folder / "runs" / "t")
    assert (run.identity.image_size, run.identity.sized) == (64, {})
    assert {trial.config["image_size"] for trial in run.trials} == {64}
    assert verify(run.folder) == []
    assert "trained on 48 images of 64 x 64 pixels" in (run.folder / "results.md").read_text()
    assert "identical" in command(folder, str(ROOT / "run_search.py"), "--reproduce", "t")
    command(folder, "-m", "analysis", "export", "t", "network")
    facts = durable.read_json(folder / "network" / "config.json")
    assert (facts["image"]["width"], facts["image"]["height"]) == (64, 64)
    told = command(
        folder, "-m", "analysis", "predict", "network", "stripes/test/across/0.png", "stripes/test/down/1.png"
    )
    assert "across" in told
    assert "finished already" in command(folder, str(ROOT / "run_search.py"), "--resume", "t")


@pytest.mark.integration
@pytest.mark.slow
def test_a_search_of_the_size_ends_with_a_winner_that_is_tested_at_its_own(pictures):
    folder = pictures.parent
    told = search(folder, "--epochs=2", "--set=image_size=16,48,80", "--dry-run")
    assert told.count("x 16 pixels") == told.count("x 48 pixels") == told.count("x 80 pixels") == 1
    search(folder, "--epochs=2", "--set=image_size=16,48,80", "--engine=2")
    run = ledger.read(folder / "runs" / "t")
    assert len(run.trials) == 6
    assert {trial.status for trial in run.trials} == {"finished"}
    assert list(run.identity.sized) == ["16", "48", "80"]
    assert len({each["fingerprint"] for each in run.identity.sized.values()}) == 3
    assert run.tests[-1]["state"] == "done"
    assert verify(run.folder) == []
    assert "images of 16, 48 or 80 pixels a side" in (run.folder / "results.md").read_text()
    assert set(load([run])["image_size"]) == {16, 48, 80}
    assert "finished already" in command(folder, str(ROOT / "run_search.py"), "--resume", "t")
    for trial in {trial.config["image_size"]: trial for trial in run.trials}.values():
        name = f"t/{trial.id}"
        assert "identical" in command(folder, str(ROOT / "run_search.py"), "--reproduce", name)
    assert "average of 2 networks" in command(folder, "-m", "analysis", "export", "t", "--ensemble", "2")


@pytest.fixture
def sizes(tmp_path):
    return loading.prepare_sizes("digits", tmp_path / "data", [16, 24], progress=False)


def test_the_sizes_of_a_space_are_listed():
    assert space().image_sizes == [32]
    assert space(image_size=64).image_sizes == [64]
    assert space(image_size=choice(64, 32)).image_sizes == [32, 64]
    assert space(model=choice("mlp", "resnet"), depth=8, image_size=when("model", mlp=choice(16, 24))).image_sizes == [
        16,
        24,
        32,
    ]
    with pytest.raises(SpaceError, match="at most 8 are searched"):
        _ = space(image_size=integers(32, 224)).image_sizes
    with pytest.raises(SpaceError, match="image_size must be"):
        space(image_size=8)


def test_a_size_is_part_of_what_a_run_is(sizes, settings, tmp_path):
    """32 is no other search than one that says nothing; any other size is, and says so."""
    assert changed(space(), ["image_size=32"])[0].digest() == space().digest()
    digits = loading.load(loading.prepare("digits", tmp_path / "data", progress=False))
    durable.make_folder(tmp_path / "run")
    run = opening.open_run(tmp_path / "run", settings(space=space()), digits, False)
    assert "image_size" not in durable.read_json(run.folder / "run.json")
    with pytest.raises(RunError) as refused:
        opening.open_run(run.folder, settings(space=space(image_size=24)), loading.load(sizes[24]), False)
    assert "image_size: 32 is now 24" in str(refused.value)


def test_each_size_has_its_fingerprint_and_normalisation(sizes, settings, tmp_path, monkeypatch):
    asked = settings(space=space(image_size=choice(16, 24)), cache=sizes[16], caches=sizes)
    images = {size: loading.load(cache) for size, cache in sizes.items()}
    found = identity.describe(asked, images[16], False)
    assert found.fingerprint == images[16].fingerprint
    for size, own in images.items():
        assert found.of_size(size) == {"fingerprint": own.fingerprint, "mean": list(own.mean), "std": list(own.std)}
        assert asked.cache_of({"image_size": size}) == sizes[size]
    other = identity.describe(
        settings(space=asked.space, cache=sizes[16], caches={**sizes, 24: sizes[16]}), images[16], False
    )
    assert list(found.differences(other)) == ["sized"]
    assert found.of_size(16)["fingerprint"] == found.fingerprint


def test_a_run_is_continued_at_its_size(sizes, settings, tmp_path):
    durable.make_folder(tmp_path / "runs" / "t")
    opening.open_run(tmp_path / "runs" / "t", settings(space=space(image_size=24)), loading.load(sizes[24]), False)
    assert resume.recorded(tmp_path / "runs", "t", {"dataset"})["image_size"] == 24
