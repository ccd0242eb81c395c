"""The hyperparameters (knobs) of a part: the parameters of its function or class that the trainer does not give.

The knobs of built-in parts are read from the source without importing it, so that `--help` does not import torch. The knobs of a
user's part are read from the imported object. A test checks that both ways give equal knobs.
"""

import ast
import inspect
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from trainables.errors import SpaceError
from trainables.parts import bounds
from trainables.parts.bounds import Limit

Value = bool | int | float | str | None
KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
LIMITS: dict[str, Callable[..., Limit]] = {"between": bounds.between, "above": bounds.above, "among": bounds.among}
ARTICLES = {int: "an integer", float: "a number", bool: "True or False", str: "a text"}


class Nothing:
    """The class of NOTHING, which marks a parameter without a default."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING = Nothing()


@dataclass(frozen=True)
class Knob:
    """One hyperparameter of a part.

    Attributes:
        kind: the type of its values; None if the part does not say.
        default: NOTHING if a configuration must give a value.
        bounds: the limits of its values; None for no limits.
        may_be_none: whether None is a value.
    """

    name: str
    kind: type | None
    default: Any = NOTHING
    bounds: Limit | None = None
    may_be_none: bool = False

    @property
    def is_required(self) -> bool:
        return self.default is NOTHING

    def typed(self, value: Any) -> Any:
        """The value with a number converted to the type of this knob: 2 for a width of 2.0, 1.0 for a rate of 1."""
        if self.kind is int and type(value) is float and value.is_integer():
            return int(value)
        return (
            float(value) + 0.0 if self.kind is float and type(value) in (int, float) else value
        )  # + 0.0 makes 0.0 of -0.0

    def check(self, value: Any, whose: str = "") -> None:
        """Refuse a value that the part cannot take.

        Raises:
            SpaceError: the value is refused; the message has the rule and the value.
        """
        value = self.typed(value)
        if value is None and self.may_be_none:
            return
        is_kind = isinstance(value, Value) if self.kind is None else type(value) is self.kind
        is_kind = is_kind and not (type(value) is float and not math.isfinite(value))
        if not is_kind or (self.bounds and value not in self.bounds):
            advice = self.bounds.advice(value) if is_kind and self.bounds else ""
            raise SpaceError(f"{self.name}{whose} must be {self.rule()}, but got {value!r}.{advice}")

    def rule(self) -> str:
        """The rule for the values of this knob in words."""
        if self.bounds:
            return self.bounds.rule(self.kind is int)
        return ARTICLES.get(self.kind, "None, a number, a text, True or False") if self.kind else "a plain value"


Signature = Mapping[str, Knob]


def from_source(path: Path, name: str, given: Iterable[str], first: int, of_class: int) -> Signature | None:
    """The knobs of the function or class `name` of a file; None if its top level has no such function or class.

    Args:
        given: names of parameters that the trainer gives.
        first: number of arguments of a function that the trainer gives by position, whatever their names are.
        of_class: this number for a class.
    """
    text = path.read_text("utf-8")
    if f" {name}(" not in text and f" {name}:" not in text:
        return None  # faster than parsing the file
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return of_arguments(node.args, given, first)
        if isinstance(node, ast.ClassDef) and node.name == name:
            makers = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
            return of_arguments(makers[0].args, given, 1 + of_class) if makers else {}
    return None


def of_arguments(arguments: ast.arguments, given: Iterable[str], first: int) -> Signature:
    """The knobs among the parameters of a definition in a source file."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults]
    pairs = list(zip(positional, defaults, strict=True))[max(first, len(arguments.posonlyargs)) :]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    knobs = (written(each, default) for each, default in pairs if each.arg not in set(given))
    return {each.name: each for each in knobs if each}


def written(argument: ast.arg, default: ast.expr | None) -> Knob | None:
    """The knob of a parameter in a source file; None if its default cannot be a value of a configuration."""
    value = NOTHING if default is None else ast.literal_eval(default)
    hint, limit = argument.annotation, None
    if isinstance(hint, ast.Subscript) and isinstance(hint.slice, ast.Tuple):
        hint, call = hint.slice.elts
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name), "Annotated[TYPE, between(LOW, HIGH)]"
        limit = LIMITS[call.func.id](*map(ast.literal_eval, call.args))
    may_be_none = isinstance(hint, ast.BinOp)
    name = hint.left if isinstance(hint, ast.BinOp) else hint
    return knob(argument.arg, KINDS.get(name.id) if isinstance(name, ast.Name) else None, value, limit, may_be_none)


def from_object(part: Any, given: Iterable[str], first: int) -> Signature:
    """The knobs of a function or class.

    Args:
        given: names of parameters that the trainer gives.
        first: number of arguments that the trainer gives by position.

    Raises:
        SpaceError: Python cannot read its parameters.
    """
    try:
        parameters = list(inspect.signature(part).parameters.values())
    except (TypeError, ValueError) as error:
        raise SpaceError(
            f"cannot read the parameters of {part!r}: {error}. Wrap it in a function of your own."
        ) from error
    hints = hints_of(part)
    mine = [each for each in parameters[first:] if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    knobs = (of_parameter(each, hints.get(each.name)) for each in mine if each.name not in set(given))
    return {each.name: each for each in knobs if each}


def hints_of(part: Any) -> Mapping[str, Any]:
    """The annotations of the parameters of a part. An annotation that cannot be evaluated is left out."""
    function = inspect.unwrap(part.__init__ if inspect.isclass(part) else part)
    found = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        try:
            found[name] = (
                eval(hint, function.__globals__) if isinstance(hint, str) else hint
            )  # a text of the user's own code
        except Exception:  # whatever the text of an annotation raises when it is read
            continue
    return found


def of_parameter(parameter: inspect.Parameter, hint: Any) -> Knob | None:
    """The knob of a parameter of an imported object; None if its default cannot be a value of a configuration."""
    value = NOTHING if parameter.default is parameter.empty else parameter.default
    limit = None
    if typing.get_origin(hint) is Annotated:
        hint, *more = typing.get_args(hint)
        limit = next((each for each in more if isinstance(each, Limit)), None)
    parts = [each for each in typing.get_args(hint) if each is not type(None)]
    may_be_none = len(parts) == 1 and type(None) in typing.get_args(hint)
    kind = parts[0] if may_be_none else hint
    return knob(parameter.name, kind if kind in KINDS.values() else None, value, limit, may_be_none)


def knob(name: str, kind: type | None, default: Any, limit: Limit | None, may_be_none: bool) -> Knob | None:
    """A Knob; None if its default cannot be a value of a configuration, so that the part always uses its default."""
    if default is not NOTHING and not isinstance(default, Value):
        return None
    if kind is None and default is not NOTHING and default is not None:
        kind = type(default)
    made = Knob(name, kind, default, limit, may_be_none or default is None)
    return Knob(name, kind, made.typed(default), limit, made.may_be_none)
