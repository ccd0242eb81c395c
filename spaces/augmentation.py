"""Which augmentation helps: each of them on a ResNet-20, against none."""

from spaces import Space, choice

SPACE = Space(
    params={
        "model": "resnet",
        "depth": 20,
        "width": 16,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "cosine",
        "batch_size": 128,
        "augment": choice("none", "flip", "crop", "standard", "cutout", "mixup", "cutmix"),
    },
    baseline={"augment": "none"},
    epochs=30,
)
