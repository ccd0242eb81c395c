"""The one place where Ray runs: Ray places trials, calls them and stops them, and keeps no state for us.

Ray gets indices into our plan and never a configuration. Rows, decisions and states are in the run folder before Ray gets
them. So an attempt that dies is followed by a fresh attempt, never by a restore.
"""

import contextlib
import gc
import importlib
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from search.backend import nodes
from search.backend.authentication import protect
from search.backend.resources import Resources, local_cpus, local_gpus, share
from search.backend.worker import Job, train_trial
from search.faults.interrupts import Interrupted, Interrupts, shielded
from search.faults.machine import Fault
from search.faults.worker_deaths import Casualties
from search.run.decisions import Decisions
from search.run.ledger import Run
from search.settings import Settings
from search.turns import Notify, Turn
from trainables.cli import streams
from trainables.cli.child import ROOT
from trainables.errors import RayError
from trainables.files.durable import storage_error
from trainables.hardware import memory

KNOCK = 10.0  # seconds for a cluster to answer
LAST_WRITES = 20  # tenths of a second in which Ray's processes end
SHORT = 19  # bytes of a folder's path below which the paths of Ray's sockets are shorter than 104, which macOS allows

ENVIRONMENT = {  # read by Ray when it is imported or starts; why: see docs/findings.md
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # or under `uv run` each worker would install the project once more
    "RAY_worker_niceness": "0",  # trials run at the priority of the command; at Ray's own, 15, any busy program starves them
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "120",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "2",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "60",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "PL_DISABLE_FORK": "1",  # as Tune would set it for a trial, see share_environment
    **memory.ENVIRONMENT,  # read by the C library of each worker
}

# Of a shell that once ran Tune by itself: old ones end a search, others buffer its results or change its folder.
OF_TUNE = ("TUNE_", "RAY_TUNE_", "RAY_AIR_", "RAY_TRAIN_", "RAY_CHDIR_TO_TRIAL_DIR")
# Set where a program is a job of a cluster; no business of a Ray that is started here.
ELSEWHERE = ("RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RUNTIME_ENV_HOOK", "RAY_REDIS_ADDRESS", "RAY_NAMESPACE")


@contextlib.contextmanager
def ray_started(run: Path, address: str | None, interrupts: Interrupts) -> Iterator[None]:
    """Start Ray for one search, and end Ray after the block.

    Ray's output goes into a file of the run. Ray's temporary files go into a private folder that is removed.

    Raises:
        RayError: Ray does not start.
        Interrupted: a signal came meanwhile.
    """
    prepare(os.environ, address)
    check_reachable(address)
    scratch = fresh_scratch(run)
    protect(address, scratch)
    # An exception in the middle of Ray's start or end would leave half of it.
    interrupts.stop_softly_by(run / "ray" / "stop")
    with streams.into(run / "ray" / "output.log"):
        try:
            with interrupts.wait_for_sigterm():  # Ray's native code has a handler that aborts
                start(scratch, address, run / "ray" / "output.log")
            interrupts.check()
            yield
        finally:
            shut_down()
            remove(scratch)
            interrupts.stop_softly_by(None)


def prepare(environment: MutableMapping[str, str], address: str | None) -> None:
    """Set the environment variables that Ray reads. Those that a shell sets for Ray stay; those for Tune are removed.

    Without a cluster, variables that are set for a job of a cluster are removed, too.
    """
    for name in list(environment):
        if name.startswith(OF_TUNE) or (address is None and name in ELSEWHERE):
            del environment[name]
    for name, value in ENVIRONMENT.items():
        environment.setdefault(name, value)
    if os.path.expanduser("~") == "~":  # noqa: PTH111 (a user without a home, which Ray wants to know, but not to write to)
        environment["HOME"] = "/"  # as containers have it


def check_reachable(address: str | None) -> None:
    """Try to connect to a cluster's host and port for KNOCK seconds; Ray itself would try for minutes.

    Raises:
        RayError: the connection fails.
    """
    host, _, port = (address or "").rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return  # no cluster, or a way to it that Ray knows better
    try:
        socket.create_connection((host, int(port)), KNOCK).close()
    except OSError as error:
        raise RayError(f"Ray does not start: {address}: {error}. Start the cluster, or correct --address.") from error


