"""Three learning rates for a fully connected network with batch normalisation, LeakyReLU and dropout."""

from spaces import Space, choice

SPACE = Space(
    params={
        "model": "mlp",
        "depth": 3,
        "width": 1024,
        "dropout": 0.3,
        "lr": choice(1e-3, 5e-4, 1e-4),
        "optimizer": "adamw",
        "weight_decay": 1e-4,
        "schedule": "constant",
        "ema": 0.7,
        "batch_size": 128,
        "augment": "none",
    },
    baseline={"lr": 1e-3},
    epochs=20,
)
