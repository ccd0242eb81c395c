"""Common options of the commands: --help in groups with examples and defaults, -h, --version."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from trainables.cli.execution import tell

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
PACKAGE = "cifar-search"
COLUMN = 30  # characters of the names of options in a help


class Command(TyperCommand):
    """A command whose help lists its options in groups (rich_help_panel), each option with its default."""

    ungrouped = "Options"  # the heading of options without a group, such as --help

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                sections.setdefault(self.heading(param), []).append(
                    (record[0], record[1] + in_brackets(shown(param.default)))
                )
        width = min(COLUMN, max(len(names) for rows in sections.values() for names, _ in rows))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl([(names.ljust(width), text) for names, text in rows], COLUMN)

    def heading(self, param: Any) -> str:
        return "Arguments" if param.param_type_name == "argument" else param.rich_help_panel or self.ungrouped


def application(**how: Any) -> typer.Typer:
    """A command line in plain text that also answers -h; its commands are of class Command."""
    return typer.Typer(
        pretty_exceptions_enable=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
        **how,
    )  # fmt: skip


def with_examples(text: str, module: str | None) -> str:
    """A help text, followed by the example commands, which are the indented lines of a module's docstring."""
    commands = [line.strip() for line in (module or "").splitlines() if line.startswith("    ")]
    return "\n".join([text, "", "Examples:", "", "\b", *(f"  {line}" for line in commands)])


def shown(value: object) -> str:
    """A default as text; empty for None and for a switch that is off."""
    if value is None or value is False:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_brackets(text: str) -> str:
    """A default in brackets, for the end of a help text; empty for an empty text."""
    return f" [{text}]" if text else ""


def version() -> str:
    """The version in pyproject.toml if run from a checkout, else that of the installed package."""
    import importlib.metadata
    import tomllib

    if PROJECT.exists():
        return str(tomllib.loads(PROJECT.read_text("utf-8"))["project"]["version"])
    return importlib.metadata.version(PACKAGE)


def print_version(asked: bool) -> None:
    if asked:
        tell(f"{PACKAGE} {version()}\n")
        raise typer.Exit


Version = Annotated[  # a parameter that no command reads: print_version ends the command
    bool,
    typer.Option("--version", help="Show the version and exit.", callback=print_version, is_eager=True, expose_value=False),
]  # fmt: skip


def option(text: str, *names: str, **how: Any) -> Any:
    """An option with its help text. The text itself must explain a default of None; the help adds any other default."""
    return typer.Option(*names, help=text, show_default=False, **how)
