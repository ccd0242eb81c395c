"""Which trials are tied with the best: the finished ones, compared with it on the images of the validation split."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import statistics

PAIRED, UNPAIRED = "paired", "unpaired"


def compare(ranked: pd.DataFrame, images: int) -> pd.DataFrame:
    """ranked with an interval for each value and a comparison of each finished trial with the first.

    Columns: `low` and `high` of the 95 % interval, `p_value` (Holm-adjusted; an upper bound where it is small), `test`
    (paired or unpaired; empty where nothing is compared) and `tied` (the best itself, and every finished trial that is
    not shown to be worse).
    """
    hits = (ranked["val_accuracy"] * images).round().to_numpy()
    low, high = statistics.wilson(hits, images)
    finished = int((ranked["status"] == "finished").sum())  # they come first
    p_values, tests = np.full(len(ranked), np.nan), np.full(len(ranked), None, dtype=object)
    if finished > 1:
        raw, tests[1:finished] = p_values_of(ranked.iloc[:finished], hits[:finished].astype(int).tolist(), images)
        p_values[1:finished] = statistics.holm(np.array(raw))
    tied = p_values > statistics.LEVEL
    tied[: min(finished, 1)] = True
    return ranked.assign(low=low, high=high, p_value=p_values, test=tests, tied=tied)


def p_values_of(finished: pd.DataFrame, hits: list[int], images: int) -> tuple[list[float], list[str]]:
    """The p-value of each but the first against the first, and its test: paired where both have predictions."""
    facts = list(zip(finished["folder"], finished["best_epoch"], hits, strict=True))
    best = read_correct(*facts[0], images)
    if best is None:
        return [statistics.two_proportions(hits[0], other, images) for other in hits[1:]], [UNPAIRED] * (len(hits) - 1)
    clear = statistics.LEVEL / (len(hits) - 1)  # no adjustment makes a tie of a p-value up to this one
    compared = [against(best, trial, images, clear) for trial in facts[1:]]
    return [p_value for p_value, _ in compared], [test for _, test in compared]


def against(best: np.ndarray, trial: tuple[Path, int, int], images: int, clear: float) -> tuple[float, str]:
    """One p-value and its test. Predictions that could not make it larger than `clear` are not read."""
    hits = int(best.sum())
    largest = statistics.largest_mcnemar(hits, trial[2], images)
    if largest <= clear:
        return largest, PAIRED
    other = read_correct(*trial, images)
    if other is None:
        return statistics.two_proportions(hits, trial[2], images), UNPAIRED
    return statistics.mcnemar(int(np.sum(best & ~other)), int(np.sum(other & ~best))), PAIRED


def read_correct(folder: Path, epoch: int, hits: int, images: int) -> np.ndarray | None:
    """Which validation images a trial got right at its best epoch, bool (images,); none if that is not there to read.

    A file that does not agree with the ledger counts as missing: results.md says how many rows are compared without.
    """
    try:
        with np.load(folder / "val.npz") as arrays:
            correct, saved_epoch = arrays["correct"].astype(bool), int(arrays["epoch"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    agrees = saved_epoch == epoch and correct.shape == (images,) and correct.sum() == hits
    return correct if agrees else None
