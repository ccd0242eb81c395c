"""A user's own training, a loop or a program: checks, and how run.json names it."""

import inspect
import re
import string
from collections.abc import Mapping
from typing import Any

from trainables.config import unknown
from trainables.errors import SpaceError

CALLED = "write def train(config, *, seed, device, state=None)"
GIVEN = ("seed", "device", "state")


def check(train: Any, command: Any, params: Mapping[str, Any]) -> None:
    """Refuse training that another process could not run.

    Raises:
        SpaceError: the training cannot be run; the message says what to write.
    """
    if train is not None and command is not None:
        raise SpaceError("train and command are two ways to train. Remove one.")
    if train is not None:
        check_function(train)
    else:
        check_command(command, params)


def check_function(train: Any) -> None:
    """Refuse a `train` that is no top-level function of a module, or cannot be called as this program calls it."""
    name = getattr(train, "__qualname__", "")
    if not inspect.isfunction(train) or "<" in name or "." in name:
        kind = "a lambda or an inner function" if "<" in name else f"{type(train).__name__}"
        raise SpaceError(
            f"train must be a top-level function, so that another process can import it, but got {kind}: {CALLED}."
        )
    try:
        inspect.signature(train).bind({}, seed=0, device="cpu", state=None)
    except TypeError as error:
        raise SpaceError(f"{name} cannot be called: {error}: {CALLED}.") from None


def text_of(train: Any) -> str:
    """The text module:function by which run.json names a function."""
    return f"{train.__module__}:{train.__qualname__}"


def check_command(command: Any, params: Mapping[str, Any]) -> None:
    """Refuse a `command` that is no list of texts, or in which a {name} is no hyperparameter, epochs or seed."""
    if not isinstance(command, (list, tuple)) or not command or not all(isinstance(word, str) for word in command):
        example = 'command=["python", "train.py", "--lr", "{lr}"]'
        raise SpaceError(f"command must be a list of texts, such as {example}, but got {command!r}.")
    for word in command:
        for name in placeholders(word):
            if name not in (*params, "epochs", "seed"):
                raise SpaceError(f"command: {unknown('hyperparameter', name, [*params, 'epochs', 'seed'])}")


def placeholders(word: str) -> list[str]:
    """The names in braces of a word.

    Raises:
        SpaceError: the braces do not match, or hold no name.
    """
    try:
        found = [name for _, name, _, _ in string.Formatter().parse(word) if name is not None]
    except ValueError as error:
        raise SpaceError(f"command: {word!r}: {error}. Write {{{{ and }}}} for braces that stay.") from None
    if wrong := [name for name in found if not re.fullmatch(r"[A-Za-z_]\w*", name)]:
        raise SpaceError(f"command: {word!r}: {{{wrong[0]}}} names no hyperparameter.")
    return found
