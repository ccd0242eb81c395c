"""Check that a trial whose state is saved after its first epoch goes on with the same bits in another process.

python -m benchmarks.session.resumed FOLDER      the other process: continues the trials, prints their other rows and hashes
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.session import trials
from benchmarks.session.hazards import kinds
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from trainables.engine.engine import Work, run
from trainables.training.definition import Training
from trainables.training.loop import Epoch


def measurements(setting: Setting) -> Iterator[Measurement]:
    yield Measurement("resume", "in another process", 2 if setting.small else 15, lambda: resumed(setting))


def resumed(setting: Setting) -> Iterator[Row]:
    """Train several trials at once to the end in this process, and from their saved states in another; compare each."""
    given = kinds(setting)[:6]
    whole = [trials.Outcome() for _ in given]

    def work(place: int) -> Work:
        def heard(epoch: Epoch) -> bool:
            if epoch.metrics["epoch"] == 1:
                torch.save(epoch.state(), setting.folder / f"state-{place}.pt")
            return trials.hear(whole[place], epoch, given[place])

        return Work(training=given[place], heard=heard)

    todo = iter(range(len(given)))
    run(setting.lanes, lambda: work(place) if (place := next(todo, None)) is not None else None)
    (setting.folder / "given.pickle").write_bytes(pickle.dumps(given))  # ours, and read at once
    command = [sys.executable, "-m", "benchmarks.session.resumed", str(setting.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    if done.returncode:
        raise RuntimeError(done.stderr[-1000:])
    rest = json.loads(done.stdout.splitlines()[-1])
    for training, one, (rows, bits) in zip(given, whole, rest, strict=True):
        yield {
            "trial": f"{training.config['model']} {training.config['optimizer']}",
            "rows": "identical" if one.rows[1:] == rows and rows else "differs", "bits": trials.same(one.bits, bits),
        }  # fmt: skip


def main() -> None:
    """Continue the trials from their states in this process, and print their rows and hashes as JSON."""
    folder = Path(sys.argv[1])
    given: list[Training] = pickle.loads((folder / "given.pickle").read_bytes())
    torch.set_num_threads(1)
    found = [trials.Outcome() for _ in given]

    def work(place: int) -> Work:
        state = torch.load(folder / f"state-{place}.pt", weights_only=True, map_location="cpu")
        return Work(
            training=given[place], heard=lambda epoch: trials.hear(found[place], epoch, given[place]), state=state
        )

    todo = iter(range(len(given)))
    run(trials.made(given[0].device, 3), lambda: work(place) if (place := next(todo, None)) is not None else None)
    print(json.dumps([[outcome.rows, outcome.bits] for outcome in found]))


if __name__ == "__main__":
    main()
