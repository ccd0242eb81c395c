"""The head of results.md: title, banner, the answer in one sentence, and the protocol that it rests on."""

import pandas as pd

from analysis.frame import valued
from analysis.frame.dataframe import Row, rows_of
from analysis.ranking.comparison import FOLDS, LOST, OVER
from analysis.ranking.standing import Standing
from analysis.ranking.test_scores import OWN_METRIC, evaluation, reads
from analysis.render import commands
from analysis.render.blocks import (
    Blocks,
    Bold,
    Code,
    Commands,
    Details,
    Foreign,
    Heading,
    Paragraph,
    Quote,
    Table,
    Words,
    join,
    paragraphs,
)
from analysis.render.markdown import percent, settings, without_folders
from analysis.results import majority, next_step
from analysis.results.sections.early_stopping import rule_title
from analysis.results.sections.leaderboard import identifier, worded
from analysis.results.sections.test_metrics import network
from search.run.confirmation import is_complete, winner
from search.run.ledger import Run
from trainables import written
from trainables.config import IMAGE_SIZE
from trainables.files.durable import Record
from trainables.objective import Objective
from trainables.written import count, plural

LONGEST_REASON = 600  # characters of why the data set is not the one that was hoped for
ELSEWHERE: Words = (
    "In a folder without ", Code("run_search.py"), " write ", Code("cifar-search"), " for ", Code("python run_search.py"), ". ",
    "For a run outside ", Code("runs/"), " add ", Code("--runs-dir DIR"), ".",
)  # fmt: skip
NAMED = 5  # tied trials that are named; of more the number is told
SHOWN = 8  # trials that are named for each code
SHARES = ("share", "audit")  # settings of a scheduler from 0 to 1


def title(run: Run) -> Blocks:
    """The heading with the space and the data set, and a note if the data set only stands in for CIFAR-10."""
    if not run.identity.has_images:
        return (Heading(Foreign(run.identity.space), 1),)
    what = Foreign(run.identity.space), " on ", Foreign(run.identity.dataset_title)
    if not run.identity.fallback:
        return (Heading(what, 1),)
    why = Foreign(without_folders(run.identity.fallback), LONGEST_REASON)
    return Heading((what, ", not CIFAR-10"), 1), Quote((Bold("Not CIFAR-10:"), " ", why))


def banner(run: Run) -> Blocks:
    """How many trials are missing, and the command that continues; empty if the run is complete."""
    if is_complete(run):
        return ()
    ended = sum(trial.ended for trial in run.trials)
    missing = Bold(f"Incomplete: {ended} of {plural(run.asked, 'trial')} ended")
    return Quote((missing, ", so what follows may change. To go on:")), Commands((commands.resume(run, run.name),))


def answer(run: Run, where: Standing) -> Blocks:
    """The winner and how certain it is, then the commands."""
    told, rebuild = Paragraph(sentence(run, where)), commands.rebuild(run)
    if where.best is None:
        return told, Commands((rebuild,))
    winner = where.winner
    trial = next(trial for trial in run.trials if trial.index == winner)
    again = f"{commands.reproduce(run, trial, run.name)}  # trains the best again and compares; any other row likewise"
    if not run.identity.has_images:
        return told, Commands((again, f"{rebuild}  # writes this file again"))
    steps = (
        again,
        f"{commands.export(run, trial)}  # its weights, to use elsewhere",
        f"{rebuild}  # writes this file again",
    )
    alone = Commands((commands.train_again(run, trial),))
    elsewhere = paragraphs(() if run.identity.own_code else ELSEWHERE)
    details = Details("The best configuration trained by itself, with every setting", (alone,))
    return told, Commands(steps), *elsewhere, details


