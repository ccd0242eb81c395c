"""What an attacker, a careless neighbour or a shared folder could do. Rows of the fault matrix by their number."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from analysis.results import files
from analysis.results.copying import copy_results
from search.backend import authentication, session
from search.backend.authentication import CLUSTERS, MODE, TOKEN, TOKEN_PATH
from search.settings import NAME, Settings
from spaces import Space, loguniform
from trainables.data import loading
from trainables.errors import DataError, RayError, SpaceError, StorageError, UsageError
from trainables.files import durable

ROOT = Path(__file__).parents[2]
CANARY = "canary-0c9f2f7d"
SECRETS = dict.fromkeys(("API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY", "PGPASSWORD"), CANARY)
PRIVATE = ("timing.jsonl", "run.lock", "local.json")  # may name the host or a path of it: docs/security.md
SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "schedule": "constant", "augment": "none", "lr": loguniform(1e-3, 1e-1)},
    baseline={"lr": 1e-2}, epochs=2,
)  # fmt: skip
WITHOUT_TMP = """
import runpy, sys
from search.backend import session as runner
runner.SHORT = 1000
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
EVIL = [
    "a | b | c", "line\nbreak\r\n\r\n# Title", "`code` ``` fence", "<script>alert(1)</script>", "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)", "&#42;*bold*", "\x1b[31mred\x1b]0;title\x07", "\u202egnp.exe", "=1+1", "--> <!--",
    "http://evil.example www.evil.example", "$(reboot) `reboot`",
]  # fmt: skip


def asked(**more) -> Settings:
    usual = {
        "space_name": "toy", "space": SPACE, "dataset": "toy", "dataset_short": "toy", "fallback": None, "cache": Path("none"),
        "algorithm": "random", "scheduler": "asha", "num_samples": 3, "precision": "fp32",
    }  # fmt: skip
    return Settings(**{**usual, **more})


def command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "run_search.py", *arguments], cwd=cwd, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


# F25: names of runs


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/evil",
        "..",
        ".",
        "-rf",
        "a\nb",
        "a/b",
        "a b",
        "é",
        "\u202e",
        "x" * 65,
        "~",
        "$HOME",
        "a\\b",
        "\x1b[31m",
        "*",
    ],
)
def test_f25_a_name_that_could_be_anything_else_is_refused(name):
    with pytest.raises(UsageError, match="--name must be"):
        asked(name=name)


@given(st.text(max_size=70))
def test_f25_every_accepted_name_is_one_folder_inside(name):
    if NAME.fullmatch(name):
        root = Path("/srv/runs")
        assert Path(os.path.normpath(root / name)).parent == root
        assert len(os.fsencode(name)) <= 64


def test_f25_a_run_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/t").symlink_to(tmp_path / "elsewhere")
    done = command("--space", "lr_sweep", "--dataset", "digits", "--name", "t", cwd=tmp_path)
    assert (done.returncode, "error[run]: not a run: runs/t: it is a link." in done.stderr) == (5, True), done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


# F26: results.md cannot be written


@pytest.fixture
def run(tmp_path, toy, without_ray) -> Path:
    without_ray(tmp_path / "runs/toy", asked(), toy)
    files.write_results(tmp_path / "runs/toy")
    return tmp_path / "runs/toy"


def test_f26_a_folder_in_its_place_is_told_before_anything_is_trained(tmp_path):
    (tmp_path / "results.md").mkdir()
    done = command("--space", "lr_sweep", "--dataset", "digits", cwd=tmp_path)
    assert (done.returncode, "Name another place" in done.stderr) == (6, True), done.stderr
    assert "safe" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_f26_a_link_is_replaced_and_never_followed(run, tmp_path):
    (tmp_path / "passwd").write_text("root")
    (tmp_path / "results.md").symlink_to(tmp_path / "passwd")
    copy_results(run, tmp_path / "results.md")
    assert (tmp_path / "passwd").read_text() == "root"
    assert not (tmp_path / "results.md").is_symlink()


