"""Which optimizer, each with rates of its own: SGD, AdamW, or Muon for the matrices with AdamW for the rest."""

from spaces import Space, choice, loguniform, when

SPACE = Space(
    params={
        "model": "convnet",  # small matrices: see Muon in docs/findings.md
        "depth": 3,
        "width": 32,
        "optimizer": choice("sgd", "adamw", "muon"),
        "lr": when(
            "optimizer", sgd=loguniform(1e-2, 1.0), adamw=loguniform(1e-4, 1e-1), muon=loguniform(1e-3, 1e-1)
        ),  # of the matrices, with muon
        "adamw_lr": when("optimizer", muon=loguniform(1e-4, 1e-1)),
        "weight_decay": when(
            "optimizer", sgd=loguniform(1e-5, 1e-2), adamw=loguniform(1e-3, 1.0), muon=loguniform(1e-3, 1.0)
        ),  # decoupled, with adamw and muon: times lr, so a useful one is larger
        "momentum": 0.9,
        "schedule": "constant",
        "ema": 0.7,
        "batch_size": 128,
        "augment": "standard",
    },
    baseline={"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4},
    epochs=9,
    scheduler="asha",
    samples=27,
)
