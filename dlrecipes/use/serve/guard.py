"""Stands before the application: reads requests within their limits, counts, and refuses."""

import asyncio
import logging
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from dlrecipes.use.serve import metrics
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.limits import Limits, Rate

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
LOG = logging.getLogger("dlrecipes.serve")
OPERATIONS = ("predict", "classify", "regress", "generate")
MOST_LONG = 32
"""Texts that are written, and answers of the page, at once: no batch makes them cheaper."""


class Guard:
    """The application with limits.

    Args:
        application: What answers.
        limits: The limits.
        rate: Counts requests, those over gRPC as well.
    """

    def __init__(self, application: Application, limits: Limits, rate: Rate) -> None:
        self.application = application
        self.limits = limits
        self.rate = rate
        self.long = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, and count it."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        operation = operation_of(scope["path"])

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics.IN_FLIGHT.inc()
        try:
            await self._answer(scope, receive, counted)
        finally:
            metrics.IN_FLIGHT.dec()
            metrics.REQUESTS.labels("rest", operation, str(status)).inc()
            metrics.LATENCY.labels("rest", operation).observe(time.perf_counter() - begun)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or say why not."""
        is_started = False

        async def noted(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            if scope["path"].startswith(("/v1", "/try")):
                self.rate.take()
            body = await self._body(scope, receive)
            async with self._turn(scope):
                await self.application(scope, _replay(body, receive), noted)
        except Refused as error:
            if not is_started:
                await refuse(send, error)
        except Exception:
            LOG.exception("%s %s could not be answered.", scope["method"], scope["path"][:200])
            if not is_started:
                await refuse(send, Refused("The server failed: its log says why.", 500))

    @asynccontextmanager
    async def _turn(self, scope: Message) -> AsyncIterator[None]:
        """Let a request be answered; a long one only if there are not many, and not for ever.

        Raises:
            Refused: if there are too many, or its client does not take the answer.
        """
        if not is_long(scope):
            yield
            return
        if self.long >= MOST_LONG:
            raise Refused("The server has too many requests. Ask again in a second.", 503)
        self.long += 1
        try:
            async with asyncio.timeout(2 * self.limits.timeout):
                yield
        except TimeoutError:
            raise Refused(f"No answer within {self.limits.timeout:g} s.", 504) from None
        finally:
            self.long -= 1

    async def _body(self, scope: Message, receive: Receive) -> bytes:
        """Return the body of a request, decompressed.

        Raises:
            Refused: if it is too large, too slow, or damaged.
        """
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limits.max_body:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.limits.timeout):
                content = await self._received(receive)
        except TimeoutError:
            raise Refused(
                f"The request did not arrive within {self.limits.timeout:g} s.", 408
            ) from None
        encoding = headers.get(b"content-encoding", b"identity").lower()
        if encoding in (b"identity", b""):
            return content
        if encoding != b"gzip":
            raise Refused("The Content-Encoding must be gzip, or none.")
        return await asyncio.to_thread(self._decompressed, content)

    async def _received(self, receive: Receive) -> bytes:
        """Return what a client sends."""
        message = await receive()
        if not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > self.limits.max_body:
                raise self._too_large()
            return body
        parts, size = [message.get("body", b"")], len(message.get("body", b""))
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused("The client went away.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.max_body:
                raise self._too_large()
        return b"".join(parts)

    def _decompressed(self, content: bytes) -> bytes:
        """Return what gzip has compressed; only as much of it as is allowed."""
        reader = zlib.decompressobj(wbits=31)
        try:
            plain = reader.decompress(content, self.limits.max_body + 1)
        except zlib.error:
            raise Refused("The body is not valid gzip.") from None
        if len(plain) > self.limits.max_body:
            raise self._too_large()
        if not reader.eof or reader.unused_data:
            raise Refused("The body must be one gzip file, complete and with nothing after it.")
        return plain

    def _too_large(self) -> Refused:
        """Return why a request is too large."""
        return Refused(f"A request may have {self.limits.max_body:,} bytes at most.", 413)


def operation_of(path: str) -> str:
    """Return what a path asks for, as one of few words: each is a line in the metrics."""
    verb = path.rpartition(":")[2]
    if verb in OPERATIONS:
        return verb
    if path.startswith("/v1/"):
        return "metadata" if path.endswith("/metadata") else "status"
    return "page"


def is_long(scope: Message) -> bool:
    """Tell whether a request is answered by itself, and takes as long as it takes."""
    path: str = scope["path"]
    is_post: bool = scope["method"] == "POST"
    return is_post and (path.startswith("/try") or path.endswith(":generate"))


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives the application a body that was read before."""
    is_read = False

    async def replayed() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def refuse(send: Send, error: Refused) -> None:
    """Say why a request is refused, as TensorFlow Serving does."""
    content = orjson.dumps({"error": error.message}, default=str)
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        *([(b"retry-after", b"1")] if error.status in (429, 503) else []),
        # What is left of a body that is not read would be taken for the next request.
        *([(b"connection", b"close")] if error.status in (408, 413) else []),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
