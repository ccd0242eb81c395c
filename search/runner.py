"""The one place where Ray runs: it places trials, calls them and stops them. It remembers nothing for us.

Ray gets indices into our plan and never a configuration; rows, decisions and states are in the run folder before Ray hears
of them. An attempt that dies is therefore followed by a fresh one, never by a restore.
"""

import contextlib
import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from search.authentication import protect
from search.decisions import Decisions
from search.faults import Fault
from search.interrupts import Interrupted, Interrupts
from search.ledger import Run
from search.resources import Resources, share
from search.settings import Settings
from search.turns import Turn, Turns
from search.worker import Job, train_trial
from trainables.durable import Record, storage_error
from trainables.errors import RayError

METRIC, MODE = "val_accuracy", "max"  # stated once: TuneConfig hands them on
WORKER_RETRIES = 2  # of a trial whose worker was killed, within one attempt

ENVIRONMENT = {  # read by Ray when it is imported or starts; why: see docs/findings.md
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # or under `uv run` each worker would install the project once more
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "120",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "2",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "60",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}

Notify = Callable[[int, Record | None], None]  # trial index and its new row, or None when the trial has ended


@contextlib.contextmanager
def ray_started(run: Path, address: str | None, interrupts: Interrupts) -> Iterator[None]:
    """Ray for one search, its output in a file of the run, its scratch in a private folder that is removed.

    Raises:
        RayError: it does not start.
        Interrupted: a signal came meanwhile.
    """
    os.environ.update({key: value for key, value in ENVIRONMENT.items() if key not in os.environ})
    scratch = fresh_scratch(run)
    protect(address, scratch)
    interrupts.stop_softly_by(
        run / "ray" / "stop"
    )  # an exception in the middle of Ray's start or end would leave half of it
    with output_to(run / "ray" / "output.log"):
        try:
            start(scratch, address, run / "ray" / "output.log")
            interrupts.listen()
            interrupts.check()
            yield
        finally:
            shut_down()
            shutil.rmtree(scratch, ignore_errors=True)
            interrupts.stop_softly_by(None)


def start(scratch: Path, address: str | None, log: Path) -> None:
    """Start Ray, importing Ray Tune meanwhile.

    Raises:
        RayError: it does not start.
        Interrupted: SIGTERM came after Ray had put its own handler in the place of ours.
    """
    import ray
    from ray._private import services

    # The server of the dashboard is started even without a dashboard, and asks the metadata service of three clouds for its
    # place, even with usage statistics off. Nothing here needs it.
    services.start_api_server = lambda *_, **__: (None, None)
    meanwhile = threading.Thread(target=importlib.import_module, args=("ray.tune",))
    meanwhile.start()
    try:
        ray.init(
            address=address or "local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
            configure_logging=True, **({} if address else {"_temp_dir": str(scratch / "ray")}),  # Ray opens it to all
        )  # fmt: skip
    except SystemExit as stop:
        raise Interrupted(signal.SIGTERM) from stop
    except Exception as error:
        raise RayError(f"Ray does not start: {error}. Details: {log}.") from error
    finally:
        meanwhile.join()
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def shut_down() -> None:
    """End Ray. The run is on disk by now, so whatever goes wrong here goes into the log and changes no exit code."""
    import ray

    try:
        ray.shutdown()
    except Exception:
        traceback.print_exc()


def fresh_scratch(run: Path) -> Path:
    """An empty ray/ folder in the run, and a private temporary folder with a path short enough for Ray's sockets.

    Its name is kept in ray/, so that what a killed search left behind is removed by the next one.
    """
    note = run / "ray" / "scratch"
    with contextlib.suppress(OSError):
        left = Path(note.read_text())
        if left.name.startswith("search-"):
            shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(run / "ray", ignore_errors=True)
    try:
        (run / "ray").mkdir(parents=True)
        scratch = Path(tempfile.mkdtemp(prefix="search-"))
        note.write_text(str(scratch))
    except OSError as error:
        raise storage_error(run / "ray", error, 0) from error
    return scratch


@contextlib.contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Send everything this process prints on stdout and stderr, Ray's C++ included, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with path.open("ab") as file:
        for target in (1, 2):
            os.dup2(file.fileno(), target)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for target, original in enumerate(kept, 1):
            os.dup2(original, target)
            os.close(original)


def available(settings: Settings) -> Resources:
    """What the started Ray offers to a trial of this search."""
    import ray

    return share(settings, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def attempt(run: Run, job: Job, resources: Resources, decisions: Decisions, notify: Notify) -> Fault | None:
    """Train the trials of the run that have not ended through Ray.

    Returns:
        The fault that a worker reported, if that is why the attempt ended early.

    Raises:
        Exception: whatever Ray raises when it, and not a trial, fails. What was committed stays.
    """
    from ray import tune

    from search.tune_parts import PlanScheduler, PlanSearcher

    def trial(config: dict[str, Any]) -> None:
        train_trial(job, Turn(**config), tune.report)

    scheduler = PlanScheduler(run, decisions, notify, job.stop_marker)
    turns = Turns(run)
    searcher = PlanSearcher(turns, stopping=lambda: scheduler.stopping)
    tune.Tuner(
        tune.with_resources(trial, {"cpu": resources.cpus, "gpu": resources.gpus}),
        tune_config=tune.TuneConfig(
            metric=METRIC, mode=MODE, search_alg=searcher, num_samples=turns.most, scheduler=scheduler,
            max_concurrent_trials=resources.slots, reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=str(job.run / "ray"), verbose=0,
            failure_config=tune.FailureConfig(max_failures=WORKER_RETRIES),
        ),
    ).fit()  # fmt: skip
    return scheduler.fault
