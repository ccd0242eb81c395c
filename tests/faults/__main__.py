"""The long run of the fault tests: the same tests as the quick set, with counts that take hours, and one table at the end.

    python -m tests.faults --kills 200
    python -m tests.faults --kills 20 --terms 5 --fuzz 2000 --only "killed or power"

Leave the machine alone meanwhile if the figures about time matter; what is proved does not depend on it.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[2]


def main(
    kills: Annotated[int, typer.Option(help="of whole searches, SIGKILL at random moments")] = 200,
    terms: Annotated[int, typer.Option(help="of whole searches, SIGTERM at random moments")] = 50,
    trial_kills: Annotated[int, typer.Option(help="of single trials, without Ray")] = 500,
    cuts: Annotated[int, typer.Option(help="power cuts")] = 100,
    flips: Annotated[int, typer.Option(help="of single bits in a resume state")] = 300,
    races: Annotated[int, typer.Option(help="of two processes for one run")] = 50,
    fuzz: Annotated[
        int, typer.Option(help="examples of each fuzz test, a hundredth of that for sequences of actions")
    ] = 10_000,
    changed: Annotated[int, typer.Option(help="changed ledgers for each of five readers")] = 200_000,
    step: Annotated[int, typer.Option(help="1 to let every single call of a trial fail, 5 for every fifth")] = 1,
    only: Annotated[str, typer.Option(help="a pytest -k expression")] = "",
) -> None:
    """Run the fault tests with these counts; the exit code is pytest's."""
    counts = {
        "FAULT_SEARCH_KILLS": kills, "FAULT_SEARCH_TERMS": terms, "FAULT_KILLS": trial_kills, "FAULT_CUTS": cuts,
        "FAULT_FLIPS": flips, "FUZZ_BYTES": changed, "FAULT_RACES": races, "FUZZ_EXAMPLES": fuzz, "FAULT_STEP": step,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "counts.json"
        environment = {**os.environ, **{name: str(count) for name, count in counts.items()}, "FAULT_TOLD": str(told)}
        command = [
            sys.executable,
            "-m",
            "pytest",
            str(Path(__file__).parent),
            "-o",
            "timeout=0",
            "-n",
            "0",
            "-m",
            "",
            "-k",
            only,
            "-v",
            "--hypothesis-profile",
            "thorough",
        ]
        started = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        print(table(json.loads(told.read_text()) if told.exists() else {}, code, time.monotonic() - started))
    raise typer.Exit(code)


def table(counts: dict[str, int], code: int, seconds: float) -> str:
    """What was survived, in Markdown."""
    head = f"python -m tests.faults on {platform.processor() or platform.machine()}, {os.cpu_count()} CPUs: "
    verdict = "nothing was lost" if code == 0 else "something failed, see above"
    rows = "\n".join(f"| {what} | {count:,} |" for what, count in counts.items())
    return f"{head}{seconds / 60:.0f} minutes, {verdict}.\n\n| what was survived | how often |\n|:---|---:|\n{rows}"


if __name__ == "__main__":
    typer.run(main)
