"""One trial: data, augmentation, models, the epoch loop, checkpoints, metrics. Never imports Ray."""
