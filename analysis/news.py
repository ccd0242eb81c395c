"""What is worth telling somebody who does not watch: the first failure, a new best, the end. As JSON, one object each."""

import json
import shlex
import subprocess
import urllib.request

from search import order
from search.confirmation import is_complete
from search.ledger import Run, Trial
from search.settings import plural
from search.status import LOST
from trainables import objective
from trainables.durable import Record

TIMEOUT = 10.0  # seconds for one message


def news(run: Run, heard: Run | None, is_end: bool) -> list[Record]:
    """What happened since the run was heard of last; what was there before the first time is no news."""
    found = []
    if heard and (failed := first_failure(run)) and not first_failure(heard):
        found.append(message(run, "failure", f"trial {failed.id} {failed.status}", failed))
    if heard and (leader := best(run)) and is_ahead(run, heard):
        found.append(message(run, "best", f"new best {shown(leader)}", leader))
    if is_end:
        leader = best(run)
        status = "complete" if is_complete(run) else "interrupted"
        ended = sum(trial.ended for trial in run.trials)
        text = f"{status}, {ended} of {plural(len(run.trials), 'trial')} ended" + (
            f", best {shown(leader)}" if leader else ""
        )
        found.append(message(run, "end", text, leader) | {"status": status})
    return found


def first_failure(run: Run) -> Trial | None:
    return next((trial for trial in run.trials if trial.status in LOST), None)


def best(run: Run) -> Trial | None:
    """The best trial of the best configuration that the search itself has finished."""
    return min(leading(run), key=order.of_trial, default=None)


def leading(run: Run) -> list[Trial]:
    """All seeds of the best configuration that has finished."""
    groups = order.configurations(run.search_trials, seeds := run.totals.seeds)
    return groups[0] if groups and order.of_configuration(groups[0], seeds)[0] == order.STAGES["finished"] else []


def is_ahead(run: Run, heard: Run) -> bool:
    """Whether the best value of a configuration is better than it was."""
    now, before = (order.mean(trial.value for trial in leading(each)) for each in (run, heard))
    return objective.place(now) < objective.place(before)


def shown(trial: Trial) -> str:
    return f"{trial.id} with {100 * (trial.value or 0):.2f} % validation accuracy"


def message(run: Run, event: str, text: str, trial: Trial | None) -> Record:
    """`text` is what chat services show of a webhook."""
    about = {"id": trial.id, "config": trial.config, "val_accuracy": trial.value} if trial else None
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
