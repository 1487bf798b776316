"""From the click to the outcome: queue, send once, record. Nothing is sent twice because nobody knew.

The row is the queue. `queue` writes it in the transaction of the command; `send` claims it by
compare-and-set, commits, and only then makes its one request. What proves that nothing happened leads
back or to `failed`; everything else after the first byte is `unknown` and is never sent again, except
for the kinds whose effect is a value set or an id deleted.
"""

import json
import logging
import random
import time
import uuid
from datetime import datetime, timedelta
from operator import attrgetter

from django.db import Error as DatabaseTrouble
from django.db import IntegrityError, close_old_connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from reviewqueue import gateway, wake
from reviewqueue.clock import database_now, lease_seconds, now, pace, request_seconds, wait
from reviewqueue.models import (
    Attempt,
    Decision,
    GeneratedPost,
    Hold,
    MediaItem,
    Member,
    Operation,
    OperationEvent,
    UpstreamKey,
)
from reviewqueue.models.prepared import AT, Prepared
from reviewqueue.rules.cadence import SETTLING, UNKNOWN_LOOKS
from reviewqueue.rules.money import dollars
from reviewqueue.rules.states import OPEN_OPERATION, OPERATION, NotAllowed
from reviewqueue.services import desk, events, gate, rates, scopes, watches, wire
from reviewqueue.services.access import AlreadyOpen, may
from reviewqueue.services.evidence import EARLIER, EVIDENCE, Eyes, Found
from reviewqueue.services.kinds import KINDS
from reviewqueue.upstream import errors

log = logging.getLogger("loupe.operations")

PICK_SECONDS = 40  # how long preparing may take before somebody else may try
LATE_SECONDS = 15 * 60  # of the clock on the wall; beyond it a person is asked whether it still is to be sent
NOT_SENT_LIMIT = 30  # attempts to reach the service before it is given up
BATCH_AT_ONCE = 4  # of a batch under one key: a bad minute leaves no more than these unknown
REPEATS = 3  # of absolute kinds, from unknown
REMOVING = ("delete_post", "delete_item", "remove_target", "remove_source")  # 404: gone, as wished
ADDING = ("add_source", "add_target")  # 409: there, as wished


class Waits(Exception):
    """Not now: the operation stays queued."""

    def __init__(self, seconds: float, reason: str = ""):
        self.seconds, self.reason = seconds, reason
        super().__init__(reason)


class Already(Exception):
    """The service refused, and what was wished for is there: `seen` says where."""

    def __init__(self, seen: Found):
        self.seen = seen
        super().__init__("The service refused: what was wished for is there.")


class Blocked(Exception):
    """Not until somebody or something has put it right."""

    def __init__(self, cause: str, reason: str):
        self.cause, self.reason = cause, reason
        super().__init__(reason)


# ---- asking --------------------------------------------------------------------------------


def queue(
    kind: str,
    *,
    by: Member,
    target: str,
    label: str,
    token: uuid.UUID,
    lock: str = "",
    hold=None,
    not_before: datetime | None = None,
    estimated_cents: int | None = None,
    fingerprint: str = "",
    params: dict | None = None,
    batch: uuid.UUID | None = None,
    **subjects,
) -> tuple[Operation, bool]:
    """Write one operation in the caller's transaction. Returns (operation, made).

    What came to nothing before is linked to it, and needs nobody's word any more. A second press of the
    same button (same `token`, `kind`, `target` and `params`) gives back the first one.
    Raises AlreadyOpen if another operation of the same group on the same target is still open.
    `subjects`: persona, source, source_post, post, item.
    """
    params = params or {}
    pressed = Operation.objects.filter(token=token, kind=kind, target=target).first()
    if pressed and pressed.params != params:  # something else was typed on the same page
        token = uuid.uuid5(token, json.dumps(params, sort_keys=True))
        pressed = Operation.objects.filter(token=token, kind=kind, target=target).first()
    if pressed:
        return pressed, False
    in_vain = not_done(by.workspace_id, kind, target, params)
    group = lock or KINDS[kind].lock_group
    held_until = hold.send_at if hold else (not_before or now())
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                workspace_id=by.workspace_id,
                upstream="sandbox" if by.workspace.is_sandbox else "reelmirror",
                kind=kind,
                lock_group=group,
                target=target,
                label=label[:200],
                token=token,
                by=by,
                by_label=by.user.name,
                hold=hold,
                not_before=held_until,
                hinted_at=None if hold else now(),
                estimated_cents=estimated_cents,
                fingerprint=fingerprint,
                params=params,
                batch=batch,
                retry_of=next(iter(in_vain), None),
                **subjects,
            )
    except IntegrityError:
        pressed = Operation.objects.filter(token=token, kind=kind, target=target).first()
        if pressed:
            return pressed, False
        raise AlreadyOpen(in_the_way(by.workspace_id, group, target)) from None
    if in_vain and operation.post_id is None:  # else the post tells which of its own still speaks
        scopes.hold(by.workspace_id, {one.persona_id for one in (operation, *in_vain)})
        for earlier in in_vain:
            needs_no_word(earlier)
    if hold is None:
        wake.send_operation(operation)
    return operation, True


