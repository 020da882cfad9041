"""One HTTP/1.1 connection to a target: it sends a request, reads the answer, and knows whether it may be used again."""

import asyncio
from typing import NamedTuple, cast

import httptools
import httpx

# What an answer's headers may take; nginx, Apache and Node accept 8 to 16 KiB themselves.
HEAD_BYTES = 64 * 1024
_NO_ANSWER = "the target closed the connection without an answer"


class Answer(NamedTuple):
    """An answer, whole or with its body cut where no more is kept."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    truncated: bool

    def header(self, name: bytes) -> str | None:
        """The value of the first header of this name (in lower case)."""
        return next((value.decode("latin-1").strip() for key, value in self.headers if key.lower() == name), None)


class Keep(NamedTuple):
    """How much of an answer is worth having, in bytes."""

    body: int = 16 * 1024
    """What is handed on of a body."""
    drain: int = 1024 * 1024
    """What is read at most, to be able to use the connection again; a longer answer ends here, and with it the
    connection."""


class Patience(NamedTuple):
    """How long an exchange may take; `deadline` is a time of the event loop's clock, the rest are seconds."""

    connect: float
    read: float
    write: float
    pool: float
    deadline: float


class NoAnswer(httpx.RemoteProtocolError):
    """The peer closed the connection before the first byte of an answer."""


class Connection(asyncio.Protocol):
    """Carries one exchange at a time: `ask`, look whether it is still `reusable`, or `close`.

    The other public methods are for asyncio and the parser.
    """

    def __init__(self, keep: Keep) -> None:
        self.used_at = 0.0
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lasting = True
        self._paused = False

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on it."""
        return self._lasting and self._waiter is None and not self._transport.is_closing()

    def close(self) -> None:
        """End it at once; whoever waits for an answer gets an error."""
        self._transport.abort()

    async def ask(self, request: bytes, patience: Patience) -> Answer:
        """Send `request` (head and body) and wait for the answer.

        Raises NoAnswer, httpx.ReadError, httpx.ReadTimeout, httpx.WriteTimeout or httpx.RemoteProtocolError. After one
        of these, and after a cancellation, the connection is not `reusable`.
        """
        if not self.reusable:
            raise NoAnswer(_NO_ANSWER)
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        self._head_only = request.startswith(b"HEAD ")
        self._received = 0
        self._expect_head()
        self._patience = patience
        self._transport.write(request)
        self._unsent = len(request)
        self._asked_at = self._progress_at = self._loop.time()
        self._watch()
        return await waiter

    def _expect_head(self) -> None:
        self._head_done = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._truncated = False

    def _watch(self) -> None:
        """Fail the exchange when its time is over, else look again when that can be."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        if self._paused and (unsent := self._transport.get_write_buffer_size()) < self._unsent:
            self._unsent, self._progress_at = unsent, now
        quiet = self._patience.write if self._paused else self._patience.read
        due = min(self._progress_at + quiet, self._patience.deadline)
        if now < due:
            self._timer = self._loop.call_at(due, self._watch)
        elif due == self._patience.deadline:
            self._fail(httpx.ReadTimeout(f"no complete answer within {now - self._asked_at:.2g} s"))
        elif self._paused:
            self._fail(httpx.WriteTimeout(f"the target read nothing for {quiet:g} s"))
        else:
            self._fail(httpx.ReadTimeout(f"the target sent nothing for {quiet:g} s"))

    def _answered(self) -> None:
        answer = Answer(self._parser.get_status_code(), self._headers, bytes(self._body), self._truncated)
        # A target may answer before it has read the whole request; what is still unsent would open the next one.
        self._lasting = self._lasting and not self._transport.get_write_buffer_size()
        if waiter := self._release():
            waiter.set_result(answer)

    def _fail(self, error: httpx.TransportError) -> None:
        self._lasting = False
        self._transport.abort()
        if waiter := self._release():
            waiter.set_exception(error)

    def _release(self) -> asyncio.Future[Answer] | None:
        """Who waits for this exchange, now over; None when nobody does (any more)."""
        waiter, self._waiter = self._waiter, None
        if self._timer is not None:
            self._timer.cancel()
        return None if waiter is None or waiter.done() else waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._waiter is not None:
            self._progress_at = self._loop.time()
            self._watch()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            # Nobody asked: were it kept, the next request would take this for its answer.
            self.close()
            return
        self._received += len(data)
        self._progress_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(f"the target does not speak HTTP/1.1: {error}"))
        except httptools.HttpParserUpgrade:
            self._fail(httpx.RemoteProtocolError("the target switched to another protocol, which nobody asked for"))
        if self._waiter is not None:
            self._judge_what_came()

    def _judge_what_came(self) -> None:
        if not self._head_done:
            if self._received > HEAD_BYTES:
                self._fail(httpx.RemoteProtocolError(f"the answer's headers take more than {HEAD_BYTES} bytes"))
        elif self._head_only:
            # The parser, who knows of no request, waits for the body that the headers announce.
            self._lasting = False
            self._answered()
        elif self._received > self._keep.drain:
            self._lasting, self._truncated = False, True
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lasting = False
        if self._waiter is None:
            return
        if self._received == 0:
            self._fail(NoAnswer(_NO_ANSWER))
        elif exc is not None:
            self._fail(httpx.ReadError(f"the connection broke in the middle of the answer: {exc}"))
        elif self._head_done and self._ends_with_connection():
            self._answered()
        else:
            self._fail(httpx.RemoteProtocolError("the target closed the connection in the middle of the answer"))

    def _ends_with_connection(self) -> bool:
        """RFC 9112 6.3: an answer without length and without final chunked coding lasts until the connection closes."""
        framing = {name.lower(): value.lower() for name, value in self._headers}
        coding = framing.get(b"transfer-encoding", b"")
        return b"content-length" not in framing and not coding.endswith(b"chunked")

    def on_message_begin(self) -> None:
        if self._waiter is None:
            self._lasting = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come by the same way, after the body.
        if not self._head_done:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_done = True

    def on_body(self, chunk: bytes) -> None:
        room = self._keep.body - len(self._body)
        self._truncated = self._truncated or len(chunk) > room
        self._body += chunk[:room]

    def on_message_complete(self) -> None:
        if self._waiter is None:
            return
        if self._parser.get_status_code() < 200:
            # 100 Continue and its like announce the answer.
            self._expect_head()
            return
        self._lasting = self._lasting and self._parser.should_keep_alive()
        self._answered()
