"""Early stopping: what happened at each rung, what early stopping saved, and whether it stopped the right trials."""

from collections.abc import Collection, Sequence
from itertools import compress
from statistics import fmean

from analysis.diagnostics import rung_agreement
from analysis.render.blocks import Blocks, Code, Heading, Table, Words, paragraphs
from analysis.render.markdown import NOTHING
from search.run import order
from search.run.ledger import Run
from search.stopping.base import version_of
from search.stopping.rules import decisive, quota, waits
from trainables.config import key_of
from trainables.files.durable import Record
from trainables.written import count, plural

ACRONYMS = {"asha": "ASHA", "sha": "SHA"}  # successive halving
NAMED = 5  # rungs that are named; of more the number is told


def early_stopping(run: Run) -> Blocks:
    """How many of all possible epochs were trained, a table of the rungs, and how their order agrees with the end."""
    scheduler = run.identity.scheduler
    if scheduler["name"] == "none":
        return ()
    found = rung_agreement.rungs(run)
    is_cut = run.totals.rungs is not None
    short = unfilled_cuts(run) if is_cut else unfilled(run, found)
    below = paragraphs(short, tied_cuts(run), thawed(run), words(run, found), audit_result(run))
    return Heading("Early stopping"), *paragraphs(saved(run, scheduler), rule_of_cuts(run)), *rung_table(found), *below


def rule_of_cuts(run: Run) -> str:
    """How many configurations went on at which epochs, for a rule that decides about whole rungs.

    Such a rule goes by the best value so far. Empty for other rules.
    """
    rungs = run.totals.rungs
    if not rungs:
        return ""
    epochs, kept = (listed([count(each) for each in column]) for column in zip(*rungs, strict=True))
    by_seeds = f", the mean over the {run.identity.repeat}s" if run.totals.seeds > 1 else ""
    again = len({line["totals"] for line in run.cuts})
    more = (
        " More was asked for on the way. Then each rung was decided anew over all values there, and what had gone on stayed, so "
        "a search that had asked for all of it at first may have another winner."
        if again > 1
        else ""
    )
    share = ""
    if "share" in run.identity.scheduler:
        asked = f"at most {100 * run.identity.scheduler['share']:g} % of all epochs, or the least that there is"
        share = f" That is {asked}{', each time; together it is more' if again > 1 else ''}."
    where = "epoch" if len(rungs) == 1 else "epochs"
    return (
        f"Of {plural(run.totals.trials, 'configuration')} the best {kept} could go on from {where} {epochs}, by the best "
        f"value so far{by_seeds}. All waited for each other there, so the order of arrival did not matter.{share}{more}"
    )


