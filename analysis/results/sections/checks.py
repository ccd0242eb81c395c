"""Checks of a result: each check says in one line what it found, and gives the command to run next."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.diagnostics import regions, rung_agreement
from analysis.diagnostics.importance import Mattered
from analysis.frame import valued
from analysis.frame.dataframe import Row, rows_of
from analysis.frame.ranges import Range, Searched, edge, searched, wider
from analysis.ranking.comparison import FOLDS, LOST, OVER
from analysis.ranking.standing import Standing
from analysis.ranking.statistics import LEVEL, mcnemar
from analysis.render import commands
from analysis.render.blocks import Blocks, Break, Code, Heading, Items, Words
from analysis.render.markdown import sentence, setting
from analysis.results import majority, next_step
from analysis.results.sections.explanation import FEW_SEEDS, standard_error
from search.run.ledger import Run, Trial
from spaces import Scheduler
from trainables import written
from trainables.config import knows_its_end
from trainables.data import census
from trainables.written import count, plural

TOP = 5  # configurations that a proposed confirmation takes at most
RISE = 1.1  # of the validation loss after its lowest: more is overfitting
AGREEMENT = 0.5  # rank correlation of a rung with the final order: less says that stopping there was too early
MOST_SHARE = 0.5  # of a ladder that can be doubled
MANY = 8  # trials with both values; the order of fewer agrees or disagrees by chance
TWO_SIDED = 1.96  # standard deviations that a normal value exceeds in 5 % of cases, up or down
ENOUGH = 50  # configurations; with fewer, no sign of an effect is no sign of none
IN_THE_SPACE = "{} that range in the space: --set has no when(...)."


class Finding(NamedTuple):
    """One line: whether all is well, what was found, and the command to run if all is not well."""

    is_well: bool
    text: str
    command: str = ""


def section(run: Run, where: Standing, importance: Mattered | None) -> Blocks:
    """The findings of all checks that can be made, with those that call for something first."""
    best = where.best
    of_best = [] if best is None else [
        *constant(run, where), *edges(run, where, best), *lengths(run, where), *overfitting(run, where),
        *knobs(run, best, importance),
    ]  # fmt: skip
    found = [*images(run), *of_best, *divergence(run, where.trials), *spread(run, where), *stopping(run)]
    ordered = [each for each in found if not each.is_well] + [each for each in found if each.is_well]
    return (Heading("What to do next"), Items(tuple(map(line, ordered)))) if ordered else ()


def line(found: Finding) -> Words:
    """One item of the list."""
    if found.is_well:
        return "✔ ", found.text
    return ("⚠ ", found.text, Break(), Code(found.command)) if found.command else ("⚠ ", found.text)


def images(run: Run) -> list[Finding]:
    """What makes values on these images less reliable: too few images, absent classes, copies in several splits."""
    remarks = census.remarks(run.identity.census, run.identity.classes)
    return [Finding(False, sentence(remark)) for remark in remarks]


def constant(run: Run, where: Standing) -> list[Finding]:
    """Whether the best network is shown to be better than always answering the most common class."""
    found = majority.check(run, where)
    return [Finding(*found)] if found else []


def edges(run: Run, where: Standing, best: pd.Series) -> list[Finding]:
    """Which parameters have their best value at an end of their range, and which inside.

    A value at an end calls for a wider range only if all rows tied with the best have their values at the same end.
    """
    found: list[Finding] = []
    inside, (chosen,) = [], rows_of(best.to_frame().T)
    ranked = where.confirmed if where.is_confirmed else where.board
    tied = rows_of(ranked[ranked["tied"]])
    for key, own in searched(run).items():
        range_ = own.of(chosen)
        side = edge_of(key, own, chosen)
        proposed = wider(key, range_, side) if range_ and side else ""
        if proposed:
            is_alone = all(edge_of(key, own, row) == side for row in tied)
            found.append(at_edge(run, own, key, chosen, side, proposed if is_alone else ""))
        elif range_ and not side and has_inside(range_):
            inside.append(key)
    if inside:
        lies = (
            f"value of {inside[0]} lies inside its range"
            if len(inside) == 1
            else f"values of {', '.join(inside)} lie inside their ranges"
        )
        found.append(Finding(True, f"The best {lies}."))
    return found


def edge_of(key: str, own: Searched, row: Row) -> str:
    """lower or upper, if a configuration has its value at that end of the range that holds for it, else empty."""
    range_ = own.of(row)
    return edge(range_, row[key]) if range_ and row.get(key) is not None else ""


def at_edge(run: Run, own: Searched, key: str, row: Row, side: str, proposed: str) -> Finding:
    """What to do about a best value at an end of its range.

    Without a proposal there is nothing to do, because a row tied with the best has its value elsewhere.
    """
    text = f"{key}: the best value, {setting(key, row[key])}, is at the {side} edge of what was searched"
    text = f"{text} with {own.decider} {own.case(row)}." if own.decider else f"{text}."
    if not proposed:
        beyond = "larger" if side == "upper" else "smaller"
        return Finding(
            True, f"{text} A row with another value ties with the best, so this does not call for {beyond} values."
        )
    if own.decider:
        return Finding(False, f"{text} {IN_THE_SPACE.format('Widen')}")
    return Finding(False, text, commands.changed(run, proposed))


def has_inside(own: Range) -> bool:
    """Whether some value of a range lies at neither end. A choice of names, or of two numbers, has no such value."""
    return not own.values or len(own.numbers) > 2


def lengths(run: Run, where: Standing) -> list[Finding]:
    """Whether the best was still getting better when its training ended."""
    trial = best_trial(run, where)
    rows, best = trial.epochs, trial.best
    if len(rows) < 3 or best is None:
        return []
    objective, values = trial.objective, trial.values
    early = max(1, int(0.8 * len(rows)))
    before, late = objective.best(values[:early]), len(rows) - early
    far, moves = values[best["epoch"] - 1] - before, between_epochs(values)
    if best["epoch"] < len(rows):
        return [Finding(True, f"The best did not improve after epoch {best['epoch']} of {len(rows)}.")]
    gained = written.difference(objective, far) + written.points(objective)
    gained += (is_few := few(objective.signed(far), independent_images(run)))
    text = f"the last {f'{late} ' if late > 1 else ''}of its {len(rows)} epochs brought {gained}."
    if moves is not None and not is_few:
        by = written.apart(objective, moves)
        text += f" Chance alone moves its value by about {by} from one epoch to the next (standard deviation)."
    if is_chance(objective.signed(far), moves, independent_images(run)):
        return [Finding(True, f"The best is not shown to have improved beyond chance at its end: {text}")]
    schedules = [each.config["schedule"] for each in run.search_trials if run.identity.has_images]
    is_new = any(map(knows_its_end, schedules))  # one that is sized keeps all trials from growing
    longer = commands.longer(run, -(-3 * run.totals.epochs // 2), is_new=is_new)
    return [Finding(False, f"The best may still have been improving. Its last epoch is its best: {text}", longer)]


def between_epochs(values: list[float]) -> float | None:
    """The standard deviation by which chance moves the value of one network between epochs; None for too few epochs.

    It comes from the second differences of the later half of the epochs, in which a steady rise cancels out (von Neumann 1941,
    "Distribution of the Ratio of the Mean Square Successive Difference to the Variance", with one difference more).
    """
    later = np.array(values[-max(5, len(values) // 2) :])
    if len(later) < 5:
        return None
    return float((np.diff(later, 2) ** 2 / 3).mean() ** 0.5)  # of a difference of two: 2 of the 6 variances


def independent_images(run: Run) -> int | None:
    """The number of images that a trial's accuracy is a share of.

    None for another objective than accuracy, and for images in groups, which are not independent.
    """
    identity = run.identity
    if not identity.objective.is_accuracy or identity.groups:
        return None
    return identity.val_images // max(1, identity.folds)


def is_chance(gain: float, moves: float | None, images: int | None) -> bool:
    """Whether chance explains a gain between two epochs: by usual ups and downs, or because of too few images.

    Args:
        gain: how much better the later value is.
        moves: the standard deviation of moves between epochs by chance, if it is known.
        images: the number of images that the gain is a share of; None if the gain is no share of images.
    """
    if moves is not None and gain <= TWO_SIDED * moves:
        return True
    return bool(few(gain, images))


def few(gain: float, images: int | None) -> str:
    """How many images a gain is, if these are too few to be more than chance; else empty."""
    if images is None:
        return ""
    won = round(gain * images)
    p_value = mcnemar(np.array(won), np.array(0))  # if none was lost: the smallest p-value there can be
    return f", which is only {plural(won, 'image')}" if float(p_value) > LEVEL else ""


def overfitting(run: Run, where: Standing) -> list[Finding]:
    """Whether the validation loss of the best rose while its training loss went on falling."""
    rows = best_trial(run, where).epochs
    if len(rows) < 3 or not all("val_loss" in row and "train_loss" in row for row in rows):
        return []
    lowest, last = min(rows, key=lambda row: (row["val_loss"], row["epoch"])), rows[-1]
    if last["val_loss"] <= RISE * lowest["val_loss"]:
        return [Finding(True, "The best does not overfit: its validation loss ends near its lowest.")]
    if last["train_loss"] >= lowest["train_loss"]:
        return [Finding(True, "The best does not overfit: its training loss rose with its validation loss.")]
    rose = f"its validation loss rose from {lowest['val_loss']:.3g} (epoch {lowest['epoch']}) to {last['val_loss']:.3g}"
    text, remedy = (
        f"The best overfits: {rose} while its training loss fell.",
        regularised(best_trial(run, where).config),
    )
    return [Finding(False, text, commands.changed(run, remedy) if remedy and run.identity.has_images else "")]


def regularised(config: Mapping[str, Any]) -> str:
    """A change of a configuration against overfitting, as --set wants it; empty if it has both that are known."""
    if config.get("augment") == "none":
        return "augment=standard"
    return "label_smoothing=0.1" if config.get("label_smoothing") == 0 else ""


def divergence(run: Run, trials: pd.DataFrame) -> list[Finding]:
    """The share of diverged trials, and the part of one parameter's range that holds most of them."""
    number, every = int((trials["status"] == "diverged").sum()), int((trials["epochs"] > 0).sum())
    if not number:
        return [Finding(True, "No trial diverged.")] if every else []
    if number == len(trials):
        return [
            Finding(
                False,
                f"{next_step.came_to(run).capitalize()}{': search lower rates' if next_step.has_rates(run) else ''}.",
                slower_than_all(run),
            )
        ]
    share = f"{count(number)} of {count(len(trials))} trials diverged ({100 * number / len(trials):.0f} %)"
    found = regions.region(run, trials)
    if found is None:
        where = "and no part of one parameter's range holds most of them and few others"
        is_rare = number < regions.PURE * len(trials)
        return [Finding(False, f"{share}, {where}.", "" if is_rare else slower_than_all(run))]
    held = "all" if found.held == number else f"{count(found.held)} of them"
    where = f"{share}, {held} with {found.words}; {100 * found.purity:.0f} % of the trials there did."
    if found.is_conditional:
        return [Finding(False, f"{where} {IN_THE_SPACE.format('Narrow')}")]
    return [Finding(False, where, commands.changed(run, found.change) if found.change else "")]