def not_done(workspace_id, kind: str, target: str, params: dict) -> list[Operation]:
    """The same wish, come to nothing and not let be, the newest first. Of a persona each field is a wish."""
    rows = Operation.objects.not_done().filter(workspace_id=workspace_id, kind=kind, target=target)
    same = [one for one in rows if one.params.keys() == params.keys()]
    return sorted(same, key=attrgetter("created_at"), reverse=True)


def needs_no_word(operation: Operation) -> bool:
    """It did not happen, and that is all right by now. False: somebody else has said so."""
    if not Operation.objects.filter(pk=operation.pk, not_done=True).update(not_done=False):
        return False
    _work_out(operation, operation.persona_id, -1)
    return True


def in_the_way(workspace_id, group: str, target: str) -> str:
    """Who is already at it, in words (nobody of another workspace is named)."""
    open_ones = Operation.objects.filter(workspace_id=workspace_id, state__in=OPEN_OPERATION)
    other = open_ones.filter(lock_group=group, target=target).first()
    if other is None:
        return "Something else was under way on this just now. Nothing of yours was sent."
    if other.state == "unknown":
        did = f"{KINDS[other.kind].did} by {other.by_label}"
        return f"{did}: whether it happened is not known yet. Nothing of yours was sent."
    ago = max(0, int((now() - other.created_at).total_seconds()))
    when = f"{ago} s ago" if ago < 90 else f"{ago // 60} min ago"
    return f"{KINDS[other.kind].did} by {other.by_label} {when}. Nothing of yours was sent."


def check_opposite(kind: str, item: MediaItem) -> None:
    """The opposite wish was sent and its answer lost: it may still arrive, and undo what is asked for now.

    Raises NotAllowed until the settling time since then is over, however that operation ended.
    """
    lost = OperationEvent.objects.filter(action="lose", at__gt=now() - wait(SETTLING))
    lost = lost.filter(operation__item=item, operation__kind=KINDS[kind].opposite)
    last = lost.select_related("operation").order_by("-at").first()
    if last:
        did = f"{KINDS[last.operation.kind].did} by {last.operation.by_label}"
        until = f"{timezone.localtime(last.at + wait(SETTLING)):%H:%M:%S}"
        raise NotAllowed(
            f"{did}: an answer was lost, so it may still take effect until {until}. Ask again after that."
            " Nothing of yours was sent."
        )


# ---- moving --------------------------------------------------------------------------------


