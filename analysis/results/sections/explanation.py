"""What the columns of the leaderboard mean: its values, intervals, tests and places, of one run or of several."""

import pandas as pd

from analysis.frame import valued
from analysis.ranking import best_interval, comparison, resampling
from analysis.ranking.statistics import expected_maximum, t_factor
from analysis.render.blocks import Bold, Code, Words
from analysis.results.sections.leaderboard import best_value, shares_places
from trainables import written
from trainables.objective import Objective
from trainables.training.class_metrics import MEASURES
from trainables.written import count, plural

Notes = dict[str, Words]  # what the columns of a table mean, and the rest that has to be said, by what it is about

FEW_SEEDS = 3  # up to which an interval over seeds needs a word of explanation
BEST_EPOCH = (
    "The epoch was chosen on the same images, so values look a little better than they are, most where images are few."
)
BEST_OWN_EPOCH = (
    "The epoch was chosen by these values, so they look a little better than they are."  # of training without images
)
FOLD_INTERVAL = (
    "95 % interval: Student's over folds, with Nadeau and Bengio's correction, because trainings that share images vary too "
    "little. It covers the luck of the images and of the seed."
)
UNKNOWN_MOVE = (
    "One seed does not show how far another one moves a value, so these rows show no configuration to be better than "
    "another."
)
TIED: Words = (Code("1="), ": p is above 5 %.")
METHODS = {
    comparison.PAIRED: "exact McNemar test on the same images",
    comparison.SEEDS: "paired t-test over the seeds",
    comparison.FOLDS: "paired t-test over the folds, corrected for the images that their trainings share",
    comparison.ALLOWING: "t-test that allows for the luck of the images and of the seed",
    comparison.UNPAIRED: "two-proportion z-test, unpaired and so less powerful",
    comparison.RESAMPLED: "t-test of the difference over 400 draws of the validation images, or of their groups",
    comparison.LOST: "no test, as their predictions are not kept or they stand far below",
    comparison.COUNTS: "the largest p-value of that test which the two counts allow",
}


def explanation(
    ranked: pd.DataFrame,
    images: int,
    seeds: int,
    costs: str = "",
    is_confirmed: bool = False,
    moved: tuple[float, float] | None = None,
    folds: int = 0,
) -> Notes:
    """Explain values, intervals, p-values, places, ties and costs. `costs` holds the words about costs."""
    finished, objective = ranked[ranked["status"] == "finished"], valued.objective_of(ranked)
    is_tested = bool(finished["p_value"].notna().any())
    notes: Notes = {
        "val %": over_seeds(seeds, ranked, images, folds) if seeds > 1 else over_images(images, objective, ranked),
        "p": p_words(finished, images) if is_tested else "",
        "cost": costs,
        "place": place_words(ranked, images) if shares_places(ranked) else "",
        "luck": luck(finished, images, seeds, folds),
        "stopped": stopped_words(seeds, ranked, folds) if "stopped" in set(ranked["status"]) else "",
        "seed": one_seed(is_confirmed, moved if of_configurations(finished) else None, objective, images)
        if seeds == 1
        else "",
    }
    return {about: words for about, words in notes.items() if words}


def p_words(finished: pd.DataFrame, images: int) -> Words:
    """Explain p and the mark of a tie, for tests of configurations or else for tests of trained networks."""
    pairs = len(finished) * (len(finished) - 1) // 2
    what = "configurations" if of_configurations(finished) else "trained networks"
    return (
        f"p: the chance of so large a difference from the best, if the two {what} are equally good"
        f"{on_these(finished, images)} ({method(finished)}).{adjusted(pairs)} ",
        TIED,
    )


def on_these(ranked: pd.DataFrame, images: int) -> str:
    """The words "on these validation images", if tests over seeds compared the rows: all seeds were validated on them."""
    return " on these validation images" if images and comparison.SEEDS in set(ranked["test"]) else ""


def adjusted(pairs: int) -> str:
    """How p-values are adjusted for the number of tests; empty for a single test."""
    if pairs == 1:
        return ""
    return (
        f" It is adjusted by Holm for all {count(pairs)} pairs of finished rows, because the best was picked from them."
    )


