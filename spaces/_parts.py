"""Parts in a space: objects become the names that a plan writes down, and the knobs of a user's parts become known."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spaces._ranges import Choice, Interval, When
from trainables.config import Readers, readers
from trainables.parts import named, objects
from trainables.parts.family import FAMILIES, Family


def as_names(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, in which each part that is an object is replaced by its name, and each name has one spelling.

    Raises:
        SpaceError: an object that has no name.
    """
    found = {key: renamed(FAMILIES[key], value) if key in FAMILIES else value for key, value in params.items()}
    return {key: with_whole_names(value, found) if isinstance(value, When) else value for key, value in found.items()}


def renamed(family: Family, value: Any) -> Any:
    """A part, or a range of parts, by names."""
    if isinstance(value, Choice):
        return replace(value, values=tuple(renamed(family, each) for each in value.values))
    if isinstance(value, When):
        return replace(value, cases=tuple((name, renamed(family, case)) for name, case in value.cases))
    if isinstance(value, Interval):
        return value
    return objects.text_of(family, value) if objects.is_object(value) else named.canonical(value)


def with_whole_names(when: When, params: Mapping[str, Any]) -> When:
    """A when() with whole names of parts; its cases may use the function's or class's: FlowerNet for my_nets.py:FlowerNet."""
    short = {text.rpartition(":")[2]: text for text in parts_of(params, when.decider) if not named.is_built_in(text)}
    return replace(when, cases=tuple((short.get(name, name), case) for name, case in when.cases))


def parts_of(params: Mapping[str, Any], key: str) -> list[str]:
    """The names of the parts of one kind that the parameters give; a part that is used by default is not among them."""
    value = params.get(key) if key in FAMILIES else None
    values = value.bounds() if isinstance(value, Choice | When) else (value,)
    return [each for each in values if isinstance(each, str)]


def own_readers(params: Mapping[str, Any]) -> Readers:
    """The knobs of a user's own parts, by their names.

    Raises:
        SpaceError: a part that cannot be imported.
    """
    return readers(named.signature_of(FAMILIES[key], text) for key, text in own_parts(params))


def own_parts(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parts that are not built in: the kind of each and its name."""
    found = {(key, text) for key in FAMILIES for text in parts_of(params, key) if not named.is_built_in(text)}
    return sorted(found)
