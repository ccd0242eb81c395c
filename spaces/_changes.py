"""A space changed for one run by --set; the texts of --set are read without running any code of theirs."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spaces import _parts, _words
from spaces._parameters import Parameters, Point, Range, by_axis, fits
from spaces._ranges import choice, integers, logintegers, loguniform, uniform
from spaces._space import Space
from trainables.config import DEFAULTS, KEYS, unknown
from trainables.errors import SpaceError
from trainables.parts.family import FAMILIES

CALLS: dict[str, Callable[..., Range]] = {
    "choice": choice, "uniform": uniform, "loguniform": loguniform, "integers": integers, "logintegers": logintegers,
}  # fmt: skip
DEFAULT = "default"  # --set depth=default: the space says nothing about it
LONGEST = 10_000  # characters of one text
LARGEST = 2**63  # whole numbers beyond are no hyperparameter, and overflow where one counts in floats


def changed(space: Space, texts: Sequence[str]) -> tuple[Space, list[str]]:
    """The space with these changes, and a line for each link that they cut and each new value of the baseline.

    Args:
        texts: KEY=VALUE each: a number, a name, values with commas between them, a range as in a space's file, or "default" for
            what trainables.config says.

    Raises:
        SpaceError: a text that cannot be read, an unknown key or value, or a space that no search could use.
    """
    if not texts:
        return space, []
    params, known = dict(space.params), names_known(space, texts)
    for text in texts:
        key, value = parse(text, known)
        if value == DEFAULT:
            params.pop(key, None)
        else:
            params[key] = value
    old = {**({} if space.is_own else DEFAULTS), **space.config(space.baseline)}
    try:
        baseline = moved(old, Parameters(params=params, train=space.train, command=space.command))
        return replace(space, params=params, baseline=baseline), [
            *unlinked(space, params),
            *notes(space, old, baseline),
        ]
    except SpaceError as error:
        raise SpaceError(f"--set {' '.join(texts)[:200]}: {error}") from error


def names_known(space: Space, texts: Sequence[str]) -> list[str]:
    """The hyperparameters that --set may name: those of the project's parts, of the space's own parts, and of parts set here.

    For own training they are the parameters of the space.
    """
    if space.is_own:
        return list(space.params)
    parts = (text.partition("=") for text in texts)
    chosen = {key.strip(): parse(f"{key}={value}")[1] for key, _, value in parts if key.strip() in FAMILIES}
    return list(dict.fromkeys((*KEYS, *space.own, *_parts.own_readers(chosen))))


def moved(old: Mapping[str, Any], given: Parameters) -> Point:
    """A baseline for new ranges: each old value that lies inside its range, else the middle of the range."""
    free = kept_or_middle(given.free, old)
    point = kept_or_middle(given.ranges(free), {**old, **free})
    return {key: point[key] for key in given.ranges(free)}


def kept_or_middle(ranges: Mapping[str, Range], old: Mapping[str, Any]) -> Point:
    point: Point = {}
    for members in by_axis(ranges):
        kept = fits(members, old)
        point |= {key: old[key] if kept else value.at(0.5) for key, value in members.items()}
    return point


def unlinked(space: Space, params: Mapping[str, Any]) -> list[str]:
    """A line for each parameter that no longer changes together with a parameter, because that one is now set by itself."""
    found = []
    for members in by_axis(space.ranges(space.baseline)):
        gone = [key for key, value in members.items() if params.get(key) is not value]
        kept = [key for key in members if key not in gone]
        found += [f"{key} no longer changes together with {' and '.join(gone)}" for key in kept if gone]
    return found


def notes(space: Space, old: Mapping[str, Any], baseline: Point) -> list[str]:
    """A line for each value of the baseline that the space's file did not give."""
    found = []
    for key, value in baseline.items():
        if key not in space.baseline or space.baseline[key] != value:
            why = "as before" if key in old and old[key] == value else "the middle of its range"
            found.append(f"baseline {key}={value}: {why}")
    return found


def parse(text: str, known: Sequence[str] = KEYS) -> tuple[str, Any]:
    """The hyperparameter of KEY=VALUE, which must be a known one or a kind of part, and its range or value.

    Raises:
        SpaceError: the text cannot be read, or the key is unknown.
    """
    key, equals, value = text.partition("=")
    key = key.strip().replace("-", "_")
    if not equals:
        raise SpaceError(f"--set {text[:200]!r}: write KEY=VALUE, such as lr=0.1.")
    if key == "epochs":
        raise SpaceError("--set epochs: the length of a trial is no parameter of a space. Use --epochs.")
    if key.rpartition(".")[2] not in known and key not in FAMILIES:
        raise SpaceError(f"--set: {unknown('hyperparameter', key[:200], [name for name in known if name != 'epochs'])}")
    if len(text) > LONGEST:
        raise SpaceError(f"--set {key}: {len(text)} characters are too long; at most {LONGEST}.")
    try:
        if key in FAMILIES and ":" in value:
            return key, parts(value)
        return key, read(ast.parse(value.strip(), mode="eval").body)
    except SpaceError as error:
        raise SpaceError(f"--set {key}: {error}") from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SpaceError(f"--set {text[:200]!r}: {getattr(error, 'msg', error)}. {HOW}") from error


def parts(text: str) -> Any:
    """Names of parts with commas between them, at least one of them with a colon in it: my_nets.py:FlowerNet,mlp."""
    found = [each.strip().strip("'\"") for each in text.strip().removeprefix("choice(").removesuffix(")").split(",")]
    return found[0] if len(found) == 1 else choice(*found)


HOW = "Write a number, a name, values with commas between them, or a range such as loguniform(1e-4, 1)."


def read(node: ast.expr) -> Any:
    """A value or range of a syntax tree; only the calls in CALLS are evaluated, with literal arguments."""
    if isinstance(node, ast.Tuple | ast.List):
        return choice(*map(literal, node.elts))
    if not isinstance(node, ast.Call):
        return literal(node)
    if not isinstance(node.func, ast.Name) or node.func.id not in CALLS:
        name = ast.unparse(node.func)[:200]
        raise SpaceError(_words.answer(name) or unknown("range", name, CALLS))
    try:
        named = {str(keyword.arg): literal(keyword.value) for keyword in node.keywords}
        return CALLS[node.func.id](*map(literal, node.args), **named)
    except TypeError as error:
        raise SpaceError(f"{error}. {HOW}") from error


def literal(node: ast.expr) -> int | float | str:
    """A number or a name, with or without quotes."""
    if isinstance(node, ast.Name):
        return node.id
    try:
        found = ast.literal_eval(node)
    except (ValueError, TypeError):
        found = None
    if type(found) not in (int, float, str):
        raise SpaceError(f"cannot read {ast.unparse(node)[:200]!r}. {HOW}")
    if isinstance(found, int) and abs(found) >= LARGEST:
        raise SpaceError(f"{str(found)[:30]}... is too large.")
    return found
