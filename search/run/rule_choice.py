"""The choice of a search's early-stopping rule: the rule asked for, or else the space's rule, if that can hold.

A rule that was asked for and cannot hold is refused, with advice what to take instead. A rule of the space that cannot hold
gives way to another, and one line says so. An existing run keeps its rule.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from search.algorithms.table import adaptive
from search.flags import Flags
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
    """The settings with the rule that the search has, and a line if the space's rule gave way.

    Args:
        folder: of the run, which may not exist yet.

    Raises:
        UsageError: the rule that was asked for cannot hold.
        RunError: the run cannot be read.
    """
    if ledger.has_begun(folder):
        recorded, history = ledger.read_identity(folder).scheduler, ledger.read_totals(folder)
        found = settings if settings.scheduler_asked else as_recorded(settings, recorded)
        if rules.label(recorded) == found.scheduler:
            check_seeds_stay(found, history)
            if settings.allow_changes and found.share != recorded.get("share"):
                check_share(as_asked_before(found, history))
            return found, as_it_was(settings, found.scheduler)
        whole = as_asked_before(settings, history)
    else:
        whole = settings
    if settings.share is not None and not settings.scheduler_asked:
        settings, whole = (replace(each, scheduler=LADDER, scheduler_asked=True) for each in (settings, whole))
    if reason := conflict(whole, settings.scheduler):
        given, told = give_way(whole, reason)
        return replace(settings, scheduler=given.scheduler), told
    check_share(whole)
    return settings, []


def as_asked_before(settings: Settings, history: Sequence[Totals]) -> Settings:
    """The settings with the totals of the run where they do not say any."""
    if not history:
        return settings
    last = history[-1]
    return replace(
        settings,
        num_samples=settings.num_samples or last.trials,
        epochs=settings.epochs or last.epochs,
        seeds=settings.seeds if settings.folds else settings.seeds or last.seeds,
    )


def as_recorded(settings: Settings, recorded: Record) -> Settings:
    """The settings with the rule of the run; a setting of that rule is the run's unless the settings say another value."""
    known = rules.flags(recorded)
    if known["scheduler"] == settings.scheduler:
        return settings
    usual = {key: getattr(Flags, key) for key in known if key != "scheduler"}
    return replace(
        settings,
        **{key: value for key, value in known.items() if key == "scheduler" or getattr(settings, key) == usual[key]},
    )


def as_it_was(settings: Settings, scheduler: str) -> list[str]:
    """A line if the run's rule is not its space's: why the space's rule gave way, or that --scheduler asked for the other."""
    if settings.scheduler == scheduler:
        return []
    reason = conflict(settings, settings.scheduler)
    given = give_way(settings, reason) if reason else None
    if given and given[0].scheduler == scheduler:
        return given[1]
    return [f"--scheduler {scheduler}, with which the run was started, in place of the space's {settings.scheduler}"]


def check_seeds_stay(settings: Settings, history: Sequence[Totals]) -> None:
    """Refuse several seeds for a run that has one seed and a rule that judges trials on arrival.

    Raises:
        UsageError: a run on one seed is to have more.
    """
    had = history[-1].seeds if history else 1
    if had > 1 or conflict(replace(settings, seeds=1), settings.scheduler):
        return
    if reason := conflict(settings, settings.scheduler):
        instead = holding(settings)
        raise UsageError(f"{settings.repeats}: {reason}. Start another search with --name NEW --scheduler {instead}.")


def conflict(settings: Settings, scheduler: str) -> str:
    """Why this rule cannot hold in this search; empty if it can."""
    rule = rules.rule(scheduler)
    if rule["name"] == "none":
        return ""
    if adaptive(settings.algorithm) and rules.waits(rule):
        return (
            f"{settings.algorithm} draws a point from how earlier trials ended, and with {scheduler} none ends before all points "
            "are drawn"
        )
    if settings.repeats and not rules.waits(rule):
        what = "folds" if settings.folds else "seeds"
        return f"{scheduler} judges a trial when it arrives, so it cannot judge the {what} of a configuration together"
    return ""


def holding(settings: Settings) -> str:
    """The rule to take where another one cannot hold."""
    return next(name for name in ("asha", LADDER, "none") if not conflict(settings, name))


def give_way(settings: Settings, reason: str) -> tuple[Settings, list[str]]:
    """The settings with a rule that holds in place of the space's, and a line that says so.

    Raises:
        UsageError: the rule that cannot hold was asked for.
    """
    instead = holding(settings)
    if settings.scheduler_asked:
        is_algorithm = rules.waits(rules.rule(settings.scheduler))
        cause = f"--algo {settings.algorithm}" if is_algorithm else settings.repeats
        instead_of_them = "leave out --folds" if settings.folds else "--confirm 3 in place of --seeds"
        other = "--algo random" if is_algorithm else instead_of_them
        raise UsageError(
            f"{cause} and --scheduler {settings.scheduler}: {reason}. Use --scheduler {instead}, or {other}."
        )
    told = "no early stopping" if instead == "none" else f"--scheduler {instead}"
    return replace(settings, scheduler=instead), [f"{told} in place of the space's {settings.scheduler}: {reason}"]


def check_share(settings: Settings) -> None:
    """Refuse a --share that is less than the least possible share.

    Raises:
        UsageError: --share was given, and so many points and epochs take more.
    """
    points = plan.size(settings.space, settings.algorithm, settings.num_samples)
    epochs = settings.epochs or settings.space.epochs
    told = too_small(identity.scheduler(settings), points, epochs)
    if settings.share is not None and told:
        least = percent(least_share(points, epochs, settings.audit))
        raise UsageError(
            f"--share {settings.share * 100:g}% is too small: {told}. Use --share {least}, or more points."
        )


def too_small(rule: Record, points: int, epochs: int) -> str:
    """Why the share of a ladder is too small; empty if it is not, or for another rule."""
    if rule["name"] != LADDER:
        return ""
    least = least_share(points, epochs, rule.get("audit", 0.0))
    if least <= rule["share"] + 1e-9:
        return ""
    verb = "takes" if points == 1 else "take"
    return (
        f"{plural(points, 'configuration')} of {plural(epochs, 'epoch')} {verb} at least {percent(least)} of all epochs"
    )


def percent(share: float) -> str:
    """A share in whole per cent, rounded up, so that --share with this number is not too small."""
    return f"{-(-round(share * 100, 6) // 1):.0f}%"