def start(scratch: Path, address: str | None, log: Path) -> None:
    """Start Ray, importing Ray Tune meanwhile.

    Raises:
        RayError: Ray does not start.
        Interrupted: SIGTERM came after Ray had put its own handler in the place of ours (macOS).
    """
    import ray
    from ray._private import node, services, utils
    from ray.job_config import JobConfig

    utils.get_entrypoint_name = lambda: "search"  # else the whole command line, in which a path may be no UTF-8
    # The server of the dashboard is started even without a dashboard, and asks the metadata service of three clouds for its
    # place, even with usage statistics off. Nothing here needs it.
    services.start_api_server = lambda *_, **__: (None, None)
    # Nor these two, which take 2.5 seconds of a core: one looks for machines to be started, one sends logs to the console.
    node.Node.start_monitor = node.Node.start_log_monitor = lambda _: None
    services.ConsolePopen = shielded(services.ConsolePopen)
    meanwhile = threading.Thread(target=importlib.import_module, args=("ray.tune",))
    meanwhile.start()
    try:
        ray.init(
            address=address or "local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
            configure_logging=True, job_config=JobConfig(_py_driver_sys_path=OursFirst([str(ROOT)])),
            **({"runtime_env": nodes.environment()} if address else here(scratch)),
        )  # fmt: skip
    except SystemExit as stop:
        raise Interrupted(signal.SIGTERM) from stop
    except Exception as error:
        where = address or scratch.parent
        raise RayError(f"Ray does not start: {where}: {gist(error)}. Details: {log}.") from error
    finally:
        meanwhile.join()
    if address is None:
        share_environment()
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def share_environment() -> None:
    """Let workers of a Ray that was started here inherit this process's environment, without one for each trial.

    Tune asks for a runtime environment for each trial. Then a process that loads Ray first would start each worker, only to
    set this environment.
    """
    from ray.tune.execution import class_cache

    class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = {}, set()


class OursFirst(list[str]):
    """The folders where workers look for modules; the last one is searched first, and ours stays last.

    Ray adds the user's current folder, which may have a `search/` of its own.
    """

    def extend(self, paths: Iterable[str]) -> None:
        self[:0] = paths


def here(scratch: Path) -> dict[str, Any]:
    """Arguments of `ray.init`: the GPUs, CPU cores and temporary folder that Ray is to use on this machine.

    Ray's own counts would include the GPU of a Mac and the cores of others, and would take half a core for none.
    """
    inside = str(scratch / "ray")  # Ray opens its folder to all
    return {"num_gpus": local_gpus(), "num_cpus": local_cpus(), "_temp_dir": inside}


def gist(error: Exception) -> str:
    """The line of Ray's error that matters: the first line, or the last line if the text has a traceback."""
    lines = [line.strip(" *.") for line in str(error).splitlines() if line.strip(" *.")] or [type(error).__name__]
    return lines[-1 if "Traceback" in str(error) else 0][:300]


def shut_down() -> None:
    """End Ray. An error here goes into the log and changes no exit code, because the run is on disk by now."""
    import ray

    gc.disable()  # a reference of Ray's that another thread collects while Ray ends makes its native code end the process
    try:
        ray.shutdown()
    except Exception:
        log_exception()
    finally:
        gc.enable()


