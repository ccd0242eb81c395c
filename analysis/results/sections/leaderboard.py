"""The leaderboard: as a table for reading, as rows for programs, of one run or of several."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.frame import valued
from analysis.frame.dataframe import COSTS, METRICS, Row, keys_of, rows_of
from analysis.frame.network_cost import NAMES
from analysis.ranking import best_interval, comparison
from analysis.ranking.statistics import expected_best, t_factor
from analysis.render.blocks import Blocks, Bold, Code, Link, Table, Words, paragraphs
from analysis.render.markdown import NOTHING, count, cut, plain, plural, setting
from search.status import LOST
from trainables import written
from trainables.objective import Objective

Column = tuple[Words, str, Callable[[Row], Words]]  # name, l or r, and the cell of a row
Notes = dict[str, Words]  # what the columns of a table mean, and the rest that has to be said, by what it is about

WIDEST = 120  # characters of a table as it is read
FEW_SEEDS = 3  # up to which an interval over seeds needs a word of explanation
FEWEST = 3  # hyperparameters that have a column at any rate
TOP = 20  # rows in the table; the baseline comes on top of them
BEST_EPOCH = "The epoch was chosen on the same images, which flatters every row a little, most on few images."
TIED: Words = (Code("1="), ": p is above 5 %.")
WORDS = {"stopped": "stopped early", "planned": "not started", "running": "not ended"}


def best_rows(ranked: pd.DataFrame, top: int = TOP) -> pd.DataFrame:
    """The first rows, and the baseline wherever it is."""
    return ranked[(ranked["rank"] <= top) | (ranked["source"] == "baseline")]


def leaderboard(
    ranked: pd.DataFrame,
    keys: Sequence[str],
    *,
    costs: Mapping[int, Sequence[str]] | None = None,
    order: Sequence[str] = (),
) -> Blocks:
    """A table of the rows of ranked, and a line below it that names the hyperparameters it has no room for.

    Args:
        keys: the hyperparameters (or other columns) worth a column.
        costs: the cells of analysis.frame.network_cost, by the place of a trial in the plan; none if all cost the same.
        order: the keys that have room first, if this is not their own order.
    """
    rows = rows_of(ranked)
    kept = with_room(ranked, keys, costs or {}, order)
    ranking = table(columns(ranked, kept, costs or {}), rows)
    left = [span(key, [row[key] for row in rows]) for key in keys if key not in kept]
    more = f"Also varied, without room in the table: {'; '.join(left)}." if left else ""
    return ranking, *paragraphs(more)


def table(shown: Sequence[Column], rows: Sequence[Row]) -> Table:
    """A line for each row."""
    header, align = tuple(name for name, _, _ in shown), "".join(side for _, side, _ in shown)
    return Table(header, tuple(tuple(cell(row) for _, _, cell in shown) for row in rows), align)


def with_room(
    ranked: pd.DataFrame, keys: Sequence[str], costs: Mapping[int, Sequence[str]], order: Sequence[str]
) -> list[str]:
    """The keys without the last ones of the order that make the table too wide; the first few stay at any rate."""
    rows, kept = rows_of(ranked), list(keys)
    last = [*order, *(key for key in keys if key not in order)]
    for key in reversed(last[FEWEST:]):
        if width(columns(ranked, kept, costs), rows) > WIDEST and key in kept:
            kept.remove(key)
    return kept


def width(shown: Sequence[Column], rows: Sequence[Row]) -> int:
    """Characters of a line as it is read."""
    texts = [[name, *(cell(row) for row in rows)] for name, _, cell in shown]
    return 1 + sum(3 + max(len(plain(words)) for words in column) for column in texts)


def span(key: str, values: Sequence[Any]) -> str:
    """The name of a hyperparameter and from where to where its values go, or how many there are."""
    present = [value for value in values if value is not None]
    if present and all(type(value) in (int, float) for value in present):
        low, high = setting(key, min(present)), setting(key, max(present))
        return f"{key} {low}" + (f" to {high}" if high != low else "")
    return f"{key} ({plural(len(set(map(repr, present))), 'value')})"


def columns(ranked: pd.DataFrame, keys: Sequence[str], costs: Mapping[int, Sequence[str]]) -> list[Column]:
    """Only columns that say something about these rows."""
    best, objective = best_value(ranked), valued.objective_of(ranked)
    is_shared = int(ranked["tied"].sum()) > 1
    has_intervals = objective.is_accuracy or ranked["low"].notna().any()
    every: list[Column | None] = [
        ("#", "r", lambda row: place(row, is_shared)),
        ("place", "r", possible_places) if shares_places(ranked) else None,
        ("id", "l", named),
        *((cut(key), "l" if key == "run" else "r", setting_of(key)) for key in keys),
        (written.heading(objective), "r", lambda row: value(row, best)),
        ("95 % interval", "r", around) if has_intervals else None,
        ("seeds", "r", lambda row: str(row["seeds_asked"])) if says_seeds(ranked) else None,
        (f"{written.heading(objective, 'confirmed')} (95 % interval)", "r", confirmed)
        if is_confirmed(ranked)
        else None,
        (written.differences(objective), "r", lambda row: distance(row, best)),
        ("p", "r", lambda row: chance(row["p_value"])) if ranked["p_value"].notna().any() else None,
        *((name, "r", cost_of(costs, number)) for number, name in enumerate(NAMES[: cost_columns(costs)])),
        ("epochs", "r", used),
        ("source", "l", lambda row: cut(row["source"])) if has_sources(ranked) else None,
        ("status", "l", ended),
    ]
    return [column for column in every if column]


def says_seeds(ranked: pd.DataFrame) -> bool:
    """Whether rows of several runs were trained on different numbers of seeds."""
    return "seeds_asked" in ranked and ranked["seeds_asked"].nunique() > 1


def is_confirmed(ranked: pd.DataFrame) -> bool:
    """Whether rows of several runs were confirmed; one run has a table of its own for that."""
    return "confirmed" in ranked and bool(ranked["confirmed"].notna().any())


def confirmed(row: Row) -> str:
    """What fresh seeds gave, with its interval if there is one."""
    if pd.isna(row["confirmed"]):
        return NOTHING
    objective, bounds = valued.own(row), (row["confirmed_low"], row["confirmed_high"])
    around = "" if pd.isna(bounds[0]) else f" ({written.interval(objective, *bounds)})"
    return written.number(objective, row["confirmed"]) + around


def setting_of(key: str) -> Callable[[Row], str]:
    return lambda row: setting(key, row[key])


def cost_columns(costs: Mapping[int, Sequence[str]]) -> int:
    return max(map(len, costs.values()), default=0)


def cost_of(costs: Mapping[int, Sequence[str]], number: int) -> Callable[[Row], str]:
    return lambda row: costs[row["index"]][number]


def best_value(ranked: pd.DataFrame) -> float | None:
    """What the others are held against."""
    if ranked.empty or ranked["status"].iloc[0] != "finished":
        return None
    return float(valued.values(ranked).iloc[0])


def shares_places(ranked: pd.DataFrame) -> bool:
    """Whether the places of some rows are not sure."""
    return bool((ranked["first_place"] < ranked["last_place"]).any())


def has_sources(ranked: pd.DataFrame) -> bool:
    """Whether the points came from several sources; the baseline is marked anyway."""
    return len(set(ranked["source"]) - {"baseline"}) > 1


def possible_places(row: Row) -> str:
    """2 to 5."""
    if pd.isna(row["first_place"]):
        return NOTHING
    first, last = count(int(row["first_place"])), count(int(row["last_place"]))
    return first if first == last else f"{first} to {last}"


def used(row: Row) -> str:
    """Epochs trained of those allowed, and the best one where it is not the last."""
    is_last: bool = pd.isna(row["best_epoch"]) or row["best_epoch"] == row["epochs"]
    return f"{row['epochs']}/{row['epochs_allowed']}" + ("" if is_last else f", best {row['best_epoch']}")


def place(row: Row, is_shared: bool) -> str:
    """The rank; that of the best for every row tied with it."""
    if not has_value(row):
        return NOTHING
    return ("1=" if is_shared else "1") if row["tied"] else str(row["rank"])


def value(row: Row, best: float | None) -> Words:
    """The value, that of the best in bold."""
    if not has_value(row):
        return NOTHING
    shown = written.number(valued.own(row), valued.value(row))
    return Bold(shown) if is_best(row, best) else shown


def around(row: Row) -> str:
    """The interval."""
    is_known = has_value(row) and not pd.isna(row["low"])
    return written.interval(valued.own(row), row["low"], row["high"]) if is_known else NOTHING


def distance(row: Row, best: float | None) -> str:
    """How far behind the best."""
    if best is None or not has_value(row) or is_best(row, best):
        return NOTHING
    return written.difference(valued.own(row), valued.value(row) - best)


def is_best(row: Row, best: float | None) -> bool:
    return best is not None and row["rank"] == 1


def chance(p_value: float) -> str:
    """A p-value; below a thousandth nobody needs to know how far."""
    if pd.isna(p_value):
        return NOTHING
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def has_value(row: Row) -> bool:
    return row["status"] not in LOST and not pd.isna(valued.value(row))


def identifier(row: Row) -> Link:
    """The id of a trial, linked to its folder."""
    return Link(cut(row["id"]), f"trials/{row['folder'].name}")


def named(row: Row) -> Words:
    """The same in a table, where the baseline is marked."""
    return (identifier(row), " (baseline)") if row["source"] == "baseline" else identifier(row)


def ended(row: Row) -> str:
    """The status; of a configuration of which only some seeds were stopped early, how many."""
    stopped, seeds = row.get("stopped_seeds"), row.get("seeds_planned")
    some = row["status"] == "stopped" and stopped is not None and not pd.isna(stopped) and stopped < seeds
    return worded(row["status"]) + (f" on {int(stopped)} of {int(seeds)} seeds" if some else "")


def worded(status: str) -> str:
    """A status as a reader would say it."""
    return WORDS.get(status, status)


def tally(ranked: pd.DataFrame, noun: str = "trial") -> str:
    """16 trials: 5 finished, 10 stopped early, 1 diverged."""
    counts = ranked["status"].value_counts(sort=False)  # in order of appearance: best first
    parts = ", ".join(f"{count(int(number))} {worded(str(name))}" for name, number in counts.items())
    return f"{plural(len(ranked), noun)}: {parts}" if parts else f"no {noun}s"


def explanation(
    ranked: pd.DataFrame,
    images: int,
    seeds: int,
    costs: str = "",
    is_confirmed: bool = False,
    moved: tuple[float, float] | None = None,
) -> Notes:
    """What interval, rank, ties and costs (in these words) mean."""
    finished, objective = ranked[ranked["status"] == "finished"], valued.objective_of(ranked)
    is_tested = objective.is_accuracy or bool(finished["p_value"].notna().any())
    notes: Notes = {
        "val %": over_seeds(seeds, ranked) if seeds > 1 else over_images(images, objective, ranked),
        "p": p_words(finished) if len(finished) > 1 and is_tested else "",
        "cost": costs,
        "place": place_words(ranked) if shares_places(ranked) else "",
        "luck": luck(finished, images, seeds),
        "stopped": stopped_words(seeds, objective) if "stopped" in set(ranked["status"]) else "",
        "seed": one_seed(is_confirmed, moved, objective) if seeds == 1 else "",
    }
    return {about: words for about, words in notes.items() if words}


def p_words(finished: pd.DataFrame) -> Words:
    """What p and the tie mark are: of configurations where seeds were compared, of trained networks where images were."""
    pairs = len(finished) * (len(finished) - 1) // 2
    what = "configurations" if of_configurations(finished) else "trained networks"
    return (
        f"p: chance of so large a difference from the best between two {what} that are equally good ({method(finished)})"
        f"{adjusted(pairs)}. ",
        TIED,
    )


def adjusted(pairs: int) -> str:
    """What was done about so many tests at once; of a single one there is nothing to do."""
    if pairs == 1:
        return ""
    return (
        f", adjusted by Holm for all {count(pairs)} pairs of finished rows, because the best was picked for being best"
    )


def of_configurations(ranked: pd.DataFrame) -> bool:
    """Whether the tests are of configurations, because they know what another seed does, and not of trained networks."""
    return bool(comparison.OF_CONFIGURATIONS & set(ranked["test"]))


def place_words(ranked: pd.DataFrame) -> str:
    """What the range of places is."""
    if of_configurations(ranked):
        return "place: where a configuration may stand among the finished ones; all of these hold at once in 95 % of searches."
    return (
        "place: where this trained network may stand among the finished ones; all of these hold at once for 95 % of the sets of "
        "validation images that could have been drawn. It is no place of its configuration."
    )


def one_seed(is_confirmed: bool, moved: tuple[float, float] | None, objective: Objective) -> Words:
    """What is not known of values of one seed, and what is where fresh ones showed how far a seed moves a row."""
    head = Bold(f"{'One' if is_confirmed else 'Unconfirmed: one'} seed each.")
    end = "The best of many values is partly luck: expect less from it on another seed or on new images."
    above = " What fresh seeds made of the best stands above." if is_confirmed else ""
    if moved:
        far = 100 * moved[0] ** 0.5
        return head, (
            f" Intervals are about these trained networks. p and places are about their configurations: they allow for "
            f"another seed, which moved one configuration and not the others by {far:.2f} points on the fresh seeds (standard "
            f"deviation), and take it to move all alike. {end}{above}"
        )
    if not objective.is_accuracy:
        end = end.replace("less", "worse")
    what = "Intervals, p and places" if objective.is_accuracy else "Values"
    return head, (
        f" {what} are about these trained networks, not about their configurations: another seed trains "
        "another network, and how far it moves a value is not known from one. No configuration is shown to be better than "
        f"another. {end}{above}"
    )


def stopped_words(seeds: int, objective: Objective) -> str:
    """Where rows stand that were stopped early."""
    if seeds == 1:
        return (
            f"Trials stopped early rank below all finished ones, by what they had reached: their {written.heading(objective)} "
            f"and {written.differences(objective)} are of a shorter training, and no test is made of them."
        )
    return (
        "A configuration of which any seed was stopped early ranks below all finished ones, by the mean of what each seed had "
        "reached. Early stopping judges each seed by itself, so these seeds may have trained for different numbers of epochs: "
        "the order of such rows says little, and no test is made of them."
    )


def over_images(images: int, objective: Objective, ranked: pd.DataFrame | None = None) -> str:
    """What value and interval are of one trained network; `ranked` if its first row knows that it was picked."""
    if not objective.is_accuracy:
        return untested(images, objective)
    return (
        f"val %: accuracy on the {count(images)} validation images at the best epoch. {BEST_EPOCH} 95 % interval: Wilson's, of "
        "one trained network, for the luck of which images were drawn; it covers no other seed."
        + (picked_network(ranked) if ranked is not None else "")
        + " Δ pp: percentage points behind the best."
    )


def untested(images: int, objective: Objective) -> str:
    """The same for another objective than accuracy."""
    return (
        f"{written.heading(objective)}: {written.name(objective)} on the {count(images)} validation images at the best epoch; "
        f"{written.better(objective)} is better. {BEST_EPOCH} Intervals and tests over images count those that are right, so "
        f"they belong to accuracy alone and are left out. {behind(objective)}"
    )


def behind(objective: Objective) -> str:
    """What the column of differences is."""
    what = "percentage points behind the best" if written.is_percent(objective) else "the value minus that of the best"
    return f"{written.differences(objective)}: {what}."


def picked_network(ranked: pd.DataFrame) -> str:
    """What the interval of the first row covers besides."""
    number = best_interval.networks(ranked)
    if best_value(ranked) is None or number < 2:
        return ""
    return (
        f" That of the first row reaches further down: it was picked as the best of {count(number)} candidates, each epoch of "
        f"each trial{spared(ranked)}. The others do not cover the choice of their epoch.{adaptive(ranked)}"
    )


def spared(ranked: pd.DataFrame) -> str:
    """That epochs which were not trained count as well, where there are any."""
    return ", also those that early stopping spared" if (ranked["status"] == "stopped").any() else ""


def adaptive(ranked: pd.DataFrame) -> str:
    """Why the interval of the first row may promise too much; nothing where it does not."""
    if not best_interval.depends_on_values(ranked):
        return ""
    return " Some points were proposed because of earlier values, which this does not cover: the interval may be too short."


def over_seeds(seeds: int, ranked: pd.DataFrame) -> str:
    """What value and interval are of a configuration on several seeds."""
    objective = valued.objective_of(ranked)
    return (
        f"{written.heading(objective)}: mean {written.name(objective)} over {seeds} seeds, each at its own best epoch"
        f"{direction(objective)}. {BEST_EPOCH} 95 % interval: Student's over seeds; "
        f"it covers the luck of the seed, but not that of which validation images were drawn.{picked_configuration(ranked)}"
        f" {behind(objective)} epochs: of all seeds together.{few_seeds(seeds)}"
    )


def direction(objective: Objective) -> str:
    """Which values are better, where that is not the accuracy's way."""
    if objective.is_accuracy:
        return ""
    return (
        f"; {written.better(objective)} is better, and tests over images, which belong to accuracy alone, are left out"
    )


