"""Finding out what became of operations that nobody knows the outcome of: by looking, never by sending again.

One pass looks for all unknown operations of a key. What is seen settles an operation; what is not seen
twice, a minute apart and after the settling time, did not happen. What cannot be told stays unknown until
a person says what they saw. Times: rules/cadence.py; evidence: evidence.py.
"""

from datetime import datetime

from django.db.models import Q

from reviewqueue.clock import age, now, pace, wait
from reviewqueue.models import Operation, OutgoingPost, Workspace
from reviewqueue.rules.cadence import LOOKS_APART, SETTLING, SETTLING_ACCEPTED, UNKNOWN_LOOKS
from reviewqueue.rules.states import IN_COMPOSE
from reviewqueue.services import desk, operations, scopes, watches, wire
from reviewqueue.services.evidence import (
    CLOCKS,
    EARLIER,
    EVIDENCE,
    TOO_LONG,
    Eyes,
    Found,
    NotThere,
    Unclear,
)
from reviewqueue.upstream import errors

REQUESTS_A_PASS = 12
A_PASS = 50  # operations
FAR_BEHIND = EARLIER.total_seconds() - 30  # what was made since may look older than the request
FOUND = "It was found at the service."
NOT_SHOWN = "The service does not show what would tell:"
FREE_TO_GO = "A backup was restored. It was looked for at the service and has not been done; it may go on."
NOT_SEEN = "It was looked for at the service twice and has not happened. Nothing was charged."


def look(line: "wire.Wire", workspace: Workspace) -> float | None:
    """One pass over what is due; its first request is paid for. Returns the documented seconds until the
    next look, None when there is nothing left to look for. Raises NoRoom, and the errors of the tree that say
    something of the key or of the service as a whole; what was concluded until then stays.
    """
    purse = Purse(line)
    eyes = Eyes(line, purse.spend)
    for place, operation in enumerate(due(workspace)):  # each looks a little further back
        eyes.turn_to(operation)
        try:
            conclude(operation, EVIDENCE[operation.kind](operation, eyes), eyes)
        except wire.NoRoom:
            if purse.is_empty and place == 0:  # a whole pass is too little for it; the others have their turn
                conclude(operation, Unclear(TOO_LONG), eyes)
            raise
        except errors.KeyRejected:
            raise
        except (errors.Refused, errors.Unreadable) as trouble:  # of this one: the others have their turn
            conclude(operation, Unclear(f"{NOT_SHOWN} {trouble}"), eyes)
    return seconds_to_next(workspace)


class Purse:
    """The requests of one pass: the first is paid for, and after the twelfth it is another pass's turn."""

    def __init__(self, line):
        self.line, self.spent = line, 0

    @property
    def is_empty(self) -> bool:
        return self.spent > REQUESTS_A_PASS

    def spend(self) -> None:
        self.spent += 1
        if self.is_empty:
            raise wire.NoRoom(pace(60))
        if self.spent > 1:
            self.line.spend("reconcile")


def looked_for(workspace: Workspace):
    """What nobody knows the outcome of: sent without an answer, or in a backup that was put back."""
    restored = Q(state="blocked", blocked_by="restore")
    known = workspace.operations.filter(kind__in=list(EVIDENCE))
    return known.filter(Q(state="unknown") | restored, look_at__isnull=False)


def due(workspace: Workspace) -> list[Operation]:
    """What is to be looked for now, the latest sent first."""
    related = ("workspace", "post__persona", "item", "persona", "source_post")
    rows = looked_for(workspace).filter(look_at__lte=now())
    return list(rows.select_related(*related).order_by("-sent_at")[:A_PASS])


