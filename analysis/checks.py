"""What a result calls for: each check says in one line what was found, and the command that follows from it."""

from typing import NamedTuple

import pandas as pd

from analysis import audit, commands, next_step
from analysis.frame import rows_of
from analysis.importance import Mattered
from analysis.leaderboard import standard_error
from analysis.markdown import count, escape, setting
from analysis.ranges import Range, edge, ranges, wider
from analysis.standing import Standing
from search.ledger import Run, Trial
from trainables.config import LENGTH_DEPENDENT

TOP = 5  # rows whose spread and places are looked at
RISE = 1.1  # of the validation loss after its lowest: more is overfitting
AGREEMENT = 0.5  # rank correlation of a rung with the final order: less says that stopping there was too early
MANY = 8  # trials with both values; the order of fewer agrees or disagrees by chance
ENOUGH = 50  # configurations; with fewer, no sign of an effect is no sign of none
DIVERGED = 0.5  # share of diverged trials in a region that deserves its name


class Finding(NamedTuple):
    """One line: whether all is well, what was found, and the command to run if it is not."""

    is_well: bool
    text: str
    command: str = ""


def section(run: Run, where: Standing, importance: Mattered | None) -> str:
    """All checks that can be made, those that call for something first."""
    best = where.best
    of_best = [] if best is None else [
        *edges(run, where, best), *lengths(run, where), *overfitting(run, where), *knobs(run, best, importance),
    ]  # fmt: skip
    found = [*of_best, *divergence(run, where.trials), *spread(run, where), *stopping(run)]
    ordered = [each for each in found if not each.is_well] + [each for each in found if each.is_well]
    return "\n\n".join(["## What to do next", "\n".join(map(line, ordered))]) if ordered else ""


def line(found: Finding) -> str:
    """One item of the list."""
    if found.is_well:
        return f"- ✔ {found.text}"
    return f"- ⚠ {found.text}" + (f"<br>`{found.command}`" if found.command else "")


def edges(run: Run, where: Standing, best: pd.Series) -> list[Finding]:
    """Parameters whose best value is at an end of its range, while none tied with it is inside."""
    found, inside = [], []
    tied = rows_of(where.board[where.board["tied"]].iloc[:TOP])
    for key, own in ranges(run).items():
        side = edge(own, best[key])
        proposed = wider(key, own, side) if side else ""
        if side and proposed and all(edge(own, row[key]) == side for row in tied):
            text = (
                f"{escape(key)}: the best value, {setting(key, best[key])}, is at the {side} edge of what was searched."
            )
            found.append(Finding(False, text, commands.changed(run, proposed)))
        elif not side and has_inside(own):
            inside.append(escape(key))
    well = [Finding(True, f"The best values of {', '.join(inside)} lie inside their ranges.")] if inside else []
    return found + well


def has_inside(own: Range) -> bool:
    """Whether some value of a range lies at no end of it; a name, or one of two numbers, cannot."""
    return not own.values or len(own.numbers()) > 2


