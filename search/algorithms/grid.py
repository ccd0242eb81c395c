"""Every combination once, in the order of the space."""

from collections.abc import Iterator

from search.algorithms.base import IsNew, Planned
from spaces import Point, Space
from trainables.errors import SpaceError


class Grid(Planned):
    def size(self, space: Space, asked: int | None) -> int:
        """The number of points: what is asked for, at most the whole grid; by default the whole grid."""
        check_grid(space)
        return min(asked or len(space.grid), len(space.grid))

    def points(self, space: Space, seed: int, first: int, is_new: IsNew) -> Iterator[Point]:
        check_grid(space)
        return filter(is_new, space.grid)


def check_grid(space: Space) -> None:
    """Raises SpaceError for a space that has more points than can be listed."""
    if not space.is_listed:
        endless = [key for key, value in space.searched.items() if value.listed() is None]
        ranges = f"{', '.join(endless)} {'has a range' if len(endless) == 1 else 'have ranges'}"
        why = ranges if endless else f"there are {space.combinations} combinations"
        raise SpaceError(f"a grid needs a list of values for each parameter, but {why}. Use --algo random.")


ALGORITHM = Grid()
