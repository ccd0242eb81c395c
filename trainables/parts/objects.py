"""Names of parts that are given as objects: a plan writes the name, and another process imports the part by it."""

import functools
import inspect
import sys
from typing import Any

from trainables.errors import SpaceError
from trainables.parts import whose
from trainables.parts.family import Family
from trainables.parts.named import APART


def is_object(value: Any) -> bool:
    """Whether a value is a part itself and not the name of one."""
    return callable(value) or (hasattr(value, "forward") and hasattr(value, "parameters"))


def text_of(family: Family, part: Any) -> str:
    """The name of a part that is given as an object.

    Raises:
        SpaceError: another process could not import the object; the message says what to write instead.
    """
    if reason := refusal(family, part):
        raise SpaceError(reason)
    module, name = sys.modules[part.__module__], part.__name__
    package, _, stem = module.__name__.rpartition(".")
    if package == f"trainables.{family.folder}" and stem == name:
        return str(name)
    if package.partition(".")[0] in ("torchvision", "timm") and inspect.isfunction(part):
        return f"{package.partition('.')[0]}:{name}"
    file = getattr(module, "__file__", None)
    own = module.__name__.removeprefix(APART)
    if file and whose.is_users(file) and not file.endswith("__init__.py"):
        return f"{own.replace('.', '/')}.py:{name}"
    return f"{own}:{name}"


def refusal(family: Family, part: Any) -> str | None:
    """The reason why an object cannot be a part, with what to write instead; None if the object can be a part."""
    key = family.key
    if isinstance(part, functools.partial):
        fixed = ", ".join(f"{name!r}: {value!r}" for name, value in part.keywords.items()) or "'NAME': VALUE"
        whole = getattr(part.func, "__name__", "NAME")
        return f"{key} is a partial, which has no name. Write {key!r}: {whole}, and fix its values beside it: {fixed}."
    if not (inspect.isclass(part) or inspect.isroutine(part)):
        made = type(part).__name__
        return f"{key} is an object of class {made}, which is shared by all trials. Write the class: {key!r}: {made}."
    name = part.__qualname__
    if name.endswith("<lambda>"):
        return (
            f"{key} is a lambda, which has no name. Write def my_{key}(...): at the top level, then {key!r}: my_{key}."
        )
    if "." in name:
        last = name.rpartition(".")[2]
        return f"{key} is {name}, which lies inside another. Move {last} to the top level of its file: {key!r}: {last}."
    if part.__module__ == "__main__":
        return f"{key} is {name} of the program itself. Move it to a file: {key!r}: 'my_parts.py:{name}'."
    if getattr(sys.modules.get(part.__module__), name, None) is not part:
        return f"{key} is {name}, but {part.__module__} has something else under that name. Give it a name of its own."
    return None
