"""The flags of run_search.py (search/flags.py) as the options of a typer command."""

import inspect
from collections.abc import Callable, Set
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from search.flags import FLAGS, INSTEAD, Flags, described, spellings
from search.terminal import completion
from trainables.cli.options import Command, Version, in_brackets, option

Search = Callable[[Flags, Set[str]], int]


class Searching(Command):
    """The command of a search; --help and --version stand in the group of flags that ask for something else than a search."""

    ungrouped = INSTEAD


def command(search: Search) -> Callable[..., int]:
    """The function from which typer makes the command: it has a parameter for each flag.

    Args:
        search: called with the flags and the names of the flags that stand on the command line; returns an exit code.
    """

    def called(ctx: typer.Context, *, version: Version = False, **values: Any) -> int:
        return search(Flags(**values), given(ctx))

    context, version, _ = inspect.signature(called).parameters.values()
    vars(called)["__signature__"] = inspect.Signature([context, *map(parameter, fields(Flags)), version])
    return called


def parameter(field: Field[Any]) -> inspect.Parameter:
    """A flag as typer reads it: its type with its option, and its default."""
    hint: Any = field.type
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=Annotated[hint, of(field.name)]
    )


def of(name: str) -> Any:
    """The option of a flag."""
    entry = FLAGS[name]
    return option(
        described(name) + in_brackets(entry.unset), *spellings(name),
        rich_help_panel=entry.group, metavar=entry.value, autocompletion=entry.complete and getattr(completion, entry.complete),
    )  # fmt: skip


def given(ctx: typer.Context) -> set[str]:
    """The flags that stand on the command line, by the names of their fields."""
    return {key for key in ctx.params if getattr(ctx.get_parameter_source(key), "name", "") == "COMMANDLINE"}
