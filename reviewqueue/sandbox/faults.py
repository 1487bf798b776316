"""Misbehaving on command: what can go wrong between a caller and the service, for tests.

A fault waits for requests that match (`POST /api/v1/generate`; `{…}` stands for one part of a path, `*` for
anything) and strikes a number of times. The kinds:

    before the effect   drop_before, redirect, 400 … 504 (a status code)
    after the effect    drop_after, hang, truncate, huge, malformed, empty, html, 409_after,
                        500_after … 504_after
    both                slow (answers after `seconds`), late (504 now, the effect `seconds` later)
"""

from __future__ import annotations

import errno
import io
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from . import routes
from .context import Call, Context, Origin
from .http import CODES, Problem, Reply, Request
from .reelmirror import keys
from .store import Rows

HUGE_BYTES = 8 * 1024 * 1024
#: How long a served sandbox keeps silent when told to hang; in-process the silence is a TimeoutError at once.
SILENCE_SECONDS = 120
GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"

BEFORE = {"drop_before", "redirect", "late", *(str(status) for status in CODES)}
AFTER = {"drop_after", "hang", "truncate", "huge", "malformed", "empty", "html"}
AFTER |= {f"{status}_after" for status in CODES if status == 409 or status >= 500}
KINDS = BEFORE | AFTER | {"slow"}


@dataclass(frozen=True)
class Fault:
    kind: str
    seconds: float


def add(rows: Rows, kind: str, match: str, times: int, seconds: float) -> None:
    if kind not in KINDS:
        raise ValueError(f"No such fault: {kind}. There are: {', '.join(sorted(KINDS))}")
    parts = re.split(r"(\{\w*\}|\*)", match)
    pattern = "".join(".*" if p == "*" else "[^/]+" if p.startswith("{") else re.escape(p) for p in parts)
    rows.run(
        "INSERT INTO faults (kind, pattern, times, seconds) VALUES (?, ?, ?, ?)",
        kind,
        pattern,
        times,
        seconds,
    )


def any_left(rows: Rows) -> bool:
    return bool(rows.value("SELECT 1 FROM faults WHERE times > 0"))


def take(rows: Rows, request: Request) -> Fault | None:
    """The fault that strikes this request, used up by it."""
    for row in rows.all("SELECT * FROM faults WHERE times > 0 ORDER BY number"):
        if re.fullmatch(row["pattern"], f"{request.method} {request.path}"):
            rows.run("UPDATE faults SET times = times - 1 WHERE number = ?", row["number"])
            return Fault(row["kind"], row["seconds"])
    return None


def strike_before(fault: Fault) -> Reply | None:
    """What happens instead of the request. None: the request goes on, and `spoil` has its turn later."""
    if fault.kind == "slow":
        time.sleep(fault.seconds)
    if fault.kind == "drop_before":
        raise broken()
    if fault.kind == "redirect":
        return Reply(302, {"Location": "https://elsewhere.example/api"})
    if fault.kind == "late":
        return gateway_page(504)
    if fault.kind.isdecimal():
        return problem_reply(int(fault.kind))
    return None


def spoil(fault: Fault, reply: Reply, *, served: bool) -> Reply:
    """What becomes of a good answer after its effect."""
    kind, body = fault.kind, reply.body
    if kind == "drop_after":
        raise broken()
    if kind == "hang":
        time.sleep(fault.seconds or (SILENCE_SECONDS if served else 0))
        raise broken() if served else TimeoutError(errno.ETIMEDOUT, "the sandbox was told not to answer")
    if kind == "truncate":
        return Reply(
            reply.status, {**reply.headers, "Content-Length": str(len(body))}, [body[: len(body) // 2]]
        )
    if kind == "huge":
        return Reply(reply.status, reply.headers, padded(body))
    if kind == "malformed":
        return Reply(reply.status, reply.headers, body[:-1] + b',"')
    if kind == "empty":
        return Reply(reply.status, reply.headers, b"")
    if kind == "html":
        return gateway_page(200)
    if kind.endswith("_after"):
        return problem_reply(int(kind.removesuffix("_after")))
    return reply


def broken() -> ConnectionResetError:
    """A broken connection: raised in-process; a server closes the socket on it without an answer."""
    return ConnectionResetError(errno.ECONNRESET, "the sandbox was told to drop this connection")


def problem_reply(status: int) -> Reply:
    if status == 504:
        return gateway_page(504)
    return Problem(status, "The sandbox was told to answer like this").reply()


def gateway_page(status: int) -> Reply:
    """What a gateway in between shows, which knows nothing of envelopes."""
    return Reply.html(status, GATEWAY_PAGE.format("Gateway Time-out" if status == 504 else "Please sign in"))


def padded(body: bytes) -> Iterator[bytes]:
    """The same JSON after megabytes of spaces."""
    for _ in range(HUGE_BYTES // 65_536):
        yield b" " * 65_536
    yield body


# Late effects


def remember(context: Context, request: Request, body: bytes, seconds: float) -> None:
    """Put a request on the agenda: it was answered with an error, and takes effect after all."""
    sent = {
        "method": request.method,
        "path": request.path,
        "query": request.environ.get("QUERY_STRING", ""),
        "type": request.content_type,
        "body": body.decode("latin-1"),
        "token_id": context.origin.token_id,
        "key_prefix": context.origin.key_prefix,
        "request_id": context.origin.request_id,
    }
    context.later(context.now + seconds, "late", json.dumps(sent))


def arrive(context: Context, target: str) -> None:
    """Carry out a request that was answered long ago. Nobody is left to be told if it is refused."""
    sent = json.loads(target)
    body = sent["body"].encode("latin-1")
    request = Request(
        {
            "REQUEST_METHOD": sent["method"],
            "PATH_INFO": sent["path"],
            "QUERY_STRING": sent["query"],
            "CONTENT_TYPE": sent["type"],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
    )
    origin = Origin(request.method, request.path, sent["key_prefix"], sent["request_id"], sent["token_id"])
    context.rows.run("SAVEPOINT late")
    try:
        route, params = routes.find(request.method, request.path)
        keys.check_scope(context.rows.get("tokens", sent["token_id"]), route.scope)
        route.handler(Call(context.world, context.rows, context.now, origin, request, params))
    except Problem:
        context.rows.run("ROLLBACK TO late")
    context.rows.run("RELEASE late")
