"""The head of results.md: title, banner, the answer in one sentence, and the protocol that it rests on."""

import pandas as pd

from analysis import commands
from analysis.frame import Row, rows_of
from analysis.leaderboard import identifier, worded
from analysis.markdown import count, escape, fence, interval, percent, plural, settings, without_folders
from analysis.testing import evaluation, reads
from search.ledger import Run
from trainables.durable import Record

LONGEST_REASON = 600  # characters of why the data set is not the one that was hoped for
NAMED = 5  # tied trials that are named; of more the number is told


def title(run: Run) -> str:
    """The space and the data set; the fallback is never out of sight."""
    heading = f"# {escape(run.identity['space'])} on {escape(run.identity['dataset_title'])}"
    if not run.identity["fallback"]:
        return heading
    why = escape(without_folders(run.identity["fallback"]), LONGEST_REASON)
    return f"{heading}, not CIFAR-10\n\n> **Not CIFAR-10:** {why}"


def banner(run: Run) -> str:
    """What is missing, while something is."""
    if run.complete:
        return ""
    ended = sum(trial.ended for trial in run.trials)
    planned = max(run.totals["trials"], len(run.trials))
    text = f"> **Incomplete: {ended} of {plural(planned, 'trial')} ended**, so what follows may change. To go on:"
    return f"{text}\n\n{fence(commands.go_on(run))}"


def answer(run: Run, ranked: pd.DataFrame, keys: list[str]) -> str:
    """The winner and how sure it is, then the commands."""
    finished = ranked[ranked["status"] == "finished"]
    if finished.empty:
        yet = "" if run.complete else " yet"
        return f"**No trial has finished, so there is no best configuration{yet}.**\n\n{fence(commands.rebuild(run))}"
    best = rows_of(finished.iloc[:1])[0]
    sentences = [lead(run, best, keys, len(finished)), ties(finished), against_baseline(ranked), on_test(run, best)]
    trial = next(trial for trial in run.trials if trial.index == best["index"])
    block = fence(
        f"{commands.train_again(run, trial)}  # trains the best configuration again",
        f"{commands.rebuild(run)}  # writes this file again",
    )
    return " ".join(filter(None, sentences)) + f"\n\n{block}"


def lead(run: Run, best: Row, keys: list[str], finished: int) -> str:
    """The winner: what it is, its value and the interval around it."""
    images, seeds = run.identity["sizes"]["val"], run.totals["seeds"]
    sure = plural(seeds, "seed") + (", unconfirmed" if seeds == 1 else "")
    what = settings({key: best[key] for key in keys if best[key] is not None})
    return (
        f"**Best of {plural(finished, 'finished trial')}{'' if run.complete else ' so far'}: "
        f"{identifier(best)}{' with ' + what if what else ''}: {percent(best['val_accuracy'])} % validation accuracy** "
        f"(95 % interval {interval(best['low'], best['high'])} %; {count(images)} images, {sure})."
    )


def ties(finished: pd.DataFrame) -> str:
    """Who cannot be told apart from the winner."""
    tied = rows_of(finished[finished["tied"]].iloc[1:])
    if len(finished) == 1:
        return ""
    if not tied:
        return "It is ahead of every other finished trial by more than the noise of the validation images."
    names = ", ".join(identifier(row) for row in tied[:NAMED])
    more = f" and {count(len(tied) - NAMED)} more" if len(tied) > NAMED else ""
    return f"Tied with it, the difference being within noise: {names}{more}."


def against_baseline(ranked: pd.DataFrame) -> str:
    """Whether searching was worth it."""
    baselines = ranked[ranked["source"] == "baseline"]
    if baselines.empty:
        return ""
    baseline = baselines.iloc[0]
    if baseline["status"] != "finished":
        return f"The baseline has not finished ({worded(baseline['status'])})."
    if baseline["rank"] == 1:
        return "It is the baseline: no configuration that was tried is better."
    gain = 100 * (ranked["val_accuracy"].iloc[0] - baseline["val_accuracy"])
    return f"Gain over the baseline: {gain:.2f} points{', within noise' if baseline['tied'] else ''}."


def on_test(run: Run, best: Row) -> str:
    metrics = evaluation(run, best["index"], best["best_epoch"])
    return f"On the test split: {percent(metrics['accuracy'])} %." if metrics else ""


def protocol(run: Run) -> str:
    """How the numbers came about, in one sentence."""
    identity, sizes = run.identity, run.identity["sizes"]
    fraction = "" if identity["fraction"] == 1 else f" ({100 * identity['fraction']:g} % of those there are)"
    return (
        f"Protocol: each configuration is trained on {count(sizes['train'])} images{fraction} for at most "
        f"{plural(run.totals['epochs'], 'epoch')} with {plural(run.totals['seeds'], 'seed')}, "
        f"{stopping(identity['scheduler'])}; its value is the accuracy on {count(sizes['val'])} validation images, "
        "the same for all, at its best epoch (the earliest on ties); "
        f"the {count(sizes['test'])} test images have no part in the ranking and were {times_read(run)}; "
        f"data fingerprint `{escape(identity['fingerprint'][:12])}`."
    )


def stopping(scheduler: Record) -> str:
    if scheduler["name"] == "none":
        return "never stopped early"
    name = escape(scheduler["name"]).upper()
    return (
        f"the weaker ones stopped early ({name}, grace period {scheduler['grace_period']}, "
        f"reduction factor {scheduler['reduction_factor']})"
    )


def times_read(run: Run) -> str:
    number = reads(run)
    known = {0: "not read", 1: "read 1 time, for the winner"}
    return known.get(number, f"read {number} times, each time for the winner of then")
