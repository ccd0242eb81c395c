"""Numbers of the model card: pytest tests/analysis/export/test_model_card.py"""

import dataclasses
from collections.abc import Callable

import pytest

from analysis.export import model_card
from analysis.ranking.standing import stand
from search.run.ledger import Run, Trial
from trainables.objective import ACCURACY, MACRO_F1, Objective


def test_every_snippet_is_for_images_of_the_networks_size() -> None:
    for text in (model_card.SNIPPET, model_card.PROGRAM, model_card.ONNX):
        shown = "\n".join(model_card.snippet(text, {"config": {"image_size": 64}}).lines)
        assert "1, 3, 64, 64)" in shown and "64 x 64 pixels" in shown
        assert shown.replace("float32", "").count("32") == 0


@pytest.mark.parametrize("objective", [ACCURACY, MACRO_F1])
def test_the_interval_beside_the_accuracy_is_never_that_of_another_metric(
    trial: Callable[..., Trial], run: Callable[..., Run], objective: Objective
) -> None:
    one = trial(0, (0.9,), lr=0.1)
    found = run([one])
    where = stand(found)
    where.trials[["low", "high"]] = 0.11, 0.22
    found = dataclasses.replace(found, identity=dataclasses.replace(found.identity, objective=objective))
    told = model_card.on_validation(found, one, where)
    images = found.identity.val_images
    own = model_card.with_bounds(0.9, 0.11, 0.22) if objective is ACCURACY else model_card.with_interval(0.9, images)
    assert told == own


def test_a_network_of_several_seeds_stands_beside_the_mean_over_all(seeded: Run) -> None:
    best = next(each for each in seeded.trials if each.index == stand(seeded).winner)
    rows = model_card.numbers(seeded, best, stand(seeded), None)
    mean = next(row for row in rows if row[0] == "this configuration")
    assert mean[1:] == ("validation, mean of 3 seeds of the search (from 94.00 to 95.50)", "94.83")
    assert rows[0][2].startswith("95.50"), "the network itself"