def of_configurations(ranked: pd.DataFrame) -> bool:
    """Whether the tests compare configurations, because they allow for another seed, and not trained networks."""
    return bool(comparison.OF_CONFIGURATIONS & set(ranked["test"]))


def place_words(ranked: pd.DataFrame, images: int) -> str:
    """Explain the range of places."""
    if of_configurations(ranked):
        on = on_these(ranked, images)
        others = " Other images may order them otherwise." if on else ""
        return (
            f"place: the places that this configuration may truly have among the finished ones{on}. In 95 % of searches all "
            f"these ranges are right at once.{others}"
        )
    return (
        "place: the places that this trained network may truly have among the finished ones. For 95 % of the sets of "
        "validation images that could be drawn, all these ranges are right at once. They do not allow for the choice of each "
        "row's epoch. They do not say where its configuration stands: another seed trains another network."
    )


def one_seed(is_confirmed: bool, moved: tuple[float, float] | None, objective: Objective, images: int) -> Words:
    """What values of one seed do not show, and what fresh seeds showed about how far a seed moves a configuration."""
    head = Bold(f"{'One' if is_confirmed else 'Unconfirmed: one'} seed each.")
    end = "The best of many values is partly luck: expect less from it on another seed or on new images."
    above = " What fresh seeds made of the best stands above." if is_confirmed else ""
    if moved:
        far = 100 * moved[0] ** 0.5
        return head, (
            f" Intervals are about these trained networks. p and places are about their configurations, because they allow for "
            f"another seed. On the fresh seeds, another seed moved a configuration against the others by {far:.2f} points "
            f"(standard deviation). All configurations are assumed to move as far. {end}{above}"
        )
    if not objective.is_accuracy:
        end = end.replace("less", "worse")
    if not images:
        return head, (
            f" Values are about these trainings, not about their configurations. {UNKNOWN_MOVE} The best of many values is "
            f"partly luck: expect worse from it on another seed.{above}"
        )
    what = "Intervals, p and places" if objective.column in MEASURES else "Values"
    return head, (
        f" {what} are about these trained networks, not about their configurations. Another seed trains another network. "
        f"{UNKNOWN_MOVE} {end}{above}"
    )


def stopped_words(seeds: int, ranked: pd.DataFrame, folds: int = 0) -> str:
    """Where rows rank that were stopped early, and what their values mean."""
    objective = valued.objective_of(ranked)
    if seeds == 1:
        return (
            "Trials stopped early rank below all finished ones, by what they had reached. Their "
            f"{written.heading(objective)} and {written.differences(objective)} are of a shorter training, and no test is "
            "made of them."
        )
    if folds or not judges_each_seed(ranked):
        return (
            "A configuration that was stopped early ranks below all finished ones, by the mean of what its "
            f"{several(folds)} had reached. That is of a shorter training, and no test is made of it."
        )
    return (
        "A configuration of which any seed was stopped early ranks below all finished ones, by the mean of what each seed had "
        "reached. Early stopping judged each seed by itself, so these seeds may have trained for different numbers of epochs. "
        "The order of such rows says little, and no test is made of them."
    )


def judges_each_seed(ranked: pd.DataFrame) -> bool:
    """Whether early stopping judged each seed by itself, as in older runs.

    In such a run, some seeds of a configuration may be stopped and others not.
    """
    stopped = ranked[ranked["status"] == "stopped"]
    return bool((stopped["stopped_seeds"] < stopped["seeds_planned"]).any())


def over_images(images: int, objective: Objective, ranked: pd.DataFrame, *, is_picked: bool = True) -> str:
    """Explain the value and the interval of one trained network.

    Args:
        is_picked: whether the interval of the first row allows for its choice.
    """
    if not images:
        return (
            f"{written.heading(objective)}: {written.name(objective)} at the best epoch; {written.better(objective)} is better. "
            f"{BEST_OWN_EPOCH} {behind(objective)}"
        )
    if is_resampled(ranked):
        return drawn_again(images, objective)
    if not objective.is_accuracy or "apart" in ranked:
        return untested(images, objective)
    return (
        f"val %: accuracy on the {count(images)} validation images at the best epoch. {BEST_EPOCH} 95 % interval: Wilson's. "
        "It is about this one trained network: it covers the luck of which images were drawn, and no other seed."
        + (picked_network(ranked) if is_picked else "")
        + " Δ pp: percentage points behind the best."
    )


