"""Whatever surrounds a command, what it does is done: pytest tests/test_surroundings.py

Each test stands for a way in which people's machines differ from the one that this was written on.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from analysis.render.markdown import escape, one_line
from analysis.results import copying
from search.run import identity
from trainables.cli import paths
from trainables.cli.execution import as_shell
from trainables.data import cache
from trainables.data.names import place
from trainables.errors import DeniedError, UsageError

ROOT = Path(__file__).parents[1]


def call(folder: Path, *words: object, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, capture_output=True, text=True, errors="surrogateescape", **how
    )  # type: ignore[call-overload,no-any-return]


def surroundings(*without: str, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in without}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


# Home folders


@pytest.fixture(scope="module")
def nobody() -> list[str]:
    """How a command is started by a user whom the machine knows no name or home of, as a container may be."""
    words = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip("needs user namespaces")
    return words


def test_images_are_prepared_for_a_user_without_a_name_or_home(tmp_path: Path, nobody: list[str]) -> None:
    command = [*nobody, sys.executable, "-m", "trainables.data", "digits", "--data-dir", tmp_path / "beside" / "data"]
    environment = surroundings("HOME", "XDG_CACHE_HOME")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"in {tmp_path}/beside/data-cache/digits-" in done.stdout


def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: os.fspath(path))  # what it does where it knows no home


def test_without_a_home_the_cache_lies_beside_the_data_or_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homeless(monkeypatch)
    assert cache._roots(tmp_path / "data") == [tmp_path / "data-cache"]

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", deny)
    with pytest.raises(DeniedError, match=r"cannot write: .*data-cache: Permission denied"):
        cache.writable_root(tmp_path / "data")


@pytest.mark.parametrize("text", ["~nosuchuser/x", "~nosuchuser"])
def test_a_home_that_nobody_knows_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=f"no home folder: {text}: .* or ./{text}"):
        place(f"folder:{text}")
    with pytest.raises(UsageError, match="no home folder"):
        as_shell(f"--runs-dir={text}")


def test_a_tilde_without_any_home_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    homeless(monkeypatch)
    with pytest.raises(UsageError, match="no home folder: ~/x"):
        place("folder:~/x")
    assert paths.expanded("/a/~/x") == "/a/~/x"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--runs-dir=~/a", "--runs-dir=/home/ann/a"),
        ("--data_dir=~", "--data-dir=/home/ann"),
        ("~/x/", "/home/ann/x/"),  # quoted, or from a notebook
        ("--notify=~/bin/tell --loud", "--notify=/home/ann/bin/tell --loud"),
        ("./~", "./~"),
        ("--set=lr=~", "--set=lr=~"),
        ("a~", "a~"),
    ],
)
def test_a_tilde_is_that_of_a_shell_wherever_a_path_is_typed(
    monkeypatch: pytest.MonkeyPatch, argument: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert as_shell(argument) == expected


def test_a_run_is_read_by_way_of_a_tilde(tmp_path: Path) -> None:
    """Of --runs-dir=, and of a RUN in quotes."""
    example = min((ROOT / "docs" / "examples").iterdir())
    shutil.copytree(example, tmp_path / "home" / "runs" / "t")
    done = [
        call(tmp_path, "-m", "analysis", "verify", *words, env=surroundings(HOME=str(tmp_path / "home")))
        for words in (["t", "--runs-dir=~/runs"], ["~/runs/t"])
    ]
    assert [each.stdout for each in done] == [f"{tmp_path}/home/runs/t: sound\n"] * 2, done
    assert not (tmp_path / "~").exists()


# Names that are no text


def test_names_that_differ_in_bytes_that_are_no_text_stay_distinct() -> None:
    names = ["caf\udce9", "caf\udce8"]
    assert [one_line(name) for name in names] == ["caf\\xe9", "caf\\xe8"]
    assert len({escape(name).encode() for name in names}) == 2


def test_links_lead_through_folders_of_any_name(tmp_path: Path) -> None:
    run = tmp_path / "caf\udce9 \u65e5" / "t"
    run.mkdir(parents=True)
    assert copying.way(run, tmp_path) == "caf%E9%20%E6%97%A5/t/"


@pytest.mark.parametrize("folder", ["caf\udce9", "\u65e5\u672c"])
def test_a_run_below_a_folder_of_any_name_is_read_in_any_locale(tmp_path: Path, folder: str) -> None:
    example = min((ROOT / "docs" / "examples").iterdir())
    shutil.copytree(example, tmp_path / folder / "t")
    ascii_only = surroundings(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    done = call(tmp_path, "-m", "analysis", "verify", tmp_path / folder / "t", env=ascii_only)
    assert done.returncode == 0, done.stderr
    shown = "caf\\xe9" if folder.startswith("c") else "\\xe6\\x97\\xa5\\xe6\\x9c\\xac"
    assert done.stdout == f"{tmp_path}/{shown}/t: sound\n"


# Where one stands


@pytest.mark.parametrize("words", [("run_search.py", "--list-spaces"), ("-m", "analysis", "show", "t")])
def test_a_current_folder_that_is_gone_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'rmdir "{gone}" && exec "$@"'
    first = str(ROOT / words[0]) if words[0].endswith(".py") else words[0]
    done = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, first, *words[1:]], cwd=gone, capture_output=True, text=True,
        env=surroundings(),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error[usage]: the current folder is gone: ")
    assert done.stderr.count("\n") == 1


# Repositories


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources as somebody unpacks them, in a repository of his own that has a commit."""
    for package in identity.SOURCES:
        (tmp_path / "repository" / "unpacked" / package).mkdir(parents=True)
        (tmp_path / "repository" / "unpacked" / package / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(identity, "ROOT", tmp_path / "repository" / "unpacked")
    for name in ("NAME", "EMAIL"):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", "a@b")
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", "a@b")
    git(tmp_path / "repository", "init", "-q")
    (tmp_path / "repository" / "theirs").write_text("")
    git(tmp_path / "repository", "add", "theirs")
    git(tmp_path / "repository", "commit", "-qm", "theirs")
    return tmp_path / "repository" / "unpacked"


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_a_repository_around_the_sources_is_not_theirs(sources: Path) -> None:
    assert identity.git_revision() is None
    git(sources, "add", "search")
    git(sources, "commit", "-qm", "half of them")
    assert identity.git_revision() is None


def test_a_commit_that_holds_the_sources_is_recorded_and_a_change_since(sources: Path) -> None:
    git(sources, "add", ".")
    git(sources, "commit", "-qm", "all of them")
    commit = git(sources, "rev-parse", "--short=12", "HEAD")
    assert identity.git_revision() == commit
    (sources / "search" / "a.py").write_text("x = 2\n")
    assert identity.git_revision() == f"{commit} with changes"
    (sources / "search" / "b.py").write_text("")
    assert identity.git_revision() is None


def test_a_repository_that_a_hook_names_is_not_asked(sources: Path, tmp_path: Path, monkeypatch) -> None:
    git(sources, "add", ".")
    git(sources, "commit", "-qm", "all of them")
    commit = identity.git_revision()
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert identity.git_revision() == commit is not None


# A whole search

ODD = {
    "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TUNE_RESULT_DIR": "/nowhere", "RAY_AIR_LOCAL_CACHE_DIR": "/nowhere", "NUMBA_DISABLE_JIT": "1",
}  # fmt: skip
CONVNET = (
    "--set",
    "model=convnet",
    "--set",
    "width=8",
    "--set",
    "depth=2",
    "--set",
    "lr=0.001,0.01",
    "--precision",
    "fp32",
)
SMALL = ("--space", "lr_sweep", "--dataset", "digits", "--fraction", "0.2", "--epochs", "1", "--name", "t")


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("streams", [">&-", "<&- 2>&- >out"])
def test_a_search_ends_well_where_everything_is_unusual(tmp_path: Path, streams: str) -> None:
    """Names that are no text, a locale without letters, variables of other programs, streams that are closed."""
    place = tmp_path / "caf\udce9"
    place.mkdir()
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, str(ROOT / "run_search.py")]
    flags = [*SMALL, *CONVNET, "--runs-dir", str(place / "runs"), "--data-dir", str(place / "data")]
    done = subprocess.run([*command, *flags], cwd=tmp_path, env=surroundings(**ODD), stderr=subprocess.PIPE)
    log = place / "runs" / "t" / "ray" / "output.log"
    assert done.returncode == 0, (done.stderr, log.read_text(errors="replace")[-2000:] if log.exists() else "")
    rows = json.loads((place / "runs" / "t" / "results.json").read_text())
    assert [row["status"] for row in rows] == ["finished"] * 2
    assert (place / "runs" / "t" / "plots" / "learning_curves.svg").exists()
    assert "](caf%E9/runs/t/results.csv)" in (tmp_path / "results.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.integration
def test_a_search_needs_neither_a_name_nor_a_home(tmp_path: Path, nobody: list[str]) -> None:
    command = [*nobody, sys.executable, ROOT / "run_search.py", *SMALL, "--set", "lr=0.1,0.2"]
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as scratch:  # a short path: Ray's sockets lie in it
        environment = surroundings("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", TMPDIR=scratch)
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert list(Path(scratch).glob("search-*")) == []
