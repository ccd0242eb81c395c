"""The examples in the documentation are what their ledgers say: pytest tests/test_examples.py"""

import json
import re
import shutil
from pathlib import Path

import pytest
from scipy.stats import binomtest

from analysis.plots import drawing_process
from analysis.ranking.standing import stand
from analysis.report import html_page
from analysis.results import files
from analysis.results import page as results
from search.run import ledger

EXAMPLES = sorted((Path(__file__).parent.parent / "docs" / "examples").glob("*/run.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_committed_leaderboard_is_rendered_from_the_ledger_beside_it(path):
    run = ledger.read(path.parent)
    assert results.render(run) == (path.parent / "results.md").read_text()


def test_the_committed_reports_are_made_from_the_ledgers_beside_them():
    committed = [path.parent / "report.html" for path in EXAMPLES if (path.parent / "report.html").exists()]
    assert len(committed) == 2
    for path in committed:
        assert html_page.page(ledger.read(path.parent)) == path.read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_committed_tables_and_plots_are_of_the_ledger_beside_them(path, tmp_path):
    """A plot names the values that it was drawn from; its other bytes are matplotlib's."""
    run = ledger.read(shutil.copytree(path.parent, tmp_path / path.parent.name))
    before = {name: (run.folder / name).read_bytes() for name in ("results.csv", "results.json")}
    for plot in (plots := list(files.plots_of(run, stand(run)))):
        assert drawing_process.is_drawn(plot.path, drawing_process.stamp_of(plot)), plot.name
    assert {plot.path for plot in plots} == set((run.folder / "plots").iterdir())
    files.write_files(run)
    assert {name: (run.folder / name).read_bytes() for name in before} == before


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def cells_of(text, heading):
    """The rows of the first table below a heading, by the names of its columns; read without any code of ours."""
    table = [line for line in text.partition(heading)[2].partition("\n## ")[0].splitlines() if line.startswith("|")]
    names, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_leaderboard_can_be_counted_again_by_hand(path):
    """From the lines of each trial's ledger alone: value, interval, distance, epochs, order, status."""
    rows = cells_of((path.parent / "results.md").read_text(), "\n## Leaderboard")
    images, values = json.loads(path.read_text())["sizes"]["val"], []
    for row in rows:
        folder = re.search(r"\((trials/[^)]+)\)", row["id"]).group(1)
        lines = lines_of(path.parent / folder / "epochs.jsonl")
        epochs, finished = [line for line in lines if "epoch" in line and "outcome" not in line], "outcome" in lines[-1]
        best = max(epoch["val_accuracy"] for epoch in epochs)
        low, high = proportion_ci(round(best * images), images)
        told = f"{100 * low:.2f}"
        if not values:  # the first one was picked among all epochs that there could be
            told = lower_end_of_the_first(path, row, round(best * images), images)
        assert row["val %"].strip("*") == f"{100 * best:.2f}"
        assert row["95 % interval"] == f"{told} to {100 * high:.2f}"
        assert row["epochs"].startswith(f"{len(epochs)}/")
        assert row["status"] == ("finished" if finished else "stopped early")
        values.append((finished, best))
    assert values == sorted(values, reverse=True)
    assert [row["Δ pp"] for row in rows] == [
        "–",
        *(f"{100 * (v - values[0][1]):+.2f}".replace("-", "−") for _, v in values[1:]),
    ]
    planned = [line for line in lines_of(path.parent / "trials.jsonl") if line["source"] != "confirm"]
    assert len(rows) == min(20, len(planned)) or len(rows) == len(planned)


def proportion_ci(hits, images):
    found = binomtest(hits, images).proportion_ci(method="wilson")
    return found.low, found.high


def lower_end_of_the_first(path, row, hits, images):
    """That for all epochs of all trials at once (Bonferroni's); where all finished, a lead may raise it."""
    planned = [line for line in lines_of(path.parent / "trials.jsonl") if line["source"] != "confirm"]
    candidates = len(planned) * lines_of(path.parent / "totals.jsonl")[-1]["epochs"]
    stops = json.loads(path.read_text())["scheduler"]["name"] != "none"
    chance = (0.05 if stops else 0.025) / candidates
    lowest = f"{100 * binomtest(hits, images).proportion_ci(1 - chance, method='wilson').low:.2f}"
    told = row["95 % interval"].partition(" ")[0]
    return told if not stops and lowest < told < f"{100 * proportion_ci(hits, images)[0]:.2f}" else lowest


def test_the_confirmed_values_can_be_counted_again_by_hand():
    (path,) = [path for path in EXAMPLES if path.parent.name == "mlp_random-confirmed"]
    rows = cells_of((path.parent / "results.md").read_text(), "\n## Confirmed on fresh seeds")
    plan = lines_of(path.parent / "trials.jsonl")
    for row in rows:
        config = next(line for line in plan if f"{line['index']:04d}-{line['id']}" in row["id"])["config"]
        fresh = [line for line in plan if line["source"] == "confirm" and line["config"] == config]
        bests = [max(epoch.get("val_accuracy", 0) for epoch in lines_of(epochs_of(path, line))) for line in fresh]
        assert len(bests) == int(row["seeds"]) == 3
        assert row["confirmed %"].strip("*") == f"{100 * sum(bests) / 3:.2f}"


def epochs_of(path, line):
    return path.parent / "trials" / f"{line['index']:04d}-{line['id']}" / "epochs.jsonl"


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_link_of_an_example_leads_somewhere(path):
    text = (path.parent / "results.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_numbers_in_the_readme_are_those_of_its_example():
    root = Path(__file__).parent.parent
    readme = (root / "README.md").read_text()
    (example,) = (root / "docs" / "examples").glob("lr_sweep-*/results.md")
    table = [line for line in example.read_text().splitlines() if re.match(r"\| +\d=? \| .*\]\(trials/", line)]
    assert len(table) == 3
    for line in table:
        cells = [re.sub(r"\[(\w+)\]\([^)]*\)", r"\1", cell).strip() for cell in line.strip("|").split("|")]
        assert any(all(cell in row for cell in cells) for row in readme.splitlines() if row.startswith("> |")), cells


@pytest.mark.parametrize("name", ["search.svg", "leaderboard.png"])
def test_the_pictures_of_the_readme_are_small_and_load_nothing(name):
    root = Path(__file__).parent.parent
    assert f"](docs/pictures/{name})" in (root / "README.md").read_text()
    content = (root / "docs" / "pictures" / name).read_bytes()
    assert 1_000 < len(content) < 200_000
    assert b"url(" not in content.replace(b"url(#", b"") or not name.endswith(".svg")


def test_every_link_between_the_pages_leads_somewhere():
    root = Path(__file__).parent.parent
    pages = [root / "README.md", root / "CONTRIBUTING.md", root / "AGENTS.md", *(root / "docs").glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())]
    assert len(links) > 40
    assert [(page.name, link) for page, link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_page_is_in_the_list_of_the_readme():
    root = Path(__file__).parent.parent
    listed = (root / "README.md").read_text().partition("## Documentation")[2].partition("## ")[0]
    assert [page.name for page in (root / "docs").glob("*.md") if f"](docs/{page.name})" not in listed] == []


def test_every_page_is_in_the_navigation_of_the_site():
    root = Path(__file__).parent.parent
    navigation = (root / "docs" / "mkdocs.yml").read_text()
    assert [page.name for page in (root / "docs").glob("*.md") if f"- docs/{page.name}\n" not in navigation] == []
