"""The copy of results.md: its links, and what it never replaces."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.results import copying, files
from search.run.ledger import Run
from trainables.errors import RunError, StorageError

MakeRun = Callable[..., Run]
Save = Callable[[Path, Run], Path]


def test_a_copy_has_the_same_text_with_its_links_prefixed(written: Path, tmp_path: Path) -> None:
    (written / "notes.md").write_text("see [mine](trials/x)\n")
    files.write_results(written)
    copying.copy_results(written, tmp_path / "results.md")
    text, copy = (written / "results.md").read_text(), (tmp_path / "results.md").read_text()
    assert copy.replace("](runs/lr_sweep-digits/", "](") == text
    assert copy.count("](runs/lr_sweep-digits/") == text.count("](") - 1
    assert copy.endswith("see [mine](trials/x)\n")


@pytest.mark.parametrize(
    ("target", "link"),
    [("a b/(c)/results.md", "](../../runs/lr_sweep-digits/"), ("runs/lr_sweep-digits/copy.md", "](results.csv)")],
)
def test_links_lead_from_wherever_the_copy_is(written: Path, tmp_path: Path, target: str, link: str) -> None:
    copying.copy_results(written, tmp_path / target)
    assert link in (tmp_path / target).read_text()


def test_names_of_folders_are_quoted_in_links(written: Path, tmp_path: Path) -> None:
    moved = (tmp_path / "runs").rename(tmp_path / "my runs)") / written.name
    copying.copy_results(moved, tmp_path / "results.md")
    assert "](my%20runs%29/lr_sweep-digits/results.csv)" in (tmp_path / "results.md").read_text()


def test_our_own_file_is_replaced(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "results.md"
    target.write_text("<!-- written by run_search.py: another run -->\nan older one\n")
    copying.copy_results(written, target)
    assert target.read_text().startswith("<!-- written by run_search.py: lr_sweep-digits -->\n")
    assert "an older one" not in target.read_text()


@pytest.mark.parametrize("content", ["# my own results\n", "", "\n<!-- written by run_search.py: x -->\n"])
def test_a_file_that_is_not_ours_is_never_replaced(written: Path, tmp_path: Path, content: str) -> None:
    target = tmp_path / "results.md"
    target.write_text(content)
    with pytest.raises(
        StorageError, match=r"not replaced: .* safe in .*lr_sweep-digits\. Name another place .*--results OTHER\."
    ):
        copying.copy_results(written, target)
    assert target.read_text() == content


def test_before_there_are_results_none_are_called_safe(written: Path, tmp_path: Path) -> None:
    (tmp_path / "results.md").mkdir()
    with pytest.raises(StorageError, match="The results are safe in"):
        copying.refuse_foreign(written, tmp_path / "results.md")
    for nothing in (tmp_path / "runs" / "new", tmp_path / "nowhere" / "new"):
        with pytest.raises(StorageError, match=r"it is a folder\. Name another place"):
            copying.refuse_foreign(nothing, tmp_path / "results.md")


def test_a_folder_is_never_replaced(written: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="it is a folder"):
        copying.copy_results(written, tmp_path)


def test_a_pipe_is_not_waited_for(written: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "results.md")
    with pytest.raises(StorageError, match="not replaced"):
        copying.copy_results(written, tmp_path / "results.md")


@pytest.mark.parametrize("target", ["/dev/null", "/dev/zero", "/dev/stdout", "/dev/fd/1"])
def test_a_device_is_never_replaced_nor_a_link_of_the_system(written: Path, target: str) -> None:
    """A search as root would leave the machine without its /dev/stdout; where that leads to a file, too.

    Only asked: if this failed by writing, so would this machine.
    """
    with pytest.raises(StorageError, match=r"not replaced: .*--results OTHER\."):
        copying.refuse_foreign(written, Path(target))


def test_a_link_to_a_device_is_not_replaced_either(written: Path, tmp_path: Path) -> None:
    (tmp_path / "results.md").symlink_to("/dev/null")
    with pytest.raises(StorageError, match="it is a device"):
        copying.copy_results(written, tmp_path / "results.md")


def test_a_link_is_replaced_and_not_followed(written: Path, tmp_path: Path) -> None:
    other, target = tmp_path / "other.md", tmp_path / "results.md"
    other.write_text("precious")
    target.symlink_to(other)
    copying.copy_results(written, target)
    assert not target.is_symlink()
    assert target.read_text().startswith(copying.MARKER)
    assert other.read_text() == "precious"


def test_a_link_to_a_folder_is_replaced_and_the_folder_left_alone(written: Path, tmp_path: Path) -> None:
    other, target = tmp_path / "other", tmp_path / "results.md"
    other.mkdir()
    target.symlink_to(other)
    copying.copy_results(written, target)
    assert target.read_text().startswith(copying.MARKER)
    assert not list(other.iterdir())


def test_without_results_there_is_nothing_to_copy(written: Path, tmp_path: Path) -> None:
    (written / "results.md").unlink()
    with pytest.raises(RunError, match=r"results\.md"):
        copying.copy_results(written, tmp_path / "results.md")
    assert not (tmp_path / "results.md").exists()
