"""The code in docs/bring-your-own-loop.md and docs/search-any-program.md: pytest tests/test_own_docs.py"""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import spaces
from analysis.__main__ import app
from analysis.report import html_page
from analysis.results.files import write_files
from analysis.verify.run_folder import verify
from search.run import ledger
from search.settings import Settings
from tests import own
from trainables.cli.execution import execute
from trainables.files import durable

ROOT = Path(__file__).parents[1]
PAGES = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("bring-your-own-loop", "search-any-program"))
FILES = {
    name: text
    for text in re.findall(r"```(?:python|sh|c)\n(.*?)```", PAGES, re.DOTALL)
    for name in re.findall(r"^(?:# |/\* )(\w+\.(?:py|sh|c))\b", text)
}
SPACES = ["my_lm", "my_table", "descend", "guess"]


def test_each_space_of_the_pages_is_known_here():
    assert {name.removesuffix(".py") for name in FILES if name.endswith(".py")} == set(SPACES)


@pytest.fixture
def asked(tmp_path, request):
    """A search of a space of the pages."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    if request.param == "descend":
        if not shutil.which("cc"):
            pytest.skip("no C compiler here")
        subprocess.run(["cc", "-O2", "-o", "descend", "descend.c"], cwd=tmp_path, check=True)
    found = spaces.find(str(tmp_path / f"{request.param}.py"))
    return Settings(
        space_name=found.name, space=found.space, code=found.code, objective=found.space.objective, dataset="",
        dataset_short="", fallback=None, cache=Path(), algorithm="random", scheduler=found.space.scheduler,
        num_samples=5,
    )  # fmt: skip


@pytest.mark.parametrize("asked", SPACES, indirect=True)
def test_it_is_searched_cut_continued_to_the_same_bytes_and_reported(tmp_path, asked):
    whole = own.search(tmp_path / "whole", asked)
    assert {"finished", "stopped"} == {trial.status for trial in whole.trials}
    assert not [trial for trial in whole.trials if trial.repeated]
    cut = tmp_path / "cut"
    own.search(cut, replace(asked, scheduler="none", num_samples=2, epochs=4))
    grown = own.search(cut, replace(asked, scheduler="none", num_samples=2, epochs=9))
    straight = own.search(tmp_path / "straight", replace(asked, scheduler="none", num_samples=2, epochs=9))
    assert [trial.epochs for trial in grown.trials] == [trial.epochs for trial in straight.trials]
    assert not [trial for trial in grown.trials if trial.repeated]
    write_files(whole)
    assert f"# {asked.space_name}\n" in (tmp_path / "whole/results.md").read_text()
    assert "<table" in html_page.page(whole)
    assert verify(tmp_path / "whole") == []


@pytest.mark.parametrize("asked", ["my_lm"], indirect=True)
def test_reading_a_run_executes_none_of_its_code(tmp_path, asked, monkeypatch, capsys):
    """The code of the run is replaced by what would leave a trace; the readers say that it is damaged, or show the run."""
    run = own.search(tmp_path / "runs/my_lm", replace(asked, num_samples=2, scheduler="none", epochs=2))
    place = run.identity.code_of(run.folder)
    assert place is not None
    (place / "my_lm.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    index = ledger.read(run.folder).trials[0].id
    for words in (["verify", "my_lm"], ["show", f"my_lm/{index}"], ["report", "my_lm"], ["leaderboard", "my_lm"]):
        execute(app, "python -m analysis", words)
    assert not (tmp_path / "executed").exists()
    assert "its hash is" in "".join(capsys.readouterr())
    assert durable.read_lines(run.trials[0].folder / "epochs.jsonl")


@pytest.mark.parametrize("asked", ["my_lm"], indirect=True)
def test_export_of_a_loop_says_how_its_last_state_is_read(tmp_path, asked, monkeypatch, capsys):
    own.search(tmp_path / "runs/my_lm", replace(asked, num_samples=1, scheduler="none", epochs=2))
    monkeypatch.chdir(tmp_path)
    assert execute(app, "python -m analysis", ["export", "my_lm", "out"]) == 2
    said = re.search(r"torch\.load\('(.+)', weights_only=True\)\['own'\]", capsys.readouterr().err)
    assert said
    state = torch.load(said[1], weights_only=True)["own"]
    assert (state["epoch"], set(state)) == (2, {"model", "optimizer", "epoch"})
