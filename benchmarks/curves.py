"""Train the full learning curves of the points that a search would draw, without Ray; benchmarks.replay reads the curves.

    python -m benchmarks.curves --space convnet_asha --dataset folder:images --algo random --algo qmc --seed 0 --seed 1 --seed 2

The program appends a line for each trial to benchmarks/curves/SPACE.jsonl; the line says with which weights the trial was
validated. Curves of a changed space need a file of their own: --set ema=0 --out benchmarks/curves/SPACE_raw.jsonl. When the
program runs again, it trains only the missing trials. A trial depends only on configuration, data and seed, so a point that two
algorithms draw is trained once.
"""

import contextlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainables.config import trial_id
from trainables.files import durable
from trainables.files.durable import Record

if TYPE_CHECKING:
    from spaces import Space

FOLDER = Path(__file__).parent / "curves"


def wanted(space: "Space", algos: Sequence[str], seeds: Sequence[int], points: int, epochs: int) -> Iterator[Record]:
    """The trials of these searches, without their curves."""
    from search.run import plan

    for seed in seeds:
        for algo in algos:
            for line in plan.draw(space, algo, points, seed):
                config = {**line["config"], "epochs": epochs}
                weights = f"{config['ema']:g}" if config.get("ema") else "raw"
                yield {"algo": algo, "seed": seed, "index": line["index"], "weights": weights, "config": config}


def key(line: Record) -> tuple[str, int, int]:
    return line["algo"], line["seed"], line["index"]


def same_training(line: Record) -> tuple[str, int]:
    """A key that is equal for lines whose trainings, and so whose curves, are equal."""
    return trial_id(line["config"], line["seed"]), line["config"]["epochs"]


def curve(cache: Path, fraction: float, precision: str, config: Record, seed: int) -> list[float]:
    """Train on one thread and return val_accuracy of each epoch; the list is shorter if the training diverged."""
    import torch

    from trainables.data import loading
    from trainables.hardware import memory
    from trainables.training.definition import Training
    from trainables.training.loop import Diverged, train

    memory.keep_freed()
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    epochs = train(
        Training(config, loading.load(cache, fraction=fraction), seed=seed, device=device, precision=precision)
    )
    values: list[float] = []
    with contextlib.suppress(Diverged):
        values.extend(epoch.metrics["val_accuracy"] for epoch in epochs)  # keeps what there is when it diverges
    return values


def extend(table: Path, lines: Sequence[Record], facts: Record, cache: Path, processes: int) -> None:
    """Train the trials that the table lacks, and append each trial to the table when it ends.

    Args:
        facts: entries that every line has: dataset, fingerprint, fraction, precision.
    """
    there = durable.read_lines(table)
    if wrong := [line for line in there if any(line.get(name) != value for name, value in facts.items())]:
        raise SystemExit(f"{table} has curves of {wrong[0]}, not of {facts}. Use another --out.")
    known = {same_training(line): line["val_accuracy"] for line in there}
    missing = [line for line in lines if key(line) not in set(map(key, there))]
    durable.append(table, *[{**facts, **line, "val_accuracy": known[same_training(line)]}
                            for line in missing if same_training(line) in known])  # fmt: skip
    groups: dict[tuple[str, int], list[Record]] = {}
    for line in missing:
        if same_training(line) not in known:
            groups.setdefault(same_training(line), []).append(line)
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        asked = (cache, facts["fraction"], facts["precision"])
        jobs = {pool.submit(curve, *asked, group[0]["config"], group[0]["seed"]): group for group in groups.values()}
        for number, job in enumerate(as_completed(jobs), 1):
            durable.append(table, *[{**facts, **line, "val_accuracy": job.result()} for line in jobs[job]])
            print(f"{number}/{len(jobs)}", flush=True)


def main(
    space: Annotated[str, typer.Option()],
    dataset: str = "auto",
    data_dir: Path = Path("data"),
    algo: Annotated[list[str] | None, typer.Option()] = None,
    seed: Annotated[list[int] | None, typer.Option()] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="as for run_search.py, such as ema=0")] = None,
    points: int = 27,
    epochs: int = 27,
    fraction: float = 1.0,
    precision: str = "fp32",
    processes: int = 1,
    out: Path | None = None,
) -> None:
    """Train full curves."""
    import spaces
    from trainables.data import loading

    resolved, _ = loading.resolve(dataset, data_dir)
    cache = loading.prepare(resolved, data_dir, progress=True)
    table = out or FOLDER / f"{space}.jsonl"
    durable.make_folder(table.parent)
    changed, _ = spaces.changed(spaces.load(space), tuple(set_ or ()))
    asked = wanted(changed, algo or ["random", "qmc"], seed or [0], points, epochs)
    lines = [{"search": table.stem, **line} for line in asked]
    fingerprint = loading.load(cache, fraction=fraction).fingerprint[:16]
    facts = {
        "dataset": loading.short_name(resolved),
        "fingerprint": fingerprint,
        "fraction": fraction,
        "precision": precision,
    }
    extend(table, lines, facts, cache, processes)


if __name__ == "__main__":
    typer.run(main)