def sentence(run: Run, where: Standing) -> Words:
    """The winner, how certain it is, and how it compares with the other rows, the baseline and the test split."""
    if where.best is None:
        return Bold(f"There is no best configuration: {next_step.came_to(run)}.")
    ranked = where.confirmed if where.is_confirmed else where.board
    finished = ranked[ranked["status"] == "finished"]
    first = rows_of(finished.iloc[:1])[0]
    repeat = run.identity.repeat
    told = (
        confirmed_lead(first, where.keys, repeat) if where.is_confirmed else lead(run, first, where.keys, len(finished))
    )
    baseline = of_the_baseline(run, where, first) or against_baseline(ranked)
    told_majority = majority.sentence(run, where)
    return join(" ", [told, told_majority, lost(where, repeat), ties(finished), baseline, on_test(run, where)])


def lead(run: Run, best: Row, keys: list[str], finished: int) -> Words:
    """The winner of the search: its settings, its value and the interval of the value."""
    images, seeds = run.identity.val_images, run.totals.seeds
    on = f"{count(images)} images, " if images else ""
    over = f"{on}1 seed" if seeds == 1 else f"mean of {seeds} {run.identity.repeat}s"
    noun = "finished trial" if seeds == 1 else "finished configuration"
    what = f"Best of {plural(finished, noun)}{'' if is_complete(run) else ' so far'}: "
    return reached(what, best, keys), f" ({around(best)}{over}, unconfirmed)."


def confirmed_lead(best: Row, keys: list[str], repeat: str) -> Words:
    """The winner on fresh seeds: its value there, and its value in the search."""
    over = f" ({around(best)}mean of {plural(best['seeds'], f'fresh {repeat}')}, confirmed).{promised(best)}"
    return reached("Best: ", best, keys), over


def around(best: Row) -> str:
    """The 95 % interval of the value of a row; empty if there is none."""
    objective = valued.own(best)
    if pd.isna(best["low"]):
        return ""
    return f"95 % interval {written.interval(objective, best['low'], best['high'])}{written.unit(objective)}; "


def reached(what: str, best: Row, keys: list[str]) -> Bold:
    """The id, the settings and the value of the winner."""
    objective = valued.own(best)
    value = f"{written.value(objective, valued.value(best))} {written.title(objective)}"
    return Bold((what, named(best, keys), f": {value}"))


def promised(best: Row) -> str:
    """The value of the winner in the search; empty if there is none, as for a configuration that was stopped early."""
    if pd.isna(best["search_value"]):
        return ""
    objective, said = valued.own(best), best["search_value"]
    far = written.difference(objective, said - valued.value(best)) + written.points(objective)
    return f" The search had said {written.value(objective, said)} ({far})."


def lost(where: Standing, repeat: str) -> str:
    """A note that no configuration that was to be confirmed finished on every fresh seed; else empty."""
    came_to_nothing = len(where.confirmed) and not where.is_confirmed
    return f"No configuration that was to be confirmed finished on every fresh {repeat}." if came_to_nothing else ""


def named(best: Row, keys: list[str]) -> Words:
    """The id and the settings of a row."""
    what = settings({key: best[key] for key in keys if best[key] is not None})
    return (identifier(best), " with ", what) if what else identifier(best)


def ties(finished: pd.DataFrame) -> Words:
    """Which rows cannot be told apart from the winner: configurations over seeds, trained networks over images."""
    tied = rows_of(finished[finished["tied"]].iloc[1:])
    if len(finished) == 1:
        return ""
    over_seeds = OVER & set(finished["test"])
    what = "folds" if FOLDS in over_seeds else "seed"
    if finished["p_value"].isna().all():
        values = valued.values(finished)
        equal = int((values == values.iloc[0]).sum())
        alone = (
            f"Of {count(equal)} with this value it was planned first" if equal > 1 else "It is first by its value only"
        )
        lack = "no test was made, because predictions are lost" if "apart" in finished else "one seed each is no test"
        return f"{alone}: {lack}."
    if not tied and over_seeds:
        return f"It is ahead of every other finished one by more than the noise of the {what}."
    untested = int((finished["test"] == LOST).sum())
    if not tied:
        others = "one that was compared" if untested else "finished one"
        return (
            f"This network is ahead of every other {others} by more than the noise of the validation images. What another seed "
            "would make of its configuration is not known."
        )
    names = join(", ", [identifier(row) for row in tied[:NAMED]])
    more = f" and {count(len(tied) - NAMED)} more" if len(tied) > NAMED else ""
    if over_seeds:
        return f"Tied with it, within the noise of the {what}: ", names, f"{more}."
    rest = (
        f" {plural(untested, 'further network')} {'was' if untested == 1 else 'were'} not compared." if untested else ""
    )
    return "Networks that the validation images cannot tell from it: ", names, f"{more}.{rest}"