def advance(
    operation: Operation,
    action: str,
    *,
    note: str = "",
    by_label: str = "",
    fence: int | None = None,
    **facts,
) -> bool:
    """Take `action` once. False: another process moved the row first.

    The post is held first, so that everybody takes rows in one order; it is worked out anew afterwards.
    """
    before, after = operation.state, OPERATION.after(operation.state, action)
    needed, persona_id = operation.needs_attention, operation.persona_id
    with transaction.atomic():
        post = desk.lock(operation.post_id) if operation.post_id else None
        row = Operation.objects.filter(pk=operation.pk, state=before)
        if fence is not None:
            row = row.filter(fence=fence)
        if after in OPERATION.final():
            facts.setdefault("finished_at", now())
        if not row.update(state=after, **facts):
            return False
        OperationEvent.objects.create(
            operation=operation, action=action, before=before, after=after, note=note[:500], by_label=by_label
        )
        operation.refresh_from_db()
        if before == "queued":
            _end_hold(operation)
        if post and operation.item_id:  # its tools say what is under way
            post.items.filter(pk=operation.item_id).update(changed_in=post.version + 1)
        _work_out(operation, persona_id, operation.needs_attention - needed)
    return True


def _end_hold(operation: Operation) -> None:
    """A hold is over when none of its operations waits any more."""
    if operation.hold_id and not Operation.objects.filter(hold=operation.hold_id, state="queued").exists():
        Hold.objects.filter(pk=operation.hold_id, state="held").update(state="released", ended_at=now())


def _work_out(operation: Operation, persona_id, loose: int) -> None:
    """The pages that show this operation have something new to show. `persona_id` is where it was counted:
    one that makes a persona has none before."""
    if operation.post_id:
        desk.refresh(operation.post_id, touched=True)
    else:
        scopes.bump(operation.workspace_id, persona_id, loose=loose)


def cancel(operation: Operation, *, by: Member) -> bool:
    """Take it back before it is sent. False: too late, it was claimed or sent."""
    if operation.state not in ("queued", "blocked") or may_have_happened(operation):
        return False
    return advance(operation, "cancel", by_label=by.user.name, note="undone")


@transaction.atomic
def withdraw(operation: Operation, *, by: Member) -> bool:
    """Drop what is blocked and has not happened; what was decided with it does not stand. False: it moved."""
    if operation.post_id:
        desk.lock(operation.post_id)
    _end_decisions(operation, "undone")
    moved = advance(operation, "cancel", by_label=by.user.name, note="withdrawn")
    if not moved:
        transaction.set_rollback(True)
    return moved


def staying(post: GeneratedPost):
    """The items that the post keeps: one whose deletion is under way counts as gone."""
    leaving = post.operations.open().filter(kind="delete_item").exclude(item=None)
    return post.items.current().exclude(pk__in=leaving.values("item_id"))


def may_have_happened(operation: Operation) -> bool:
    """An earlier attempt left without a usable answer, or a backup was restored: only a look can tell."""
    return operation.blocked_by == "restore" or was_lost(operation)


def was_lost(operation: Operation, times: int = 1) -> bool:
    return operation.events.filter(action="lose").count() >= times


# ---- sending -------------------------------------------------------------------------------


def send(operation_id, *, at: datetime | None = None) -> bool:
    """Carry one queued operation to the service. Of several callers, one sends it. True if this one tried."""
    operation = pick(operation_id, at=at)
    if operation is None:
        return False
    line = None
    try:
        check_in_time(operation)
        check_may_go(operation)
        line = wire.open_wire(operation.workspace, class_of(operation))
        gate.check(operation, KINDS[operation.kind], line)
        deadline = claim(operation)
    except Waits as later:
        postpone(operation, later.seconds, later.reason)
    except wire.NoRoom as full:
        postpone(operation, full.wait_seconds, "Waiting for the service’s request limit.")
    except Blocked as stop:
        block(operation, stop)
    except gateway.NoKey as error:
        block(operation, Blocked("key", str(error)))
    except gate.Lapsed as change:
        lapse(operation, str(change))
    except gate.Fulfilled as already:
        settle(operation, None, "skip", reason=str(already))
    except errors.UpstreamError as error:  # the read before it failed: nothing was sent
        postpone_after(operation, line, error)
    else:
        if deadline is not None:
            carry(operation, line, deadline)
    finally:
        keep_exchanges(operation, line)
    return True


