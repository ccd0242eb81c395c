"""Every command that the documentation shows is run here, by another test, by CI, or is marked beside it as not run in tests."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.__main__ import app
from analysis.verify.run_folder import verify
from search.run import ledger
from trainables.cli.execution import execute

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "AGENTS.md", *sorted((ROOT / "docs").glob("*.md"))]
LOG = "findings.md"  # tells what was done once, and shows nobody what to do
PROGRAMS = (
    "python|pytest|pip|uv|dvc|ray|sbatch|tensorboard|optuna-dashboard|mlflow|wandb|cifar-search|pre-commit|ruff|mypy"
)
MARK = "not run in tests"

TOOLS = (
    "ray up",
    "ray symmetric-run",
)  # named in a sentence, as one names a program; what to type stands in docs/cluster.md

RUN, OTHER = "lr_sweep-digits", "mlp_random-digits"
SMALL = "--dataset digits --fraction 0.1 --epochs 1 --num-samples 2 --set width=16"  # of two values given the last one counts
ALONE = "--dataset digits --fraction 0.1 --epochs 1"

HERE = {  # as it is documented: as it is run, in a folder with two small finished runs, a network, two classes of pictures
    "python run_search.py --list-spaces": "",
    "python run_search.py --show-space NAME": "python run_search.py --show-space lr_sweep",
    "python run_search.py --show-space mlp_random": "",
    "python run_search.py --space mlp_random": (
        "python run_search.py --space mlp_random --dataset digits --fraction 0.1 --epochs 4 --num-samples 5 --set width=16 "
        "--scheduler sha"
    ),
    'python run_search.py --space mlp_random --set "lr=loguniform(1e-4,1)" --set depth=2,3,4 --set batch_size=256': (
        'python run_search.py --space mlp_random --set "lr=loguniform(1e-4,1)" --set depth=2,3,4 --set batch_size=256 '
        f"{SMALL} --name set"
    ),
    "python run_search.py --space mlp_random --warm-start RUN": (
        f"python run_search.py --space mlp_random --warm-start {RUN} {SMALL} --name warm"
    ),
    "python run_search.py --space mlp_random --dataset folder:pictures": (
        "python run_search.py --space mlp_random --dataset folder:pictures --epochs 1 --num-samples 2 --set width=16"
    ),
    "python run_search.py --resume NAME": f"python run_search.py --resume {RUN}",
    "python run_search.py --resume NAME --retry-failed": f"python run_search.py --resume {RUN} --retry-failed",
    "python run_search.py --reproduce RUN/7f3a": f"python run_search.py --reproduce {RUN}/0",
    "python -m trainables --dataset cifar100 --num_epochs 300 --batch_size 128 --lr 0.1 --weight_decay 5e-4": (
        "python -m trainables --dataset cifar100 --num_epochs 300 --batch_size 128 --lr 0.1 --weight_decay 5e-4 "
        f"{ALONE} --model convnet"
    ),
    "python -m trainables --dataset digits --model mlp --epochs 2": (
        f"python -m trainables --dataset digits --model mlp --epochs 2 {ALONE} --width 16"
    ),
    "python -m trainables.data digits": "",
    "python run_search.py --space lr_sweep --dataset digits --fraction 0.2 --epochs 2 --name check": (
        f"python run_search.py --space lr_sweep --dataset digits --fraction 0.2 --epochs 2 --name {RUN}"
    ),
    "python -m analysis leaderboard RUN": f"python -m analysis leaderboard {RUN}",
    "python -m analysis leaderboard RUN...": f"python -m analysis leaderboard {RUN} {OTHER}",
    "python -m analysis verify RUN": f"python -m analysis verify {RUN}",
    "python -m analysis verify runs/lr_sweep-cifar10": f"python -m analysis verify runs/{RUN}",
    "python -m analysis show RUN": f"python -m analysis show {RUN}",
    "python -m analysis show RUN/7f3a": f"python -m analysis show {RUN}/1",
    "python -m analysis compare RUN RUN": f"python -m analysis compare {RUN} {OTHER}",
    "python -m analysis report RUN": f"python -m analysis report {RUN}",
    "python -m analysis export RUN DIR": f"python -m analysis export {RUN} network",
    "python -m analysis export RUN DIR --retrain": f"python -m analysis export {RUN} retrained --retrain",
    "python -m trainables --fold 2/5": f"python -m trainables --fold 2/5 {ALONE} --model mlp --width 16",
    "python -m analysis suspects RUN": f"python -m analysis suspects {RUN}",
    "python -m trainables.data DATASET --near-duplicates": "python -m trainables.data digits --near-duplicates",
    "python -m analysis predict DIR photo.png": "python -m analysis predict network photo.png",
    "python -m analysis watch RUN": f"python -m analysis watch {RUN}",
    "python -m analysis watch mlp_random-cifar10": f"python -m analysis watch {OTHER}",
    "python -m analysis mirror RUN --to tensorboard": f"python -m analysis mirror {RUN} --to tensorboard",
    "python -m analysis mirror RUN --to optuna": f"python -m analysis mirror {RUN} --to optuna",
}
FIRST = (
    "python run_search.py --space lr_sweep --dataset digits --fraction 0.2 --epochs 2 --name check",
    "python run_search.py --space mlp_random",
    "python -m analysis export RUN DIR",
)
LONG = ("python run_search.py --space ", "python -m trainables --dataset cifar100 ")  # how those begin that train most
SEARCHES = "tests/test_run_search.py"
EXCERPTS = "tests/analysis/test_docs.py::def test_the_excerpt_is_what_the_command_prints"
DVC = "tests/test_dvc.py"
OWN = "tests/test_own_docs.py"
MOVED = "tests/test_coming_from.py"
DASHBOARD = "tests/analysis/mirrors/test_dashboard.py::def test_history_and_importance_show_the_search"
SBATCH = "tests/test_slurm.py::def test_preemption_saves_requeues_and_continues"
ELSEWHERE = {  # where it is run: a file, and what stands there
    "pip install -e . && python run_search.py --space lr_sweep": ".ci/run::-e . && python run_search.py --space lr_sweep",
    'pip install -e ".[test]" && pytest': '.ci/run::-e ".[test]" && pytest',
    'pip install -e ".[test]"': '.ci/run::-e ".[test]" && pytest',
    "pip install -e .": ".ci/run::-e . && python run_search.py --space lr_sweep",
    'pytest -m "not integration and not slow"': '.ci/run::-e ".[test]" && pytest',
    "pytest tests/search": '.ci/run::-e ".[test]" && pytest',
    'pytest -m "" tests/faults': ".ci/run::pytest -m ",
    'pytest -m "slow or hypothesis" --hypothesis-profile thorough': '.ci/run::pytest -m "slow or hypothesis"',
    "ruff check . && ruff format --check . && mypy": ".ci/run::ruff check .\nruff format --check .\nmypy",
    "python run_search.py": ".ci/run::python run_search.py --space lr_sweep",
    "cifar-search --show-completion": "tests/search/terminal/test_completion.py::def test_bash_itself_completes_a_line",
    "python -m trainables.data cifar10": "tests/trainables/data/sources/test_cifar.py::def test_prepare_holds_out_a_tenth",
    "python run_search.py --space mlp_random --epochs 10": f"{SEARCHES}::def test_totals_grow",
    "python run_search.py --space mlp_random --algo tpe --num-samples 100": f"{SEARCHES}::def test_points_of_tpe_stay",
    "python run_search.py --space mlp_random --address HOST:PORT": (
        "tests/faults/test_ray_cluster.py::def test_a_lost_node_loses_no_epoch"
    ),
    "python run_search.py --space mlp_random --log-to tensorboard --log-to optuna": f"{SEARCHES}::def test_mirrors_follow",
    "python run_search.py --space mlp_random --notify https://example.com/hook": (
        "tests/analysis/mirrors/test_notifications.py::def test_"
    ),
    "python -m analysis mirror mlp_random-cifar10 --to tensorboard --to optuna --to mlflow --to dvc": (
        "tests/analysis/mirrors/test_mlflow.py::def test_the_search_is_a_parent"
    ),
    'pip install "cifar-search[onnx]"': ".ci/run::mlflow,dashboard,onnx,timm",
    'pip install "cifar-search[timm]"': ".ci/run::mlflow,dashboard,onnx,timm",
    "python run_search.py --space lr_sweep --dataset digits --metric my_metrics.py:cost": (
        "tests/search/test_search_by_own_metric.py::def test_a_whole_search_by_it_on_digits"
    ),
    "python run_search.py --space lr_sweep --dataset folder:pictures --image-size 64": (
        "tests/search/test_image_size.py::def test_a_search_at_64_pixels"
    ),
    "python run_search.py --space lr_sweep --dataset folder:pictures --set image_size=32,64 --name sizes": (
        "tests/search/test_image_size.py::def test_a_search_of_the_size"
    ),
    "python run_search.py --space lr_sweep --dataset folder:flowers --folds 5": (
        "tests/faults/test_killed_search.py::def test_killed_once_a_search_in_folds_goes_on"
    ),
    "python run_search.py --space my_lm.py": f"{OWN}::def test_it_is_searched_cut_continued",
    "python run_search.py --space from_ray.py": f"{MOVED}::def test_a_training_that_is_continued",
    "python run_search.py --space from_optuna.py --algo tpe": f"{MOVED}::def test_a_training_that_is_continued",
    "python run_search.py --space from_wandb.py": f"{MOVED}::def test_a_training_that_is_continued",
    "python run_search.py --space from_keras.py --dataset folder:pictures": f"{MOVED}::def test_a_network_that_was_built",
    "python run_search.py --space descend.py": f"{OWN}::def test_it_is_searched_cut_continued",
    "cc -O2 -o descend descend.c": f"{OWN}::def test_it_is_searched_cut_continued",
    "python run_search.py --space ~/mine/my_search.py": "tests/spaces/test_files.py::def test_",
    "python run_search.py --space lr_sweep --dataset csv:scans.csv --group-by patient": (
        "tests/trainables/data/test_groups.py::def test_"
    ),
    "python run_search.py --space lr_sweep --dataset folder:films --group-by 'film[0-9]+'": (
        "tests/trainables/data/test_groups.py::def test_"
    ),
    "python -m benchmarks.gpu --session": "tests/benchmarks/test_session.py::def test_a_whole_sitting",
    "python -m benchmarks.replay": "tests/benchmarks/test_replay.py::def test_the_tables_have_a_row",
    "optuna-dashboard sqlite:///runs/NAME/optuna.db": DASHBOARD,
    "optuna-dashboard sqlite:///study.db": DASHBOARD,
    "dvc update cifar10.dvc": f'{DVC}::dvc("update", "cifar10.dvc")',
    "dvc update": f'{DVC}::dvc("update", "cifar10.dvc")',
    "dvc pull cifar10.dvc": f'{DVC}::dvc("pull", "cifar10.dvc")',
    "dvc pull": f'{DVC}::dvc("pull", "cifar10.dvc")',
    "dvc add pictures": f'{DVC}::dvc("add", "pictures")',
    "dvc repro": f'{DVC}::dvc("repro")',
    "dvc metrics show": f'{DVC}::dvc("metrics", "show"',
    "dvc params diff": f'{DVC}::dvc("params", "diff")',
    "dvc plots show": f'{DVC}::dvc("plots", "show")',
    "python -m search.terminal.reference": "tests/search/test_flags.py::def test_the_tables_in_the_documentation_are_up_to_date",
    "python -m trainables --dataset digits --model my_search.py:FlowerNet --channels 64 --epochs 2": (
        "tests/trainables/parts/test_documentation.py::def test_its_command_trains"
    ),
    "python -m tests.faults --kills 200": "tests/faults/test_killed_search.py::python -m tests.faults",
}  # fmt: skip


def spans(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a page, with what stands beside it: its heading, its paragraph, the one before and the one after."""
    heading, paragraphs = "", [*re.split(r"\n\s*\n", text), ""]
    for number, paragraph in enumerate(paragraphs[:-1]):
        heading = paragraph if paragraph.startswith("#") else heading
        beside = "\n".join([heading.splitlines()[0] if heading else "", *paragraphs[max(0, number - 1) : number + 2]])
        yield from ((command, beside) for command in commands(paragraph))


