"""results.md as a whole: its order, its promises, and the same bytes for the same ledger."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from markdown_it import MarkdownIt

from analysis.results import page
from search.run import ledger
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
CURVES = "plots/learning_curves.svg"
Rates = Callable[[], list[Trial]]
Write = Callable[[Path, Run], Path]


def render(run: Run) -> str:
    return page.render(run)


def test_sections_come_in_the_order_of_the_contract(trial: Make, run: MakeRun, save: Write, tmp_path: Path) -> None:
    trials = [trial(0, (0.5,) * 3), trial(1, (0.4,), "stopped", epochs=3), trial(2, (), "failed", epochs=3)]
    asha = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
    folder = save(tmp_path / "run", run(trials, total=4, scheduler=asha))
    (folder / "notes.md").write_text("mine\n")
    text = render(ledger.read(folder))
    parts = [
        "<!-- written by run_search.py: run -->", "# lr_sweep on digits", "**Incomplete", "**Best of", "Protocol: ",
        "## Leaderboard", "](results.csv)", "](plots/learning_curves.svg)", "## The winner on the test split",
        "## Early stopping", "## Failures", "## Fixed parameters and provenance", "## Notes\n\nmine",
    ]  # fmt: skip
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_the_same_run_gives_the_same_bytes_in_any_order_of_lines(rates: Rates, run: MakeRun) -> None:
    assert render(run(rates())) == render(run(rates()[::-1]))


def test_the_text_holds_no_absolute_path(rates: Rates, run: MakeRun, save: Write, tmp_path: Path) -> None:
    text = render(ledger.read(save(tmp_path / "run", run(rates()))))
    assert str(tmp_path) not in text
    assert not re.search(r"[( ]/(?!path/to)\w", text)


def test_foreign_text_anywhere_is_harmless(trial: Make, run: MakeRun) -> None:
    """Names and errors with markup give no HTML but the folds, and no link but our own."""
    evil = "<script>x</script>|[x](javascript:y)![](http://z)`-->\u202e\x1b[0m"
    one = trial(0, (), "failed")
    one.outcome.update(error=evil, where=evil)  # type: ignore[union-attr]
    names = dict.fromkeys(
        ("space", "dataset_title", "fallback", "space_hash", "algorithm", "code", "git", "fingerprint"), evil
    )
    found = run([one, trial(1, (0.5,))], **names, space_params={evil: evil}, versions={evil: evil}, classes=[evil] * 10)
    html = MarkdownIt("commonmark").enable("table").render(render(found))
    assert "<script" not in html
    assert set(re.findall(r'(?:href|src)="([^"]*)"', html)) <= {
        *(f"trials/{trial.folder.name}" for trial in found.trials), "results.csv", "results.json", CURVES
    }  # fmt: skip
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_a_name_cannot_end_the_marker(rates: Rates, run: MakeRun) -> None:
    text = render(dataclasses.replace(run(rates()), folder=Path("runs/x --> <script>")))
    assert text.splitlines()[0].count("-->") == 1


def test_an_empty_run_can_be_rendered(run: MakeRun) -> None:
    text = render(run([], total=3))
    assert "Incomplete: 0 of 3 trials" in text
    assert "## Leaderboard (no trials)" in text


def test_notes_are_word_for_word(rates: Rates, run: MakeRun, save: Write, tmp_path: Path) -> None:
    folder = save(tmp_path / "run", run(rates()))
    (folder / "notes.md").write_text("I <b>think</b> *so* | [x](y)\n\n- item\n")
    assert render(ledger.read(folder)).endswith("## Notes\n\nI <b>think</b> *so* | [x](y)\n\n- item\n")


def test_without_epochs_no_plot_is_promised(trial: Make, run: MakeRun) -> None:
    assert CURVES not in render(run([trial(0, (), "planned")]))