def pick(operation_id, *, at: datetime | None = None) -> Operation | None:
    """Mark a due operation as being prepared. None if it is not due, or somebody else has it."""
    at = at or database_now()
    free = Q(picked_until=None) | Q(picked_until__lt=at)
    due = sendable(at).filter(free, pk=operation_id)
    if not due.update(picked_until=at + wait(PICK_SECONDS), fence=F("fence") + 1):
        return None
    related = ("workspace", "by__user", "post__persona", "post__workspace", "item", "persona", "source")
    return Operation.objects.select_related(*related).get(pk=operation_id)


def sendable(at):
    """What is due, of the kinds that this release knows."""
    return Operation.objects.due(at).filter(kind__in=list(KINDS))


def check_in_time(operation: Operation) -> None:
    """Whatever waits has its time moved while Loupe runs; one that lies far back was missed while it did not.

    Nothing of such a backlog is shown or paid for without a person's word. Raises Blocked. A repeat of
    something lost still goes: it sets a value that was wanted then.
    """
    late_by = now() - operation.not_before
    if late_by > timedelta(seconds=LATE_SECONDS) and not was_lost(operation):
        raise Blocked("late", f"It was {span(late_by)} late when it could be sent, so it was not sent.")


def span(length: timedelta) -> str:
    """ "16 min", "3 h", "4 days": kept in a row, it holds in every time zone."""
    minutes = int(length.total_seconds()) // 60
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def check_may_go(operation: Operation) -> None:
    """All that must hold on this side before it may be sent. Raises Waits or Blocked."""
    kind = KINDS[operation.kind]
    if operation.by is None or not may(operation.by, kind.grant):
        raise Blocked("role", f"{operation.by_label} may no longer do this.")
    wait_for_items(operation)
    wait_for_batch(operation)
    try:
        key = gateway.key_of(operation.workspace)
    except gateway.NoKey as error:
        raise Blocked("key", str(error)) from None
    if key.state == UpstreamKey.State.REJECTED:
        raise Blocked("key", "The service rejected the API key.")
    if key.opened_at is not None:  # half open, too: the one look that may be made is the poller's
        is_elsewhere = rates.is_elsewhere(key.opened_at, key.trouble)
        who = errors.ELSEWHERE if is_elsewhere else "The service does not answer"
        raise Waits(pace(5), f"{who}.")
    given = rates.grant(key.fingerprint, 1 + kind.reads, class_of(operation))
    if not given.given:
        raise Waits(given.wait_seconds, "Waiting for the service’s request limit.")


def class_of(operation: Operation) -> str:
    """Whose part of the key's minute it takes: decisions come first."""
    return "decide" if operation.hold_id else "wait"


def wait_for_items(operation: Operation) -> None:
    """A decision on the whole post waits for what is still under way on its items."""
    if KINDS[operation.kind].lock_group != "decide" or operation.post_id is None:
        return
    under_way = Operation.objects.filter(
        post_id=operation.post_id, lock_group="item", state__in=OPEN_OPERATION
    )
    other = under_way.first()
    if other:
        raise Waits(1, f"Waits for “{KINDS[other.kind].verb}” on {other.label}.")


def wait_for_batch(operation: Operation) -> None:
    """A batch goes a few at a time; of those that are picked at once the last sees all the others."""
    if operation.batch is None:
        return
    is_under_way = Q(state="sending") | Q(state="queued", picked_until__gt=database_now())
    others = Operation.objects.filter(is_under_way, workspace_id=operation.workspace_id)
    if others.exclude(pk=operation.pk).count() >= BATCH_AT_ONCE:
        raise Waits(random.uniform(0.2, 1), "Waits for others of its batch.")  # noqa: S311


def claim(operation: Operation) -> float | None:
    """The one-way door. Returns the monotonic time by which the request must have left, None if not ours."""
    leaves_by = time.monotonic() + request_seconds()
    moved = advance(
        operation,
        "claim",
        fence=operation.fence,
        lease_until=database_now() + timedelta(seconds=lease_seconds()),
        sent_at=now(),
        attempts=F("attempts") + 1,
        baseline=operation.baseline,
        key_fingerprint=operation.key_fingerprint,
    )
    return leaves_by if moved else None