def against_baseline(ranked: pd.DataFrame) -> str:
    """The gain of the winner over the baseline, or that the baseline has not finished."""
    baselines = ranked[ranked["source"] == "baseline"]
    if baselines.empty:
        return ""
    baseline = baselines.iloc[0]
    if baseline["status"] != "finished":
        return f"The baseline has not finished ({worded(baseline['status'])})."
    objective = valued.own(baseline)
    gain = objective.signed(valued.values(ranked).iloc[0] - valued.value(baseline))
    return f"Gain over the baseline: {written.apart(objective, gain)}{', within noise' if baseline['tied'] else ''}."


def of_the_baseline(run: Run, where: Standing, first: Row) -> str:
    """What became of the other configurations if the baseline is the winner; else empty.

    The text says that no other configuration was shown to be better. This does not say that none is better.
    """
    if first["source"] != "baseline":
        return ""
    if len(where.board) == 1:
        return "It is the baseline; nothing else was tried."
    shown = f"no other configuration was shown to be better{f' on fresh {run.identity.repeat}s' if where.is_confirmed else ''}"
    others = where.board["status"][where.board["source"] != "baseline"]
    short = int((others != "finished").sum())
    did = "did not finish" if is_complete(run) else f"{'has' if short == 1 else 'have'} not finished"
    untried = f", and {count(short)} of the {count(len(others))} others {did}" if short else ""
    return f"It is the baseline; {shown}{untried}."


def on_test(run: Run, where: Standing) -> Words:
    """The test accuracy of the one network that was tested; the value beside it may be a mean over networks."""
    best = where.best
    metrics = None if best is None else evaluation(run, int(best["index"]), int(best["best_epoch"]))
    if metrics is None:
        return ""
    is_alone = run.totals.seeds == 1 and not where.is_confirmed
    whose = "this network" if is_alone else network(run, where)
    return f"On the test split: {value_on_test(metrics, run.identity.objective)}, by ", whose, "."


def value_on_test(metrics: Record, objective: Objective) -> str:
    """The accuracy on the test split; where another value decides, that value as well if it was measured there."""
    accuracy = f"{percent(metrics['accuracy'])} %"
    if objective.is_accuracy:
        return accuracy
    value = metrics.get(OWN_METRIC if objective.source else objective.column.removeprefix("val_"))
    own = f"{written.value(objective, value)} {written.name(objective)} and " if isinstance(value, float) else ""
    return f"{own}{accuracy} accuracy"


def protocol(run: Run) -> Blocks:
    """How the values were measured, in one sentence."""
    if not run.identity.has_images:
        return own_protocol(run)
    identity, sizes = run.identity, run.identity.sizes
    if identity.folds:
        return fold_protocol(run)
    fraction = "" if identity.fraction == 1 else f" ({100 * identity.fraction:g} % of those there are)"
    protocol = (
        f"Protocol: each configuration is trained on {count(sizes['train'])} images{sized(run)}{fraction} for at most "
        f"{plural(run.totals.epochs, 'epoch')} with {plural(run.totals.seeds, 'seed')}, "
        f"{stopping(run)}; its value is {value(run)}{averaging(run)} on {count(sizes['val'])} validation images"
        f"{held_out(run)}{reshaped(run)}, the same for all, at its best epoch (the earliest on ties); {confirming(run)}"
        f"{tested(run)}; data fingerprint "
    )
    return (*paragraphs((protocol, Code(identity.fingerprint[:12]), f"{left_out(run)}.")), *codes(run), *not_exact(run))


