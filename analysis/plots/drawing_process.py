"""Draw the plots of a run that are not there already. A process of its own draws those of a large run meanwhile.

Loading matplotlib and drawing take three seconds. With thousands of trials the rest of the results takes as long, and there is
a second core.
"""

import contextlib
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

from analysis.plots import fonts, style
from analysis.plots.kinds import KINDS
from trainables.cli import child
from trainables.cli.progress import one_line, say
from trainables.errors import ExpectedError
from trainables.files import durable

MANY = 1000  # trials for which a process of its own pays
LONGEST = 300  # characters of a reason that are shown


class Plot(NamedTuple):
    """One plot: the path of its file, its name in analysis/plots/kinds.py, and its values as JSON has them."""

    path: Path
    name: str
    values: Any


def write_all(plots: Iterable[Plot]) -> None:
    """Draw each plot that is not there already. One note names all plots that could not be drawn."""
    missing = {plot.name: why for plot in plots if (why := failure(plot))}
    if missing:
        why = next(iter(missing.values()))
        say(f"note: not drawn: {', '.join(missing)}: the first one failed with: {why}. The tables are complete.")


def failure(plot: Plot) -> str | None:
    """Draw a plot, and return why this failed; None if it succeeded.

    After a failure there is no plot, because an old plot would show other values. Every exception of the drawing library is
    caught, because the results are worth more than their plots.
    """
    try:
        write_plot(plot)
    except Exception as error:
        with contextlib.suppress(OSError):
            plot.path.unlink(missing_ok=True)
        told = error.message if isinstance(error, ExpectedError) else f"{type(error).__name__}: {error}"
        return one_line(told)[:LONGEST].rstrip(".")
    return None


def write_plot(plot: Plot) -> None:
    """Draw a plot, unless it is there already.

    Raises:
        StorageError: the disk refused.
        Exception: whatever matplotlib raises.
    """
    stamp = stamp_of(plot)
    if is_drawn(plot.path, stamp):
        return
    content = draw(plot.name, plot.values)
    durable.make_folder(plot.path.parent)
    durable.write(plot.path, content + stamp)


def draw(name: str, values: Any) -> bytes:
    """The plot as SVG. Warnings of matplotlib are not shown, because they do not matter to whoever searches."""
    with own_backend(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return style.drawn(name, KINDS[name].draw, values)


@contextlib.contextmanager
def own_backend() -> Iterator[None]:
    """Hide the backend that a notebook names in MPLBACKEND from matplotlib: no window or cell is drawn on."""
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked


def stamp_of(plot: Plot) -> bytes:
    """The comment that ends a plot: a hash of its values, of its fonts beside the usual one, and of its sources."""
    sources = b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in ("style", plot.name))
    own = json.dumps([plot.values, fonts.found_for(plot.values)[0]]).encode()
    return f"<!-- drawn from {durable.sha256(sources + own)} -->\n".encode()


def is_drawn(path: Path, stamp: bytes) -> bool:
    """Whether the plot is there and ends with this stamp. If so, it need not be drawn again, which takes a second."""
    return path.is_file() and path.read_bytes().endswith(stamp)


Wait = Callable[[], object]
Ask = Callable[[Iterable[Plot]], tuple[list[Plot], Wait]]  # each is drawn as soon as it is known


def ask_nobody(plots: Iterable[Plot]) -> tuple[list[Plot], Wait]:
    """Ask no other process: whoever asked draws the plots."""
    return list(plots), lambda: None


@contextlib.contextmanager
def for_one_of_many(runs: Sequence[Path]) -> Iterator[Ask]:
    """Yield a function that asks for plots: it asks another process if this is one run of many trials, else nobody."""
    if len(runs) == 1 and number_of_trials(runs[0]) >= MANY:
        with another_process() as ask:
            yield ask
    else:
        yield ask_nobody


def number_of_trials(run: Path) -> int:
    """The number of planned trials, without reading them as JSON; 0 if there is no plan."""
    try:
        return (run / "trials.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


@contextlib.contextmanager
def another_process() -> Iterator[Ask]:
    """Start a process that loads matplotlib at once, and yield a function that sends plots for it to draw.

    If the process dies, its plots are missing after the wait for the process.
    """
    with subprocess.Popen(
        child.command("analysis.plots.drawing_process"), env=child.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip

        def ask(plots: Iterable[Plot]) -> tuple[list[Plot], Wait]:
            assert process.stdin
            asked = []
            for plot in plots:
                send(process.stdin, plot)
                asked.append(plot)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            return asked, process.wait

        yield ask


def send(stream: IO[bytes], plot: Plot) -> None:
    """Send a plot as one line of JSON. Nothing is sent to a process that has died."""
    with contextlib.suppress(BrokenPipeError):
        stream.write(json.dumps((str(plot.path), plot.name, plot.values)).encode() + b"\n")
        stream.flush()


def received(line: str) -> Plot:
    """The plot that a line from `send` holds."""
    path, name, values = json.loads(line)
    return Plot(Path(path), name, values)


def load() -> None:
    """Import the modules that draw."""
    with own_backend():
        style.load()


def main() -> None:
    """Run the other process: one thread draws while this one reads, so that nobody waits for room in the pipe."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(load)
        for line in sys.stdin:
            thread.submit(write_plot, received(line))


if __name__ == "__main__":
    main()
