"""The definition of a trial as one value: configuration, images, seed, device, precision, objective."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from trainables.config import trial_id, trial_id_of_schema_1
from trainables.data.loading import Dataset
from trainables.objective import ACCURACY, Objective


@dataclass(frozen=True)
class Training:
    """The definition of a trial. Equal definitions give equal rows on the same kind of device and number of threads.

    Attributes:
        config: a complete configuration, see trainables.config.
        precision: "bf16" for bfloat16 autocast, "fp32" for none.
        objective: the metric that decides the best epoch.
    """

    config: Mapping[str, Any]
    data: Dataset
    _: KW_ONLY
    seed: int
    device: str
    precision: str
    objective: Objective = ACCURACY

    @property
    def id(self) -> str:
        """The trial's id, a hash of its configuration and seed."""
        return trial_id(self.config, self.seed)

    @property
    def names(self) -> tuple[str, str]:
        """The ids that the trial's resume states may carry: the present one, and the id of schema 1."""
        return self.id, trial_id_of_schema_1(self.config, self.seed)
