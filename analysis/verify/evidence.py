"""Read the files of a run as records with their places, and collect violations in the order in which they are found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.records import Shape
from trainables.errors import ExpectedError, RunError
from trainables.files import durable
from trainables.files.durable import Record

WHOLE = (int,)
NUMBER = (int, float)
TEXT = (str,)


@dataclass(frozen=True)
class Line:
    """One record of a ledger."""

    where: str  # file:line, the file relative to the run
    record: Record


class Evidence:
    """The files of a run folder and the list of its violations; a file that cannot be read adds a violation, no error."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.problems: list[str] = []

    def wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def relative(self, path: Path) -> str:
        return path.relative_to(self.run).as_posix()

    def content(self, path: Path) -> bytes | None:
        """The bytes of a file; None if the file does not exist or cannot be read."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.wrong(self.relative(path), f"cannot be read: {error.strerror}")
            return None

    def lines(self, path: Path, shape: Shape) -> list[Line]:
        """The committed records of a ledger that have this shape; lines after a damaged line are not read."""
        found = []
        for number, data in enumerate((self.content(path) or b"").split(b"\n")[:-1], 1):
            where = f"{self.relative(path)}:{number}"
            record = self._parsed(data, where)
            if record is None:
                break
            if self.has_shape(where, record, shape):
                found.append(Line(where, record))
        return found

    def object(self, path: Path, shape: Shape) -> Record | None:
        """The single JSON object of a file; None if the file does not exist or the object does not have this shape."""
        data = self.content(path)
        record = None if data is None else self._parsed(data, f"{self.relative(path)}:1")
        if record is None or not self.has_shape(f"{self.relative(path)}:1", record, shape):
            return None
        return record

    def _parsed(self, data: bytes, where: str) -> Record | None:
        try:
            return durable.parse(data, where)
        except RunError as error:
            self.wrong(where, fault(error).removeprefix(f"damaged record: {where}: "))
            return None

    def has_shape(self, where: str, record: Any, shape: Shape) -> bool:
        """Whether a record has every key of the shape with a value of its type; each fault is recorded as a violation."""
        if not isinstance(record, dict):
            self.wrong(where, "not a JSON object")
            return False
        bad = [key for key, types in shape.items() if key not in record or not fits(record[key], types)]
        for key in bad:
            self.wrong(where, f"{key} is {record[key]!r}" if key in record else f"{key} is missing")
        return not bad


def fault(error: ExpectedError) -> str:
    """The message of an error without its next step; `remedy` gives one next step for the whole folder."""
    return error.message.rpartition(". ")[0] or error.message


def fits(value: Any, types: tuple[type, ...]) -> bool:
    """Whether a value has one of these types; a whole number must also fit into 64 bits with its sign."""
    return type(value) in types and (type(value) is not int or abs(value) < 1 << 63)
