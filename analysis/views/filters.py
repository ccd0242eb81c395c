"""Conditions on rows, such as `lr > 1e-3 and status == finished`; a condition is parsed and compared, never run as code."""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

from analysis.results.sections.leaderboard import WORDS
from search.status import Status
from trainables.config import unknown
from trainables.errors import UsageError

Row = Mapping[Any, Any]
Condition = Callable[[Row], bool]

STATUSES = {**{status: status for status in get_args(Status)}, **{word: status for status, word in WORDS.items()}}
MOST = 8  # values of a column that a message names
LONGEST = 1000  # characters of a condition, which also bounds the nesting that the parser sees
ORDER: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
EQUAL: dict[type, Callable[[Any, Any], bool]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
RULE = (
    "a condition is COLUMN OP VALUE with OP one of < <= > >= == !=, joined by and / or; quote a value such as '7f3a9c'"
)


def condition(text: str, columns: Iterable[str]) -> Condition:
    """Parse a condition on rows.

    A value is a number, a quoted text, True, False, or a bare word, which counts as text. An absent value fulfils `!=` alone.
    An accuracy is a fraction. A status may also be the word that tables show for it.

    Raises:
        UsageError: the text is no condition, names an unknown column, or has a value that no row could hold.
    """
    return combined(parsed(text), text, tuple(columns))


def parsed(text: str) -> ast.expr:
    """The syntax tree of a condition, before its names and values are checked.

    Raises:
        UsageError: the text is too long or cannot be parsed.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise refusal(text) from error


def combined(node: ast.expr, text: str, columns: tuple[str, ...]) -> Condition:
    """The condition of a syntax tree: a single comparison, or conditions joined by and / or."""
    if not isinstance(node, ast.BoolOp):
        return comparison(node, text, columns)
    parts = [combined(value, text, columns) for value in node.values]
    join = all if isinstance(node.op, ast.And) else any
    return lambda row: join(part(row) for part in parts)


def comparison(node: ast.expr, text: str, columns: tuple[str, ...]) -> Condition:
    """The condition that compares one column with one value."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Name | ast.Attribute)):
        raise refusal(text)
    column, kind, value = ast.unparse(node.left), type(node.ops[0]), constant(node.comparators[0], text)
    if column not in columns:
        raise UsageError(unknown("column", column, columns))
    value = meant(column, value)
    if kind in EQUAL:
        return lambda row: EQUAL[kind](row.get(column), value)
    if kind not in ORDER:
        raise refusal(text)
    return lambda row: ordered(row.get(column), value, ORDER[kind], column)


def meant(column: str, value: Any) -> Any:
    """The value as rows hold it, if tables show it differently: the status behind a word of the tables.

    Raises:
        UsageError: the value is a status that does not exist.
    """
    if column == "status" and isinstance(value, str):
        status = STATUSES.get(value.casefold())
        if status is None:
            raise UsageError(f"--filter: {unknown('status', value, STATUSES)}")
        return status
    return value


def check_kinds(text: str, rows: Sequence[Row]) -> None:
    """Refuse comparisons that no row could fulfil: of texts with a number, of numbers with a text, of a fraction with 91.

    Raises:
        UsageError: there is such a comparison.
    """
    columns = tuple(dict.fromkeys(str(key) for row in rows for key in row))
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name):
            comparison(node, text, columns)
            value = constant(node.comparators[0], text)
            written = ast.get_source_segment(text.strip(), node.comparators[0])
            check_kind(node.left.id, value, str(written), rows)
            check_fraction(node.left.id, value, rows)


def check_kind(column: str, value: Any, written: str, rows: Sequence[Row]) -> None:
    """Check one comparison for `check_kinds`; `written` is the value as the user typed it."""
    texts = {isinstance(row[column], str) for row in rows if row.get(column) is not None}
    if texts == {True} and not isinstance(value, str):
        raise UsageError(
            f"--filter: {column} holds texts, and {written} is a number. Quote it: {column} == '{written}'."
        )
    if texts == {False} and isinstance(value, str):
        raise UsageError(f"--filter: {column} holds numbers, and {written} is none.")


def check_fraction(column: str, value: Any, rows: Sequence[Row]) -> None:
    """Refuse to compare an accuracy with a number above 1, unless an accuracy of the rows is above 1, too.

    Raises:
        UsageError: there is such a comparison.
    """
    if not is_accuracy(column) or type(value) not in (int, float) or value <= 1:
        return
    if all(row[column] <= 1 for row in rows if type(row.get(column)) in (int, float)):
        instead = f"For {value:g} % write {value / 100:g}" if value <= 100 else "Write a fraction"
        raise UsageError(f"--filter: {column} is a fraction from 0 to 1, shown in per cent. {instead}.")


def is_accuracy(column: str) -> bool:
    """Whether a column of images is an accuracy; what a user's own column of that name is, only its values tell."""
    return "accuracy" in column


def unfulfilled(text: str, rows: Sequence[Row]) -> str:
    """Explain a condition that no row fulfils: the first comparison in it that no row fulfils, and the column's values.

    The text is empty if each comparison by itself is fulfilled by some row.
    """
    columns = tuple(dict.fromkeys(str(key) for row in rows for key in row))
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Compare) and not any(map(comparison(node, text, columns), rows)):
            column = ast.unparse(node.left)
            return f"no row has {ast.unparse(node)}: {held(column, [row.get(column) for row in rows])}"
    return ""


def held(column: str, values: Sequence[Any]) -> str:
    """The values of a column in words: their range for numbers, else up to MOST different values."""
    present = [value for value in values if value is not None]
    if not present:
        return f"none has a value of {column}"
    if all(type(value) in (int, float) for value in present):
        return f"{column} goes from {min(present):g} to {max(present):g}"
    different = sorted(set(map(str, present)))
    more = f" and {len(different) - MOST} more" if len(different) > MOST else ""
    return f"{column} is {', '.join(different[:MOST])}{more}"


def constant(node: ast.expr, text: str) -> Any:
    """The value of a literal, a negative number or a bare word in a condition.

    Raises:
        UsageError: the syntax is none of these.
    """
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
    """Compare two numbers or two texts by order; False if the row has no value.

    Raises:
        UsageError: one of them is a text and the other is a number.
    """
    if found is None:
        return False
    if isinstance(found, str) != isinstance(value, str):
        raise UsageError(f"--filter cannot order {column}: it holds {found!r}, which is not comparable with {value!r}.")
    return compare(found, value)


def refusal(text: str) -> UsageError:
    return UsageError(f"--filter {text[:80]!r} is not understood: {RULE}.")
