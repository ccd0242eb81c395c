"""Words of other tools, answered with this program's words."""

from collections.abc import Mapping
from typing import Any

WORDS = {  # Optuna, Ray Tune, Keras Tuner, Hyperopt, W&B sweeps
    "suggest_float": "uniform(low, high), or loguniform(low, high) for log=True",
    "suggest_int": "integers(low, high), or logintegers(low, high) for log=True",
    "suggest_categorical": "choice(a, b, c)",
    "suggest_uniform": "uniform(low, high)",
    "suggest_loguniform": "loguniform(low, high)",
    "suggest_discrete_uniform": "uniform(low, high, step=q)",
    "quniform": "uniform(low, high, step=q)",
    "qloguniform": "loguniform(low, high), or a list: choice(a, b, c)",
    "randint": "integers(low, high), where high is included",
    "qrandint": "integers(low, high, step=q)",
    "lograndint": "logintegers(low, high), where high is included",
    "grid_search": "choice(a, b, c)",
    "sample_from": "a constraint, or when(...): docs/spaces.md",
    "randn": "uniform(low, high)",
    "normal": "uniform(low, high)",
    "Float": "uniform(low, high), or loguniform(low, high)",
    "Int": "integers(low, high)",
    "Boolean": "choice(True, False)",
    "Categorical": "choice(a, b, c)",
    "log_uniform_values": "loguniform(low, high)",
    "q_uniform": "uniform(low, high, step=q)",
    "log_uniform": "loguniform(low, high)",
    "int_uniform": "integers(low, high)",
    "categorical": "choice(a, b, c)",
}
LIBRARIES = ("ray", "optuna", "keras_tuner", "hyperopt", "ConfigSpace", "skopt", "scipy")


def answer(name: str) -> str | None:
    """The sentence for a word of another tool; none for any other word."""
    word = name.rpartition(".")[2]
    return f"{name} is a word of another tool. Write {WORDS[word]}." if word in WORDS else None


def instead(value: Any) -> str | None:
    """The sentence for a value that another tool would take for a range; none for any other value."""
    if isinstance(value, list | tuple | set):
        return f"{value!r} is a {type(value).__name__}. Write {listed(value)}."
    if isinstance(value, Mapping):
        return f"{dict(value)!r} is a dict. Write {of_sweep(value)}."
    library, name = type(value).__module__.partition(".")[0], type(value).__name__
    return f"it is a {name} of {library}. Write {of_library(value)}." if library in LIBRARIES else None


def listed(values: Any) -> str:
    return f"choice({', '.join(map(repr, values))})"


def of_sweep(facts: Mapping[str, Any]) -> str:
    """This program's word for a parameter of W&B sweeps."""
    if isinstance(facts.get("values"), list):
        return listed(facts["values"])
    if {"min", "max"} <= facts.keys():
        return interval(facts["min"], facts["max"], "log" in str(facts.get("distribution", "")))
    return repr(facts["value"]) if "value" in facts else "choice(...), uniform(...) or another range: docs/spaces.md"


def of_library(value: Any) -> str:
    """This program's word for a range of Ray Tune or Optuna."""
    if values := getattr(value, "categories", None) or getattr(value, "choices", None):
        return listed(values)
    low, high = (
        getattr(value, names[0], getattr(value, names[1], None)) for names in (("lower", "low"), ("upper", "high"))
    )
    if low is None or high is None:
        return "choice(...), uniform(...) or another range: docs/spaces.md"
    sampler = type(getattr(value, "sampler", None)).__name__
    return interval(low, high, "Log" in sampler or bool(getattr(value, "log", False)))


def interval(low: Any, high: Any, is_log: bool) -> str:
    whole = type(low) is int and type(high) is int
    return f"{'log' if is_log else ''}{'integers' if whole else 'uniform'}({low!r}, {high!r})"
