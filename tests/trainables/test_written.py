"""How numbers are written: pytest tests/trainables/test_written.py"""

import pytest

from trainables.objective import ACCURACY, LOSS
from trainables.written import count, difference, number, plural


@pytest.mark.parametrize(("number", "expected"), [(300, "300"), (45_000, "45,000"), (11_173_962, "11.17M")])
def test_counts_have_separators_or_a_unit(number: int, expected: str) -> None:
    assert count(number) == expected


@pytest.mark.parametrize(("number", "expected"), [(0, "0 trials"), (1, "1 trial"), (1200, "1,200 trials")])
def test_one_thing_is_no_plural(number: int, expected: str) -> None:
    assert plural(number, "trial") == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.43117, "0.4312"), (-2.5, "−2.5000"), (123456.0, "123456.0000"), (8.77e30, "8.770e+30")]
)
def test_a_loss_that_explodes_takes_no_line_of_digits(value: float, expected: str) -> None:
    assert number(LOSS, value) == expected


def test_a_difference_that_rounds_to_nothing_is_not_below_it() -> None:
    assert difference(LOSS, -0.00001) == "+0.0000"
    assert difference(ACCURACY, -0.00001) == "+0.00"
    assert difference(LOSS, -0.013) == "−0.0130"
