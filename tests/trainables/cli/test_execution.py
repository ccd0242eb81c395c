"""Underscores, one-line errors and exit codes: pytest tests/trainables/cli/test_execution.py"""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from trainables.cli.execution import as_shell, execute, one_line, tell
from trainables.errors import DataError, RunError

ROOT = Path(__file__).parents[3]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(num_epochs: int = 3, fail: bool = False) -> int:
    if fail:
        raise DataError("no images: data:\nnot there. Next step.")
    print(num_epochs)
    return num_epochs


@pytest.mark.parametrize(
    ("argument", "expected"),
    [("--num_epochs", "--num-epochs"), ("--num_epochs=1_0", "--num-epochs=1_0"), ("folder:my_data", "folder:my_data")],
)
def test_underscores_in_names_are_dashes_and_values_are_left_alone(argument, expected):
    assert as_shell(argument) == expected


def test_the_exit_code_of_the_command_is_returned():
    assert execute(app, "t", ["--num_epochs", "7"]) == 7


def test_an_expected_error_is_one_line_with_its_code(capsys):
    assert execute(app, "t", ["--fail"]) == 4
    assert capsys.readouterr().err == "error[data]: no images: data: not there. Next step.\n"


def test_a_name_that_no_file_system_takes_is_one_line(capsys):
    app = typer.Typer(add_completion=False)
    app.command()(lambda path: Path(path).read_bytes())
    assert execute(app, "t", ["x" * 300]) == 2
    assert capsys.readouterr().err == f"error[usage]: a name is too long: {'x' * 40}.... Write a shorter one.\n"


def test_debug_prints_the_traceback_and_keeps_the_exit_code(capsys):
    assert execute(app, "t", ["--fail", "--debug"]) == 4
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error[data]: ")


def test_a_misspelt_option_names_the_closest_and_the_help(capsys):
    assert execute(app, "t", ["--num-epoch", "3"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error[usage]: ")
    assert "--num-epochs" in err
    assert err.endswith("See t --help.\n")


@pytest.mark.parametrize(
    ("argument", "meant"),
    [("--NUM-EPOCHS", "--num-epochs"), ("--Num_Epochs=3", "--num-epochs"), ("--FAIL", "--fail"), ("--zzz", None)],
)
def test_an_option_is_recognised_whatever_the_case_of_its_letters(argument, meant, capsys):
    assert execute(app, "t", [argument]) == 2
    question = f" Did you mean {meant!r}?" if meant else ""
    given = as_shell(argument).partition("=")[0]
    assert capsys.readouterr().err == f"error[usage]: No such option: {given}.{question} See t --help.\n"


def test_a_command_is_recognised_whatever_the_case_of_its_letters_unless_it_is_hidden(capsys):
    several = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    several.command("show")(lambda: None)
    several.command("follow", hidden=True)(lambda: None)
    for given, question in (("SHOW", " Did you mean 'show'?"), ("shwo", " Did you mean 'show'?"), ("FOLLOW", "")):
        assert execute(several, "t", [given]) == 2
        assert capsys.readouterr().err == f"error[usage]: No such command '{given}'.{question} See t --help.\n"


def test_control_characters_never_reach_the_terminal():
    assert one_line("a\x1b[31m\nb\u202e") == "a [31m b"


def test_the_trial_command_answers_help_without_torch():
    code = (
        "import sys, runpy; sys.argv = ['x', '--help']\n"
        "try: runpy.run_module('trainables', run_name='__main__')\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("False\n")
    assert "--weight-decay" in done.stdout


def test_what_an_error_is_about_is_told_on_lines_of_its_own(capsys):
    listing = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @listing.command()
    def differ() -> None:
        raise RunError("not the same: t: what follows differs. Start another.", ["a: 1 is\nnow 2", "b: 1 is now 2"])

    assert execute(listing, "t", []) == 5
    assert capsys.readouterr().err == (
        "error[run]: not the same: t: what follows differs. Start another.\n  a: 1 is now 2\n  b: 1 is now 2\n"
    )


def of_command(redirection):
    """The exit code and stderr of a command, its streams redirected in the words of a shell."""
    command = f'"{sys.executable}" -m trainables --help {redirection}'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", "2>/dev/full"])
def test_absent_streams_are_no_failure(redirection):
    assert of_command(redirection) == (0, "")


def test_a_result_that_cannot_be_shown_is_an_error_in_one_line():
    code, said = of_command(">/dev/full")
    assert code == 6
    assert said.startswith("error[storage]: cannot write: standard output: No space left on device. ")
    assert said.count("\n") == 1


def test_a_result_goes_to_stdout(capsys):
    tell("a\nb\n")
    assert capsys.readouterr().out == "a\nb\n"
