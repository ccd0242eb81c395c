"""One row of a run trained again, without Ray, from what the run recorded, and held against what it recorded."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis import lookup
from analysis.frame import images, own_code, predictions
from analysis.ranking import pairing, statistics, test_scores
from analysis.render.commands import dataset
from analysis.render.markdown import one_line
from analysis.results import next_step
from search.run import identity
from search.run.ledger import Run, Trial, read_epochs
from search.status import LOST
from trainables import written
from trainables.config import image_size
from trainables.errors import LostError, RunError
from trainables.files.durable import Record
from trainables.objective import Objective
from trainables.training.class_metrics import MEASURES
from trainables.written import plural

IDENTICAL, WITHIN_NOISE, DIFFERENT = "identical", "within noise", "different"


@dataclass(frozen=True)
class Verdict:
    """How a repetition compares with what was recorded."""

    word: str  # one of the three above
    epoch: int | None  # the first that differs
    keys: list[str]  # what differs in it


def reproduce(name: str, runs_dir: Path, dataset: str, data_dir: Path, out: Path | None, quiet: bool) -> int:
    """Train RUN/ID again in `out`, or in a temporary folder, and print how it compares.

    Returns:
        0 if it is identical or within noise, 1 if it is different.

    Raises:
        RunError: there is no such trial, it has no epoch yet, or `out` holds something else.
        DataError: the images of the run cannot be found.
    """
    run, trial = lookup.find_or_winner(name, runs_dir)
    if not trial.epochs and trial.outcome is None:
        raise RunError(f"nothing to compare with: {trial.folder}: {next_step.without_epoch(run, trial)}")
    has_images, size = run.identity.has_images, image_size(trial.config)
    cache = images.cache_of(run, dataset, data_dir, size, quiet=quiet) if has_images else None
    from trainables.trial.single import temporary_folder  # torch loads here

    with contextlib.nullcontext(out) if out else temporary_folder() as folder:
        try:
            train_again(run, trial, cache, folder, quiet)
        except (KeyboardInterrupt, SystemExit):
            again = "the same command continues it" if out else "use --out DIR to keep a trial that can be continued"
            print(f"interrupted; {again}", file=sys.stderr)
            raise
        rows, outcome = read_epochs(folder / "epochs.jsonl", trial.objective)
        verdict = compare(trial, rows, outcome, folder, *validated_on(run, trial))
    print("\n".join(report(run, trial, rows, verdict)))
    return int(verdict.word == DIFFERENT)


def train_again(run: Run, trial: Trial, cache: Path | None, folder: Path, quiet: bool) -> None:
    """The epochs that the run has of the trial, with its precision, threads and share of the images."""
    import torch

    from trainables.data import loading
    from trainables.data.held_out.folds import Fold
    from trainables.training.definition import Training
    from trainables.trial import single

    own_code.only_one(run, trial)
    place = own_code.use(run, trial)
    if cache is None:
        assert place is not None, "own training has code"
        train_own_again(run, trial, folder, place)
        return
    facts, epochs = run.identity, len(trial.epochs)
    whole = trial.status in LOST  # how it ended is to be seen again
    torch.set_num_threads(facts.threads)
    device = test_scores.device_of(trial)
    training = Training(
        trial.config,
        loading.load(cache, fraction=facts.fraction, fold=Fold(trial.fold, facts.folds) if facts.folds else None),
        seed=trial.seed,
        device=device,
        precision=facts.precision,
        objective=trial.objective,
    )
    own = single.facts_of(training, dataset=dataset(run), fraction=facts.fraction, threads=facts.threads)
    single.claim(folder, own, trial.config)
    single.follow(folder, training, quiet, until=None if whole else epochs)


def train_own_again(run: Run, trial: Trial, folder: Path, place: Path) -> None:
    """Likewise for a user's loop or program, from the run's copy of the code."""
    import torch

    from trainables.own import training
    from trainables.trial import checkpointing, single

    facts = run.identity
    assert facts.training is not None, "images would be asked for"
    torch.set_num_threads(facts.threads)
    config = {key: value for key, value in trial.config.items() if key != "epochs"}
    single.claim(folder, {"config": config, "seed": trial.seed, "own_code": place.name}, trial.config)
    whole = trial.status in LOST  # how it ended is to be seen again
    until = trial.config["epochs"] if whole else len(trial.epochs)
    own = trial.config, trial.objective, trial.seed, test_scores.device_of(trial)
    rows = training.rows(facts.training, *own, code=place, folder=folder, until=until)
    try:
        for _ in checkpointing.run(folder, rows, until=until):
            pass
    except LostError as error:
        raise RunError(f"not trained to its end: {folder}: {error}. Run the same command again.") from error


def compare(
    trial: Trial, rows: list[Record], outcome: Record | None, folder: Path, images: int, groups: Sequence[int] = ()
) -> Verdict:
    """Row by row, then by how it ended; a difference is noise if the validation images cannot tell the two apart."""
    for epoch in range(1, max(len(rows), len(trial.epochs)) + 1):
        before, again = at(trial.epochs, epoch), at(rows, epoch)
        keys = [key for key in {**before, **again} if before.get(key) != again.get(key)]
        if keys:
            return Verdict(WITHIN_NOISE if is_noise(trial, rows, folder, images, groups) else DIFFERENT, epoch, keys)
    if trial.status in LOST and outcome != trial.outcome:
        return Verdict(DIFFERENT, None, ["outcome"])
    return Verdict(IDENTICAL, None, [])


def validated_on(run: Run, trial: Trial) -> tuple[int, Sequence[int]]:
    """How many images a trial was validated on, and their groups."""
    identity = run.identity
    if not identity.folds:
        return identity.val_images, identity.groups
    with contextlib.suppress(ValueError):
        return len(predictions.read(trial.folder).correct), ()
    return identity.val_images // identity.folds, ()


def at(rows: list[Record], epoch: int) -> Record:
    return rows[epoch - 1] if epoch <= len(rows) else {}


def is_noise(trial: Trial, rows: list[Record], folder: Path, images: int, groups: Sequence[int] = ()) -> bool:
    """Whether as many epochs gave best networks whose values do not differ at the 5 % level.

    Of a loss or an own metric no test over images tells noise, so a difference is never called that.
    """
    if len(rows) != len(trial.epochs) or not rows:
        return False
    assert trial.best is not None, "it has as many rows as the other"
    again = trial.objective.best_epoch(rows) or {}
    sides = (trial.folder, trial.best), (folder, again)
    if trial.objective.is_accuracy and not len(groups):
        p_value, _ = pairing.p_value(*sides, images)
        return p_value > statistics.LEVEL
    drawn = pairing.drawn_again(*sides, images, trial.objective, groups)
    return drawn is not None and drawn > statistics.LEVEL


def has_test(objective: Objective) -> bool:
    """Whether the validation images can tell a difference of this value from noise."""
    return objective.is_accuracy or objective.column in MEASURES


def report(run: Run, trial: Trial, rows: list[Record], verdict: Verdict) -> list[str]:
    """The verdict and the numbers behind it."""
    name = f"{run.name}/{trial.label}"
    what = f"{plural(len(trial.epochs), 'epoch')} recorded, {len(rows)} trained again"
    lines = [f"{one_line(name)}: {verdict.word} ({what})"]
    if verdict.keys:
        where = f"epoch {verdict.epoch}" if verdict.epoch else "how it ended"
        lines.append(f"first difference: {where}: {', '.join(verdict.keys)}")
    if trial.best and rows:
        objective, again = trial.objective, trial.objective.best_epoch(rows) or {}
        values = [written.value(objective, row[objective.column]) for row in (trial.best, again)]
        lines.append(
            f"best {objective.column}: recorded {values[0]} at epoch {trial.best['epoch']}, "
            f"again {values[1]} at epoch {again['epoch']}"
        )
    if verdict.word == DIFFERENT and not has_test(trial.objective):
        lines.append(f"no test over images exists for {trial.objective.column}, so any difference counts as different")
    if verdict.word != IDENTICAL:
        lines += reasons(run)
    return lines


def reasons(run: Run) -> list[str]:
    """What has changed since the run was made (code, torch): the first places to look."""
    import torch

    found = {"code": identity.code_hash(), "torch": torch.__version__.partition("+")[0]}
    if not run.identity.has_images:
        del found["code"]
    known = {"code": run.identity.code, "torch": run.identity.versions.get("torch", "").partition("+")[0]}
    return [f"{key} was {one_line(known[key])} and is now {found[key]}" for key in found if found[key] != known[key]]
