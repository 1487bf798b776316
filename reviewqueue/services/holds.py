"""A decision waits before it is sent: the service has no undo, so the hold is the undo."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, DateTimeField, F, Q, Window
from django.utils import timezone

from reviewqueue.clock import now, pace
from reviewqueue.models import GeneratedPost, Hold, Member, Operation
from reviewqueue.models.base import held
from reviewqueue.models.prepared import ANYBODY, AT, Given, Prepared
from reviewqueue.rules.states import HOLD, NotAllowed
from reviewqueue.services import desk, events, operations, scopes
from reviewqueue.services.access import NotPermitted, require

LINGER_SECONDS = 60  # the service's clock, while somebody is in the tray; the page renews it


class TooLate(NotAllowed):
    """It was sent; the service has no undo."""


def begin(by: Member, what: str, which: str, *, count: int = 1, runs: bool = True) -> Hold:
    """A new hold of the member's own length; None seconds: until they send it. Its clock `runs` at once, or
    once all that it shall hold is decided (`filled`)."""
    seconds = by.user.hold_seconds
    send_at = now() + timedelta(seconds=pace(seconds)) if runs and seconds is not None else None
    return Hold.objects.create(
        workspace_id=by.workspace_id,
        member=by,
        what=what[:120],
        which=which[:200],
        count=count,
        seconds=seconds,
        send_at=send_at,
    )


def joined(hold: Hold) -> Hold:
    """The hold as it is by now, for one more decision. Raises NotAllowed if it is over."""
    row = held(Hold.objects).get(pk=hold.pk)
    if row.state != "held":
        raise NotAllowed("What was decided with it was taken back or sent meanwhile. This one was not.")
    return row


def filled(hold: Hold, what: str, count: int) -> None:
    """All that it holds is decided: its time begins, unless the member has set its clock meanwhile."""
    Hold.objects.filter(pk=hold.pk).update(what=what[:120], count=count)
    if not count:
        Hold.objects.filter(pk=hold.pk).update(state="released", ended_at=now())
        return
    hold.refresh_from_db()
    whole = now() + timedelta(seconds=pace(hold.seconds)) if hold.seconds is not None else None
    with suppress(TooLate):
        _move(hold, hold.send_at or whole)


def waiting():
    """The holds of `ANYBODY` that are not due yet, `at` the moment of asking."""
    later = Q(send_at=None) | Q(send_at__gt=Given("at", DateTimeField()))
    return Hold.objects.filter(later, member_id=ANYBODY.pk, state="held")


_waiting = Prepared(lambda: waiting().order_by("-created_at"))
_newest = Prepared(lambda: waiting().annotate(held=Window(Count("pk"))).order_by("-created_at")[:1])


def of(member: Member) -> list[Hold]:
    """The member's holds, newest first. Those that are due are on their way."""
    return _waiting(member=member.pk, at=now())


def newest_of(member: Member) -> Hold | None:
    """What the tray shows: the newest of them, and how many are `held` with it."""
    return _newest.first(member=member.pk, at=now())


def _own(hold: Hold, by: Member) -> None:
    require(by, "hold.undo")
    if hold.member_id != by.pk:
        raise NotPermitted("hold.undo")


@transaction.atomic
def undo(hold: Hold, *, by: Member) -> list[Operation]:
    """Take the decision back. Raises TooLate if nothing of it could be caught."""
    _own(hold, by)
    posts = _hold_posts(hold)  # from here on none of its operations moves
    hold = held(Hold.objects).get(pk=hold.pk)  # and none joins them
    posts += _hold_posts(hold, besides=posts)
    if not HOLD.allows(hold.state, "undo"):
        raise TooLate(too_late(hold))
    waiting = hold.operations.filter(state__in=("queued", "blocked")).exclude(events__action="lose")
    waiting = list(waiting.order_by("created_at"))
    decided = hold.decisions.filter(Q(operation=None) | Q(operation__in=waiting), stands=True)
    if not waiting and not decided.exists():
        raise TooLate(too_late(hold))
    for decision in decided:
        decision.stands, decision.ended = False, "undone"
        decision.save(update_fields=["stands", "ended"])
        if decision.item_id is None and not decision.is_first:
            desk.tally(decision, -1)
    scopes.hold(hold.workspace_id, {post.persona_id for post in posts})
    caught = [operation for operation in waiting if operations.cancel(operation, by=by)]
    Hold.objects.filter(pk=hold.pk).update(state="undone", ended_at=now())
    post = posts[0] if len(posts) == 1 else None
    events.record("decision.undone", by=by, what=caught_of(hold), post=post)
    for post in posts:
        desk.refresh(post.pk, touched=True)
    return caught


