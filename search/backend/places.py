"""Where the engines of a search are, and what each of them trains. No Ray.

A place is a GPU, or a node without any. An engine that dies is followed by another at its place under another id, so that one
death is one event, whoever tells of it and however often.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

OFTEN = 3  # deaths in a row at a place, after which nothing more is tried there


@dataclass
class Place:
    """A place, and the engine that is there now.

    Attributes:
        node: where its engines are started; none for wherever there is a GPU.
        id: of the engine.
        is_up: whether the engine takes trials.
        trials: that are in the engine.
        deaths: in a row, without a new row of a trial in between, and not counting those with one trial alone.
        idle: likewise, of engines in which no trial had begun.
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
        nodes: of each place.
        lanes: trials at once in an engine.
    """

    def __init__(self, nodes: Sequence[str | None], lanes: int) -> None:
        self.all = [Place(node) for node in nodes]
        self._lanes = lanes
        self._left: dict[int, str] = {}  # trials that an engine may still train although nobody listens

    @property
    def has_room(self) -> bool:
        """Whether an engine is up that has less than all its lanes full."""
        return any(place.is_up and len(place.trials) < self._lanes for place in self.all)

    def find(self, engine: str) -> Place | None:
        """Where this engine is; none if it has died."""
        return next((place for place in self.all if place.id == engine), None)

    def take(self, trial: int) -> str:
        """The engine for a trial: the one that may still train it, else the one with the fewest; there must be room."""
        place = self.find(self._left.pop(trial, ""))
        if place is None or not place.is_up:
            place = min((each for each in self.all if each.is_up), key=lambda each: (len(each.trials), each.deaths))
        place.trials.add(trial)
        return place.id

    def free(self, trial: int) -> None:
        """The turn of a trial is over."""
        for place in self.all:
            place.trials.discard(trial)

    def leave(self, trial: int) -> None:
        """Nobody listens to the rows of a trial any more; its engine may train on until it is asked for it again."""
        for place in self.all:
            if trial in place.trials:
                self._left[trial] = place.id

    def has_row(self, trial: int) -> None:
        """A trial has reported: its engine works."""
        for place in self.all:
            if trial in place.trials:
                place.deaths = place.idle = 0

    def died(self, place: Place, begun: int) -> bool:
        """An engine has died in which so many trials had begun; whether another is to be started there.

        A place is given up when engines die there again and again. The last one is kept as long as trials begin there: it is
        for them to be blamed.
        """
        place.id, place.is_up, place.trials = "", False, set()
        place.deaths += begun != 1  # where a trial was alone, it may be the trial
        place.idle += not begun
        if place.idle < OFTEN and (place.deaths < OFTEN or len(self.all) == 1):
            return True
        self.all.remove(place)
        return False
