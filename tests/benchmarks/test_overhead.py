"""What the search costs is measured on trials that train nothing."""

import pytest

from benchmarks import overhead
from search.run import ledger


@pytest.mark.integration
@pytest.mark.slow
def test_trials_train_nothing(tmp_path):
    """The epoch loop's replacement was once no longer in the path of a trial: training was measured as overhead."""
    ends = overhead.ours(tmp_path, 2, 3, True)
    run = next(path.parent for path in tmp_path.rglob("run.json"))
    rows = [row for trial in ledger.read(run).trials for row in trial.epochs]
    assert len(ends) == 2 and len(rows) == 6
    assert {row["val_accuracy"] for row in rows} == {0.1}