def slower_than_all(run: Run) -> str:
    """The command that searches learning rates below all that were tried; empty if there are no learning rates."""
    if not next_step.has_rates(run):
        return ""
    return commands.changed(run, next_step.lower_rates(run))


def spread(run: Run, where: Standing) -> list[Finding]:
    """Whether the best row can be told apart from the other rows, by fresh seeds if these choose the winner."""
    if where.is_confirmed:
        return confirmed_spread(run, where.confirmed, run.identity.repeat)
    finished = where.board[(where.board["status"] == "finished") & (where.board["test"] != LOST)]  # and compared
    error, others, tied = noise(run, where), len(finished) - 1, int(finished["tied"].sum()) - 1
    if not others or not error > 0:
        return []
    over_seeds = OVER & set(finished["test"])
    own = "folds" if FOLDS in over_seeds else "seeds"
    best, what, source = (
        ("the best", "configurations", own) if over_seeds else ("the best network", "networks", "validation images")
    )
    by = written.apart(run.identity.objective, 2**0.5 * error)
    chance = (
        f"Between two {what} that are equally good, the {source} make a difference of about {by} (standard deviation)."
    )
    if tied:
        text = f"The {source} cannot tell {best} from {some(tied, others)}. {last(finished, tied)} {chance}{of_pairs(finished)}"
        return unsure(run, text, f"Fresh {run.identity.repeat}s may tell them apart; more trials will not.", tied + 1)
    ahead = f"{best.capitalize()} is ahead of {every(others)} by more than the noise of the {source}."
    text = f"{ahead} The second lies {span(finished.iloc[:2])} behind. {chance}"
    return (
        [Finding(True, text)]
        if over_seeds
        else unsure(run, text, "It has one seed; fresh seeds may rank otherwise.", TOP)
    )


