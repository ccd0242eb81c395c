"""The flags that a run's identity stands for: pytest tests/search/run/test_resume.py (the command itself: tests/test_flags.py)"""

import subprocess
import sys
from dataclasses import replace

import pytest

from search.flags import FLAGS, Kind, of_kind
from search.run import identity, opening, resume
from tests.records import recorded_identity
from trainables.objective import LOSS

RUN = recorded_identity(
    space="s", dataset="digits", algorithm="random", seed=3, fraction=0.5, precision="fp32", threads=2
)
SAID = {
    "space": "s", "dataset": "digits", "algo": "random", "seed": 3, "fraction": 0.5, "precision": "fp32", "cpus_per_trial": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("scheduler", "flags"),
    [
        ({"name": "none"}, {"scheduler": "none"}),
        (
            {"name": "asha", "grace_period": 2, "reduction_factor": 4},
            {"scheduler": "asha", "grace_period": 2, "reduction_factor": 4},
        ),
        ({"name": "epochs", "budget": 3}, {"scheduler": "epochs:3"}),
        ({"name": "sha", "grace_period": 1, "version": 2}, {"scheduler": "sha", "grace_period": 1}),
        ({"name": "median", "grace_period": 1, "audit": 0.1}, {"scheduler": "median", "grace_period": 1, "audit": 0.1}),
    ],
)
def test_an_identity_stands_for_its_flags(scheduler, flags):
    assert replace(RUN, scheduler=scheduler).flags() == {**SAID, **flags}


def test_every_flag_of_class_identity_is_read_back_but_the_points_of_a_warm_start():
    """Those are in the run."""
    audited = {"name": "asha", "grace_period": 2, "reduction_factor": 4, "audit": 0.1}
    census = {"skipped": 1, "groups": {"by": "film[0-9]+"}, "resize": "pad"}
    changed = replace(RUN, scheduler=audited, set=["depth=2"], max_params=9000, census=census, objective=LOSS)
    changed = replace(changed, constants={"image_size": 64}, folds=3)
    other = replace(RUN, scheduler={"name": "ladder", "share": 0.25})
    assert other.flags()["share"] == 0.25
    assert changed.flags().keys() | {"warm_start", "share"} == set(of_kind(Kind.IDENTITY))


def test_a_setting_of_a_rule_that_only_a_later_program_knows_is_no_flag():
    """The run is refused further on, where its rule is looked at."""
    later = {"name": "asha", "grace_period": 2, "reduction_factor": 4, "brackets": 3}
    assert replace(RUN, scheduler=later).flags().keys() <= FLAGS.keys()


@pytest.mark.parametrize("change", [{}, {"scheduler": "asha", "grace_period": 2}, {"scheduler": "sha", "seed": 5}])
def test_the_flags_lead_to_the_same_identity(settings, toy, change):
    first = settings(**{"precision": "fp32", "fraction": 0.5, "cpus_per_trial": 2, **change})
    flags = identity.describe(first, toy, on_gpu=False).flags()
    names = {"space": "space_name", "algo": "algorithm"}
    again = settings(**{names.get(key, key): value for key, value in flags.items()})
    assert identity.describe(again, toy, on_gpu=False) == identity.describe(first, toy, on_gpu=False)


def test_reading_a_run_back_needs_neither_torch_nor_ray():
    code = "import sys, search.run.resume; print([name for name in ('torch', 'ray', 'pandas') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_another_way_of_stopping_has_its_own_settings(tmp_path, settings, toy):
    (tmp_path / "t").mkdir()
    first = settings(precision="fp32", scheduler="median", audit=0.1, space_name="lr_sweep", dataset_short="digits")
    opening.open_run(tmp_path / "t", first, toy, on_gpu=False)
    assert {"reduction_factor", "audit"} <= resume.recorded(tmp_path, "t", set()).keys()
    same = resume.recorded(tmp_path, "t", {"scheduler"}, "median")
    assert (same["reduction_factor"], same["audit"]) == (2, 0.1)
    found = resume.recorded(tmp_path, "t", {"scheduler"}, "asha")
    assert not {"scheduler", "grace_period", "reduction_factor", "audit"} & found.keys()
