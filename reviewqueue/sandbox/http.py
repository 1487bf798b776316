"""HTTP as the sandbox speaks it: requests read from a WSGI environ, replies, problems, byte ranges."""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

BODY_LIMIT_BYTES = 30 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

#: Error codes by status, from https://reelmirror.com/docs/api-reference/introduction. 405 and 504 are ours.
CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    402: "INSUFFICIENT_BALANCE",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    502: "UPSTREAM_ERROR",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}


class Problem(Exception):
    """A request that is refused: becomes the API's one error envelope."""

    def __init__(
        self, status: int, message: str, headers: dict[str, str] | None = None, /, **details: Any
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers, self.details = status, message, headers or {}, details

    def reply(self) -> Reply:
        error = {"code": CODES[self.status], "message": self.message, "details": self.details}
        return Reply.json(self.status, {"error": error}, self.headers)


@dataclass
class Reply:
    """What goes back. `body` is bytes, or an iterable of them for files."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""

    @classmethod
    def json(cls, status: int, value: Any, headers: dict[str, str] | None = None) -> Reply:
        return cls(
            status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode()
        )

    @classmethod
    def html(cls, status: int, text: str) -> Reply:
        return cls(
            status, {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}, text.encode()
        )

    @classmethod
    def redirect(cls, address: str) -> Reply:
        return cls(303, {"Location": address, "Cache-Control": "no-store"})

    def send(self, start_response: Callable, now: float) -> Iterable[bytes]:
        """Hand the reply to the server."""
        if isinstance(self.body, bytes):
            self.headers.setdefault("Content-Length", str(len(self.body)))
        self.headers.setdefault("Date", formatdate(now, usegmt=True))
        start_response(f"{self.status} {HTTPStatus(self.status).phrase}", list(self.headers.items()))
        return [self.body] if isinstance(self.body, bytes) else self.body


class Request:
    """One request, its body read only when asked for."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"].upper()
        self.path: str = (
            environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace") or "/"
        )
        self.query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))

    def header(self, name: str) -> str:
        return self.environ.get("HTTP_" + name.upper().replace("-", "_"), "")

    @property
    def content_type(self) -> str:
        return self.environ.get("CONTENT_TYPE", "")

    @property
    def address(self) -> str:
        return self.environ.get("REMOTE_ADDR", "")

    def body(self) -> bytes:
        length = self.environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > BODY_LIMIT_BYTES:
            raise Problem(400, "Request body is too large", limit_bytes=BODY_LIMIT_BYTES)
        return self.environ["wsgi.input"].read(int(length))

    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        if self.content_type.partition(";")[0].strip().lower() not in ("", "application/json"):
            raise Problem(400, "Expected a JSON body", content_type=self.content_type)
        try:
            value = json.loads(self.body(), parse_constant=refuse_constant)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "Invalid request body") from error
        if not isinstance(value, dict):
            raise Problem(400, "Invalid request body: expected an object")
        return value

    def form(self) -> dict[str, Any]:
        """The fields of a form body; uploaded files as bytes."""
        body = self.body()
        if self.content_type.startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        head = f"Content-Type: {self.content_type}\r\n\r\n".encode("latin-1", "replace")
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        fields: dict[str, Any] = {}
        for part in message.iter_parts() if message.is_multipart() else ():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True) or b""
            if isinstance(name, str):
                fields[name] = (
                    content if part.get_filename() is not None else content.decode("utf-8", "replace")
                )
        return fields


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def file_reply(path: Path, content_type: str, request: Request) -> Reply:
    """A file, whole or in part: HEAD, one byte range, ETag."""
    size = path.stat().st_size
    tag = f'"{path.stem}-{size:x}"'
    headers = {
        "Content-Type": content_type,
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Cache-Control": "private, max-age=3600",
        "X-Content-Type-Options": "nosniff",
    }
    if request.header("If-None-Match") in (tag, "*"):
        return Reply(304, headers)
    wanted = request.header("Range") if request.header("If-Range") in ("", tag) else ""
    try:
        part = byte_range(wanted, size)
    except ValueError:
        return Reply(416, {**headers, "Content-Range": f"bytes */{size}"})
    first, last = part or (0, size - 1)
    headers["Content-Length"] = str(last - first + 1)
    if part:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    body = b"" if request.method == "HEAD" else chunks(path, first, last)
    return Reply(206 if part else 200, headers, body)


def byte_range(wanted: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header's one range, None for what is not understood: the whole file.

    Raises ValueError for a range outside the file.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted.strip())
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:  # the last so many bytes
        if int(last) == 0:
            raise ValueError(wanted)
        return max(0, size - int(last)), size - 1
    if int(first) >= size or (last and int(last) < int(first)):
        raise ValueError(wanted)
    return int(first), min(int(last), size - 1) if last else size - 1


def chunks(path: Path, first: int, last: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
