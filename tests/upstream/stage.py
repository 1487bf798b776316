"""What these tests put before the client: scripted answers, and servers that misbehave on a real socket."""

import contextlib
import json
import socket
import threading

import httpx

from reviewqueue.upstream.reelmirror import ReelMirror
from reviewqueue.upstream.transport import Transport

BASE = "https://reelmirror.test/api"
KEY = "rm_4f9a1c7e2b8d6035a1e9c4b7d2f68301"

POST_ID = "9f3b6c2d-1a84-4e57-8d0b-3e6f5a7c2b55"
ITEM_ID = "2e7d4b1a-6c95-4f38-9a0e-7b1c8d3f5e66"
NEW_ITEM_ID = "5a6e1d9c-3f82-4b07-b4c6-8d2f7e9a1c88"
PERSONA_ID = "7b0f5c1e-2d64-4f0a-9a53-6a1f3f1c0d11"
OUTGOING_ID = "6f1a9d3e-5b72-4c84-a0e6-2c8b7d4f9e21"


class Script(httpx.BaseTransport):
    """Plays `answers` one after the other, the last one again and again; keeps the requests.

    An answer is an httpx.Response, JSON for a 200, an exception to raise, or a function of the request.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def handle_request(self, request):
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(request)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    @property
    def bodies(self):
        return [json.loads(request.content) for request in self.requests]


def error(status, code="SOME_CODE", message="Some words", headers=None, **more):
    """A well-formed error envelope."""
    body = {"error": {"code": code, "message": message, **more}}
    return httpx.Response(status, json=body, headers=headers)


def client(*answers, **options):
    """A client whose service plays `answers`; `client(…).script` has the requests."""
    script = Script(*answers)
    api = ReelMirror(BASE, KEY, script, **{"sleep": lambda seconds: None, **options})
    api.script = script
    return api


def wire(*answers, **options):
    script = Script(*answers)
    transport = Transport(BASE, KEY, transport=script, **{"sleep": lambda seconds: None, **options})
    transport.script = script
    return transport


@contextlib.contextmanager
def server(talk, *, read_request=True):
    """Serve on a port of 127.0.0.1: `talk(connection)` after the request was read; yields the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve():
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection):
        with connection, contextlib.suppress(OSError):
            if read_request:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
            talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
