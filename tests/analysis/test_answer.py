"""The head of results.md: an answer first, and what it rests on."""

import dataclasses
from collections.abc import Callable
from typing import Any

from analysis import answer
from analysis.standing import stand
from search.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Rates = Callable[[], list[Trial]]


def told(run: Run) -> str:
    return answer.answer(run, stand(run))


def test_the_answer_names_the_winner_its_interval_and_its_ties(rates: Rates, run: MakeRun) -> None:
    base, best, other = rates()
    text = told(run([base, best, other]))
    assert text.startswith(f"**Best of 3 finished trials: [{best.id}](trials/0001-{best.id}) with lr 5.0e-4: 99.67 % ")
    assert "95 % interval 96.49 to 99.94 %; 300 images, 1 seed, unconfirmed)" in text
    assert (
        f"Networks that the validation images cannot tell from it: [{other.id}](trials/0002-{other.id}), [{base.id}]"
        in text
    )
    assert "Gain over the baseline: 0.67 points, within noise." in text


def test_a_clear_winner_is_called_ahead_as_the_network_that_it_is(trial: Make, run: MakeRun) -> None:
    text = told(run([trial(0, (0.5,), source="baseline"), trial(1, (0.9,))]))
    assert "This network is ahead of every other finished one by more than the noise of the validation images" in text
    assert "what another seed would make of its configuration is not known" in text
    assert "Gain over the baseline: 40.00 points." in text


def test_over_seeds_the_words_are_about_configurations(seeded: Run) -> None:
    assert "It is ahead of every other finished one by more than the noise of the seed." in told(seeded) or (
        "Tied with it, the difference being within the noise of the seed:" in told(seeded)
    )
    assert "network" not in answer.sentence(seeded, stand(seeded))


def test_a_winning_baseline_is_admitted(trial: Make, run: MakeRun) -> None:
    assert "It is the baseline" in told(run([trial(0, (0.9,), source="baseline"), trial(1, (0.5,))]))


def test_a_stopped_baseline_is_no_yardstick(trial: Make, run: MakeRun) -> None:
    text = told(run([trial(0, (0.3,), "stopped", epochs=2, source="baseline"), trial(1, (0.9, 0.9))]))
    assert "The baseline has not finished (stopped early)." in text


def test_one_trial_alone_is_compared_with_nothing(trial: Make, run: MakeRun) -> None:
    text = told(run([trial(0, (0.9,))]))
    assert text.startswith("**Best of 1 finished trial: ")
    assert "ahead" not in text
    assert "cannot tell" not in text


def test_many_ties_are_counted(trial: Make, run: MakeRun) -> None:
    assert " and 4 more." in told(run([trial(index, (0.9,)) for index in range(10)]))


def test_without_a_finished_trial_there_is_no_answer(trial: Make, run: MakeRun) -> None:
    assert told(run([trial(0, (), "failed")])).startswith(
        "**No trial has finished, so there is no best configuration.**"
    )
    assert told(run([trial(0, (0.5,), "running", epochs=2)])).startswith(
        "**No trial has finished, so there is no best configuration yet.**"
    )


def test_the_test_value_is_told_once_it_is_known(trial: Make, run: MakeRun) -> None:
    done = {"weights": "a", "trial": 0, "epoch": 1, "state": "done", "metrics": {"accuracy": 0.875}}
    known = dataclasses.replace(run([trial(0, (0.9,))]), tests=[done])
    assert "On the test split: 87.50 %." in told(known)
    assert "On the test split" not in told(run([trial(0, (0.9,))]))


def test_an_incomplete_search_says_so_and_how_to_go_on(trial: Make, run: MakeRun) -> None:
    text = answer.banner(run([trial(0, (0.9,)), trial(1, (0.5,), "running", epochs=1)], total=5))
    assert "Incomplete: 1 of 5 trials ended" in text
    assert "python run_search.py --space lr_sweep" in text


def test_a_complete_search_has_no_banner(rates: Rates, run: MakeRun) -> None:
    assert answer.banner(run(rates())) == ""


def test_a_fallback_is_in_the_title_with_its_reason(rates: Rates, run: MakeRun) -> None:
    text = answer.title(run(rates(), fallback="CIFAR-10 is not in /home/ann/data (<offline>)"))
    assert text.splitlines()[0] == "# lr_sweep on digits, not CIFAR-10"
    assert "/home" not in text
    assert "&lt;offline&gt;" in text


def test_a_named_data_set_has_a_plain_title(rates: Rates, run: MakeRun) -> None:
    assert answer.title(run(rates())) == "# lr_sweep on digits"


def test_the_protocol_tells_splits_selection_and_the_reading_of_test(rates: Rates, run: MakeRun) -> None:
    text = answer.protocol(run(rates()))
    for part in (
        "1,197 images",
        "3 epochs",
        "1 seed",
        "never stopped early",
        "300 validation images",
        "not read",
        "`0123456789ab`",
    ):
        assert part in text


def test_the_protocol_tells_early_stopping_and_fraction(rates: Rates, run: MakeRun) -> None:
    scheduler: dict[str, Any] = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
    text = answer.protocol(run(rates(), scheduler=scheduler, fraction=0.25))
    assert "stopped early (ASHA, grace period 1, reduction factor 3)" in text
    assert "(25 % of those there are)" in text


def test_readings_are_counted_by_weights(rates: Rates, run: MakeRun) -> None:
    """The same weights twice, and once more after a crash, are one reading."""
    lines = [{"weights": key, "trial": 0, "epoch": 1, "state": "intent"} for key in ("a", "a", "b")]
    assert "read 1 time, for the winner" in answer.protocol(dataclasses.replace(run(rates()), tests=lines[:2]))
    assert "read 2 times" in answer.protocol(dataclasses.replace(run(rates()), tests=lines))