def test_f26_a_place_that_cannot_be_written_leaves_the_results_in_the_run(run, tmp_path):
    before = (run / "results.md").read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        copy_results(run, tmp_path / "file" / "results.md")
    assert (run / "results.md").read_bytes() == before


def test_f26_two_that_write_at_once_leave_a_whole_file(run):
    code = "import sys, pathlib; from analysis.results import files as write; write.write_results(pathlib.Path(sys.argv[1]))"
    expected = (run / "results.md").read_bytes()
    both = [subprocess.Popen([sys.executable, "-c", code, run], cwd=ROOT) for _ in range(2)]
    while any(process.poll() is None for process in both):
        assert (run / "results.md").read_bytes() == expected
    assert [process.returncode for process in both] == [0, 0]
    assert list(run.glob(".*.tmp")) == []


# F30: Ray does not start


@pytest.mark.slow
@pytest.mark.integration
def test_f30_where_ray_cannot_start_it_says_why(tmp_path):
    """A temporary folder whose path is too long for a socket, and no /tmp to use instead."""
    place = tmp_path / ("x" * 90)
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TMP, ROOT / "run_search.py", "--space", "lr_sweep", "--dataset", "digits", "--quiet"],
        cwd=tmp_path, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(place)},
    )  # fmt: skip
    assert done.returncode == 8, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error[ray]: Ray does not start: ")
    assert "Details: runs/lr_sweep-digits/ray/output.log" in done.stderr
    assert list(place.iterdir()) == []


