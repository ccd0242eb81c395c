"""What is read and written does not depend on the locale: pytest tests/test_encoding.py"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = (
    "search.run.identity",
    "spaces",
    "analysis.export.network_source",
    "analysis.report.html_page",
    "analysis.results.page",
)
CODE = """
import sys
from pathlib import Path
import spaces
from analysis.export import network_source as architecture; from analysis.report import html_page as report
from search.run import identity; from search.run import ledger
spaces.load("lr_sweep")
architecture.source("mlp")
print(identity.code_hash())
print("caf\\u00e9" in report.page(ledger.read(Path(sys.argv[1]))))
"""


def test_no_file_is_read_in_the_encoding_of_the_locale(tmp_path):
    """Under ISO 8859-1 the same sources would have another hash, and results.md other bytes."""
    run = Path(shutil.copytree(min((ROOT / "docs" / "examples").iterdir()), tmp_path / "run"))
    (run / "notes.md").write_text("caf\u00e9", encoding="utf-8")
    strict = [part for module in MODULES for part in ("-W", f"error::EncodingWarning:{module}")]
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", *strict, "-c", CODE, run],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[1] == "True"
