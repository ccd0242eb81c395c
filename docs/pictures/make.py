"""Draws the pictures of the README: what a terminal showed of a real search, and a leaderboard in a browser.

    python docs/pictures/make.py          (not run in tests; needs selenium and Chromium for the second picture)

A search of mlp_random on the digits is run on a pseudo terminal; the last picture in which two trials still run is search.svg.
The table in the report of an example, in a browser without a screen, is leaderboard.png; --leaderboard draws only that.
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text
from selenium import webdriver

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "mlp_random-cifar10-jpeg-bbbd"
WIDTH, HEIGHT = 140, 30  # of the terminal, in characters
WINDOW = "1440,2400"  # of the browser, in pixels
SEARCH = ("--space", "mlp_random", "--dataset", "digits", "--num-samples", "9")
CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-ln-z]|\r")  # everything but colours and their like


def record(folder: Path) -> str:
    """All that a search says on a terminal of its own."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "run_search.py"), *SEARCH]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=follower, stdout=subprocess.DEVNULL, stderr=follower
    )
    os.close(follower)
    said = []
    try:
        while chunk := os.read(leader, 1 << 16):
            said.append(chunk)
    except OSError:  # the other end is closed
        pass
    if process.wait() != 0:
        raise SystemExit(f"the search ended with {process.returncode}")
    return b"".join(said).decode(errors="replace")


def screen(said: str) -> list[str]:
    """The line above the live table, and the table as it was drawn the last time that several trials still ran."""
    plain = CONTROL.sub("\n", said)
    first = next(line for line in plain.splitlines() if line.startswith("starting "))
    frames = re.split(r"(?m)^(?=trial {2,})", re.sub(r"\n+", "\n", re.sub(r"\x1b\[[\d;]*m", "", plain)))
    running = [frame for frame in frames[1:] if frame.count("running") >= 2]
    best = max(running, key=lambda frame: (frame.count("finished") + frame.count("stopped"), frame.count("\n")))
    table = best.splitlines()
    end = next(number for number, line in enumerate(table) if "images/s" in line)
    return [first, *table[: end + 1]]


def draw(lines: list[str], path: Path) -> None:
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Text(f"$ python run_search.py {' '.join(SEARCH)}", style="bold"))
    for line in lines:
        console.print(Text(line), no_wrap=True, overflow="ellipsis")
    drawing = console.export_svg(title="a search", unique_id="search")
    path.write_text(re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL))  # it would load a font from elsewhere


def photograph(page: Path, path: Path) -> None:
    """The table of a report, as a browser without a screen shows them."""
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", f"--window-size={WINDOW}"):
        options.add_argument(word)
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))) as browser:
        browser.get(page.as_uri())
        browser.find_element("id", "trials").screenshot(str(path))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        place = Path(name)
        if "--leaderboard" not in sys.argv:
            draw(screen(record(place)), HERE / "search.svg")
        run = Path(shutil.copytree(EXAMPLE, place / EXAMPLE.name))
        subprocess.run([sys.executable, "-m", "analysis", "report", str(run)], cwd=ROOT, check=True)
        photograph(run / "report.html", HERE / "leaderboard.png")
