"""From the flags of a search to its settings: the space, the images, the rule of early stopping; notes go to stderr."""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from search.flags import Flags, spellings
from trainables.cli.execution import tell
from trainables.errors import UsageError

if TYPE_CHECKING:
    from search.settings import Settings
    from spaces import Space

OF_IMAGES = (
    "dataset",
    "data_dir",
    "skip_bad",
    "group_by",
    "resize",
    "image_size",
    "metric",
    "fraction",
    "precision",
    "max_params",
    "folds",
)  # flags that own training has no use for


def settings_of(asked: Flags) -> "Settings":
    """The settings of a search from its flags, checked; prints notes on the space and on the images.

    Raises:
        DataError, SpaceError, UsageError: the flags, the space or the images are wrong.
    """
    import spaces
    from search.run import plan
    from search.settings import Settings, gpus, lanes, share
    from trainables import objective

    assert asked.space is not None, "main refuses a search without"
    texts = tuple(asked.set_ or ())
    if spaces.is_path(asked.space) and Path(asked.space).is_file() and not asked.quiet:
        tell(f"reading {asked.space} ...\n", sys.stderr)  # which may import torch
    given = spaces.find(asked.space, asked.metric)
    space = change_space(given.space, texts, asked.image_size)
    as_given = {field.name: getattr(asked, field.name) for field in fields(Settings) if hasattr(asked, field.name)}
    found = {
        "space_name": given.name, "space": space, "set": texts, "dataset": asked.dataset,
        "dataset_short": "" if space.is_own else "images", "fallback": None, "cache": Path(),
        "algorithm": asked.algo or plan.default_algorithm(space),
        "scheduler": asked.scheduler or space.scheduler, "gpus_per_trial": gpus(asked.gpus_per_trial),
        "engine": lanes(asked.engine),
        "objective": space.objective if space.is_own else given.objective or objective.named(asked.metric), "code": given.code,
        "share": share(asked.share), "scheduler_asked": asked.scheduler is not None,
    }  # fmt: skip
    settings = Settings(**(as_given | found))  # finds mistakes before anything is downloaded
    settings = settings_of_own(settings, asked) if space.is_own else settings_of_images(settings, asked)
    return choose_rule(start_warm(settings, asked.warm_start))


def settings_of_own(settings: "Settings", asked: Flags) -> "Settings":
    """The settings of a search whose trials run the user's own training, without images.

    Raises:
        UsageError: a flag was given that concerns images or built-in networks.
    """
    import spaces

    if flags := [spellings(name)[0] for name in OF_IMAGES if getattr(asked, name) != getattr(Flags, name)]:
        raise UsageError(
            f"{', '.join(flags)}: {settings.space_name} trains by itself and reads no images of this program. "
            f"Leave {'it' if len(flags) == 1 else 'them'} out."
        )
    for line in spaces.warnings(settings.space):
        print(f"warning: {line}", file=sys.stderr)
    return replace(settings, dataset="", dataset_short="")


def settings_of_images(settings: "Settings", asked: Flags) -> "Settings":
    """The settings of a search on images, after decoding the images; prints notes on the data set."""
    import spaces
    from search.run import ledger
    from trainables.data import loading

    space = settings.space
    dataset, fallback = loading.resolve(asked.dataset, asked.data_dir)
    settings = replace(settings, dataset=dataset, dataset_short=loading.short_name(dataset), fallback=fallback)
    is_known = ledger.has_begun(settings.folder)
    caches = loading.prepare_sizes(
        dataset,
        asked.data_dir,
        space.image_sizes,
        skip_bad=asked.skip_bad,
        group_by=asked.group_by,
        resize=asked.resize,
        in_folds=asked.folds,
        fresh_folds=(asked.confirm_seeds or asked.folds or 0) if asked.confirm else 0,
        progress=not asked.quiet,
        tell=not is_known,  # the results of a known run have the notes on its images already
    )
    cache = next(iter(caches.values()))
    if limit := asked.max_params or space.max_params:
        space = replace(space, max_params=limit, classes=len(loading.load(cache).classes))
    for line in spaces.warnings(space):
        print(f"warning: {line}", file=sys.stderr)
    settings = replace(
        settings,
        space=space,
        precision=precision_of(space, asked.precision),
        cache=cache,
        caches=caches if len(caches) > 1 else {},
    )
    if fallback:
        tell(f"{fallback}\n", sys.stderr)
    return follow_images(settings) if asked.warm_start is None else settings


def precision_of(space: "Space", asked: str) -> str:
    """The precision of a search; float32 if the space forbids bfloat16.

    Raises:
        UsageError: bfloat16 is asked for, but the space forbids it.
    """
    if not space.bfloat16 and asked == "bf16":
        raise UsageError("--precision bf16: the space says bfloat16=False. Leave one of them out.")
    return asked if space.bfloat16 else "fp32"


def follow_images(settings: "Settings") -> "Settings":
    """The settings with the run of the same images, if the images have moved to another path; prints a note then."""
    from search.backend import resources
    from search.run import moved
    from trainables.data import loading

    images = loading.load(settings.cache, fraction=settings.fraction)
    on_gpu = resources.uses_gpu(settings)
    settings, told = moved.follow(settings, images, on_gpu)
    if told:
        print(f"note: {told}", file=sys.stderr)
    return settings


def change_space(space: "Space", texts: tuple[str, ...], image_size: int | None) -> "Space":
    """The space after the changes of --set and --image-size; prints notes on changes of the baseline."""
    import spaces

    sized = () if image_size is None or space.is_own else (f"image_size={image_size}",)  # own training refuses the flag
    changed, notes = spaces.changed(space, (*texts, *sized))
    for line in notes:
        print(f"note: {line}", file=sys.stderr)
    return changed


def choose_rule(settings: "Settings") -> "Settings":
    """The settings with the early-stopping rule of the search; prints a note if a setting gives way or has no effect."""
    from search.run import rule_choice
    from search.stopping import rules

    found, notes = rule_choice.settle(settings.folder, settings)
    for key in rules.unread(found.scheduler, found.grace_period, found.reduction_factor, found.share):
        notes.append(f"{spellings(key)[0]} has no effect with --scheduler {found.scheduler}")
    for line in notes:
        tell(f"note: {line}\n", sys.stderr)
    return found


def start_warm(settings: "Settings", name: str | None) -> "Settings":
    """The settings with points of an earlier run to start from; prints notes on what cannot be used of that run."""
    from search.run import warm_start

    found, notes = warm_start.start(settings.folder, settings, name)
    for line in notes:
        print(f"note: {line}", file=sys.stderr)
    return replace(settings, warm=found)
