"""Download a published archive from one of its mirrors, resumably, and verify it. No redirect leads from https to http.

The bytes received so far lie in NAME.part, and a later attempt from any mirror continues after them. The part is renamed to
NAME only when its size and hashes are right, so a file of that name is whole.
"""

import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trainables.cli.progress import Advance, meter
from trainables.data.archive import Archive, mismatch
from trainables.errors import DataError
from trainables.files import durable
from trainables.files.lock import exclusive

CONNECT = 5.0  # seconds in which a mirror has to answer
SILENCE = 10.0  # seconds without a byte after which a mirror is given up
MEASURE = 2.0  # seconds after which the rate so far is used
SLOW = 300.0  # remaining seconds at that rate above which the other mirrors are tried first
ENDLESS = 6 * 3600.0  # remaining seconds above which a mirror is given up
CHUNK = 1 << 16


class DownloadError(DataError):
    """No mirror delivered the archive; `tried` names the mirrors and the reasons."""

    def __init__(self, archive: Archive, target: Path, tried: str) -> None:
        self.tried = tried
        super().__init__(
            f"cannot download: {archive.file}: {tried}. Fetch {archive.urls[0]} (sha256 {archive.sha256}) "
            f"to {target}, then run the same command again."
        )


class RefusedError(Exception):
    """A mirror did not deliver the archive; `rate` is its rate in bytes per second if it was too slow, else 0."""

    def __init__(self, why: str, rate: float = 0.0) -> None:
        super().__init__(why)
        self.rate = rate


