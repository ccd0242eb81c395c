"""Every flag of run_search.py has its class, and means for a run that is there what its class says. Nothing is trained."""

import os
import shutil
import signal
import stat
from dataclasses import replace
from pathlib import Path

import pytest

import run_search
from search import attempts
from search.flags import Kind, of_kind
from search.run import ledger
from tests import own
from trainables.cli import signals
from trainables.cli.execution import execute
from trainables.files import durable

ROOT = Path(__file__).parents[1]
START = (
    "--space=mlp_random", "--dataset=digits", "--num-samples=3", "--epochs=3", "--seed=1", "--fraction=0.5", "--name=t",
    "--precision=fp32", "--seeds=2", "--confirm=2", "--confirm-seeds=3", "--keep-best=5", "--scheduler=sha",
)  # fmt: skip
DIFFERENT = {  # for each flag of class identity another value, and how the difference is told
    "space": ("lr_sweep", "space: mlp_random is now lr_sweep"),
    "dataset": ("folder:images", "the images (fingerprint): "),
    "skip_bad": (None, "the images (fingerprint): "),
    "group_by": (None, "the images (fingerprint): "),
    "resize": ("pad", "the images (fingerprint): "),
    "image_size": ("64", "image_size: 32 is now 64"),
    "folds": ("3", "folds: 2 is now 3"),
    "metric": ("macro_f1", "objective: "),
    "set_": ("batch_size=64", "set: none is now"),
    "max_params": ("9000000", "max_params: none is now 9000000"),
    "warm_start": ("other", "warm_start"),
    "audit": ("0.5", '"audit": 0.5'),
    "algo": ("random", "algorithm: grid is now random"),
    "seed": ("2", "seed: 1 is now 2"),
    "scheduler": ("ladder", 'scheduler: {"name": "sha", '),
    "share": ("0.9", '"share": 0.9'),
    "grace_period": ("2", '"grace_period": 2'),
    "reduction_factor": ("4", '"reduction_factor": 4'),
    "fraction": ("0.4", "fraction: 0.5 is now 0.4"),
    "precision": ("bf16", "precision: fp32 is now bf16"),
    "cpus_per_trial": ("2", "--cpus-per-trial (threads): 1 is now 2"),
}
LARGER = {
    "num_samples": ("4", "trials"), "epochs": ("4", "epochs"), "seeds": ("3", "seeds"), "confirm": ("3", "confirm"),
    "confirm_seeds": ("4", "confirm_seeds"), "keep_best": ("6", "keep_best"),
}  # fmt: skip
SMALLER = {"num_samples": "2", "epochs": "2", "seeds": "1", "confirm": "1", "confirm_seeds": "2", "keep_best": "4"}
FREE = {
    "data_dir": "other/data", "gpus_per_trial": "0", "engine": "2", "max_concurrent": "1", "results": "other.md",
    "address": "127.0.0.1:1", "epoch_timeout": "60", "time_budget": "1h", "retry_failed": None, "allow_changes": None,
    "quiet": None, "log_to": "optuna", "notify": "true",
}  # fmt: skip
NO_IDENTITY_ALONE = (
    "algo",
    "warm_start",
    "skip_bad",
    "group_by",
    "resize",
    "share",
    "folds",
)  # tried by themselves below


def flag(name: str, value: str | None) -> str:
    name = "--" + name.strip("_").replace("_", "-")
    return name if value is None else f"{name}={value}"


@pytest.fixture
def command(tmp_path, decoded, monkeypatch, capfd):
    """The command in a folder of its own; returns its exit code and what it said on stderr."""
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path, tmp_path / "other"):
        place.mkdir(exist_ok=True)
        (place / "data-cache").symlink_to(decoded)
    monkeypatch.setattr(attempts, "train", lambda *_: None)
    monkeypatch.setattr(run_search, "finish", lambda *_: None)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *signals.ASKING)}

    def run(*arguments: str) -> tuple[int, str]:
        code = execute(run_search.app, "run_search.py", arguments)
        return code, capfd.readouterr().err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def images(tmp_path):
    """A small folder of images."""
    from PIL import Image

    for number in range(40):
        part = "test" if number >= 30 else "train"
        place = tmp_path / "images" / part / ("dark", "bright")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number * 6,) * 3).save(place / f"{number}.png")
    return "folder:images"


