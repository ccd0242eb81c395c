"""docs/notebook.md, run as it stands: pytest tests/search/test_notebook.py"""

import importlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from search import notebook
from search.flags import FLAGS, INSTEAD
from search.notebook import SearchFailedError, arguments, run_search
from search.run import ledger
from search.run.confirmation import is_complete
from trainables.errors import SpaceError

ROOT = Path(__file__).parents[2]
# As a kernel's process is, even if these tests run in the background of a script, where SIGINT is ignored.
LISTENING = (
    "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nfrom search.notebook import run_search\n"
)
SPEAKER = """import signal, sys, time
def stop(*_):
    print("stopped in order", flush=True)
    sys.exit(130)
signal.signal(signal.SIGINT, stop)
print("starting", flush=True)
time.sleep(60)
"""
SPACE = """
from spaces import Space, choice
SPACE = Space(params={"model": "mlp", "lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)
"""
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "notebook.md").read_text(), re.DOTALL)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where a notebook would be: a folder of its own, and the sources found as an installed package is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def test_flags_are_those_of_the_command_line():
    given = {"space": "a", "num_samples": 8, "seed": 0, "set": ["lr=1,2", "depth=3"], "quiet": True, "name": None}
    expected = ["--space=a", "--num-samples=8", "--seed=0", "--set=lr=1,2", "--set=depth=3", "--quiet"]
    assert arguments(given | {"dry_run": False}) == expected


def test_a_mistake_is_an_exception_with_the_line_and_the_code_of_the_command(place, capsys):
    with pytest.raises(SearchFailedError, match="'lr_sweep'") as caught:
        run_search("lr_sweeep", dataset="digits")
    assert caught.value.exit_code == 3
    assert capsys.readouterr().out.startswith("error[space]: ")


def test_an_error_with_details_is_told_with_them():
    lines = ["note: x\n", "error[run]: not the same search: y.\n", "  seed: 0 is now 1\n"]
    assert notebook.message(lines) == "error[run]: not the same search: y.\n  seed: 0 is now 1"
    assert notebook.message(["one\n", "two\n"]) == "two"
    assert notebook.message([]) == ""


def test_the_folder_of_a_run_may_have_any_name(place, monkeypatch):
    (place / "speaker.py").write_text("print('results: results.md and cats and dogs/toy-digits')\n")
    monkeypatch.setattr(notebook, "COMMAND", place / "speaker.py")
    assert run_search("toy", runs_dir="cats and dogs").folder == Path("cats and dogs/toy-digits")
    (place / "speaker.py").write_text("print('results: out/results.md and toy-digits')\n")
    assert run_search("toy", runs_dir=".").folder == Path("toy-digits")


def test_keywords_are_the_flags_of_a_search():
    """Those that ask for something else than a search are none, but for dry_run, which has another answer."""
    known = {name.rstrip("_") for name, entry in FLAGS.items() if entry.group != INSTEAD and name != "space"}
    assert set(notebook.Keywords.__annotations__) == known


def test_a_dry_run_returns_what_it_said(place, monkeypatch):
    said = ("note: x", "trials: 3", "epochs: 9", "epochs:3: of 3", "share: 41 %")
    (place / "speaker.py").write_text("".join(f"print({line!r})\n" for line in said))
    monkeypatch.setattr(notebook, "COMMAND", place / "speaker.py")
    found = run_search("toy", dry_run=True)
    assert found.told == {"trials": "3", "epochs": "9", "epochs:3": "of 3", "share": "41 %"}
    assert str(found) == "trials: 3\nepochs: 9\nepochs:3: of 3\nshare: 41 %"


def test_a_space_of_a_file_is_named_by_it(place, monkeypatch):
    (place / "speaker.py").write_text("import sys\nprint(sys.argv[1])\nprint('results: results.md and runs/mine')\n")
    monkeypatch.setattr(notebook, "COMMAND", place / "speaker.py")
    (place / "mine_in_a_file.py").write_text(SPACE)
    monkeypatch.syspath_prepend(place)
    assert notebook.file_of(importlib.import_module("mine_in_a_file").SPACE) == place / "mine_in_a_file.py"


def test_a_space_of_a_cell_is_refused_with_what_would_work():
    names: dict[str, Any] = {}
    exec(SPACE, names)
    with pytest.raises(SpaceError, match=r"%%writefile my_search\.py"):
        run_search(names["SPACE"])


def test_an_interrupt_while_a_line_is_printed_is_handed_on_too(place, monkeypatch):
    """Printing is where a notebook's main thread is when much is said."""
    (place / "speaker.py").write_text(SPEAKER)
    monkeypatch.setattr(notebook, "COMMAND", place / "speaker.py")
    said = []

    def interrupted(line, **_):
        said.append(line)
        if line == "starting\n":
            raise KeyboardInterrupt

    monkeypatch.setattr("builtins.print", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_search("lr_sweep")
    assert said == ["starting\n", "stopped in order\n"]


@pytest.mark.slow
@pytest.mark.integration
def test_the_page_runs_from_top_to_bottom(place, capfd):
    names: dict[str, object] = {}
    assert len(BLOCKS) >= 6
    for block in BLOCKS:
        exec(compile(block, "docs/notebook.md", "exec"), names)
    run = ledger.read(names["run"].folder)
    assert (is_complete(run), len(run.trials)) == (True, 3)
    assert list(names["trials"].status) == ["finished", "finished"]
    assert "validation accuracy" in names["leaderboard"]
    out, err = capfd.readouterr()
    assert "starting runs/first: lr_sweep on digits, 2 trials of 2 epochs" in out
    assert "finished after 2 of 2 epochs" in out, "no progress"
    assert f"3 error[space]: {'unknown space'}" in out
    assert "'val_accuracy': " in out.splitlines()[-1], "the trial without a search"
    assert [character for character in out + err if ord(character) < 32 and character != "\n"] == []


@pytest.mark.slow
@pytest.mark.integration
def test_an_interrupted_cell_stops_the_search_in_order(place):
    """As a kernel does it: SIGINT to the process in whose main thread the cell runs."""
    kernel = subprocess.Popen(
        [sys.executable, "-c", f"{LISTENING}run_search('lr_sweep', dataset='digits', epochs=500)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while kernel.poll() is None and not any(path.stat().st_size for path in place.glob("runs/*/trials/*/epochs.jsonl")):
        time.sleep(0.05)
    kernel.send_signal(signal.SIGINT)
    out, err = kernel.communicate(timeout=60)
    assert "interrupted; continue with: " in out
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert list(place.glob("runs/*/trials/*/state-*.pt")), "it was not stopped in order"
