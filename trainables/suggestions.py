"""Names that do not exist: the sentence that has the closest one."""

import difflib
from collections.abc import Iterable


def unknown(what: str, given: object, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist: the closest one, and all of them."""
    known = list(known)
    return f"unknown {what} {given!r}.{suggestion(given, known)} Known: {', '.join(known)}."


def suggestion(given: object, known: Iterable[str]) -> str:
    """The question whether the closest name was meant, with a space before it; nothing if none is close."""
    close = closest(given, known)
    return f" Did you mean {close[0]!r}?" if close else ""


def closest(given: object, known: Iterable[str], most: int = 1, cutoff: float = 0.5) -> list[str]:
    """The names most like what was given, best first, whatever the case of the letters."""
    by_fold: dict[str, list[str]] = {}
    for name in known:
        by_fold.setdefault(name.casefold(), []).append(name)
    alike = difflib.get_close_matches(str(given).casefold(), by_fold, most, cutoff)
    return [name for fold in alike for name in by_fold[fold]][:most]
