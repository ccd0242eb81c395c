"""The control groups (cgroups) of this process: those of its container or job and their parents; none except on Linux."""

from collections.abc import Iterator
from pathlib import Path

MOUNT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def read(controller: str, name: str, mount: Path = MOUNT, own: Path = OWN) -> Iterator[tuple[Path, str]]:
    """Yield each folder of the groups that has a file `name`, the innermost first, with the content of the file.

    Args:
        controller: the name of the controller in cgroup version 1, such as "cpu". Version 2 has no such names.
    """
    for folder in folders(controller, mount, own):
        try:
            yield folder, (folder / name).read_text().strip()
        except (OSError, ValueError):
            continue


def folders(controller: str, mount: Path, own: Path) -> Iterator[Path]:
    """The possible folders of the process's groups and of all their parents; some may not exist.

    The mount itself is among them. In a container the names in /proc/self/cgroup may not exist, and the mount is the container's
    own group.
    """
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
