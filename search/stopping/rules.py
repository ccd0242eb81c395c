"""The scheduler of run.json: how it is made from the flags, read back and followed. Each rule is a file of its own.

A rule that changes gets another version, which stands beside its name in run.json. A run keeps the version that it was started
with, and `verify` goes by that version.
"""

import functools
import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from search.flags import OF_A_RULE, SHARE, Flags
from search.stopping.base import Rule, Sharing, Waiting, version_of
from spaces import Scheduler
from trainables.files.durable import Record
from trainables.objective import Objective
from trainables.seeds import derive


@functools.cache
def named(name: str) -> Rule:
    """The rule of one of Scheduler.NAMES: the object RULE of the file with that name."""
    found: Rule = importlib.import_module(f"search.stopping.{name}").RULE
    return found


def of(scheduler: Record) -> Rule:
    """The rule of a scheduler of run.json; a rule that only a later program knows stops nothing here."""
    name = scheduler["name"]
    return named(name if name in Scheduler.NAMES else "none")


def waits(scheduler: Record) -> bool:
    """Whether trials wait for each other at the rungs of this scheduler."""
    return isinstance(of(scheduler), Waiting)


def cuts(scheduler: Record) -> bool:
    """Whether this scheduler decides by cuts (search/stopping/cuts.py); if so, totals.jsonl has the places of each rung."""
    found = of(scheduler)
    return isinstance(found, Waiting) and version_of(scheduler) >= found.cuts_since


def places(scheduler: Record, planned: int, epochs: int) -> list[tuple[int, int]]:
    """The epoch of each rung of a rule that waits, and how many configurations may go on; see `Waiting.places`."""
    found = of(scheduler)
    assert isinstance(found, Waiting), "only such a rule has whole rungs"
    return list(found.places(scheduler, planned, epochs))


def decisive(scheduler: Record, epochs: int) -> Sequence[int]:
    """The epochs, ascending, after which this scheduler of run.json decides; the last epoch is never among them."""
    return of(scheduler).rungs(scheduler, epochs)


def rule(
    name: str,
    grace_period: int = Flags.grace_period,
    reduction_factor: int = Flags.reduction_factor,
    audit: float = Flags.audit,
    share: float = SHARE,
) -> Record:
    """A scheduler as run.json has it; a setting that the rule does not read has the value that describes the rule.

    Args:
        name: as spaces.Scheduler.parse reads it.
    """
    scheduler = Scheduler.parse(name)
    found = named(scheduler.name)
    if not (settings := found.settings(grace_period, reduction_factor, scheduler.budget, share)):
        return {"name": scheduler.name}
    since = {"version": found.version} if found.version > 1 else {}
    return {"name": scheduler.name, **settings, **({"audit": audit} if audit else {}), **since}


def is_known(scheduler: Record) -> bool:
    """Whether this program has the version of the rule; a later program may have written another."""
    return version_of(scheduler) in range(1, of(scheduler).version + 1)


def continued(asked: Record, recorded: Any) -> Record:
    """The rule that is asked for; if the run was started with the same rule, in the version that the run has.

    Args:
        recorded: the scheduler in run.json, unchecked, so it may be anything.
    """
    if not isinstance(recorded, dict) or recorded.get("name") != asked["name"]:
        return asked
    kept = {"version": recorded["version"]} if "version" in recorded else {}
    return {key: value for key, value in asked.items() if key != "version"} | kept


def unread(name: str, grace_period: int, reduction_factor: int, share: float | None = None) -> list[str]:
    """The settings that are not at their defaults and that this scheduler does not read."""
    asked = {"grace_period": grace_period, "reduction_factor": reduction_factor}
    usual, own = rule("asha"), rule(name, grace_period, reduction_factor)
    found = [key for key, value in asked.items() if value != usual[key] and value != own.get(key)]
    return found + (["share"] if share is not None and "share" not in own else [])


def label(scheduler: Record) -> str:
    """A scheduler of run.json by the name that --scheduler has for it."""
    return str(Scheduler(scheduler["name"], scheduler.get("budget")))


def flags(scheduler: Record) -> Record:
    """The flags that lead to a scheduler of run.json, by their names in Settings; no flag has the version."""
    read = {key: scheduler[key] for key in OF_A_RULE if key in scheduler}
    return {"scheduler": label(scheduler), **read}


def is_audited(scheduler: Record, seed: int, trial: int) -> bool:
    """Whether this trial runs to the end even if the rule stops it; audited trials are a share of all, drawn at random."""
    share: float = scheduler.get("audit", 0.0)
    return derive(seed, "audit", trial) < share * 2**63


def quota(scheduler: Record, epoch: int, planned: int, arrived: int) -> int:
    """How many trials may go on from a whole rung; see `Sharing.quota`."""
    found = of(scheduler)
    assert isinstance(found, Sharing), "only such a rule keeps a share of whole rungs"
    return found.quota(scheduler, epoch, planned, arrived)


def survivors(values: Mapping[int, float], count: int, objective: Objective) -> set[int]:
    """The best `count` trials of a whole rung, the first planned on ties."""
    best_first = sorted(values, key=lambda trial: (objective.place(values[trial]), trial))
    return set(best_first[:count])


def least(values: Mapping[int, float], going_on: Collection[int], objective: Objective) -> float | None:
    """The cutoff of a whole rung: the worst value of the trials that go on; None if no trial goes on."""
    return max((values[trial] for trial in going_on), key=objective.place, default=None)
