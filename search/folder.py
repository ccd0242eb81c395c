"""Starting and continuing a run folder: identity once, totals that may grow, a plan that is only appended to."""

from pathlib import Path

from search import identity, plan
from search.ledger import Run, Trial, effective_identity, read
from search.settings import Settings
from trainables import durable
from trainables.config import DEFAULTS, LENGTH_DEPENDENT
from trainables.data import Dataset
from trainables.durable import Record
from trainables.errors import RunError


def refuse_link(folder: Path) -> None:
    """A run lies where its name says; whoever made a link of it could have the search write anywhere.

    Raises:
        RunError: the folder is a symbolic link.
    """
    if folder.is_symlink():
        raise RunError(f"not a run: {folder}: it is a link. Use --runs-dir DIR for runs that lie elsewhere.")


def open_run(folder: Path, settings: Settings, data: Dataset, on_gpu: bool) -> Run:
    """Create the run, or make sure that it is the one that is asked for; then write down what is asked.

    Everything that can be wrong with what is asked is found before anything is written.

    Raises:
        RunError: the run's identity differs, or a total would shrink.
        SpaceError: the space has fewer points than asked for.
    """
    asked = identity.describe(settings, data, on_gpu)
    is_new = not (folder / "run.json").exists()
    changes = {} if is_new else check_identity(folder, asked, settings)
    lines = durable.read_lines(folder / "totals.jsonl")
    totals = ask(folder, settings, lines[-1] if lines else None)
    planned = durable.read_lines(folder / "trials.jsonl")
    drawn = plan.draw(settings.space, settings.algorithm, totals["trials"], settings.seed)
    if drawn[: len(planned)] != planned:
        raise RunError(f"another plan: {folder}/trials.jsonl: its points are drawn differently now. Use --name NEW.")
    if is_new:
        durable.write_json(folder / "run.json", asked)
    totals |= changes
    if not lines or changes or any(totals[key] != lines[-1][key] for key in ("trials", "epochs", "seeds")):
        durable.append(folder / "totals.jsonl", totals)
    if drawn[len(planned) :]:
        durable.append(folder / "trials.jsonl", *drawn[len(planned) :])
    return read(folder)


def check_identity(folder: Path, asked: Record, settings: Settings) -> Record:
    """What totals.jsonl has to say about allowed changes: in words, and the parts that hold from now on.

    Raises:
        RunError: there are changes that were not allowed, or that cannot be.
    """
    recorded = effective_identity(folder)
    if settings.precision == "auto":  # decided once, when the run was started
        asked["precision"] = recorded.get("precision")
    changed = identity.differences(recorded, asked)
    words = [identity.sentence(recorded, key, value) for key, value in changed.items()]
    final = [key for key in changed if key not in identity.ALLOWABLE]
    if final or (changed and not settings.allow_changes):
        way_out = "" if final else ", or go on with --allow-changes, which is recorded"
        raise RunError(
            f"not the same search: {folder}: what follows differs. Start another with --name NEW{way_out}.", words
        )
    return {"allowed": words, "identity": changed} if changed else {}


def ask(folder: Path, settings: Settings, before: Record | None) -> Record:
    """What is asked now: what the settings say, else what was asked before, else what the space says.

    Raises:
        RunError: less is asked than before, or a longer training that the schedule does not allow.
    """
    trials_asked = settings.num_samples or (before["trials"] if before else None)
    trials = plan.size(settings.space, settings.algorithm, trials_asked)
    epochs = settings.epochs or (before["epochs"] if before else settings.space.epochs)
    if before:
        check_growth(folder, settings, before, trials, epochs)
    return {"trials": trials, "epochs": epochs, "seeds": 1, "allowed": []}


def check_growth(folder: Path, settings: Settings, before: Record, trials: int, epochs: int) -> None:
    """Totals only grow, and the length only where no schedule depends on it."""
    for name, had, wanted in (("--num-samples", before["trials"], trials), ("--epochs", before["epochs"], epochs)):
        if wanted < had:
            raise RunError(
                f"{name} cannot shrink: {folder}: it was {had} and is now {wanted}. Start another with --name NEW."
            )
    schedule = settings.space.params.get("schedule", DEFAULTS["schedule"])
    possible = (schedule,) if isinstance(schedule, str) else schedule.bounds()
    depends = [name for name in LENGTH_DEPENDENT if name in possible]
    if epochs > before["epochs"] and depends:
        raise RunError(
            f"--epochs cannot grow: {folder}: the {depends[0]} schedule is sized for {before['epochs']} epochs. "
            "Start another with --name NEW."
        )


def retry_failed(run: Run) -> Run:
    """Open the failed trials again; what they had committed must come out the same."""
    for trial in run.trials:
        if trial.status == "failed":
            durable.append(trial.folder / "epochs.jsonl", {"outcome": "retried"})
            (trial.folder / "error.txt").unlink(missing_ok=True)
    return read(run.folder)


def tidy(run: Run) -> None:
    """Drop what will not be needed again: leftovers of a killed process, resume states of trials that will not go on."""
    for folder in (run.folder, run.folder / "plots"):
        durable.sweep(folder)
    for trial in run.trials:
        tidy_trial(trial)


def tidy_trial(trial: Trial) -> None:
    """Drop leftovers, and the resume states that a trial does not need; a finished one keeps the last, to be lengthened."""
    if trial.ended:
        durable.sweep(trial.folder)
    if trial.status in ("stopped", "diverged", "failed"):
        durable.remove_states(trial.folder)
    elif trial.status == "finished":
        for old in durable.states(trial.folder)[1:]:
            durable.remove_checked(old)


def prune_weights(run: Run, keep: int) -> None:
    """Keep the weights of the best `keep` trials and of the baseline."""
    finished = [trial for trial in run.trials if trial.status == "finished" and trial.best]
    finished.sort(key=lambda trial: (-(trial.best or {})["val_accuracy"], trial.index))
    for trial in finished[keep:]:
        if trial.source != "baseline":
            durable.remove_checked(trial.folder / "best.safetensors")
