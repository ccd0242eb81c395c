"""Fonts for names of any script: DejaVu Sans, which matplotlib brings along, and fonts of this machine for the rest."""

import contextlib
import functools
from collections.abc import Iterable
from typing import Any

from trainables.cli.progress import say

OWN = "DejaVu Sans"
PLACEHOLDERS = "Last Resort"  # fonts that have a box for every character
ORDINARY = 0x0530  # characters before this are Latin, Greek or Cyrillic: DejaVu Sans has them
PUNCTUATION = range(0x2000, 0x2070)  # and these
NAMED = 8  # characters that a note shows

Found = tuple[tuple[str, ...], frozenset[str]]  # families, and the characters that no font has


def families(values: Any) -> list[str]:
    """The font families that the texts in a plot's values need, as matplotlib wants them."""
    return [OWN, *found_for(values)[0]]


def tell_missing(values: Any) -> None:
    """Print a note about the characters of plots that no font on this machine has, if there are any."""
    missing = sorted(found_for(values)[1])
    if not missing:
        return
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    say(
        f"note: no font on this machine has {' '.join(missing[:NAMED])}{more}, so plots show boxes in their place. Install one, "
        "such as Noto (Debian: fonts-noto-cjk), and run the same command again."
    )


def found_for(values: Any) -> Found:
    """The font families that the texts need beside DejaVu Sans, and the characters that no font has.

    This is quick for ordinary texts.
    """
    characters = frozenset(filter(is_unusual, "".join(texts(values))))
    return look_for(characters) if characters else ((), frozenset())


def texts(values: Any) -> Iterable[str]:
    """Every text among nested values."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        yield from texts(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from texts(value)


def is_unusual(character: str) -> bool:
    """Whether DejaVu Sans may lack this character."""
    return ord(character) >= ORDINARY and ord(character) not in PUNCTUATION


@functools.cache
def look_for(characters: frozenset[str]) -> Found:
    """Families that have these characters, those with the most of them first; and the characters that no family has."""
    from matplotlib import font_manager

    left = characters - having(font_manager.findfont(OWN), characters)
    chosen, left = among_known(left)
    if left:
        add_new_fonts()
        more, left = among_known(left)
        chosen += more
    return chosen, left


def among_known(left: frozenset[str]) -> Found:
    """The result of `look_for` from the fonts that matplotlib knows already."""
    known, chosen = candidates(left), []
    while left and known:
        best = max(known, key=lambda name: (len(known[name] & left), *preference(name)))
        if not known[best] & left:
            break
        chosen.append(best)
        left -= known[best]
    return tuple(chosen), left


def add_new_fonts() -> None:
    """Add the fonts that were installed since matplotlib listed all fonts; matplotlib does not look again by itself."""
    from matplotlib import font_manager

    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            with contextlib.suppress(Exception):  # whatever is wrong with a font of somebody's, it is no font for us
                font_manager.fontManager.addfont(path)


def candidates(characters: frozenset[str]) -> dict[str, frozenset[str]]:
    """Upright families of ordinary weight, and which of the characters each has."""
    from matplotlib import font_manager

    fonts = font_manager.fontManager.ttflist
    upright = [font for font in fonts if font.style == "normal" and font.weight in (400, "normal", "regular", "book")]
    real = {font.name: font.fname for font in upright if not font.name.startswith(PLACEHOLDERS)} if characters else {}
    return {name: having(path, characters) for name, path in real.items()}


@functools.cache
def having(path: str, characters: frozenset[str]) -> frozenset[str]:
    """Which of the characters the font in a file has; none if the file cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        charmap = FT2Font(path).get_charmap()
    except Exception:  # as above
        return frozenset()
    return frozenset(character for character in characters if ord(character) in charmap)


def preference(name: str) -> tuple[bool, bool, str]:
    """A sort key for families with the same characters: no serifs, no fixed width, one form of Chinese characters."""
    return "Serif" not in name and "Mono" not in name, name.endswith(" SC"), name
