"""RUN/ID finds one trial or says why not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import lookup
from search.run.ledger import Run, Trial
from trainables.errors import RunError


def test_a_trial_is_found_by_index_hash_or_folder(written: Path, rates: Callable[[], list[Trial]]) -> None:
    second = rates()[1]
    for text in (
        "1",
        "0001",
        second.id,
        second.id[:4],
        second.id.upper(),
        f"0001-{second.id}",
        f"0001-{second.id[:2]}",
    ):
        run, trial = lookup.find(f"lr_sweep-digits/{text}", written.parent)
        assert trial is not None and trial.index == 1, text
        assert run.name == "lr_sweep-digits"


def test_a_path_into_the_run_names_its_trial(written: Path) -> None:
    folder = next((written / "trials").glob("0002-*"))
    _, trial = lookup.find(f"{folder}/", Path("nowhere"))
    assert trial is not None and trial.index == 2


def test_without_an_id_it_is_the_winner(written: Path) -> None:
    assert lookup.find("lr_sweep-digits", written.parent)[1] is None
    assert lookup.find_or_winner("lr_sweep-digits", written.parent)[1].index == 1


@pytest.mark.parametrize("text", ["7", "zzzz", "0001-zz"])
def test_no_such_trial_names_some_that_are(written: Path, text: str) -> None:
    with pytest.raises(RunError, match=r"no such trial: lr_sweep-digits/.*Known: 0000-[^.]*\.$"):
        lookup.find(f"lr_sweep-digits/{text}", written.parent)


def test_more_than_one_is_refused_with_their_names(trial: Callable[..., Trial], run: Callable[..., Run]) -> None:
    several = [trial(index, (0.5,), lr=1 / (index + 1)) for index in range(60)]
    first = next(a.id[0] for a in several if not a.id[0].isdecimal())
    with pytest.raises(RunError, match="ambiguous trial"):
        lookup.named(run(several), first)


def test_an_index_is_not_taken_for_a_hash(trial: Callable[..., Trial], run: Callable[..., Run]) -> None:
    several = [trial(index, (0.5,), lr=1 / (index + 1)) for index in range(20)]
    assert lookup.named(run(several), "7").index == 7


def test_without_a_finished_trial_there_is_no_winner(trial: Callable[..., Trial], run: Callable[..., Run]) -> None:
    with pytest.raises(RunError, match="no winner"):
        lookup.winner(run([trial(0, (0.5,), "stopped")]))


def test_a_path_that_leads_nowhere_is_not_taken_for_a_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"unknown run: .*/nowhere: there is no such folder"):
        lookup.run_folder(str(tmp_path / "nowhere"), tmp_path)
    with pytest.raises(RunError, match=r"unknown run 'nowhere': .* holds no run"):
        lookup.run_folder("nowhere", tmp_path)
