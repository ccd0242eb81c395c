"""Whole searches with Ray of a user's loop, program and network: pytest tests/test_own_search.py"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import own
from tests.faults.test_ray_nodes import CAN_HIDE, TOKEN, cluster_where_one_lacks
from tests.waiting import rows, until

ROOT = Path(__file__).parents[1]
FILES = ("results.md", "results.csv", "results.json", "trials.jsonl", "decisions.jsonl")

pytestmark = [pytest.mark.integration, pytest.mark.slow]


class Search:
    """A search of a file in a folder of its own; run.json does not know where either lies."""

    def __init__(self, place: Path, path: Path) -> None:
        place.mkdir()
        images = ("--dataset", "digits") if path.stem == "own_model" else ()
        self.name = f"{path.stem}-digits" if images else path.stem
        self.place, self.path, self.run = place, path, place / "runs" / self.name
        self.line = ("--space", str(path), *images)

    def start(self, *flags: str, **environment: str) -> subprocess.Popen:
        command = [sys.executable, str(ROOT / "run_search.py"), *(flags or self.line), "--quiet"]
        known = {**os.environ, **environment}
        return subprocess.Popen(
            command, cwd=self.place, env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def done(self, *flags: str, **environment: str) -> str:
        process = self.start(*flags, **environment)
        out, err = process.communicate()
        assert process.returncode == 0, (out, err, list(self.run.glob("trials/*/error.txt")))
        return out

    def content(self) -> dict[str, bytes]:
        found = [*(self.run / name for name in FILES), *self.run.glob("trials/*/epochs.jsonl")]
        return {path.relative_to(self.run).as_posix(): path.read_bytes() for path in found}

    def is_good(self) -> bool:
        command = [sys.executable, "-m", "analysis", "verify", str(self.run)]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def write(folder: Path, kind: str) -> Path:
    """A space that stops early, with epochs that take a while."""
    path = own.write(folder, kind)
    text = path.read_text().replace("epochs=4", 'epochs=9, samples=6, scheduler="sha"')
    path.write_text(
        text.replace("    for epoch in", "    import time\n    for epoch in")
        .replace("        noise =", "        time.sleep(0.1)\n        noise =")
        .replace("    return nn.functional", "    import time\n\n    time.sleep(0.002)\n    return nn.functional")
    )
    if kind == "program":
        script = path.with_name("follow.sh")
        script.write_text(script.read_text().replace("    epoch=$((", "    sleep 0.1\n    epoch=$(("))
    return path


@pytest.mark.parametrize("kind", own.ALL)
def test_killed_and_continued_it_ends_in_the_same_bytes_and_repeats(tmp_path, kind):
    path = write(tmp_path / "user", kind)
    whole, killed = (Search(tmp_path / name, path) for name in ("whole", "killed"))
    whole.done()
    for wanted in (3, 12):
        process = killed.start()
        until(lambda: rows(killed.run) >= wanted, lambda: process.poll() is not None)  # noqa: B023, it is called at once
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    path.rename(path.with_name("moved_away.py"))
    killed.done("--resume", killed.name)  # by its copy in the run
    assert killed.content() == whole.content()
    assert killed.is_good()
    assert ": identical (" in killed.done("--reproduce", killed.name)


@pytest.mark.skipif(not CAN_HIDE, reason="no mount namespaces here")
@pytest.mark.parametrize("kind", own.ALL)
def test_a_node_without_the_users_file_imports_it_from_the_run(tmp_path, kind):
    path = write(tmp_path / "user", kind)
    search = Search(tmp_path / "here", path)
    packages = [str(ROOT / name) for name in ("search", "trainables", "spaces")]
    with cluster_where_one_lacks(*packages, str(path.parent)) as address:
        assert address, "the cluster did not start"
        search.done(*search.line, "--address", address, **TOKEN)
    assert search.is_good()