def is_resampled(ranked: pd.DataFrame) -> bool:
    """Whether the intervals come from drawing images, or groups of images, again."""
    return "apart" in ranked and bool(ranked["low"].notna().any())


def drawn_again(images: int, objective: Objective) -> str:
    """Explain value and interval of one trained network where images, or groups of images, were drawn again."""
    return (
        f"{written.heading(objective)}: {written.name(objective)} on the {count(images)} validation images at the best epoch. "
        f"{BEST_EPOCH} 95 % interval: of one trained network, Student's with the spread over {resampling.DRAWS} draws of the "
        f"images, or of whole groups of them. It covers neither another seed nor that the best was picked. {behind(objective)}"
    )


def untested(images: int, objective: Objective) -> str:
    """Explain the value of one trained network where there are no intervals and tests."""
    return (
        f"{written.heading(objective)}: {written.name(objective)} on the {count(images)} validation images at the best epoch; "
        f"{written.better(objective)} is better. {BEST_EPOCH} {left_out(objective)} {behind(objective)}"
    )


def left_out(objective: Objective) -> str:
    """Why there are no intervals and tests."""
    if objective.column in MEASURES:
        return "Intervals and tests need the predictions and labels of the best network, which are not kept."
    if objective.source:
        return "Intervals and tests would execute the user's metric many times, and are left out."
    return "Intervals and tests over images are left out, because the value of each image is not kept."


def behind(objective: Objective) -> str:
    """Explain the column of differences."""
    what = "percentage points behind the best" if written.is_percent(objective) else "the value minus that of the best"
    return f"{written.differences(objective)}: {what}."


def picked_network(ranked: pd.DataFrame) -> str:
    """Say that the interval of the first row allows for the choice of the best network."""
    number = best_interval.networks(ranked)
    if best_value(ranked) is None or number < 2:
        return ""
    return (
        f" The interval of the first row reaches further down, because this network was picked as the best of {count(number)} "
        f"candidates: each epoch of each trial is one{spared(ranked)}. The intervals of the other rows do not allow for the "
        f"choice of their epoch.{adaptive(ranked)}"
    )


def spared(ranked: pd.DataFrame) -> str:
    """A note that epochs which early stopping saved count as candidates; empty if no trial was stopped."""
    return ", also those that early stopping saved" if (ranked["status"] == "stopped").any() else ""


def adaptive(ranked: pd.DataFrame) -> str:
    """Why the interval of the first row may be too short; empty if no point was proposed because of earlier values."""
    if not best_interval.depends_on_values(ranked):
        return ""
    return " Some points were proposed because of earlier values. The interval does not allow for that, so it may be too short."


def over_seeds(seeds: int, ranked: pd.DataFrame, images: int, folds: int = 0, picked: str = "") -> str:
    """Explain the value and the interval of a configuration on several seeds or folds.

    Args:
        picked: what to say about the choice of the first row, in place of `picked_configuration`.
    """
    objective, picked = valued.objective_of(ranked), picked or picked_configuration(ranked, folds)
    if folds:
        return (
            f"{written.heading(objective)}: mean {written.name(objective)} over {folds} folds of the {count(images)} images, "
            f"each at its own best epoch{direction(objective)}; each image is a validation image once, for a network that was "
            f"not trained on it. {BEST_EPOCH} {FOLD_INTERVAL}{picked} {behind(objective)} epochs: "
            f"of all folds together.{few_seeds(seeds, folds)}"
        )
    chosen = BEST_EPOCH if images else BEST_OWN_EPOCH
    uncovered = ", but not that of which validation images were drawn" if images else ""
    return (
        f"{written.heading(objective)}: mean {written.name(objective)} over {seeds} seeds, each at its own best epoch"
        f"{direction(objective)}. {chosen} 95 % interval: Student's over seeds. "
        f"It covers the luck of the seed{uncovered}.{picked}"
        f" {behind(objective)} epochs: of all seeds together.{few_seeds(seeds)}"
    )