def conclude(operation: Operation, seen: Found | NotThere | Unclear, eyes: Eyes) -> None:
    """Act on what was seen, and plan the next look if that was not the last word."""
    partly = eyes.cut.keys() & eyes.used
    if isinstance(seen, NotThere) and partly:
        seen = Unclear(eyes.cut[partly.pop()])
    if isinstance(seen, NotThere) and eyes.line.seconds_behind() > FAR_BEHIND:
        seen = Unclear(CLOCKS)
    if isinstance(seen, Found):
        operations.settle(operation, seen.reply, "find", reason=f"{FOUND} {seen.note}".strip())
        return
    is_ruled_out = isinstance(seen, NotThere) and is_absent(operation) and control(operation, eyes)
    if is_ruled_out and operation.state == "unknown":
        operations.refuse(operation, NOT_SEEN)
        return
    if isinstance(seen, NotThere):
        operation.missed_at = operation.missed_at or now()
    else:
        operation.missed_at, operation.reason = None, seen.reason[:500]
    if is_ruled_out:
        operation.reason = FREE_TO_GO
    Operation.objects.filter(pk=operation.pk, state=operation.state).update(
        missed_at=operation.missed_at,
        reason=operation.reason,
        looks=operation.looks + 1,
        look_at=None if is_ruled_out else next_look(operation),
    )
    if operation.state == "blocked" and operation.post_id:
        desk.refresh(operation.post_id, touched=True)  # its row says whether it may go on
    else:
        scopes.bump(operation.workspace_id, operation.persona_id)


def is_absent(operation: Operation) -> bool:
    """Not seen now nor a minute ago or earlier, and the settling time is over."""
    at = now()
    return (
        operation.missed_at is not None
        and age(operation.missed_at, at) >= LOOKS_APART
        and age(operation.sent_at, at) >= (SETTLING_ACCEPTED if operation.accepted else SETTLING)
    )


def control(operation: Operation, eyes: Eyes) -> bool:
    """Something that is known to exist is seen, too: else it is the key or the list that sees nothing."""
    if operation.persona is None or operation.persona.gone_at:
        return eyes.balance() is not None
    if eyes.persona(operation.persona.upstream_id) is None or not sees_outgoing(operation, eyes):
        return False
    listed = eyes.known.get(("posts", operation.persona.upstream_id))
    if listed is None:
        return True
    older = operation.persona.posts.filter(deleted_at=None, made_at__lt=operation.sent_at)
    newest = older.exclude(upstream_id="").newest_first()
    known = set(newest.values_list("upstream_id", flat=True)[:200])
    return not known or bool(known & {post.id for post in listed})


def sees_outgoing(operation: Operation, eyes: Eyes) -> bool:
    """What was sent out earlier is listed, if an outgoing post was looked for: a list that says nothing of
    any of them, or that shows drafts alone, would have a post published twice.
    """
    listed = eyes.known.get("outgoing") if "outgoing" in eyes.used else None
    if listed is None:
        return True
    older = OutgoingPost.objects.filter(workspace=operation.workspace_id, asked_at__lt=operation.sent_at)
    in_compose = Q(status__in=IN_COMPOSE)
    older = older.filter(in_compose if operation.kind == "send_to_compose" else ~in_compose)
    known = set(older.order_by("-asked_at").values_list("upstream_id", flat=True)[:200])
    return not known or bool(known & {post.id for post in listed})


def next_look(operation: Operation) -> datetime | None:
    """The next of the documented times; a minute from now where only the second look is missing."""
    at, old = now(), age(operation.sent_at, now())
    times = [operation.sent_at + wait(seconds) for seconds in UNKNOWN_LOOKS if seconds > old + 1]
    if operation.missed_at and old >= SETTLING:
        times.append(at + wait(LOOKS_APART + 1))
    return min(times, default=None)


def seconds_to_next(workspace: Workspace) -> float | None:
    """Documented seconds until something is to be looked for again."""
    at = looked_for(workspace).order_by("look_at").values_list("look_at", flat=True).first()
    return None if at is None else max(1.0, age(now(), at))


def sooner(operation: Operation) -> None:
    """Somebody asks: look at the next chance."""
    Operation.objects.filter(pk=operation.pk, state="unknown").update(look_at=now())
    watches.add(operation.workspace_id, "unknown", soon=True)
