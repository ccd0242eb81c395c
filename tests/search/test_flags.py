"""One entry per flag, and what follows from it: pytest tests/search/test_flags.py"""

import dataclasses
import importlib
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from typer.main import get_command

import run_search
from search import flags, records
from search.flags import FLAGS, Flags, Kind, check_bounds, described, spellings
from search.settings import Settings
from search.terminal import reference
from spaces import Space, choice
from trainables.cli import execution, options
from trainables.errors import ExpectedError, UsageError

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "python run_search.py": run_search.app,
    "cifar-search": run_search.command_line(run_search.INSTALLED),
    "python -m analysis": importlib.import_module("analysis.__main__").app,
    "python -m trainables": importlib.import_module("trainables.__main__").app,
}
ASKING = ("--version", "-h")
OWN_FORM = {"gpus_per_trial", "set", "scheduler", "dataset", "space"}  # of Settings: read, or required


@pytest.fixture
def say(capsys):
    """What a command prints on stdout, and nothing on stderr."""

    def said(name: str, *words: str) -> str:
        assert execution.execute(COMMANDS[name], name, words) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return said


@pytest.fixture
def sections(say):
    """The help of a search, by its headings, each with its text on one line."""
    parts = re.split(r"^(\S[^\n]*):\n", say("python run_search.py", "--help"), flags=re.MULTILINE)
    return {heading: " ".join(text.split()) for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_every_option_comes_from_an_entry_and_has_its_default():
    params = {each.name: each for each in get_command(run_search.app).params}
    assert list(params) == [*FLAGS, "version"]
    for name, entry in FLAGS.items():
        assert params[name].default == getattr(Flags, name)
        assert tuple(params[name].opts) == spellings(name)
        assert params[name].help.startswith(entry.text)


@pytest.mark.parametrize("name", FLAGS)
def test_an_entry_stands_in_the_help_under_its_group(sections, name):
    """With what may grow, and with its default, or else what a default of none comes to."""
    default = options.shown(getattr(Flags, name)) or FLAGS[name].unset
    ending = f" [{default}]" if default else ""
    section = sections[FLAGS[name].group]
    assert re.search(rf"{re.escape(', '.join(spellings(name)))} (\S+ )?{re.escape(described(name) + ending)}", section)
    assert not any(f" {spellings(name)[0]} " in text for text in sections.values() if text != section)


def test_groups_stand_in_the_order_of_the_entries(sections):
    assert list(sections) == list(dict.fromkeys(entry.group for entry in FLAGS.values()))


def test_only_what_has_no_default_says_what_none_comes_to():
    assert [name for name, entry in FLAGS.items() if entry.unset and getattr(Flags, name) is not None] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_text_repeats_a_default(name):
    """The help adds it, so that a text cannot go on naming another."""
    command = get_command(COMMANDS[name])
    params = [param for each in (command, *getattr(command, "commands", {}).values()) for param in each.params]
    repeated = [param.name for param in params if f"[{options.shown(param.default)}]" in (param.help or "")]
    assert (len(params) > 10, repeated) == (True, [])


def test_settings_have_the_defaults_of_the_flags():
    shared = [each for each in fields(Settings) if each.name in FLAGS and each.name not in OWN_FORM]
    assert len(shared) > 15
    assert {each.name: each.default for each in shared} == {each.name: getattr(Flags, each.name) for each in shared}


@pytest.mark.parametrize("name", [name for name, entry in FLAGS.items() if entry.least is not None])
def test_a_number_below_the_least_is_refused(name):
    least = FLAGS[name].least
    check_bounds(replace(Flags(), **{name: least}))
    with pytest.raises(UsageError, match=f"^{spellings(name)[0]} must be at least {least}, but got {least - 1}.$"):
        check_bounds(replace(Flags(), **{name: least - 1}))


@pytest.mark.parametrize("name", [name for name, entry in FLAGS.items() if entry.most is not None])
def test_a_number_above_the_most_is_refused_alike(name):
    most = FLAGS[name].most
    check_bounds(replace(Flags(), **{name: most}))
    with pytest.raises(UsageError, match=f"^{spellings(name)[0]} must be at most {most}, but got {most + 1}.$"):
        check_bounds(replace(Flags(), **{name: most + 1}))


def test_the_sizes_of_the_flag_are_those_of_the_hyperparameter():
    own = {"model": "mlp", "depth": 1, "width": 8, "lr": choice(0.1, 0.2), "optimizer": "adamw", "schedule": "constant"}
    own |= {"augment": "none", "batch_size": 64}
    for size in (FLAGS["image_size"].least, FLAGS["image_size"].most):
        Space(params=own | {"image_size": size}, baseline={"lr": 0.1}, epochs=1)
    for size in (FLAGS["image_size"].least - 1, FLAGS["image_size"].most + 1):
        with pytest.raises(ExpectedError, match="image_size must be an integer from 16 to 1024"):
            Space(params=own | {"image_size": size}, baseline={"lr": 0.1}, epochs=1)


def test_a_total_that_may_grow_is_one_of_the_run_folder():
    assert sorted(records.GROWING.values()) == sorted(spellings(name)[0] for name in flags.of_kind(Kind.TOTAL))


@pytest.mark.parametrize("name", COMMANDS)
def test_h_is_help_with_the_examples_first(say, name):
    text = say(name, "-h")
    assert text == say(name, "--help")
    assert text.startswith(f"Usage: {name} ")
    before = text[: re.search(r"^[A-Z][a-z ]+:\n  \S", text, re.MULTILINE).start()]
    assert f"  Examples:\n\n    {name} " in before


def test_a_command_of_python_m_analysis_answers_h_as_well(say):
    assert "--format <str>     md, csv or json [md]\n" in say("python -m analysis", "show", "-h")


def test_the_command_that_fetches_images_answers_h_and_version_as_well():
    command = [sys.executable, "-m", "trainables.data"]
    said = [subprocess.run([*command, flag], cwd=ROOT, capture_output=True, text=True).stdout for flag in ASKING]
    assert said[0] == f"cifar-search {options.version()}\n"
    assert "folder of data archives, also for downloads [data]" in " ".join(said[1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_version_is_that_of_the_sources(say, name):
    (version,) = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert say(name, "--version") == f"cifar-search {version}\n"


def test_where_there_is_no_checkout_the_version_is_the_installed_one(monkeypatch, tmp_path):
    monkeypatch.setattr(options, "PROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr("importlib.metadata.version", {"cifar-search": "7.8"}.get)
    assert options.version() == "7.8"


def test_the_tables_in_the_documentation_are_up_to_date():
    for path, text in reference.written().items():
        assert path.read_text() == text, "run python -m search.terminal.reference"


@pytest.mark.parametrize(
    ("changes", "pages"),
    [
        ({"text": "another meaning"}, {"flags.md"}),
        ({"unset": "another default"}, {"flags.md"}),
        ({"kind": Kind.FREE}, {"flags.md", "resume.md"}),
        ({"names": ("--otherwise",)}, {"flags.md", "resume.md"}),
    ],
)
def test_whatever_changes_in_an_entry_makes_the_tables_stale(monkeypatch, changes, pages):
    monkeypatch.setitem(FLAGS, "keep_best", dataclasses.replace(FLAGS["keep_best"], **changes))
    assert {path.name for path, text in reference.written().items() if path.read_text() != text} == pages


def test_a_page_that_lost_its_marks_is_not_taken_for_one_that_is_up_to_date(monkeypatch, tmp_path):
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    (tmp_path / "resume.md").write_text("no table")
    with pytest.raises(ValueError, match="unpack"):
        reference.written()


def test_the_entries_load_neither_typer_nor_numpy():
    """Ray's processes and notebooks read their defaults."""
    code = "import sys, search.flags; print([name for name in ('typer', 'numpy', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n"
