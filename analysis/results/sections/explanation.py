"""What the columns of the leaderboard mean: its values, intervals, tests and places, of one run or of several."""

import pandas as pd

from analysis.frame import valued
from analysis.ranking import best_interval, comparison
from analysis.ranking.statistics import expected_best, t_factor
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
    """What interval, rank, ties and costs (in these words) mean."""
    finished, objective = ranked[ranked["status"] == "finished"], valued.objective_of(ranked)
    is_tested = objective.is_accuracy or bool(finished["p_value"].notna().any())
    notes: Notes = {
        "val %": over_seeds(seeds, ranked, images, folds) if seeds > 1 else over_images(images, objective, ranked),
        "p": p_words(finished) if len(finished) > 1 and is_tested else "",
        "cost": costs,
        "place": place_words(ranked) if shares_places(ranked) else "",
        "luck": luck(finished, images, seeds, folds),
        "stopped": stopped_words(seeds, ranked, folds) if "stopped" in set(ranked["status"]) else "",
        "seed": one_seed(is_confirmed, moved if of_configurations(finished) else None, objective, images)
        if seeds == 1
        else "",
    }
    return {about: words for about, words in notes.items() if words}


def p_words(finished: pd.DataFrame) -> Words:
    """What p and the tie mark are: of configurations where seeds were compared, of trained networks where images were."""
    pairs = len(finished) * (len(finished) - 1) // 2
    what = "configurations" if of_configurations(finished) else "trained networks"
    return (
        f"p: the chance of so large a difference from the best, if the two {what} are equally good ({method(finished)})."
        f"{adjusted(pairs)} ",
        TIED,
    )


def adjusted(pairs: int) -> str:
    """What was done about so many tests at once; of a single one there is nothing to do."""
    if pairs == 1:
        return ""
    return (
        f" It is adjusted by Holm for all {count(pairs)} pairs of finished rows, because the best was picked from them."
    )


def of_configurations(ranked: pd.DataFrame) -> bool:
    """Whether the tests are of configurations, because they know what another seed does, and not of trained networks."""
    return bool(comparison.OF_CONFIGURATIONS & set(ranked["test"]))


def place_words(ranked: pd.DataFrame) -> str:
    """What the range of places is."""
    if of_configurations(ranked):
        return (
            "place: the places that this configuration may truly have among the finished ones. In 95 % of searches all these "
            "ranges are right at once."
        )
    return (
        "place: the places that this trained network may truly have among the finished ones. For 95 % of the sets of "
        "validation images that could be drawn, all these ranges are right at once. They do not say where its configuration "
        "stands: another seed trains another network."
    )


def one_seed(is_confirmed: bool, moved: tuple[float, float] | None, objective: Objective, images: int) -> Words:
    """What is not known of values of one seed, and what is where fresh ones showed how far a seed moves a row."""
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
    """Where rows stand that were stopped early."""
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
    """Whether early stopping went by each seed, as in older runs: then some seeds of a configuration stopped, and others not."""
    stopped = ranked[ranked["status"] == "stopped"]
    return bool((stopped["stopped_seeds"] < stopped["seeds_planned"]).any())


def over_images(images: int, objective: Objective, ranked: pd.DataFrame | None = None) -> str:
    """What value and interval are of one trained network; `ranked` if its first row knows that it was picked."""
    if not images:
        return (
            f"{written.heading(objective)}: {written.name(objective)} at the best epoch; {written.better(objective)} is better. "
            f"{BEST_OWN_EPOCH} {behind(objective)}"
        )
    if ranked is not None and is_resampled(ranked):
        return drawn_again(images, objective)
    if not objective.is_accuracy:
        return untested(images, objective)
    return (
        f"val %: accuracy on the {count(images)} validation images at the best epoch. {BEST_EPOCH} 95 % interval: Wilson's. "
        "It is about this one trained network: it covers the luck of which images were drawn, and no other seed."
        + (picked_network(ranked) if ranked is not None else "")
        + " Δ pp: percentage points behind the best."
    )


def is_resampled(ranked: pd.DataFrame) -> bool:
    """Whether intervals are of images, or groups of them, that were drawn again."""
    return bool({comparison.RESAMPLED, comparison.LOST} & set(ranked["test"])) or bool(
        not valued.objective_of(ranked).is_accuracy and ranked["low"].notna().any() and "deviation" not in ranked
    )


def drawn_again(images: int, objective: Objective) -> str:
    """The same where they are."""
    return (
        f"{written.heading(objective)}: {written.name(objective)} on the {count(images)} validation images at the best epoch. "
        f"{BEST_EPOCH} 95 % interval: of one trained network, by drawing the images, or whole groups of them, again. It covers "
        f"neither another seed nor that the best was picked. {behind(objective)}"
    )


def untested(images: int, objective: Objective) -> str:
    """The same for another objective than accuracy."""
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
    """What the column of differences is."""
    what = "percentage points behind the best" if written.is_percent(objective) else "the value minus that of the best"
    return f"{written.differences(objective)}: {what}."