def picked_configuration(ranked: pd.DataFrame) -> str:
    """What the interval of the first row covers besides."""
    if best_value(ranked) is None or int((ranked["status"] == "finished").sum()) < 2:
        return ""
    if ranked["low"].isna().iloc[0]:
        return " The first row has none: its seeds came out the same."
    return (
        f" That of the first row also covers that these seeds picked it as the best of "
        f"{count(int(best_interval.is_candidate(ranked).sum()))}; it takes the spread of the others into account, and may be the "
        f"shorter one for that.{adaptive(ranked)}"
    )


def few_seeds(seeds: int) -> str:
    """Why an interval over two or three seeds is as wide as it is; nothing where there are more."""
    if not 2 <= seeds <= FEW_SEEDS:
        return ""
    factor, many = t_factor(seeds), t_factor(FEW_SEEDS + 2)
    return (
        f" {seeds} seeds: the interval is wide because so few values hardly show their own spread; it is the standard error "
        f"times {factor:.1f}, which with {FEW_SEEDS + 2} seeds would be {many:.1f}."
    )


def luck(finished: pd.DataFrame, images: int, seeds: int) -> str:
    """How much better than it is the best of so many equal ones would look."""
    error = standard_error(finished, images, seeds)
    if len(finished) < 2 or not error > 0:
        return ""
    gain, objective = expected_best(len(finished)) * error, valued.objective_of(finished)
    side = "above" if objective.mode == "max" else "below"
    what = "the seed" if seeds > 1 else "the images drawn"
    who = "" if seeds > 1 else " networks"
    every = "both" if len(finished) == 2 else f"all {count(len(finished))}"
    return (
        f"Luck of the best: were {every}{who} equally good, the one on top would still be expected to lie "
        f"{written.apart(objective, gain)} {side} its true value, by {what} alone."
    )


