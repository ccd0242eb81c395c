"""Notifications about the first failure, each new best configuration and the end of a search; each is a JSON object."""

import json
import shlex
import subprocess
import urllib.request

from search.run import order
from search.run.confirmation import deciding, is_complete, winner
from search.run.ledger import Run, Trial
from search.status import LOST
from trainables import written
from trainables.config import key_of
from trainables.files.durable import Record
from trainables.written import plural

TIMEOUT = 10.0  # seconds for one message


def news(run: Run, heard: Run | None, is_end: bool) -> list[Record]:
    """The notifications about changes since the run was last read; the first reading reports no failure and no best.

    Args:
        heard: the run as it was read before; None at the first reading.
        is_end: whether the search has ended, which is reported in any case.
    """
    found = []
    if heard and (failed := first_failure(run)) and not first_failure(heard):
        found.append(message(run, "failure", f"trial {failed.id} {failed.status}", failed))
    if heard and (leader := winner(run)) and is_ahead(run, heard):
        found.append(message(run, "best", f"new best {shown(run, leader)}", leader))
    if is_end:
        leader = winner(run)
        status = "complete" if is_complete(run) else "interrupted"
        ended = sum(trial.ended for trial in run.trials)
        text = f"{status}, {ended} of {plural(run.asked, 'trial')} ended" + (
            f", best {shown(run, leader)}" if leader else ""
        )
        found.append(message(run, "end", text, leader) | {"status": status})
    return found


def first_failure(run: Run) -> Trial | None:
    return next((trial for trial in run.trials if trial.status in LOST), None)


def is_ahead(run: Run, heard: Run) -> bool:
    """Whether there is a new best configuration: a better value, or a different configuration where fresh seeds choose."""
    now, before = deciding(run), deciding(heard)
    if now and now[0].confirms:
        return not before or key_of(now[0].config) != key_of(before[0].config)
    place = run.identity.objective.place
    awaited = before and before[0].confirms  # more fresh seeds, which have not all ended
    return not awaited and place(value(run)) < place(value(heard))


def value(run: Run) -> float | None:
    """The value of the best configuration: the mean over the trials by which it was chosen."""
    return order.mean(trial.value for trial in deciding(run))


def shown(run: Run, leader: Trial) -> str:
    """The best configuration in words, with its value and the number of seeds or folds behind the value."""
    by = deciding(run)
    seeds = f", mean of {plural(len(by), seed_kind(by))}" if by != [leader] else ""
    objective, reached = run.identity.objective, value(run)
    assert reached is not None, "the best has a value"
    return f"{leader.id} with {written.value(objective, reached)} {written.title(objective)}{seeds}"


def seed_kind(trials: list[Trial]) -> str:
    repeat = "fold" if trials[0].fold else "seed"
    return f"fresh {repeat}" if trials[0].confirms else repeat


def message(run: Run, event: str, text: str, trial: Trial | None) -> Record:
    """The JSON object of one notification; chat services show its `text` for a webhook."""
    about = {"id": trial.id, "config": trial.config, trial.objective.column: trial.value} if trial else None
    return {"text": f"{run.name}: {text}", "run": run.name, "event": event, "trial": about}


def send(target: str, record: Record) -> None:
    """Post a record to an address, or write it to the stdin of a command, as one line of JSON.

    Raises:
        OSError: the address does not answer or answers with an error, or the command cannot be started.
        subprocess.SubprocessError: the command fails or takes longer than TIMEOUT.
    """
    line = json.dumps(record).encode() + b"\n"
    if target.startswith(("http://", "https://")):
        request = urllib.request.Request(target, line, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
    else:
        subprocess.run(shlex.split(target), input=line, timeout=TIMEOUT, check=True, stdout=subprocess.DEVNULL)