def unsure(run: Run, text: str, advice: str, rows: int) -> list[Finding]:
    """A finding that calls for fresh seeds. It has no advice if fresh seeds were asked for."""
    if run.totals.confirm:
        return [Finding(False, text)]
    return [Finding(False, f"{text} {advice}", commands.confirm(run, min(rows, run.totals.trials, TOP)))]


def confirmed_spread(run: Run, confirmed: pd.DataFrame, repeat: str) -> list[Finding]:
    """Whether fresh seeds tell the best configuration apart from the others; empty if there are too few for a test."""
    finished = confirmed[confirmed["status"] == "finished"]
    if len(finished) < 2 or finished["p_value"].isna().all():
        return []
    others, tied = len(finished) - 1, int(finished["tied"].sum()) - 1
    if not tied:
        text = f"On fresh {repeat}s the best is ahead of {every(others)} by more than the noise of the {repeat}."
        return [Finding(True, text)]
    text = f"The fresh {repeat}s cannot tell the best from {some(tied, others)}. {last(finished, tied)}"
    if int(finished["seeds"].min()) > FEW_SEEDS:
        return [Finding(True, text)]
    more = commands.confirm(run, run.totals.confirm, 2 * run.totals.confirm_seeds)
    return [Finding(False, f"{text} So few {repeat}s hardly show a difference; more may.", more)]


