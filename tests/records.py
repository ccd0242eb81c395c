"""The identity of a small search of three rates, as run.json would hold it."""

from typing import Any

from search.records import Identity

IMAGES = 300  # of the validation split

IDENTITY: dict[str, Any] = {
    "schema": 1,
    "space": "lr_sweep",
    "space_hash": "5f0c9a",
    "space_params": {"lr": "choice(0.001, 0.0005, 0.0001)"},
    "constants": {"model": "mlp", "schedule": "constant"},
    "baseline": {"lr": 1e-3},
    "dataset": "digits",
    "dataset_title": "digits",
    "fallback": None,
    "fingerprint": "0123456789abcdef0123456789abcdef",
    "sizes": {"train": 1197, "val": IMAGES, "test": 300},
    "classes": [str(digit) for digit in range(10)],
    "fraction": 1.0,
    "seed": 0,
    "algorithm": "grid",
    "scheduler": {"name": "none"},
    "precision": "fp32",
    "threads": 1,
    "code": "c0de",
    "versions": {"torch": "2.15.0", "ray": "2.60.0"},
    "git": None,
}


def recorded_identity(**parts: Any) -> Identity:
    """That identity, with other parts."""
    return Identity.read(IDENTITY | parts, "run.json")
