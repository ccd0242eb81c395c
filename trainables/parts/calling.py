"""Parts in use: each called with its own hyperparameters and with what the trainer gives."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from trainables.parts import named
from trainables.parts.family import MODEL, OPTIMIZER, Family

Config = Mapping[str, Any]


def chosen(family: Family, config: Config) -> str:
    """The name of the part of a configuration; a loss is only written down where it is another than the usual one."""
    return str(config.get(family.key, family.default))


def knobs(family: Family, config: Config) -> dict[str, Any]:
    """The hyperparameters of the part that is chosen; one that two parts have is written `model.dropout`.

    A configuration that is older than a hyperparameter has its default.
    """
    found = named.signature_of(family, chosen(family, config))
    return {name: config.get(f"{family.key}.{name}", config.get(name, knob.default)) for name, knob in found.items()}


def bound(family: Family, config: Config) -> Callable[..., Any]:
    """The chosen part with its hyperparameters, to be called with what the trainer gives by its place."""
    part: Any = named.load(family, chosen(family, config))
    if inspect.isclass(part) and family.is_made:
        made: Any = part(**knobs(family, config))
        return cast(Callable[..., Any], made)
    return functools.partial(part, **knobs(family, config))


def asked_for(part: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the things that can be given which a part has a parameter for."""
    parameters = inspect.signature(part).parameters
    return {name: value for name, value in given.items() if name in parameters}


def model(config: Config, classes: int, image_size: int) -> Any:
    """An untrained network: weights come from torch's global random state."""
    part = bound(MODEL, config)
    return part(**asked_for(part, {"classes": classes, "num_classes": classes, "image_size": image_size}))


def optimizer(config: Config, network: Any) -> Any:
    """An optimizer of the weights of a network; a class of torch's own kind is given the weights alone."""
    import torch

    part = named.load(OPTIMIZER, chosen(OPTIMIZER, config))
    is_torchs = inspect.isclass(part) and issubclass(part, torch.optim.Optimizer)
    return part(network.parameters() if is_torchs else network, **knobs(OPTIMIZER, config))


def is_all_built_in(config: Config, families: Mapping[str, Family]) -> bool:
    """Whether every part comes with the project, so that it draws random numbers from nowhere but its generator."""
    return all(named.is_built_in(chosen(family, config)) for family in families.values())
