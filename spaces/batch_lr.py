"""Batch size with the learning rate scaled along, linearly (Goyal et al. 2017), and with other weight decays."""

from spaces import Space, choice, linked

SPACE = Space(
    params={
        "model": "resnet",
        "depth": 20,
        "width": 16,
        "optimizer": "sgd",
        **linked(batch_size=(64, 128, 256, 512, 1024), lr=(0.05, 0.1, 0.2, 0.4, 0.8)),
        "momentum": 0.9,
        "weight_decay": choice(1e-4, 5e-4),
        "schedule": "cosine",
        "augment": "standard",
    },
    baseline={"batch_size": 128, "lr": 0.1, "weight_decay": 5e-4},
    epochs=30,
)
