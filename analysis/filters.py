"""Conditions on rows, such as `lr > 1e-3 and status == finished`: parsed as syntax and compared here, never run."""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trainables.config import unknown
from trainables.errors import UsageError

Row = Mapping[Any, Any]
Condition = Callable[[Row], bool]

LONGEST = 1000  # characters of a condition: nesting is bounded before the parser sees it
ORDER: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
EQUAL: dict[type, Callable[[Any, Any], bool]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
RULE = (
    "a condition is COLUMN OP VALUE with OP one of < <= > >= == !=, joined by and / or; quote a value such as '7f3a9c'"
)


def condition(text: str, columns: Iterable[str]) -> Condition:
    """The condition that text describes.

    A value is a number, a quoted text, True, False, or a bare word, which is a text. An absent value fulfils `!=` alone.

    Raises:
        UsageError: the text is no condition, or names no column.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise refusal(text) from error
    return combined(tree, text, tuple(columns))


def combined(node: ast.expr, text: str, columns: tuple[str, ...]) -> Condition:
    """Conditions joined by and / or, or a single one."""
    if not isinstance(node, ast.BoolOp):
        return comparison(node, text, columns)
    parts = [combined(value, text, columns) for value in node.values]
    join = all if isinstance(node.op, ast.And) else any
    return lambda row: join(part(row) for part in parts)


def comparison(node: ast.expr, text: str, columns: tuple[str, ...]) -> Condition:
    """One column against one value."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Name)):
        raise refusal(text)
    column, kind, value = node.left.id, type(node.ops[0]), constant(node.comparators[0], text)
    if column not in columns:
        raise UsageError(unknown("column", column, columns))
    if kind in EQUAL:
        return lambda row: EQUAL[kind](row.get(column), value)
    if kind not in ORDER:
        raise refusal(text)
    return lambda row: ordered(row.get(column), value, ORDER[kind], column)


def constant(node: ast.expr, text: str) -> Any:
    """The value of a literal, a negative number or a bare word."""
    if isinstance(node, ast.Name):
        return node.id
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    value: Any = node.value if isinstance(node, ast.Constant) else None
    if type(value) in (int, float):
        return sign * value
    if sign == 1 and type(value) in (str, bool):
        return value
    raise refusal(text)


def ordered(found: Any, value: Any, compare: Callable[[Any, Any], bool], column: str) -> bool:
    """An order between two numbers or two texts.

    Raises:
        UsageError: between a number and a text there is none.
    """
    if found is None:
        return False
    if isinstance(found, str) != isinstance(value, str):
        raise UsageError(f"--filter cannot order {column}: it holds {found!r}, which is not comparable with {value!r}.")
    return compare(found, value)


def refusal(text: str) -> UsageError:
    return UsageError(f"--filter {text[:80]!r} is not understood: {RULE}.")
