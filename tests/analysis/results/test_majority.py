"""The majority's share beside the accuracy, and whether the best is above it: pytest tests/analysis/results/test_majority.py"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.export import model_card
from analysis.ranking import statistics
from analysis.ranking.standing import stand
from analysis.render.markdown import inline, rendered
from analysis.results import majority, printed
from analysis.results.sections import answer, checks
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
NAMES = ("big", "small", "tiny")


@pytest.fixture
def searched(trial: Make, run: MakeRun, tmp_path: Path) -> Callable[..., Run]:
    """A complete run of networks that predicted these classes, in order, of images with these labels."""

    def search(labels: Sequence[int], *predictions: Sequence[int], keep: bool = True) -> Run:
        classes = NAMES[: max(labels) + 1]
        trials = []
        for place, predicted in enumerate(map(np.array, predictions)):
            correct = predicted == np.array(labels)
            one = trial(place, (float(correct.mean()),), lr=0.001 * (place + 1))
            trials.append(dataclasses.replace(one, folder=tmp_path / f"{place}"))
            trials[-1].folder.mkdir(exist_ok=True)
            if keep:
                np.savez(trials[-1].folder / "val.npz", correct=correct, predicted=predicted.astype(np.uint8), epoch=1)
        census = {"counts": {"val": np.bincount(labels).tolist()}, "duplicates": []}
        census["counts"] |= {"train": census["counts"]["val"], "test": census["counts"]["val"]}
        sizes = {"train": len(labels), "val": len(labels), "test": len(labels)}
        return run(trials, census=census, sizes=sizes, classes=list(classes))

    return search


def said(run: Run) -> tuple[str, list[str]]:
    """The sentence of the answer, and the lines of the checks about the constant answer."""
    where = stand(run)
    warned = [inline(checks.line(found)) for found in checks.constant(run, where)]
    return inline(majority.sentence(run, where)), warned


def test_fifty_to_one_is_told_and_warned_of(searched: Callable[..., Run]) -> None:
    labels = [0] * 50 + [1]
    found = searched(labels, [0] * 51)
    sentence, (warned,) = said(found)
    assert sentence == (
        "Always saying the most common class, big, is right about 98.04 % of these images, and the best network is not "
        "shown to do better."
    )
    assert sentence in rendered(answer.answer(found, stand(found)))
    assert warned.startswith(
        "⚠ The best is not shown to be above the 98.04 % of always saying big, the most common class"
    )
    assert sentence in printed.show([found], "md")
    assert f"\n{found.name}: {sentence}\n" in printed.show([found, found], "md")
    assert ("always saying the most common class", "51 validation images", "98.04") in in_card(found)[0]


def test_so_is_a_network_that_is_hardly_above_sixty_per_cent_of_about_equal_classes(
    searched: Callable[..., Run],
) -> None:
    labels = [0] * 58 + [1] * 42
    sentence, (warned,) = said(searched(labels, [0] * 54 + [1] * 12 + [0] * 34))
    assert "is right about 58.00 % of these images, and the best network is not shown to do better." in sentence
    assert warned.startswith("⚠ ")


def test_a_network_that_is_above_it_is_said_to_be(searched: Callable[..., Run]) -> None:
    labels = [0] * 90 + [1] * 60
    sentence, (well,) = said(searched([*labels, *[0] * 60], [*labels, *[0] * 50, *[1] * 10]))
    assert sentence == "Always saying the most common class, big, is right about 71.43 % of these images."
    assert well.startswith(
        "✔ The best is above the 71.43 % of always saying big by more than chance (adjusted for its choice from 1 "
    )


def in_card(run: Run) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """The rows of the card of its first trial, and the warnings."""
    trial, where = run.trials[0], stand(run)
    constant = model_card.beside(run, trial, where)
    return model_card.numbers(run, trial, where, constant), model_card.warnings(run, constant)


def test_an_export_says_when_a_constant_answer_is_as_good(searched: Callable[..., Run]) -> None:
    """Of about equal classes, too, where no share is lopsided; and what makes its numbers worth less."""
    labels = [0] * 58 + [1] * 42
    found = searched(labels, [0] * 54 + [1] * 12 + [0] * 34)
    found.identity.census["counts"]["test"] = [5, 0]
    found.identity.census["duplicates"] = [{"split": "test", "also": "train", "images": 1}]
    rows, said = in_card(found)
    assert ("always saying the most common class", "100 validation images", "58.00") in rows
    assert said[0] == "It is not shown to do better than always saying big."
    assert said[1] == "One class has no test images: small; its accuracy is not measured. Add some."
    assert said[2].startswith("1 of 5 test images also stands among the training images")
    good = searched([0, 1, 2] * 30, [0, 1, 2] * 30)
    assert in_card(good)[1] == []


def test_validation_images_of_one_class_measure_nothing(searched: Callable[..., Run]) -> None:
    sentence, (warned,) = said(searched([0] * 50, [0] * 50))
    assert sentence == "All validation images are of one class, big: no accuracy on them says anything."
    assert (
        warned
        == "⚠ All validation images are of one class, big: no accuracy on them says anything. Add some of the others."
    )


def test_nothing_is_said_of_equal_classes_that_are_told_apart(searched: Callable[..., Run]) -> None:
    labels = [0, 1, 2] * 30
    assert said(searched(labels, labels)) == ("", [])


def test_the_more_networks_the_best_was_chosen_from_the_more_it_takes(searched: Callable[..., Run]) -> None:
    labels = [0] * 60 + [1] * 20
    good, constant = [0] * 60 + [1] * 7 + [0] * 13, [0] * 80
    assert "not shown" not in said(searched(labels, good))[0]
    sentence, (warned,) = said(searched(labels, good, *[constant] * 9))
    assert "not shown" in sentence
    assert "(p 0.156, adjusted for its choice from 10 networks: each epoch of each trial is one)" in warned


def test_without_predictions_the_counts_alone_decide_and_never_more_boldly(searched: Callable[..., Run]) -> None:
    labels = [0] * 60 + [1] * 20
    found = searched(labels, [0] * 60 + [1] * 7 + [0] * 13, keep=False)
    where = stand(found)
    held = majority.majority(found, where)
    assert held is not None
    assert held.p_value == pytest.approx(float(statistics.largest_mcnemar(np.array(67), np.array(60), 80)))


@pytest.mark.parametrize("seed", range(5))
def test_the_test_is_mcnemars_between_the_two_answers(searched: Callable[..., Run], seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.choice(3, size=200, p=[0.6, 0.3, 0.1])
    labels[:3] = (0, 1, 2)
    predicted = np.where(random.random(200) < 0.5, labels, random.choice(3, size=200))
    found = searched(labels.tolist(), predicted.tolist())
    held = majority.majority(found, stand(found))
    right, constant = predicted == labels, labels == 0
    wins, losses = int((right & ~constant).sum()), int((constant & ~right).sum())
    assert held is not None
    assert held.p_value == (statistics.mcnemar(np.array(wins), np.array(losses)) if wins > losses else 1.0)


def test_a_run_of_before_says_nothing_of_it(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    found = run(rates())
    assert said(found) == ("", [])
    assert checks.images(found) == []
    assert "validation images, the same for all" in rendered(answer.protocol(found))


def about(run: Run, **census: Any) -> Run:
    counts = {"train": [20, 20], "val": [30, 30], "test": [5, 0]}
    whole = {"counts": counts, "duplicates": [], **census}
    sizes = {split: sum(own) for split, own in counts.items()}
    return dataclasses.replace(
        run, identity=dataclasses.replace(run.identity, census=whole, sizes=sizes, classes=["a_b", "c"])
    )


def test_what_makes_values_worth_less_is_called_for(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    copies = [{"split": "test", "also": "train", "images": 5}]
    found = [inline(checks.line(each)) for each in checks.images(about(run(rates()), duplicates=copies))]
    assert found[0] == "⚠ One class has no test images: c; its accuracy is not measured. Add some."
    assert found[1].startswith("⚠ 5 of 5 test images also stand among the training images, pixel by pixel: ")


def test_both_stand_among_the_things_to_do_next(searched: Callable[..., Run]) -> None:
    found = searched([0] * 40 + [1], [0] * 41)
    text = rendered(checks.section(found, stand(found), None))
    assert "⚠ Only 41 validation images: each is worth 2.4 points of accuracy. Add some.\n" in text
    assert "⚠ The best is not shown to be above the 97.56 % of always saying big, " in text


@pytest.mark.parametrize(
    ("census", "words"),
    [({"validation": "valid"}, "on 60 validation images (of valid/), the same for all"),
     ({"validation": None}, "on 60 validation images (a tenth of the training images), the same"),
     ({"validation": None, "groups": {"val": [0] * 60}}, "on 60 validation images (whole groups of the training images), the"),
     ({"validation": "val", "groups": {"val": [0] * 60}}, "on 60 validation images (of val/), the same"),
     ({}, "on 60 validation images, the same"),
     ({"skipped": 3}, "`0123456789ab`, without 3 images that cannot be read."),
     ({"skipped": 1}, "`0123456789ab`, without 1 image that cannot be read."),
     ({"skipped": 0}, "`0123456789ab`.")],
)  # fmt: skip
def test_the_protocol_names_what_was_validated_on_and_what_was_left_out(
    rates: Callable[[], list[Trial]], run: MakeRun, census: dict[str, Any], words: str
) -> None:
    assert words in rendered(answer.protocol(about(run(rates()), **census)))
