"""How deep a residual network: ResNet-20, 32, 44 and 56 of He et al. 2016, trained alike."""

from spaces import Space, choice

SPACE = Space(
    params={
        "model": "resnet",
        "depth": choice(20, 32, 44, 56),
        "width": 16,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "cosine",
        "batch_size": 128,
        "augment": "standard",
    },
    baseline={"depth": 20},
    epochs=30,
)
