"""The head of results.md: an answer first, and what it rests on."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.ranking.standing import stand
from analysis.ranking.test_scores import OWN_METRIC
from analysis.render.markdown import inline, rendered
from analysis.results.sections import answer
from analysis.results.sections.answer import ties, value_on_test
from analysis.results.sections.test_metrics import winner_on_test
from search.run.ledger import Run, Trial
from trainables.objective import ACCURACY, LOSS, MACRO_F1, Objective

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Rates = Callable[[], list[Trial]]


def told(run: Run) -> str:
    return rendered(answer.answer(run, stand(run)))


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
    assert "What another seed would make of its configuration is not known." in text
    assert "Gain over the baseline: 40.00 points." in text


def test_over_seeds_the_words_are_about_configurations(seeded: Run) -> None:
    assert "It is ahead of every other finished one by more than the noise of the seed." in told(seeded) or (
        "Tied with it, within the noise of the seed:" in told(seeded)
    )
    assert "network" not in inline(answer.sentence(seeded, stand(seeded)))


def test_a_winning_baseline_is_admitted(trial: Make, run: MakeRun) -> None:
    text = told(run([trial(0, (0.9,), source="baseline"), trial(1, (0.5,))]))
    assert "It is the baseline; no other configuration was shown to be better." in text
    assert "It is the baseline; nothing else was tried." in told(run([trial(0, (0.9,), source="baseline")]))


def test_a_winning_baseline_is_not_said_to_be_better_than_what_tied_or_did_not_finish(
    trial: Make, run: MakeRun
) -> None:
    """No other was shown to be better: one is tied with it, two were stopped early, one diverged and was not tried to its end."""
    short = [trial(2, (0.8,), "stopped", epochs=3), trial(3, (0.95,), "stopped", epochs=3), trial(4, (), "diverged")]
    trials = [trial(0, (0.9,) * 3, source="baseline"), trial(1, (0.9,) * 3, lr=0.2), *short]
    text = told(run(trials))
    assert "Networks that the validation images cannot tell from it" in text
    assert "no other configuration was shown to be better, and 3 of the 4 others did not finish." in text
    assert "3 of the 5 others have not finished." in told(run([*trials, trial(5, (0.1,) * 3, lr=0.3)], total=9))


def test_a_baseline_that_fresh_seeds_put_first_is_held_against_their_values(confirmed: Run) -> None:
    sources = {5e-4: "baseline", 1e-3: "grid"}
    trials = [
        each if each.source == "confirm" else dataclasses.replace(each, source=sources.get(each.config["lr"], "grid"))
        for each in confirmed.trials
    ]
    text = told(dataclasses.replace(confirmed, trials=trials))
    assert "It is the baseline; no other configuration was shown to be better on fresh seeds." in text


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
    assert told(run([trial(0, (), "failed")])).startswith("**There is no best configuration: the only trial failed.**")
    assert told(run([trial(0, (0.5,), "running", epochs=2)])).startswith(
        "**There is no best configuration: no trial has finished yet.**"
    )


def test_the_test_value_is_told_once_it_is_known(trial: Make, run: MakeRun) -> None:
    done = {"weights": "a", "trial": 0, "epoch": 1, "state": "done", "metrics": {"accuracy": 0.875}}
    known = dataclasses.replace(run([trial(0, (0.9,))]), tests=[done])
    assert "On the test split: 87.50 %, by this network." in told(known)
    assert "On the test split" not in told(run([trial(0, (0.9,))]))


def test_by_another_metric_the_test_value_says_what_it_is_of(trial: Make, run: MakeRun) -> None:
    metrics = {"accuracy": 0.125, "macro_f1": 0.4}
    assert value_on_test(metrics, MACRO_F1) == "0.4000 macro F1 and 12.50 % accuracy"
    assert value_on_test(metrics, LOSS) == "12.50 % accuracy"
    own = Objective("val_recall", "max", "decimals", source="my.py:recall", digest="0")
    assert value_on_test(metrics | {OWN_METRIC: 0.75}, own) == "0.7500 recall and 12.50 % accuracy"
    assert value_on_test(metrics | {OWN_METRIC: "it failed"}, own) == "12.50 % accuracy"
    assert value_on_test(metrics, ACCURACY) == "12.50 %"


def test_of_equal_values_that_no_test_compares_the_plan_puts_one_first(seeded: Run) -> None:
    frame = pd.DataFrame(
        {"objective": [LOSS] * 3, "val_loss": [0.5, 0.5, 0.7], "p_value": None, "tied": False, "test": None}
    )
    assert ties(frame) == "Of 2 with this value it was planned first: one seed each is no test."
    assert ties(frame.iloc[1:]) == "It is first by its value only: one seed each is no test."


def sayings(run: Run) -> tuple[str, str]:
    """What the head and the section about the test split say once the winner's network was scored."""
    best = stand(run).best
    assert best is not None
    line = {"weights": "a", "trial": int(best["index"]), "epoch": int(best["best_epoch"]), "state": "done"}
    metrics = {
        "count": 300,
        "accuracy": 0.875,
        "macro_f1": 0.87,
        "confusion_matrix": [[300]],
        "per_class_accuracy": [1],
    }
    one = dataclasses.replace(
        run, tests=[{**line, "metrics": metrics}], identity=dataclasses.replace(run.identity, classes=["a"])
    )
    return told(one), rendered(winner_on_test(one, stand(one)))


