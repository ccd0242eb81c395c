"""Downloads against a server on the loopback that behaves as badly as mirrors do."""

import contextlib
import hashlib
import threading
import time
import urllib.request
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trainables.data import download
from trainables.data.download import DownloadError, fetch
from trainables.data.sources.cifar import ARCHIVES, CIFAR10
from trainables.errors import StorageError

CONTENT = bytes(hashlib.shake_256(b"archive").digest(200_000))
CUT = 70_000


class Mirror(BaseHTTPRequestHandler):
    """Each path is a mirror with a fault of its own; everything asked for is noted in server.requests."""

    def do_HEAD(self):
        self.answer(200, {})

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        with contextlib.suppress(ConnectionError):  # a client that has seen enough
            getattr(self, self.path.strip("/"))()

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def start(self):
        return int((self.headers.get("Range") or "bytes=0-")[6:-1])

    def ranged(self, end=None):
        start, size = self.start(), len(CONTENT)
        headers = {"Content-Length": max(0, size - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.answer(416 if start >= size else 206 if start else 200, headers, CONTENT[start:end])

    def good(self):
        self.ranged()

    def no_ranges(self):
        self.answer(200, {"Content-Length": len(CONTENT)}, CONTENT)

    def cuts(self):
        self.ranged(self.start() + CUT)

    def always_cuts(self):
        self.answer(200, {"Content-Length": len(CONTENT)}, CONTENT[:CUT])

    def other_file(self):
        self.answer(200, {"Content-Length": len(CONTENT)}, bytes(len(CONTENT)))

    def other_length(self):
        self.answer(200, {"Content-Length": 12}, b"no such file")

    def endless(self):
        self.answer(200, {}, CONTENT + CONTENT)

    def other_range(self):
        self.answer(206, {"Content-Range": f"bytes 0-9/{len(CONTENT)}", "Content-Length": 10}, CONTENT[:10])

    def missing(self):
        self.answer(404, {"Content-Length": 0})

    def page(self):
        self.answer(200, {"Content-Type": "text/html"}, b"<html>log in first</html>")

    def redirects(self):
        self.answer(302, {"Location": "/good"})

    def stalls(self):
        self.answer(200, {"Content-Length": len(CONTENT)}, CONTENT[:CUT])
        self.wfile.flush()
        self.server.stop.wait(5)

    def slow(self, pause=0.02):
        self.ranged(self.start())  # the headers alone
        position = self.start()
        while position < len(CONTENT) and not self.server.stop.wait(pause):
            self.wfile.write(CONTENT[position : position + 1000])
            position += 1000

    def slower(self):
        self.slow(0.5)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.daemon_threads, server.requests, server.stop = True, [], threading.Event()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.stop.set()
        server.shutdown()


@pytest.fixture
def archive(server):
    """Makes the facts of an archive that lies on the named mirrors."""

    def on(*mirrors):
        return replace(
            CIFAR10,
            file="small.tar.gz",
            urls=tuple(f"http://127.0.0.1:{server.server_port}/{mirror}" for mirror in mirrors),
            size=len(CONTENT),
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            md5=hashlib.md5(CONTENT).hexdigest(),
        )

    return on


def part(folder):
    return folder / "small.tar.gz.part"


def test_the_file_arrives_whole_and_the_part_is_gone(archive, tmp_path):
    assert fetch(archive("good"), tmp_path / "data").read_bytes() == CONTENT
    assert not part(tmp_path / "data").exists()


def test_a_file_that_is_there_is_not_fetched_again(archive, server, tmp_path):
    (tmp_path / "small.tar.gz").write_bytes(b"mine")
    assert fetch(archive("good"), tmp_path).read_bytes() == b"mine"
    assert not server.requests


def test_a_part_is_resumed_where_it_ends(archive, server, tmp_path):
    part(tmp_path).write_bytes(CONTENT[:CUT])
    assert fetch(archive("good"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("/good", f"bytes={CUT}-")]


def test_a_part_is_completed_by_a_mirror_without_ranges(archive, tmp_path):
    part(tmp_path).write_bytes(CONTENT[:CUT])
    assert fetch(archive("no_ranges"), tmp_path).read_bytes() == CONTENT


def test_a_complete_part_is_used_without_asking_for_it(archive, server, tmp_path):
    part(tmp_path).write_bytes(CONTENT)
    assert fetch(archive("good"), tmp_path).read_bytes() == CONTENT
    assert not server.requests


@pytest.mark.parametrize("size", [CUT, len(CONTENT), len(CONTENT) + 1])
def test_a_bad_part_is_dropped_and_fetched_from_the_start(archive, server, tmp_path, size):
    part(tmp_path).write_bytes(bytes(size))
    assert fetch(archive("good"), tmp_path, patience=60).read_bytes() == CONTENT
    assert server.requests[-1] == ("/good", None)


def test_the_next_mirror_goes_on_where_the_last_one_closed(archive, server, tmp_path):
    assert fetch(archive("always_cuts", "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("/always_cuts", None), ("/good", f"bytes={CUT}-")]


def test_a_mirror_that_keeps_closing_is_asked_again_while_it_brings_something(archive, server, tmp_path):
    assert fetch(archive("cuts"), tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]


@pytest.mark.parametrize(
    ("mirror", "why"),
    [
        ("always_cuts", f"closed the connection after {CUT} of {len(CONTENT)} bytes"),
        ("other_file", "sends another file"),
        ("other_length", f"offers 12 bytes instead of {len(CONTENT)}"),
        ("endless", f"sends more than {len(CONTENT)} bytes"),
        ("missing", "HTTP 404"),
        ("page", "web page"),
        ("stalls", "no answer in time"),
    ],
)
def test_a_bad_mirror_is_left_for_the_next_and_named_if_there_is_none(archive, tmp_path, monkeypatch, mirror, why):
    monkeypatch.setattr(download, "SILENCE", 0.2)
    with pytest.raises(DownloadError, match=why):
        fetch(archive(mirror), tmp_path / "alone")
    assert not (tmp_path / "alone" / "small.tar.gz").exists()
    assert fetch(archive(mirror, "good"), tmp_path / "both").read_bytes() == CONTENT


def test_another_range_than_asked_for_is_refused(archive, tmp_path):
    part(tmp_path).write_bytes(CONTENT[:CUT])
    with pytest.raises(DownloadError, match="another range"):
        fetch(archive("other_range"), tmp_path)
    assert part(tmp_path).read_bytes() == CONTENT[:CUT]


def test_never_more_than_the_size_is_written(archive, tmp_path):
    with pytest.raises(DownloadError):
        fetch(archive("endless"), tmp_path)
    assert part(tmp_path).stat().st_size <= len(CONTENT)


def test_nothing_of_a_web_page_is_kept(archive, tmp_path):
    with pytest.raises(DownloadError):
        fetch(archive("page"), tmp_path)
    assert part(tmp_path).read_bytes() == b""


def test_a_redirect_is_followed(archive, tmp_path):
    assert fetch(archive("redirects"), tmp_path).read_bytes() == CONTENT


def test_a_redirect_from_https_to_http_is_refused():
    request = urllib.request.Request("https://example.org/archive")
    handler = download.HttpsStays()
    with pytest.raises(download.RefusedError, match="not https"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/archive")
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://example.org/other").host == "example.org"


def test_every_mirror_of_the_real_archives_is_https():
    assert all(url.startswith("https://") for archive in ARCHIVES.values() for url in archive.urls)


def test_a_mirror_that_would_take_too_long_is_left_for_a_faster_one(archive, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MEASURE", 0.1)
    monkeypatch.setattr(download, "SLOW", 1.0)
    assert fetch(archive("slow", "good"), tmp_path).read_bytes() == CONTENT
    assert [path for path, *_ in server.requests] == ["/slow", "/good"]


def test_who_is_not_patient_gives_up_on_slow_mirrors(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MEASURE", 0.1)
    with pytest.raises(DownloadError, match=r"too slow: \d+ kB/s"):
        fetch(archive("slow"), tmp_path, patience=1.0)


def test_who_is_patient_takes_the_fastest_of_slow_mirrors(archive, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MEASURE", 0.1)
    monkeypatch.setattr(download, "SLOW", 0.1)
    part(tmp_path).write_bytes(CONTENT[:-20_000])
    assert fetch(archive("slower", "slow"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][0] == "/slow"


def test_the_error_says_what_was_tried_and_how_to_do_it_by_hand(archive, tmp_path):
    wanted = archive("missing", "page")
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for fact in ("HTTP 404", "web page", wanted.urls[0], wanted.sha256, str(tmp_path / "small.tar.gz")):
        assert fact in message


def test_without_a_network_it_fails_and_leaves_nothing(archive, tmp_path):
    with pytest.raises(DownloadError, match=r"nowhere\.invalid"):
        fetch(replace(archive(), urls=("https://nowhere.invalid/a", "https://elsewhere.invalid/b")), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_mirrors_that_never_answer_cost_one_wait_together(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CONNECT", 1.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as silent:  # accepts connections, and nobody serves them
        urls = tuple(f"http://127.0.0.1:{silent.server_port}/{number}" for number in range(30))
        started = time.monotonic()
        with pytest.raises(DownloadError, match="no answer"):
            fetch(replace(archive(), urls=urls), tmp_path)
        assert time.monotonic() - started < 15  # thirty waits would take thirty


def test_two_at_once_download_once(archive, server, tmp_path):
    wanted, results = archive("cuts"), []
    threads = [threading.Thread(target=lambda: results.append(fetch(wanted, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in results] == [CONTENT] * 4
    assert len(server.requests) == 3  # what one download takes


def test_a_folder_that_cannot_be_written_is_a_storage_error(archive, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        fetch(archive("good"), tmp_path / "file")