def caught_of(hold: Hold) -> str:
    """What was taken back, in words: of many the first may have been sent."""
    caught = hold.decisions.filter(ended="undone").count()
    some = f", {caught} of them" if caught < hold.count > 1 else ""
    return f"{hold.what} {hold.which}".strip() + some


def _hold_posts(hold: Hold, besides=()) -> list[GeneratedPost]:
    """The posts it is about, held in the order of their ids."""
    found = set(hold.decisions.values_list("post_id", flat=True))
    found |= set(hold.operations.values_list("post_id", flat=True))
    return [desk.lock(post_id) for post_id in sorted(found - {None, *(post.pk for post in besides)})]


def too_late(hold: Hold) -> str:
    sent = hold.operations.exclude(sent_at=None).order_by("sent_at").values_list("sent_at", flat=True).first()
    if sent is None:
        return "Too late to undo."
    return f"Too late to undo. It was sent at {timezone.localtime(sent):%H:%M:%S}."


def pause(hold: Hold, *, by: Member, on: bool = True) -> None:
    """Stop the clock for good, or start it anew with the whole time. Raises TooLate once it is sent."""
    _own(hold, by)
    _move(hold, None if on else now() + timedelta(seconds=pace(_whole_time(hold))))


def _whole_time(hold: Hold) -> int:
    """Its seconds once its clock runs, also of one that had none."""
    return hold.seconds if hold.seconds is not None else 10


def linger(by: Member, *, on: bool = True) -> int:
    """Put off what is held while the member is in the tray; once they leave it has its whole time again.

    A browser that dies there puts it off for a minute, not for ever. Returns how many it was.
    """
    require(by, "hold.undo")
    put_off = 0
    for hold in of(by):
        if hold.send_at is None:
            continue
        seconds = LINGER_SECONDS if on else _whole_time(hold)
        try:
            _move(hold, now() + timedelta(seconds=pace(seconds)))
        except TooLate:
            continue
        put_off += 1
    return put_off


def send_all(by: Member) -> int:
    """Send all that the member holds, oldest first. Returns how many it was."""
    require(by, "hold.undo")
    sent = 0
    for hold in reversed(of(by)):
        try:
            send(hold, by=by)
        except TooLate:
            continue
        sent += 1
    return sent


def send(hold: Hold, *, by: Member) -> None:
    """Send it now. Raises TooLate if it was sent or taken back meanwhile."""
    _own(hold, by)
    _move(hold, now())


def _move(hold: Hold, send_at: datetime | None) -> None:
    with transaction.atomic():
        posts = _hold_posts(hold)
        row = held(Hold.objects).get(pk=hold.pk)
        if row.state != "held":
            raise TooLate(too_late(row))
        # With a new fence, whoever prepares to send one just now finds that it is not due any more.
        moved = {"not_before": send_at, "hinted_at": None, "picked_until": None, "fence": F("fence") + 1}
        row.operations.filter(state="queued").update(**moved)
        row.send_at = send_at
        row.save(update_fields=["send_at"])
        scopes.hold(row.workspace_id, {post.persona_id for post in posts})
        for post in posts:
            desk.refresh(post.pk)
        scopes.bump(row.workspace_id)


def sweep(*, at: datetime | None = None) -> int:
    """End holds that hold nothing any more (a first approval has no operation to end it)."""
    at = at or now()
    return over(at).update(state="released", ended_at=at) if _over(at=at) else 0


def over(at: datetime):
    return Hold.objects.filter(state="held", send_at__lt=at).exclude(operations__state="queued")


_over = Prepared(lambda: over(AT).values_list("pk")[:1])
