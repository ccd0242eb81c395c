"""A folder of images under another path: the run of these images is found by their fingerprint."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from search.records import Identity
from search.run import identity, ledger, rule_choice
from search.run.opening import as_begun
from search.run.resume import names
from search.settings import Settings, usual_name
from trainables.data.loading import Dataset
from trainables.data.names import has_place
from trainables.errors import ExpectedError


def follow(settings: Settings, images: Dataset, on_gpu: bool) -> tuple[Settings, str]:
    """The settings with the name of the run that has the same images under another path, and a line about that run.

    The function looks only at runs that were named after their images, and only if this search would be a new run. If exactly
    one of these runs differs in nothing else, the settings get its name. Otherwise the settings stay as they are, and the line
    names the runs with these images; it is empty if there is none.
    """
    if settings.name or not has_place(settings.dataset) or ledger.has_begun(settings.folder):
        return settings, ""
    asked = identity.describe(settings, images, on_gpu)
    found = dict(on_the_same_images(settings, asked))
    same = [name for name, recorded in found.items() if is_same(settings.runs_dir / name, recorded, asked, settings)]
    if len(same) == 1:
        return replace(settings, name=same[0]), (
            f"{settings.runs_dir / same[0]} has the same images under another path, so that run is continued; "
            "--name NEW starts another"
        )
    if found:
        others = " and ".join(str(settings.runs_dir / name) for name in found)
        verb = "has" if len(found) == 1 else "have"
        return settings, (
            f"{others} {verb} the same images under another path. To continue one: --resume NAME --dataset {settings.dataset}"
        )
    return settings, ""


def on_the_same_images(settings: Settings, asked: Identity) -> Iterator[tuple[str, Identity]]:
    """Name and identity of each run of this space on these images that is named after its images."""
    for name in names(settings.runs_dir):
        try:
            recorded = ledger.read_identity(settings.runs_dir / name)
        except ExpectedError:  # damaged, or of a newer version: nothing to go on with
            continue
        is_named_so = name == usual_name(recorded.space, recorded.dataset)
        if is_named_so and (recorded.space, recorded.fingerprint) == (asked.space, asked.fingerprint):
            yield name, recorded


def is_same(folder: Path, recorded: Identity, asked: Identity, settings: Settings) -> bool:
    """Whether these settings would continue the recorded run as they are."""
    try:
        scheduler = identity.scheduler(rule_choice.settle(folder, settings)[0])
        begun = as_begun(folder, replace(asked, scheduler=scheduler), recorded, settings)
    except ExpectedError:  # the search itself says what is wrong
        return False
    return not recorded.differences(begun) and recorded.warm_start is None
