"""What bash, zsh and fish are told when they ask the installed command to complete a line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spaces

ROOT = Path(__file__).parents[3]
INSTALLED = "import sys, run_search; sys.argv[0] = 'cifar-search'; run_search.installed()"


def ask(*arguments: str, **environment: str) -> str:
    """What the script `cifar-search` says, whether it is installed here or not."""
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def complete(shell: str, line: str, **environment: str) -> list[str]:
    """The values that this shell offers at the end of the line, asked as the script of that shell asks."""
    words = {"COMP_WORDS": "\n".join(line.split(" ")), "COMP_CWORD": str(line.count(" "))}
    asked = words if shell == "bash" else {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    text = ask(_CIFAR_SEARCH_COMPLETE=f"complete_{shell}", **asked, **environment)
    return re.findall(r'"([^"]+)"', text) if shell == "zsh" else text.split()


@pytest.mark.parametrize("shell", ["bash", *(pytest.param(name, marks=pytest.mark.slow) for name in ("zsh", "fish"))])
def test_a_shell_is_told_spaces_runs_and_data_sets(shell, tmp_path):
    assert complete(shell, "cifar-search --space ") == spaces.names()
    assert complete(shell, "cifar-search --space lr") == ["lr_sweep"]
    assert complete(shell, "cifar-search --show-space mlp") == ["mlp_random"]
    assert complete(shell, "cifar-search --dataset cifar") == ["cifar10", "cifar100"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").touch()
    assert complete(shell, f"cifar-search --runs-dir {tmp_path} --resume ") == ["one", "two"]
    assert complete(shell, f"cifar-search --runs-dir {tmp_path} --warm-start t") == ["two"]
    assert complete(shell, f"cifar-search --resume {tmp_path}/o") == [f"{tmp_path}/one"]


def test_bash_itself_completes_a_line_with_the_script_it_is_given(tmp_path):
    """A shell that has read what --show-completion prints, with the command on its PATH."""
    command = tmp_path / "cifar-search"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{INSTALLED}" "$@"\n')
    command.chmod(0o755)
    script = ask("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    line = 'COMP_WORDS=(cifar-search --space lr); COMP_CWORD=2; _cifar_search_completion cifar-search; echo "${COMPREPLY[@]}"'
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", f"{script}\n{line}"], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "lr_sweep\n", done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_of_its_own(shell):
    script = ask("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert f"_CIFAR_SEARCH_COMPLETE=complete_{shell}" in script


def test_asking_for_names_loads_nothing_heavy():
    code = (
        "import sys, run_search; print([name for name in ('torch', 'ray', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n"