def fold_protocol(run: Run) -> Blocks:
    """The protocol of a run with folds."""
    identity, folds = run.identity, run.identity.folds
    fraction = "" if identity.fraction == 1 else f" ({100 * identity.fraction:g} % of those there are)"
    whole = "whole groups of " if identity.census.get("groups") else ""
    protocol = (
        f"Protocol: the {count(identity.val_images)} training and validation images{reshaped(run)} are cut into {folds} folds "
        f"of {whole}images, the same for all; each configuration is trained {folds} times for at most "
        f"{plural(run.totals.epochs, 'epoch')}, each time on a seed of its own and on the images{fraction} of all folds but one, "
        f"on which it is validated; {stopping(run)}; its value is {value(run)}{averaging(run)} at its best epoch "
        f"(the earliest on ties); {confirming(run)}{tested(run)}; data fingerprint "
    )
    return (*paragraphs((protocol, Code(identity.fingerprint[:12]), f"{left_out(run)}.")), *codes(run), *not_exact(run))


def own_protocol(run: Run) -> Blocks:
    """The protocol of a run with the user's own training, and whether its rows came out the same when trained again."""
    identity, objective = run.identity, run.identity.objective
    what = "program" if "command" in (identity.training or {}) else "own loop"
    told = (
        f"Protocol: each configuration is trained by the user's {what} for at most "
        f"{plural(run.totals.epochs, 'epoch')} with {plural(run.totals.seeds, 'seed')}, {stopping(run)}; "
        f"its value is {value(run)}, of which {written.better(objective)} is better, at its best epoch (the earliest on ties); "
        f"{confirming(run)}hash of the code "
    )
    return (*paragraphs((told, Code(identity.own_code), ".")), *codes(run), *not_exact(run))


def codes(run: Run) -> Blocks:
    """Which trials ran with which version of the user's code; empty if the code was not changed."""
    trials: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for trial in run.trials:
        if trial.epochs:
            trials.setdefault(tuple(run.codes(trial)), []).append(trial.label)
    if len({name for key in trials for _, name in key}) < 2:
        return ()
    words = " after trials had been trained (--allow-changes). Values of different code may not be comparable."
    told = Quote((Bold("The code was changed"), words))
    rows = [
        (", then ".join(name if first == 1 else f"{name} from epoch {first} on" for first, name in key), listed(ids))
        for key, ids in trials.items()
    ]
    return told, Table(("code", "trials that it trained"), tuple(rows), "ll")


def listed(ids: list[str]) -> str:
    """The number of ids, the first SHOWN of them, and how many more there are."""
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"{len(ids)}: {', '.join(ids[:SHOWN])}{more}"


def not_exact(run: Run) -> Blocks:
    """A note that epochs came out differently when they were trained again; empty if none did."""
    trials = [trial for trial in run.trials if trial.repeated]
    if not trials:
        return ()
    first, number = trials[0].repeated[0], sum(len(trial.repeated) for trial in trials)
    keys = [key for key, known in first["committed"].items() if known != first["again"].get(key)]
    return (
        Quote(
            (
                Bold("exact: false."),
                f" {plural(number, 'epoch')} came out differently when trained again, first "
                f"epoch {first['epoch']} of trial {trials[0].label}, in ",
                Foreign(", ".join(keys)),
                ". The rows that were committed first stand; another run of this search may end otherwise.",
            )
        ),
    )


def tested(run: Run) -> str:
    """How often the test images were read, or that there are none."""
    images = run.identity.sizes["test"]
    if not images:
        return "there are no test images, so there is no test score"
    return f"the {count(images)} test images have no part in the ranking and were {times_read(run)}"