def test_f30_where_no_temporary_folder_can_be_made_it_is_the_disk(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    monkeypatch.setattr(session, "SHORT", 1000)  # there is a /tmp here
    with pytest.raises(StorageError):
        session.fresh_scratch(tmp_path)


# F31: secrets and personal data


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run that is meant to be shared."""
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file() and shared(path)}


def shared(path: Path) -> bool:
    return path.name not in PRIVATE and "ray" not in path.parts


def words(found: dict[str, bytes], word: str) -> list[str]:
    return [name for name, content in found.items() if word.encode() in content or word in name]


@pytest.fixture
def host(monkeypatch) -> str:
    """A host name that would be noticed."""
    monkeypatch.setattr(socket, "gethostname", lambda: f"host-{CANARY}")
    return f"host-{CANARY}"


def test_f31_neither_environment_nor_host_name_is_in_anything_shared(tmp_path, toy, without_ray, monkeypatch, host):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    run = tmp_path / "toy"
    without_ray(run, asked(), toy)
    files.write_results(run)
    found = contents(run)
    assert {"run.json", "totals.jsonl", "trials.jsonl", "results.md", "results.csv", "results.json"} <= found.keys()
    assert words(found, CANARY) == []
    assert words(found, str(tmp_path)) == [], "a path of this machine"
    assert [host.encode() in path.read_bytes() for path in run.glob("trials/*/timing.jsonl")] == [True] * 3, (
        "F31 sees nothing"
    )


@pytest.mark.parametrize("key", ["api_key", "token", "password", "secret", "AWS_SECRET_ACCESS_KEY", "authorization"])
def test_f31_a_key_that_looks_like_a_secret_is_no_hyperparameter(key):
    for params in ({**SPACE.params, key: CANARY}, {**SPACE.params, key: loguniform(1, 2)}):
        with pytest.raises(SpaceError, match=f"unknown hyperparameter '{key}'") as caught:
            Space(params=params, baseline={"lr": 1e-2}, epochs=2)
        assert CANARY not in str(caught.value)


# F32: what others wrote stays text


@pytest.mark.parametrize("text", EVIL)
def test_f32_whatever_an_error_or_a_class_name_says_is_only_text(tmp_path, toy, without_ray, text):
    run = without_ray(tmp_path / "toy", asked(), replace(toy, name=text, classes=(text, *toy.classes[1:])))
    failed = run.trials[2]
    (failed.folder / "epochs.jsonl").unlink()
    durable.append(
        failed.folder / "epochs.jsonl", {"outcome": "failed", "error": f"ValueError: {text}", "where": f"{text}.py:1"}
    )
    files.write_results(run.folder)
    shown = (run.folder / "results.md").read_text()
    fences = [line for line in shown.splitlines() if line.lstrip().startswith("```")]
    assert fences == ["```bash", "```"] * (len(fences) // 2)
    body = re.sub(r"```bash\n.*?\n```", "", shown.partition("\n")[2], flags=re.DOTALL)  # in there text is only text
    body = re.sub(r"<br>(`+)(?!`).*?(?<!`)\1(?!`)", "", body)  # nor in a command beside a check
    assert not re.search(r"<(?!/?(details|summary)>)", body), "raw HTML"
    assert not re.search(r"(?<!\\)\]\((?!trials/|plots/|results\.)", body), "a link that is not ours"
    assert not [character for character in shown if not character.isprintable() and character != "\n"]
    for table in re.split(r"\n\n", body):
        rows = [row for row in table.splitlines() if row.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1, table


@pytest.mark.parametrize("text", EVIL)
def test_f32_a_terminal_gets_one_line_without_control_characters(tmp_path, text):
    done = command("--space", text.replace("\x00", ""), cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert done.stderr.count("\n") == 1
    assert done.stderr.rstrip("\n").isprintable()


# F33: images


@pytest.fixture
def images(tmp_path) -> Path:
    for number in range(40):
        place = tmp_path / "images" / ("test" if number > 29 else "train") / ("dark", "bright")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (number * 6,) * 3).save(place / f"{number}.jpg")
    return tmp_path / "images"


def large(path: Path) -> None:
    """A picture of 50,000 x 50,000 pixels in a few bytes: only its header is true."""
    Image.new("1", (8, 8)).save(path, "PNG")
    content = bytearray(path.read_bytes())
    import zlib

    content[16:24] = (50_000).to_bytes(4) * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def astronomy(path: Path) -> None:
    """FITS, which Pillow would read by its content (CVE-2026-40192)."""
    path.write_bytes(b"SIMPLE  =                    T" + b" " * 2850)


@pytest.mark.parametrize("spoil", [large, cut, astronomy])
def test_f33_an_image_that_is_a_trap_is_refused_by_name(images, spoil):
    spoil(images / "train/dark/4.jpg")
    with pytest.raises(DataError, match=r"4\.jpg"):
        loading.prepare(f"folder:{images}", images.parent / "data", progress=False)


# F34: the network


def test_f34_nothing_is_told_to_anybody():
    assert session.ENVIRONMENT["RAY_USAGE_STATS_ENABLED"] == "0"


def test_f34_no_package_of_ours_opens_a_connection_when_it_is_imported():
    code = (
        "import sys, socket; sys.addaudithook(lambda event, given: sys.exit(event) if event == 'socket.connect' else None)\n"
        "import run_search, analysis.__main__, trainables.__main__, trainables.data, trainables.data.download, search.settings, "
        "search.run.opening, search.attempts, search.terminal.display, analysis.results.files, analysis.results.printed"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# F35: other users of the machine; and a whole search, looked at from outside (F31, F34)


def test_f35_the_token_of_a_search_is_its_own_and_private(tmp_path):
    environment: dict[str, str] = {TOKEN: "of a cluster"}
    authentication.protect(None, tmp_path, environment)
    path = Path(environment[TOKEN_PATH])
    assert environment == {MODE: "token", TOKEN_PATH: str(tmp_path / "token"), CLUSTERS: "0"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch("[0-9a-f]{64}", path.read_text())


def test_f35_a_cluster_is_joined_with_its_token(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    environment: dict[str, str] = {}
    with pytest.raises(RayError, match=r"no token: .*auth_token: the Ray cluster at head:6379 must ask for one"):
        authentication.protect("head:6379", tmp_path, environment)
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret")
    token.chmod(0o644)
    environment = {}
    authentication.protect("head:6379", tmp_path, environment)
    assert environment == {MODE: "token"}
    assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", [{TOKEN: "x"}, {TOKEN: "x", TOKEN_PATH: "nowhere"}])
def test_f35_a_token_in_the_environment_is_enough(tmp_path, given):
    environment = dict(given)
    authentication.protect("head:6379", tmp_path, environment)
    assert environment == {**given, MODE: "token"}


def test_f35_who_decided_about_tokens_has_decided(tmp_path):
    environment = {MODE: "disabled"}
    authentication.protect("head:6379", tmp_path, environment)
    assert environment == {MODE: "disabled"}
    assert list(tmp_path.iterdir()) == []


def test_f35_a_token_file_that_is_somebody_elses_is_not_taken(tmp_path):
    class Foreign(type(tmp_path)):
        def chmod(self, mode, **_):
            raise PermissionError(1, "Operation not permitted")

    token = tmp_path / "token"
    token.touch(0o644)
    token.chmod(0o644)
    with pytest.raises(RayError, match="Operation not permitted"):
        authentication.make_private(Foreign(token), "head:6379")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A whole search with secrets in its environment, its connections traced and its folders looked at while it runs."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    work = tmp_path_factory.mktemp("searched")
    (work / "home").mkdir()
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as scratch:
        arguments = ("--space", "lr_sweep", "--dataset", "digits", "--fraction", "0.1", "--epochs", "1", "--name", "t")
        process = subprocess.Popen(
            ["strace", "-f", "-qq", "-yy", "-e", "trace=connect,listen", "-o", work / "calls", sys.executable,
             ROOT / "run_search.py", *arguments], cwd=work, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **SECRETS, "PYTHONPATH": str(ROOT), "HOME": str(work / "home"), "TMPDIR": scratch},
        )  # fmt: skip
        modes: dict[str, int] = {}
        while process.poll() is None:
            for path in [*Path(scratch).glob("search-*"), *Path(scratch).glob("search-*/token"), work / "runs/t"]:
                try:
                    modes[re.sub("search-.*?(?=/|$)", "search", str(path.name))] = path.stat().st_mode & 0o777
                except OSError:
                    continue
            time.sleep(0.1)
        said = "".join(process.communicate())
        left = list(Path(scratch).glob("search-*"))
    assert process.returncode == 0, said
    return work, said, modes, left


@pytest.mark.slow
@pytest.mark.integration
def test_f35_folders_and_token_are_for_their_owner_alone(searched):
    work, _, modes, left = searched
    assert modes == {"search": 0o700, "token": 0o600, "t": 0o700}
    assert left == []
    assert not (work / "home/.ray").exists(), "Ray left a token that all can read"


@pytest.mark.slow
@pytest.mark.integration
def test_f34_a_search_connects_to_this_machine_alone(searched):
    work, *_ = searched
    calls = (work / "calls").read_text()
    called = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', calls)
    reached = {(four or six).removeprefix("::ffff:") for four, six in called}
    assert "127.0.0.1" in reached, "nothing was traced"
    assert reached <= {"127.0.0.1", "::1", "0.0.0.0", "::"}
    assert "htons(53)" not in calls, "a name was looked up"


@pytest.mark.slow
@pytest.mark.integration
def test_f35_nothing_listens_beyond_loopback(searched):
    work, *_ = searched
    calls = (work / "calls").read_text()
    listening = [line for line in calls.splitlines() if " listen(" in line and "TCP" in line]
    assert listening
    assert [line for line in listening if "127.0.0.1" not in line] == []


@pytest.mark.slow
@pytest.mark.integration
def test_f31_a_search_leaves_no_secret_and_no_host_name(searched):
    work, said, *_ = searched
    everything = {str(path): path.read_bytes() for path in (work / "runs").rglob("*") if path.is_file()}
    assert words(everything, CANARY) == [], "not even in what Ray logged"
    assert CANARY not in said
    found = contents(work / "runs/t") | {"results.md": (work / "results.md").read_bytes()}
    assert words(found, str(work)) == []
    texts = {
        name: content for name, content in found.items() if Path(name).suffix in (".json", ".jsonl", ".md", ".csv")
    }
    host = re.compile(rb"(?<![A-Za-z0-9])" + re.escape(socket.gethostname().encode()) + rb"(?![A-Za-z0-9])")
    assert [name for name, content in texts.items() if host.search(content)] == []
