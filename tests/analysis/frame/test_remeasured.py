"""A run ranked by another metric than that of its search: pytest tests/analysis/frame/test_remeasured.py"""

import dataclasses

from analysis.frame import remeasured
from analysis.ranking.standing import stand
from search.run.ledger import Run, Trial
from trainables.objective import MACRO_F1


def test_a_confirmed_configuration_stays_though_early_stopping_left_its_trial_without_predictions(
    confirmed: Run,
) -> None:
    fresh = {each.config["lr"] for each in confirmed.fresh_trials}
    baseline = confirmed.search_trials[0]
    other = next(each for each in confirmed.search_trials if each.config["lr"] not in fresh)

    def judged(trial: Trial) -> Trial:
        if trial in (baseline, other):
            return dataclasses.replace(trial, stopped_at=len(trial.epochs), outcome=None)
        return dataclasses.replace(trial, epochs=[row | {MACRO_F1.column: 0.5} for row in trial.epochs])

    trials = [judged(trial) for trial in confirmed.trials]
    run, told = remeasured.by(dataclasses.replace(confirmed, trials=trials), MACRO_F1)
    assert {each.index for each in trials} - {each.index for each in run.trials} == {other.index}
    assert set(stand(run).confirmed["source"]) == {"baseline", "random"}
    assert told.endswith(" 1 trial is left out, because it kept no predictions.")
