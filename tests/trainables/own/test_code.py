"""A user's code as it travels with a run: pytest tests/trainables/own"""

import sys
from pathlib import Path

import pytest

from trainables.errors import RunError, SpaceError
from trainables.own import code, collect
from trainables.own.code import Code, File

LOOP = '''"""A loop."""
SPACE = dict(a=1)


def train(config):
    """Train."""
    return config["lr"] * 2  # doubled
'''


def of(source: str, path: Path = Path("loop.py")) -> str:
    return Code({"loop.py": File(path, source.encode())}).hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A loop."""', '"""Another text."""'),
        ('    """Train."""\n', ""),
        ("  # doubled", ""),
        ("SPACE = dict(a=1)", "SPACE = dict(a=2)"),
        ("(config):", "(config: dict) -> float:"),
        ("* 2", "*   2"),
    ],
)
def test_what_people_read_and_the_space_are_not_in_the_hash(old, new):
    assert of(LOOP.replace(old, new)) == of(LOOP)


@pytest.mark.parametrize(
    ("old", "new"),
    [("* 2", "* 3"), ('"lr"', '"rate of learning"'), ("def train", "def fit"), ("SPACE = dict(a=1)", "OTHER = 1")],
)
def test_what_the_code_does_is_in_the_hash(old, new):
    assert of(LOOP.replace(old, new)) != of(LOOP)


def test_a_text_with_spaces_counts_because_a_corpus_may_stand_in_the_code():
    assert of('TEXT = "one two"') != of('TEXT = "one three"')


def test_bytes_of_other_files_count():
    assert Code({"a.txt": File(Path("a.txt"), b"1")}).hash != Code({"a.txt": File(Path("a.txt"), b"1 ")}).hash


def test_a_kept_copy_has_the_hash_and_is_written_once(tmp_path):
    given = Code({"loop.py": File(tmp_path / "loop.py", LOOP.encode()), "sub/prog": File(tmp_path / "x", b"#!", True)})
    given.keep(tmp_path)
    folder = given.folder(tmp_path)
    assert code.checked(folder, given.hash).hash == folder.name == given.hash
    assert (folder / "sub/prog").stat().st_mode & 0o111
    before = folder.stat().st_ino
    given.keep(tmp_path)
    assert folder.stat().st_ino == before
    assert sorted(path.name for path in folder.parent.iterdir()) == [given.hash, f"{given.hash}.json"]


def test_what_a_loop_or_an_editor_writes_beside_the_code_is_no_part_of_it(tmp_path):
    given = Code({"loop.py": File(tmp_path / "loop.py", LOOP.encode())})
    given.keep(tmp_path)
    folder = given.folder(tmp_path)
    (folder / "log.txt").write_text("epoch 1")
    (folder / ".loop.py.swp").write_bytes(b"")
    assert code.checked(folder, given.hash).files.keys() == {"loop.py"}
    for listed in ("5", "not json"):  # a damaged list is none
        code.listing(folder).write_text(listed)
        with pytest.raises(RunError, match="its hash is"):
            code.checked(folder, given.hash)
    code.listing(folder).write_text('["loop.py", "../../secret"]')
    assert code.checked(folder, given.hash).files.keys() == {"loop.py"}
    code.listing(folder).unlink()  # as in a run of an older version
    with pytest.raises(RunError, match="its hash is"):
        code.checked(folder, given.hash)


@pytest.mark.parametrize("damage", ["edited", "missing"])
def test_code_that_is_not_what_the_run_names_is_not_imported(tmp_path, damage):
    given = Code({"loop.py": File(tmp_path / "loop.py", LOOP.encode())})
    given.keep(tmp_path)
    file = given.folder(tmp_path) / "loop.py"
    file.write_text(LOOP + "EVIL = 1\n") if damage == "edited" else file.unlink()
    with pytest.raises(RunError, match=r"damaged run: .* Restore the folder"):
        code.use(given.folder(tmp_path), given.hash)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of the user's with a package, a late import and a module of the same name elsewhere."""
    folder = tmp_path / "project"
    (folder / "nets").mkdir(parents=True)
    (folder / "search_of_mine.py").write_text(
        "from nets.deep import N\n\ndef late():\n    import rarely\n    return rarely.N\n"
    )
    (folder / "nets/__init__.py").write_text("")
    (folder / "nets/deep.py").write_text("from .base import N\n")
    (folder / "nets/base.py").write_text("N = 1\n")
    (folder / "rarely.py").write_text("from nets import other\nN = other.N\n")
    (folder / "nets/other.py").write_text("N = 2\n")
    (folder / "never.py").write_text("N = 3\n")
    before, path = set(sys.modules), list(sys.path)
    yield folder
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("nets", "rarely", "search_of_mine"):
            del sys.modules[name]
    sys.path[:] = path
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, code.Held)]


def test_modules_that_are_imported_now_or_later_are_collected(project):
    files = collect.import_entry(project / "search_of_mine.py")
    assert sorted(files) == [
        "nets/__init__.py", "nets/base.py", "nets/deep.py", "nets/other.py", "rarely.py", "search_of_mine.py",
    ]  # fmt: skip


def test_they_are_imported_from_the_run_and_nowhere_else(project, tmp_path):
    files = collect.import_entry(project / "search_of_mine.py")
    given = Code({place: File.read(path) for place, path in files.items()})
    given.keep(tmp_path)
    (project / "rarely.py").write_text("N = 99\n")
    code.use(given.folder(tmp_path), given.hash)
    assert code.named("search_of_mine:late")() == 2
    assert Path(sys.modules["nets.deep"].__file__ or "").is_relative_to(tmp_path / "code")


def test_the_diff_names_the_file_and_the_lines(tmp_path):
    before = Code({"loop.py": File(Path("loop.py"), LOOP.encode()), "same.py": File(Path("same.py"), b"A = 1\n")})
    before.keep(tmp_path)
    now = Code(
        {
            "loop.py": File(Path("loop.py"), LOOP.replace("* 2", "* 3").encode()),
            "same.py": File(Path("same.py"), b"A=1"),
        }
    )
    lines = code.changes(tmp_path, before.hash, now)
    assert '-    return config["lr"] * 2  # doubled' in lines
    assert '+    return config["lr"] * 3  # doubled' in lines
    assert not [line for line in lines if "same.py" in line]


@pytest.mark.parametrize("name", ["search", "json", "torch", "a.b"])
def test_a_file_that_would_be_another_module_is_refused(tmp_path, name):
    with pytest.raises(SpaceError, match=r"Rename the file, such as \w+_search\.py"):
        collect.check_name(tmp_path / f"{name}.py")


def test_programs_are_taken_with_what_they_import_from_beside_them(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/train.py").write_text("import model\nimport numpy\n")
    (tmp_path / "tools/model.py").write_text("")
    (tmp_path / "data.csv").write_text("1,2\n")
    found = collect.programs(
        tmp_path, ["python", "tools/train.py", "--lr", "{lr}", "data.csv", "../other.py", "/bin/sh"]
    )
    assert sorted(found) == ["data.csv", "tools/model.py", "tools/train.py"]