def carry(operation: Operation, line: "wire.Wire", deadline: float) -> None:
    """Make the one request and record what it came to."""
    kind, fence = KINDS[operation.kind], operation.fence
    request = {"request_id": f"{operation.pk}/{operation.attempts}", "deadline": deadline}
    if kind.name == "connect_account":
        request = {}
    error = reply = None
    try:
        reply = kind.call(line.api, operation, request)
    except errors.UpstreamError as raised:
        error = raised
    is_conflict = isinstance(error, errors.Conflict) and kind.name not in ADDING
    record(operation, fence, reply, look_after(operation, line, error) if is_conflict else error)
    line.learn(error)


def look_after(operation: Operation, line: "wire.Wire", conflict: errors.Conflict) -> Exception:
    """It may be refused because it is done, by somebody else or by an attempt that was lost: look.

    Returns what it comes to: Already, the refusal as it is, or that nobody knows. A look that takes longer
    than the lease leaves it to be looked for like everything whose answer was lost.
    """
    eyes = Eyes(line, lambda: line.spend(class_of(operation)), operation.sent_at - EARLIER)
    try:
        seen = EVIDENCE[operation.kind](operation, eyes)
    except (errors.UpstreamError, wire.NoRoom, DatabaseTrouble) as trouble:
        said = f"The service refused: {conflict.message}. Whether it was done before is not known: {trouble}"
        return errors.OutcomeUnknown(said, status=conflict.status, code=conflict.code)
    return Already(seen) if isinstance(seen, Found) else conflict


def record(operation: Operation, fence: int, reply, error: Exception | None) -> None:
    """Commit the outcome. A database that is away is tried again for half a minute; then the lease lapses."""
    deadline = time.monotonic() + pace(30)
    is_first = True
    while True:
        try:
            if not is_first:
                close_old_connections()  # one that broke is not used again
                operation.refresh_from_db()  # a COMMIT whose answer was lost may have been done
            return classify(operation, fence, reply, error)
        except DatabaseTrouble:
            if time.monotonic() > deadline:
                log.exception("The outcome of operation %s could not be recorded", operation.pk)
                raise
            is_first = False
            time.sleep(pace(1))


def classify(operation: Operation, fence: int, reply, error: Exception | None) -> None:
    """What an answer proves (ADR 1)."""
    kind = KINDS[operation.kind]
    if operation.state != "sending":
        late(operation, reply, error, fence)
    elif error is None:
        settle(operation, reply, "finish", fence=fence)
    elif isinstance(error, (errors.NotSent, errors.Throttled)):
        if isinstance(error, errors.NotSent) and operation.attempts >= NOT_SENT_LIMIT:
            refuse(operation, f"The service could not be reached: {error}", fence=fence)
            return
        attempts = F("attempts") - 1 if isinstance(error, errors.Throttled) else F("attempts")
        at = now() + wait(max(error.wait, min(120, 2**operation.attempts)))
        advance(
            operation,
            "put_back",
            note=str(error),
            fence=fence,
            not_before=at,
            picked_until=None,
            hinted_at=None,
            lease_until=None,
            attempts=attempts,
            reason=str(error)[:500],
        )
    elif isinstance(error, errors.KeyRejected):
        stop = Blocked("key", "The service rejected the API key.")
        advance(operation, "block", note=str(error), fence=fence, blocked_by=stop.cause, reason=stop.reason)
    elif isinstance(error, errors.NotFound) and kind.name in REMOVING:
        settle(operation, None, "finish", fence=fence, reason="It was gone already.")
    elif isinstance(error, Already):
        by = "an attempt whose answer was lost" if was_lost(operation) else "somebody else"
        said = f"It was done already when it was sent, by {by}. {error.seen.note}"
        settle(operation, error.seen.reply, "finish", fence=fence, reason=said.strip())
    elif isinstance(error, errors.Conflict) and kind.name in ADDING:
        settle(operation, None, "finish", fence=fence, reason="It was there already.")
    elif isinstance(error, errors.Refused):
        refuse(operation, in_words(operation, error), fence=fence, error=error)
    else:
        lose(operation, error, fence)