def commands(paragraph: str) -> list[str]:
    """Those of a block, of indented lines, and those between backticks that have an argument."""
    block = re.search(r"^```(?:bash|console)\n(.*?)(?:^```|\Z)", paragraph, re.MULTILINE | re.DOTALL)
    if block and "$ " in block[1]:
        lines = re.findall(r"^\$ (.*)", block[1], re.MULTILINE)
    elif block:
        lines = block[1].splitlines()
    elif "```" in paragraph:
        return []
    else:
        lines = re.findall(rf"^    ((?:{PROGRAMS}) .*)", paragraph, re.MULTILINE)
        lines += re.findall(rf"`((?:{PROGRAMS}) [^`]+)`", paragraph)
    return [re.split(r"\s+#", " ".join(line.split()))[0] for line in lines]


def documented() -> dict[str, list[str]]:
    """What stands beside each command of the documentation, wherever it is shown."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for command, beside in spans(page.read_text()) if page.name != LOG else ():
            found.setdefault(command, []).append(f"{page.name}: {beside}")
    return found


def is_excerpt(command: str) -> bool:
    """Another test runs every console block of docs/analysis.md."""
    return f"$ {command}\n" in (ROOT / "docs" / "analysis.md").read_text()


def test_every_documented_command_is_run_or_marked():
    unknown = {
        command: beside[0].partition(":")[0]
        for command, beside in documented().items()
        if command not in TOOLS and command not in HERE and command not in ELSEWHERE and not is_excerpt(command)
        and not all(MARK in re.sub(r"\s+", " ", each).lower() for each in beside)
    }  # fmt: skip
    assert unknown == {}, f"run them in {Path(__file__).name}, or write '{MARK}' beside them"


def test_the_tables_name_nothing_that_is_not_documented():
    assert (HERE.keys() | ELSEWHERE.keys()) - documented().keys() == set()
    assert HERE.keys() & ELSEWHERE.keys() == set()
    assert len(documented()) > 60, "the pages are not read as they should be"


@pytest.mark.parametrize("command", ELSEWHERE)
def test_what_is_run_elsewhere_is_there(command):
    file, _, needle = ELSEWHERE[command].partition("::")
    assert needle in (ROOT / file).read_text()


def run(command: str, folder: Path) -> tuple[int, str]:
    """The exit code of a documented command in this folder and what it said, both without a terminal."""
    words = shlex.split(HERE.get(command) or command)
    script = [str(ROOT / words[1]), *words[2:]] if words[1] == "run_search.py" else words[1:]
    done = subprocess.run(
        [sys.executable, *script], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout


def draw(folder: Path) -> None:
    """A photograph, and two classes that differ in brightness; in a project with packages that are named as ours."""
    for package in ("search", "spaces"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    random = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 5)):
        for level, name in ((60, "dark"), (190, "light")):
            (folder / "pictures" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(level - 50, level + 50, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "pictures" / split / name / f"{number}.png")
    Image.new("RGB", (40, 40), "white").save(folder / "photo.png")


def prepare(folder: Path) -> None:
    """What the other commands need: pictures, two finished runs and an exported network; and what the three commands said."""
    draw(folder)
    said = {command: run(command, folder) for command in FIRST}
    (folder / "said.json").write_text(json.dumps(said))


def light(source: str, target: str) -> None:
    """Copy a file; weights are linked, since a command replaces them whole and never writes into them."""
    (os.link if source.endswith((".pt", ".safetensors")) else shutil.copy2)(source, target)


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Run a command as `run` does, in a copy of a folder; one of `python -m analysis` without a process of its own."""

    def called(command: str, place: Path) -> tuple[int, str]:
        monkeypatch.chdir(shutil.copytree(place, tmp_path / "work", symlinks=True, copy_function=light))
        words = shlex.split(HERE[command] or command)
        if words[:3] != ["python", "-m", "analysis"]:
            return run(command, Path())
        return execute(app, "python -m analysis", words[3:]), "".join(capfd.readouterr())

    return called


