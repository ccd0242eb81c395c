"""Arbitrary arguments for the real command: an exit code and at most one line of error; never a traceback. FUZZ_EXAMPLES.

Only the training itself and the network are taken out. Runs stay, so later arguments meet the runs of earlier ones.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.main import get_command

import run_search
from search import attempts
from trainables.cli import signals
from trainables.cli.execution import execute
from trainables.data import download
from trainables.errors import DataError

often = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", settings().max_examples)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CODES = (0, 1, 2, 3, 4, 5, 6, 7, 8)
OPTIONS = sorted(option for parameter in get_command(run_search.app).params for option in parameter.opts)

words = st.text(max_size=12).filter(lambda text: "\x00" not in text and not text.startswith("/") and ".." not in text)
numbers = st.sampled_from(
    ["0", "1", "2", "7", "-1", "0.5", "1e-3", "1e9", "nan", "inf", "-inf", "1_0", "\u0663", "", " 1", "0x1"]
)
choices = st.sampled_from(
    ["lr_sweep", "mlp_random", "depth_sweep", "lr_sweeep", "grid", "random", "qmc", "tpe", "lr=0.1,0.2",
     "depth=", "asha", "sha", "none", "auto", "fp32", "bf16",
     "digits", "cifar10", "cifar100", "folder:", "folder:no/such", "folder:.", "runs", "deep/er", "results.md", "data", ".",
     "-", "--", "a" * 300, "a" * 100_000, "\udcff", "\x1b[31m", "\n", "é" * 70, "\u202e", "%s", "{}", "~", "*"]
)  # fmt: skip
names = st.sampled_from(
    ["t", "../evil", "/evil", "..", ".", "-rf", "a\nb", "CON", "a" * 64, "a" * 65, "é", "run.lock", ""]
)
values = words | numbers | choices
tokens = (
    st.sampled_from(OPTIONS)
    | values
    | st.builds("{}={}".format, st.sampled_from(OPTIONS), values)
    | st.builds("--name={}".format, names)
    | st.sampled_from(["--debug", "--help", "--num_epochs", "--spaec", "-h", "--seed=" + "9" * 5000])
)
sensible = st.lists(
    st.sampled_from(["--dataset=digits", "--num-samples=2", "--epochs=3", "--seed=1", "--algo=random", "--quiet", "--name=t",
                     "--scheduler=sha", "--fraction=0.5", "--precision=fp32", "--allow-changes", "--epochs=2", "--name=u",
                     "--retry-failed", "--algo=tpe", "--set=depth=2,3", "--warm-start=t", "--max-params=4000000",
                     "--cpus-per-trial=2", "--keep-best=1", "--results=other.md", "--fraction=1e-9"]),
    max_size=6,
).map(lambda some: ["--space=mlp_random", "--dataset=digits", *some])  # fmt: skip
arguments = st.lists(tokens, max_size=7) | st.builds(
    lambda good, odd: [*good, *odd], sensible, st.lists(tokens, max_size=2)
)


class Watch:
    """Notes where this thread writes while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.places: list[Path] = []
        self.thread = threading.get_ident()
        sys.addaudithook(self.hook)

    def hook(self, event: str, given: tuple) -> None:
        if (
            not self.on
            or threading.get_ident() != self.thread
            or not given
            or not isinstance(given[0], str | os.PathLike)
        ):
            return
        writes = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event in ("os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link", "os.truncate"):
            self.places += [Path.cwd() / Path(path) for path in given[:2] if isinstance(path, str | os.PathLike)][
                : 2 if event == "os.rename" else 1
            ]


@pytest.fixture(scope="module")
def watch():
    return Watch()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder; no training, no network, and the signal handlers as they were."""
    inside = tmp_path / "deep" / "inside"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(attempts, "train", lambda *_: None)
    monkeypatch.setattr(download, "fetch", offline)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *signals.ASKING)}
    yield inside
    for number, handler in handlers.items():
        signal.signal(number, handler)


def offline(*_, **__):
    raise DataError("no network: in tests. Put the archive there.")


@pytest.mark.integration
@often
@given(argv=arguments)
def test_any_arguments(place, watch, argv):
    out, err = io.StringIO(), io.StringIO()
    watch.places, watch.on = [], True
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = execute(run_search.app, "run_search.py", argv)
    finally:
        watch.on = False
    assert code in CODES
    complaints = [line for line in err.getvalue().splitlines() if line.startswith("error[")]
    assert len(complaints) == (code > 1), err.getvalue()
    assert "--debug" in argv or "Traceback" not in err.getvalue()
    allowed = (place.parents[1], Path("/dev"))  # the cache of `--data-dir .` lies beside that folder
    assert [path for path in watch.places if not any(path.resolve().is_relative_to(root) for root in allowed)] == []


def test_more_trials_than_any_search_could_have_are_refused(place):
    assert (
        execute(run_search.app, "run_search.py", ["--space=mlp_random", "--dataset=digits", f"--num-samples={10**30}"])
        == 2
    )
