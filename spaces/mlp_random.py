"""The fully connected network at random: rate, depth, width, dropout and weight decay, weak trials stopped early."""

from spaces import Space, choice, integers, loguniform, uniform

SPACE = Space(
    params={
        "model": "mlp",
        "depth": integers(1, 4),
        "width": choice(256, 512, 1024),
        "dropout": uniform(0.0, 0.6),
        "lr": loguniform(1e-5, 1e-2),
        "optimizer": "adamw",
        "weight_decay": loguniform(1e-6, 1e-1),
        "schedule": "constant",
        "ema": 0.7,
        "batch_size": 128,
        "augment": "none",
    },
    baseline={"depth": 3, "width": 1024, "dropout": 0.3, "lr": 5e-4, "weight_decay": 1e-4},
    epochs=9,
    scheduler="ladder",
    samples=16,
)
