"""Sentences about names that do not exist, with the closest name that does."""

import difflib
from collections.abc import Iterable


def unknown(what: str, given: object, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist, with the closest known name and all known names."""
    known = list(known)
    return f"unknown {what} {given!r}.{suggestion(given, known)} Known: {', '.join(known)}."


def suggestion(given: object, known: Iterable[str]) -> str:
    """The question "Did you mean ...?" with the closest name, and a space before it; empty if no name is close."""
    close = closest(given, known)
    return f" Did you mean {close[0]!r}?" if close else ""


def closest(given: object, known: Iterable[str], most: int = 1, cutoff: float = 0.5) -> list[str]:
    """The known names most like the given one, the closest first, at most `most`. The case of letters is ignored."""
    by_fold: dict[str, list[str]] = {}
    for name in known:
        by_fold.setdefault(name.casefold(), []).append(name)
    alike = difflib.get_close_matches(str(given).casefold(), by_fold, most, cutoff)
    return [name for fold in alike for name in by_fold[fold]][:most]
