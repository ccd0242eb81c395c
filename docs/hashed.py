"""Requirements with hashes for this machine, from pip's report of what it would install.

    pip install --dry-run --ignore-installed --only-binary :all: --report report.json -r constraints.txt
    python docs/hashed.py report.json > hashed.txt
    pip install --require-hashes --only-binary :all: -r hashed.txt
    pip install --no-deps -e .

Only sha256 counts. Another system or Python has other files, so it has other hashes: make the list where it is used, once, and
keep it; from then on pip refuses a file that is not that one.
"""

import json
import sys
from pathlib import Path
from typing import Any


def lines(report: dict[str, Any]) -> list[str]:
    """name==version --hash=sha256:..., by name.

    Raises:
        ValueError: a package comes without a sha256, so that a file of any content would do.
    """
    return sorted(map(line, report["install"]), key=str.lower)


def line(package: dict[str, Any]) -> str:
    """One package of the report."""
    name = f"{package['metadata']['name']}=={package['metadata']['version']}"
    digest = package["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
    if digest is None:
        raise ValueError(
            f"{name} has no sha256: is it a folder or a checkout? Make the report from constraints.txt alone."
        )
    return f"{name} --hash=sha256:{digest}"


if __name__ == "__main__":
    print(*lines(json.loads(Path(sys.argv[1]).read_text())), sep="\n")
