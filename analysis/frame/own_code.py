"""The user's code of a run, where its networks are built or trained again."""

from pathlib import Path

from search.run.ledger import Run, Trial
from trainables.errors import RunError
from trainables.own import code


def use(run: Run, trial: Trial) -> Path | None:
    """Import the user's modules from the run as they were in a trial's best epoch, and not from where the user stands.

    Returns the folder of the code; nothing for a space of ours.

    Raises:
        RunError: the code is not there, or not what the run names.
    """
    if not run.identity.own_code:
        return None
    epoch = trial.best["epoch"] if trial.best else 1
    name = [name for first, name in run.codes(trial) if first <= epoch][-1]
    folder = run.folder.resolve() / code.FOLDER / name
    code.use(folder, name)
    return folder


def only_one(run: Run, trial: Trial) -> None:
    """Refuse a trial in the middle of which the user's code was changed: nothing could train its epochs again.

    Raises:
        RunError: it is one.
    """
    if len(found := run.codes(trial)) > 1:
        told = ", then ".join(name if first == 1 else f"{name} from epoch {first} on" for first, name in found)
        raise RunError(
            f"trained by several versions of the code: {trial.folder}: {told}. Reproduce a trial that has one, see results.md."
        )