def picked_network(ranked: pd.DataFrame) -> str:
    """What the interval of the first row covers besides."""
    number = best_interval.networks(ranked)
    if best_value(ranked) is None or number < 2:
        return ""
    return (
        f" The interval of the first row reaches further down, because this network was picked as the best of {count(number)} "
        f"candidates: each epoch of each trial is one{spared(ranked)}. The intervals of the other rows do not allow for the "
        f"choice of their epoch.{adaptive(ranked)}"
    )


def spared(ranked: pd.DataFrame) -> str:
    """That epochs which were not trained count as well, where there are any."""
    return ", also those that early stopping spared" if (ranked["status"] == "stopped").any() else ""


def adaptive(ranked: pd.DataFrame) -> str:
    """Why the interval of the first row may promise too much; nothing where it does not."""
    if not best_interval.depends_on_values(ranked):
        return ""
    return " Some points were proposed because of earlier values. The interval does not allow for that, so it may be too short."


def over_seeds(seeds: int, ranked: pd.DataFrame, images: int, folds: int = 0) -> str:
    """What value and interval are of a configuration on several seeds or folds."""
    objective = valued.objective_of(ranked)
    if folds:
        return (
            f"{written.heading(objective)}: mean {written.name(objective)} over {folds} folds of the {count(images)} images, "
            f"each at its own best epoch{direction(objective)}; each image is a validation image once, for a network that was "
            f"not trained on it. {BEST_EPOCH} {FOLD_INTERVAL}{picked_configuration(ranked, folds)} {behind(objective)} epochs: "
            f"of all folds together.{few_seeds(seeds, folds)}"
        )
    chosen = BEST_EPOCH if images else BEST_OWN_EPOCH
    uncovered = ", but not that of which validation images were drawn" if images else ""
    return (
        f"{written.heading(objective)}: mean {written.name(objective)} over {seeds} seeds, each at its own best epoch"
        f"{direction(objective)}. {chosen} 95 % interval: Student's over seeds. "
        f"It covers the luck of the seed{uncovered}.{picked_configuration(ranked)}"
        f" {behind(objective)} epochs: of all seeds together.{few_seeds(seeds)}"
    )


def direction(objective: Objective) -> str:
    """Which values are better, where that is not the accuracy's way."""
    return "" if objective.is_accuracy else f"; {written.better(objective)} is better"


def picked_configuration(ranked: pd.DataFrame, folds: int = 0) -> str:
    """What the interval of the first row covers besides."""
    if best_value(ranked) is None or int((ranked["status"] == "finished").sum()) < 2:
        return ""
    if ranked["low"].isna().iloc[0]:
        return f" The first row has none: its {several(folds)} came out the same."
    return (
        f" The interval of the first row also allows for the choice: these {several(folds)} picked it as the best of "
        f"{count(int(best_interval.is_candidate(ranked).sum()))}. It uses the spread of the other rows as well, so it may still "
        f"be shorter than theirs.{adaptive(ranked)}"
    )


def several(folds: int) -> str:
    """What a mean is over."""
    return "folds" if folds else "seeds"


def few_seeds(seeds: int, folds: int = 0) -> str:
    """Why an interval over two or three seeds or folds is as wide as it is; nothing where there are more."""
    if not 2 <= seeds <= FEW_SEEDS:
        return ""
    factor, many = t_factor(seeds), t_factor(FEW_SEEDS + 2)
    return (
        f" With {seeds} {several(folds)} an interval is wide, because so few values hardly show their own spread. Student's "
        f"reaches {factor:.1f} standard errors to each side; with {FEW_SEEDS + 2} {several(folds)} it would be {many:.1f}."
    )


def luck(finished: pd.DataFrame, images: int, seeds: int, folds: int = 0) -> str:
    """How much better than it is the best of so many equal ones would look."""
    error = standard_error(finished, images)
    if len(finished) < 2 or not error > 0:
        return ""
    gain, objective = expected_best(len(finished)) * error, valued.objective_of(finished)
    side = "above" if objective.mode == "max" else "below"
    what = ("the folds" if folds else "the seeds") if seeds > 1 else "the images drawn"
    who = "configurations" if seeds > 1 else "networks"
    every = "both" if len(finished) == 2 else f"all {count(len(finished))}"
    return (
        f"Luck of the best: if {every} {who} were equally good, {what} alone would put the one on top about "
        f"{written.apart(objective, gain)} {side} its true value, on average."
    )


def standard_error(finished: pd.DataFrame, images: int) -> float:
    """How far chance moves one value and not the others, as a standard deviation; NaN where nothing tells.

    What moves all values alike changes no order. Over seeds that is what a seed does to all configurations. Over images it is
    what both networks get right or wrong: the rest are those that only one of a row and the best gets right, among the rows
    tied with it. Where images or groups are drawn again, it is how far the draws move the difference of such rows, or of any.
    """
    if finished.empty:
        return float("nan")
    if "error" in finished:
        return float(finished["error"].iloc[0])
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
    """Which tests compared the rows with the best."""
    used = ranked["test"].value_counts()
    kinds = [kind for kind in METHODS if kind in used]
    if len(kinds) == 1:
        return METHODS[kinds[0]]
    rest = [f"for {plural(int(used[kind]), 'row')} {METHODS[kind]}" for kind in kinds[1:]]
    return "; ".join([METHODS[kinds[0]], *rest])
