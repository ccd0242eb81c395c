"""Bytes of real files with a few of them changed, by the million: the readers take them or refuse them with an error of ours.

Plain random mutations, without shrinking: a failure names the seed of its bytes.
"""

import random
from pathlib import Path

import pytest

from search.run import ledger
from trainables.errors import ExpectedError, RunError
from trainables.files import durable
from trainables.objective import ACCURACY

pytestmark = pytest.mark.integration
TOKENS = (
    b"\n",
    b"\r\n",
    b"{",
    b"}",
    b'"',
    b",",
    b"NaN",
    b"1e999",
    b"-",
    b"\x00",
    b"\xff",
    b"\\ud800",
    b"null",
    b"[" * 40,
)


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Cut, repeat, overwrite or insert, one to three times."""
    for _ in range(dice.randint(1, 3)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((0, 1, 1, 8, 200)))
        middle = dice.choice((b"", data[start:end] * 2, dice.randbytes(end - start), dice.choice(TOKENS)))
        data = data[:start] + middle + data[end:]
    return data


def fuzz(content: bytes, path: Path, read, wanted: int) -> int:
    """Mutate and read so many times; how many were refused."""
    refused = 0
    for seed in range(wanted):
        path.write_bytes(mutate(content, random.Random(seed)))
        try:
            read(path)
        except ExpectedError as error:
            assert isinstance(error, RunError), seed
            assert "\n" not in str(error), seed
            refused += 1
        except Exception as error:
            raise AssertionError(f"bytes of seed {seed}") from error
    return refused


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("trials/*/epochs.jsonl", lambda path: ledger.read_epochs(path, ACCURACY)),
        ("totals.jsonl", lambda path: ledger.checked(path, ledger.Totals.shape())),
        ("trials.jsonl", lambda path: ledger.checked(path, ledger.PLANNED)),
        ("run.json", durable.read_json),
    ],
)
def test_a_ledger_with_changed_bytes_is_read_or_refused(example, memory, times, tally, name, read):
    content = min(example.glob(name)).read_bytes()
    wanted = times("FUZZ_BYTES", 500)
    refused = fuzz(content, memory / "file", read, wanted)
    tally("changed ledgers read or refused", wanted)
    assert 0 < refused < wanted


def test_every_reading_of_changed_rows_is_a_prefix_or_refused(example, memory, times, tally):
    """What a cut leaves is what was there before it, row by row."""
    content, path = min(example.glob("trials/*/epochs.jsonl")).read_bytes(), memory / "epochs.jsonl"
    path.write_bytes(content)
    whole, dice = durable.read_lines(path), random.Random(0)
    for _ in range(wanted := times("FUZZ_BYTES", 500)):
        path.write_bytes(content[: dice.randrange(len(content) + 1)])
        rows = durable.read_lines(path)
        assert rows == whole[: len(rows)]
    tally("changed ledgers read or refused", wanted)
