"""One HTTP exchange, with hard edges. The only file that knows httpx.

Every exchange has a connection of its own, one clock over all of its waits (httpx's timeouts start anew with
each byte) and a cap on its size. It follows no redirect, repeats no write, and ends in a Reply or in one of
the errors of errors.py.

We call httpx's transports, not its Client: the Client would add what we must not have (redirects, cookies,
proxies from the environment, kept-alive connections) and nothing we need. Below them, httpcore lets us bring
our own sockets, which is how we know whether a byte has left and how much time is left.
"""

import functools
import itertools
import json as jsonlib
import logging
import random
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

import httpcore
import httpx

from reviewqueue.upstream.addresses import Address, resolve
from reviewqueue.upstream.decipher import decipher
from reviewqueue.upstream.errors import (
    Broken,
    GatewayFailure,
    NotSent,
    TooLarge,
    Unreadable,
    UpstreamError,
)
from reviewqueue.upstream.exchange import Answer, Exchange, Reply, read_rate, safe_headers
from reviewqueue.upstream.redaction import redact
from reviewqueue.upstream.retries import RetryBudget
from reviewqueue.upstream.text import storable

logger = logging.getLogger(__name__)

USER_AGENT = "Loupe"
MAX_BYTES = 2 * 1024 * 1024
KEPT_CHARACTERS = 64 * 1024
READ_BYTES = 64 * 1024
READ_ATTEMPTS = 4
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 20.0

WORTH_ANOTHER_READ = (NotSent, GatewayFailure, Broken, Unreadable)
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
OUT_OF_TIME = (TimeoutError, httpx.TimeoutException, httpcore.TimeoutException)

Observer = Callable[[Exchange], object]


def in_process(app: Callable) -> httpx.BaseTransport:
    """A transport to a WSGI application in this process: the sandbox, with no port and nothing to start."""
    return httpx.WSGITransport(app=app)


