"""Starting and continuing a run folder: identity once, totals that may grow, a plan that is only appended to."""

from pathlib import Path

from search import identity, plan
from search.ledger import Run, read
from search.settings import Settings
from trainables import durable
from trainables.config import DEFAULTS, LENGTH_DEPENDENT
from trainables.data import Dataset
from trainables.durable import Record
from trainables.errors import RunError


def open_run(folder: Path, settings: Settings, data: Dataset, on_gpu: bool) -> Run:
    """Create the run, or make sure that it is the one that is asked for; then write down what is asked.

    Raises:
        RunError: the run's identity differs, or a total would shrink.
    """
    asked = identity.describe(settings, data, on_gpu)
    allowed: list[str] = []
    if (folder / "run.json").exists():
        allowed = check_identity(folder, asked, settings)
    else:
        durable.write_json(folder / "run.json", asked)
    totals = ask(folder, settings, allowed)
    extend_plan(folder, settings, totals["trials"])
    return read(folder)


def check_identity(folder: Path, asked: Record, settings: Settings) -> list[str]:
    """The differences that were allowed.

    Raises:
        RunError: there are some, and they were not.
    """
    recorded = durable.read_json(folder / "run.json")
    if settings.precision == "auto":  # decided once, when the run was started
        asked["precision"] = recorded.get("precision")
    changed = identity.differences(recorded, asked)
    lines = durable.read_lines(folder / "totals.jsonl")
    allowed = {difference for line in lines for difference in line["allowed"]}
    refused = [difference for difference in changed if difference not in allowed]
    if refused and not settings.allow_changes:
        raise RunError(
            f"not the same search: {folder}: {'; '.join(refused)}. "
            "Start another with --name NEW, or go on with --allow-changes, which is recorded."
        )
    return refused


def ask(folder: Path, settings: Settings, allowed: list[str]) -> Record:
    """Append to totals.jsonl if more is asked than before, and return what is asked now.

    Raises:
        RunError: less is asked than before, or a longer training that the schedule does not allow.
    """
    lines = durable.read_lines(folder / "totals.jsonl")
    before = lines[-1] if lines else None
    trials_asked = settings.num_samples or (before["trials"] if before else None)
    trials = plan.size(settings.space, settings.algorithm, trials_asked)
    epochs = settings.epochs or (before["epochs"] if before else settings.space.epochs)
    if before:
        check_growth(folder, settings, before, trials, epochs)
    totals = {"trials": trials, "epochs": epochs, "seeds": 1, "allowed": allowed}
    if before is None or allowed or totals | {"allowed": before["allowed"]} != before:
        durable.append(folder / "totals.jsonl", totals)
    return totals


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


def extend_plan(folder: Path, settings: Settings, count: int) -> None:
    """Append the trials that are missing; point i never changes, so those that are there stay."""
    planned = durable.read_lines(folder / "trials.jsonl")
    drawn = plan.draw(settings.space, settings.algorithm, count, settings.seed)
    if len(drawn) > len(planned):
        durable.append(folder / "trials.jsonl", *drawn[len(planned) :])


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
