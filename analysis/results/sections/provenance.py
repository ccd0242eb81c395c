"""Where the numbers come from: the settings that did not vary, the ranges that were searched, and what was running."""

from typing import Any

import pandas as pd

from analysis.render.blocks import Blocks, Details, Foreign, Heading, Table
from analysis.render.markdown import setting
from search.run.ledger import Run
from trainables.config import IMAGE_SIZE
from trainables.written import count


def provenance(run: Run, ranked: pd.DataFrame, fixed: list[str]) -> Blocks:
    """Two tables, folded away. Only facts named here are shown: no host, no path, no clock."""
    parameters = Details("Fixed parameters", (fixed_parameters(run, ranked, fixed),))
    return Heading("Fixed parameters and provenance"), parameters, Details("Provenance", (facts(run),))


def fixed_parameters(run: Run, ranked: pd.DataFrame, fixed: list[str]) -> Table:
    settings = {key: setting(key, ranked[key].iloc[0]) for key in fixed} | {"epochs": str(run.totals.epochs)}
    return Table(("parameter", "value"), tuple(settings.items()), "ll")


def allowed(run: Run) -> list[str]:
    """The changes that --allow-changes let pass, in all continuations of the run."""
    return [change for line in run.history for change in line.allowed]


def facts(run: Run) -> Table:
    identity = run.identity
    images = [
        ("data set", f"{identity.dataset_title}, fingerprint {identity.fingerprint}"),
        ("images", ", ".join(f"{count(number)} {split}" for split, number in identity.sizes.items())),
        *((f"fingerprint at {size} pixels", each["fingerprint"]) for size, each in identity.sized.items()),
        *([("size of the images", f"{identity.image_size} pixels")] if identity.image_size != IMAGE_SIZE else []),
        ("fraction of the training images", identity.fraction),
    ]
    own = [
        *(
            (f"trained by: {key}", " ".join([value] if isinstance(value, str) else value))
            for key, value in (identity.training or {}).items()
        ),
        ("objective", f"{identity.objective.column}, {identity.objective.mode}"),
        *((f"sha256 of {name}", value) for name, value in identity.data_files.items()),
    ]
    rows: list[tuple[str, Any]] = [
        ("space", f"{identity.space} ({identity.space_hash})"),
        *((f"searched: {key}", value) for key, value in identity.space_params.items()),
        ("algorithm", identity.algorithm),
        ("early stopping", ", ".join(f"{key} {value}" for key, value in identity.scheduler.items())[len("name ") :]),
        ("seed", identity.seed),
        *(images if identity.has_images else own),
        ("precision, threads", f"{identity.precision}, {identity.threads}")
        if identity.has_images
        else ("threads", identity.threads),
        *([("hash of the code that computes", identity.code)] if identity.has_images else []),
        *([("hash of the user's code", identity.own_code)] if identity.own_code else []),
        ("git revision", identity.git or "none"),
        *((f"version of {name}", version) for name, version in sorted(identity.versions.items())),
        *(("change allowed by --allow-changes", change) for change in allowed(run)),
    ]
    return Table(("fact", "value"), tuple((Foreign(name), Foreign(value)) for name, value in rows), "ll")