def files(run: Path = Path("runs/t")) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in ("run.json", "totals.jsonl", "trials.jsonl")}


def test_every_flag_of_a_class_is_tried_below():
    assert set(DIFFERENT) == set(of_kind(Kind.IDENTITY))
    assert set(LARGER) == set(SMALLER) == set(of_kind(Kind.TOTAL))
    assert set(FREE) == set(of_kind(Kind.FREE))


def test_another_share_of_a_ladder_is_another_search(command):
    assert command(*START, "--scheduler=ladder")[0] == 0
    code, said = command(*START, "--scheduler=ladder", "--share=90%")
    assert (code, DIFFERENT["share"][1] in said) == (5, True)


@pytest.mark.parametrize("name", [name for name in DIFFERENT if name not in NO_IDENTITY_ALONE])
def test_another_identity_is_refused_line_by_line(command, images, name):
    assert command(*START)[0] == 0
    before = files()
    value, line = DIFFERENT[name]
    for arguments in ([*START, flag(name, value)], ["--resume=t", flag(name, value)]):
        code, said = command(*arguments)
        assert code == 5, said
        complaint, *details = said[said.index("error[") :].splitlines()  # after a word about decoding
        assert complaint.startswith("error[run]: not the same search: runs/t: ")
        assert "--name NEW" in complaint
        assert any(detail.startswith("  ") and line in detail for detail in details), said
        assert files() == before


def test_another_number_of_folds_is_refused_and_a_name_stands_for_what_there_are(command):
    start = [*(each for each in START if not each.startswith("--seeds")), "--folds=2"]
    assert command(*start)[0] == 0
    before = files()
    for arguments in ((*start, "--folds=3"), ("--resume=t", "--folds=3")):
        code, said = command(*arguments)
        assert (code, DIFFERENT["folds"][1] in said) == (5, True), said
    code, said = command("--resume=t", "--seeds=3")
    assert (code, said.startswith("error[usage]: --folds 2 and --seeds 3: ")) == (2, True), said
    assert command("--resume=t")[0] == 0
    assert command(*start)[0] == 0
    assert files() == before
    assert [trial.fold for trial in ledger.read(Path("runs/t")).trials] == [1, 2] * 3


def test_own_training_has_no_folds_and_that_is_one_line(command, tmp_path):
    space = own.write(tmp_path, "loop")
    code, said = command(f"--space={space}", "--folds=3", "--name=t")
    reading, error = said.splitlines()
    assert (code, reading) == (2, f"reading {space} ...")
    assert error.startswith("error[usage]: --folds: ")
    assert error.endswith("trains by itself and reads no images of this program. Leave it out.")


def test_several_differences_have_a_line_each(command):
    assert command(*START)[0] == 0
    code, said = command(*START, "--seed=2", "--fraction=0.4", "--cpus-per-trial=2")
    lines = said.splitlines()
    assert (code, lines[1:]) == (
        5,
        ["  fraction: 0.5 is now 0.4", "  seed: 1 is now 2", "  --cpus-per-trial (threads): 1 is now 2"],
    )


def test_another_warm_start_is_refused_without_reading_it(command):
    assert command(*START)[0] == 0
    code, said = command(*START, "--warm-start=other")
    assert (code, "it was started without --warm-start" in said) == (5, True)


def test_another_algorithm_is_refused(command):
    start = ("--space=depth_sweep", "--dataset=digits", "--name=t", "--num-samples=2")
    assert command(*start)[0] == 0
    code, said = command(*start, "--algo=random")
    assert (code, DIFFERENT["algo"][1] in said) == (5, True)


@pytest.mark.parametrize("name", LARGER)
def test_a_total_grows_and_does_not_shrink(command, name):
    assert command(*START)[0] == 0
    code, said = command(*START, flag(name, SMALLER[name]))
    assert (code, "cannot shrink" in said) == (5, True)
    value, key = LARGER[name]
    assert command(*START, flag(name, value))[0] == 0
    assert getattr(ledger.read(Path("runs/t")).totals, key) == int(value)
    code, said = command(*START)
    assert (code, "cannot shrink" in said) == (5, True)


