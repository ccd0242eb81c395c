"""How much dropout after each hidden layer: none to one half."""

from spaces import Space, choice

SPACE = Space(
    params={
        "model": "mlp",
        "depth": 3,
        "width": 1024,
        "dropout": choice(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
        "lr": 5e-4,
        "optimizer": "adamw",
        "weight_decay": 1e-4,
        "schedule": "constant",
        "ema": 0.7,
        "batch_size": 128,
        "augment": "none",
    },
    baseline={"dropout": 0.3},
    epochs=20,
)
