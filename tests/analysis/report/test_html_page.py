"""report.html: the numbers of the ledger on one page that stands alone, and what it does in a real browser.

The browser is Debian's chromium, driven by its chromedriver; where there is none these tests are skipped.
"""

import dataclasses
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import app
from analysis.frame import timing
from analysis.report import html_page
from analysis.results import page as results
from analysis.results.files import write_results
from search.run import ledger
from search.run.ledger import Run, Trial
from tests.waiting import until
from trainables.cli.execution import execute
from trainables.files import durable

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
WriteRun = Callable[[Path, Run], Path]

EVIL = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>|`[x](javascript:1)"
EVIL += "\n\x1b[31m\u202e&#42;=1+1"


def written_page(folder: Path) -> str:
    return html_page.write(ledger.read(folder)).read_text()


def embedded(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def time_lines(folder: Path, *lines: dict[str, Any]) -> None:
    for line in lines:
        durable.append(folder / "timing.jsonl", line)


def epoch_time(epoch: int, seconds: float, speed: float) -> dict[str, Any]:
    return {"epoch": epoch, "seconds": seconds, "images_per_second": speed, "host": "h", "device": "cpu"}


def test_the_command_writes_the_page_and_names_it(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(app, "python -m analysis", ["report", str(written)]) == 0
    assert capsys.readouterr().out == f"{written / 'report.html'}\n"
    assert (written / "report.html").read_text().startswith("<!doctype html>")


def test_every_trial_is_there_once_with_its_curve(written: Path) -> None:
    page = written_page(written)
    run = ledger.read(written)
    trials = embedded(page)["trials"]
    assert sorted(trial["index"] for trial in trials) == [0, 1, 2]
    assert re.findall(r'data-index="(\d+)"', page) == [str(trial["index"]) for trial in trials]
    for trial in trials:
        ledger_rows = run.trials[trial["index"]].epochs
        assert trial["curve"] == [float(f"{row['val_accuracy']:.5g}") for row in ledger_rows]
        assert trial["best"] == max(row["val_accuracy"] for row in ledger_rows)


def test_it_says_what_results_md_says(written: Path) -> None:
    page, text = written_page(written), (written / "results.md").read_text()
    for heading in re.findall(r"^## (.*)$", text, re.MULTILINE):
        assert heading.startswith("Leaderboard") or f"<h2>{heading}</h2>" in page
    assert "99.67 % validation accuracy" in page
    assert "Unconfirmed: one seed each." in page
    assert page.count("<table") == text.count("\n|--") + text.count("\n|:-"), "the leaderboard is there once"


def test_the_places_are_those_of_results_md(written: Path) -> None:
    """Three rows within noise share the first place, the first of them too."""
    places = re.findall(r"<tr data-index.*?<td[^>]*>([^<]*)</td>", written_page(written))
    lines = [line.split("|") for line in results.render(ledger.read(written)).splitlines() if line.startswith("|  1=")]
    assert places == [line[1].strip() for line in lines] == ["1=", "1=", "1="]


def test_the_same_folder_gives_the_same_bytes(written: Path) -> None:
    assert written_page(written) == written_page(written)


def test_the_clock_is_shown_and_its_damage_is_no_error(written: Path) -> None:
    folders = sorted((written / "trials").iterdir())
    time_lines(folders[0], epoch_time(1, 60.0, 1000.0), {"note": "x"}, epoch_time(2, 65.0, 3000.0))
    (folders[1] / "timing.jsonl").write_bytes(b"\0\0\0\n")
    page = written_page(written)
    assert timing.clock(ledger.read(written).trials[1]) is None
    assert "2m 05s of training in all, 2,000 images/s in the median trial, on cpu." in page
    assert "<td" in page and ">2m 05s</td>" in page


def test_the_latency_is_shown_where_it_was_measured(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = min((written / "trials").iterdir())
    time_lines(
        folder, epoch_time(1, 60.0, 1000.0), {"latency_seconds": 0.0004123, "precision": "fp32", "device": "cpu"}
    )
    assert '<td class="number" data-v="0.4123">0.412</td>' in written_page(written)
    assert execute(app, "python -m analysis", ["show", f"{written}/0"]) == 0
    assert (
        "Clock: 1m 00s of training, 1,000 images/s; classifies one image in 0.412 ms, on cpu."
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.0s"), (59.94, "59.9s"), (60, "1m 00s"), (3840, "1h 04m")])
def test_times_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert timing.words(seconds) == text


@pytest.mark.parametrize("values", [(), (0.5,)])
def test_a_run_that_has_hardly_begun_has_a_page(
    trial: Make, run: MakeRun, save: WriteRun, tmp_path: Path, values: tuple[float, ...]
) -> None:
    status = "running" if values else "planned"
    folder = save(tmp_path / "run", run([trial(0, values, status, epochs=3)], total=4))
    assert "Incomplete" in written_page(folder)
    assert written_page(save(tmp_path / "empty", run([], total=4)))


def test_without_trials_there_is_no_table_to_read(run: MakeRun, save: WriteRun, tmp_path: Path) -> None:
    assert "How to read the table" not in written_page(save(tmp_path / "run", run([], total=4)))


def evil_run(trial: Make, run: MakeRun) -> Run:
    trials = [trial(0, (0.5, 0.6), lr=0.1), trial(1, (0.4,), "failed", lr=0.2), trial(2, (0.3, 0.2), lr=0.3)]
    for each in trials:
        each.config["optimizer"] = EVIL if each.index else "sgd"
        each.config[EVIL] = EVIL
    assert trials[1].outcome is not None
    trials[1].outcome.update({"error": EVIL, "where": EVIL})
    return run(trials, space=EVIL, dataset_title=EVIL, classes=[EVIL] * 10, fallback=EVIL, git=EVIL)


def test_foreign_text_stays_text(trial: Make, run: MakeRun, save: WriteRun, tmp_path: Path) -> None:
    folder = save(tmp_path / "run", evil_run(trial, run))
    (folder / "notes.md").write_text(EVIL)
    page = written_page(folder)
    assert len(re.findall(r"<script", page)) == 2
    assert "<img" not in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", page)
    assert "javascript:" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).replace("](javascript:1)", "")
    (row,) = re.findall(r'<tr data-index="2".*?</tr>', page)
    assert row.count("<td") == page.count('<th scope="col"')


def thousand(trial: Make, run: MakeRun) -> Run:
    dice = random.Random(0)
    trials = []
    for index in range(1000):
        top, epochs = dice.uniform(0.3, 0.9), dice.choice((1, 3, 50))
        values = [round(300 * top * (1 - 0.7 ** (epoch + 1))) / 300 for epoch in range(epochs)]
        status = "finished" if epochs == 50 else "stopped"
        trials.append(trial(index, values, status, epochs=50, lr=(index + 1) / 1e4))
    return run(trials, space_params={"lr": "loguniform(0.0001, 0.1)"})


@pytest.fixture(scope="module")
def large(trial: Make, run: MakeRun, save: WriteRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save(tmp_path_factory.mktemp("large") / "run", thousand(trial, run))
    return html_page.write(ledger.read(folder))


def test_a_thousand_trials_are_a_page_of_two_megabytes_at_most(large: Path) -> None:
    assert large.stat().st_size < 2 << 20
    assert len(embedded(large.read_text())["trials"]) == 1000


# In a browser ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[test]'")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium with chromedriver on this machine (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,1400",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


class Page:
    """A report that is open, and the questions of the tests."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        browser.get(path.resolve().as_uri())
        self.errors = browser.get_log("browser")

    def __call__(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def ids(self) -> list[str]:
        """Of the rows that are shown, from the top."""
        return self(
            "return [...document.querySelectorAll('#trials tbody tr')].filter(r => !r.hidden).map(r => r.dataset.index)"
        )

    def write(self, text: str) -> None:
        field = self.all("#filter")[0]
        field.clear()
        field.send_keys(text)

    def chosen(self) -> tuple[list[str], list[str], str]:
        """Of the rows and of the curves that are highlighted, and what the page says of the trial."""
        rows = [row.get_attribute("data-index") for row in self.all("#trials tr.chosen")]
        curves = [curve.get_attribute("data-index") for curve in self.all("#curves .chosen")]
        return rows, curves, self.all("#chosen")[0].text


@pytest.fixture(scope="module")
def report(written_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a complete run of three rates, for tests that only open it."""
    folder = tmp_path_factory.mktemp("report") / "lr_sweep-digits"
    shutil.copytree(written_once / "lr_sweep-digits", folder)
    return html_page.write(ledger.read(folder))


@pytest.fixture
def page(browser: Any, report: Path) -> Page:
    return Page(browser, report)


def test_it_opens_without_errors_and_loads_nothing(page: Page) -> None:
    assert page.errors == []
    assert page("return performance.getEntriesByType('resource').length") == 0
    assert len(page.all("#curves polyline")) == 3
    assert page.all("#scatters svg")


def test_a_click_on_a_heading_sorts_both_ways(page: Page) -> None:
    assert page.ids() == ["1", "2", "0"]
    heading = page.all('th[data-name="lr"] button')[0]
    heading.click()
    assert page.ids() == ["2", "1", "0"]
    heading.click()
    assert page.ids() == ["0", "1", "2"]
    assert page.all('th[data-name="lr"]')[0].get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("lr < 1e-3", ["1", "2"]),
        ("baseline", ["0"]),
        ("lr >= 5e-4 and rank > 1", ["0"]),
        ("nothing", []),
        ("", ["1", "2", "0"]),
    ],
)
def test_a_filter_hides_rows_and_their_curves(page: Page, text: str, left: list[str]) -> None:
    page.write(text)
    assert page.ids() == left
    curves = [curve.value_of_css_property("display") for curve in page.all("#curves polyline")]
    assert len(curves) - curves.count("none") == len(left)
    assert page.all("#shown")[0].text == f"{len(left)} of 3 trials"


def test_a_click_on_a_row_shows_its_curve(page: Page) -> None:
    page.all('#trials tr[data-index="2"] td')[0].click()
    rows, curves, text = page.chosen()
    assert (rows, curves) == (["2"], ["2"])
    assert "99.33 %" in text and "lr 1.0e-4" in text
    page.all('#trials tr[data-index="2"] td')[0].click()
    assert page.chosen()[:2] == ([], [])


def test_a_click_on_a_curve_shows_its_row_and_the_pointer_names_it(page: Page) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    script = """
    const svg = document.querySelector("#curves svg"), line = document.querySelector('#curves polyline[data-index="2"]');
    svg.scrollIntoView({block: "center"});
    const point = line.points[0], box = svg.getBoundingClientRect(), zoom = box.width / svg.viewBox.baseVal.width;
    return [point.x * zoom - box.width / 2, point.y * zoom - box.height / 2];"""
    page.all("#whole")[0].click()
    x, y = page(script)
    plot = page.all("#curves svg")[0]
    ActionChains(page.browser).move_to_element_with_offset(plot, round(x), round(y)).perform()
    assert "lr 1.0e-4" in page.all("#curves .tip")[0].text
    ActionChains(page.browser).click().perform()
    assert page.chosen()[:2] == (["2"], ["2"])


def test_dark_is_dark(page: Page) -> None:
    colours = []
    for scheme in ("light", "dark"):
        feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
        style = page("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
        colours.append([sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in style])
    (light_paper, light_ink), (dark_paper, dark_ink) = colours
    assert light_paper > 600 > 200 > light_ink
    assert dark_paper < 200 < 500 < dark_ink


WIDTHS = (420, 1300)  # pixels: of a telephone, and of a window on a laptop


@pytest.fixture
def window(browser: Any) -> Iterator[Callable[..., None]]:
    """Sets the width of the window in pixels and the scheme, and puts both back."""

    def set_to(width: int, scheme: str = "light") -> None:
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    yield set_to
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def wide_run(confirmed: Run, save: WriteRun, folder: Path) -> Path:
    """The report of a run with all that a table may hold: five hyperparameters, a confirmation and a clock; and its plots."""
    names = ("weight_decay", "dropout", "depth", "width")
    for place, one in enumerate(confirmed.trials):
        values = (10.0**-place, 0.12345 + place / 100, 1 + place % 4, 64 << place % 4)
        one.config.update(zip(names, values, strict=True))
    matrix = [[60 if row == column else 4 for column in range(10)] for row in range(10)]
    facts = {
        "accuracy": 0.6,
        "confusion_matrix": matrix,
        "per_class_accuracy": [0.6] * 10,
        "macro_f1": 0.6,
        "top5_accuracy": 0.9,
    }
    line = {"weights": "a", "trial": 1, "epoch": 2, "state": "done", "metrics": facts}
    run = save(folder, dataclasses.replace(confirmed, tests=[line]))
    for trial_folder in (run / "trials").iterdir():
        time_lines(
            trial_folder,
            epoch_time(1, 1265.0, 14253.0),
            {"latency_seconds": 0.0124, "precision": "fp32", "device": "cpu"},
        )
    write_results(run)
    return html_page.write(ledger.read(run))


@pytest.fixture(scope="module")
def wide(make_confirmed: Callable[[], Run], save: WriteRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wide_run(make_confirmed(), save, tmp_path_factory.mktemp("wide") / "run")


SCALES = """
return [...document.querySelectorAll('.plot svg')].map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width)"""
IMAGES = "return [...document.querySelectorAll('img')].map(i => i.getBoundingClientRect().width / i.naturalWidth)"
CUT = """
return [...document.querySelectorAll('.table, main > table')].filter(t => t.scrollWidth > t.clientWidth).map(t => t.innerText)"""


@pytest.mark.parametrize("width", WIDTHS)
def test_plots_are_drawn_for_the_width_of_the_window(
    browser: Any, wide: Path, window: Callable[..., None], width: int
) -> None:
    """Their words have the size of words, and only what is wider than the window moves sideways."""
    window(width)
    page = Page(browser, wide)
    assert page("return document.documentElement.scrollWidth") <= width
    assert len(page(SCALES)) == 6
    assert min(page(SCALES)) >= 0.95
    assert len(page(IMAGES)) >= 3
    assert min(page(IMAGES)) >= 0.95


def test_no_column_is_cut_in_a_window_of_1300_pixels(browser: Any, wide: Path, window: Callable[..., None]) -> None:
    window(1300)
    page = Page(browser, wide)
    headings = [each.get_attribute("data-name") for each in page.all("#trials th")]
    assert {"weight_decay", "val_accuracy", "seconds", "latency_ms", "source"} <= set(headings)
    assert page(CUT) == []
    assert page("return document.querySelector('#trials th:last-child').getBoundingClientRect().right") <= 1300


def test_on_a_telephone_the_name_of_a_trial_stays_beside_what_is_moved_into_sight(
    browser: Any, wide: Path, window: Callable[..., None]
) -> None:
    window(420)
    page = Page(browser, wide)
    page("document.querySelector('.table').scrollLeft = 9999")
    left = "return document.querySelector('#trials tbody tr').cells[arguments[0]].getBoundingClientRect()"
    assert page(f"{left}.left", 1) >= 0
    assert page(f"{left}.right", len(page.all("#trials th")) - 1) <= 420


def test_another_width_draws_the_curves_again_and_what_was_chosen_stays(
    page: Page, window: Callable[..., None]
) -> None:
    page.all('#trials tr[data-index="2"] td')[0].click()
    page.write("lr < 1e-3")
    for width in (500, 1200):
        window(width)
        # the browser tells the page when it draws its next frame
        until(
            lambda: (
                abs(page(SCALES)[0] - 1) < 0.02
                and page("return document.querySelector('#curves svg').clientWidth") < width  # noqa: B023, it is called at once
            )
        )
        assert page.chosen()[1] == ["2"]
        assert len(page.all("#curves .out")) == 1


def test_a_column_that_no_trial_has_a_value_for_is_left_out(written: Path) -> None:
    names = re.findall(r'data-name="(\w+)"', written_page(written))
    assert not {"seconds", "images_per_second", "latency_ms"} & set(names)
    time_lines(min((written / "trials").iterdir()), epoch_time(1, 60.0, 1000.0))
    names = re.findall(r'data-name="(\w+)"', written_page(written))
    assert {"seconds", "images_per_second"} <= set(names)


CONTRASTS = """
const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => p - q); return (y + 0.05) / (x + 0.05); };
const paper = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = parts(getComputedStyle(at).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim(), own = walker.currentNode.parentElement;
  if (!text || ["SCRIPT", "STYLE"].includes(own.tagName) || !own.checkVisibility()) continue;
  const style = getComputedStyle(own), ink = own instanceof SVGElement ? style.fill : style.color;
  found.push([text.slice(0, 30), contrast(parts(ink), paper(own))]);
}
const field = document.getElementById("filter");
found.push(["placeholder", contrast(parts(getComputedStyle(field, "::placeholder").color), paper(field))]);
return found;"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_a_contrast_of_four_and_a_half(
    browser: Any, wide: Path, window: Callable[..., None], scheme: str
) -> None:
    """Those of a chosen row, of what is folded and of what is said at the pointer too; a dot of the legend is no word."""
    window(1300, scheme)
    page = Page(browser, wide)
    page.all("#trials tbody tr td")[0].click()
    page("document.querySelectorAll('details').forEach(d => d.open = true)")
    page("const tip = document.querySelector('.tip'); tip.hidden = false; tip.textContent = 'a word'")
    found = page(CONTRASTS)
    assert len(found) > 200
    assert [each for each in found if each[1] < (3 if each[0] == "●" else 4.5)] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_plot_lies_on_white_on_which_its_words_can_be_read(
    browser: Any, wide: Path, window: Callable[..., None], scheme: str
) -> None:
    window(1300, scheme)
    page = Page(browser, wide)
    assert set(page("return [...document.images].map(i => getComputedStyle(i).backgroundColor)")) == {
        "rgb(255, 255, 255)"
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("val_accuracy > 91", "0 of 3 trials; val_accuracy is a fraction from 0 to 1: for 91 % write 0.91"),
        ("val_accuracy < 91", "3 of 3 trials; val_accuracy is a fraction from 0 to 1: for 91 % write 0.91"),
        ("status == done", "0 of 3 trials; status is finished"),
        ("lr > 1", "0 of 3 trials; lr goes from 0.0001 to 0.001"),
        ("Status == Finished and lr > 1e-4", "0 of 3 trials"),
        ("status == Finished and lr > 1e-4", "2 of 3 trials"),
    ],
)
def test_a_filter_that_cannot_be_meant_says_why(page: Page, text: str, said: str) -> None:
    page.write(text)
    assert page.all("#shown")[0].text == said


def test_a_status_may_be_written_as_it_is_shown(browser: Any, large: Path) -> None:
    page = Page(browser, large)
    page.write("status == 'stopped early'")
    shown = page.all("#shown")[0].text
    page.write("status == stopped")
    assert page.all("#shown")[0].text == shown
    assert not shown.startswith("0 of")


def test_foreign_text_does_nothing_in_a_browser(
    browser: Any, trial: Make, run: MakeRun, save: WriteRun, tmp_path: Path
) -> None:
    folder = save(tmp_path / "run", evil_run(trial, run))
    (folder / "notes.md").write_text(EVIL)
    page = Page(browser, html_page.write(ledger.read(folder)))
    assert page.errors == []
    assert page("return window.hacked") is None
    assert sorted(page.ids()) == ["0", "1", "2"]
    page.all('#trials tr[data-index="2"] td')[0].click()
    assert page.chosen()[1] == ["2"]
    assert page("return window.hacked") is None


def test_a_thousand_trials_sort_and_filter(browser: Any, large: Path) -> None:
    page = Page(browser, large)
    assert page.errors == []
    page.all('th[data-name="lr"] button')[0].click()
    assert page.ids()[:3] == ["0", "1", "2"]
    page.write("lr <= 0.001")
    assert len(page.ids()) == 10


def test_the_words_below_the_table_are_of_the_trials_that_it_has(seeded: Run) -> None:
    """results.md has a row for a configuration, the page one for each of its seeds."""
    text = unescape(html_page.page(seeded))
    assert "val %: accuracy on the 300 validation images at the best epoch" in text
    assert "of all seeds together" not in text
    assert "of the configuration, by the mean over its 3 seeds" in text


def test_it_does_not_say_that_rows_are_left_out(trial: Make, run: MakeRun) -> None:
    many = run([trial(place, (0.5 + place / 100,), lr=0.1 + place / 100) for place in range(30)])
    assert "The table has the best" in results.render(many)
    assert "The table has the best" not in html_page.page(many)
