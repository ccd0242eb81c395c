"""How every plot looks: readable on white and on black, same bytes for the same values. matplotlib loads when one is drawn."""

import importlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from analysis.plots import fonts
from analysis.render.markdown import rate
from trainables.written import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's, for colour-blind eyes
BLUE, ORANGE = COLOURS[:2]
GREY = "#757575"  # can be read on white and on black: a contrast of 4.6 with either

STYLE: dict[str, Any] = {"svg.fonttype": "path", "font.size": 9}
STYLE |= {"text.parse_math": False}  # $ in a name is no formula
STYLE |= {"text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY}


def load() -> None:
    """Import what draws, which takes a second."""
    for name in ("figure", "ticker", "backends.backend_svg"):
        importlib.import_module(f"matplotlib.{name}")


def drawn(name: str, draw: "Callable[[Any], Figure]", picture: Any) -> bytes:
    """A plot as SVG, without date and version, so that the bytes depend on its values alone."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        own = {"svg.hashsalt": name.replace("_", " "), "font.family": fonts.families(picture)}
        matplotlib.rcParams.update(STYLE | own)  # type: ignore[arg-type]
        draw(picture).savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def sheet(width: float, height: float) -> "Figure":
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def frame(axes: "Axes", across: str, up: str) -> None:
    """Grid and names."""
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def logarithmic(axes: "Axes") -> None:
    """Decades, written without formulas."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def counted(axis: "Axis") -> None:
    """Numbers of things: 1,197."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: count(round(value))))


def whole(axis: "Axis", **asked: int) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, **asked))
