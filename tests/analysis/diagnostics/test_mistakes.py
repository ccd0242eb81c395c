"""What a winner gets wrong, shown: pytest tests/analysis/diagnostics/test_mistakes.py"""

import base64
import io
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from analysis.diagnostics import mistakes
from analysis.frame import predictions
from analysis.ranking.standing import stand
from analysis.report import html_page, pictures_of
from search.run import confirmation
from search.settings import Settings
from spaces import Space, choice
from trainables.data import cache
from trainables.data.loading import Dataset, Split
from trainables.files import durable

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


def test_the_report_shows_them_at_their_real_size(run, data, monkeypatch, tmp_path):
    assert "Mistakes of the winner" not in html_page.page(run), "the images are not at hand"
    for part, own in (("train", data.train), ("val", data.val), ("test", data.val)):
        cache.save_split(tmp_path, part, own.images, own.labels)
    durable.write_json(tmp_path / cache.VAL_NAMES, {"names": [f"deep/{number}.png" for number in range(120)]})
    asked = []
    monkeypatch.setattr(pictures_of.images, "at_hand", lambda _, size: asked.append(size) or tmp_path)
    section = html_page.page(run).split("<h2>Mistakes of the winner</h2>")[1].partition("<h2>")[0]
    found = mistakes.find(run, stand(run))
    assert asked[0] == 48
    assert f"gets {found.wrong} of 120 validation images wrong. Shown are {len(found.examples)}" in " ".join(
        section.split()
    )
    drawn = re.findall(r'src="data:image/png;base64,([^"]+)"', section)
    assert len(drawn) == len(found.examples)
    first = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn[0]))))
    assert np.array_equal(first, data.val.images[found.examples[0].position])
    assert f"{found.examples[0].position}.png" in section
    assert "<a>" not in section


def test_a_winner_without_mistakes_or_labels_has_no_section(run, monkeypatch):
    where, own = stand(run), predictions.read(confirmation.winner(run).folder)
    monkeypatch.setattr(predictions, "read", lambda _: own._replace(predicted=own.labels))
    assert mistakes.find(run, where) is None
    monkeypatch.setattr(predictions, "read", lambda _: own._replace(labels=None))
    assert mistakes.find(run, where) is None
