"""The order of the trials: a total order, whatever the order of lines and files."""

import pandas as pd

STAGES = {"finished": 0, "stopped": 1, "waiting": 2, "running": 2, "planned": 2, "diverged": 3, "failed": 4}


def rank(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of frame, best first, with their place in the column `rank`, from 1.

    Finished trials come first, because a stopped one was never given its whole training. Within a stage the validation
    accuracy of the best epoch decides, then the place in the plan; a trial without a value comes last in its stage.
    """
    stages = frame["status"].map(STAGES)
    ordered = frame.assign(stage=stages).sort_values(["stage", "val_accuracy", "index"], ascending=[True, False, True])
    ordered = ordered.drop(columns="stage").reset_index(drop=True)
    ordered.insert(0, "rank", range(1, len(ordered) + 1))
    return ordered


def winner(ranked: pd.DataFrame) -> int | None:
    """The index in the plan of the best finished trial, if there is one."""
    if ranked.empty or ranked["status"].iloc[0] != "finished":
        return None
    return int(ranked["index"].iloc[0])
