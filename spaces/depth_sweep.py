"""How many hidden layers: one to five, the width halving from layer to layer."""

from spaces import Space, choice

SPACE = Space(
    params={
        "model": "mlp",
        "depth": choice(1, 2, 3, 4, 5),
        "width": 1024,
        "dropout": 0.3,
        "lr": 5e-4,
        "optimizer": "adamw",
        "weight_decay": 1e-4,
        "schedule": "constant",
        "ema": 0.7,
        "batch_size": 128,
        "augment": "none",
    },
    baseline={"depth": 3},
    epochs=20,
)