@pytest.mark.parametrize("name", FREE)
def test_what_is_free_changes_nothing_of_the_run(command, name):
    assert command(*START)[0] == 0
    before = files()
    assert command(*START, flag(name, FREE[name]))[0] == 0
    assert command("--resume=t", flag(name, FREE[name]))[0] == 0
    assert files() == before


def test_a_run_is_continued_by_its_name_alone(command):
    assert command(*START, "--scheduler=sha", "--grace-period=2", "--reduction-factor=4", "--cpus-per-trial=2")[0] == 0
    before = files()
    code, said = command("--resume", "t")
    assert (code, files() == before) == (0, True), said
    assert "6 trials of 3 epochs, early stopping by sha" in said


def test_what_was_allowed_to_change_is_what_a_name_stands_for(command):
    assert command(*START)[0] == 0
    assert command("--resume=t", "--scheduler=none", "--allow-changes")[0] == 0
    totals = durable.read_lines(Path("runs/t/totals.jsonl"))
    assert [entry.startswith("scheduler: ") for entry in totals[-1]["allowed"]] == [True]
    before = files()
    code, said = command("--resume=t")
    assert (code, files() == before) == (0, True), said
    assert "no early stopping" in said


def test_totals_grow_beside_a_name(command):
    assert command(*START)[0] == 0
    assert command("--resume=t", "--num-samples=5")[0] == 0
    run = ledger.read(Path("runs/t"))
    assert (run.totals.trials, run.totals.epochs, len(run.trials)) == (5, 3, 10)


def test_an_unknown_name_lists_the_runs_that_are_not_finished(command, tmp_path):
    for number in ("0", "1"):
        assert command(*START[:-2], f"--name=open{number}")[0] == 0
    shutil.copytree(ROOT / "docs/examples/mlp_random-full", tmp_path / "runs/over")
    (tmp_path / "runs/torn").mkdir()
    (tmp_path / "runs/torn/run.json").write_text("{")
    for name, closest in (
        ("opne", "Closest: open0, open1. "),
        ("../runs/opne0", "Closest: open0, open1. "),
        ("", ""),
        (".", ""),
    ):
        code, said = command("--resume", name)
        assert code == 5
        assert said == (
            f"error[run]: unknown run {name!r}: runs: there is none of that name. {closest}"
            "Unfinished there: open0, open1, torn (damaged).\n"
        )
    assert command("--resume", "x", "--runs-dir", "nowhere")[1].endswith("Unfinished there: none.\n")


def test_a_run_of_a_folder_of_images_goes_on_by_its_name(command, images, tmp_path, monkeypatch):
    """Its path is remembered by this machine alone, in a private file that may be deleted."""
    assert command("--space=lr_sweep", f"--dataset={images}", "--name=t")[0] == 0
    said = [
        path for path in Path("runs/t").rglob("*") if path.is_file() and str(tmp_path).encode() in path.read_bytes()
    ]
    assert said == [Path("runs/t/local.json")]
    assert stat.S_IMODE(said[0].stat().st_mode) == 0o600
    before = files()
    assert command("--resume=t")[0] == 0
    monkeypatch.chdir(tmp_path / "other")
    assert command("--resume=../runs/t")[0] == 0, "from another folder"
    assert (files(tmp_path / "runs/t"), list(Path().glob("runs"))) == (before, [])


@pytest.mark.parametrize("lost", ["", "{", '{"dataset": 3}', '{"dataset": "digits"}'])
def test_where_a_folder_of_images_lies_has_to_be_said_if_nobody_knows(command, images, lost):
    """On another machine, or after local.json was lost or damaged; the images are known by their content."""
    assert command("--space=lr_sweep", f"--dataset={images}", "--name=t")[0] == 0
    Path("runs/t/local.json").write_text(lost)
    code, said = command("--resume=t")
    assert code == 2
    assert said.startswith("error[usage]: --dataset is missing: t was trained on the images called images, ")
    code, said = command("--resume=t", "--dataset=digits")
    assert (code, "the images (fingerprint): " in said) == (5, True)
    assert command("--resume=t", f"--dataset={images}")[0] == 0
    assert command("--resume=t")[0] == 0, "now it is known"


