"""What a search is asked to do, and which of it may change when it is continued."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from search.plan import ALGORITHMS
from spaces import MAX_GRID, Space
from trainables.config import unknown
from trainables.errors import UsageError

SCHEDULERS = ("asha", "sha", "none")
MAX_SEED = 2**31
PRECISIONS = ("auto", "fp32", "bf16")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a run: also its folder, so never a path

FLAGS = {  # each flag of run_search.py: what another value means for a run that is there; docs/resume.md says it to users
    "identity": (  # refused, because it would be another search
        "space", "dataset", "algo", "seed", "scheduler", "grace_period", "reduction_factor", "fraction", "precision",
        "cpus_per_trial",
    ),
    "totals": ("num_samples", "epochs"),  # may grow
    "free": (  # changes nothing of what was or will be measured
        "data_dir", "gpus_per_trial", "max_concurrent", "results", "keep_best", "retry_failed", "allow_changes", "quiet",
    ),
    "which": ("name", "runs_dir", "resume", "list_spaces"),  # says which run is meant, or none
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One search, checked.

    Raises:
        UsageError: a value that no search could use.
    """

    space_name: str
    space: Space
    dataset: str  # resolved: never "auto"
    dataset_short: str  # the data set's name as it stands in the name of a run
    fallback: str | None  # why the data set is not the one that was hoped for
    cache: Path  # the decoded images
    algorithm: str
    scheduler: str
    grace_period: int = 1  # epochs
    reduction_factor: int = 3
    num_samples: int | None = None  # trials; none for what the run or else the space says
    epochs: int | None = None  # per trial; likewise
    seed: int = 0
    fraction: float = 1.0
    precision: str = "auto"
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None  # none for one GPU where there is one
    max_concurrent: int | None = None
    runs_dir: Path = Path("runs")
    name: str | None = None
    allow_changes: bool = False

    def __post_init__(self) -> None:
        for field, known in (("algorithm", ALGORITHMS), ("scheduler", SCHEDULERS), ("precision", PRECISIONS)):
            if getattr(self, field) not in known:
                raise UsageError(unknown(field, getattr(self, field), known))
        for field, least in LEAST.items():
            value = getattr(self, field)
            if value is not None and value < least:
                raise UsageError(f"--{field.replace('_', '-')} must be at least {least}, but got {value}.")
        if not NAME.fullmatch(self.run_name):
            raise UsageError(
                f"--name must be 1 to 64 letters, digits, '.', '_' or '-', no sign first, but got {self.run_name!r}."
            )
        if (self.num_samples or 0) > MAX_GRID:
            raise UsageError(f"--num-samples must be at most {MAX_GRID}, but got {self.num_samples}.")
        gpus = self.gpus_per_trial or 0.0
        if not (0 <= gpus <= 1 or (math.isfinite(gpus) and gpus == int(gpus) > 0)):
            raise UsageError(f"--gpus-per-trial must be a fraction from 0 to 1 or a whole number, but got {gpus}.")
        if not 0 <= self.seed < MAX_SEED:
            raise UsageError(f"--seed must be from 0 to {MAX_SEED - 1}, but got {self.seed}.")

    @property
    def threads(self) -> int:
        """Threads of torch in a trial: its CPUs. They decide the last bits of every number, so they are identity."""
        return self.cpus_per_trial

    @property
    def run_name(self) -> str:
        return self.name or f"{self.space_name}-{self.dataset_short}"


LEAST = {
    "num_samples": 1, "epochs": 1, "grace_period": 1, "reduction_factor": 2, "cpus_per_trial": 1, "max_concurrent": 1,
}  # fmt: skip
