"""Keeps account of where the engines of a search are, and which trials each engine trains. No Ray.

A place is a GPU, or a node without GPUs. When an engine dies, another engine with another id takes its place. So one death
counts once, however often it is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

OFTEN = 3  # deaths in a row at a place, after which nothing more is tried there


@dataclass
class Place:
    """A place, and the engine that is there now.

    Attributes:
        node: the node on which engines of this place are started; None for any node with a free GPU.
        id: the id of the engine; empty if there is none.
        is_up: whether the engine takes trials.
        trials: the trials in the engine.
        deaths: deaths of engines here since a trial last reported a row, without those in which exactly one trial had begun.
        idle: deaths of engines here since a trial last reported a row, only those in which no trial had begun.
    """

    node: str | None = None
    id: str = ""
    is_up: bool = False
    trials: set[int] = field(default_factory=set)
    deaths: int = 0
    idle: int = 0


class Places:
    """The places of one attempt.

    Args:
        nodes: the node of each place, see Place.
        lanes: number of trials at once in an engine.
    """

    def __init__(self, nodes: Sequence[str | None], lanes: int) -> None:
        self.all = [Place(node) for node in nodes]
        self._lanes = lanes
        self._left: dict[int, str] = {}  # trials that an engine may still train although nobody listens

    @property
    def has_room(self) -> bool:
        """Whether an engine is up and has a free lane."""
        return any(place.is_up and len(place.trials) < self._lanes for place in self.all)

    def find(self, engine: str) -> Place | None:
        """The place of an engine; None if the engine has died."""
        return next((place for place in self.all if place.id == engine), None)

    def take(self, trial: int) -> str:
        """Give a trial to an engine, and return the engine's id; an engine must have room.

        If an engine may still train the trial, this engine gets it. Else the engine with the fewest trials gets it; among
        several, the one whose place has the fewest deaths.
        """
        place = self.find(self._left.pop(trial, ""))
        if place is None or not place.is_up:
            place = min((each for each in self.all if each.is_up), key=lambda each: (len(each.trials), each.deaths))
        place.trials.add(trial)
        return place.id

    def free(self, trial: int) -> None:
        """Take a trial out of its engine, because the turn of the trial is over."""
        for place in self.all:
            place.trials.discard(trial)

    def leave(self, trial: int) -> None:
        """Note that nobody reads a trial's rows any more; its engine may train on until it gets the trial again."""
        for place in self.all:
            if trial in place.trials:
                self._left[trial] = place.id

    def has_row(self, trial: int) -> None:
        """Note that a trial has reported a row: its engine works, so earlier deaths at this place are forgotten."""
        for place in self.all:
            if trial in place.trials:
                place.deaths = place.idle = 0

    def died(self, place: Place, begun: int) -> bool:
        """Note the death of an engine in which `begun` trials had begun; return whether to start another engine there.

        A place is given up after OFTEN deaths. The last place is kept as long as trials begin there, because then the deaths
        are judged trial by trial.
        """
        place.id, place.is_up, place.trials = "", False, set()
        place.deaths += begun != 1  # where a trial was alone, it may be the trial
        place.idle += not begun
        if place.idle < OFTEN and (place.deaths < OFTEN or len(self.all) == 1):
            return True
        self.all.remove(place)
        return False