def listed(words: list[str]) -> str:
    """Join words, such as a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def last_cuts(run: Run) -> Collection[Record]:
    """The last line about each rung that was cut; a search that grew has decided anew."""
    return {line["epoch"]: line for line in run.cuts if "goes_on" in line}.values()


def unfilled_cuts(run: Run) -> str:
    """The rungs where all configurations went on, because no more arrived there than may go on."""
    told = []
    for line in last_cuts(run):
        if not line["stops"] and not line.get("audit"):
            arrived = len(line["goes_on"]) // run.totals.seeds
            told.append(
                f"At epoch {line['epoch']} all went on: {plural(arrived, 'configuration')} got there, and "
                f"{count(line['quota'])} may go on."
            )
    return " ".join(dict.fromkeys(told))


def tied_cuts(run: Run) -> str:
    """The rungs at which configurations were left behind that had the same value as the last one that went on."""
    told = []
    for line in last_cuts(run):
        epoch, behind = line["epoch"], value_at(run, line["stops"], line["epoch"]).values()
        equal = sum(each == line["cutoff"] for each in behind)
        if equal:
            were = f"{plural(equal, 'configuration')} that {'was' if equal == 1 else 'were'} left behind"
            told.append(
                f"At epoch {epoch} {were} had the same value as the last that went on; among equal ones the first planned go on."
            )
    return " ".join(told)


def value_at(run: Run, indices: Sequence[int], epoch: int) -> dict[str, float]:
    """The value of each configuration of these trials at a rung: the best so far, the mean over its seeds."""
    found: dict[str, list[float]] = {}
    for trial in (run.trials[index] for index in indices):
        if len(trial.epochs) >= epoch:
            found.setdefault(key_of(trial.config), []).append(trial.objective.best(trial.values[:epoch]))
    return {key: fmean(values) for key, values in found.items()}


def thawed(run: Run) -> str:
    """Which trials were called back, because all trials that had gone on diverged or failed."""
    calls = [line for line in run.cuts if "thaw" in line]
    ids = {trial.index: trial.id for trial in run.trials}
    return " ".join(
        f"All that had gone on diverged or failed, so the best one left behind at epoch {line['epoch']} was called back and "
        f"trained to the end: {listed([ids[index] for index in line['thaw']])}."
        for line in calls
    )


def rule_title(scheduler: Record) -> str:
    """The rule as its papers and users write it: acronyms in capitals."""
    return ACRONYMS.get(scheduler["name"], str(scheduler["name"]))


def saved(run: Run, scheduler: Record) -> str:
    """The number of epochs trained, and the number of epochs of all trials in full."""
    searched = run.search_trials
    trained = sum(len(trial.epochs) for trial in searched)
    full = run.totals.epochs * max(run.totals.trials * run.totals.seeds, len(searched))
    return (
        f"With {rule_title(scheduler)} the search has trained {count(trained)} of the {count(full)} "
        f"epochs that all trials in full would take ({100 * trained / full:.1f} %)."
    )


def rung_table(found: list[rung_agreement.Rung]) -> Blocks:
    """A row per rung: its epoch, how many trials reached it, stopped, went on, and how its order matches the last."""
    header = ["rung (epoch)", "reached", "stopped", "went on", "for the audit", "rank ρ with final", "n"]
    rows = [
        [
            *map(count, (rung.epoch, rung.reached, rung.stopped, rung.went_on, rung.audited)),
            NOTHING if rung.agreement is None else f"{rung.agreement:.2f}".replace("-", "−"), count(rung.compared),
        ]
        for rung in found
    ]  # fmt: skip
    shown = [True] * 4 + [any(rung.audited for rung in found)] + [any(rung.agreement is not None for rung in found)] * 2
    top, *cells = [tuple(compress(row, shown)) for row in [header, *rows]]
    return (Table(top, tuple(cells), "r" * len(top)),) if rows else ()


def unfilled(run: Run, found: list[rung_agreement.Rung]) -> str:
    """The rungs where no trial was stopped, because so many trials had diverged or failed before."""
    rule, planned, spared = run.identity.scheduler, len(run.search_trials), set(rung_agreement.spared_at(run).values())
    if not waits(rule) or version_of(rule) == 1 or not run.is_planned:
        return ""
    told, expected = [], planned
    for rung in (rung for rung in found if rung.epoch in decisive(rule, run.totals.epochs)):
        arrived = rung.reached - rung.audited
        keeps = quota(rule, rung.epoch, planned, arrived)
        is_open = any(not trial.ended and len(trial.epochs) < rung.epoch for trial in run.search_trials)
        if not (is_open or rung.stopped or rung.epoch in spared) and arrived < expected:
            told.append(
                f"At epoch {rung.epoch} none was stopped: {plural(arrived, 'trial')} of {count(expected)} got there, and "
                f"{count(keeps)} may go on."
            )
        expected = keeps
    return " ".join(told)


def words(run: Run, found: list[rung_agreement.Rung]) -> Words:
    """Explain the rank correlation, and what it is worth."""
    if all(rung.agreement is None for rung in found):
        return ""
    agreement = "rank ρ: how the order at the rung agrees with the final one (1: the same, 0: unrelated). "
    if any(rung.audited for rung in found):
        return f"{agreement}Each trial that ran on for the audit stands for those that were stopped with it{left_out(run)}."
    little = "It is of trials that were not stopped, so it says little about those that were; "
    return agreement, little, Code("--audit 0.1"), " would."


def left_out(run: Run) -> str:
    """How many stopped trials have no audited trial that stands for them."""
    unseen = rung_agreement.unseen(run)
    if not unseen:
        return ""
    epochs, stopped = list(map(count, unseen)), sum(rung.stopped for rung in rung_agreement.passages(run))
    more = f" and {count(len(epochs) - NAMED)} more" if len(epochs) > NAMED else ""
    return (
        f". {count(sum(unseen.values()))} of the {plural(stopped, 'stopped trial')} are left out, because no audited trial "
        f"finished of their rung (epoch {', '.join(epochs[:NAMED])}{more})"
    )


def audit_result(run: Run) -> str:
    """The final rank of the best trial that would have been stopped without the audit."""
    kept = [trial for trial in rung_agreement.audited(run) if trial.status == "finished" and trial.best]
    if not kept:
        return ""
    number = {trial.index for trial in kept}
    finished = sorted((trial for trial in run.search_trials if trial.status == "finished"), key=order.of_trial)
    first = next(place for place, trial in enumerate(finished, 1) if trial.index in number)
    return (
        f"Audit: {plural(len(kept), 'trial')} that would have been stopped ran to the end; the best of them is number "
        f"{first} of {plural(len(finished), 'finished trial')}."
    )
