"""Measure the seconds in which the fastest network reaches an accuracy, from images on the GPU to the last epoch.

The seconds are counted as airbench counts them.
"""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.session import trials
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from trainables.training.definition import Training

EPOCHS = (8, 10, 16)
KNOBS: dict[str, Any] = {
    "lr": 0.02, "optimizer": "muon", "schedule": "onecycle", "label_smoothing": 0.2, "augment": "standard", "batch_size": 512,
}  # fmt: skip


def measurements(setting: Setting) -> Iterator[Measurement]:
    for epochs in EPOCHS[:1] if setting.small else EPOCHS:
        yield Measurement(
            "accuracy",
            f"speed_net, {epochs} epochs",
            3 * epochs,
            lambda epochs=epochs: accuracy(setting, epochs),  # type: ignore[misc]
        )


def accuracy(setting: Setting, epochs: int) -> Iterator[Row]:
    """Train twice and yield a row each time: the first training also loads and chooses kernels.

    The accuracy is that of the validation images, without test-time augmentation.
    """
    knobs = KNOBS | ({"width": 2, "batch_size": setting.batch, "epochs": 2} if setting.small else {"epochs": epochs})
    config = trials.config("speed_net", **knobs)
    images = setting.few if setting.small else setting.images
    for time_ in ("first", "second"):
        training = Training(config, images, seed=0, device=setting.device, precision=setting.precision)
        began = time.perf_counter()
        (found,) = trials.in_engine(setting.lanes[:1], [training])
        values = [row["val_accuracy"] for row in found.rows]
        yield {
            "time": time_, "seconds": round(time.perf_counter() - began, 2), "epochs": len(values),
            "images": len(images.train.labels), "last_val_accuracy": values[-1] if values else None,
            "called_because": found.called, "engine_error": found.error,
        }  # fmt: skip
