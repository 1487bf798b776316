"""What is known of an operation, and what a person can do where Loupe stopped by itself."""

from django.db import transaction
from django.utils import timezone

from reviewqueue.models import Member, Operation
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import events, operations
from reviewqueue.services.access import require


@transaction.atomic
def release(operation: Operation, *, by: Member) -> None:
    """Let an operation go on that was stopped because the balance ran out.

    Raises NotPermitted, NotAllowed if it does not wait for that (a key or the service frees it by itself).
    """
    require(by, "operation.resolve")
    if not can_release(operation) or not operations.release([operation], by_label=by.user.name):
        raise NotAllowed("It does not wait for anybody’s word. Nothing was changed.")
    events.record(
        "operation.released",
        by=by,
        what=operations.told(operation),
        operation=operation,
        post=operation.post,
        persona=operation.persona,
    )


def can_release(operation: Operation) -> bool:
    return operation.state == "blocked" and operation.blocked_by == "balance"


def known(operation: Operation) -> str:
    """Where the operation stands, as a sentence or two for a person."""
    return KNOWN[operation.state](operation)


def _queued(operation: Operation) -> str:
    if operation.hold_id and operation.not_before is None:
        return f"Held until {operation.by_label} sends it. Nothing has left yet."
    if operation.hold_id and operation.attempts == 0:
        at = timezone.localtime(operation.not_before)
        return f"Held until {at:%H:%M:%S}; until then it can be taken back in the tray."
    return operation.reason or "It is sent next."


def _succeeded(operation: Operation) -> str:
    return operation.reason or "The service answered that it was done."


def _absent(operation: Operation) -> str:
    return operation.reason or "It was looked for at the service and has not happened. Nothing was charged."


def _full(text: str) -> str:
    """A reason as a sentence, whoever wrote it."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


KNOWN = {
    "queued": _queued,
    "blocked": lambda operation: f"{_full(operation.reason)} It is kept and has not been sent.",
    "sending": lambda operation: "It has been sent; the answer is awaited.",
    "succeeded": _succeeded,
    "failed": lambda operation: f"{_full(operation.reason)} Nothing happened at the service.",
    "unknown": lambda operation: f"It was sent and no usable answer came. {operations.doubt(operation)}",
    "absent": _absent,
    "cancelled": lambda operation: "Taken back before it was sent. Nothing happened at the service.",
}
