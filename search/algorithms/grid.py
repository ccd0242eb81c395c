"""Every combination once."""

from spaces import Space
from trainables.errors import SpaceError


def check_grid(space: Space) -> None:
    """Raises SpaceError for a space that has more points than can be listed."""
    if not space.is_listed:
        endless = ", ".join(key for key, value in space.searched.items() if value.listed() is None)
        why = f"{endless} has a range" if endless else f"there are {space.combinations} combinations"
        raise SpaceError(f"a grid needs a few values of each parameter, but {why}. Use --algo random.")
