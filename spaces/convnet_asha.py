"""A small convolutional network at random, weak trials stopped early by ASHA: 27 points, 27 epochs, a CPU core will do."""

from spaces import Space, choice, loguniform, uniform

SPACE = Space(
    params={
        "model": "convnet",
        "depth": 3,
        "width": choice(8, 16, 32),
        "dropout": uniform(0.0, 0.5),
        "optimizer": "adamw",
        "lr": loguniform(1e-4, 3e-2),
        "weight_decay": loguniform(1e-4, 1.0),
        "schedule": "constant",  # so that a stopped trial was judged fairly, and a finished one can be lengthened
        "ema": 0.7,
        "batch_size": 128,
        "augment": choice("none", "flip", "standard"),
    },
    baseline={"width": 16, "dropout": 0.0, "lr": 1e-3, "weight_decay": 1e-2, "augment": "standard"},
    epochs=27,
    scheduler="asha",
    samples=27,
)
