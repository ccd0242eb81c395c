"""What a winner gets wrong, shown: pytest tests/analysis/diagnostics/test_mistakes.py"""

import base64
import dataclasses
import io
import json
import re
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from analysis.diagnostics import mistake_images, mistakes
from analysis.diagnostics.suspects import Suspect
from analysis.frame import images, predictions
from analysis.plots import mistakes as sheet
from analysis.ranking.standing import stand
from analysis.report import html_page
from analysis.results import files
from search.run import confirmation, ledger
from search.settings import Settings
from spaces import Space, choice
from trainables.data import cache, loading
from trainables.data.held_out.folds import Fold
from trainables.data.loading import Dataset, Split

SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "lr": choice(1e-3, 1e-2), "image_size": 48, "optimizer": "adamw",
            "schedule": "constant", "augment": "none", "batch_size": 64},
    baseline={"lr": 1e-3}, epochs=1,
)  # fmt: skip


def noise(count, seed):
    random = np.random.default_rng(seed)
    return Split(random.integers(0, 256, (count, 48, 48, 3), dtype=np.uint8), random.integers(0, 4, count))


@pytest.fixture(scope="module")
def data():
    train, val = noise(64, 0), noise(120, 1)
    return Dataset(
        name="noise", train=train, val=val, classes=("<a>", "b", "c", "d"), mean=(0.5,) * 3, std=(0.3,) * 3, fingerprint="3" * 64,
        sizes={"train": 64, "val": 120, "test": 0},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(data, without_ray, tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    asked = Settings(
        space_name="rates", space=SPACE, dataset="digits", dataset_short="noise", fallback=None, cache=folder, algorithm="grid",
        scheduler="none",
    )  # fmt: skip
    return without_ray(folder / "noise", asked, data)


def test_the_surest_come_first_and_few_of_a_kind(run):
    found = mistakes.find(run, stand(run))
    own = predictions.read(confirmation.winner(run).folder)
    wrong = {place for place in range(120) if own.predicted[place] != own.labels[place]}
    assert (found.wrong, found.images, found.networks) == (len(wrong), 120, 2)
    shown = [each.position for each in found.examples]
    assert set(shown) <= wrong
    assert len(shown) == len(set(shown)) <= mistakes.SHOWN
    assert all(
        (each.label, each.said) == (own.labels[each.position], own.predicted[each.position]) for each in found.examples
    )
    assert [each.agreeing for each in found.examples] == sorted(
        (each.agreeing for each in found.examples), reverse=True
    )
    assert max(Counter((each.label, each.said) for each in found.examples).values()) <= mistakes.OF_A_KIND
    first = {
        kind: number for number, kind in enumerate(dict.fromkeys((each.label, each.said) for each in found.examples))
    }
    assert len(first) > 1
    assert mistakes.find(run, stand(run)) == found


@pytest.fixture(scope="module")
def decoded(data, tmp_path_factory):
    """The folder of the images in a cache."""
    names = [f"deep/{number}.png" for number in range(120)]

    def write(folder):
        for part, own in (("train", data.train), ("val", data.val), ("test", data.val)):
            cache.save_split(folder, part, own.images, own.labels)
        return cache.Written(data.classes, val_names=names)

    return cache.build("noise", "0" * 64, tmp_path_factory.mktemp("images") / "data", write)


@pytest.fixture
def at_hand(decoded, monkeypatch):
    """The images are where the run had them, until `undo`."""
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(images, "at_hand", lambda _, size: asked.append(size) or decoded)
        patch.asked = asked
        yield patch


@pytest.fixture
def copied(run, tmp_path):
    return ledger.read(shutil.copytree(run.folder, tmp_path / run.folder.name))


def pixels(drawn):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn))))


def shown_by_the_report(run):
    return (
        html_page.page(run)
        .partition("<h2>Mistakes of the winner</h2>")[2]
        .partition("\n<h2>")[0]
        .partition("\n</main>")[0]
    )


def test_the_report_shows_them_at_their_real_size(run, data, at_hand):
    section = html_page.page(run).split("<h2>Mistakes of the winner</h2>")[1].partition("<h2>")[0]
    found = mistakes.find(run, stand(run))
    assert at_hand.asked[0] == 48
    said = " ".join(re.sub("<[^>]+>", "", section).split())
    assert (
        f"gets {found.wrong} of 120 validation images wrong. {len(found.examples)} are shown at their real size" in said
    )
    drawn = re.findall(r'src="data:image/png;base64,([^"]+)"', section)
    assert len(drawn) == len(found.examples)
    for own, each in zip(drawn, found.examples, strict=True):
        assert np.array_equal(pixels(own), data.val.images[each.position])
    assert f"{found.examples[0].position}.png" in section
    assert "<a>" not in section


