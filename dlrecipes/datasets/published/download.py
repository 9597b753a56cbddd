"""Download a file that is known by its SHA-256: from several places, resumable, never hanging.

What arrives goes into `<name>.part`, which becomes `<name>` once its size and its checksum are
right. A part stays when the network failed, and the next try asks for the rest alone.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urlsplit

from dlrecipes.system.atomic import file_sha256

if TYPE_CHECKING:
    # Imported where it is used: it takes a third of the time of a command that downloads nothing.
    import requests

ANSWER_SECONDS = 10.0
"""How long a server may take to answer, the look-up of its name and redirects included."""

STALL_SECONDS = 15.0
"""How long the next chunk may take. A link slower than 1.1 KB a second counts as stalled."""

CHUNK_BYTES = 16 * 1024
CHUNKS_AHEAD = 64
"""Chunks that are received before they are written: 1 MiB."""


class FetchListener(Protocol):
    """Hears how a data set is downloaded and prepared."""

    def warn(self, message: str) -> None:
        """Hear of something that the user should know, and that is no error."""

    def columns_found(self, columns: Sequence[tuple[str, str, str]]) -> None:
        """Hear how the columns of a user's table are understood: name, kind and examples."""

    def download_begins(self, name: str, host: str, size: int, kept: int) -> None:
        """Hear that a host sends a file of `size` bytes, `kept` of which are here already."""

    def download_moves(self, received: int) -> None:
        """Hear how many bytes of the file are here."""

    def download_ends(self) -> None:
        """Hear that the host is done sending, however that ended."""

    def preparation_begins(self, name: str) -> None:
        """Hear that a data set is prepared from its files, which takes minutes."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to be downloaded.

    Args:
        name: Its name on the disk.
        urls: Where it can be had, in the order in which they are tried.
        size: Bytes that it has; None if nobody has recorded that.
        sha256: The SHA-256 that it has, in hexadecimal digits; empty if nobody has recorded it.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str = ""

    def part(self, folder: Path) -> Path:
        """Return where its beginning is kept until it is whole."""
        return folder / f"{self.name}.part"

    def received(self, folder: Path) -> int:
        """Return how many bytes of it are in a folder."""
        for path in (folder / self.name, self.part(folder)):
            with suppress(FileNotFoundError):
                return path.stat().st_size
        return 0

    def is_in(self, folder: Path) -> bool:
        """Tell whether it is in a folder, with the size and the checksum that are recorded."""
        path = folder / self.name
        return (
            path.is_file()
            and self.size in (None, path.stat().st_size)
            and self.sha256 in ("", file_sha256(path))
        )


class DownloadError(Exception):
    """A file cannot be had; the message is a sentence on what is wrong with each place."""


class _Failure(Exception):
    """One place failed; the message goes on from its name: "HOST answered 403 Forbidden"."""


class _WrongContent(_Failure):
    """A place sent something else, so what was received of it is worth nothing."""


def shown_bytes(count: int) -> str:
    """Return a number of bytes for people, such as 11.6 MB."""
    if count < 1000:
        return f"{count} bytes"
    if count < 1_000_000:
        return f"{count / 1e3:.1f} KB"
    return f"{count / 1e6:.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:.1f} GB"


def host_of(url: str) -> str:
    """Return the host of an address, with its port but without a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def first_answer(urls: Iterable[str], seconds: float, *, any_answer: bool = False) -> str:
    """Ask all places for the first byte of a file at once, until one is ready to send it.

    Args:
        urls: Addresses of the file.
        seconds: How long to wait.
        any_answer: Whether a refusal is an answer, too: is there a way to any of these places?

    Returns:
        An empty text, as soon as a place is ready; else what is wrong with each, in a sentence.
    """
    answers: Queue[tuple[str, str]] = Queue()

    def ask(url: str) -> None:
        try:
            with _get(url, "bytes=0-0", seconds) as response:
                good = response.ok or any_answer
                answers.put((url, "" if good else _refusal(response)))
        except Exception as error:
            answers.put((url, _reason(error, seconds)))

    failures = {url: _silence(seconds) for url in urls}
    for url in failures:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    deadline = time.monotonic() + seconds
    for _ in range(len(failures)):
        try:
            url, failure = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except Empty:
            break
        if not failure:
            return ""
        failures[url] = failure
    return _sentence(failures)


def download(file: RemoteFile, folder: Path, listener: FetchListener) -> Path:
    """Put a file into a folder, unless it is there, from the first place that sends the right one.

    Args:
        file: What to download.
        folder: Where to; it is made if need be.
        listener: Hears how it goes.

    Returns:
        Where it is.

    Raises:
        DownloadError: if no place sends it.
        OSError: if it cannot be written; nothing is kept of it then.
    """
    path = folder / file.name
    if file.is_in(folder):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if not file.sha256:
        # Nothing would tell whether a beginning belongs to what is sent now.
        file.part(folder).unlink(missing_ok=True)
    failures = {}
    try:
        for url in file.urls:
            try:
                _download_from(url, file, folder, listener)
                return path
            except _Failure as failure:
                failures[url] = str(failure)
    finally:
        if not file.received(folder):
            file.part(folder).unlink(missing_ok=True)
    raise DownloadError(_sentence(failures))


def _sentence(failures: Mapping[str, str]) -> str:
    """Return what is wrong with each address in a sentence, hosts with the same fault together."""
    hosts: dict[str, list[str]] = {}
    for url, failure in failures.items():
        same = hosts.setdefault(failure, [])
        if host_of(url) not in same:
            same.append(host_of(url))
    return "; ".join(f"{', '.join(same)} {failure}" for failure, same in hosts.items()) + "."