def value(run: Run) -> str:
    """The name of the value that configurations are ranked by."""
    name = written.name(run.identity.objective)
    return f"the {name}" if run.totals.seeds == 1 else f"the mean over its {run.identity.repeat}s of the {name}"


def averaging(run: Run) -> str:
    """A note that averaged weights (ema) were validated; empty unless all trials average them."""
    horizon = run.identity.constants.get("ema", 0)
    return (
        f", with weights averaged over about {horizon:g} {'epoch' if horizon == 1 else 'epochs'} (ema),"
        if horizon
        else ""
    )


def held_out(run: Run) -> str:
    """Where the validation images of a folder come from; nothing of a data set that has a name of its own."""
    census = run.identity.census
    if "validation" not in census:
        return ""
    if census["validation"]:
        return f" (of {census['validation']}/)"
    return f" ({'whole groups' if census.get('groups') else 'a tenth'} of the training images)"


def sized(run: Run) -> str:
    """The size of the images, if it is not the default or was searched."""
    identity = run.identity
    if identity.sized:
        *others, last = identity.sized
        return f" of {', '.join(others)} or {last} pixels a side"
    side = identity.image_size
    return "" if side == IMAGE_SIZE else f" of {side} x {side} pixels"


def reshaped(run: Run) -> str:
    """How pictures that are not square were made square; empty if there were none."""
    number = run.identity.census.get("oblong", 0)
    if not number:
        return ""
    is_one = number == 1
    centre = f"cropped to {'its' if is_one else 'their'} centre"
    done = {"crop": centre, "squash": "squashed", "pad": "padded"}[run.identity.census["resize"]]
    return f" ({plural(number, 'picture')} of all splits {'is' if is_one else 'are'} not square: {done})"


def left_out(run: Run) -> str:
    """How many damaged images --skip-bad left out."""
    number = run.identity.census.get("skipped", 0)
    return f", without {plural(number, 'image')} that cannot be read" if number else ""


def confirming(run: Run) -> str:
    """How fresh seeds choose the winner; empty if the search alone chooses."""
    top, seeds = run.totals.confirm, run.totals.confirm_seeds
    if not top or not seeds:
        return ""
    return (
        f"the best {count(top)} and the baseline are trained again in full on {plural(seeds, f'fresh {run.identity.repeat}')} "
        f"each, {'cut from the same images in another way, ' if run.identity.folds else ''}and the best of these is the answer; "
    )


def stopping(run: Run) -> str:
    """The early-stopping rule in words; a rule that was changed to none may have stopped trials before."""
    scheduler = run.identity.scheduler
    if scheduler["name"] == "none":
        was_other = any(trial.status == "stopped" for trial in run.search_trials)
        return "not stopped early since the rule was changed" if was_other else "never stopped early"
    settings = {key: value for key, value in scheduler.items() if key not in ("name", "version")}
    known = [
        f"{key.replace('_', ' ')} {f'{100 * value:g} %' if key in SHARES else value}" for key, value in settings.items()
    ]
    return f"the weaker ones stopped early ({', '.join([rule_title(scheduler), *known])})"


def times_read(run: Run) -> str:
    number = reads(run)
    if any("ensemble" in record for record in run.tests):
        return f"read {plural(number, 'time')}, for winners and for ensembles of the best"
    known = {0: "not read", 1: f"read 1 time, for {'the' if is_of_winner(run) else 'an earlier'} winner"}
    return known.get(number, f"read {number} times: the winner changed, and each was tested")


def is_of_winner(run: Run) -> bool:
    """Whether the test split was read for the present winner; a search that grew since may have another one."""
    best = winner(run)
    row = best and best.best
    return bool(
        best
        and row
        and any((read["trial"], read.get("epoch", row["epoch"])) == (best.index, row["epoch"]) for read in run.tests)
    )
