"""The plots: only those that say something, the same bytes for the same values, and well-formed."""

import dataclasses
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.colors
import numpy as np
import pytest

from analysis.frame.ranges import Range
from analysis.plots import confusion, drawing_process, fonts, kinds, parallel, parameters, style
from analysis.plots.values import axis_of
from analysis.ranking.standing import stand
from analysis.report import html_page
from analysis.results import files, page
from search.run.ledger import Run, Trial
from trainables.objective import ACCURACY

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
AXIS = axis_of(ACCURACY)
ASHA = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
SHOWN: dict[str, dict[str, Any]] = {
    "parameters": {"axis": AXIS, "panels": [
        {"name": "lr $x_1$", "log": True, "levels": [], "points": [(1e-4, 50, "finished"), (0.1, 60, "stopped")]},
        {"name": "augment", "log": False, "levels": ["none", "flip"], "points": [(0, 50, "finished"), (1, 60, "finished")]},
    ]},
    "parallel": {
        "axes": [{"name": "lr $x_1$", "ticks": [(0.0, "1.0e-4"), (1.0, "0.1"), (-0.12, "–")]},
                 {"name": "<b>", "ticks": [(0.5, "$a$")]}, {"name": "val %", "ticks": []}],
        "lines": [{"kind": "best", "status": "finished", "places": [1.0, 0.5, 1.0]},
                  {"kind": "good", "status": "stopped", "places": [0.0, 0.5, 0.6]},
                  {"kind": "other", "status": "stopped", "places": [-0.12, 0.5, 0.0]}],
        "trials": 1000,
    },
    "rungs": {"rungs": [(1, 11, 4, 1), (3, 0, 5, 0)], "finished": 3, "epochs": 9},
    "progress": {"points": [(10, 50), (30, 60), (50, 60)], "trials": 5, "axis": AXIS},
    "size": {"others": [(1000, 50)], "front": [(1000, 60), (200_000, 70)], "axis": AXIS},
    "confusion": {"classes": ["cat", "<dog>"], "shares": [[90.0, 10.0], [0.0, 100.0]]},
}  # fmt: skip


@pytest.fixture(scope="module")
def twice() -> list[dict[str, bytes]]:
    """Each plot, and each again after all others."""
    return [{name: drawing_process.draw(name, SHOWN[name]) for name in order} for order in (SHOWN, reversed(SHOWN))]


@pytest.mark.parametrize("name", SHOWN)
def test_a_plot_is_well_formed_without_formulas_and_the_same_again(name: str, twice: list[dict[str, bytes]]) -> None:
    first, again = (drawn[name] for drawn in twice)
    assert again == first
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert b"mathdefault" not in first
    assert b"<dc:date>" not in first


def test_the_values_are_known_without_matplotlib() -> None:
    """Loading it takes a second, and an unchanged plot is not drawn."""
    code = "import sys; import analysis.plots.kinds, analysis.plots.drawing_process; print('matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_every_module_of_a_plot_is_named_as_its_plot_and_no_other_file_is_left_out() -> None:
    """The stamp of a plot finds its source by its name."""
    shared = {"__init__", "kinds", "values", "style", "fonts", "drawing_process"}
    files = {path.stem for path in Path(kinds.__file__).parent.glob("*.py")}
    assert files == shared | set(kinds.KINDS)
    assert {name: kind.__name__.rpartition(".")[2] for name, kind in kinds.KINDS.items()} == {n: n for n in kinds.KINDS}


def test_a_class_without_images_has_no_zeros_in_the_confusion_matrix() -> None:
    drawn = [
        drawing_process.draw("confusion", {"classes": ["cat", "dog"], "shares": [[90.0, 10.0], row]})
        for row in ([None, None], [0.0, 0.0])
    ]
    assert all(ElementTree.fromstring(each).tag.endswith("svg") for each in drawn)
    assert drawn[0].count(b"<use") == drawn[1].count(b"<use") + 2  # a dash in each of its two cells


