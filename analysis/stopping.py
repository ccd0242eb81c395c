"""Early stopping: what happened at each rung, and what it saved."""

from collections import Counter

from analysis.markdown import count, escape, table
from search.ledger import Run


def early_stopping(run: Run) -> str:
    """Rungs with the trials that reached them, and the epochs trained of those without early stopping."""
    scheduler = run.identity["scheduler"]
    if scheduler["name"] == "none":
        return ""
    trained = sum(len(trial.epochs) for trial in run.trials)
    full = run.totals["epochs"] * max(run.totals["trials"], len(run.trials))
    text = (
        f"## Early stopping\n\n{escape(scheduler['name']).upper()} trained {count(trained)} of the {count(full)} "
        f"epochs that all trials in full would take ({100 * trained / full:.1f} %)."
    )
    rows = rungs(run)
    return f"{text}\n\n{table(['rung (epoch)', 'reached', 'stopped', 'went on'], rows, 'rrrr')}" if rows else text


def rungs(run: Run) -> list[list[str]]:
    """Epoch, and how many trials reached it, were stopped there and went on."""
    decided = {(record["epoch"], record["trial"]): record["decision"] for record in run.decisions}
    counts = Counter((epoch, decision) for (epoch, _), decision in decided.items())
    cells = []
    for epoch in sorted({epoch for epoch, _ in counts}):
        stopped, went_on = counts[epoch, "stop"], counts[epoch, "continue"]
        cells.append([str(epoch), count(stopped + went_on), count(stopped), count(went_on)])
    return cells