def direction(objective: Objective) -> str:
    """Which values are better; empty for accuracy."""
    return "" if objective.is_accuracy else f"; {written.better(objective)} is better"


def picked_configuration(ranked: pd.DataFrame, folds: int = 0) -> str:
    """Say that the interval of the first row allows for the choice of this row, or that there is no interval."""
    candidates, finished = int(best_interval.is_candidate(ranked).sum()), int((ranked["status"] == "finished").sum())
    if best_value(ranked) is None or candidates < 2:
        return ""
    if ranked["low"].isna().iloc[0]:
        return f" The first row has none: its {several(folds)} came out the same."
    shared_spread = " It uses the spread of the other rows as well, so it may still be shorter than theirs."
    return (
        f" The interval of the first row also allows for the choice: these {several(folds)} picked it as the best of "
        f"{count(candidates)}.{shared_spread if finished > 1 else ''}{adaptive(ranked)}"
    )


def several(folds: int) -> str:
    """Name what a mean is taken over: folds or seeds."""
    return "folds" if folds else "seeds"


def few_seeds(seeds: int, folds: int = 0) -> str:
    """Why an interval over two or three seeds or folds is as wide as it is; empty for any other number."""
    if not 2 <= seeds <= FEW_SEEDS:
        return ""
    factor, many = t_factor(seeds), t_factor(FEW_SEEDS + 2)
    return (
        f" With {seeds} {several(folds)} an interval is wide, because so few values hardly show their own spread. Student's "
        f"reaches {factor:.1f} standard errors to each side; with {FEW_SEEDS + 2} {several(folds)} it would be {many:.1f}."
    )


def luck(finished: pd.DataFrame, images: int, seeds: int, folds: int = 0) -> str:
    """How much better than its true value the best of equally good rows would look by luck alone."""
    error = standard_error(finished, images)
    if len(finished) < 2 or not error > 0:
        return ""
    gain, objective = expected_maximum(len(finished)) * error, valued.objective_of(finished)
    side = "above" if objective.mode == "max" else "below"
    what = ("the folds" if folds else "the seeds") if seeds > 1 else "the images drawn"
    who = "configurations" if seeds > 1 else "networks"
    every = "both" if len(finished) == 2 else f"all {count(len(finished))}"
    return (
        f"Luck of the best: if {every} {who} were equally good, {what} alone would put the one on top about "
        f"{written.apart(objective, gain)} {side} its true value, on average."
    )


def standard_error(finished: pd.DataFrame, images: int) -> float:
    """The standard deviation by which chance moves one value and not the others; NaN if it is not known.

    What moves all values alike changes no order, so it does not count. Over seeds, this shared part is the effect of a seed on
    all configurations. Over images, it is the images that two networks both get right or both get wrong. There the result comes
    from the images that only one of a row and the best row gets right, for the rows tied with the best. If these numbers are not
    known, it comes from the accuracy of the first row and the number of images. Where images or groups are drawn again, it comes
    from how far the draws move the difference between such a row and the best row, or any row if none is tied with the best.
    """
    if finished.empty:
        return float("nan")
    if "standard_error" in finished:
        return float(finished["standard_error"].iloc[0])
    objective = valued.objective_of(finished)
    if "apart" in finished:
        is_tied = finished["tied"] if finished["tied"].sum() > 1 else finished["apart"].notna()
        return float(finished["apart"][is_tied].iloc[1:].mean() / 2**0.5)
    if not objective.is_accuracy:
        return float("nan")
    unlike = finished["discordant"][finished["tied"]].iloc[1:].mean()
    if not pd.isna(unlike):
        return float((unlike / 2) ** 0.5 / images)
    share = valued.values(finished).iloc[0]
    return float((share * (1 - share) / images) ** 0.5)


def method(ranked: pd.DataFrame) -> str:
    """The tests that compared the rows with the best row, in words."""
    used = ranked["test"].value_counts()
    kinds = [kind for kind in METHODS if kind in used]
    if len(kinds) == 1:
        return METHODS[kinds[0]]
    rest = [f"for {plural(int(used[kind]), 'row')} {METHODS[kind]}" for kind in kinds[1:]]
    return "; ".join([METHODS[kinds[0]], *rest])
