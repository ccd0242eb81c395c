"""How early stopping and data sets are named: the same on the command line, in a space and in a run."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.render import commands
from search.flags import Flags
from search.records import Totals
from search.run import resume
from search.run.ledger import Run
from search.stopping import rules
from spaces import Scheduler, Space, choice
from tests.records import recorded_identity
from trainables.data import names
from trainables.errors import DataError, SpaceError, UsageError

WRITTEN = st.sampled_from(["asha", "sha", "median", "none"]) | st.integers(1, 9_999_999).map("epochs:{}".format)
NEARLY = st.from_regex(r"(asha|sha|epochs|median|none)?:?[0-9K+_ \n٣]{0,9}", fullmatch=True)


def accepts(make, error):
    try:
        make()
    except error:
        return False
    return True


@given(WRITTEN | NEARLY)
@example("epochs:0")
@example("epochs:03")
@example("epochs:10000000")
@example("epochs:3\n")
@example("asha:3")
def test_the_command_line_and_a_space_take_the_same_schedulers(settings, text):
    params = {"model": "mlp", "lr": choice(0.1, 0.2)}
    in_space = accepts(lambda: Space(params=params, baseline={"lr": 0.1}, epochs=1, scheduler=text), SpaceError)
    is_one = accepts(lambda: Scheduler.parse(text), ValueError)
    assert is_one == in_space == accepts(lambda: settings(scheduler=text), UsageError)
    assert not is_one or str(Scheduler.parse(text)) == text


def test_results_and_resume_name_the_same_flags(tmp_path):
    rule = rules.rule("epochs:3", audit=0.1)
    more = {"set": ["lr=0.1", "depth=2"], "max_params": 900, "census": {"skipped": 1}}
    identity = recorded_identity(scheduler=rule, space="x", algorithm="random", **more)
    run = Run(tmp_path / "x-digits", identity, Totals(trials=4, epochs=9), [], [], [])
    known = rules.flags(rule)
    assert known.items() <= identity.flags().items()
    asked, flags = commands.asked(run), identity.flags()
    assert {key: asked.get(key, getattr(Flags, key)) for key in flags} == flags  # what is at its default is left out
    assert commands.go_on(run).endswith(" --skip-bad --set lr=0.1 --set depth=2")
    assert commands.changed(run, "lr=0.3").endswith(" --skip-bad --set lr=0.1 --set depth=2 --set lr=0.3")
    assert known == {"scheduler": "epochs:3", "grace_period": 3, "reduction_factor": 3, "audit": 0.1}


@pytest.mark.parametrize("name", names.NAMED)
def test_a_data_set_with_a_name_needs_no_path(name, tmp_path):
    assert resume.places(tmp_path, recorded_identity(dataset=name), set()) == {}


def test_no_other_name_is_one():
    for name in ("folder:", "cifar", "mnist", "", ":", "digits:", "digits:x", "file:x", "auto:x"):
        with pytest.raises(DataError, match="unknown data set"):
            names.form(name)