def settle(operation: Operation, reply, action: str, *, fence: int | None = None, reason: str = "") -> None:
    """It happened (or was so already): the effect on the mirror and the state, in one transaction."""
    kind = KINDS[operation.kind]
    with transaction.atomic():
        if operation.post_id:
            desk.lock(operation.post_id)
        result = kind.settle(operation, reply)
        GeneratedPost.objects.filter(pk=operation.post_id).update(told_at=now())
        facts = {"result": result, "reason": reason[:500], "lease_until": None}
        if result.get("total_cost_cents") is not None:
            facts["actual_cents"] = result["total_cost_cents"]
        moved = advance(operation, action, note=reason, fence=fence, **facts)
        if not moved:
            transaction.set_rollback(True)
    if not moved:
        late(operation, reply, None, fence)
    elif action == "find":
        facts = {"what": told(operation), "operation": operation, "post": operation.post}
        events.record("operation.found", operation.workspace, **facts)


def late(operation: Operation, reply, error: Exception | None, fence: int | None) -> None:
    """Our lease lapsed while we waited, and a sweeper wrote `unknown`: the real answer still counts.

    `fence` is that of the sending it answers; an answer to an earlier one says nothing of what came after.
    """
    operation.refresh_from_db()
    if fence is None or operation.fence != fence:
        return
    if operation.state == "unknown" and error is None:
        settle(operation, reply, "find", fence=fence, reason="The answer came late.")
    elif operation.state == "unknown" and isinstance(error, errors.Refused) and not was_lost(operation, 2):
        refuse(operation, in_words(operation, error), fence=fence, error=error)
    elif operation.state == "absent" and error is None:
        incident(operation, "an answer came after it was ruled out")


def incident(operation: Operation, what: str) -> None:
    log.critical("Operation %s (%s): %s", operation.pk, operation.kind, what)
    events.record(
        "operation.unknown", operation.workspace, what=f"{told(operation)} ({what})", operation=operation
    )


def refuse(
    operation: Operation,
    reason: str,
    *,
    fence: int | None = None,
    error: Exception | None = None,
    by_label: str = "",
) -> bool:
    """Nothing happened, provably, or as somebody saw it: what was decided does not stand.

    False: too late; or an earlier attempt was lost, of which this refusal proves nothing.
    """
    if operation.state in ("queued", "sending") and was_lost(operation):
        if not lose(operation, error or errors.OutcomeUnknown(reason), fence, repeats=False):
            late(operation, None, error, fence)
        return False
    action = "rule_out" if operation.state == "unknown" else "refuse"
    with transaction.atomic():
        if operation.post_id:
            desk.lock(operation.post_id)
        _end_decisions(operation, "refused")
        facts = {"reason": reason[:500], "lease_until": None, "not_done": True}
        moved = advance(operation, action, note=str(error or ""), by_label=by_label, fence=fence, **facts)
        if moved:
            name = "operation.absent" if action == "rule_out" else "operation.failed"
            record_event(name, operation, reason=reason)
        else:
            transaction.set_rollback(True)
    if not moved:
        late(operation, None, error, fence)
        return False
    if isinstance(error, errors.InsufficientBalance):
        hold_back_batch(operation)
    if operation.post_id:
        watches.add(operation.workspace_id, "post", operation.post_id, soon=True)
    elif KINDS[operation.kind].assume:
        watches.add(operation.workspace_id, "persona", operation.persona_id, soon=True)
    return True


def lapse(operation: Operation, reason: str) -> None:
    """What was approved is no longer what is there: nothing is sent, and the post comes back."""
    if was_lost(operation):
        lose(operation, errors.OutcomeUnknown(reason), operation.fence, repeats=False)
        return
    with transaction.atomic():
        if operation.post_id:
            desk.lock(operation.post_id)
        _end_decisions(operation, "lapsed")
        facts = {"reason": reason[:500], "result": {"lapsed": True}}
        facts["not_done"] = operation.kind not in desk.DECIDING  # such a post is ready to be decided anew
        if not advance(operation, "refuse", note=reason, **facts):
            transaction.set_rollback(True)
            return
        record_event("decision.lapsed", operation, reason=reason)