def _download_from(url: str, file: RemoteFile, folder: Path, listener: FetchListener) -> None:
    """Receive what is missing of a file from one place, and put the whole file in its place."""
    part = file.part(folder)
    resumed = part.exists()
    try:
        _receive(url, file, part, listener)
        # The checksum of the whole tells more than If-Range would: the beginning may have come
        # from another mirror, whose ETag this one does not know.
        found = file_sha256(part) if file.sha256 else ""
        if found != file.sha256:
            raise _WrongContent(
                f"sent a wrong {file.name}, which was removed (its SHA-256 begins with "
                f"{found[:12]}, and should with {file.sha256[:12]})"
            )
    except _WrongContent:
        part.unlink(missing_ok=True)
        if not resumed:
            raise
        # What was wrong may be the beginning, which this place did not send.
        _download_from(url, file, folder, listener)
        return
    except OSError:
        part.unlink(missing_ok=True)
        raise
    part.replace(folder / file.name)


def _receive(url: str, file: RemoteFile, part: Path, listener: FetchListener) -> None:
    """Write what one place sends of a file behind what is there of it."""
    start = part.stat().st_size if part.exists() else 0
    if file.size is not None and start >= file.size:
        return
    with _Transfer(url, start) as transfer:
        answer = transfer.answer()
        if start and answer.status_code == HTTPStatus.OK:
            start = 0  # It knows no ranges, and sends the whole file.
        if not answer.ok and answer.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _Failure(_refusal(answer))
        if not _begins_at(answer, start):
            raise _WrongContent(f"{_refusal(answer)}, and not from byte {start} on")
        length = answer.headers.get("Content-Length")
        size = file.size
        if size is None:
            size = start + int(length or 0)
        elif length not in (None, str(size - start)):
            raise _Failure(f"sends {length} bytes of {file.name} and not {size - start}")
        listener.download_begins(file.name, host_of(url), size, start)
        try:
            with part.open("ab" if start else "wb") as target:
                for chunk in transfer.chunks():
                    target.write(chunk)
                    listener.download_moves(target.tell())
                    if file.size is not None and target.tell() > file.size:
                        raise _WrongContent(f"sent more than {shown_bytes(file.size)}")
        finally:
            listener.download_ends()


def _begins_at(response: "requests.Response", start: int) -> bool:
    """Tell whether what a server sends begins at that byte of the file."""
    if response.status_code == HTTPStatus.OK:
        return start == 0
    sent = response.headers.get("Content-Range", "")
    return response.status_code == HTTPStatus.PARTIAL_CONTENT and sent.startswith(f"bytes {start}-")


class _Transfer:
    """A request in a thread of its own, so that nothing it waits for holds up the program.

    The time-outs of `requests` cover neither the look-up of a name nor a server that sends a byte
    now and then; and a thread that is a daemon does not keep the program from ending.

    Args:
        url: What to get.
        start: How many of its bytes are here already.
    """

    def __init__(self, url: str, start: int) -> None:
        self.url, self.start = url, start
        self.items: Queue[requests.Response | bytes | Exception] = Queue(CHUNKS_AHEAD)
        self.abandoned = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.abandoned.set()

    def answer(self) -> "requests.Response":
        """Return the server's answer, before its content."""
        item = self._next(ANSWER_SECONDS)
        assert not isinstance(item, bytes)
        return item

    def chunks(self) -> Iterator[bytes]:
        """Return the content, as it arrives."""
        while chunk := self._next(STALL_SECONDS):
            assert isinstance(chunk, bytes)
            yield chunk

    def _next(self, seconds: float) -> "requests.Response | bytes":
        """Return what the thread has next: the answer, then chunks, the last of them empty."""
        try:
            item = self.items.get(timeout=seconds)
        except Empty:
            raise _Failure(_silence(seconds)) from None
        if isinstance(item, Exception):
            raise _Failure(_reason(item, seconds)) from item
        return item

    def _run(self) -> None:
        """Get it, and hand over the answer, the content, and what goes wrong."""
        try:
            wanted = f"bytes={self.start}-" if self.start else ""
            with _get(self.url, wanted, STALL_SECONDS) as response:
                self._give(response)
                # As it is sent: a server may call a .gz file's own compression the transfer's.
                for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                    if self.abandoned.is_set():
                        return
                    self._give(chunk)
            self._give(b"")
        except Exception as error:
            self._give(error)

    def _give(self, item: "requests.Response | bytes | Exception") -> None:
        """Hand something over, unless nobody waits for it any more."""
        while not self.abandoned.is_set():
            with suppress(Full):
                self.items.put(item, timeout=1)
                return


def _get(url: str, wanted: str, seconds: float) -> "requests.Response":
    """Return a server's answer, its content not yet read.

    Args:
        url: What to get.
        wanted: The bytes of it, as the header Range names them; empty for all.
        seconds: How long to wait for a connection, and for anything on it.
    """
    import requests

    headers = {
        # GitHub limits clients that do not say who they are.
        "User-Agent": f"dlrecipes/{version('dlrecipes')}",
        "Accept-Encoding": "identity",
    }
    if wanted:
        headers["Range"] = wanted
    return requests.get(url, headers=headers, stream=True, timeout=seconds)


def _refusal(response: "requests.Response") -> str:
    """Return what is wrong with an answer, such as "answered 403 Forbidden"."""
    return f"answered {response.status_code} {response.reason or ''}".rstrip()


def _silence(seconds: float) -> str:
    """Return what is wrong with a server that is waited for."""
    return f"sent nothing for {seconds:g} s"


def _reason(error: Exception, seconds: float) -> str:
    """Return what is wrong with a place, given what its request raised."""
    import requests
    import urllib3

    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return _silence(seconds)
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy"
    if isinstance(error, requests.exceptions.SSLError):
        return "has no certificate that is trusted"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "broke off"
    return f"failed ({type(error).__name__})"
