"""Wrong labels that were put in on purpose are listed first: pytest tests/analysis/diagnostics/test_suspects.py"""

import json

import numpy as np
import pytest

from analysis.diagnostics import mistake_images, mistakes
from analysis.diagnostics.suspects import find
from analysis.ranking.standing import stand
from analysis.report import html_page
from analysis.views import suspects as listing
from search.settings import Settings
from spaces import Space, choice
from trainables.data import cache, split
from trainables.data.loading import Dataset, Split
from trainables.data.sources import digits
from trainables.errors import RunError
from trainables.files import durable

WRONG = 0.03  # of the labels
SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 128, "lr": choice(3e-4, 1e-3, 2e-3, 3e-3), "optimizer": "adamw",
            "schedule": "constant", "augment": "none", "batch_size": 64},
    baseline={"lr": 1e-3}, epochs=8,
)  # fmt: skip


def mislabelled(labels):
    """Three in a hundred labels are another class, wherever they are."""
    random = np.random.default_rng(0)
    wrong = random.permutation(len(labels))[: round(WRONG * len(labels))]
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + random.integers(1, 10, len(wrong))) % 10
    return changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory, without_ray):
    """A run on digits of which some labels are wrong, with the cache that it was made from; and the true labels of validation."""
    root = tmp_path_factory.mktemp("digits")
    images, true = digits.read()
    labels = mislabelled(true)
    held = split.stratified(true, 400, split.VALIDATION)
    rest = np.setdiff1d(np.arange(len(true)), held)
    parts = {"train": rest, "val": held}
    data = Dataset(
        name="digits", train=Split(images[rest], labels[rest]), val=Split(images[held], labels[held]), classes=digits.CLASSES,
        mean=(0.3,) * 3, std=(0.36,) * 3, fingerprint="2" * 64, sizes={**{k: len(v) for k, v in parts.items()}, "test": 0},
    )  # fmt: skip
    asked = Settings(
        space_name="rates", space=SPACE, dataset="digits", dataset_short="digits", fallback=None, cache=root, algorithm="grid",
        scheduler="none",
    )  # fmt: skip
    run = without_ray(root / "rates-digits", asked, data)
    return run, np.flatnonzero(labels[held] != true[held]), data


def test_most_wrong_labels_are_listed_and_first(folder):
    run, wrong, _ = folder
    found = find(run, stand(run))
    listed = [each.position for each in found.suspects]
    first = listed[: len(wrong)]
    assert len(wrong) >= 10
    assert len(set(listed) & set(wrong)) >= 0.8 * len(wrong)
    assert len(set(first) & set(wrong)) >= 0.7 * len(wrong)
    assert (found.good, found.networks, found.images) == (2, 4, 400)


def test_they_are_printed_with_label_class_and_name(folder):
    run, _, _ = folder
    found = find(run, stand(run))
    names = [f"cat/{number}.png" for number in range(400)]
    rows = json.loads(listing.listed(found, run.identity.classes, names, "json"))
    assert rows[0]["image"] == names[rows[0]["position"]]
    assert {rows[0]["label"], rows[0]["taken_for"]} <= set(digits.CLASSES)
    assert rows[0]["networks"] == "4 of 4"
    text = listing.listed(found, run.identity.classes, [], "md")
    assert (
        f"{len(rows)} of 400 validation images are taken for one and the same other class by all of the best 2 of 4"
        in text
    )
    assert listing.listed(found, run.identity.classes, names, "csv").startswith(
        "position,label,taken_for,networks,image\n"
    )


def test_the_report_shows_them_where_the_images_are_at_hand(folder, monkeypatch, tmp_path):
    run, _, data = folder
    assert "Labels that may be wrong" not in html_page.page(run)
    for part in cache.SPLITS:
        own = data.val if part == "val" else data.train
        cache.save_split(tmp_path, part, own.images, own.labels)
    durable.write_json(tmp_path / cache.VAL_NAMES, {"names": [f"<{number}>.png" for number in range(400)]})
    monkeypatch.setattr(mistake_images.images, "at_hand", lambda *_: tmp_path)
    page = html_page.page(run)
    assert "<h2>Labels that may be wrong</h2>" in page
    section = page.split("<h2>Labels that may be wrong</h2>")[1]
    assert 1 <= section.count('<img src="data:image/png;base64,') <= mistakes.SHOWN
    assert "&lt;" in section
    assert "<figcaption>" in page


def test_a_single_network_can_agree_with_none(folder, tmp_path):
    run, _, _ = folder
    where = stand(run)
    lost = where.trials.assign(folder=[tmp_path, *where.trials["folder"].iloc[:1], tmp_path, tmp_path])
    object.__setattr__(where, "trials", lost)
    with pytest.raises(RunError, match="1 finished trial kept predictions and labels, and 2 have to agree"):
        find(run, where)