def test_a_folder_of_images_that_is_gone_is_one_line_with_the_next_step(command, images, tmp_path):
    assert command("--space=lr_sweep", f"--dataset={images}", "--name=t")[0] == 0
    Path("images").rename("elsewhere")
    code, said = command("--resume=t")
    assert (code, said.count("\n")) == (4, 1)
    assert said.startswith(f"error[data]: images are gone: {tmp_path / 'images'}: t was trained on them. ")
    assert "--dataset folder:/path/to/images." in said
    assert command("--resume=t", "--dataset=folder:elsewhere")[0] == 0
    assert command("--resume=t")[0] == 0


def test_archives_that_lie_elsewhere_need_not_be_named_again(command, tmp_path, monkeypatch):
    from trainables.data import loading

    (tmp_path / "other/data").mkdir()
    assert command(*START, "--data-dir=other/data")[0] == 0
    asked = []
    prepare = loading.prepare
    monkeypatch.setattr(
        loading, "prepare", lambda name, where, **how: (asked.append(where), prepare(name, where, **how))[1]
    )
    for arguments in (("--resume=t",), ("--resume=t", "--data-dir=data"), ("--resume=t",)):
        assert command(*arguments)[0] == 0
    assert asked[:2] == [tmp_path / "other/data", Path("data")]


@pytest.mark.parametrize("path", ["runs/t", "runs/t/", "./runs/t", "{here}/runs/t", "other/../runs/t"])
def test_a_run_is_continued_by_its_path_as_a_shell_completes_it(command, tmp_path, path):
    assert command(*START)[0] == 0
    before = files()
    code, said = command(f"--resume={path.format(here=tmp_path)}")
    assert (code, files() == before) == (0, True), said


def test_a_run_is_continued_from_inside_and_a_path_needs_no_folder_of_runs(command, tmp_path, monkeypatch):
    assert command(*START)[0] == 0
    assert command("--resume=runs/t", "--runs-dir=nowhere")[0] == 0
    assert not Path("nowhere").exists()
    monkeypatch.chdir("runs/t")
    assert command("--resume=.", f"--data-dir={tmp_path / 'data'}")[0] == 0
    code, said = command("--resume=../u")
    assert (code, "there is none of that name." in said) == (5, True)


def test_a_name_in_other_letters_and_the_path_of_none_have_their_closest(command):
    assert command(*START[:-2], "--name=Flowers")[0] == 0
    for given in ("flowers", "FLOWER", "runs/Flowes"):
        code, said = command("--resume", given)
        assert (code, "Closest: Flowers. " in said) == (5, True), said


def run_of_images(*arguments: str) -> tuple[str, ...]:
    return ("--space=lr_sweep", "--epochs=1", *arguments)


@pytest.mark.parametrize(
    "spelling", ["folder:./images", "folder:other/../images", "folder:link", "folder:/{here}/images/"]
)
def test_one_folder_spelt_otherwise_is_the_same_run(command, images, tmp_path, spelling):
    (tmp_path / "link").symlink_to("images")
    assert command(*run_of_images(f"--dataset={images}"))[0] == 0
    before = list(Path("runs").iterdir())
    code, said = command(*run_of_images(f"--dataset={spelling.format(here=tmp_path)}"))
    assert (code, list(Path("runs").iterdir())) == (0, before), said


def test_what_there_is_to_say_of_images_is_said_once(command, images):
    """A search that goes on has it in its results."""

    def told(said):
        return [line for line in said.splitlines() if "validation images" in line or "held out" in line]

    first, again = (command(*run_of_images(f"--dataset={images}")) for _ in range(2))
    assert (first[0], again[0]) == (0, 0)
    assert told(first[1])
    assert not told(again[1])


