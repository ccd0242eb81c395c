"""What an attempt starts from, without Ray: pytest tests/search/test_attempts.py"""

from dataclasses import replace

import pytest

from search import attempts
from search.backend.resources import Resources
from search.run import opening
from trainables.errors import RunError
from trainables.files import durable
from trainables.trial import timing

CORE, GPU, QUARTER = Resources(1, 0, 2), Resources(1, 1.0, 1), Resources(1, 0.25, 4)


@pytest.fixture
def run(tmp_path, toy, settings):
    return opening.open_run(tmp_path, settings(precision="fp32"), toy, on_gpu=False)


def ran_on(run, index, device):
    durable.make_folder(run.trials[index].folder)
    timing.note(run.trials[index].folder, timing.epoch_line(1, 1.0, 100, device))


def test_a_search_does_not_move_to_another_kind_of_device_unnoticed(run):
    attempts.check_device(run, GPU, allow_changes=False)
    ran_on(run, 1, "cuda")
    attempts.check_device(run, GPU, allow_changes=False)
    with pytest.raises(RunError, match=r"ran on cuda, and these would run on cpu\. .* --allow-changes"):
        attempts.check_device(run, CORE, allow_changes=False)
    attempts.check_device(run, CORE, allow_changes=True)
    ran_on(run, 2, "cpu")
    attempts.check_device(run, CORE, allow_changes=False)


def test_the_way_back_from_a_gpu_is_a_flag(run):
    ran_on(run, 0, "cpu")
    with pytest.raises(RunError, match=r"these would run on cuda\. Use --gpus-per-trial 0, or"):
        attempts.check_device(run, GPU, allow_changes=False)


@pytest.mark.parametrize(("resources", "shares"), [(CORE, False), (GPU, False), (QUARTER, True)])
def test_a_worker_knows_whether_it_shares_its_gpu(run, settings, resources, shares):
    assert attempts.make_job(run, settings(), resources).shares_gpu is shares


def test_another_way_of_stopping_changes_no_number(run, toy, settings):
    asked = settings(precision="fp32", scheduler="asha", allow_changes=True)
    assert attempts.make_job(opening.open_run(run.folder, asked, toy, on_gpu=False), asked, CORE).exact


def test_after_a_change_that_was_allowed_epochs_need_not_come_out_as_before(run, toy, settings):
    asked = settings(precision="bf16", allow_changes=True)
    assert attempts.make_job(run, asked, CORE).exact
    changed = opening.open_run(run.folder, asked, toy, on_gpu=False)
    assert not attempts.make_job(changed, asked, CORE).exact
    again = opening.open_run(run.folder, replace(asked, allow_changes=False), toy, on_gpu=False)
    assert not attempts.make_job(again, asked, CORE).exact
