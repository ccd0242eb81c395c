"""The code inside a Ray worker: it trains one trial of the plan, in the trial's folder of the run."""

import contextlib
import functools
import gc
import importlib
import os
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.faults.heartbeat import EVERY, beating
from search.run import ledger
from search.run.lock import when_free
from search.turns import Turn
from trainables.config import image_size
from trainables.data.held_out.folds import Fold
from trainables.data.loading import Dataset
from trainables.errors import ExpectedError, RayError
from trainables.files.durable import Record, storage_error
from trainables.objective import Objective
from trainables.own import code, printed

if TYPE_CHECKING:
    from trainables.training.definition import Training
    from trainables.trial.rows import Rows
    from trainables.trial.seat import Seat

    Seating = Callable[[Callable[[str], None]], Seat]

_loading = threading.Lock()
_loaded: "weakref.WeakValueDictionary[tuple[Path, float, Fold | None], Dataset]" = weakref.WeakValueDictionary()
_lasting: dict[Any, Dataset] = {}  # keeps data sets that no trial trains on at the moment


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all trials of a search share."""

    run: Path
    cache: Path
    epochs: int
    fraction: float
    precision: str
    threads: int
    device: str
    objective: Objective
    folds: int = 0  # that trials are validated on; 0 for the validation split
    shares_gpu: bool = False  # several trials have one
    exact: bool = True  # epochs trained again on a CPU must come out the same
    place: Path | None = None  # where the user's own training stands, if that folder is there
    code: Path | None = None  # the user's, in the run; its name is its hash
    own: Record | None = None  # training of the user's, as the run names it
    caches: Mapping[int, Path] = field(default_factory=dict)  # of each size, where images of several are trained on
    is_steady: bool = (
        False  # signs of life come by themselves: own training, unless --epoch-timeout says how long an epoch is
    )

    @property
    def is_loop(self) -> bool:
        """Whether trials run a loop of the user's in this process, and not a network or a program."""
        return self.own is not None and "train" in self.own

    @property
    def stop_marker(self) -> Path:
        """A file that exists once the search was asked to stop; trials then save their state after their epoch."""
        return self.run / "ray" / "stop"

    @property
    def pulses(self) -> Path:
        """The folder with a file for each trial that is being trained, see search/faults/heartbeat.py."""
        return self.run / "ray" / "pulses"


def train_trial(job: Job, turn: Turn, report: Callable[[Record], None], seat: "Seating | None" = None) -> None:
    """Train a trial of the plan for one turn, reporting each epoch after it is committed.

    The last committed row is reported first: if the search died before it decided about that row, it decides now.
    A fault of the machine is reported as {"fault": kind, "message": text}, so that it is not taken for a fault of the trial.

    Args:
        seat: makes the trial's seat in an engine of this process; its argument is a function that is told why the trial is
            called and not replayed. None where the trial has its own process.
    """
    if job.stop_marker.exists():
        return  # there is no sense in starting now
    tell = short_of(report, job.objective) if job.own else report
    try:
        planned = ledger.planned(job.run, turn.trial)
        trial = ledger.read_trial(job.run, planned, job.epochs, job.objective)
        if trial.epochs:
            tell(trial.epochs[-1])
            if job.stop_marker.exists():
                return
        continue_trial(job, trial, turn.until, tell, seat)
    except ExpectedError as error:
        report({"fault": error.kind, "message": str(error)})
    except OSError as error:  # too many open files, say: no configuration has a hand in it
        told = storage_error(Path(error.filename or job.run), error, 0)
        report({"fault": told.kind, "message": str(told)})


def short_of(report: Callable[[Record], None], objective: Objective) -> Callable[[Record], None]:
    """Make `report` pass only epoch and objective of a user's row to Ray: other metrics may have names of Ray's."""
    return lambda row: report({key: row[key] for key in ("epoch", objective.column)})


def continue_trial(
    job: Job,
    trial: ledger.Trial,
    until: int,
    report: Callable[[Record], None],
    seat: "Seating | None",
) -> None:
    """Train a trial up to epoch `until`, and give signs of life meanwhile."""
    prepare(job)
    import torch

    from trainables.trial import checkpointing as one

    training = rows_of(job, trial, until)
    printing = printed.kept_in(trial.folder) if job.is_loop else contextlib.nullcontext(lambda: None)
    with beating(job.pulses / str(trial.index)) as beat, steady(beat, job.is_steady), printing as shorten:

        def train() -> None:
            rows = one.run(
                trial.folder, seated(training, seat, trial.folder), until=until, heard=len(trial.epochs), exact=job.exact,
                shares_gpu=job.shares_gpu, stopping=job.stop_marker.exists, on_batch=beat,
            )  # fmt: skip
            report_all(rows, report, job.stop_marker, shorten)

        try:
            when_free(train)
        finally:  # the actor is used again, also when Ray ends a stopped trial by SystemExit: leave nothing behind
            if not seat:  # an engine looks after its memory itself
                gc.collect()
                if job.device != "cpu":
                    torch.cuda.empty_cache()


