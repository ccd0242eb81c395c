"""`python -m analysis suspects`: validation images whose labels are probably wrong."""

import sys

from analysis.cli.options import Form, Run, RunsDir, check_format
from search.flags import Flags
from trainables.cli.execution import tell


def suspects(
    run: Run,
    format: Form = "md",
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """List validation images that all good networks assign to the same wrong class: their labels may be wrong."""
    check_format(format)
    from analysis import lookup
    from analysis.diagnostics.suspects import find, weak
    from analysis.frame import images
    from analysis.ranking.standing import stand
    from analysis.views import suspects
    from search.run import ledger

    found = ledger.read(lookup.run_folder(run, runs_dir))
    listed = find(found, stand(found))
    cache = images.at_hand(found, found.identity.image_size)
    if cache is None:
        tell("note: the run's decoded images are not on this machine, so file names are left out\n", sys.stderr)
    names = images.val_names(cache) if cache else []
    if warning := weak(listed):
        tell(f"warning: {warning}\n", sys.stderr)
    tell(suspects.listed(listed, found.identity.classes, names, format))
