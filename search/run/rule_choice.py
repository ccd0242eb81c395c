"""Which rule of early stopping a search has: the one that was asked for, or else the space's, if that can hold.

What was asked for and cannot hold is refused, with what to take instead. What was not asked for gives way, in one line. A run
that exists keeps its rule.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from search.algorithms.table import adaptive
from search.flags import SHARE, Flags
from search.records import Totals
from search.run import identity, ledger, plan
from search.settings import Settings
from search.stopping import rules
from search.stopping.ladder import least_share
from trainables.errors import UsageError
from trainables.files.durable import Record
from trainables.written import plural

LADDER = "ladder"


def settle(folder: Path, settings: Settings) -> tuple[Settings, list[str]]:
    """The settings with the rule that the search has, and a line for what gave way.

    Args:
        folder: of the run, whether it is there or not.

    Raises:
        UsageError: what was asked for cannot hold.
        RunError: the run cannot be read.
    """
    if (folder / "run.json").exists():
        recorded, history = ledger.read_identity(folder).scheduler, ledger.read_totals(folder)
        settings = settings if settings.scheduler_asked else as_recorded(settings, recorded)
        if rules.label(recorded) == settings.scheduler:
            check_seeds_stay(settings, history)
            return settings, []
    if settings.share is not None and not settings.scheduler_asked:
        settings = replace(settings, scheduler=LADDER, scheduler_asked=True)
    if reason := conflict(settings, settings.scheduler):
        return give_way(settings, reason)
    return settings, of_share(settings)


def as_recorded(settings: Settings, recorded: Record) -> Settings:
    """The settings with the rule of the run, where they do not say another of its own settings."""
    known = rules.flags(recorded)
    if known["scheduler"] == settings.scheduler:
        return settings
    usual = {key: getattr(Flags, key) for key in known if key != "scheduler"}
    return replace(
        settings,
        **{key: value for key, value in known.items() if key == "scheduler" or getattr(settings, key) == usual[key]},
    )


def check_seeds_stay(settings: Settings, history: Sequence[Totals]) -> None:
    """A rule that judges trials on arrival goes on with the seeds that the run has, as it was begun.

    Raises:
        UsageError: a run on one seed is to have more.
    """
    had = history[-1].seeds if history else 1
    if had > 1 or conflict(replace(settings, seeds=1), settings.scheduler):
        return
    if reason := conflict(settings, settings.scheduler):
        raise UsageError(f"--seeds {settings.seeds}: {reason}. Start another with --name NEW --scheduler {LADDER}.")


def conflict(settings: Settings, scheduler: str) -> str:
    """Why this rule cannot hold; empty if it can."""
    rule = rules.rule(scheduler)
    if rule["name"] == "none":
        return ""
    if adaptive(settings.algorithm) and rules.waits(rule):
        return (
            f"{settings.algorithm} draws a point from how earlier trials ended, and with {scheduler} none ends before all points "
            "are drawn"
        )
    if (settings.seeds or 1) > 1 and not rules.waits(rule):
        return f"{scheduler} judges a trial when it arrives, so it cannot judge the seeds of a configuration together"
    return ""


def give_way(settings: Settings, reason: str) -> tuple[Settings, list[str]]:
    """The settings with a rule that holds, if none was asked for.

    Raises:
        UsageError: one was.
    """
    instead = next(name for name in ("asha", LADDER, "none") if not conflict(settings, name))
    if settings.scheduler_asked:
        is_adaptive = adaptive(settings.algorithm) is not None
        cause = (
            f"--algo {settings.algorithm}"
            if rules.waits(rules.rule(settings.scheduler))
            else f"--seeds {settings.seeds}"
        )
        other = "--algo random" if is_adaptive else "--confirm 3 in place of --seeds"
        raise UsageError(
            f"{cause} and --scheduler {settings.scheduler}: {reason}. Use --scheduler {instead}, or {other}."
        )
    told = "no early stopping" if instead == "none" else f"--scheduler {instead}"
    return replace(settings, scheduler=instead), [f"{told} in place of the space's {settings.scheduler}: {reason}"]


def of_share(settings: Settings) -> list[str]:
    """A line if the usual share of a ladder is less than the least.

    Raises:
        UsageError: the share that was asked for is.
    """
    if settings.scheduler != LADDER:
        return []
    points = plan.size(settings.space, settings.algorithm, settings.num_samples)
    epochs = settings.epochs or settings.space.epochs
    least = least_share(points, epochs, settings.audit)
    asked = SHARE if settings.share is None else settings.share
    if least <= asked + 1e-9 or not rules.decisive(identity.scheduler(settings), epochs):
        return []
    facts = (
        f"{plural(points, 'configuration')} of {plural(epochs, 'epoch')} take at least {percent(least)} of all epochs"
    )
    if settings.share is not None:
        raise UsageError(
            f"--share {percent(asked, up=False)} is too small: {facts}. Use --share {percent(least)}, or more points."
        )
    return [f"a share of {percent(least)} in place of {percent(asked)}: {facts}"]


def percent(share: float, up: bool = True) -> str:
    """A share in whole per cent, rounded up, so that it is not too small when it is asked for."""
    return f"{-(-round(share * 100, 6) // 1):.0f}%" if up else f"{share * 100:g}%"