def test_with_several_seeds_the_network_that_was_tested_is_named(seeded: Run, confirmed: Run) -> None:
    """Its value on validation is not the mean that stands beside the test score."""
    both = dataclasses.replace(seeded, trials=[*seeded.trials, *fresh_of(seeded)])
    both = dataclasses.replace(both, totals=dataclasses.replace(both.totals, confirm=1, confirm_seeds=2))
    for found, which, value in (
        (seeded, ", the best on validation of its seeds", "95.50"),
        (confirmed, ", the search's own and none of the fresh seeds", "95.50"),
        (both, ", the best on validation of its seeds in the search, none of the fresh ones", "95.50"),
        (only_fresh(confirmed), ", the best on validation of its fresh seeds", "95.00"),
    ):
        head, section = sayings(found)
        assert f"On the test split: 87.50 %, by one network{which} ([" in head
        assert f"), {value} % on validation)." in head
        assert f"Tested: one network{which} ([" in section


def fresh_of(run: Run) -> list[Trial]:
    """Two fresh seeds of the best configuration."""
    best = next(each for each in run.trials if each.config["lr"] == 5e-4)
    return [
        dataclasses.replace(best, index=9 + place, seed=70 + place, source="confirm", id=f"fresh{place}")
        for place in range(2)
    ]


def only_fresh(run: Run) -> Run:
    """The same, but in the search the best was stopped early, so that no network of it finished there."""
    trials = [
        dataclasses.replace(each, stopped_at=len(each.epochs), outcome=None)
        if each.source != "confirm" and each.config["lr"] == 5e-4
        else each
        for each in run.trials
    ]
    return dataclasses.replace(run, trials=trials)


def test_the_section_about_the_test_split_names_the_network_of_one_seed_too(trial: Make, run: MakeRun) -> None:
    head, section = sayings(run([trial(0, (0.9,))]))
    assert "87.50 %, by this network." in head
    assert "Tested: one network ([" in section
    assert "90.00 % on validation). The test split was read 1 time." in section


def test_an_incomplete_search_says_so_and_how_to_go_on(trial: Make, run: MakeRun) -> None:
    text = rendered(answer.banner(run([trial(0, (0.9,)), trial(1, (0.5,), "running", epochs=1)], total=5)))
    assert "Incomplete: 1 of 5 trials ended" in text
    assert "python run_search.py --resume lr_sweep-digits" in text


def test_trials_that_an_algorithm_will_draw_are_missing_with_all_their_seeds(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (0.9,)), trial(1)], total=20)
    folded = dataclasses.replace(found, totals=dataclasses.replace(found.totals, seeds=5))
    assert "Incomplete: 1 of 100 trials ended" in rendered(answer.banner(folded))


def test_a_complete_search_has_no_banner(rates: Rates, run: MakeRun) -> None:
    assert rendered(answer.banner(run(rates()))) == ""


