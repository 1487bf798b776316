"""The sandbox as a WSGI application, and its outside: what tests and the service's own pages do to it."""

from __future__ import annotations

import math
import socketserver
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from . import agenda, faults, media, pages, routes
from .context import Call, Context, Origin, World
from .http import Problem, Reply, Request
from .outside import Outside
from .pace import RATE_WINDOW_SECONDS, Pace
from .reelmirror import keys
from .rendering import Studio
from .store import Row, Store


@dataclass(frozen=True)
class Entry:
    """A request that was let in: by whom, what goes wrong with it, and how it stands with the rate limit."""

    token: Row | None
    origin: Origin
    fault: faults.Fault | None
    limits: dict[str, str]
    allowed: bool


class Sandbox(Outside):
    """A ReelMirror to try things out on: `/api/v1/…`, and under `/sandbox/` its media and pages.

    `folder` holds its memory and rendered files, and may be shared by any number of processes. Work
    (generation, voice, sync, delivery) takes the documented time divided by `speed` and `time_scale`; the
    rate-limit minute, the sync cooldown and the 20-day lock are divided by `time_scale` only. `control` opens
    the address through which tests in other processes make it misbehave. `media_url`: where its links to
    files lead, if not to the pages' own address.
    """

    def __init__(
        self,
        folder: Path,
        *,
        public_url: str = "http://127.0.0.1:8000",
        media_url: str = "",
        speed: float = 6.0,
        time_scale: float = 1.0,
        clock: Callable[[], float] = time.time,
        control: bool = False,
    ) -> None:
        folder = Path(folder)
        store, studio = Store(folder / "sandbox.sqlite3"), Studio(folder / "media")
        public_url = public_url.rstrip("/")
        pace = Pace(speed, time_scale)
        super().__init__(World(store, studio, pace, public_url, media_url or public_url, clock))
        self.control = control

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        now = self.world.clock()
        request = Request(environ)
        return self.guarded(self.answer, request, now).send(start_response, now)

    def forget_requests(self) -> None:
        """Nobody has asked for anything yet: the first mirroring is part of making the sandbox."""
        with self.world.store.writing() as rows:
            rows.run("DELETE FROM windows")

    def guarded(self, answer: Callable[..., Reply], request: Request, *facts: Any) -> Reply:
        """An answer whatever happens, except for a connection broken on purpose."""
        try:
            return answer(request, *facts)
        except Problem as problem:
            return problem.reply()
        except (ConnectionResetError, TimeoutError):
            raise
        except Exception:
            traceback.print_exc(file=request.environ.get("wsgi.errors", sys.stderr))
            return Problem(500, "Internal error").reply()

    def answer(self, request: Request, now: float) -> Reply:
        if request.path.startswith("/api/"):
            return self.answer_api(request, now)
        if request.path.startswith("/sandbox/media/"):
            return self.answer_media(request, now)
        if request.path == "/sandbox/control/" and self.control:
            return self.answer_control(request)
        return pages.answer(self.world, request, now)

    # The API. A request is two transactions: being let in, which counts even if it then fails, and the deed.

    def answer_api(self, request: Request, now: float) -> Reply:
        entry = self.let_in(request, now)
        reply = self.guarded(self.carry_out, request, now, entry)
        reply.headers = {**entry.limits, **reply.headers}
        return reply

    def let_in(self, request: Request, now: float) -> Entry:
        """Do what is due, find out who calls, count the request, and see whether a fault strikes it."""
        with self.world.store.writing() as rows:
            context = Context(self.world, rows, now)
            if agenda.is_due(context):
                agenda.catch_up(context)
            token = keys.caller(context, request.header("Authorization"))
            context.origin = origin_of(request, token)
            fault = faults.take(rows, request)
            if fault and fault.kind == "late" and token:
                faults.remember(context, request, request.body(), fault.seconds)
            return Entry(token, context.origin, fault, *self.count(context, request, token))

    def count(self, context: Context, request: Request, token: Row | None) -> tuple[dict[str, str], bool]:
        """Count the request; the rate-limit headers, and whether it is still allowed.

        Strangers are counted by their address.
        """
        limit = keys.REQUESTS_A_MINUTE[token["kind"] if token else "key"]
        who = token["id"] if token else f"stranger {request.address}"
        used, ends_at = keys.count(context, who, limit, context.pace.rule(RATE_WINDOW_SECONDS))
        if token:
            context.rows.change("tokens", token["id"], last_used_at=context.now)
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - used)),
            "X-RateLimit-Reset": str(math.ceil(ends_at)),
        }
        return headers, used <= limit

    def carry_out(self, request: Request, now: float, entry: Entry) -> Reply:
        """The operation, or what a fault makes of it."""
        reply = faults.strike_before(entry.fault) if entry.fault else None
        if reply is None:
            reply = self.operate(request, now, entry)
            if entry.fault:
                reply = faults.spoil(entry.fault, reply, served=is_served(request))
        return reply

    def operate(self, request: Request, now: float, entry: Entry) -> Reply:
        """Find the operation, check that it may be done, and do it in one transaction."""
        if not entry.allowed:
            raise Problem(429, "Too many requests")
        route, params = routes.find(request.method, request.path)
        if not route.open_to_all:
            if entry.token is None:
                raise Problem(401, "Missing or invalid token", {"WWW-Authenticate": "Bearer"})
            keys.check_scope(entry.token, route.scope)
        store = self.world.store
        with store.reading() if route.method == "GET" and not route.writes else store.writing() as rows:
            call = Call(self.world, rows, now, entry.origin, request, params)
            result = route.handler(call)
            form = preferred_form(request) or rows.note("form") or ""
        return Reply.json(route.status, routes.shaped(route, result, form))

    # Media and control

    def answer_media(self, request: Request, now: float) -> Reply:
        fault = None
        with self.world.store.reading() as rows:
            pending = faults.any_left(rows)
        if pending:
            with self.world.store.writing() as rows:
                fault = faults.take(rows, request)
        reply = faults.strike_before(fault) if fault else None
        if reply is None:
            reply = media.answer(self.world, request, now)
            if fault:
                reply.body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
                reply = faults.spoil(fault, reply, served=is_served(request))
        return reply

    def answer_control(self, request: Request) -> Reply:
        """`{"do": "misbehave", "kind": "drop_after"}` calls the method of that name in `outside.py`."""
        if request.method != "POST":
            raise Problem(405, "Method not allowed", {"Allow": "POST"})
        wishes = request.json()
        deed = wishes.pop("do", "")
        if deed not in Outside.COMMANDS:
            raise Problem(400, f"Unknown command: {deed}", commands=list(Outside.COMMANDS))
        try:
            return Reply.json(200, {"result": getattr(self, deed)(**wishes)})
        except (TypeError, ValueError) as error:
            raise Problem(400, str(error)) from error


def origin_of(request: Request, token: Row | None) -> Origin:
    return Origin(
        request.method,
        request.path,
        token["prefix"] if token else "",
        request.header("X-Request-Id"),
        token["id"] if token else None,
    )


def is_served(request: Request) -> bool:
    """Whether a server stands between, whose connections can be kept waiting."""
    return "SERVER_SOFTWARE" in request.environ


def preferred_form(request: Request) -> str:
    """The reply form asked for with `Prefer: example=NAME`, if it is one we know."""
    name = request.header("Prefer").strip().removeprefix("example=")
    return name if name in routes.FORMS else ""


# Serving


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class QuietHandler(WSGIRequestHandler):
    """Keeps the console clean; what goes wrong is still printed."""

    def log_request(self, *args: Any) -> None:
        pass

    def address_string(self) -> str:
        return str(self.client_address[0])


def server(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 8000) -> WSGIServer:
    """A threaded server, bound and not yet serving. Port 0 picks a free one: see `server_port`."""
    return make_server(host, port, sandbox, server_class=Server, handler_class=QuietHandler)


def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until interrupted."""
    with server(sandbox, host, port) as listening:
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            return