def prepare(job: Job) -> None:
    """Make this process, and this thread, ready to train.

    Raises:
        RayError: Ray granted a GPU, but torch sees none.
        RunError: the user's code is not what the run names.
    """
    if job.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # or torch may begin to use a GPU that was not granted
    import torch  # only here: reading a plan needs no torch

    importlib.import_module("trainables.trial.checkpointing")
    if job.device == "cuda" and not torch.cuda.is_available():
        raise RayError(
            "torch sees no GPU: it was granted one. Install torch for this driver, or use --gpus-per-trial 0."
        )
    if job.code:
        code.use(job.code, job.code.name)
    if job.own and job.is_loop and job.place and job.place.is_dir():
        with contextlib.suppress(Exception):  # the trial says what is wrong with it
            code.named(job.own["train"])  # before: a user's module may itself change the folder when it is imported
        os.chdir(job.place)
    torch.set_num_threads(job.threads)
    spare_the_loaded()


def rows_of(job: Job, trial: ledger.Trial, until: int) -> "Training | Rows":
    """The source of a trial's rows: a network, a user's loop or a user's program."""
    if job.own:
        from trainables.own import training as own

        assert job.code is not None, "own training has code"
        facts = trial.config, job.objective, trial.seed, job.device
        stopping = job.stop_marker.exists
        return own.rows(job.own, *facts, code=job.code, folder=trial.folder, until=until, stopping=stopping)
    from trainables.training.definition import Training

    data = images_of(job, trial)
    return Training(
        trial.config, data, seed=trial.seed, device=job.device, precision=job.precision, objective=job.objective
    )


def seated(training: "Training | Rows", seat: "Seating | None", folder: Path) -> "Training | Rows":
    """Let an engine of this process train a network, if there is a seat; a user's own training stays unchanged."""
    if seat is None:
        return training
    from trainables.training.definition import Training
    from trainables.trial import timing
    from trainables.trial.seat import SeatedRows

    def note(why: str) -> None:
        """Note that the steps are called one by one and not replayed: that takes longer and changes no number."""
        timing.note(folder, {"called": why})
        print(f"{folder.name}: not replayed as graphs: {why}", flush=True)

    return SeatedRows(training, seat(note).epochs) if isinstance(training, Training) else training


@contextlib.contextmanager
def steady(beat: Callable[[int, int], None], is_steady: bool) -> Iterator[None]:
    """Give a sign of life every EVERY seconds in this block, if `is_steady`.

    Nobody knows how long an epoch of a user's own training takes. But a frozen process gives no sign of life.
    """
    over = threading.Event()

    def beat_on() -> None:
        while not over.wait(EVERY):
            beat(0, 0)

    thread = threading.Thread(target=beat_on, daemon=True)
    if is_steady:
        thread.start()
    try:
        yield
    finally:
        over.set()


@functools.cache
def spare_the_loaded() -> None:
    """Exclude the objects that are loaded before a worker's first trial from garbage collection; only once in a worker.

    torch and Ray are 400,000 objects, and a collection that looked at them after each trial took 0.2 s.
    """
    gc.freeze()


def report_all(
    rows: Generator[Record], report: Callable[[Record], None], stop_marker: Path, tidy: Callable[[], None]
) -> None:
    """Report new rows until the search is asked to stop; call `tidy` after each epoch."""
    with contextlib.closing(rows):  # saves the state of a trial that is left early, and frees its folder
        for row in rows:
            tidy()
            report(row)
            if stop_marker.exists():
                break


def images_of(job: Job, trial: ledger.Trial) -> Dataset:
    """The images for training and validation of a trial: the data set in the trial's image size, or one fold of it."""
    cache = job.caches.get(image_size(trial.config), job.cache)
    return images(cache, job.fraction, Fold(trial.fold, job.folds) if job.folds else None)


def images(cache: Path, fraction: float, fold: Fold | None = None) -> Dataset:
    """The data set in one size, or split by one fold: one copy in a worker, however many of its trials train on it.

    A data set is memory-mapped and stays. A fold is held in memory, so only the folds in use and the last one stay.
    """
    from trainables.data import loading

    key = cache, fraction, fold
    with _loading:
        found = _loaded.get(key)
        if found is None:
            found = loading.load(cache, fraction=fraction, fold=fold)
        _loaded[key] = _lasting["fold" if fold else key] = found
    return found
