"""What the search costs is measured on trials that train nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from search.run import ledger

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from benchmarks import overhead
print(len(overhead.ours(Path(sys.argv[1]), 2, 3, True)))
"""


@pytest.mark.integration
@pytest.mark.slow
def test_trials_train_nothing(tmp_path):
    """The epoch loop's replacement was once no longer in the path of a trial: training was measured as overhead.

    In a process of its own, because Ray reads its token when it is first imported, and leaves it in the environment.
    """
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split()[-1:] == ["2"], done.stderr
    run = next(path.parent for path in tmp_path.rglob("run.json"))
    rows = [row for trial in ledger.read(run).trials for row in trial.epochs]
    assert len(rows) == 6
    assert {row["val_accuracy"] for row in rows} == {0.1}
