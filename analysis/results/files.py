"""The derived files of a run, each whole or not at all: results.md, .csv, .json and plots/."""

from collections.abc import Iterator
from pathlib import Path

from analysis.diagnostics import mistake_images
from analysis.plots import fonts
from analysis.plots.drawing_process import Ask, Plot, ask_nobody, write_all
from analysis.plots.kinds import each_picture
from analysis.ranking.standing import Standing, stand
from analysis.results import page
from analysis.results.rows import all_records, as_csv, as_json
from search.run import ledger
from search.run.ledger import Run
from trainables.files import durable


def write_results(run_folder: Path) -> None:
    """Read a run and write its derived files.

    Raises:
        RunError: the folder is no run or is damaged.
        StorageError: the disk refused; old files stay as they were.
    """
    write_files(ledger.read(run_folder))


def write_files(run: Run, where: Standing | None = None, ask: Ask = ask_nobody) -> Standing:
    """Write the derived files of a run, the plots last, because they take longest. Returns the standing.

    Args:
        where: the standing of the run, if it is known already.
        ask: has another process draw the plots meanwhile; plots that are missing in the end are drawn here.

    Raises:
        StorageError: the disk refused; old files stay as they were.
    """
    where = where or stand(run)
    mistake_images.keep(run, where)
    plots, wait = ask(plots_of(run, where))
    rows = all_records(where)
    text = page.render(run, where, [plot.name for plot in plots])
    durable.write(run.folder / "results.csv", as_csv(rows).encode())
    durable.write(run.folder / "results.json", as_json(rows).encode())
    durable.write(run.folder / "results.md", text.encode())
    wait()
    write_all(plots)
    fonts.tell_missing([plot.values for plot in plots])
    return where


def plots_of(run: Run, where: Standing) -> Iterator[Plot]:
    """The plots that are to be drawn, one after the other."""
    for name, picture in each_picture(run, where):
        yield Plot(run.folder / "plots" / f"{name}.svg", name, picture)


def is_stale(run: Run) -> bool:
    """Whether results.md is missing, cannot be read, or is not what the ledger says."""
    try:
        return (run.folder / "results.md").read_bytes() != page.render(run).encode()
    except OSError:
        return True
