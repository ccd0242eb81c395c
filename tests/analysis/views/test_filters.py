"""Conditions: what they mean, and that nothing but a comparison is ever understood."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.views.filters import LONGEST, check_kinds, condition, unfulfilled
from trainables.errors import UsageError

COLUMNS = ("lr", "model", "status", "val_accuracy")
ROW = {"lr": 0.01, "model": "mlp", "status": "finished", "val_accuracy": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr > 1e-3", True),
        ("lr >= .01", True),
        ("lr < -1", False),
        ("lr == 0.01 and model == mlp", True),
        ("lr == 1 or model == 'mlp'", True),
        ("lr > 1 and lr > 1 or status == finished", True),
        ("lr > 1 and (lr > 1 or status == finished)", False),
        ("model != convnet", True),
        ("model > 'a'", True),
        ("val_accuracy > 0", False),
        ("val_accuracy != 0", True),
        ("model == 3", False),
    ],
)
def test_a_condition_means_what_it_says(text: str, expected: bool) -> None:
    assert condition(text, COLUMNS)(ROW) is expected


@pytest.mark.parametrize(
    "text",
    [
        "", "lr", "lr = 1", "1 < lr", "0 < lr < 1", "not lr > 1", "lr > None", "lr in (1, 2)", "lr > 1; lr", "lr is 1",
        "__import__('os').system('true') == 0", "lr.real() > 1", "lr > abs(1)", "lr > [1]", "lr > -'a'", "(lr := 1) > 0",
        "lr > 1 and True", "lr > 1 +", "lr == 7f3a9c", "lr > b'x'", "lr > 1j", "(" * 400, "lr > 1 and " * 200,
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(UsageError, match="COLUMN OP VALUE"):
        condition(text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "words"),
    [("id == 60e619", "id holds texts, and 60e619 is a number. Quote it: id == '60e619'."),
     ("lr > 0 and id != 1234", "id holds texts, and 1234 is a number. Quote it: id == '1234'."),
     ("lr != abc", "lr holds numbers, and abc is none."), ("lr == '0.1'", "lr holds numbers, and '0.1' is none.")],
)  # fmt: skip
def test_a_value_of_another_kind_is_told_instead_of_silently_unequal(text: str, words: str) -> None:
    """60e619 is infinity to a parser, and no id."""
    with pytest.raises(UsageError, match=re.escape(words)):
        check_kinds(text, [{"id": "60e619", "lr": 0.1}, {"id": "7f3a9c", "lr": None}])


def test_a_column_of_both_kinds_is_compared_with_either() -> None:
    for text in ("size == 3", "size == big", "id == '60e619'", "lr != 1"):
        check_kinds(text, [{"id": "a", "size": "big", "lr": None}, {"id": "b", "size": 3, "lr": None}])


def test_a_column_may_have_a_dot() -> None:
    is_wide = condition("model.dropout > 0.2", ["model.dropout", "loss.dropout"])
    assert [is_wide({"model.dropout": each}) for each in (0.1, 0.3)] == [False, True]


def test_an_unknown_column_is_named_with_the_closest_one() -> None:
    with pytest.raises(UsageError, match=r"unknown column 'lrr'\. Did you mean 'lr'"):
        condition("lrr > 1", COLUMNS)


@pytest.mark.parametrize(
    ("text", "instead"),
    [("val_accuracy > 91", "For 91 % write 0.91."), ("lr > 0 and val_accuracy <= 56.36", "For 56.36 % write 0.5636."),
     ("val_accuracy_low == 1.5", "For 1.5 % write 0.015."), ("train_accuracy < 1e9", "Write a fraction.")],
)  # fmt: skip
def test_per_cent_are_told_from_fractions(text: str, instead: str) -> None:
    """Whether the mistake would find nothing or everything."""
    row = {"lr": 0.1, "val_accuracy": 0.95, "val_accuracy_low": 0.9, "train_accuracy": None}
    with pytest.raises(UsageError, match=rf"is a fraction from 0 to 1, shown in per cent\. {instead}"):
        check_kinds(text, [row])


def test_accuracies_that_a_users_loop_gives_in_per_cent_are_compared_as_they_are() -> None:
    check_kinds("val_accuracy > 91", [{"val_accuracy": 93.1}, {"val_accuracy": 0.5}])


@pytest.mark.parametrize("text", ["val_accuracy > 0.91", "val_accuracy <= 1", "val_accuracy >= -2", "lr < 91"])
def test_a_fraction_is_one(text: str) -> None:
    row = {"lr": 90.0, "val_accuracy": 0.95}
    assert condition(text, COLUMNS)(row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("status == finished", True), ("status == Finished", True), ("status == 'stopped early'", False),
     ("status != 'not ended'", True), ("status == failed", False)],
)  # fmt: skip
def test_a_status_is_known_by_its_name_and_by_the_words_of_the_table(text: str, expected: bool) -> None:
    assert condition(text, COLUMNS)(ROW) is expected
    assert condition("status == 'stopped early'", COLUMNS)({"status": "stopped"})


@pytest.mark.parametrize(("value", "question"), [("done", ""), ("finnished", " Did you mean 'finished'?")])
@pytest.mark.parametrize("sign", ["==", "!="])
def test_a_status_that_does_not_exist_is_a_mistake_with_the_known_ones(value: str, question: str, sign: str) -> None:
    with pytest.raises(
        UsageError, match=rf"unknown status '{value}'\.{re.escape(question)} Known: finished, .*planned, "
    ):
        condition(f"status {sign} {value}", COLUMNS)


ROWS = [ROW, {"lr": 0.1, "model": "convnet", "status": "stopped", "val_accuracy": None}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("model == cnn", "no row has model == cnn: model is convnet, mlp"),
        ("lr > 1 and model == mlp", "no row has lr > 1: lr goes from 0.01 to 0.1"),
        ("model == mlp and lr > 0.05", ""),
        ("val_accuracy > 0.5", "no row has val_accuracy > 0.5: none has a value of val_accuracy"),
    ],
)
def test_where_no_row_is_left_what_there_is_is_said(text: str, why: str) -> None:
    assert unfulfilled(text, ROWS) == why


def test_a_number_is_not_ordered_against_a_text() -> None:
    with pytest.raises(UsageError, match="cannot order model"):
        condition("model > 1", COLUMNS)(ROW)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert condition(text, COLUMNS)(ROW) in (True, False)


def test_a_long_condition_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(UsageError):
        condition("lr > 1 or " * LONGEST + "lr > 1", COLUMNS)
