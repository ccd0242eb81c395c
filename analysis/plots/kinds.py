"""All kinds of plots. Each is a module of its name with a title, values (plain JSON) and a drawing.

A plot is made only if it says something about a run: for example, about a parameter that varied, a network size that varied, or
a winner that was tested.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from analysis.plots import confusion, learning_curves, mistakes, parallel, parameters, progress, rungs, size
from analysis.ranking.standing import Standing
from search.run.ledger import Run
from trainables import written
from trainables.objective import Objective

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pictures = dict[str, Mapping[str, Any]]


class Kind(Protocol):
    """What the module of each plot has."""

    TITLE: str  # {value} stands for what the run is ranked by

    def picture(self, run: Run, where: Standing, /) -> Mapping[str, Any] | None:
        """The values of the plot; None if they say nothing.

        The values need no matplotlib, so an unchanged plot is recognised and not drawn again.
        """

    def draw(self, picture: Any, /) -> "Figure":
        """The drawing of these values."""


KINDS: dict[str, Kind] = {
    "parameters": parameters, "parallel": parallel, "progress": progress, "size": size, "confusion": confusion,
    "mistakes": mistakes, "rungs": rungs, "learning_curves": learning_curves,
}  # fmt: skip
BESIDE_BOARD = ("parameters", "parallel", "progress", "size")  # others have a place of their own in the page


def title_of(name: str, objective: Objective) -> str:
    """The title of a plot, which names what the run is ranked by."""
    title = KINDS[name].TITLE.format(value=written.title(objective))
    return title[0].upper() + title[1:]


def pictures(run: Run, where: Standing) -> Pictures:
    """The values of the plots of a run by their names."""
    return dict(each_picture(run, where))


def each_picture(run: Run, where: Standing) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The names and values of the plots one after the other, so that one is drawn while the next is computed."""
    for name, kind in KINDS.items():
        if found := kind.picture(run, where):
            yield name, found
