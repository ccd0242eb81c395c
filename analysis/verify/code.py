"""Check that every version of the user's code of a run is kept, and that the trials' epochs fit the changes of code."""

from analysis.verify.evidence import Evidence, Line, fault
from analysis.verify.trial import TrialFiles
from search.records import is_until
from trainables.errors import RunError
from trainables.own import code


def check_code(evidence: Evidence, first: str, totals: list[Line], trials: dict[int, TrialFiles]) -> None:
    """Check every version of the user's code against its hash, and the record of each change; no code is executed.

    Args:
        first: the hash of the code in run.json; empty if the space has no code of the user.
    """
    names = [first]
    for line in totals:
        until, now = line.record.get("until", {}), line.record.get("identity", {}).get("own_code")
        if not is_until(until) or until.get("own_code") != (names[-1] if now else None):
            evidence.wrong(line.where, f"until is {until!r}, which does not say what the code was until then")
            continue
        for index, epochs in until.get("epochs", {}).items():
            there = len(trials[int(index)].rows) if int(index) in trials else 0
            if epochs > there:
                evidence.wrong(
                    line.where, f"trial {index} had {epochs} epochs when the code was changed, and has {there}"
                )
        names += [str(now)] if now else []
    for name in dict.fromkeys(filter(None, names)):
        folder = evidence.run / code.FOLDER / name
        try:
            code.checked(folder, name)
        except RunError as error:
            evidence.wrong(f"{code.FOLDER}/{name}", fault(error).partition(f"{folder}: ")[2])
