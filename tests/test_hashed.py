"""docs/hashed.py: a report of pip becomes requirements that pip accepts, with a sha256 for each."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "hashed.py"


def package(name, **archive):
    return {"metadata": {"name": name, "version": "1.0"}, "download_info": {"url": "x", "archive_info": archive}}


def test_every_package_is_a_line_with_its_sha256(tmp_path):
    report = {"install": [package("b", hashes={"sha256": "22", "md5": "33"}), package("A", hashes={"sha256": "11"})]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "report.json"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "A==1.0 --hash=sha256:11\nb==1.0 --hash=sha256:22\n"


@pytest.mark.parametrize("archive", [{}, {"hashes": {"md5": "33"}}])
def test_a_package_without_one_is_refused(archive):
    with pytest.raises(ValueError, match="has no sha256"):
        runpy.run_path(str(SCRIPT))["lines"]({"install": [package("a", **archive)]})


def test_what_is_pinned_has_a_version_each():
    """So that the report is of these versions, whenever it is made."""
    lines = (SCRIPT.parents[1] / "constraints.txt").read_text().splitlines()
    assert all(line.startswith("#") or "==" in line for line in lines)