def test_a_folder_that_was_moved_or_copied_is_the_same_run_and_that_is_said(command, images, tmp_path):
    assert command(*run_of_images(f"--dataset={images}"))[0] == 0
    (before,) = Path("runs").iterdir()
    shutil.copytree("images", "copy")
    Path("images").rename("moved")
    for place in ("copy", "moved"):
        code, said = command(*run_of_images(f"--dataset=folder:{place}"))
        assert (code, list(Path("runs").iterdir())) == (0, [before]), said
        assert f"note: {before} has the same images under another path, so that run is continued; " in said
    code, said = command(*run_of_images("--dataset=folder:moved", "--seed=1"))
    assert code == 0
    assert f"note: {before} has the same images under another path. To continue one: --resume NAME --dataset " in said
    assert len(list(Path("runs").iterdir())) == 2
    assert command(*run_of_images("--dataset=folder:copy", "--name=mine"))[0] == 0
    assert Path("runs/mine/run.json").exists()


def test_a_folder_that_was_moved_is_the_same_run_if_the_rule_of_the_space_gave_way(command, images):
    again = ("--space=mlp_random", "--epochs=9", "--num-samples=2", "--algo=tpe")
    assert command(*again, f"--dataset={images}")[0] == 0
    (before,) = Path("runs").iterdir()
    Path("images").rename("moved")
    code, said = command(*again, "--dataset=folder:moved")
    assert (code, list(Path("runs").iterdir())) == (0, [before]), said


def test_other_images_under_another_path_are_another_run(command, images, tmp_path):
    assert command(*run_of_images(f"--dataset={images}"))[0] == 0
    shutil.copytree("images", "copy")
    next(Path("copy/train/dark").iterdir()).unlink()
    code, said = command(*run_of_images("--dataset=folder:copy"))
    assert (code, len(list(Path("runs").iterdir()))) == (0, 2)
    assert "another path" not in said


def test_what_skip_bad_left_out_is_part_of_what_the_run_is(command, images, tmp_path):
    bad = [tmp_path / "images" / "train" / "dark" / f"bad{number}.png" for number in range(3)]
    for path in bad:
        path.write_bytes(b"no image")
    code, said = command(*run_of_images(f"--dataset={images}", "--name=t"))
    assert (code, "error[data]: cannot read 3 images: " in said) == (4, True)
    code, said = command(*run_of_images(f"--dataset={images}", "--name=t", "--skip-bad"))
    assert (code, "note: 3 images left out that cannot be read (--skip-bad).\n" in said) == (0, True)
    assert ledger.read(Path("runs/t")).identity.census["skipped"] == 3
    before = files()
    code, said = command("--resume=t", f"--dataset={images}")  # the flag is read back from the run
    assert (code, files()) == (0, before), said
    for path in bad[:2]:
        path.unlink()
    assert command("--resume=t", f"--dataset={images}")[0] == 0  # the same images are left
    shutil.copy(tmp_path / "images" / "train" / "dark" / "0.png", bad[2])
    code, said = command("--resume=t", f"--dataset={images}")
    assert (code, "the images (fingerprint): " in said) == (5, True)


def test_two_names_contradict_each_other(command):
    assert command(*START)[0] == 0
    code, said = command("--resume=t", "--name=u")
    assert (code, said.startswith("error[usage]: --name contradicts --resume t.")) == (2, True)


def test_more_points_than_a_grid_has_are_told(command):
    start, said = ("--space=lr_sweep", "--dataset=digits"), "note: the grid has 3 points, so no more are tried"
    assert said in command(*start, "--num-samples=10")[1].splitlines()
    assert "the grid has" not in command(*start)[1]


