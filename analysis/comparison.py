"""Which trials are tied with the best: the finished ones, compared with it on the images of the validation split."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import statistics

PAIRED, UNPAIRED = "paired", "unpaired"


def compare(ranked: pd.DataFrame, images: int) -> pd.DataFrame:
    """ranked with an interval for each value and a comparison of each finished trial with the first.

    Columns: `low` and `high` of the 95 % interval, `p_value` (adjusted by Holm's method), `test` (paired or unpaired;
    empty where nothing is compared) and `tied` (the best itself, and every finished trial not shown to be worse).
    """
    hits = (ranked["val_accuracy"] * images).round().to_numpy()
    low, high = statistics.wilson(hits, images)
    finished = int((ranked["status"] == "finished").sum())  # they come first
    p_values, tests = np.full(len(ranked), np.nan), np.full(len(ranked), None, dtype=object)
    if finished > 1:
        raw, tests[1:finished] = p_values_of(ranked.iloc[:finished], hits[:finished], images)
        p_values[1:finished] = statistics.holm(raw)
    tied = p_values > statistics.LEVEL
    tied[: min(finished, 1)] = True
    return ranked.assign(low=low, high=high, p_value=p_values, test=tests, tied=tied)


def p_values_of(finished: pd.DataFrame, hits: np.ndarray, images: int) -> tuple[np.ndarray, list[str]]:
    """The p-value of each but the first against the first, and its test: paired where both have predictions."""
    folders, epochs = list(finished["folder"]), list(finished["best_epoch"])
    p_values, tests = statistics.two_proportions(hits[1:], hits[0], images), [UNPAIRED] * (len(hits) - 1)
    best = read_correct(folders[0], epochs[0], hits[0], images)
    if best is None:
        return p_values, tests
    for place, facts in enumerate(zip(folders[1:], epochs[1:], hits[1:], strict=True)):
        other = read_correct(*facts, images)
        if other is not None:
            p_values[place] = statistics.mcnemar(np.sum(best & ~other), np.sum(other & ~best))
            tests[place] = PAIRED
    return p_values, tests


def read_correct(folder: Path, epoch: int, hits: float, images: int) -> np.ndarray | None:
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
