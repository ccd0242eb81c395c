"""ResNet-20 trained with SGD: rate, momentum, weight decay, schedule and augmentation; the architecture stays fixed."""

from spaces import Space, choice, loguniform, uniform

SPACE = Space(
    params={
        "model": "resnet",
        "depth": 20,
        "width": 16,
        "optimizer": "sgd",
        "lr": loguniform(1e-2, 1.0),
        "momentum": uniform(0.8, 0.99),
        "weight_decay": loguniform(1e-5, 1e-2),
        "schedule": choice("cosine", "onecycle"),
        "batch_size": 128,
        "augment": choice("standard", "cutout", "mixup", "cutmix"),
    },
    baseline={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "schedule": "cosine", "augment": "standard"},
    epochs=30,
    scheduler="ladder",
    samples=32,
)
