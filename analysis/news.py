"""What is worth telling somebody who does not watch: the first failure, a new best, the end. As JSON, one object each."""

import json
import shlex
import subprocess
import urllib.request

from search.ledger import Run, Trial
from search.settings import plural
from trainables.durable import Record

TIMEOUT = 10.0  # seconds for one message


def news(run: Run, heard: Run | None, is_end: bool) -> list[Record]:
    """What happened since the run was heard of last; what was there before the first time is no news."""
    found = []
    if heard and (failed := first_failure(run)) and not first_failure(heard):
        found.append(message(run, "failure", f"trial {failed.id} {failed.status}", failed))
    if heard and (leader := best(run)) and value(leader) > value(best(heard)):
        found.append(message(run, "best", f"new best {shown(leader)}", leader))
    if is_end:
        leader = best(run)
        status = "complete" if run.complete else "interrupted"
        ended = sum(trial.ended for trial in run.trials)
        text = f"{status}, {ended} of {plural(len(run.trials), 'trial')} ended" + (
            f", best {shown(leader)}" if leader else ""
        )
        found.append(message(run, "end", text, leader) | {"status": status})
    return found


def first_failure(run: Run) -> Trial | None:
    return next((trial for trial in run.trials if trial.status in ("failed", "diverged")), None)


def best(run: Run) -> Trial | None:
    """The best finished trial of the search itself, the earliest on ties."""
    finished = [trial for trial in run.search_trials if trial.status == "finished"]
    return max(finished, key=lambda trial: (value(trial), -trial.index), default=None)


def value(trial: Trial | None) -> float:
    return float(trial.best["val_accuracy"]) if trial and trial.best else 0.0


def shown(trial: Trial) -> str:
    return f"{trial.id} with {100 * value(trial):.2f} % validation accuracy"


def message(run: Run, event: str, text: str, trial: Trial | None) -> Record:
    """`text` is what chat services show of a webhook."""
    about = {"id": trial.id, "config": trial.config, "val_accuracy": value(trial)} if trial else None
    return {"text": f"{run.name}: {text}", "run": run.name, "event": event, "trial": about}


def send(target: str, record: Record) -> None:
    """Post to an address, or hand to a command on its stdin, as one line of JSON.

    Raises:
        OSError: the address does not answer, or answers with an error.
        subprocess.SubprocessError: the command fails.
    """
    line = json.dumps(record).encode() + b"\n"
    if target.startswith(("http://", "https://")):
        request = urllib.request.Request(target, line, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
    else:
        subprocess.run(shlex.split(target), input=line, timeout=TIMEOUT, check=True, stdout=subprocess.DEVNULL)
