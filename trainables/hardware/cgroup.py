"""The control groups of this process: of its container or job, and those around it; none on other systems."""

from collections.abc import Iterator
from pathlib import Path

MOUNT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def read(controller: str, name: str, mount: Path = MOUNT, own: Path = OWN) -> Iterator[tuple[Path, str]]:
    """Each folder of these groups that has a file of this name, the innermost first, with what it says.

    Args:
        controller: as the first version names it, such as "cpu"; the second has no names.
    """
    for folder in folders(controller, mount, own):
        try:
            yield folder, (folder / name).read_text().strip()
        except (OSError, ValueError):
            continue


def folders(controller: str, mount: Path, own: Path) -> Iterator[Path]:
    """Those of the process and all above; in a container the outer names are unknown, and what is mounted is its own."""
    try:
        lines = own.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        number, names, place = line.split(":", 2)
        if number == "0" and not names:
            roots = [mount, mount / "unified"]
        elif controller in names.split(","):
            roots = [mount / controller, mount / names]
        else:
            continue
        inside = Path(place.lstrip("/"))
        yield from (root / part for root in roots for part in (inside, *inside.parents))