def remove(folder: Path) -> None:
    """Remove a folder into which Ray's last processes may still write; the next search removes what is left."""
    for _ in range(LAST_WRITES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def fresh_scratch(run: Path) -> Path:
    """Make an empty ray/ folder in the run, and a private temporary folder with a path that Ray's sockets can have.

    The file ray/scratch notes the path of the temporary folder, so that the next search removes what a killed search left.
    The file also notes the path of the run, because in a copy of a run the note names the folder of a search that may be alive.
    """
    note = run / "ray" / "scratch"
    if left := noted_scratch(run):
        shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(run / "ray", ignore_errors=True)
    try:
        (run / "ray").mkdir(parents=True)
        scratch = Path(tempfile.mkdtemp(prefix="search-", dir=scratch_place()))
        note.write_bytes(os.fsencode(f"{scratch}\n{run.resolve()}"))
    except OSError as error:
        raise storage_error(Path(error.filename or run / "ray"), error, 0) from error
    return scratch


def noted_scratch(run: Path) -> Path | None:
    """The temporary folder that the note in ray/ names; None unless the note was written for this very run."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: no two lines
        left, owner = os.fsdecode((run / "ray" / "scratch").read_bytes()).split("\n")
        if Path(left).name.startswith("search-") and owner == str(run.resolve()):
            return Path(left)
    return None


def storage(run: Path) -> str:
    """The folder for Tune's files: ray/ in the run, or a link to it if its path is no UTF-8, which Ray needs."""
    folder, scratch = run / "ray", noted_scratch(run)
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        if scratch is not None:
            with contextlib.suppress(FileExistsError):
                (scratch / "run").symlink_to(folder)
            return str(scratch / "run")
    return str(folder)


def scratch_place() -> str:
    """The folder for temporary files, or /tmp where its path is too long, as on a Mac and in jobs of some clusters."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(usual)) > SHORT and os.access("/tmp", os.W_OK) else usual


def available(settings: Settings) -> Resources:
    """The resources that the running Ray has for a trial of this search."""
    import ray

    return share(settings, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def attempt(
    run: Run, job: Job, resources: Resources, decisions: Decisions, notify: Notify, casualties: Casualties
) -> Fault | None:
    """Let Ray train the trials of the run that have not ended.

    Returns:
        The fault of the machine, or the bug, because of which the attempt ended early.

    Raises:
        Exception: whatever Ray raises when it, and not a trial, fails. What was committed stays.
    """
    from ray import tune

    from search.backend.engines import LISTENING, follow, started
    from search.backend.tune import PlanScheduler, PlanSearcher, Watch
    from search.backend.worker_errors import contained

    engines = started(job, resources, decisions.rungs.epochs, casualties) if resources.engines else None
    has_engines = engines is not None  # what a trial closes over is sent to its process

    def trial(config: dict[str, Any]) -> None:
        turn = Turn(config["trial"], config["until"])
        if has_engines:
            follow(config["engine"], turn, tune.report)
        else:
            train_trial(job, turn, tune.report)

    asked = {"cpu": LISTENING} if engines else {"cpu": resources.cpus, "gpu": resources.gpus}
    objective = run.identity.objective
    with contained() as last:
        scheduler = PlanScheduler(run, decisions, notify, job.stop_marker, casualties, last, engines)
        searcher = PlanSearcher(
            casualties.turns, lambda: scheduler.stopping, engines.places if engines else None, scheduler.look
        )
        tuner = tune.Tuner(
            tune.with_resources(trial, asked),
            tune_config=tune.TuneConfig(
                metric=objective.column, mode=objective.mode, search_alg=searcher, num_samples=-1, scheduler=scheduler,
                reuse_actors=True, max_concurrent_trials=resources.slots, trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune", storage_path=storage(job.run), verbose=0,
                callbacks=[Watch(casualties.watchdog, scheduler.look)],
                failure_config=tune.FailureConfig(max_failures=0),  # whose worker dies is suggested again, or not
            ),
        )  # fmt: skip
        try:
            tuner.fit()
        except Exception:
            if scheduler.fault is None:
                raise
            log_exception()  # what came after the fault
        finally:
            if engines:
                engines.end()
    return scheduler.fault


def log_exception() -> None:
    """Write the traceback of the exception that is being handled to stderr, which goes into Ray's log."""
    with contextlib.suppress(OSError):
        traceback.print_exc()


def kill(process: int, host: str) -> None:
    """SIGKILL a worker, which may be frozen, on whichever node of the cluster it runs."""
    if host == socket.gethostname():
        end_process(process)
    else:
        kill_through_ray(process, host)


def end_process(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def kill_through_ray(process: int, host: str) -> None:
    """SIGKILL a process on another machine of the cluster, without waiting for the result."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    for node in ray.nodes():
        if node["Alive"] and node["NodeManagerHostname"] == host:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ray.remote(num_cpus=0, scheduling_strategy=there)(end_process).remote(process)