def span(rows: pd.DataFrame) -> str:
    """How far the first of some rows is ahead of the last."""
    objective, values = valued.objective_of(rows), valued.values(rows)
    return written.apart(objective, float(objective.signed(values.iloc[0] - values.iloc[-1])))


def last(finished: pd.DataFrame, tied: int) -> str:
    """How far behind the best row the last of the rows is that are tied with it."""
    who = "That one" if tied == 1 else "The last of them"
    return f"{who} lies {span(finished[finished['tied']])} behind."


def of_pairs(finished: pd.DataFrame) -> str:
    """Why a difference that is large enough for a single pair may be too small among many pairs."""
    pairs = len(finished) * (len(finished) - 1) // 2
    if pairs == 1:
        return ""
    return f" All {count(pairs)} pairs are compared, so it takes a larger difference than for a single pair."


def every(others: int) -> str:
    """All the other rows, in words."""
    return f"each of the {count(others)} others" if others > 1 else "the other"


def some(number: int, others: int) -> str:
    """A number of the other rows, in words."""
    if number == others:
        return f"the {count(others)} others" if others > 1 else "the other"
    return f"{count(number)} of the {count(others)} others"


def knobs(run: Run, best: pd.Series, importance: Mattered | None) -> list[Finding]:
    """Parameters that showed no more effect than shuffled values, if any other parameter did.

    Some parameters are above chance by themselves, but not after the adjustment for all parameters. They are not named.
    """
    if importance is None or importance.configurations < ENOUGH:
        return []
    parameters = importance.parameters
    if not any(each.matters for each in parameters.values()):
        return []
    idle = [key for key, each in parameters.items() if each.p_value > LEVEL and best[key] is not None]
    if not idle:
        is_every = all(each.matters for each in parameters.values()) and not importance.untold
        return [Finding(True, "Each searched parameter showed more effect than chance.")] if is_every else []
    conditional = {key for key, own in searched(run).items() if own.decider}
    fixed = [f"{key}={best[key]}" for key in idle if key not in conditional]
    text = f"No effect beyond chance was seen: {', '.join(idle)}."
    if not fixed:
        return [Finding(True, text)]
    others = "them" if len(fixed) > 1 else "it"
    named = others if len(fixed) == len(idle) else ", ".join(change.partition("=")[0] for change in fixed)
    text += f" A search with {named} fixed spends its trials on the rest."
    return [Finding(False, text, commands.changed(run, *fixed))]


