"""Fetch pictures and videos from addresses that a stranger wrote (rules: no request into our own network).

https on port 443, hosts of an allow-list, no redirects, no key, no cookies; the name is looked up once, every
address must be public, and the connection goes to the address that was checked.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from reviewqueue.upstream import transport as wire
from reviewqueue.upstream.addresses import Address, all_public, resolve
from reviewqueue.upstream.decipher import decipher
from reviewqueue.upstream.errors import (
    REFUSALS,
    MediaRefused,
    NotFound,
    NotSent,
    Redirected,
    Refused,
    Unreadable,
    UpstreamError,
)
from reviewqueue.upstream.exchange import Answer

LONGEST_URL = 4096
RESOLVE_SECONDS = 5.0

Resolver = Callable[[str, int, float], list[Address]]


@dataclass(frozen=True, slots=True)
class Download:
    """What was written to the sink. `content_type` is what the host claims, in lower case: never trust it."""

    content_type: str
    size_bytes: int


def download(
    url: str,
    *,
    sink: wire.Sink,
    max_bytes: int,
    allowed_hosts: Iterable[str],
    total_seconds: float = 30,
    transport=None,
    resolve: Resolver = resolve,
) -> Download:
    """Write the file at `url` into `sink`, in pieces; what it holds after an error is not the file.

    `allowed_hosts`: suffixes ("example.com" allows media.example.com too), or whole origins such as
    "http://127.0.0.1:8765", which are trusted as they are. With a `transport` (an application in this
    process) no address is looked up.

    Raises MediaRefused when the rules forbid it or the file is larger than `max_bytes`; Refused and its
    kinds for a 4xx (403, 404: the link has probably expired); NotSent, Throttled and OutcomeUnknown as
    everywhere. Trying again later does no harm.
    """
    parts = _parse(url)
    trusted = _admit(parts, allowed_hosts)
    addresses = None
    if not trusted and transport is None:
        addresses = _public_addresses(parts, resolve)
    counter = _Counter(sink)
    answer = wire.fetch(
        parts.geturl(),
        sink=counter,
        max_bytes=max_bytes,
        total_seconds=total_seconds,
        addresses=addresses,
        transport=transport,
    )
    failure = _failure(answer, max_bytes)
    if failure:
        raise failure
    return Download(_content_type(answer), counter.size_bytes)


def _parse(url: str) -> SplitResult:
    """Split the address and put it together anew, so that nobody after us reads another host out of it."""
    if len(url) > LONGEST_URL or re.search(r"[\x00-\x20\x7f\\\ud800-\udfff]", url):
        raise MediaRefused("the address is malformed")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise MediaRefused("the address is malformed") from None
    if parts.scheme not in ("http", "https"):
        raise MediaRefused("the address is not a web address")
    if "@" in parts.netloc:
        raise MediaRefused("the address carries a user name")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?", host):
        raise MediaRefused("the address names no proper host")
    standard = {"http": 80, "https": 443}[parts.scheme]
    host = host.rstrip(".")
    return parts._replace(netloc=host if port in (None, standard) else f"{host}:{port}", fragment="")


def _admit(parts: SplitResult, allowed_hosts: Iterable[str]) -> bool:
    """Is the origin trusted as it is? Raises MediaRefused if neither origin nor host is allowed."""
    allowed = [entry.lower().rstrip("/") for entry in allowed_hosts]
    if f"{parts.scheme}://{parts.netloc}" in allowed:
        return True
    host = parts.hostname or ""
    suffixes = [entry.strip(".") for entry in allowed if entry.strip(".") and "://" not in entry]
    if not any(host == suffix or host.endswith(f".{suffix}") for suffix in suffixes):
        raise MediaRefused("its host is not on the list of allowed hosts")
    if parts.scheme != "https" or parts.port is not None:
        raise MediaRefused("only https on its usual port is allowed")
    return False


def _public_addresses(parts: SplitResult, resolve: Resolver) -> list[Address]:
    try:
        addresses = resolve(parts.hostname or "", 443, RESOLVE_SECONDS)
    except OSError as error:
        words = str(error)
    else:
        if not all_public(addresses):
            raise MediaRefused("its host has an address that is not public")
        return addresses
    raise NotSent(f"Not sent: {words}")


class _Counter:
    """Passes bytes on to the sink and counts them."""

    def __init__(self, sink: wire.Sink):
        self.size_bytes = 0
        self._sink = sink

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        self.size_bytes += len(data)


def _failure(answer: Answer, max_bytes: int) -> UpstreamError | None:
    status = answer.status
    if status == 200:
        if answer.oversize:
            return MediaRefused(f"the file is larger than {max_bytes} bytes")
        return (
            Unreadable(f"The file came only in part: {answer.trouble}", status=200)
            if answer.trouble
            else None
        )
    if status is not None and 200 <= status < 300:
        return Unreadable(f"Answered {status} in place of the file.", status=status)
    if status == 410:
        return NotFound("The host answered 410.", status=410)
    if status is not None and 300 <= status < 400:
        said = f"The host answered {status}, a redirect, which is never followed."
        return Redirected(said, status=status)
    if status is not None and 400 <= status < 500 and status != 429:
        return REFUSALS.get(status, Refused)(f"The host answered {status}.", status=status)
    outcome = decipher(answer)
    return outcome if isinstance(outcome, UpstreamError) else None


def _content_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").split(";")[0].strip().lower()[:100]