def lengths(run: Run, where: Standing) -> list[Finding]:
    """Whether the best was still getting better when its training ended."""
    trial = best_trial(run, where)
    rows, best = trial.epochs, trial.best
    if len(rows) < 3 or best is None:
        return []
    before = max(row["val_accuracy"] for row in rows[: max(1, int(0.8 * len(rows)))])
    gain, late = best["val_accuracy"] - before, f"in the last fifth of its {len(rows)} epochs"
    if best["epoch"] < len(rows):
        return [Finding(True, f"The best had stopped improving: its best epoch is {best['epoch']} of {len(rows)}.")]
    if gain <= (error := noise(run, where)):
        text = f"{100 * gain:+.2f} points {late}, where chance moves a value by {100 * error:.2f}"
        return [Finding(True, f"The best improved no more than by chance: {text}.")]
    longer = commands.longer(
        run, -(-3 * run.totals["epochs"] // 2), is_new=trial.config["schedule"] in LENGTH_DEPENDENT
    )
    return [Finding(False, f"The best was still improving: {100 * gain:+.2f} points {late}.", longer)]


def overfitting(run: Run, where: Standing) -> list[Finding]:
    """Whether the validation loss of the best rose while its training loss went on falling."""
    rows = best_trial(run, where).epochs
    if len(rows) < 3 or not all("val_loss" in row and "train_loss" in row for row in rows):
        return []
    lowest, last = min(rows, key=lambda row: (row["val_loss"], row["epoch"])), rows[-1]
    if last["val_loss"] <= RISE * lowest["val_loss"] or last["train_loss"] >= lowest["train_loss"]:
        return [Finding(True, "The best does not overfit: its validation loss ends near its lowest.")]
    rose = f"its validation loss rose from {lowest['val_loss']:.3g} (epoch {lowest['epoch']}) to {last['val_loss']:.3g}"
    remedy = "augment=standard" if best_trial(run, where).config["augment"] == "none" else "label_smoothing=0.1"
    return [Finding(False, f"The best overfits: {rose} while its training loss fell.", commands.changed(run, remedy))]


def divergence(run: Run, trials: pd.DataFrame) -> list[Finding]:
    """The share of diverged trials, and the part of one range where they are."""
    number, every = int((trials["status"] == "diverged").sum()), int((trials["epochs"] > 0).sum())
    if not number:
        return [Finding(True, "No trial diverged.")] if every else []
    if number == len(trials):
        return [Finding(False, f"{next_step.came_to(run).capitalize()}: search lower rates.", slower_than_all(run))]
    share = f"{count(number)} of {count(len(trials))} trials diverged ({100 * number / len(trials):.0f} %)"
    regions = [region for key in ranges(run) for region in [region_of(run, trials, key)] if region]
    if not regions:
        return [Finding(False, f"{share}, in no region of one parameter.", slower(run))]
    purity, text, narrower = max(regions, key=lambda region: region[0])
    where = f"{share}, all with {text}; {100 * purity:.0f} % of the trials there did"
    return [Finding(False, f"{where}.", commands.changed(run, narrower) if narrower else "")]


def slower_than_all(run: Run) -> str:
    """Searches rates below all that were tried."""
    return commands.changed(run, next_step.lower_rates(run))


def slower(run: Run) -> str:
    """Searches smaller rates, which diverge less; nothing where no rate is searched."""
    own = ranges(run).get("lr")
    smaller = wider("lr", own, "lower") if own else ""
    return commands.changed(run, smaller) if smaller else ""


def region_of(run: Run, trials: pd.DataFrame, key: str) -> tuple[float, str, str] | None:
    """How pure the region of one parameter is that holds all diverged trials, in words, and the range without it."""
    own, is_diverged = ranges(run)[key], trials["status"] == "diverged"
    values = pd.to_numeric(trials[key], errors="coerce")
    bad, good = values[is_diverged], values[~is_diverged & (trials["epochs"] > 0)]
    if own.values or bad.isna().any() or good.dropna().empty:
        return None
    sides = []
    for sign, edge_value, inside in (("≥", bad.min(), good >= bad.min()), ("≤", bad.max(), good <= bad.max())):
        purity = len(bad) / (len(bad) + int(inside.sum()))
        rest = own.below(edge_value) if sign == "≥" else own.above(edge_value)
        sides.append((purity, f"{escape(key)} {sign} {setting(key, edge_value)}", f"{key}={rest}" if rest else ""))
    best = max(sides, key=lambda side: side[0])
    return best if best[0] >= DIVERGED else None


def spread(run: Run, where: Standing) -> list[Finding]:
    """Whether the first rows differ by more than chance moves them; by their fresh seeds where they have been confirmed."""
    if where.is_confirmed:
        return confirmed_spread(where.confirmed)
    finished = where.board[where.board["status"] == "finished"].iloc[:TOP]
    error = noise(run, where)
    if len(finished) < 3 or not error > 0:
        return []
    apart = finished["val_accuracy"].iloc[0] - finished["val_accuracy"].iloc[-1]
    first = f"The first {len(finished)}"
    facts = f"they lie {100 * apart:.2f} points apart, where chance moves each by {100 * error:.2f}"
    if not finished["tied"].all():
        return [Finding(True, f"{first} differ by more than chance: {facts}.")]
    text = f"{first} cannot be told apart once all pairs are compared: {facts}. Seeds will tell, more trials will not."
    return [Finding(False, text, commands.confirm(run, TOP))]


def confirmed_spread(confirmed: pd.DataFrame) -> list[Finding]:
    """The same of what fresh seeds say, where there are enough of them for a test."""
    finished = confirmed[confirmed["status"] == "finished"]
    if len(finished) < 2 or finished["p_value"].isna().all():
        return []
    apart = 100 * (finished["val_accuracy"].iloc[0] - finished["val_accuracy"].iloc[-1])
    tied, every = int(finished["tied"].sum()), len(finished)
    if tied == 1:
        return [Finding(True, f"On fresh seeds the best is ahead of the other {every - 1} by more than chance.")]
    who = f"the {every}" if tied == every else f"the first {tied} of {every}"
    return [Finding(True, f"On fresh seeds {who} cannot be told apart: all confirmed lie within {apart:.2f} points.")]


def knobs(run: Run, best: pd.Series, importance: Mattered | None) -> list[Finding]:
    """Parameters that showed no more effect than shuffled values, if any did."""
    if (
        importance is None
        or importance.configurations < ENOUGH
        or not any(each.matters for each in importance.parameters.values())
    ):
        return []
    idle = [key for key, each in importance.parameters.items() if not each.matters and best[key] is not None]
    if not idle:
        return [Finding(True, "Each searched parameter showed more effect than chance.")]
    fixed = [f"{key}={best[key]}" for key in idle]
    text = f"No effect beyond chance: {', '.join(map(escape, idle))}. A search with them fixed spends its trials on the rest."
    return [Finding(False, text, commands.changed(run, *fixed))]


def stopping(run: Run) -> list[Finding]:
    """Whether the order at the first rung was that of the end."""
    known = [
        (rung.agreement, rung) for rung in audit.rungs(run) if rung.agreement is not None and rung.compared >= MANY
    ]
    if not known:
        return []
    agreement, worst = min(known, key=lambda pair: (pair[0], pair[1].epoch))
    facts = f"rank correlation {agreement:.2f} at epoch {worst.epoch}, over {worst.compared} trials"
    if agreement >= AGREEMENT:
        return [Finding(True, f"Early stopping agrees with the final order ({facts} at the least).")]
    grace = run.identity["scheduler"].get("grace_period", 1)
    waiting = grace * run.identity["scheduler"].get("reduction_factor", 3)
    has_rungs = waiting < run.totals["epochs"]
    longer = (
        {"scheduler": f"epochs:{waiting}"}
        if run.identity["scheduler"]["name"] == "epochs"
        else {"grace_period": waiting}
    )
    later = commands.changed(run, **(longer if has_rungs else {"scheduler": "none"}))
    return [Finding(False, f"Early stopping disagrees with the final order: {facts}. Let it wait longer.", later)]


def noise(run: Run, where: Standing) -> float:
    """How far chance moves a value of this run, as a standard deviation."""
    finished = where.board[where.board["status"] == "finished"]
    return standard_error(finished, run.identity["sizes"]["val"], run.totals["seeds"])


def best_trial(run: Run, where: Standing) -> Trial:
    winner = where.winner
    return next(trial for trial in run.trials if trial.index == winner)