def standard_error(finished: pd.DataFrame, images: int, seeds: int) -> float:
    """How far chance moves a value, as a standard deviation; NaN over images of another objective than accuracy.

    Over seeds, from the spread within configurations. Over images, from those that only one of a row and the best gets
    right, among the rows tied with it: what both get right or wrong moves both alike.
    """
    if finished.empty:
        return float("nan")
    if seeds > 1 and "deviation" in finished:
        return float((finished["deviation"] ** 2).mean() ** 0.5 / seeds**0.5)
    objective = valued.objective_of(finished)
    if not objective.is_accuracy:
        return float("nan")
    unlike = finished["discordant"][finished["tied"]].iloc[1:].mean()
    if not pd.isna(unlike):
        return float((unlike / 2) ** 0.5 / images)
    share = valued.values(finished).iloc[0]
    return float((share * (1 - share) / images) ** 0.5)


METHODS = {
    comparison.PAIRED: "exact McNemar test on the same images",
    comparison.SEEDS: "paired t-test over the seeds",
    comparison.ALLOWING: "t-test that allows for the luck of the images and of the seed",
    comparison.UNPAIRED: "two-proportion z-test, which ignores that the images are the same and so sees less",
    comparison.COUNTS: "the largest p-value of that test which the two counts allow",
}


