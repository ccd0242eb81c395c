"""Measure all parts of the benchmarks, or the named ones, and write benchmarks/RESULTS.md.

    python -m benchmarks            all parts, one after the other (hours; use the machine for nothing else)
    python -m benchmarks floor data
    python -m benchmarks search --dataset folder:images
    python -m benchmarks --list

Each part runs in its own process, as `python -m benchmarks.NAME`, and saves its table when it has finished. So the suite can be
measured in several sittings, and a part that fails stops no other part.
"""

import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from benchmarks.record import PARTS

TRAINING = ("search", "answer", "floor", "durability", "precision")  # parts that take --dataset


def run(names: Sequence[str], dataset: str = "") -> int:
    """Measure these parts; return how many failed."""
    failed = 0
    for name in names:
        print(f"{name}: about {PARTS[name]} min", flush=True)
        given = ["--dataset", dataset] if dataset and name in TRAINING else []
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *given], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            failed += 1
            why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            print(f"{name}: failed with exit code {done.returncode}: {why}", flush=True)
    return failed


def main(
    names: Annotated[list[str] | None, typer.Argument(help="parts to measure [all]")] = None,
    dataset: Annotated[str, typer.Option(help="images of the parts that train, as for run_search.py [their own]")] = "",
    listing: Annotated[
        bool, typer.Option("--list", help="name the parts and about how long each takes, and stop")
    ] = False,
) -> None:
    """Measure speed beside what one would otherwise write."""
    if unknown := set(names or ()) - set(PARTS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    if listing:
        print("\n".join(f"{name:<12} {minutes:4d} min" for name, minutes in PARTS.items()))
        return
    sys.exit(min(1, run(names or list(PARTS), dataset)))


if __name__ == "__main__":
    typer.run(main)
