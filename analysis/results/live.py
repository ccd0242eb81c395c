"""Rewrite the results in a thread after trials have ended, while the search runs, and rarely enough to cost little."""

import importlib
import threading
import time
from pathlib import Path

from trainables.errors import ExpectedError

NEEDED = (
    "torch",
    "analysis.results.files",
    "analysis.results.printed",
    "trainables.training.loop",
)  # by the last writing too
REST = 9  # times as long as writing took: a tenth of one core is what watching may cost


class Live:
    """Rewrites the results of a run each time it is told that a trial has ended.

    Several trials may end during one writing, or during the rest after it; they cause one further writing. The last state of the
    run is not written here. The caller of `close` writes it after the search, together with the test of the winner.

    Args:
        run: the run folder.
        copy: the path of the copy of results.md.
    """

    def __init__(self, run: Path, copy: Path) -> None:
        self.run, self.copy = run, copy
        self._news, self._over = threading.Event(), threading.Event()
        self._ended = (
            threading.Event()
        )  # and not the thread's join: interrupted, that counts the thread as ended before 3.13
        self._thread = threading.Thread(target=self._work, name="results")

    def trial_ended(self) -> None:
        """Note that a trial has ended. The first call starts the thread.

        The thread loads modules for seconds, and nobody has to wait for that.
        """
        self._news.set()
        if not self._thread.ident:
            self._thread.start()

    def close(self) -> None:
        """Wait until the thread neither loads nor writes anything.

        Two threads in the middle of one import would see half a module.
        """
        self._over.set()
        self._news.set()
        if self._thread.ident:
            try:
                self._ended.wait()
            except BaseException:  # a signal: whoever hears of it writes the results, and two must not write at once
                self._ended.wait()
                raise

    def _work(self) -> None:
        try:
            self._watch()
        finally:
            self._ended.set()

    def _watch(self) -> None:
        for name in NEEDED:
            if self._over.is_set():
                return
            importlib.import_module(name)
        while self._news.wait() and not self._over.is_set():
            self._news.clear()
            started = time.monotonic()
            self._write()
            self._over.wait(REST * (time.monotonic() - started))

    def _write(self) -> None:
        from analysis.results.copying import copy_results
        from analysis.results.files import write_results

        try:
            write_results(self.run)
            copy_results(self.run, self.copy)
        except ExpectedError:
            pass  # if it lasts, the last writing says so; the search is worth more than the view of it
