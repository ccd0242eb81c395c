"""What a command says that cannot do what it is asked fits the state of the run."""

import dataclasses
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import run_search
import spaces
from analysis.__main__ import app
from analysis.ranking.standing import stand
from analysis.results import next_step, page
from analysis.results.sections import checks
from search.run.ledger import Run, Trial
from trainables.cli.execution import execute

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Save = Callable[[Path, Run], Path]
STATES = {  # of the trials of a run: what is said of it, and the step
    "diverged": (["diverged"] * 3, "all 3 trials diverged", "Search lower rates, such as --set lr="),
    "failed": (["failed"] * 2, "all 2 trials failed", "--retry-failed."),
    "one failed": (["failed"], "the only trial failed", "--retry-failed."),
    "both": (["diverged", "failed"], "no trial has finished: 1 diverged, 1 failed", "--retry-failed."),
    "stopped": (["stopped"] * 2, "all 2 trials stopped early", "Search with more trials"),
    "going on": (["diverged", "running"], "no trial has finished yet", "Let the search go on: python run_search.py --resume "),
}  # fmt: skip


@pytest.fixture
def folder(trial: Make, run: MakeRun, save: Save, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    statuses = STATES[request.param][0]
    own = [trial(place, (0.1,), status, epochs=3, lr=0.5 + place) for place, status in enumerate(statuses)]
    return save(tmp_path / "runs" / "t", run(own))


@pytest.mark.parametrize("folder", STATES, indirect=True)
@pytest.mark.parametrize("command", ["show", "export", "compare", "reproduce", "ensemble"])
def test_the_next_step_fits_the_state(
    folder: Path, command: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], save: Save
) -> None:
    case = request.node.callspec.params["folder"]
    _, came, step = STATES[case]
    words = {
        "show": ["show", str(folder)], "export": ["export", str(folder), str(folder.parent / "out")],
        "ensemble": ["export", str(folder), "--ensemble", "2"], "compare": ["compare", str(folder), str(twin(folder))],
    }  # fmt: skip
    if command == "reproduce":
        code = execute(run_search.app, "run_search.py", ["--reproduce", str(folder)])
    else:
        code = execute(app, "analysis", words[command])
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == (5, 1)
    assert came in err
    assert step in err
    assert case == "going on" or "go on" not in err


def twin(folder: Path) -> Path:
    """A link that is called otherwise is another run to `compare`."""
    other = folder.with_name("u")
    if not other.exists():
        shutil.copytree(folder, other)
    return other


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("diverged", "it diverged in its first epoch. Name another trial: RUN/ID."),
        ("failed", "it failed in its first epoch. Fix the error in its error.txt"),
        ("planned", "it has no epoch yet. Let the search go on: python run_search.py --resume "),
    ],
)
def test_a_trial_without_an_epoch_is_told_from_one_that_has_not_begun(
    trial: Make, run: MakeRun, save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: str, said: str
) -> None:
    folder = save(tmp_path / "t", run([trial(0, (), status, epochs=3), trial(1, (0.5,), lr=0.2)]))
    assert execute(app, "analysis", ["export", f"{folder}/0", str(tmp_path / "out")]) == 5
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("finished", "only those of the best finished trials are kept. Use --retrain."),
        ("stopped", "it was stopped early after 1 epoch, and weights are kept of finished trials. Use --retrain."),
        ("diverged", "it diverged after 1 epoch, and weights are kept of finished trials. Use --retrain."),
        ("running", "they are written when it has finished. Let the search go on (python run_search.py --resume "),
    ],
)  # fmt: skip
def test_why_weights_are_not_there_depends_on_what_became_of_the_trial(
    trial: Make, run: MakeRun, save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: str, said: str
) -> None:
    folder = save(tmp_path / "t", run([trial(0, (0.5,), status, epochs=1 + (status != "finished"))]))
    assert execute(app, "analysis", ["export", f"{folder}/0", str(tmp_path / "out")]) == 5
    assert said in capsys.readouterr().err


def test_the_rates_that_are_proposed_lie_below_all_that_diverged_and_are_understood(trial: Make, run: MakeRun) -> None:
    found = run([trial(place, (), "diverged", epochs=3, lr=lr) for place, lr in enumerate((3.0, 0.5))])
    assert next_step.lower_rates(found) == "lr=0.0005,0.05", "a grid takes values"
    at_random = dataclasses.replace(found, identity=dataclasses.replace(found.identity, algorithm="random"))
    assert next_step.lower_rates(at_random) == "lr=loguniform(0.0005, 0.05)"
    changed, _ = spaces.changed(spaces.load("lr_sweep"), [next_step.lower_rates(found)])
    assert changed.baseline["lr"] < 0.5


@pytest.mark.parametrize("searched", [{"lr": "loguniform(0.5, 3.0)"}, {"depth": "choice(1, 2)"}])
def test_results_md_says_that_all_diverged_and_what_to_do(trial: Make, run: MakeRun, searched: dict[str, str]) -> None:
    """Also where the rate was not searched."""
    found = run([trial(place, (), "diverged", epochs=3, lr=1.0 + place) for place in range(3)], space_params=searched)
    text = page.render(found)
    assert "**There is no best configuration: all 3 trials diverged.**" in text
    assert "All 3 trials diverged: search lower rates." in text
    assert "no region" not in text
    (finding,) = [each for each in checks.divergence(found, stand(found).trials) if not each.is_well]
    assert "--set" in shlex.split(finding.command)


def test_a_single_finished_trial_is_no_ensemble(
    trial: Make, run: MakeRun, save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path / "t", run([trial(0, (0.5,)), trial(1, (0.5,), "diverged", lr=0.2)]))
    assert execute(app, "analysis", ["export", str(folder), "--ensemble", "2"]) == 5
    assert "1 trial finished. Search with more trials, or export that one." in capsys.readouterr().err
