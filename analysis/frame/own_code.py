"""The user's own code of a run, for building or training its networks again, and the files that own training left."""

from pathlib import Path

from search.run.ledger import Run, Trial
from trainables.errors import RunError
from trainables.files import durable
from trainables.own import code


def use(run: Run, trial: Trial) -> Path | None:
    """Import the user's modules from the run as they were at a trial's best epoch, and not from where the user is.

    Returns the folder of the code; None if the run uses no code of the user's.

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
    """Refuse a trial during which the user's code was changed: no single code could train all its epochs again.

    Raises:
        RunError: the user's code was changed during the trial.
    """
    if len(found := run.codes(trial)) > 1:
        told = ", then ".join(name if first == 1 else f"{name} from epoch {first} on" for first, name in found)
        raise RunError(
            f"trained by several versions of the code: {trial.folder}: {told}. Reproduce a trial that has one, see results.md."
        )


def state(trial: Trial) -> tuple[str, str] | None:
    """What a user's own loop saved in the trial's folder, and the Python that reads it; None if nothing was saved."""
    states = durable.states(trial.folder)
    if not states:
        return None
    epoch = int(states[0].stem.removeprefix("state-"))
    best = f" (the best is epoch {trial.best['epoch']})" if trial.best and trial.best["epoch"] != epoch else ""
    return (
        f"What get_state() returned after epoch {epoch}{best}",
        f"torch.load({str(states[0])!r}, weights_only=True)['own']",
    )


def left(trial: Trial) -> str:
    """What a trial of own training left in its folder, and how to read it."""
    found = state(trial)
    return f"{found[0]}: {found[1]}" if found else f"Its files, if it wrote any, are in {trial.folder}."