NOTED = {  # flags, and a note that they call for
    "more points than the grid has": (("--space=lr_sweep", "--num-samples=10"), "the grid has 3 points"),
    "more to confirm than there are": (("--space=lr_sweep", "--confirm=9"), "--confirm 9: the search has 3"),
    "no rung": (
        ("--space=lr_sweep", "--scheduler=asha", "--grace-period=20", "--epochs=20"),
        "no trial will be stopped",
    ),
    "a schedule that is sized": (
        ("--space=resnet_sgd", "--num-samples=1"),
        "the cosine and onecycle schedules are sized for",
    ),
    "a rule that gives way": (
        ("--space=optimizer", "--num-samples=2", "--epochs=4", "--seeds=2"),
        "space's asha: asha judges",
    ),
    "a share that gives way": (
        ("--space=mlp_random", "--num-samples=2", "--epochs=4"),
        "a share of 100% in place of 35%: 2 configurations of 4 epochs take at least 100% of all epochs",
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_a_note_is_printed_whether_or_not_progress_is(command, monkeypatch, case):
    """Once, and the same with --dry-run, which trains nothing, with --quiet and without it."""
    monkeypatch.setattr("search.terminal.estimate.mean_seconds", lambda *_: (1.0, 1, None))
    flags, said = NOTED[case]
    kinds = [command(*flags, "--dataset=digits", "--name=t", *more)[1] for more in (["--dry-run"], ["--quiet"], [])]
    notes = [[line for line in text.splitlines() if line.startswith("note: ")] for text in kinds]
    assert notes[0] == notes[1] == notes[2]
    assert sum(said in line for line in notes[0]) == 1, kinds


def test_a_broken_space_hides_no_other(command, monkeypatch, capfd):
    import spaces

    load = spaces.load
    monkeypatch.setattr(spaces, "load", lambda name: load("no such space" if name == "lr_sweep" else name))
    code = execute(run_search.app, "run_search.py", ["--list-spaces"])
    listed = dict(line.split(maxsplit=1) for line in capfd.readouterr().out.splitlines())
    assert (code, list(listed)) == (0, spaces.names())
    assert listed["lr_sweep"].startswith("broken     unknown space 'no such space'.")


def test_nobody_has_to_watch_a_search(command):
    """Its progress goes into a pipe that nobody reads; it ends as it would have ended."""
    read, write = os.pipe()
    os.close(read)
    kept = os.dup(2)
    os.dup2(write, 2)
    try:
        code = execute(run_search.app, "run_search.py", START)
    finally:
        os.dup2(kept, 2)
    assert code == 0
    assert ledger.read(Path("runs/t")).totals.trials == 3


@pytest.mark.parametrize(
    ("flags", "what"),
    [("--scheduler=ahsa", "'asha'"), ("--algo=tep", "'tpe'"), ("--precision=bf1", "'bf16'"), ("--name=a b", "--name"),
     ("--fraction=2", "--fraction"), ("--seed=-1", "--seed"), ("--gpus-per-trial=many", "--gpus-per-trial")],
)  # fmt: skip
def test_a_mistake_is_found_before_anything_is_downloaded(command, monkeypatch, flags, what):
    def download(*_, **__):
        raise AssertionError("it was not looked at first")

    monkeypatch.setattr("trainables.data.loading.prepare", download)
    code, said = command("--space=lr_sweep", "--dataset=digits", flags)
    assert (code, what in said) == (2, True), said


def test_a_folder_for_a_trial_again_is_refused_beside_a_search(command):
    code, said = command("--space=lr_sweep", "--dataset=digits", "--out=somewhere")
    assert (code, "--out keeps a trial of --reproduce" in said) == (2, True)


def test_a_limit_in_a_space_counts_with_the_classes_of_the_images(command, images, tmp_path, monkeypatch):
    """So that the run, which records it, can be continued: there it is a flag."""
    import spaces

    limited = replace(spaces.load("lr_sweep"), max_params=100_000_000)
    monkeypatch.setattr(spaces, "load", lambda name: limited)
    start = ("--space=lr_sweep", f"--dataset={images}", "--name=t")
    assert command(*start)[0] == 0
    code, said = command("--resume=t", f"--dataset={images}")
    assert code == 0, said


def test_whole_numbers_are_points_of_a_grid_too(command):
    fixed = ("--set=lr=1e-3", "--set=dropout=0.3", "--set=weight_decay=1e-4")
    code, said = command("--space=mlp_random", "--dataset=digits", *fixed, "--algo=grid", "--num-samples=3")
    assert code == 0, said
    assert "the grid has" not in said
