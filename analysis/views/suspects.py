"""Validation images whose labels are probably wrong, as md, csv or json."""

from collections.abc import Sequence

from analysis.diagnostics.suspects import Found, Suspect
from analysis.frame.dataframe import Row
from analysis.render.blocks import Foreign, Table, paragraphs
from analysis.render.markdown import rendered
from analysis.results.rows import as_csv, as_json
from trainables.written import count, plural

SHOWN = 50  # in a table


def listed(found: Found, classes: Sequence[str], names: Sequence[str], form: str) -> str:
    """List the images whose labels are probably wrong, as md, csv or json.

    Args:
        names: the name of each validation image; shorter than the images, or empty, if names are unknown.
    """
    rows = [row(each, classes, names, found.networks) for each in found.suspects]
    if form == "json":
        return as_json(rows)
    if form == "csv":
        return as_csv(rows)
    header = tuple(map(str, rows[0])) if rows else ()
    table = (
        Table(header, tuple(tuple(Foreign(str(cell)) for cell in each.values()) for each in rows[:SHOWN]), "rllrl"),
    )
    return rendered((*paragraphs(told(found)), *(table if rows else ()))) + "\n"


def told(found: Found) -> str:
    """A sentence with the number of suspects, of validation images and of networks."""
    number = len(found.suspects)
    shown = f" The first {SHOWN} are shown." if number > SHOWN else ""
    whose = f"all of the best {found.good} of {plural(found.networks, 'finished network')}"
    verb = "is" if number < 2 else "are"
    taken = f"of {plural(found.images, 'validation image')} {verb} taken for one and the same other class"
    look = "Its label may be wrong, or it is hard" if number == 1 else "Their labels may be wrong, or they are hard"
    if not number:
        return f"None {taken} by {whose}."
    return f"{count(number)} {taken} by {whose}. {look}: look at {'it' if number == 1 else 'them'}.{shown}"


def row(each: Suspect, classes: Sequence[str], names: Sequence[str], networks: int) -> Row:
    return {
        "position": each.position,
        "label": classes[each.label],
        "taken_for": classes[each.said],
        "networks": f"{each.agreeing} of {networks}",
        "image": names[each.position] if each.position < len(names) else "",
    }