GLYPHS = {"classes": ["猫", "犬の絵", "고양이"], "shares": [[90.0, 10.0, 0.0], [0.0, 100.0, 0.0], [0.0, 0.0, 100.0]]}
CLASS_NAMES = ["猫", "日本語", "한국어", "ภาษา", "हिन्दी", "😀🫠", "\U0001f9ff", "café", "Ελλάδα", "$x_1$"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CLASS_NAMES)
def test_a_name_of_any_script_is_drawn_without_a_word_of_matplotlib(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With fonts of this machine that have it, or one note of ours, however many plots have it."""
    classes = {"classes": [name, "dog"], "shares": [[90.0, 10.0], [0.0, 100.0]]}
    points = [(0, 50, "finished")]
    panel = {"panels": [{"name": name, "log": False, "levels": [name], "points": points}], "axis": AXIS}
    curve = {"label": name, "status": "finished", "points": [(1, 0.5), (2, 0.6)]}
    curves = {"top": [curve], "others": [], "number_of_others": 0, "axis": AXIS}
    for plot, values in (("confusion", classes), ("parameters", panel), ("learning_curves", curves)):
        drawing_process.write_plot(drawing_process.Plot(tmp_path / f"{plot}.svg", plot, values))
        assert ElementTree.fromstring((tmp_path / f"{plot}.svg").read_bytes()).tag.endswith("svg")
    assert capfd.readouterr().err == ""
    missing = fonts.found_for(name)[1]
    fonts.tell_missing([classes, panel, curves])
    said = capfd.readouterr().err
    assert said.count("\n") == bool(missing)
    assert not missing or said.startswith("note: no font on this machine has ")


@pytest.mark.skipif(
    not fonts.found_for("猫")[0], reason="no font with Chinese characters on this machine (fonts-noto-cjk)"
)
def test_a_class_that_is_named_in_chinese_has_its_glyphs() -> None:
    """Not the box that stands for any character."""
    drawn = drawing_process.draw("confusion", GLYPHS)
    other = drawing_process.draw("confusion", {**GLYPHS, "classes": ["狗", "犬の絵", "고양이"]})
    assert fonts.found_for(GLYPHS) == (fonts.found_for("猫")[0], frozenset())
    assert drawn != other


def test_without_a_font_there_is_one_note_and_the_plot_is_drawn(
    rates: Callable[[], list[Trial]],
    run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fonts, "candidates", lambda _: {})
    monkeypatch.setattr(fonts, "add_new_fonts", lambda: None)
    fonts.look_for.cache_clear()
    metrics = {"accuracy": 0.5, "confusion_matrix": [[1, 1]] * 2}
    done = {"weights": "a", "trial": 1, "epoch": 2, "state": "done", "metrics": metrics}
    found = dataclasses.replace(run(rates(), classes=["猫", "犬の絵"]), folder=tmp_path)
    tested = dataclasses.replace(found, tests=[done])
    monkeypatch.setattr(page, "render", lambda *_: "")
    for one, notes in (
        (found, 0),
        (tested, 1),
        (tested, 1),
    ):  # without the plot, as it is drawn, as it is there already
        files.write_files(one)
        said = capfd.readouterr().err
        assert said.count("\n") == notes
        assert not notes or said.startswith("note: no font on this machine has の 犬 猫 絵, so plots show boxes ")
    fonts.look_for.cache_clear()
    assert (tmp_path / "plots" / "confusion.svg").exists()


def test_ordinary_names_ask_for_no_font() -> None:
    code = "import sys; from analysis.plots import fonts\n"
    code += "fonts.families({'a': ['café – Ω', 1.0]}); print('matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


@pytest.mark.parametrize("share", [0.0, 0.5, 5.0, 30.0, 47.0, 50.0, 60.0, 75.0, 99.9, 100.0])
def test_the_numbers_of_a_confusion_matrix_can_be_read(share: float) -> None:
    paper = confusion.shade(np.array([share]))[0]
    assert confusion.contrast(paper, np.array(matplotlib.colors.to_rgb(confusion.ink_on(paper)))) >= 4.5


def test_the_words_of_a_plot_can_be_read_on_white_and_on_black() -> None:
    grey = np.array(matplotlib.colors.to_rgb(style.GREY))
    assert min(confusion.contrast(grey, np.ones(3)), confusion.contrast(grey, np.zeros(3))) >= 4.5
    assert confusion.contrast(np.zeros(3), np.ones(3)) == 21


def test_a_decision_after_each_epoch_can_be_drawn() -> None:
    many = {"rungs": [(epoch, 1, 100 - epoch, epoch % 2) for epoch in range(1, 51)], "finished": 50, "epochs": 51}
    assert ElementTree.fromstring(drawing_process.draw("rungs", many)).tag.endswith("svg")


def test_a_plain_search_has_what_it_varied_and_no_more(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    found = run(rates())
    shown = kinds.pictures(found, stand(found))
    assert list(shown) == ["parameters", "progress", "learning_curves"]
    assert [panel["name"] for panel in shown["parameters"]["panels"]] == ["lr"]
    assert shown["parameters"]["panels"][0]["log"]
    assert shown["progress"]["points"][-1] == (9, pytest.approx(100 * 299 / 300))
    json.dumps(shown, allow_nan=False)


def test_networks_of_several_sizes_have_their_front(trial: Make, run: MakeRun) -> None:
    found = run(
        [
            trial(place, (value,), width=width)
            for place, (width, value) in enumerate(((64, 0.5), (128, 0.4), (256, 0.9)))
        ]
    )
    size = kinds.pictures(found, stand(found))["size"]
    assert [value for _, value in size["front"]] == pytest.approx([50, 90])
    assert [value for _, value in size["others"]] == pytest.approx([40])


def test_nothing_finished_nothing_drawn(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (), "failed")])
    assert kinds.pictures(found, stand(found)) == {}


def test_the_winner_that_was_tested_has_its_confusions(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    matrix = [[8, 2], [0, 0]]
    line = {"weights": "a", "trial": 1, "epoch": 2, "state": "done", "metrics": {"confusion_matrix": matrix}}
    found = dataclasses.replace(run(rates(), classes=["a", "b"]), tests=[line])
    assert kinds.pictures(found, stand(found))["confusion"]["shares"] == [[80.0, 20.0], [None, None]]


def mixed(trial: Make, number: int, **more: Any) -> list[Trial]:
    """Trials of four parameters, one of them with names and one that half of them lack; the later the better."""
    return [
        trial(
            place, (0.1 + place / 100,), lr=10.0 ** -(1 + place % 3), depth=1 + place % 2, augment=("none", "flip")[place % 2],
            **({"dropout": 0.1 * place} if place % 2 else {}), **more,
        )
        for place in range(number)
    ]  # fmt: skip


def test_parallel_coordinates_lay_out_every_trial(trial: Make, run: MakeRun) -> None:
    trials = [dataclasses.replace(each, config={**each.config}) for each in mixed(trial, 8)]
    for each in trials[::2]:
        del each.config["dropout"]
    found = run(trials)
    shown = kinds.pictures(found, stand(found))["parallel"]
    axes = {axis["name"]: (place, axis["ticks"]) for place, axis in enumerate(shown["axes"])}
    assert set(axes) == {"lr", "depth", "augment", "dropout", "val %"}
    assert [line["kind"] for line in shown["lines"]] == ["best", "good", *["other"] * 6]
    best, worst = shown["lines"][0]["places"], shown["lines"][-1]["places"]
    assert (best[axes["val %"][0]], worst[axes["val %"][0]]) == (1.0, 0.0)
    assert best[axes["lr"][0]] == pytest.approx(0.5)  # 1e-2 between 1e-1 and 1e-3, on the logarithmic scale
    assert worst[axes["dropout"][0]] < 0 <= best[axes["dropout"][0]]
    assert axes["augment"][1] == [(0.0, "flip"), (1.0, "none")]
    json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize("number", [7, 8])
def test_parallel_coordinates_need_enough_trials(trial: Make, run: MakeRun, number: int) -> None:
    found = run(mixed(trial, number))
    assert ("parallel" in kinds.pictures(found, stand(found))) == (number == 8)


def test_parallel_coordinates_need_three_parameters(trial: Make, run: MakeRun) -> None:
    found = run([trial(place, (0.5,), lr=10.0**-place, depth=1 + place % 2) for place in range(1, 10)])
    assert "parallel" not in kinds.pictures(found, stand(found))


def test_rungs_show_what_became_of_the_trials(trial: Make, run: MakeRun) -> None:
    trials = [trial(0, (0.5,) * 9), trial(1, (0.4,), "stopped", epochs=9), trial(2, (0.3,) * 9)]
    found = run(trials)
    gone_on = [{"trial": 0, "epoch": 1, "decision": "continue"}, {"trial": 0, "epoch": 3, "decision": "continue"}]
    audited = [{"trial": 2, "epoch": 1, "decision": "continue", "audit": True}]
    found = dataclasses.replace(found, decisions=found.decisions + gone_on + audited)
    shown = kinds.pictures(found, stand(found))["rungs"]
    assert shown == {"rungs": [(1, 1, 1, 1), (3, 0, 1, 0)], "finished": 2, "epochs": 9}
    assert (
        page.render(dataclasses.replace(found, identity=dataclasses.replace(found.identity, scheduler=ASHA))).count(
            "rungs.svg"
        )
        == 1
    )


def test_every_plot_is_linked_once_where_it_belongs(trial: Make, run: MakeRun) -> None:
    found = run(mixed(trial, 8))
    text = page.render(found)
    assert sorted(re.findall(r"plots/(\w+)\.svg", text)) == sorted(kinds.pictures(found, stand(found)))


def test_an_axis_without_any_value_lies_below() -> None:
    own = Range(1e-4, 1e-1, log=True)
    assert parallel.laid_out("lr", own, [None, None]).places == [parallel.BELOW] * 2
    assert parallel.laid_out("lr", own, [0.0, 0.1]).places == [0.0, 1.0]


def test_a_conditional_rate_has_a_logarithmic_axis_and_the_report_too(drawn: Callable[..., Run]) -> None:
    """Also one of whole numbers; one case that is not logarithmic makes it linear."""
    found = drawn("optimizer", 30, lambda config, dice: dice.uniform(0.5, 0.6))
    logs = {panel["name"]: panel["log"] for panel in kinds.pictures(found, stand(found))["parameters"]["panels"]}
    assert logs == {"optimizer": False, "lr": True, "adamw_lr": True, "weight_decay": True}
    known = {
        "lr": "when(optimizer: sgd=loguniform(0.01, 1), adamw=uniform(0.01, 1))", "width": "logintegers(16, 1024)",
        "momentum": "uniform(0.1, 0.9)", "optimizer": "choice(sgd, adamw)", "dropout": "when(model: mlp=choice(0.1, 0.2))",
    }  # fmt: skip
    assert html_page.values(
        dataclasses.replace(found, identity=dataclasses.replace(found.identity, space_params=known)), [], []
    )["log"] == ["width"]


@pytest.mark.parametrize(
    ("found", "ticked"),
    [
        ([256.0, 1024.0, 512.0, 256.0], [256.0, 512.0, 1024.0]),
        ([0.0, 0.1, 0.5], [0.0, 0.1, 0.5]),
        ([16.0, 32.0, 1024.0], []),  # their names would overlap
        ([number / 20 for number in range(20)], []),
        ([1.0, 1.0], []),
        ([], []),
    ],
)
def test_a_parameter_of_few_values_has_its_ticks_there(found: list[float], ticked: list[float]) -> None:
    assert parameters.few_values(found) == ticked