def method(ranked: pd.DataFrame) -> str:
    """Which tests compared the rows with the best."""
    used = ranked["test"].value_counts()
    kinds = [kind for kind in METHODS if kind in used]
    if len(kinds) == 1:
        return METHODS[kinds[0]]
    rest = [f"for {plural(int(used[kind]), 'row')} {METHODS[kind]}" for kind in kinds[1:]]
    return "; ".join([METHODS[kinds[0]], *rest])


def records(ranked: pd.DataFrame, keys: Sequence[str]) -> list[Row]:
    """One dict of plain JSON values per trial, best first; `keys` are the searched hyperparameters."""
    columns, value = list(ranked.columns), valued.objective_of(ranked).column
    metrics = columns[columns.index(METRICS[0]) : columns.index("low")]
    names = {key: key for key in ("id", "rank", "status", "epochs", *keys, *metrics)}
    names |= {"low": f"{value}_low", "high": f"{value}_high", "tied": "tied_with_best"}
    names |= {key: key for key in ("best_epoch", "epochs_allowed", *COSTS, "seed", "source", "index")}
    if "seeds_asked" in columns:  # rows of several runs
        names |= {"seeds_asked": "seeds"} | {key: key for key in ("confirmed", "confirmed_low", "confirmed_high")}
    plain = ranked.reindex(columns=list(names)).rename(columns=names).astype(object)
    return rows_of(plain.where(plain.notna(), None))


def as_json(rows: list[Row]) -> str:
    """A list with one object per line, so that a change of one trial is a change of one line."""
    encode = json.JSONEncoder(allow_nan=False).encode  # one for all rows
    lines = ",\n".join("  " + encode(row) for row in rows)
    return f"[\n{lines}\n]\n" if rows else "[]\n"


def as_csv(rows: list[Row]) -> str:
    """The same rows; an absent value is an empty field."""
    names, text = keys_of(rows), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name) for name in names] for row in rows)
    return text.getvalue()
