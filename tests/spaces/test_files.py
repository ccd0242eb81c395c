"""Spaces in files of the user's: pytest tests/spaces/test_files.py"""

import re
import textwrap
from pathlib import Path

import pytest

import spaces
from spaces import Space, choice
from trainables.errors import SpaceError

MINE = """
    '''Rates of mine.'''
    from spaces import Space, choice
    from beside import LIMIT

    SPACE = Space(
        params={"model": "mlp", "lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1,
        constraint=lambda config: config["lr"] < LIMIT,
    )
"""


@pytest.fixture
def write(tmp_path):
    def put(source, name="mine.py"):
        (tmp_path / name).write_text(textwrap.dedent(source).lstrip())
        return str(tmp_path / name)

    return put


def test_any_file_is_a_space_and_its_folder_is_importable(write):
    write("LIMIT = 1\n", "beside.py")
    found = spaces.find(write(MINE))
    assert (found.name, found.text) == ("mine", "Rates of mine.")
    assert found.code is not None
    assert sorted(found.code.files) == ["beside.py", "mine.py"]
    assert len(found.space.grid) == 2


def test_each_of_two_files_of_one_name_has_its_own_modules(write, tmp_path):
    write("LIMIT = 1\n", "beside.py")
    path = write(MINE)
    spaces.load(path)
    write("LIMIT = 0.15\n", "beside.py")
    assert len(spaces.load(path).grid) == 1


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("SPACE = (\n", ":1: '(' was never closed"),
        ("import no_such_module\nSPACE = 1\n", ":1: ModuleNotFoundError"),
        ("SPACES = 1\n", "it defines no SPACE"),
        ("import os\nos._exit(3)\n", "importing it ended its process (exit code 3)"),
        ("raise SystemExit(4)\n", ":1: SystemExit"),
        (
            "from spaces import Space\n\nSPACE = Space(params={'lr': 2}, baseline={}, epochs=1)\n",
            ":3: nothing is searched",
        ),
        (
            "from spaces import Space, choice\nWIDTH = 'width'\nSPACE = Space(\n    params={'width': choice(8, 16), 'lr': 0.1},\n"
            "    baseline={'width': 12}, epochs=1,\n)\n",
            ":4: baseline width=12 lies outside choice(8, 16)",
        ),
    ],
)
def test_a_mistake_is_one_line_with_the_file_and_its_line(write, source, what):
    path = write(source)
    with pytest.raises(SpaceError) as caught:
        spaces.load(path)
    assert str(caught.value).startswith(path)
    assert what in str(caught.value)


def test_what_the_file_prints_is_no_result(write, capfd):
    write("LIMIT = 1\nprint('loaded')\n", "beside.py")
    spaces.load(write(MINE))
    assert capfd.readouterr().out == ""


def test_a_file_that_goes_to_another_folder_leaves_the_command_where_it_was(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    leaving = "import os\nos.chdir('elsewhere')\n" + textwrap.dedent(MINE)
    spaces.load(write(leaving.replace("from beside import LIMIT", "LIMIT = 1")))
    assert Path.cwd() == tmp_path


def test_a_mistake_in_a_file_of_another_encoding_has_its_line(write, tmp_path):
    path = write("")
    space = 'SPACE = Space(params={"lr": choice(0.1, 0.2)}, baseline={"no": 1}, epochs=1)\n'
    text = f"# -*- coding: latin-1 -*-\nfrom spaces import Space, choice\n# \xe9\n{space}"
    Path(path).write_bytes(text.encode("latin-1"))
    with pytest.raises(SpaceError, match=r"mine\.py:4: .*'no'"):
        spaces.load(path)


def test_a_file_that_is_no_space_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "mine.orig").write_text(MINE)
    for name, what in [
        ("./folder.py", "it is a folder"), ("./mine.orig", "does not end in .py"), ("mine.orig", "must end in .py")
    ]:  # fmt: skip
        with pytest.raises(SpaceError, match=what):
            spaces.load(name)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"mode": "maximise"}, "mode must be 'max' or 'min', but got 'maximise'"),
        ({"form": "%"}, "form must be 'percent' or 'decimals', but got '%'"),
    ],
)
def test_one_wrong_word_is_refused_by_its_own_name(written, told):
    with pytest.raises(SpaceError, match=re.escape(told)):
        Space(command=["x"], metric="loss", params={"lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1, **written)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SpaceError, match=r"no file of Python: .*mine\.py"):
        spaces.load(str(tmp_path / "mine.py"))


def declaring(files):
    return f"from spaces import Space, choice\n\nSPACE = Space(params={{'lr': choice(0.1, 0.2)}}, epochs=1, files={files})\n"


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ("['corpsu.txt']", "mine.py: files: corpsu.txt is not in "),
        ("['words']", "mine.py: files: words is a folder. Name its files."),
        ("['../corpus.txt']", "mine.py: files: ../corpus.txt lies outside "),
        ("'corpus.txt'", "files must be a list"),
    ],
)
def test_a_file_that_would_not_travel_is_refused(write, tmp_path, files, what):
    (tmp_path / "words").mkdir()
    write("the cat", "corpus.txt")
    with pytest.raises(SpaceError, match=re.escape(what)):
        spaces.find(write(declaring(files)))


def test_a_declared_file_travels(write):
    write("the cat", "corpus.txt")
    found = spaces.find(write(declaring("['corpus.txt']")))
    assert found.code is not None
    assert sorted(found.code.files) == ["corpus.txt", "mine.py"]
