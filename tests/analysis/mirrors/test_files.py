"""The files that DVC shows."""

import csv
import json

from analysis.mirrors import refreshing


def test_the_leading_trial_is_the_winner_that_fresh_seeds_chose(confirmed, save, tmp_path):
    """And not the best of the search, which had 97 %."""
    refreshing.mirror(folder := save(tmp_path / "t", confirmed), ["dvc"])
    best = json.loads((folder / "dvc/metrics.json").read_text())["best"]
    assert best["val_accuracy"] == 0.955
    with (folder / "dvc/curve.csv").open() as file:
        assert [float(row["val_accuracy"]) for row in csv.DictReader(file)] == [0.5, 0.955]
