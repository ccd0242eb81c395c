"""Whether two precisions rank alike: pytest tests/benchmarks/test_precision.py"""

from pathlib import Path

import pytest

from benchmarks import precision


def test_the_means_of_the_seeds_are_ranked():
    assert precision.verdict({1e-3: [[50, 52], [51, 50]], 5e-4: [[49, 49], [50, 49]]}) == "yes."
    swapped = precision.verdict({1e-3: [[50, 52], [51, 50]], 5e-4: [[49, 50], [52, 50]], 1e-4: [[10, 10], [10, 10]]})
    assert swapped == "no: 0.001 less 0.0005 is +1.50 ± 0.50 and -0.50 ± 0.50 points in fp32 and bf16."


def test_one_seed_has_no_standard_error():
    assert precision.difference([50.0], [49.5]) == "+0.50"


@pytest.mark.slow
@pytest.mark.integration
def test_the_rates_of_lr_sweep_are_trained_in_both_precisions(tmp_path: Path):
    table = precision.measure("digits", tmp_path, 0.2, 1, 2)
    assert [line[0] for line in table.rows] == ["1e-03", "5e-04", "1e-04"]
    assert all(len(line) == len(table.columns) for line in table.rows)
    assert all(0 < float(value) <= 100 for line in table.rows for value in line[1:3])
    assert "2 seeds" in table.notes
