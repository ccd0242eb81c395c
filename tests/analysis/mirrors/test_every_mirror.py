"""What holds for every mirror in analysis/mirrors/refreshing.py: pytest tests/analysis/mirrors/test_every_mirror.py

A new mirror passes by being there, with a reader of itself in tests/analysis/mirrors/readers.py.
"""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import __main__
from analysis.mirrors import refreshing
from search.flags import described
from search.run import ledger
from search.run.ledger import Run, Trial
from tests.analysis.mirrors.conftest import Growing, end_in_every_way
from tests.analysis.mirrors.readers import READERS, Reader, Seen
from trainables.errors import RunError
from trainables.objective import LOSS

Save = Callable[[Path, Run], Path]
Show = Callable[[Path], Seen]


@pytest.fixture(
    params=[pytest.param(name, marks=READERS[name].marks if name in READERS else ()) for name in refreshing.MIRRORS]
)
def mirror(request: pytest.FixtureRequest) -> str:
    package = refreshing.MIRRORS[request.param]
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f'needs pip install -e ".[{request.param}]"')
    assert request.param in READERS, f"add a reader of {request.param} to tests/analysis/mirrors/readers.py"
    return request.param


@pytest.fixture
def reader(mirror: str) -> Reader:
    return READERS[mirror]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database of MLflow's for all tests."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'shared.db'}"


@pytest.fixture
def show(
    mirror: str, reader: Reader, server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Show:
    """Bring the mirror of a run up to date, and read it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)

    def refreshed(folder: Path) -> Seen:
        refreshing.mirror(folder, [mirror])
        return reader.read(folder)

    return refreshed


def test_its_name_is_in_the_help(mirror: str) -> None:
    assert mirror in described("log_to")
    assert mirror in __main__.mirror.__annotations__["to"].__metadata__[0].help


def test_each_end_of_a_trial_has_its_state(ended: Growing, show: Show, reader: Reader) -> None:
    assert show(ended.folder).states == dict(enumerate(reader.states))


def test_writing_twice_changes_nothing(ended: Growing, show: Show) -> None:
    assert show(ended.folder) == show(ended.folder)


def test_a_run_that_grew_is_what_it_would_be_if_written_at_its_end(
    growing: Growing, mirror: str, show: Show, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a follower, which gives what it read before."""

    def written_anew(place: str) -> Seen:
        copy = growing.folder.parent / place / growing.folder.name
        shutil.copytree(growing.folder, copy)
        forget(copy)
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_EXPERIMENT_NAME", place)
            return show(copy)

    first = show(growing.folder)
    before = ledger.read(growing.folder)
    end_in_every_way(growing)
    refreshing.find(mirror)(ledger.read(growing.folder), before)
    followed = reader.read(growing.folder)
    assert written_anew("after a while") == followed
    growing.row(4, 2, 0.9)
    growing.ask(epochs=2)
    growing.end(4, "finished")
    grown = show(growing.folder)
    assert first != followed != grown
    assert written_anew("at its end") == grown


def forget(folder: Path) -> None:
    """Remove all mirrors: they can be made again."""
    for path in (*folder.glob("*.db"), *folder.glob("trials/*/*tfevents*")):
        path.unlink()
    shutil.rmtree(folder / "dvc", ignore_errors=True)


@pytest.mark.parametrize("place", ["böse 'Läufe'; x", "a?b=c#d", "50%20"])
def test_a_run_may_lie_in_a_folder_of_any_name(place: str, ended: Growing, show: Show, tmp_path: Path) -> None:
    strange = tmp_path / place / ended.folder.name
    shutil.copytree(ended.folder, strange)
    expected = show(ended.folder)
    forget(ended.folder)
    assert show(strange).states == expected.states
    assert {path.name for path in tmp_path.iterdir()} == {place, "runs"}, "it wrote elsewhere"


def test_an_unknown_run_is_one_line_and_nothing_is_made(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"^[^\n]*{tmp_path}/nowhere[^\n]*\.$"):
        refreshing.mirror(tmp_path / "nowhere", [mirror])
    assert list(tmp_path.iterdir()) == []


def test_the_winner_is_the_one_that_fresh_seeds_chose(confirmed: Run, save: Save, tmp_path: Path, show: Show) -> None:
    """And not the best of the search, which had 97 %."""
    seen = show(save(tmp_path / "t", confirmed))
    chosen = confirmed.trials[1]
    assert seen.winner in (chosen.id, chosen.value, None)


def test_the_objective_has_its_column(
    trial: Callable[..., Trial], run: Callable[..., Run], save: Save, tmp_path: Path, show: Show
) -> None:
    """By loss the second of these epochs is the best, by accuracy the first."""
    found = run([trial(0, (0.9, 0.5))], objective=LOSS.record())
    assert show(save(tmp_path / "t", found)).best == {"val_loss": 0.75}