class Transport:
    """Sends requests to one host, with one key. Safe to share between threads and across a fork.

    `base_url`: such as https://reelmirror.com/api. `transport`: an httpx transport to use in place of
    sockets (WSGITransport for the sandbox, MockTransport in tests). `observe` is called once with the
    Exchange of every attempt, whatever came of it. `read_attempts`: how often a GET is tried within
    `total_seconds`, as long as `retries` lasts and `may_repeat()`, asked before each further attempt, says
    yes. `faster` divides the pauses between them, which `sleep` waits.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        observe: Observer | None = None,
        connect_seconds: float = 5,
        total_seconds: float = 30,
        max_bytes: int = MAX_BYTES,
        read_attempts: int = READ_ATTEMPTS,
        retries: RetryBudget | None = None,
        may_repeat: Callable[[], bool] = lambda: True,
        faster: float = 1.0,
        sleep: Callable[[float], object] = time.sleep,
    ):
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", base_url):
            raise ValueError("The base URL must be an http or https address without user, query or fragment.")
        if not re.fullmatch(r"[\x21-\x7e]*", key):
            raise ValueError("The key holds characters that cannot stand in a header.")
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._transport = transport
        self._observe = observe
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._read_attempts = read_attempts
        self._retries = retries or RetryBudget()
        self._may_repeat = may_repeat
        self._faster = faster
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"<Transport to {self.base_url}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A transport holds a key and is not pickled.")

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        request_id: str = "",
        deadline: float | None = None,
        anonymous: bool = False,
    ) -> Reply:
        """Send one request and return its Reply, or raise one of the errors of errors.py.

        `path` begins with a slash and is already quoted. `files`: field name → (file name, bytes, type).
        `deadline`, by time.monotonic(), is the last moment for the first byte. `anonymous` leaves the key
        out. A GET is tried again where that may help (`WORTH_ANOTHER_READ`); nothing else ever is. A 429 is
        not: the whole key rests then, and whoever asked knows until when.
        """
        call = Call(
            method=method,
            path=path,
            query={name: value for name, value in (params or {}).items() if value is not None},
            json=json,
            form=form,
            files=files,
            request_id=request_id,
            deadline=deadline,
            anonymous=anonymous,
        )
        until = time.monotonic() + self._total_seconds
        return self._read(call, until) if method == "GET" else self._attempt(call, until)

    def _read(self, call: "Call", until: float) -> Reply:
        self._retries.earn()
        for attempt in itertools.count(1):
            try:
                return self._attempt(call, until)
            except WORTH_ANOTHER_READ as error:
                if attempt >= self._read_attempts or not self._wait_to_repeat(error, attempt, call, until):
                    raise
        raise AssertionError("unreachable")

    def _wait_to_repeat(self, error: UpstreamError, attempt: int, call: "Call", until: float) -> bool:
        """Wait until the read may be tried again. False: it may not."""
        pause = self._pause(error, attempt)
        latest = until if call.deadline is None else min(until, call.deadline)
        if isinstance(error, TooLarge) or pause is None or time.monotonic() + pause >= latest:
            return False
        if not self._retries.take():
            return False
        self._sleep(pause)
        return self._may_repeat()

    def _pause(self, error: UpstreamError, attempt: int) -> float | None:
        """As long as the service asks for, else any time up to a bound that doubles; None if too long."""
        asked = error.retry_after if isinstance(error, GatewayFailure) else 0.0
        if asked > LONGEST_PAUSE_SECONDS:
            return None
        most = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        return (asked + random.uniform(0, most)) / self._faster  # noqa: S311

    def _attempt(self, call: "Call", until: float) -> Reply:
        # Errors are made from text and raised out here, so that no traceback reaches into a frame where
        # the Authorization header or a raw body lies open.
        line = Line(until=until, start_by=call.deadline, connect_seconds=self._connect_seconds)
        answer = Answer()
        outcome: Reply | UpstreamError | None = None
        started_at, began = datetime.now(UTC), time.monotonic()
        try:
            self._hand_over(call, line, answer)
            outcome = decipher(answer, needs_body=call.method != "DELETE", clean=self._clean)
        finally:
            exchange = self._record(call, answer, outcome, started_at, time.monotonic() - began)
            self._tell(exchange)
        if isinstance(outcome, UpstreamError):
            outcome.exchange = exchange
            raise outcome
        return replace(outcome, exchange=exchange)

    def _hand_over(self, call: "Call", line: "Line", answer: Answer) -> None:
        for piece in converse(self._prepare(call), line, answer, self._max_bytes, self._transport):
            answer.body += piece

    def _prepare(self, call: "Call") -> httpx.Request:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Connection": "close",
            "User-Agent": USER_AGENT,
        }
        if call.request_id:
            headers["X-Request-Id"] = re.sub(r"[^\x21-\x7e]", "", call.request_id)
        if call.json is not None:
            headers["Content-Type"] = "application/json"
        request = httpx.Request(
            call.method,
            self.base_url + call.path,
            params=call.query or None,
            headers=headers,
            content=None if call.json is None else jsonlib.dumps(call.json).encode(),
            data=call.form,
            files=call.files,
            extensions={"timeout": self._timeouts()},
        )
        if self._key and not call.anonymous:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _timeouts(self) -> dict[str, float]:
        """Only for a given transport with sockets of its own; ours ask the Line."""
        connect, total = self._connect_seconds, self._total_seconds
        return {"connect": connect, "pool": connect, "read": total, "write": total}

    def _record(
        self, call: "Call", answer: Answer, outcome: Any, started_at: datetime, seconds: float
    ) -> Exchange:
        failed = isinstance(outcome, UpstreamError)
        return Exchange(
            method=call.method,
            path=self._clean(call.path),
            query={name: self._clean(str(value)) for name, value in call.query.items()},
            request_body=self._kept(call.body_text()),
            status=answer.status,
            headers={name: self._kept(value) for name, value in safe_headers(answer.headers).items()},
            body=self._kept(answer.body[: 2 * KEPT_CHARACTERS].decode("utf-8", "replace")),
            sent=answer.sent,
            started_at=started_at,
            seconds=seconds,
            error=outcome.message if failed else "" if outcome else "interrupted",
            rate=read_rate(answer.headers, answer.received_at),
        )

    def _tell(self, exchange: Exchange) -> None:
        if self._observe is None:
            return
        try:
            self._observe(exchange)
        except Exception:
            logger.exception("The observer of upstream exchanges failed.")

    def _clean(self, text: str) -> str:
        return redact(text, also=[self._key])

    def _kept(self, text: str) -> str:
        """Secrets go before the cut, so that none is cut in two and missed."""
        return self._clean(storable(text[: 2 * KEPT_CHARACTERS]))[:KEPT_CHARACTERS]


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """The arguments of one request, as they stay over its attempts."""

    method: str
    path: str
    query: Mapping[str, Any]
    json: Any
    form: Mapping[str, str] | None
    files: Mapping[str, tuple[str, bytes, str]] | None
    request_id: str
    deadline: float | None
    anonymous: bool

    def body_text(self) -> str:
        """The body as JSON for the log, files as name, type and size in bytes."""
        if self.json is not None:
            return jsonlib.dumps(self.json, ensure_ascii=False)
        if self.form is None and self.files is None:
            return ""
        files = {
            field: {"name": name, "type": content_type, "bytes": len(content)}
            for field, (name, content, content_type) in (self.files or {}).items()
        }
        return jsonlib.dumps({**(self.form or {}), **files}, ensure_ascii=False)


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


def fetch(
    url: str,
    *,
    sink: Sink,
    max_bytes: int,
    total_seconds: float,
    addresses: list[Address] | None = None,
    transport: httpx.BaseTransport | None = None,
    connect_seconds: float = 5,
) -> Answer:
    """GET a file from any host into `sink`, without key, cookies or redirects. Trouble is in the Answer.

    `addresses`: connect to these and ask no resolver; Host, SNI and certificate keep the name of the URL.
    """
    until = time.monotonic() + total_seconds
    line = Line(until=until, connect_seconds=connect_seconds, addresses=addresses)
    headers = {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": USER_AGENT,
    }
    answer = Answer()
    for piece in converse(httpx.Request("GET", url, headers=headers), line, answer, max_bytes, transport):
        sink.write(piece)
    return answer


def converse(
    request: httpx.Request,
    line: "Line",
    answer: Answer,
    max_bytes: int,
    transport: httpx.BaseTransport | None,
) -> Iterator[bytes]:
    """Hand `request` over once; note status and headers in `answer` and yield the unpacked body.

    Nothing that goes wrong on the wire is raised: it ends the body, and `answer` says why.
    """
    try:
        line.check_start()
        answer.sent = True
        response = (transport or Sockets(line)).handle_request(request)
        try:
            line.left()  # a transport without sockets is not stopped in time: look at the clock
            answer.headers = dict(response.headers)
            answer.received_at = time.time()
            answer.status = response.status_code
            yield from _body(response, line, max_bytes)
        finally:
            response.close()
    except NEVER_SENT as error:
        answer.sent = False
        answer.trouble = _words(error)
    except Exception as error:
        answer.trouble = _words(error)
        answer.late = isinstance(error, OUT_OF_TIME)
        answer.oversize = isinstance(error, Oversize)


class Oversize(Exception):
    """The body is larger than allowed."""


class CutShort(Exception):
    """The body ended too early."""


def _body(response: httpx.Response, line: "Line", max_bytes: int) -> Iterator[bytes]:
    """Yield the body unpacked, never more than `max_bytes` of it, however small it was when packed."""
    unpack = _unpacker(response.headers.get("content-encoding", ""))
    promised = response.headers.get("content-length", "")
    received = size = 0
    for chunk in response.stream:
        line.left()
        received += len(chunk)
        piece = unpack.decompress(chunk, max_bytes + 1 - size)
        size += len(piece)
        if size > max_bytes:
            raise Oversize(f"it is larger than {max_bytes} bytes")
        yield piece
    if not unpack.eof or (promised.isdecimal() and received < int(promised[:20])):
        raise CutShort("it was cut off")


class Plain:
    """Unpacks what is not packed."""

    eof = True

    def decompress(self, chunk: bytes, most: int) -> bytes:
        return chunk[:most]


def _unpacker(encoding: str) -> Any:
    if encoding.strip().lower() in ("", "identity"):
        return Plain()
    if encoding.strip().lower() == "gzip":
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    raise ValueError("it is packed in a way that was not asked for")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


class Line(httpcore.NetworkBackend):
    """The connection of one exchange, and the clock over all of its waits.

    `until`: the end of everything, `start_by`: the last moment for the first byte, both by
    time.monotonic(). `sent` becomes True just before the first byte of the request is written.
    """

    def __init__(
        self,
        *,
        until: float,
        start_by: float | None = None,
        connect_seconds: float = 5,
        addresses: list[Address] | None = None,
    ):
        self.sent = False
        self._until = until
        self._start_by = start_by
        self._connect_by = min(until, time.monotonic() + connect_seconds)
        self._addresses = addresses

    def left(self) -> float:
        """Seconds left for the exchange. Raises TimeoutError when there are none."""
        return _seconds_until(self._until, "it did not end in time")

    def left_to_connect(self) -> float:
        return _seconds_until(self._connect_by, "no connection could be made in time")

    def check_start(self) -> None:
        """The last look before the first byte: raises ConnectTimeout if it is too late to send."""
        now = time.monotonic()
        if now >= self._until or (self._start_by is not None and now >= self._start_by):
            raise httpx.ConnectTimeout("the time for sending it had passed")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable | None = None,
    ) -> "LineStream":
        """Try each address in turn; each gets an equal share of the time that is left."""
        addresses = self._addresses or resolve(host, port, self.left_to_connect())
        failure = OSError("the host has no address")
        for tried, (family, address) in enumerate(addresses):
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(self.left_to_connect() / (len(addresses) - tried))
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return LineStream(connection, self)
        raise failure


class LineStream(httpcore.NetworkStream):
    """A socket that asks the Line how long it may wait; the timeouts handed in are not used."""

    def __init__(self, connection: socket.socket, line: Line):
        self._socket = connection
        self._line = line

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "LineStream":
        self._socket.settimeout(self._line.left_to_connect())
        try:
            return LineStream(
                ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._line
            )
        except Exception:
            self.close()
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._line.sent:
            self._line.check_start()
            self._line.sent = True
        rest = memoryview(buffer)
        while rest:
            self._socket.settimeout(self._line.left())
            try:
                rest = rest[self._socket.send(rest) :]
            except TimeoutError:
                raise
            except OSError as error:  # httpcore goes on to read: the answer may say why it hung up
                raise httpcore.WriteError(str(error)) from error

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._line.left())
        return self._socket.recv(min(max_bytes, READ_BYTES))

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> None:
        return None


class Sockets(httpx.BaseTransport):
    """HTTP/1.1 over one Line. Whatever fails before the first byte comes out as httpx.ConnectError."""

    def __init__(self, line: Line):
        self._line = line

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        pool = httpcore.ConnectionPool(
            ssl_context=_tls() if request.url.scheme == "https" else None,
            network_backend=self._line,
            max_keepalive_connections=0,
        )
        try:
            response = pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                )
            )
        except Exception as error:
            pool.close()
            if self._line.sent:
                raise
            raise httpx.ConnectError(_words(error)) from error
        return httpx.Response(response.status, headers=response.headers, stream=SocketBody(response, pool))


class SocketBody(httpx.SyncByteStream):
    """The raw body of a response; closing it closes the connection."""

    def __init__(self, response: httpcore.Response, pool: httpcore.ConnectionPool):
        self._response = response
        self._pool = pool

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()
        self._pool.close()


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once per process: reading the certificates takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


def _seconds_until(moment: float, otherwise: str) -> float:
    seconds = moment - time.monotonic()
    if seconds <= 0:
        raise TimeoutError(otherwise)
    return seconds
