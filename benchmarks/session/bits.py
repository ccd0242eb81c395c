"""Check that a trial gives the same bits when it is trained twice, as graphs, and beside other trials.

Every model is tried with every optimizer.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from benchmarks.session import trials
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from benchmarks.session.trials import Outcome
from trainables.config import AUGMENTATIONS, MODELS, OPTIMIZERS
from trainables.training.definition import Training

WIDTHS: dict[str, dict[str, Any]] = {
    "mlp": {"width": 512}, "convnet": {"width": 32}, "resnet18": {}, "resnet": {"depth": 20}, "speed_net": {"width": 64},
}  # fmt: skip
SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"width": 16, "depth": 1}, "convnet": {"width": 2, "depth": 1}, "resnet18": {}, "resnet": {"depth": 8, "width": 2},
    "speed_net": {"width": 2},
}  # fmt: skip
RATES = {"sgd": 0.05, "adamw": 1e-3, "muon": 0.02}


def measurements(setting: Setting) -> Iterator[Measurement]:
    """First all trials at once, which shows most; then each trial alone."""
    given, known = cases(setting), dict[str, Outcome]()
    yield Measurement("bits", "all at once", 10, lambda: together(setting, given, known))
    for name in given:
        yield Measurement("bits", name, 4, lambda name=name: alone(setting, given[name], known.get(name)))  # type: ignore[misc]


def cases(setting: Setting) -> dict[str, Training]:
    """Trainings of every model with every optimizer, with augmentations in turn; some have weight averages or dropout."""
    knobs = SMALL if setting.small else WIDTHS
    models = ("mlp", "convnet", "speed_net") if setting.small else tuple(MODELS)
    augmentations = itertools.cycle(AUGMENTATIONS)
    found = {}
    for seed, (model, optimizer) in enumerate(itertools.product(models, OPTIMIZERS)):
        config = trials.config(
            model, **knobs[model], optimizer=optimizer, lr=RATES[optimizer], augment=next(augmentations), epochs=4,
            batch_size=setting.batch, dropout=0.2 * (seed % 2), ema=float(seed % 3 == 0), label_smoothing=0.1 * (seed % 2),
        )  # fmt: skip
        name = f"{model} {optimizer} {config['augment']} dropout {config['dropout']:g} ema {config['ema']:g}"
        found[name] = Training(config, setting.few, seed=seed, device=setting.device, precision=setting.precision)
    return found


def alone(setting: Setting, training: Training, known: Outcome | None) -> Iterator[Row]:
    """Train one trial twice with `train` and once as graphs; yield a row that compares the bits."""
    first, second = known or trials.by_train(training), trials.by_train(training)
    (graph,) = trials.in_engine(setting.lanes[:1], [training])
    yield {
        "called_twice": trials.same(first.key, second.key), "graph": trials.same(first.key, graph.key),
        "called_because": graph.called, "engine_error": graph.error, "hash": first.bits, **trials.difference(first, graph),
    }  # fmt: skip


def together(setting: Setting, given: dict[str, Training], known: dict[str, Outcome]) -> Iterator[Row]:
    """Train all trials at the same time on several lanes; compare each with the same trial trained alone.

    The outcome of each trial trained alone is also stored in `known`.
    """
    beside = trials.in_engine(setting.lanes, given.values())
    for (name, training), found in zip(given.items(), beside, strict=True):
        alone = known[name] = trials.by_train(training)
        yield {
            "trial": name, "beside_others": trials.same(alone.key, found.key), "called_because": found.called,
            "engine_error": found.error, **trials.difference(alone, found),
        }  # fmt: skip