class HttpsStays(urllib.request.HTTPRedirectHandler):
    """Follows redirects, except from https to anything else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and urlsplit(newurl).scheme.lower() != "https":
            raise RefusedError(f"redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(archive: Archive, folder: Path, *, patience: float | None = None) -> Path:
    """The path of the archive in the folder; it is downloaded unless it is there. Two processes at once download it once.

    Args:
        patience: give up if no mirror is fast enough to deliver within this many seconds; None also accepts slower mirrors.

    Raises:
        DownloadError: no mirror delivered the archive; the message says how to fetch it by hand.
        StorageError: the folder cannot be written.
    """
    target = folder / archive.file
    if target.exists():
        return target
    mirrors, refusals = _answering(archive.urls)
    if not mirrors:
        raise DownloadError(archive, target, _summary(refusals))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / f".{archive.file}.lock"):
            if not target.exists():  # another process may have brought it while this one waited
                _download(archive, target, mirrors, refusals, patience)
    except OSError as error:
        raise durable.storage_error(target, error, archive.size) from error
    return target


def _answering(urls: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The mirrors that answer, and the reason for each other mirror.

    All mirrors are asked at the same time, each in a thread. A thread that takes too long is not waited for: if a name server
    cannot be reached, a lookup takes longer than any timeout of a socket.
    """
    answers: dict[str, str] = {}
    threads = [threading.Thread(target=_ask, args=(url, answers), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + CONNECT
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    refusals = {url: answers.get(url, f"no answer in {CONNECT:g} s") for url in urls}
    return [url for url in urls if not refusals[url]], {url: why for url, why in refusals.items() if why}


def _ask(url: str, answers: dict[str, str]) -> None:
    request = urllib.request.Request(url, method="HEAD", headers=_headers(0))
    try:
        _opener().open(request, timeout=CONNECT).close()
    except urllib.error.HTTPError:
        answers[url] = ""  # the server answers; its answer to a GET counts
    except (OSError, ValueError, http.client.HTTPException, RefusedError) as error:
        answers[url] = _reason(error)
    else:
        answers[url] = ""


def _download(
    archive: Archive, target: Path, mirrors: list[str], refusals: dict[str, str], patience: float | None
) -> None:
    """Download from the mirrors. Without `patience` try the fast ones first, then the others, the fastest first."""
    part = target.with_name(f"{archive.file}.part")
    part.touch()
    if _size(part) > archive.size:
        os.truncate(part, 0)
    with meter(f"downloading {archive.file}", archive.size, "bytes", bar=True, done=_size(part)) as advance:
        for limit in [patience] if patience else [SLOW, ENDLESS]:
            if _try_all(archive, part, mirrors, refusals, limit, advance):
                return _publish(part, target)
        raise DownloadError(archive, target, _summary(refusals))


def _try_all(
    archive: Archive, part: Path, mirrors: list[str], refusals: dict[str, str], limit: float, advance: Advance
) -> bool:
    """Whether a mirror completed the part. Mirrors are tried again while the part grows by more than 1 % of the archive.

    A mirror that was too slow is not tried again in this call. Afterwards `mirrors` is sorted by rate, the fastest first.
    """
    rates = dict.fromkeys(mirrors, 0.0)
    asked, grown = list(mirrors), archive.size
    while asked and grown > archive.size // 100:
        before = _size(part)
        for url in asked:
            try:
                _complete(archive, url, part, limit, advance)
            except RefusedError as error:
                refusals[url], rates[url] = str(error), error.rate
            else:
                return True
        asked = [url for url in asked if not rates[url]]
        grown = _size(part) - before
    mirrors.sort(key=lambda url: -rates[url])
    return False


def _size(part: Path) -> int:
    return part.stat().st_size


def _complete(archive: Archive, url: str, part: Path, limit: float, advance: Advance) -> None:
    """Download the rest of the part from a mirror and verify the whole. A wrong part is emptied and, if resumed, begun anew.

    Raises:
        RefusedError: the mirror did not deliver, or it delivered another file.
    """
    resumed = _size(part) > 0
    _receive(archive, url, part, limit, advance)
    with part.open("rb") as file:
        why = mismatch(archive, file)
    if why is None:
        return
    os.truncate(part, 0)
    advance(-archive.size)
    if not resumed:
        raise RefusedError(f"sends another file: {why}")
    _complete(archive, url, part, limit, advance)  # the old beginning may have been bad, not this mirror's bytes


def _receive(archive: Archive, url: str, part: Path, limit: float, advance: Advance) -> None:
    have = _size(part)
    if have == archive.size:
        return
    with part.open("ab") as file:
        for chunk in _chunks(archive, url, have, limit):
            file.write(chunk)
            advance(len(chunk))


def _chunks(archive: Archive, url: str, have: int, limit: float) -> Iterator[bytes]:
    """Yield the bytes of the archive after the first `have` bytes, as they arrive.

    Raises:
        RefusedError: the mirror sends another file, too much, too little or too slowly.
    """
    try:
        with _opener().open(urllib.request.Request(url, headers=_headers(have)), timeout=SILENCE) as response:
            position = begin = _start(archive, response, have)
            started = time.monotonic()
            while chunk := response.read1(CHUNK):  # the bytes at hand: a slow mirror must not block
                fresh = chunk[max(0, have - position) :]  # a mirror without ranges starts from the beginning
                position += len(chunk)
                if position > archive.size:
                    raise RefusedError(f"sends more than {archive.size} bytes")
                _check_pace(position - begin, time.monotonic() - started, archive.size - position, limit)
                yield fresh
            if position < archive.size:
                raise RefusedError(f"closed the connection after {position} of {archive.size} bytes")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise RefusedError(_reason(error)) from error


def _start(archive: Archive, response: Any, have: int) -> int:
    """The position in the archive of the first byte that a mirror's answer holds.

    Raises:
        RefusedError: the headers show that the answer is not the archive.
    """
    if response.headers.get_content_type() == "text/html":
        raise RefusedError("answers with a web page instead of the file")
    if response.status == 206:
        if response.headers.get("Content-Range") != f"bytes {have}-{archive.size - 1}/{archive.size}":
            raise RefusedError(f"answers with another range: {response.headers.get('Content-Range')}")
        return have
    length = response.headers.get("Content-Length")
    if length is not None and int(length) != archive.size:
        raise RefusedError(f"offers {length} bytes instead of {archive.size}")
    return 0


def _check_pace(received: int, seconds: float, missing: int, limit: float) -> None:
    rate = received / max(seconds, 1e-9)
    if seconds > MEASURE and missing > rate * limit:
        raise RefusedError(f"too slow: {rate / 1000:.0f} kB/s, {missing / rate / 60:.0f} minutes to go", rate)


def _publish(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    durable.sync_folder(target.parent)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(HttpsStays)


def _headers(have: int) -> dict[str, str]:
    return {"User-Agent": "cifar-search", **({"Range": f"bytes={have}-"} if have else {})}


def _reason(error: Exception) -> str:
    """The reason of a network error in a few words, without the wrapping of urllib and socket."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return "no answer in time"
    return (inner.strerror if isinstance(inner, OSError) else None) or str(inner) or type(inner).__name__


def _summary(refusals: dict[str, str]) -> str:
    """The hosts listed by reason: `a.org, b.org: Name or service not known; c.org: HTTP 404 Not Found`."""
    hosts: dict[str, list[str]] = {}
    for url, why in refusals.items():
        hosts.setdefault(why, []).append(urlsplit(url).hostname or url)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in hosts.items())
