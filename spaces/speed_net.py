"""A small fast network for a few epochs, in the spirit of the CIFAR speed records: how to train it best in eight."""

from spaces import Space, choice, loguniform, uniform

SPACE = Space(
    params={
        "model": "speed_net",
        "width": 64,  # of the records; 16 for a CPU core
        "optimizer": "sgd",
        "lr": loguniform(0.02, 2.0),
        "momentum": uniform(0.8, 0.95),
        "weight_decay": loguniform(1e-5, 1e-2),
        "label_smoothing": choice(0.0, 0.1, 0.2),
        "schedule": "onecycle",
        "batch_size": 512,
        "augment": choice("flip", "standard"),
    },
    baseline={"lr": 0.2, "momentum": 0.85, "weight_decay": 5e-4, "label_smoothing": 0.2, "augment": "standard"},
    epochs=8,
    samples=24,
)
