"""What several test folders share: a data set small enough to train on in milliseconds."""

import numpy as np
import pytest
from hypothesis import settings

from trainables.data import Dataset, Split

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")

CLASSES = ("dark", "bright", "red", "blue")


def make_split(count: int, seed: int) -> Split:
    """Noise around one colour per class, so that a network learns it within an epoch or two."""
    random = np.random.default_rng(seed)
    labels = random.integers(len(CLASSES), size=count)
    colours = np.array([[40, 40, 40], [215, 215, 215], [200, 60, 60], [60, 60, 200]])
    images = colours[labels][:, None, None, :] + random.integers(-40, 41, size=(count, 32, 32, 3))
    return Split(images.clip(0, 255).astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="session")
def toy() -> Dataset:
    """101 training images (so that a batch of one is left over with batches of 20) and 40 for validation."""
    return Dataset(
        name="toy", train=make_split(101, 1), val=make_split(40, 2), classes=CLASSES, mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25), fingerprint="0" * 64, sizes={"train": 101, "val": 40, "test": 40},
    )  # fmt: skip


@pytest.fixture
def small() -> dict[str, object]:
    """A complete configuration that trains in milliseconds."""
    from trainables.config import complete

    return complete(
        {"model": "mlp", "depth": 2, "width": 32, "dropout": 0.2, "optimizer": "adamw", "lr": 3e-3, "batch_size": 20,
         "schedule": "constant", "augment": "standard", "epochs": 4}
    )  # fmt: skip
