"""Estimates what a search will cost: trials, epochs, disk, and time measured on a few batches. No trial is trained.

The estimate is kept beside the run folder and not in it, so that the search can say in the end how good the estimate was.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from search.algorithms.table import adaptive
from search.records import GROWING, Totals
from search.run import identity, ledger, plan
from search.run.opening import ask, check_identity
from search.run.opening import kept as kept_best
from search.run.rule_choice import percent
from search.settings import Settings
from search.stopping.ideal import ideal_course, ideal_epochs
from search.stopping.ladder import least_share
from search.stopping.rules import continued, cuts, label, of, places
from search.terminal.display import clock
from search.terminal.progress import Progress
from trainables.data import loading
from trainables.data.loading import Dataset
from trainables.errors import ExpectedError, RayError, TrialsError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.parts import calling, named
from trainables.parts.family import MODEL
from trainables.trial import timing
from trainables.written import count, plural

PROBES = 8  # kinds of training that are measured at any rate, from the cheapest to the dearest
ALL_PROBES = 30.0  # seconds for more kinds; kinds left then are scaled from the nearest by their arithmetic
BATCHES = 4  # of each kind; the first batch warms up
STARTING = 20  # seconds at most until Ray and the first worker have started
START = f"5 to {STARTING} s"
PATIENCE = 15.0  # seconds after which a slow probe has seen enough
KIND = (
    "model",
    "depth",
    "width",
    "augment",
    "batch_size",
    "optimizer",
    "image_size",
)  # what decides the time of an epoch


@dataclass(frozen=True)
class Estimate:
    """The part of a search that is left to do, and what it takes."""

    totals: Totals
    rule: Record  # of early stopping
    trained: int  # epochs that are there already
    left: int  # epochs that are left to train on the ideal course
    full: int  # epochs without early stopping
    ideal: int  # epochs on the ideal course
    confirming: int  # epochs of the confirmation
    disk: float | None  # bytes; none of own training, which saves what it likes
    pictures: list[tuple[int, int, float]]  # size in pixels, number of images of this size, their bytes
    kinds: int  # kinds of training that were measured
    unmeasured: str | None  # why other kinds could not be measured, in words
    epoch_seconds: float | None  # mean over the configurations; none of own training not seen to train one
    slots: int
    has_folds: bool = False
    of_first: bool = False  # epoch_seconds is of the first epoch of the baseline alone

    @property
    def seconds(self) -> float | None:
        """The seconds that are left, as a part of those of the whole search; None if the seconds of an epoch are not known."""
        if self.epoch_seconds is None:
            return None
        return self.epoch_seconds * self.in_a_row(self.rule) * self.left / (self.ideal + self.confirming)

    def in_a_row(self, rule: Record) -> int:
        """The epochs that a slot trains one after another in a search with this rule, if all slots wait at each rung."""
        totals = self.totals
        legs = ideal_course(rule, totals.trials, totals.epochs, totals.seeds)
        confirmation = self.confirming // totals.epochs, totals.epochs
        return sum(math.ceil(trials / self.slots) * epochs for trials, epochs in [*legs, confirmation])


def estimate(
    folder: Path, settings: Settings, data: Dataset | None, on_gpu: bool, slots: int, first_epoch: float | None = None
) -> Estimate:
    """Estimate a search: measure the seconds of an epoch, and count epochs and bytes.

    Args:
        first_epoch: seconds of the first epoch of own training, if it has just been tried.

    Raises:
        RunError, SpaceError, UsageError: the search itself would refuse what is asked.
    """
    asked = identity.describe(settings, data, on_gpu)
    before = None
    if ledger.has_begun(folder):
        check_identity(folder, asked, settings)
        before = ledger.read(folder)
    totals = ask(folder, settings, before.totals if before else None)
    configs = configurations(settings, totals)
    rule = continued(asked.scheduler, before.identity.scheduler) if before else asked.scheduler
    epochs = totals.epochs
    course = totals.trials, epochs, totals.seeds
    confirming = min(totals.confirm + 1, len(configs)) * totals.confirm_seeds
    finishing = ideal_course(rule, *course)[-1][0]
    kept = min(finishing, kept_best(totals) + totals.seeds)
    so_far = seconds_so_far(before)
    seconds, kinds, unmeasured = (
        (first_epoch if so_far is None else so_far, 0, None)
        if data is None
        else mean_seconds(configs, data, settings, on_gpu, asked.precision)
    )
    return Estimate(
        totals=totals,
        rule=rule,
        trained=sum(len(trial.epochs) for trial in before.trials) if before else 0,
        left=left_to_search(before, totals, rule) + left_to_confirm(before, totals, confirming),
        full=totals.trials * totals.seeds * epochs,
        ideal=ideal_epochs(rule, *course),
        confirming=confirming * epochs,
        disk=None if data is None else disk(configs, len(data.classes), finishing, kept, confirming, slots),
        pictures=[] if data is None else pictures(settings, data),
        kinds=kinds,
        unmeasured=unmeasured,
        epoch_seconds=seconds,
        slots=slots,
        has_folds=asked.folds > 0,
        of_first=data is None and so_far is None,
    )


def pictures(settings: Settings, data: Dataset) -> list[tuple[int, int, float]]:
    """The sizes of the images in pixels, each with the number of images and their bytes on the disk."""
    counts = data.census.get("counts", {"train": [data.sizes["train"]]})  # of all training images, not of a fraction
    count = sum(data.sizes.values()) - data.sizes["train"] + sum(counts["train"])
    return [(size, count, 3.0 * size * size * count) for size in settings.caches or (data.size,)]


def left_to_search(before: ledger.Run | None, totals: Totals, rule: Record) -> int:
    """How many epochs the trials of the search have still to train on the ideal course.

    Where whole rungs are cut, another trial takes the place of one that broke off. By other rules each trial is on its own, and
    those that have not ended train as many epochs as trials do on average.
    """
    asked = totals.trials * totals.seeds
    ideal = ideal_epochs(rule, totals.trials, totals.epochs, totals.seeds)
    trials = before.search_trials if before else []
    is_grown = not before or before.totals.epochs < totals.epochs or len(trials) < asked
    if not is_grown and all(trial.ended for trial in trials):
        return 0
    if cuts(rule):
        return max(0, ideal - sum(len(trial.epochs) for trial in trials))
    open_ones = [trial for trial in trials if not trial.ended or goes_further(trial, totals.epochs)]
    rest = sum(max(1.0, ideal / asked - len(trial.epochs)) for trial in open_ones)
    return round((asked - len(trials)) * ideal / asked + rest)


def goes_further(trial: ledger.Trial, epochs: int) -> bool:
    """Whether a trial that has finished will be lengthened."""
    return trial.status == "finished" and len(trial.epochs) < epochs


def left_to_confirm(before: ledger.Run | None, totals: Totals, trials: int) -> int:
    """How many epochs the confirmation, of so many trials at most, has still to train; a trial that ended trains no more."""
    fresh = before.fresh_trials if before else []
    done = sum(totals.epochs if trial.ended else len(trial.epochs) for trial in fresh)
    return max(0, trials * totals.epochs - done)


def seconds_so_far(before: ledger.Run | None) -> float | None:
    """The mean seconds of the epochs that a run of own training has; None without any epoch.

    The first epoch of a trial counts only if there is no other: preparation may be in it.
    """
    trials = before.trials if before else []
    found = [line for trial in trials for line in timing.lines(trial.folder) if "seconds" in line]
    later = [line for line in found if line["epoch"] > 1]
    return fmean(line["seconds"] for line in later or found) if found else None


def configurations(settings: Settings, totals: Totals) -> list[Record]:
    """The configurations of the plan; random ones stand for points that an adaptive algorithm will draw from results."""
    algorithm = "random" if adaptive(settings.algorithm) else settings.algorithm
    lines = plan.draw(settings.space, algorithm, totals.trials, settings.seed, settings.warm_points)
    return [{**line["config"], "epochs": totals.epochs} for line in lines]


def disk(configs: Sequence[Record], classes: int, finishing: int, kept: int, confirming: int, slots: int) -> float:
    """Bytes at most: two states of each running trial, one of each finished one, and the weights that are kept."""
    weights = [weight_bytes(config, classes) for config in configs]
    states = [size * copies(config) for size, config in zip(weights, configs, strict=True)]
    weight, state = sum(weights) / len(weights), sum(states) / len(states)
    return 2 * slots * state + (finishing + confirming) * state + (kept + confirming) * weight


def weight_bytes(config: Record, classes: int) -> int:
    from trainables.models.cost import parameters

    return 4 * parameters(config, classes)


def copies(config: Record) -> int:
    """Numbers that a state has for each parameter: of the network, of its best weights, of the optimizer, of the average."""
    moments = (
        int(config["momentum"] > 0) if config["optimizer"] == "sgd" else 2
    )  # an own optimizer counts as one with two
    return 2 + moments + int(config["ema"] > 0)


def mean_seconds(
    configs: Sequence[Record], data: Dataset, settings: Settings, on_gpu: bool, precision: str
) -> tuple[float, int, str | None]:
    """The mean seconds of an epoch over the configurations, how many kinds of training were measured, and which kinds failed.

    Raises:
        TrialsError: every kind that was tried failed.
        RayError: the GPU does not work.
    """
    from trainables.models.cost import flops
    from trainables.training.device_errors import is_broken_device

    kinds = {kind(config): config for config in configs}
    by_cost = sorted(kinds.values(), key=lambda config: flops(config, len(data.classes)))
    measured: list[tuple[int, float]] = []
    exact: dict[tuple[Any, ...], float] = {}
    failures: list[str] = []
    started = time.monotonic()
    for config in in_order(by_cost):
        if len(measured) + len(failures) >= PROBES and time.monotonic() - started > ALL_PROBES:
            break
        try:
            own = loading.load(settings.cache_of(config), fraction=settings.fraction) if settings.caches else data
            seconds = exact[kind(config)] = probe(config, own, settings.threads, on_gpu, precision)
        except ExpectedError:
            raise
        except Exception as error:  # whatever a network raises that does not fit: in the search its trials fail
            if is_broken_device(error):
                raise RayError(
                    f"the GPU does not work: {error}. Look at nvidia-smi, or use --gpus-per-trial 0."
                ) from error
            failures.append((str(error).splitlines() or [type(error).__name__])[0])
        else:
            measured.append((flops(config, len(data.classes)), seconds))
    if not measured:
        raise TrialsError(f"no trial can be trained: the first one says: {failures[0]}. Change the space.")
    total = sum(exact.get(kind(config)) or scaled(flops(config, len(data.classes)), measured) for config in configs)
    told = f"{plural(len(failures), 'kind')} of trial cannot be trained: {failures[0]}" if failures else None
    return total / len(configs), len(measured), told


def kind(config: Record) -> tuple[Any, ...]:
    """The values that decide the time of an epoch; for a network that is not ours, all knobs that the network reads."""
    own = {} if named.is_built_in(config["model"]) else calling.knobs(MODEL, config)
    return (*(config.get(key) for key in KIND), *own.items())


def in_order(by_cost: Sequence[Record]) -> list[Record]:
    """The configurations: first at most PROBES, evenly spread from the cheapest to the dearest, then the others."""
    first = [round(place) for place in spread(len(by_cost), PROBES)]
    return [by_cost[place] for place in [*first, *sorted(set(range(len(by_cost))) - set(first))]]


def spread(count: int, most: int) -> list[float]:
    """At most `most` places from 0 to count - 1, evenly spaced."""
    if count <= most:
        return list(range(count))
    return [step * (count - 1) / (most - 1) for step in range(most)]


def scaled(work: int, measured: Sequence[tuple[int, float]]) -> float:
    """Seconds for this much arithmetic at the speed of the nearest kind that was measured; 0 stands for an unknown amount."""
    near, seconds = min(measured, key=lambda pair: abs(pair[0] - work))
    return seconds * work / near if work and near else seconds


class Enough(Exception):
    """A probe has seen its batches."""


def probe(config: Record, data: Dataset, threads: int, on_gpu: bool, precision: str) -> float:
    """Seconds of one epoch and its validation, from a few batches trained in this process."""
    import torch

    from trainables.hardware import memory
    from trainables.training.definition import Training
    from trainables.training.loop import train

    torch.set_num_threads(threads)
    memory.keep_freed()  # as the workers have it
    ends, in_all = [time.monotonic()], 1

    def on_batch(done: int, batches: int) -> None:
        nonlocal in_all
        if on_gpu:
            torch.cuda.synchronize()
        ends.append(time.monotonic())
        in_all = batches
        if done in (BATCHES, batches) or ends[-1] - ends[0] > PATIENCE:
            raise Enough

    device = "cuda" if on_gpu else "cpu"
    with suppress(Enough):
        next(train(Training(config, data, seed=0, device=device, precision=precision), on_batch=on_batch))
    warm = ends[1:] if len(ends) > 2 else ends
    batch = (warm[-1] - warm[0]) / (len(warm) - 1)
    images = len(data.train.labels)
    return batch * in_all * (1 + len(data.val.labels) / (3 * images))  # a forward pass is about a third of a step


def sentences(found: Estimate, budget: float | None = None) -> list[str]:
    """The estimate in words, a line each.

    Args:
        budget: seconds of --time-budget.
    """
    totals = found.totals
    lines = [
        f"trials: {trials_words(found)}, of {plural(totals.epochs, 'epoch')} each",
        f"epochs: {found.full} without early stopping{saved(found)}",
        *of_pictures(found),
        *([] if found.disk is None else [f"disk: at most about {size(found.disk)} for states and weights"]),
        time_words(found),
    ]
    lines += of_cuts(found, budget)
    if found.unmeasured:
        lines.append(found.unmeasured)
    if found.confirming:
        lines.insert(2, f"confirmation: {plural(found.confirming, 'epoch')} more")
    if found.trained:
        lines.insert(2, f"trained already: {plural(found.trained, 'epoch')}")
    return lines


def trials_words(found: Estimate) -> str:
    """How many trials: 3, or 3 configurations x 2 seeds = 6."""
    configurations, seeds = found.totals.trials, found.totals.seeds
    if seeds == 1:
        return str(configurations)
    each = "folds" if found.has_folds else "seeds"
    return f"{plural(configurations, 'configuration')} x {seeds} {each} = {configurations * seeds}"


def of_pictures(found: Estimate) -> list[str]:
    """The line about the disk and memory that the decoded images take; none without images."""
    sizes = [f"{count:,} of {side} x {side} pixels, {size(taken)}" for side, count, taken in found.pictures]
    return [f"images: {'; '.join(sizes)} on the disk and in the memory that all trials share"] if sizes else []


def short(seconds: float) -> str:
    """Seconds with two digits, or as a whole number from 10 on."""
    return f"{seconds:.2g}" if seconds < 10 else count(round(seconds))


def time_words(found: Estimate) -> str:
    """The line that says how long the search will take, and how that is known."""
    if not found.left:
        return "time: none, all trials have ended"
    if found.seconds is None or found.epoch_seconds is None:
        return f"time: unknown until your code has trained an epoch to its end; {found.slots} at a time"
    about = (
        f"time: about {clock(found.seconds)}, and {START} to start, for {plural(found.left, 'epoch')} of "
        f"{short(found.epoch_seconds)} s, {found.slots} at a time"
    )
    about += "; to start again behind each rung is not counted" if cuts(found.rule) else ""
    if found.of_first:
        return f"{about}; that is the first epoch of the baseline, measured alone and with its preparation"
    if not found.kinds:
        return f"{about}; that is the mean of the epochs that are trained"
    return (
        f"{about}; an epoch was measured alone, on {BATCHES} batches of each of {plural(found.kinds, 'kind')} of trial"
    )


def of_cuts(found: Estimate, budget: float | None) -> list[str]:
    """The lines about a rule that cuts whole rungs: how many go on from where, and which share of all epochs the rule takes."""
    totals = found.totals
    if not cuts(found.rule) or not (rungs := places(found.rule, totals.trials, totals.epochs)):
        return []
    epochs, kept = (", ".join(map(str, column)) for column in zip(*rungs, strict=True))
    lines = [
        f"{label(found.rule)}: of {plural(totals.trials, 'configuration')} the best {kept} go on from "
        f"{'epoch' if len(rungs) == 1 else 'epochs'} {epochs}; none has finished before the last of these is reached"
    ]
    return lines + ([of_share(found, budget)] if found.rule["name"] == "ladder" else [])


def of_share(found: Estimate, budget: float | None) -> str:
    """The line about the share of all epochs that a ladder trains, the least possible share, and the share that fits a time."""
    least = least_share(found.totals.trials, found.totals.epochs, found.rule.get("audit", 0.0))
    share: float = found.rule["share"]
    at_most = f"at most {100 * share:g}% of all epochs, at least {percent(least)}"
    taken = at_most if share > least else f"{percent(least)} of all epochs, the least for so few points or epochs"
    return f"share: {taken}{fitting(found, least, budget)}"


def fitting(found: Estimate, least: float, budget: float | None) -> str:
    """The words about the share of all epochs that fits into the time budget; without a budget, a hint at --time-budget.

    A run that has begun keeps its share, so nothing is said of it.
    """
    if found.trained or found.epoch_seconds is None:
        return ""
    if budget is None:
        return "; with --time-budget this line says which share fits a time"
    shares = range(math.ceil(100 * least - 1e-6), 101)
    costs = ((share, found.in_a_row(found.rule | {"share": share / 100})) for share in shares)
    fit = [share for share, epochs in costs if STARTING + epochs * found.epoch_seconds <= budget]
    if not fit:
        return f"; not even that fits into {clock(budget)}: ask for fewer points or epochs"
    return f"; --share {fit[-1]}% fits into {clock(budget)}"


def saved(found: Estimate) -> str:
    """The words about the epochs that remain with early stopping, as far as that number is known."""
    if found.rule["name"] == "none":
        return ""
    if cuts(found.rule):
        return f"; {found.ideal} ({100 * found.ideal / found.full:.0f} %) with {label(found.rule)}"
    if not of(found.rule).keeps_a_share:
        return f"; how many {label(found.rule)} saves is not known beforehand"
    factor = found.rule["reduction_factor"]
    return f"; {found.ideal} if {label(found.rule)} lets exactly 1 in {factor} go on wherever it decides"


def size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def note_of(folder: Path) -> Path:
    """Where the estimate of a run is kept: beside its folder."""
    return folder.with_name(f".{folder.name}.estimate.json")


def keep(folder: Path, found: Estimate) -> None:
    """Write the estimate down for the search that follows.

    Raises:
        StorageError: the disk refused.
    """
    if found.seconds is None:
        return
    durable.make_folder(folder.parent)
    facts = {"epochs": found.left, "seconds": found.seconds, "of": what(found.totals, found.rule, found.trained)}
    durable.write_json(note_of(folder), facts)


def what(totals: Totals, rule: Record, trained: int) -> Record:
    """What an estimate is about: the totals, the early-stopping rule, and the number of epochs that are trained already."""
    return {"totals": {key: getattr(totals, key) for key in GROWING}, "scheduler": rule, "trained": trained}


def verdict(folder: Path, progress: Progress, trained_before: int) -> str | None:
    """The line that compares the estimate of --dry-run with this search; None if the estimate was about something else.

    None, too, if no estimate was kept or no epoch was trained.
    """
    if not progress.trained or not note_of(folder).exists():
        return None
    kept = durable.read_json(note_of(folder))
    if kept.get("of") != what(progress.run.totals, progress.run.identity.scheduler, trained_before):
        return None
    return (
        f"estimate: --dry-run said {clock(kept['seconds'])}, and {START} to start, for {plural(kept['epochs'], 'epoch')}; "
        f"it took {clock(time.monotonic() - progress.started)} for {progress.trained}"
    )
