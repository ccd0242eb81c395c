"""The parts of a trial: models, losses, optimizers, schedules and augmentations, built in or a user's own. No torch."""
