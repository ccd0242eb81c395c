"""The user's code of a run, where its networks are built or trained again."""

from search.run.ledger import Run
from trainables.own import code


def use(run: Run) -> None:
    """Import the user's modules from the run, and not from where the user stands; nothing for a space of ours.

    Raises:
        RunError: the code is not there, or not what the run names.
    """
    if place := run.identity.code_of(run.folder.resolve()):
        code.use(place, run.identity.own_code)