@transaction.atomic
def lose(operation: Operation, error: Exception, fence: int | None, *, repeats: bool = True) -> bool:
    """Sent, and nobody knows. Absolute kinds are sent again; the others are looked up, never repeated.

    False: another process moved the row first.
    """
    accepted = bool(getattr(error, "accepted", False))
    moved = advance(
        operation,
        "lose",
        note=str(error),
        fence=fence,
        reason=str(error)[:500],
        accepted=accepted,
        lease_until=None,
        looks=0,
        missed_at=None,
        look_at=now() + wait(UNKNOWN_LOOKS[0]),
    )
    if not moved:
        return False
    kind = KINDS[operation.kind]
    if kind.assume:
        kind.assume(operation)
    if repeats and kind.absolute and operation.attempts < REPEATS:
        repeat(operation)
    else:
        watches.add_by(operation.workspace_id, "unknown", operation.look_at)
        record_event("operation.unknown", operation)
    return True


def repeat(operation: Operation) -> None:
    """An absolute kind once more: its second effect is the same value."""
    advance(
        operation,
        "repeat",
        note="sent again: the same value",
        not_before=now() + wait(5 * 2**operation.attempts),
        picked_until=None,
        hinted_at=None,
    )


def postpone(operation: Operation, seconds: float, reason: str) -> None:
    """Nothing was sent; it stays queued for `seconds` of real time. Not an attempt."""
    again_at = now() + timedelta(seconds=max(0.2, seconds))
    Operation.objects.filter(pk=operation.pk, state="queued", fence=operation.fence).update(
        not_before=again_at, picked_until=None, hinted_at=None, reason=reason[:500]
    )


def postpone_after(operation: Operation, line, error: Exception) -> None:
    """The read before sending failed: nothing was sent."""
    if line is not None:
        line.learn(error)
    if isinstance(error, errors.KeyRejected):
        block(operation, Blocked("key", "The service rejected the API key."))
    elif isinstance(error, errors.Forbidden):
        refuse(operation, in_words(operation, error), error=error)
    elif isinstance(error, errors.NotFound):
        refuse(operation, "It is no longer there at the service.", error=error)
    else:
        at_least = pace(getattr(error, "retry_after", 0) or 5)
        postpone(operation, getattr(error, "wait", 0) or at_least, str(error))


def block(operation: Operation, stop: Blocked) -> None:
    if stop.cause == "role" and was_lost(operation):  # it will not be repeated, so it is looked for
        lose(operation, errors.OutcomeUnknown(stop.reason), operation.fence, repeats=False)
        return
    moved = advance(operation, "block", note=stop.reason, blocked_by=stop.cause, reason=stop.reason[:500])
    if moved and stop.cause != "key":
        events.record(
            "operation.blocked",
            operation.workspace,
            what=told(operation),
            reason=stop.reason,
            operation=operation,
            post=operation.post,
        )


def release(operations, *, by_label: str = events.LOUPE) -> int:
    """Let blocked operations go on. Returns how many."""
    released = 0
    for operation in operations:
        released += advance(
            operation,
            "release",
            by_label=by_label,
            blocked_by="",
            reason="",
            not_before=now(),
            picked_until=None,
            hinted_at=None,
        )
    return released


def hold_back_batch(operation: Operation) -> None:
    """The balance ran out in the middle of a batch: the rest waits until a person says so."""
    if operation.batch is None:
        return
    rest = Operation.objects.filter(batch=operation.batch, state="queued").select_related("workspace", "post")
    for other in rest:
        block(other, Blocked("balance", "The balance ran out. Top up, then let it go on."))


