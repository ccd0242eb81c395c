"""Read the results of a search.

    python -m analysis leaderboard lr_sweep-digits
    python -m analysis leaderboard runs/lr_sweep-digits runs/depth_sweep-digits --format json
    python -m analysis leaderboard mlp_random-digits --filter 'lr > 1e-3 and depth == 2' --sort -lr --columns lr,depth
    python -m analysis show mlp_random-digits/7f3a
    python -m analysis compare mlp_random-digits lr_sweep-digits
    python -m analysis export mlp_random-digits my-network
    python -m analysis predict my-network photo.png
    python -m analysis report mlp_random-digits
    python -m analysis suspects mlp_random-digits
    python -m analysis verify lr_sweep-digits
    python -m analysis watch lr_sweep-digits
    python -m analysis mirror lr_sweep-digits --to tensorboard --to optuna

A run is a path or a name under runs/, and RUN/ID one of its trials: an index or the start of a hash. The leaderboard of
one run: its results.md, .csv, .json and plots are written again and it is printed. Of several: one ranking over all of
them, printed only. stdout is only the result.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the user stands there may be a `search/`, too

from analysis.cli.compare import compare
from analysis.cli.export import export
from analysis.cli.follow import follow
from analysis.cli.leaderboard import leaderboard
from analysis.cli.mirror import mirror
from analysis.cli.predict import predict
from analysis.cli.report import report
from analysis.cli.show import show
from analysis.cli.suspects import suspects
from analysis.cli.verify import verify
from analysis.cli.watch import watch
from trainables.cli.execution import end, execute
from trainables.cli.options import Command, Version, application, with_examples

app = application(add_completion=False)


@app.callback(help=with_examples("Read the results of a search. RUN is a path or a name under runs/.", __doc__))
def analysis(version: Version = False) -> None:
    """What all commands share."""


for command in (leaderboard, show, compare, report, export, predict, suspects, verify, watch, mirror):
    app.command(cls=Command)(command)
app.command(cls=Command, hidden=True)(follow)

if __name__ == "__main__":
    end(execute(app, "python -m analysis", sys.argv[1:]))
