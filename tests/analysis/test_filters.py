"""Conditions: what they mean, and that nothing but a comparison is ever understood."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.filters import LONGEST, condition
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
        "__import__('os').system('true') == 0", "lr.real > 1", "lr > abs(1)", "lr > [1]", "lr > -'a'", "(lr := 1) > 0",
        "lr > 1 and True", "lr > 1 +", "lr == 7f3a9c", "lr > b'x'", "lr > 1j", "(" * 400, "lr > 1 and " * 200,
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(UsageError, match="COLUMN OP VALUE"):
        condition(text, COLUMNS)


def test_an_unknown_column_is_named_with_the_closest_one() -> None:
    with pytest.raises(UsageError, match=r"unknown column 'lrr'\. Did you mean 'lr'"):
        condition("lrr > 1", COLUMNS)


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