def stopping(run: Run) -> list[Finding]:
    """Whether the order at the rungs agrees with the final order, at the rung where both agree least."""
    known = [
        (rung.agreement, rung)
        for rung in rung_agreement.rungs(run)
        if rung.agreement is not None and rung.compared >= MANY
    ]
    if not known:
        return []
    agreement, worst = min(known, key=lambda pair: (pair[0], pair[1].epoch))
    facts = f"the lowest rank correlation is {agreement:.2f} (epoch {worst.epoch}, {worst.compared} trials)"
    if unseen := sum(rung_agreement.unseen(run).values()):
        return [of_a_choice(run, facts, unseen, agreement >= AGREEMENT)]
    if agreement >= AGREEMENT:
        return [Finding(True, f"Early stopping agrees with the final order: {facts}.")]
    text = f"Early stopping disagrees with the final order: {facts}. Let it stop fewer, or later."
    return [Finding(False, text, commands.changed(run, **gentler(run)))]


def gentler(run: Run) -> Mapping[str, Any]:
    """Settings with which the run's rule stops fewer trials, or later; no early stopping if there are none."""
    rule = run.identity.scheduler
    if rule.get("share", 1) <= MOST_SHARE:
        return {"share": f"{100 * 2 * rule['share']:g}%"}
    waiting = rule.get("grace_period", 1) * rule.get("reduction_factor", 3)
    if "share" in rule or waiting >= run.totals.epochs:
        return {"scheduler": "none"}
    return {"scheduler": str(Scheduler("epochs", waiting))} if rule["name"] == "epochs" else {"grace_period": waiting}


def of_a_choice(run: Run, facts: str, unseen: int, is_alike: bool) -> Finding:
    """Judge the order of the trials that the rungs themselves let go on.

    This order tells nothing about the other trials. A weak agreement may come from the choice by the rungs.
    """
    rest = f"Nothing is known of {plural(unseen, 'trial')} that it stopped."
    if is_alike:
        return Finding(True, f"Early stopping agrees with the final order of the trials that went on: {facts}. {rest}")
    text = f"Early stopping disagrees with the final order of the trials that went on: {facts}."
    more = min(1.0, 2 * run.identity.scheduler.get("audit", 0.05))
    chosen = "It chose these trials, which alone makes the order look weaker."
    return Finding(False, f"{text} {chosen} {rest} An audit looks at those.", commands.changed(run, audit=more))


def noise(run: Run, where: Standing) -> float:
    """How far the images or the seeds move a value of this run, as a standard deviation."""
    finished = where.board[where.board["status"] == "finished"]
    return standard_error(finished, run.identity.val_images)


def best_trial(run: Run, where: Standing) -> Trial:
    winner = where.winner
    return next(trial for trial in run.trials if trial.index == winner)