def test_a_fallback_is_in_the_title_with_its_reason(rates: Rates, run: MakeRun) -> None:
    text = rendered(answer.title(run(rates(), fallback="CIFAR-10 is not in /home/ann/data (<offline>)")))
    assert text.splitlines()[0] == "# lr_sweep on digits, not CIFAR-10"
    assert "/home" not in text
    assert "&lt;offline&gt;" in text


def test_a_named_data_set_has_a_plain_title(rates: Rates, run: MakeRun) -> None:
    assert rendered(answer.title(run(rates()))) == "# lr_sweep on digits"


def test_the_protocol_tells_splits_selection_and_the_reading_of_test(rates: Rates, run: MakeRun) -> None:
    text = rendered(answer.protocol(run(rates())))
    for part in (
        "1,197 images",
        "3 epochs",
        "1 seed",
        "never stopped early",
        "300 validation images",
        "not read",
        "its value is the accuracy on",
        "`0123456789ab`",
    ):
        assert part in text
    seeded = dataclasses.replace(run(rates()), totals=dataclasses.replace(run(rates()).totals, seeds=3))
    assert "its value is the mean over its seeds of the accuracy on" in rendered(answer.protocol(seeded))


def test_the_protocol_tells_early_stopping_and_fraction(rates: Rates, run: MakeRun) -> None:
    scheduler: dict[str, Any] = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
    text = rendered(answer.protocol(run(rates(), scheduler=scheduler, fraction=0.25)))
    assert "stopped early (ASHA, grace period 1, reduction factor 3)" in text
    assert "(25 % of those there are)" in text
    assert "version" not in rendered(answer.protocol(run(rates(), scheduler={"name": "sha", "version": 2})))
    stopped = dataclasses.replace(rates()[1], stopped_at=2, outcome=None)
    assert "not stopped early since the rule was changed" in rendered(answer.protocol(run([rates()[0], stopped])))
    ladder = rendered(answer.protocol(run(rates(), scheduler={"name": "ladder", "share": 0.35})))
    assert "stopped early (ladder, share 35 %)" in ladder


def test_readings_are_counted_by_weights(rates: Rates, run: MakeRun) -> None:
    """The same weights twice, and once more after a crash, are one reading."""
    lines = [{"weights": key, "trial": 1, "epoch": 2, "state": "intent"} for key in ("a", "a", "b")]

    def told(*tests: dict[str, Any]) -> str:
        return rendered(answer.protocol(dataclasses.replace(run(rates()), tests=list(tests))))

    assert "read 1 time, for the winner" in told(*lines[:2])
    assert "read 1 time, for an earlier winner" in told(lines[0] | {"trial": 0}), "the search grew since"
    assert "read 2 times" in told(*lines)


def commands_in(text: str) -> list[str]:
    """The lines of the first block of commands."""
    return re.findall(r"```bash\n(.*?)\n```", text, re.DOTALL)[0].splitlines()


@pytest.mark.parametrize("dataset", ["digits", "flowers-3fa2"])
@pytest.mark.parametrize("config", [{}, {"model": "convnet", "optimizer": "sgd", "lr": 0.000626136412827509}])
def test_the_first_commands_are_short_and_the_long_one_is_folded(
    trial: Make, run: MakeRun, dataset: str, config: dict[str, object]
) -> None:
    found = run([trial(0, (0.9,), **config)], dataset=dataset, dataset_title=dataset.partition("-")[0])
    text = rendered(answer.answer(found, stand(found)))
    first = commands_in(text)
    assert [line.partition("  # ")[0].split()[:4] for line in first] == [
        ["python", "run_search.py", "--reproduce", f"lr_sweep-digits/0000-{found.trials[0].id}"],
        ["python", "-m", "analysis", "export"],
        ["python", "-m", "analysis", "leaderboard"],
    ]
    assert max(map(len, first)) <= 130
    assert text.index("</summary>") < text.index("python -m trainables") < text.index("</details>")


def test_a_search_that_is_not_complete_goes_on_by_its_name(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (0.5,), "running", epochs=2)], set=["width=32", "lr=0.1,0.2"], dataset="flowers-3fa2")
    assert commands_in(rendered(answer.banner(found))) == ["python run_search.py --resume lr_sweep-digits"]
