"""tpe: the next point by two densities, one of good points and one of bad points.

Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (NeurIPS 2011). Optuna's TPESampler is multivariate, in
groups of parameters that apply together. Trials that still run count as bad ones (constant liar), so that parallel slots do not
all look at the same place.
"""

from typing import TYPE_CHECKING

from search.algorithms.ask_tell import Sampled

if TYPE_CHECKING:
    import optuna


class Tpe(Sampled):
    def sampler(self, seed: int) -> "optuna.samplers.BaseSampler":
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


ALGORITHM = Tpe()