def _end_decisions(operation: Operation, ended: str) -> None:
    """What rested on this operation stands no more, nor counts: its decision, or the rejection whose place it
    took."""
    standing = Q(operation=operation)
    if operation.item_id and operation.hold_id:
        standing |= Q(operation=None, hold=operation.hold_id, item=operation.item_id)
    decisions = Decision.objects.filter(standing, stands=True)
    for decision in decisions.filter(item=None).select_related("workspace"):
        desk.tally(decision, -1)
    decisions.update(stands=False, ended=ended)


_lapsed = Prepared(lambda: Operation.objects.lapsed(AT).select_related("workspace", "post", "persona"))


def sweep(*, at: datetime | None = None) -> int:
    """Rows in `sending` whose lease has lapsed become `unknown`: the sender may have died after sending."""
    at = at or database_now()
    swept = 0
    for operation in _lapsed(at=at):
        error = errors.OutcomeUnknown("No answer was recorded; the sender may have died after sending.")
        state = operation.state
        lose(operation, error, operation.fence)
        swept += operation.state != state
    return swept


def keep_exchanges(operation: Operation, line) -> None:
    """What was said on the wire, without the key, to be read on the operation's page."""
    if line is None or not line.exchanges:
        return
    Attempt.objects.bulk_create(
        Attempt(
            operation=operation,
            number=operation.attempts if exchange.method != "GET" else 0,
            at=exchange.started_at,
            seconds=exchange.seconds,
            method=exchange.method,
            path=exchange.path[:600],
            request=exchange.request_body or "",
            status=exchange.status,
            headers=dict(exchange.headers),
            answer=(exchange.body or "").replace("\x00", "\ufffd"),
            error=exchange.error[:500],
        )
        for exchange in line.exchanges
    )


# ---- words ---------------------------------------------------------------------------------


def record_event(name: str, operation: Operation, *, by: Member | None = None, **facts) -> None:
    """Append an event that tells of the operation as a whole."""
    subjects = {"operation": operation, "post": operation.post, "persona": operation.persona}
    events.record(name, operation.workspace, by=by, what=told(operation), **subjects, **facts)


def told(operation: Operation) -> str:
    """The operation in a few words: “Approved Ines Calder 12”."""
    return f"{KINDS[operation.kind].did}: {operation.label}"


def doubt(operation: Operation) -> str:
    """What a person reads while nobody knows whether it happened."""
    accounts = operation.post.persona.accounts if operation.post and operation.post.persona else []
    return KINDS[operation.kind].doubt.format(
        price=dollars(operation.estimated_cents) if operation.estimated_cents else "its price",
        accounts=", ".join(f"@{name}" for name in accounts) or "the accounts",
    )


def amount_in(error: errors.Refused, name: str, otherwise: int | None) -> int | None:
    """An amount as the refusal itself names it; ours may be a little old."""
    cents = error.details.get(name)
    return cents if type(cents) is int and cents >= 0 else otherwise


def in_words(operation: Operation, error: errors.Refused) -> str:
    """A refusal as a sentence that says what to do."""
    if isinstance(error, errors.InsufficientBalance) and operation.kind == "connect_account":
        return f"The service refused: {error.message}. Account slots are bought at the service."
    if isinstance(error, errors.InsufficientBalance):
        cost = amount_in(error, "required_cents", operation.estimated_cents)
        have = amount_in(error, "balance_cents", operation.workspace.balance_cents)
        costs = f"this costs {dollars(cost)}" if cost else "this costs more than there is"
        return f"Not enough balance: {costs}, you have {dollars(have)}. An admin can top up under Billing."
    if isinstance(error, errors.Forbidden):
        return f"The API key lacks “{KINDS[operation.kind].scope}”. Ask an admin to add the scope."
    if isinstance(error, errors.NotFound):
        return "It is no longer there at the service."
    if operation.kind == "approve" and isinstance(error, errors.BadRequest):
        return f"The service refused: {error.message}. Connect an account, or send the post to compose."
    if operation.kind == "retry_failed" and isinstance(error, errors.Unprocessable):
        return "Nothing had failed any more, so nothing was retried or charged."
    return f"The service refused: {error.message}"
