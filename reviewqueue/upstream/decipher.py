"""What an answer means: a Reply, or the error it proves. Pure: no wire, no clock."""

import json
from collections.abc import Callable
from typing import Any

from reviewqueue.upstream.errors import (
    ELSEWHERE,
    REFUSALS,
    Broken,
    DeadlinePassed,
    GatewayFailure,
    NotSent,
    OutcomeUnknown,
    Redirected,
    Throttled,
    TooLarge,
    Unreadable,
    UpstreamError,
)
from reviewqueue.upstream.exchange import Answer, Reply, safe_headers, seconds_until_reset
from reviewqueue.upstream.redaction import redact
from reviewqueue.upstream.text import storable, storable_json

LONGEST_INTEGER = 20  # digits; a longer one becomes null
LONGEST_MESSAGE = 2000
LONGEST_CODE = 100
LEFT_ALONE = {"SERVICE_UNAVAILABLE": 60.0}  # seconds, as the service asks for

Clean = Callable[[str], str]


def decipher(answer: Answer, *, needs_body: bool = True, clean: Clean = redact) -> Reply | UpstreamError:
    """Say what `answer` means. The error is returned, not raised.

    `needs_body` is False for deletes: any 2xx will do, with any body. `clean` takes secrets out of text.
    """
    status = answer.status
    if status is None:
        return _no_answer(answer, clean)
    if 200 <= status < 300:
        return _accepted(answer, status, needs_body)
    if status == 429:
        wait = seconds_until_reset(answer.headers, answer.received_at)
        return Throttled("Too many requests.", wait=60.0 if wait is None else wait)
    if 300 <= status < 400:
        target = clean(storable(answer.headers.get("location", "")))[:LONGEST_CODE]
        leads = f"to {target}" if target else "to nowhere"
        said = f"{ELSEWHERE}: {status}, a redirect {leads}, which is never followed."
        return Redirected(said, status=status)
    return _error(answer, status, clean)


def _no_answer(answer: Answer, clean: Clean) -> UpstreamError:
    if not answer.sent:
        return NotSent(clean(f"Not sent: {answer.trouble}"))
    if answer.late:
        return DeadlinePassed("Sent, but no answer came in time.")
    return Broken(clean(f"The line broke after sending: {answer.trouble}"))


def _accepted(answer: Answer, status: int, needs_body: bool) -> Reply | UpstreamError:
    body, trouble = None, ""
    if status != 204:
        try:
            body = _body(answer)
        except ValueError as error:
            trouble = str(error)
        else:
            trouble = "it is empty" if body is None else ""
    if _envelope(body):
        needs_body, trouble = True, "it holds an error"
    if trouble and needs_body:
        kind = TooLarge if answer.oversize else Unreadable
        return kind(f"Accepted ({status}), but the answer cannot be used: {trouble}.", status=status)
    return Reply(status, safe_headers(answer.headers), body)


def _error(answer: Answer, status: int, clean: Clean) -> UpstreamError:
    try:
        envelope = _envelope(_body(answer))
    except ValueError:
        envelope = None
    if envelope is None:
        said = f"Answered {status}, without a reason."
        if status >= 500:
            return GatewayFailure(said, status=status, retry_after=_retry_after(answer, ""))
        return OutcomeUnknown(said, status=status)

    def tidy(text: str) -> str:
        return clean(storable(text))[:LONGEST_MESSAGE]

    code = tidy(envelope["code"])[:LONGEST_CODE]
    message = tidy(envelope["message"]) or code
    if status in REFUSALS:
        details = envelope.get("details")
        details = storable_json(details, tidy) if isinstance(details, dict) else {}
        return REFUSALS[status](message, status=status, code=code, details=details)
    if status >= 500:
        retry_after = _retry_after(answer, code)
        return GatewayFailure(message, status=status, code=code, retry_after=retry_after)
    return OutcomeUnknown(message, status=status, code=code)


def _retry_after(answer: Answer, code: str) -> float:
    """Seconds for which it asks to be left alone: its header, or what its pages say of the code; else 0."""
    asked = {name: answer.headers[name] for name in ("retry-after", "date") if name in answer.headers}
    return seconds_until_reset(asked, answer.received_at) or LEFT_ALONE.get(code, 0.0)


def _body(answer: Answer) -> Any:
    """The parsed body; ValueError, with words for a person, when it cannot be used."""
    if answer.trouble:
        raise ValueError(answer.trouble)
    return parse_json(bytes(answer.body))


def _envelope(body: Any) -> dict[str, Any] | None:
    """The inside of a well-formed error envelope: {"error": {"code": "…", "message": "…"}}."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    code, message = error.get("code"), error.get("message")
    return error if isinstance(code, str) and code and isinstance(message, str) else None


def parse_json(raw: bytes) -> Any:
    """Parse JSON that a stranger wrote. Raises ValueError, with words for a person.

    A bad byte, NaN or an enormous integer costs its own value only, not the whole answer.
    """
    if not raw.strip():
        raise ValueError("it is empty")
    try:
        return json.loads(
            raw.decode("utf-8-sig", "replace"),
            strict=False,
            parse_int=lambda digits: int(digits) if len(digits) <= LONGEST_INTEGER else None,
            parse_constant=lambda _name: None,
        )
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
