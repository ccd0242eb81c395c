"""Call parts with their own hyperparameters and with the arguments that the trainer gives."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from trainables.parts import named
from trainables.parts.family import MODEL, OPTIMIZER, Family

Config = Mapping[str, Any]


def chosen(family: Family, config: Config) -> str:
    """The name of a configuration's part of this family, or the default part if the configuration names none.

    A configuration names its loss only if it is not the default loss.
    """
    return str(config.get(family.key, family.default))


def knobs(family: Family, config: Config) -> dict[str, Any]:
    """The hyperparameters of the chosen part with their values. A name that two parts share has a key as `model.dropout`.

    A hyperparameter that an older configuration lacks gets its default.
    """
    found = named.signature_of(family, chosen(family, config))
    return {name: config.get(f"{family.key}.{name}", config.get(name, knob.default)) for name, knob in found.items()}


def bound(family: Family, config: Config) -> Callable[..., Any]:
    """The chosen part with its hyperparameters bound, as a function of the arguments that the trainer gives."""
    part: Any = named.load(family, chosen(family, config))
    if inspect.isclass(part) and family.is_made:
        made: Any = part(**knobs(family, config))
        return cast(Callable[..., Any], made)
    return functools.partial(part, **knobs(family, config))


def asked_for(part: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The items of `given` for which the part has a parameter of that name."""
    parameters = inspect.signature(part).parameters
    return {name: value for name, value in given.items() if name in parameters}


def model(config: Config, classes: int, image_size: int) -> Any:
    """The untrained network of a configuration. Its weights are drawn from torch's global random state."""
    part = bound(MODEL, config)
    return part(**asked_for(part, {"classes": classes, "num_classes": classes, "image_size": image_size}))


def optimizer(config: Config, network: Any) -> Any:
    """The optimizer of a network. A subclass of torch.optim.Optimizer gets the weights, any other part gets the network."""
    import torch

    part = named.load(OPTIMIZER, chosen(OPTIMIZER, config))
    is_torchs = inspect.isclass(part) and issubclass(part, torch.optim.Optimizer)
    return part(network.parameters() if is_torchs else network, **knobs(OPTIMIZER, config))


def is_all_built_in(config: Config, families: Mapping[str, Family]) -> bool:
    """Whether all parts are built in. Built-in parts draw random numbers only from the trial's generators during training."""
    return all(named.is_built_in(chosen(family, config)) for family in families.values())
