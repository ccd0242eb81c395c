"""What is refused and what gives way: pytest tests/search/run/test_rule_choice.py"""

import pytest

from search.run import opening, rule_choice
from trainables.errors import UsageError

REFUSED = [
    ({"scheduler": "asha", "seeds": 3}, "--seeds 3 and --scheduler asha", "--scheduler ladder"),
    ({"scheduler": "median", "seeds": 2}, "--seeds 2 and --scheduler median", "--confirm 3"),
    ({"scheduler": "ladder", "algorithm": "tpe"}, "--algo tpe and --scheduler ladder", "--scheduler asha"),
    ({"scheduler": "sha", "algorithm": "gp"}, "--algo gp and --scheduler sha", "--algo random"),
    ({"scheduler": "epochs:2", "algorithm": "gp", "seeds": 2}, "--algo gp and", "--scheduler none"),
    ({"scheduler": "ladder", "share": 0.3, "epochs": 8}, "--share 30% is too small", "Use --share 71%"),
    ({"scheduler": "ladder", "share": 0.35, "epochs": 3}, "--share 35% is too small", "Use --share 100%"),
]


@pytest.mark.parametrize(("asked", "what", "instead"), REFUSED)
def test_what_was_asked_for_and_cannot_hold_is_refused_with_what_to_take(tmp_path, settings, asked, what, instead):
    with pytest.raises(UsageError) as caught:
        rule_choice.settle(tmp_path, settings(**asked))
    assert str(caught.value).startswith(what)
    assert instead in str(caught.value)


GIVES_WAY = [
    ({"scheduler": "asha", "seeds": 3}, "ladder"),
    ({"scheduler": "ladder", "algorithm": "tpe"}, "asha"),
    ({"scheduler": "ladder", "algorithm": "gp", "seeds": 2}, "none"),
]


@pytest.mark.parametrize(("asked", "instead"), GIVES_WAY)
def test_what_was_not_asked_for_gives_way_in_one_line_and_a_run_goes_on_with_it(
    tmp_path, toy, settings, asked, instead
):
    for _ in range(2):
        found, notes = rule_choice.settle(tmp_path, settings(**asked, scheduler_asked=False, precision="fp32"))
        assert found.scheduler == instead
        assert [note.count("in place of the space's") for note in notes] == [1]
        opening.open_run(tmp_path, found, toy, on_gpu=False)


def test_a_share_alone_asks_for_a_ladder(tmp_path, settings):
    assert rule_choice.settle(tmp_path, settings(share=0.9, scheduler_asked=False))[0].scheduler == "ladder"


def test_a_share_that_cannot_hold_is_refused_of_a_run_that_has_begun_too(tmp_path, toy, settings):
    asked = settings(scheduler="ladder", share=0.8, epochs=9, precision="fp32")
    opening.open_run(tmp_path, asked, toy, on_gpu=False)
    assert rule_choice.settle(tmp_path, asked) == (asked, [])
    with pytest.raises(UsageError, match="--share 5% is too small"):
        rule_choice.settle(tmp_path, settings(scheduler="ladder", share=0.05, epochs=9, allow_changes=True))


def test_an_old_run_on_seeds_goes_on_and_one_on_one_seed_is_not_given_more(tmp_path, toy, settings):
    for name, seeds in (("old", 2), ("one", 1)):
        (tmp_path / name).mkdir()
        asked = settings(scheduler="asha", seeds=seeds, precision="fp32")
        opening.open_run(tmp_path / name, asked, toy, on_gpu=False)
    asked = settings(scheduler="asha", seeds=3, precision="fp32")
    assert rule_choice.settle(tmp_path / "old", asked) == (asked, [])
    with pytest.raises(UsageError, match="--name NEW --scheduler ladder"):
        rule_choice.settle(tmp_path / "one", asked)


def test_the_seeds_of_a_run_count_where_another_rule_is_asked_for(tmp_path, toy, settings):
    opening.open_run(tmp_path, settings(scheduler="ladder", seeds=3, precision="fp32"), toy, on_gpu=False)
    with pytest.raises(UsageError, match="--seeds 3 and --scheduler asha"):
        rule_choice.settle(tmp_path, settings(scheduler="asha", allow_changes=True))


def test_a_run_keeps_its_rule_when_its_space_has_another_now(tmp_path, toy, settings):
    opening.open_run(tmp_path, settings(scheduler="asha", grace_period=2, precision="fp32"), toy, on_gpu=False)
    found, notes = rule_choice.settle(tmp_path, settings(scheduler="ladder", scheduler_asked=False))
    assert (found.scheduler, found.grace_period) == ("asha", 2)
    assert notes == ["--scheduler asha, with which the run was started, in place of the space's ladder"]
