"""Run a command: accept underscores for dashes in flags, and print every error as one line with its exit code."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

import typer
from typer.main import get_command

from trainables.cli import streams
from trainables.cli.paths import expanded
from trainables.cli.progress import one_line
from trainables.config import suggestion, unknown
from trainables.errors import ExpectedError, StorageError, UsageError


def execute(app: typer.Typer, name: str, argv: Sequence[str]) -> int:
    """Run a command and return its exit code; expected errors become `error[kind]: message` on stderr.

    `--debug` anywhere in the arguments prints the traceback before the message. If a standard stream is closed or cannot be
    written, the command still does its work. If a write to standard output failed, the command ends with a storage error.
    """
    debug = "--debug" in argv
    streams.hold()
    try:
        stand_somewhere()
        code = run(app, name, [as_shell(argument) for argument in argv if argument != "--debug"])
    except ExpectedError as error:
        if debug:
            traceback.print_exc()
        return complain(error.kind, one_line(error.message), error.exit_code, error.details)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return complain("usage", f"a name is too long: {cut_off(error.filename)}. Write a shorter one.", 2)
    if refused := streams.refusal():
        return complain(
            StorageError.kind,
            f"cannot write: standard output: {refused.strerror}. All else is done; run the same command with another output.",
            StorageError.exit_code,
        )
    return code


def cut_off(path: object) -> str:
    """The beginning of a path that is too long."""
    return one_line(str(path))[:40] + "..."


def run(app: typer.Typer, name: str, arguments: list[str]) -> int:
    """Run a command that may raise expected errors, and return its exit code."""
    try:
        code = get_command(app).main(arguments, prog_name=name, standalone_mode=False)
    except typer.TyperException as error:
        return complain("usage", f"{worded(error)}.{meant(error)} See {name} --help.", 2)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


NO_COMMAND = re.compile(r"(No such command '(.*)')\..*", re.DOTALL)  # the text behind it is typer's guess
WANTED = {"int": "a whole number", "float": "a number"}  # by typer's name of the type that a text is not


def worded(error: typer.TyperException) -> str:
    """The text of a usage error without its full stop; for a wrong type it names the flag, the type and the value."""
    reasons: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    wanted = WANTED.get(reasons[0]["type"].partition("_")[0]) if reasons else None
    param = getattr(error, "param", None)
    if hasattr(error, "option_name"):
        return f"No such option: {one_line(error.option_name)}"
    if wanted is None or param is None:
        return one_line(NO_COMMAND.sub(r"\1", error.format_message())).rstrip(".")
    return f"{param.opts[0]} must be {wanted}, but got {one_line(repr(reasons[0]['input']))}"


def meant(error: typer.TyperException) -> str:
    """The closest option or command as a question, "Did you mean ...?"; empty if none is close."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    if hasattr(error, "option_name"):
        options = [name for param in getattr(command, "params", ()) for name in param.opts if name.startswith("--")]
        return suggestion(error.option_name, options)
    unknown_command = NO_COMMAND.fullmatch(error.format_message())
    commands = {name: each for name, each in getattr(command, "commands", {}).items() if not each.hidden}
    return suggestion(unknown_command[2], commands) if unknown_command else ""


def tell(text: str, stream: TextIO | None = None) -> None:
    """Write a text to stdout, or to another stream, and flush the stream."""
    print(text, end="", file=stream or sys.stdout, flush=True)


def end(exit_code: int) -> NoReturn:
    """Flush stdout and stderr, and end the process at once with this exit code.

    The normal shutdown of the interpreter is skipped: in it Ray's threads may abort, libraries print complaints, and collecting
    garbage takes time.
    """
    tell("")
    tell("", sys.stderr)
    os._exit(exit_code)


def stand_somewhere() -> None:
    """Check that the current folder still exists, because libraries fail with unclear errors without it.

    Raises:
        UsageError: the current folder was removed.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the current folder is gone: {error.strerror}. Go to one that exists (cd), then run the same command again."
        ) from error


def as_shell(argument: str) -> str:
    """An argument with dashes for underscores in a flag, and ~ expanded as by a shell, also in --runs-dir=~/runs."""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + expanded(value) if name.startswith("--") else expanded(argument)


def complain(kind: str, message: str, code: int, details: Sequence[str] = ()) -> int:
    tell("\n  ".join([f"error[{kind}]: {message}", *map(as_written, details)]) + "\n", sys.stderr)
    return code


def as_written(line: str) -> str:
    """A line with control characters replaced by spaces and tabs expanded. Its spaces are kept, because code needs them."""
    shown = streams.with_bytes(line).expandtabs(4)
    return "".join(character if character.isprintable() else " " for character in shown).rstrip()


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse a value that is not among the known values of an option.

    Raises:
        UsageError: the value is unknown; the message suggests the closest.
    """
    if value not in known:
        raise UsageError(unknown(f"value of --{name}", value, known))