def marked(command: str) -> object:
    """A command that trains something that no other test here needs is left to the long tests."""
    is_long = command.startswith(LONG) and command not in FIRST
    return pytest.param(command, marks=pytest.mark.slow if is_long else ())


@pytest.mark.integration
@pytest.mark.parametrize("command", list(map(marked, HERE)))
def test_a_documented_command_runs_and_draws_nothing_off_a_terminal(command, once, call):
    """Nothing but lines of text comes out, so that a log can be read."""
    place = once("commands", prepare)
    told = json.loads((place / "said.json").read_text())
    code, said = told.get(command) or call(command, place)
    assert code == 0, said
    assert [character for character in said if ord(character) < 32 and character not in "\n\t"] == []
    assert said or "mirror" in command or "export" in command


@pytest.mark.integration
def test_the_first_commands_leave_what_the_documentation_says(once):
    place = once("commands", prepare)
    assert json.loads((place / "said.json").read_text())[FIRST[0]][0] == 0
    assert {path.name for path in place.iterdir()} >= {"network", "results.md", "runs", "data-cache"}


@pytest.mark.integration
def test_early_stopping_is_told_in_the_results(once):
    run = ledger.read(once("commands", prepare) / "runs" / OTHER)
    assert sorted(len(trial.epochs) for trial in run.trials) == [1, 1, 1, 3, 4]
    assert sum(trial.status == "stopped" for trial in run.trials) == 4
    assert "stopped" in (run.folder / "results.md").read_text()
    assert verify(run.folder) == []