def test_results_show_them_as_the_report_does(copied, data, at_hand):
    files.write_files(copied)
    text, drawn = ((copied.folder / name).read_text() for name in ("results.md", "plots/mistakes.svg"))
    found = mistakes.find(copied, stand(copied))
    section = text.partition("\n## Mistakes of the winner\n")[2].partition("\n## ")[0]
    assert f"gets {found.wrong} of 120 validation images wrong" in section
    assert section.count("](plots/mistakes.svg)") == 1
    own = [pixels("".join(each.split())) for each in re.findall(r'"data:image/png;base64,([^"]+)"', drawn)]
    assert len(own) == len(found.examples)
    for image, each in zip(own, found.examples, strict=True):
        turned = image[::-1] if np.array_equal(image[::-1, :, :3], data.val.images[each.position]) else image
        assert np.array_equal(turned[..., :3], data.val.images[each.position])


def test_a_pixel_of_an_image_is_a_pixel_of_the_page(copied, at_hand):
    """Browsers have 96 pixels in an inch, and 72 points."""
    files.write_files(copied)
    drawn = (copied.folder / "plots" / "mistakes.svg").read_text()
    images_there = re.findall(r'width="(\d+)" height="(\d+)" transform="matrix\((\S+) 0 0 (\S+) ', drawn)
    assert images_there
    assert set(images_there) == {("48", "48", "0.75", "0.75")}


def test_what_is_kept_gives_the_same_results_where_the_images_are_not(copied, at_hand):
    files.write_files(copied)
    first = {
        path: path.read_bytes() for path in (copied.folder / "results.md", copied.folder / "plots" / "mistakes.svg")
    }
    report = shown_by_the_report(copied)
    at_hand.undo()
    assert not files.is_stale(copied)
    for path in first:
        path.unlink()
    files.write_files(copied)
    assert {path: path.read_bytes() for path in first} == first
    assert shown_by_the_report(copied) == report != ""


@pytest.mark.parametrize("kept", ["{", "[]", '{"trial": 1}', "of another trial", "no picture", None])
def test_without_the_images_and_what_is_kept_there_is_no_section_and_everything_else(copied, at_hand, kept):
    files.write_files(copied)
    at_hand.undo()
    path = copied.folder / mistake_images.FILE
    record = json.loads(path.read_text())
    if kept == "of another trial":
        path.write_text(json.dumps(record | {"trial": "0"}))
    elif kept == "no picture":
        path.write_text(json.dumps(record | {"pictures": [own | {"png": "AAAA"} for own in record["pictures"]]}))
    elif kept is None:
        path.unlink()
    else:
        path.write_text(kept)
    files.write_files(copied)
    text = (copied.folder / "results.md").read_text()
    assert "Mistakes" not in text
    assert "## Leaderboard" in text
    assert "Mistakes" not in html_page.page(copied)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_in_folds_the_pictures_are_those_of_the_fold(run, decoded, at_hand, number):
    """The fifth of three is in the second partition."""
    in_folds = dataclasses.replace(run, identity=dataclasses.replace(run.identity, folds=3))
    trial = dataclasses.replace(run.trials[0], fold=number)
    held = loading.load(decoded, fold=Fold(number, 3)).val.images
    examples = [Suspect(place, 0, 1, 1) for place in (0, 7, len(held) - 1)]
    found = mistake_images.at_hand(in_folds, examples, trial, 48)
    assert all(np.array_equal(pixels(own.png), held[each.position]) for own, each in zip(found, examples, strict=True))
    assert len(found) == 3
    assert mistake_images.at_hand(in_folds, [Suspect(len(held), 0, 1, 1)], trial, 48) == []
    assert {own.name for own in found} - {""}, "an image of the validation folder has a name"


def test_of_large_images_fewer_are_shown():
    assert [mistakes.shown_of(size) for size in (32, 128, 224, 320, 1024)] == [24, 24, 12, 5, 4]


def test_lines_below_a_picture_are_as_wide_as_it():
    assert sheet.lines("cat", "dog", "a/1.png") == ["cat", "taken for dog", "a/1.png"]
    long = sheet.lines("猫" * 20, "d" * 40, "folder/of/folders/" + "n" * 20 + ".png")
    assert long == ["猫" * 10 + "…", "taken for dddddddddddd…", "…" + "n" * 18 + ".png"]


def test_a_winner_without_mistakes_or_labels_has_no_section(run, monkeypatch):
    where, own = stand(run), predictions.read(confirmation.winner(run).folder)
    monkeypatch.setattr(predictions, "read", lambda _: own._replace(predicted=own.labels))
    assert mistakes.find(run, where) is None
    monkeypatch.setattr(predictions, "read", lambda _: own._replace(labels=None))
    assert mistakes.find(run, where) is None
