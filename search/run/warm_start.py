"""The best points of an earlier run, tried right after the baseline; its images or its space may be others."""

from collections.abc import Collection
from operator import attrgetter
from pathlib import Path

from search.run import ledger, order
from search.run.resume import names
from search.settings import Settings
from spaces import Point, Space, by_axis, fits
from trainables.config import Config, key_of, unknown
from trainables.errors import RunError
from trainables.files.durable import Record

BEST = 5  # points that are taken over


def start(folder: Path, settings: Settings, name: str | None) -> tuple[Record | None, list[str]]:
    """The warm start of a run, and a line for each point that could not be taken over.

    An existing run holds its points already, so the earlier run is not read again and may be gone.

    Args:
        name: of the earlier run under the same folder of runs, or its path; none if --warm-start was not given.

    Raises:
        RunError: there is no such run, or the existing run was started otherwise.
    """
    if ledger.has_begun(folder):
        return recorded(folder, name), []
    if name is None:
        return None, []
    under = settings.runs_dir / name
    places = [place for place in (under, Path(name)) if (place / "run.json").exists()]
    if not places:
        known = names(settings.runs_dir)
        raise RunError(
            unknown("run", name, known) if known else f"unknown run {name!r}: {settings.runs_dir} holds no run."
        )
    earlier = ledger.read(places[0])
    points, notes = take_over(settings.space, earlier)
    return {"run": earlier.folder.resolve().name, "points": points}, notes


def recorded(folder: Path, name: str | None) -> Record | None:
    """The warm start of an existing run; None if the run has none.

    Raises:
        RunError: `name` is another run than the one that this run was started from.
    """
    warm: Record | None = ledger.read_identity(folder).warm_start
    started = warm["run"] if warm else None
    if name is not None and Path(name).resolve().name != started:
        was = f"from {started}" if started else "without --warm-start"
        raise RunError(
            f"not the same search: {folder}: it was started {was}. Leave out --warm-start, or start another search with "
            "--name NEW."
        )
    return warm


def best(run: ledger.Run) -> list[ledger.Trial]:
    """The first trial of each configuration that was measured, best first.

    Configurations that fresh seeds confirmed come first, in the order of their values there. The other configurations follow in
    the order of the search.
    """
    fresh = run.fresh_trials
    over = all(trial.ended for trial in fresh)
    confirmed = order.configurations(fresh if over else [], run.totals.confirm_seeds)
    confirmed = [group for group in confirmed if all(trial.status == "finished" for trial in group)]
    searched = order.configurations(run.search_trials, run.totals.seeds)
    first: dict[str, ledger.Trial] = {}
    for trial in sorted(run.trials, key=attrgetter("index")):
        if trial.best and trial.status != "diverged":
            first.setdefault(key_of(trial.config), trial)
    names = dict.fromkeys(key_of(group[0].config) for group in (*confirmed, *searched))
    return [first[name] for name in names if name in first]


def take_over(space: Space, earlier: ledger.Run) -> tuple[list[Point], list[str]]:
    """The best points of a run that lie inside the space, at most BEST, and a line for each better point that does not."""
    points: list[Point] = []
    notes = []
    for trial in best(earlier):
        if len(points) == BEST:
            break
        known = translated(space, trial.config, earlier.identity.space_params)
        ranges = space.ranges(known)
        outside = [", ".join(members) for members in by_axis(ranges) if not fits(members, known)]
        refusal = None if outside else space.refusal(space.config({key: known[key] for key in ranges}))
        if outside or refusal:
            why = f"{', '.join(outside)} outside the space" if outside else refusal
            notes.append(f"warm start: trial {trial.label} is left out: {why}")
        else:
            points.append({key: known[key] for key in ranges})
    return points, notes[:BEST] + ([f"warm start: {len(notes) - BEST} more are left out"] if len(notes) > BEST else [])


def translated(space: Space, config: Config, was_searched: Collection[str]) -> Point:
    """A configuration of an earlier run as a point of this space.

    A parameter that the configuration lacks has the baseline's value. So has a parameter whose value lies outside its range, if
    the earlier run had fixed it.
    """
    point = {**space.baseline, **{key: config[key] for key in space.searched if key in config}}
    for members in by_axis(space.ranges(point)):
        if not fits(members, point) and not any(key in was_searched for key in members):
            point |= {key: space.baseline[key] for key in members if key in space.baseline}
    return point
