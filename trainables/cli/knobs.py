"""The hyperparameters as options of a command line: the knobs of the built-in parts, and of a user's part that is named.

python -m trainables --model my_nets.py:FlowerNet --channels 64
"""

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from trainables.cli.options import Command, in_brackets, option, shown
from trainables.config import BUILT_IN, KEYS, TRAINER, usual
from trainables.errors import UsageError
from trainables.parts import named
from trainables.parts.family import FAMILIES, built_in
from trainables.suggestions import unknown

TEXTS = {  # help texts of knobs whose names do not explain them
    "lr": "learning rate",
    "adamw_lr": "learning rate of parameters that are not matrices",
    "momentum": "momentum of sgd and muon; first beta of adamw",
    "batch_size": "images per step",
    "epochs": "passes over the training images",
    "ema": "validate an average of the weights over about this many epochs; 0 for none",
    "image_size": "height and width of every image in pixels",
    "dropout": "dropout probability",
    "depth": "layers or blocks",
    "width": "features or channels of the first layer",
}
NAMES = {"epochs": ("--epochs", "--num-epochs")}


class Training(Command):
    """A command that also accepts the knobs of a user's part as options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept unknown flags, as knobs, if a part is named that is not built in."""
        if any(":" in text for _, text in given_parts(args)):
            ctx.ignore_unknown_options = ctx.allow_extra_args = True
        return super().parse_args(ctx, args)


def given_parts(args: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each kind of part that a command line names, with the given name."""
    for place, word in enumerate(args):
        flag, equals, value = word.removeprefix("--").partition("=")
        if flag in FAMILIES and word.startswith("--"):
            yield flag, value if equals else "".join(args[place + 1 : place + 2])


def parameters() -> list[inspect.Parameter]:
    """One function parameter for each knob, in the form that typer reads."""
    return [parameter(key) for key in KEYS]


def parameter(key: str) -> inspect.Parameter:
    hint: Any = (BUILT_IN[key][0].kind if key in BUILT_IN else str) or str
    told = Annotated[hint | None, option(text(key), *NAMES.get(key, ()))]
    return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=told)


def text(key: str) -> str:
    """The help of a knob: its meaning and its default, or the default of each part if these differ."""
    if key in FAMILIES:
        return f"{', '.join(built_in(FAMILIES[key]))}, or FILE.py:NAME" + in_brackets(shown(usual(key)))
    about = TEXTS.get(key, key.replace("_", " "))
    defaults = {} if key in TRAINER else by_part(key)
    if len(set(defaults.values())) < 2 and len(defaults) != 1:
        return about + in_brackets(shown(BUILT_IN[key][0].default))
    return f"{about}: {', '.join(part + in_brackets(shown(default)) for part, default in defaults.items())}"


def by_part(key: str) -> dict[str, Any]:
    """The default of a knob for each part that has it."""
    parts = [(name, own) for family in FAMILIES.values() for name, own in built_in(family).items()]
    return {name: own[key].default for name, own in parts if key in own}


def given(values: Mapping[str, Any], rest: Sequence[str]) -> dict[str, Any]:
    """The knobs that a command line sets, with their values.

    Args:
        values: values of the known options; options that are not knobs are ignored.
        rest: the other words of the command line: the knobs of a user's part.

    Raises:
        UsageError: a flag is not a knob of the parts, or it has no value.
    """
    found = {key: value for key, value in values.items() if key in KEYS and value is not None}
    named.reach(Path.cwd())
    known = {
        name: knob
        for key, family in FAMILIES.items()
        for name, knob in named.signature_of(family, found.get(key, family.default)).items()
    }
    words = iter(rest)
    for word in words:
        flag, equals, value = word.partition("=")
        key = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or key.rpartition(".")[2] not in known:
            raise UsageError(unknown("flag", flag, [f"--{name.replace('_', '-')}" for name in known]))
        if not equals and (value := next(words, "")) == "":
            raise UsageError(f"{flag} needs a value.")
        found[key] = literal(value) if known[key.rpartition(".")[2]].kind is not str else value
    return found


def literal(text: str) -> Any:
    """The Python literal in a text, such as a number, True, False or None, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
