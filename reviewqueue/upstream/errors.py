"""What can go wrong upstream, sorted by the one question the log asks: did anything happen?

    NotSent, Throttled     no; both say how many seconds to `wait`
    Refused                no; a well-formed error envelope with one of the statuses in REFUSALS proves it
    OutcomeUnknown         perhaps: everything else after the first byte
    MediaRefused           no; our own rules forbade the download

Every message has its secrets taken out, and every error can be pickled.
"""

from typing import TYPE_CHECKING, Any

from reviewqueue.upstream.redaction import redact

if TYPE_CHECKING:
    from reviewqueue.upstream.exchange import Exchange


class UpstreamError(Exception):
    """The root. `exchange` is what went over the wire, or None."""

    def __init__(self, message: str = "", *, exchange: "Exchange | None" = None):
        self.message = redact(message)
        self.exchange = exchange
        super().__init__(self.message)


class NotSent(UpstreamError):
    """No byte left: no connection, or our own deadline had passed before the first byte."""

    def __init__(self, message: str = "", *, wait: float = 5.0, exchange: "Exchange | None" = None):
        super().__init__(message, exchange=exchange)
        self.wait = wait


class Throttled(UpstreamError):
    """429, not processed. `wait` is the seconds until the limit starts anew, from 1 to 120."""

    status = 429

    def __init__(self, message: str = "", *, wait: float = 60.0, exchange: "Exchange | None" = None):
        super().__init__(message, exchange=exchange)
        self.wait = wait


class Refused(UpstreamError):
    """The service said no in its own error envelope: nothing happened."""

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 400,
        code: str = "",
        details: dict[str, Any] | None = None,
        exchange: "Exchange | None" = None,
    ):
        super().__init__(message, exchange=exchange)
        self.status = status
        self.code = code
        self.details = details or {}


class BadRequest(Refused):
    """400, 405, 413, 415: the request itself is wrong (on approve: no publishing account)."""


class KeyRejected(Refused):
    """401: the key is missing, wrong or revoked."""


class InsufficientBalance(Refused):
    """402: not enough credit, or the key's monthly cap is reached."""


class Forbidden(Refused):
    """403: the key lacks the scope."""


class NotFound(Refused):
    """404."""


class Conflict(Refused):
    """409: it exists already, or is not possible in this state."""


class Unprocessable(Refused):
    """422: nothing to do, such as retrying what failed when nothing failed."""


REFUSALS: dict[int, type[Refused]] = {
    400: BadRequest,
    401: KeyRejected,
    402: InsufficientBalance,
    403: Forbidden,
    404: NotFound,
    405: BadRequest,
    409: Conflict,
    413: BadRequest,
    415: BadRequest,
    422: Unprocessable,
}


class OutcomeUnknown(UpstreamError):
    """Something was sent and no usable answer came. Raised as itself for an answer that proves nothing,
    such as a 4xx without the service's envelope.

    `status` is None when no answer began. `accepted`: a 2xx was seen, so it happened; which object it made
    is what is unknown.
    """

    accepted = False

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str = "",
        exchange: "Exchange | None" = None,
    ):
        super().__init__(message, exchange=exchange)
        self.status = status
        self.code = code


class GatewayFailure(OutcomeUnknown):
    """5xx, with or without an envelope: a gateway may answer so for a server that did the work.

    `retry_after`: for how many seconds the service asks to be left alone, or 0.
    """

    def __init__(self, message: str = "", *, retry_after: float = 0.0, **facts: Any):
        super().__init__(message, **facts)
        self.retry_after = retry_after


class Broken(OutcomeUnknown):
    """The line broke after the request was handed over."""


class DeadlinePassed(OutcomeUnknown):
    """No answer began within the total time."""


class Unreadable(OutcomeUnknown):
    """A 2xx whose body cannot be used: empty, cut off, too large, not JSON, or of another shape."""

    accepted = True


class TooLarge(Unreadable):
    """A 2xx with more in it than is ever read: it would be so again."""


# How every message of a Redirected begins: whoever keeps only the message knows it again.
ELSEWHERE = "Somebody else answers in the service’s place"


class Redirected(OutcomeUnknown):
    """3xx, never followed: the key must not travel. The service itself never answers so."""


class MediaRefused(UpstreamError):
    """A file our own rules do not let us fetch or keep. `reason` says why in plain words."""

    def __init__(self, reason: str = "", *, exchange: "Exchange | None" = None):
        super().__init__(reason, exchange=exchange)

    @property
    def reason(self) -> str:
        return self.message
