"""DVC used as its users use it, in a copy of this repository: import, push, delete, pull, reproduce, look, refuse.

Needs the command `dvc` (pip install -e ".[dvc]", or from anywhere else on the PATH).
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("dvc") is None, reason="needs the command dvc"),
]
PARAMS = {"name": "tiny", "dataset": "folder:pictures", "images": "pictures", "num_samples": 2, "epochs": 1}


class Repository:
    """A copy of this repository's files with a git of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
        for name in names.splitlines():
            if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.folder / name)
        python = Path(sys.executable).parent
        self.environment = {
            **os.environ, "HOME": str(folder), "DVC_SITE_CACHE_DIR": str(folder / "site"), "DVC_NO_ANALYTICS": "1",
            "PATH": f"{python}{os.pathsep}{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null", "PYTHONPATH": "",
        }  # fmt: skip
        self.git("init", "-q")
        self.commit()

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    def git(self, *words: str) -> None:
        done = self.call("git", "-c", "user.name=a", "-c", "user.email=a@b", *words)
        assert done.returncode == 0, done.stderr

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "as it is")

    def dvc(self, *words: str) -> str:
        done = self.call("dvc", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def set(self, **params: object) -> None:
        path = self.folder / "params.yaml"
        text = path.read_text()
        for key, value in params.items():
            text = re.sub(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.MULTILINE)
        path.write_text(text)


@pytest.fixture
def repository(tmp_path):
    copy = Repository(tmp_path)
    copy.dvc("remote", "add", "--default", "mine", str(tmp_path / "remote"))
    return copy


@pytest.fixture
def server(tmp_path):
    """Serves tmp_path/www."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    (tmp_path / "www").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "www"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def draw(folder: Path) -> None:
    """Two classes that differ in brightness."""
    random = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 10)):
        for level, name in ((60, "dark"), (190, "light")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(level - 50, level + 50, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")


def test_the_committed_import_is_the_official_archive():
    from trainables.data.sources.cifar import CIFAR10

    text = (ROOT / "cifar10.dvc").read_text()
    for fact in (CIFAR10.urls[0], f"md5: {CIFAR10.md5}", f"size: {CIFAR10.size}", f"path: data/{CIFAR10.file}"):
        assert fact in text


def test_the_archive_is_imported_pushed_deleted_and_pulled(repository, server, tmp_path):
    content = os.urandom(50_000)
    (tmp_path / "www" / "cifar-10-python.tar.gz").write_bytes(content)
    imported = repository.folder / "cifar10.dvc"
    imported.write_text(imported.read_text().replace("https://www.cs.toronto.edu/~kriz", server))
    repository.dvc("update", "cifar10.dvc")
    archive = repository.folder / "data" / "cifar-10-python.tar.gz"
    assert archive.read_bytes() == content
    assert hashlib.md5(content).hexdigest() in imported.read_text()
    repository.dvc("push", "cifar10.dvc")
    archive.unlink()
    shutil.rmtree(repository.folder / ".dvc" / "cache")
    repository.dvc("pull", "cifar10.dvc")
    assert archive.read_bytes() == content
    tracked = repository.call("git", "status", "--short").stdout
    assert "data" not in tracked


def test_a_search_is_reproduced_shown_and_refused_on_other_images(repository):
    pictures = repository.folder / "pictures"
    draw(pictures)
    repository.dvc("add", "pictures")
    repository.dvc("push", "pictures")
    shutil.rmtree(pictures)
    shutil.rmtree(repository.folder / ".dvc" / "cache")
    repository.dvc("pull", "pictures")

    repository.set(**PARAMS)
    repository.commit()
    repository.dvc("repro")
    assert "validation accuracy" in (repository.folder / "runs" / "tiny" / "results.md").read_text()
    assert "up to date" in repository.dvc("repro")

    (file,) = json.loads(repository.dvc("metrics", "show", "--json"))[""]["data"].values()
    metrics = file["data"]
    assert metrics["trials"] == {"finished": 2}
    assert 0 <= metrics["best"]["test_accuracy"] <= 1
    repository.dvc("plots", "show")
    page = (repository.folder / "dvc_plots" / "index.html").read_text()
    assert "Validation accuracy of the leading trial" in page
    assert "Every trial" in page

    repository.set(num_samples=3)
    assert "num_samples" in repository.dvc("params", "diff")
    before = (repository.folder / "runs" / "tiny" / "trials.jsonl").read_text()
    repository.dvc("repro")  # continues: what was trained is not trained again
    after = (repository.folder / "runs" / "tiny" / "trials.jsonl").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == 3

    picture = next((pictures / "train" / "dark").iterdir())
    picture.unlink()
    Image.new("RGB", (32, 32), (1, 2, 3)).save(picture)
    refused = repository.call("dvc", "repro")
    assert refused.returncode != 0
    assert "error[run]: not the same search" in refused.stderr
    assert "fingerprint" in refused.stderr
