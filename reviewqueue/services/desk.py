"""Where a post lies on the desk and what its frame shows: worked out here, and nowhere else.

`settle` is called in the transaction that changed a post, its items, files or operations. It writes
only what moved, raises the post's version, and keeps the counts of the scopes.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import DateTimeField, F, UUIDField

from reviewqueue.clock import age, now, pace
from reviewqueue.models import (
    Decision,
    Delivery,
    Event,
    GeneratedPost,
    MediaItem,
    Note,
    Operation,
    OutgoingPost,
    SourceMedia,
    SourcePost,
    Tally,
)
from reviewqueue.models.base import held
from reviewqueue.models.prepared import Given, Prepared
from reviewqueue.rules import cadence, captions, money
from reviewqueue.rules.fingerprint import ItemIdentity, fingerprint
from reviewqueue.rules.states import DESK_TABS, IN_COMPOSE, NEEDING_ATTENTION
from reviewqueue.services import events, pictures, pricing, scopes

EXCERPT = 160  # characters of a caption on a frame
# Troubles that an operation is the reason of; the first two are also its state.
TOLD_BY_OPERATION = ("unknown", "blocked", "not_sent", "not_done", "not_made", "changed")
DECIDING = ("approve", "reject", "send_to_compose")
MAKING = ("generate", "clone", "regenerate_post", "retry_failed")
MOVING = (*DESK_TABS["generating"], "publishing")
MAKING_ANEW = ("regenerate_post", "retry_failed", "regenerate_item", "voice_convert")
SHOWING = ("set_public", "set_private")
WORKED_OUT = (
    "desk",
    "trouble",
    "kind",
    "handle",
    "ready_at",
    "decided_at",
    "fingerprint",
    "face",
)


@dataclass
class Picture:
    """All that decides where a post lies, read once."""

    post: GeneratedPost
    items: list[MediaItem]
    operations: list[Operation]  # oldest first, cancelled ones left out
    outgoing: OutgoingPost | None
    deliveries: list[Delivery]
    decision: Decision | None
    at: datetime

    def open(self, *kinds: str) -> Operation | None:
        return next((op for op in self.operations if op.is_open and op.kind in kinds), None)

    def any_open(self, state: str) -> Operation | None:
        return next((op for op in self.operations if op.state == state), None)

    @property
    def last(self) -> Operation | None:
        return self.operations[-1] if self.operations else None

    @cached_property
    def as_it_is(self) -> tuple[str, str] | None:
        """What the mirror says, whatever is asked for; None if it waits for a decision."""
        return _by_review(self) or _by_generation(self)

    @cached_property
    def told(self) -> Operation | None:
        """The newest that did not happen; of decisions only while the post can be decided."""
        return next((op for op in self.not_done if not (self.as_it_is and op.kind in DECIDING)), None)

    @cached_property
    def not_done(self) -> list[Operation]:
        """What did not happen and still needs a word, the newest first."""
        return [op for op in reversed(self.operations) if op.not_done and not self._is_over(op)]

    @property
    def over(self) -> list[Operation]:
        """What did not happen and needs none any more, whatever becomes of what is under way."""
        return [op for op in self.operations if op.not_done and self._is_over(op, for_good=True)]

    def _is_over(self, op: Operation, *, for_good: bool = False) -> bool:
        later = self.operations[self.operations.index(op) + 1 :]
        if any(overtakes(other, op) for other in later if not (for_good and other.is_open)):
            return True
        if op.item_id is None:
            return op.kind == "retry_failed" and not any(item.status == "failed" for item in self.items)
        item = next((item for item in self.items if item.pk == op.item_id), None)
        return item is None or is_so(op.kind, item)

    @property
    def accounts(self) -> list[str]:
        return self.post.persona.accounts if self.post.persona else []


def overtakes(later: Operation, op: Operation) -> bool:
    """Whether nothing has to be said of `op` any more, as `later` was asked for after it came to nothing."""
    if later.kind == op.kind or {later.kind, op.kind} == {*SHOWING}:
        return later.item_id == op.item_id
    if later.kind in DECIDING or later.lock_group == "decide" == op.lock_group:
        return op.lock_group == "decide" or later.state == "succeeded"
    return op.kind in DECIDING and later.kind in MAKING_ANEW and later.state == "succeeded"


def is_so(kind: str, item: MediaItem) -> bool:
    """Whether the item is by now as it was to become."""
    if kind in SHOWING:
        return item.is_public == (kind == "set_public")
    return kind == "reject_item" and item.is_rejected


POST = Given("post", UUIDField())
_locked = Prepared(
    lambda: held(GeneratedPost.objects.select_related("persona", "source_post", "workspace")).filter(pk=POST)
)


def lock(post_id) -> GeneratedPost:
    """The post, held against other writers until the transaction ends. Raises GeneratedPost.DoesNotExist."""
    post = _locked.first(post=post_id)
    if post is None:
        raise GeneratedPost.DoesNotExist
    return post


def lock_source(source_id) -> SourcePost:
    """The source post, held likewise; whoever needs both takes the generated post first."""
    return held(SourcePost.objects).get(pk=source_id)


_items = Prepared(
    lambda: (
        MediaItem.objects.current()
        .filter(post=POST)
        .select_related("file", "voice_file")
        .order_by("position", "take")
    )
)
_operations = Prepared(
    lambda: Operation.objects.filter(post=POST).exclude(state="cancelled").order_by("created_at", "id")
)
# What went out of an earlier generation says nothing of this one.
_outgoing = Prepared(
    lambda: OutgoingPost.objects.filter(post=POST, asked_at__gte=Given("asked_at", DateTimeField())).order_by(
        "-asked_at"
    )[:1]
)
_deliveries = Prepared(lambda: Delivery.objects.filter(outgoing=Given("outgoing", UUIDField())))
_standing = Prepared(
    lambda: Decision.objects.filter(post=POST, stands=True, item=None, is_first=False).select_related("hold")
)


def look(post: GeneratedPost, at: datetime | None = None) -> Picture:
    outgoing = _outgoing.first(post=post.pk, asked_at=post.asked_at)
    return Picture(
        post=post,
        items=_items(post=post.pk),
        operations=_operations(post=post.pk),
        outgoing=outgoing,
        deliveries=_deliveries(outgoing=outgoing.pk) if outgoing else [],
        decision=_standing.first(post=post.pk),
        at=at or now(),
    )


@transaction.atomic
def refresh(post_id, *, at: datetime | None = None, touched: bool = False) -> GeneratedPost:
    """Work the post out anew. `touched` raises its version even if its frame stays the same."""
    post = lock(post_id)
    settle(post, touched=touched, at=at)
    return post


def settle(post: GeneratedPost, *, touched: bool = False, at: datetime | None = None) -> bool:
    """Write what moved. True if the post has a new version. The caller holds the row (`lock`)."""
    before = [getattr(post, name) for name in WORKED_OUT]
    was = post.desk
    picture = look(post, at)
    work_out(picture)
    if over := picture.over:
        Operation.objects.filter(pk__in=[op.pk for op in over]).update(not_done=False)
    counted = "" if post.deleted_at else post.desk
    if not touched and before == [getattr(post, name) for name in WORKED_OUT] and counted == post.counted:
        return False
    scopes.bump(post.workspace_id, post.persona_id, left=post.counted, entered=counted)
    is_gone = bool(post.counted) and not counted
    post.counted = counted
    post.version += 1
    post.changed_here_at = picture.at
    post.save(update_fields=[*WORKED_OUT, "counted", "version", "changed_here_at"])
    if post.desk in pictures.GOING_OUT and post.face.get("verdict") != "reject":
        pictures.remember(item.file for item in pictures.going_of(picture.items))
    if was in DESK_TABS["generating"] and post.version > 1:
        _say_what_ended(post, picture.at)
    was_made, is_made = (place in DESK_TABS["generating"] for place in (was, post.desk))
    if post.source_post_id and (is_gone or was_made != is_made):
        # Afterwards, as whoever holds an operation must not wait for the source post's row as well.
        transaction.on_commit(partial(refresh_source, post.source_post_id), robust=True)
    return True


def _say_what_ended(post: GeneratedPost, at: datetime) -> None:
    """Record what became of a generation that was waited for (not of one that was over when first seen)."""
    if age(post.asked_at, at) > 3 * cadence.SPANS[post.face["media"]].limit:
        return
    facts = {"by_label": events.SERVICE, "subject": label_of(post), "post": post, "persona": post.persona}
    if post.desk == "ready":
        events.record("post.ready", post.workspace, took=f"{age(post.asked_at, at):.0f} s", **facts)
    elif post.trouble in ("failed", "partly_failed"):
        events.record("post.failed", post.workspace, **facts)


def is_in_use(post: GeneratedPost) -> bool:
    """Somebody decided on it, asked for something of it, or wrote about it."""
    return any(rows.exists() for rows in (post.operations, post.decisions, post.notes))


def give_way(post: GeneratedPost, twin: GeneratedPost) -> None:
    """Of two rows that turn out to be one post the first goes, and its history comes along. Both are held."""
    for kind in (Event, Note):
        kind.objects.filter(post=post).update(post=twin)
    post.deleted_at = now()
    post.save(update_fields=["deleted_at"])
    settle(post, touched=True)


def label_of(post: GeneratedPost) -> str:
    return f"{post.persona.name} {post.number}" if post.persona else f"Post {post.number}"


def work_out(picture: Picture) -> None:
    """Set every worked-out field of the post from the picture. Writes nothing."""
    post = picture.post
    was = (post.desk, post.fingerprint, post.face.get("like"))
    post.kind = kind_of(picture.items) if picture.items else post.kind
    post.handle = post.source_post.handle if post.source_post else ""
    post.fingerprint = fingerprint_of(post, picture.items)
    post.desk, post.trouble = place(picture)
    if post.desk == "ready":
        post.ready_at = post.ready_at or picture.at
    elif post.desk in ("pending", "generating"):
        post.ready_at = None
    is_decided = post.desk in ("composing", "publishing", "published", "rejected")
    post.decided_at = (post.decided_at or decided_at(picture)) if is_decided else None
    post.face = face(picture)
    if like := _like(picture, *was):
        post.face["like"] = like


def kind_of(items: list[MediaItem]) -> str:
    if len(items) > 1:
        return "carousel"
    return "video" if items[0].media_type == "video" else "image"


def fingerprint_of(post: GeneratedPost, items: list[MediaItem]) -> str:
    """What a decision is compared with; shared with the worker, which compares it with a fresh read."""
    targets = post.persona.accounts if post.persona else []
    return fingerprint(post.caption, [identity(item) for item in items], targets)


def identity(item: MediaItem) -> ItemIdentity:
    return ItemIdentity(item.upstream_id, mark_of(item.file), mark_of(item.voice_file))


def mark_of(file) -> str:
    if file is None:
        return ""
    return file.sha256 or file.origin


def decided_at(picture: Picture) -> datetime:
    if picture.decision:
        return picture.decision.at
    return picture.post.changed_at or picture.at


# ---- the place -----------------------------------------------------------------------------


def place(picture: Picture) -> tuple[str, str]:
    """(place on the desk, why it needs attention)."""
    return _by_operation(picture) or _by_last_try(picture) or picture.as_it_is or ("ready", "")


def _by_operation(picture: Picture) -> tuple[str, str] | None:
    """An intent that is still open goes before what the mirror says."""
    if picture.any_open("unknown"):
        return "attention", "unknown"
    if picture.any_open("blocked"):
        return "attention", "blocked"
    if deciding := picture.open(*DECIDING):
        return ("sending", "") if deciding.state == "sending" else ("held", "")
    if picture.open(*MAKING):
        return "pending", ""
    return None


def _by_review(picture: Picture) -> tuple[str, str] | None:
    post, outgoing = picture.post, picture.outgoing
    if post.review_status == "rejected":
        return "rejected", ""
    states = {delivery.status for delivery in picture.deliveries}
    if post.review_status == "published" or "published" in states:
        return "published", ("delivery" if "failed" in states else "")
    if states and states <= {"failed"}:
        return "attention", "delivery"
    if outgoing and outgoing.status not in IN_COMPOSE:
        late = cadence.lateness(_span(post, "delivery"), _age(picture, outgoing.asked_at))
        return ("attention", "stuck") if late in ("stuck", "lost") else ("publishing", "")
    if post.review_status == "approved" or outgoing:
        return "composing", ""
    return None


def _by_generation(picture: Picture) -> tuple[str, str] | None:
    """Progress is judged by the items: the post's own word is not stated for partial failures."""
    post, items = picture.post, picture.items
    if not post.upstream_id:  # asked for, and the asking came to nothing
        return "attention", "not_made"
    running = [item for item in items if not item.is_ended]
    failed = [item for item in items if item.status == "failed"]
    ended_at = max((item.ended_at or item.asked_at for item in items), default=post.asked_at)
    being_remade = not post.is_ended and (not items or post.asked_at > ended_at)
    if running or being_remade:
        return _running(picture, min((item.asked_at for item in running), default=post.asked_at))
    if failed or not items:
        return "attention", ("partly_failed" if len(failed) < len(items) else "failed")
    if not post.is_ended:
        return _running(picture, post.asked_at)
    if any(item.file and item.file.state == "refused" for item in items):
        return "attention", "media"
    unlinked = [item for item in items if item.file is None]
    if unlinked:  # made, and no link that can be used has come with it
        return _running(picture, min(item.ended_at or item.asked_at for item in unlinked))
    if not all(item.file.is_here for item in items):
        return "generating", ""  # made, and being copied
    return None


def _running(picture: Picture, since: datetime) -> tuple[str, str]:
    post = picture.post
    if cadence.lateness(_span(post, _media_type(picture)), _age(picture, since)) in ("stuck", "lost"):
        return "attention", "stuck"
    waiting = post.status == "pending" and not any(item.status == "generating" for item in picture.items)
    return ("pending" if waiting else "generating"), ""


def _by_last_try(picture: Picture) -> tuple[str, str] | None:
    """What did not happen comes back to people, not silently to the pile; once nothing moves any more."""
    found, last = picture.as_it_is, picture.last
    if found and (found[0] in MOVING or found[1] in ("stuck", "not_made")):
        return None
    if picture.told:
        return "attention", ("not_sent" if picture.told.kind in DECIDING else "not_done")
    if not found and last and last.kind in DECIDING and last.result == {"lapsed": True} and last.reason:
        return "ready", "changed"
    return None


def _media_type(picture: Picture) -> str:
    return "video" if any(item.media_type == "video" for item in picture.items) else "image"


def _span(post: GeneratedPost, what: str) -> cadence.Span:
    return cadence.SPANS[what].faster(post.workspace.speed)


def _age(picture: Picture, since: datetime) -> float:
    return age(since, picture.at)


# ---- the frame -----------------------------------------------------------------------------


def face(picture: Picture) -> dict:
    """What the frame shows, so that a page of frames is one query. Nothing of the viewer or the clock."""
    post, items = picture.post, picture.items
    first = items[0] if items else None
    source = post.source_post
    shown = {
        "persona": post.persona.name if post.persona else "",
        "caption": excerpt(post.caption or (source.caption if source else "")),
        "items": len(items),
        "done": sum(item.is_complete for item in items),
        "failed": sum(item.status == "failed" for item in items),
        "take": max((item.letter for item in items), default="A"),
        "thumb": thumb_of(first.file) if first else "",
        "source": (source.face.get("thumb", "") if source else ""),
        "seconds": round(first.duration_seconds or 0) if first and first.media_type == "video" else 0,
        "discount": any(item.discount_applied for item in items),
        "voice": any(item.voice_conversion_status == "completed" for item in items),
        "accounts": len(picture.accounts),
        "media": _media_type(picture),
        "asked": int(post.asked_at.timestamp()),
        "speed": post.workspace.speed,
    }
    if source and post.caption:
        shown["copied"] = len(captions.copied_run(source.caption, post.caption))
        shown["named"] = captions.names(post.caption, source.handle)
    if picture.decision:
        shown["verdict"] = picture.decision.verdict
        shown["by"] = picture.decision.by_label
        shown["reason"] = picture.decision.reason
        if post.desk == "held" and picture.decision.hold_id:
            shown |= _hold(picture)
    about = _about(picture)
    if post.trouble in TOLD_BY_OPERATION and about:
        shown["reason"], shown["operation"] = about.reason, str(about.pk)
        shown |= cure(about)
        shown["which"] = next((item.label for item in items if item.pk == about.item_id), "")
        # Whether it can be decided all the same.
        shown["free"] = post.trouble == "not_done" and picture.as_it_is is None
    elif post.trouble in ("failed", "partly_failed"):
        shown["reason"] = next((item.error_message for item in items if item.error_message), "")
        shown["again"] = _price_of_again(picture)
    elif post.trouble == "stuck":
        shown["limit"] = round(pace(_span(post, _waited_for(picture)).limit))
        shown["checking"] = _checking(picture)
    elif post.trouble == "delivery":
        shown["reason"] = next((one.error_message for one in picture.deliveries if one.error_message), "")
    elif post.trouble == "media":
        refused = [item.file for item in items if item.file and item.file.state == "refused"]
        shown["reason"] = refused[0].reason if refused else ""
    if picture.outgoing:
        shown["published"] = sum(delivery.status == "published" for delivery in picture.deliveries)
        shown["deliveries"] = len(picture.deliveries)
    return shown


def _like(picture: Picture, desk: str, fingerprint: str, like: int | None) -> int | None:
    """The number of a published post with a picture like one of these, as it was when this one became ready.

    A hint, so that a page of frames asks nothing; what counts is the preflight, which looks anew.
    """
    post = picture.post
    if post.desk != "ready":
        return None
    if (desk, fingerprint) == (post.desk, post.fingerprint):
        return like
    found = pictures.alike(post, pictures.going_of(picture.items))
    return next((one.other.post.number for one in found if one.is_published), None)


def _about(picture: Picture) -> Operation | None:
    """The operation that its trouble is told by."""
    if picture.post.trouble in ("not_sent", "not_done"):
        return picture.told
    return picture.any_open(picture.post.trouble) or picture.last


def trouble_of(operation: Operation) -> tuple[str, dict]:
    """The same of an operation that has no post: why it needs attention, and what its row shows."""
    trouble = operation.state if operation.state in NEEDING_ATTENTION else "not_done"
    return trouble, {"reason": operation.reason, "operation": str(operation.pk), **cure(operation)}


def cure(about: Operation) -> dict:
    """What the row of an operation in trouble offers: let go on, decide again, send again at its price."""
    price = {"again": money.dollars(about.estimated_cents)} if about.estimated_cents else {}
    if about.state == "blocked":
        return {"waits_for": about.blocked_by, "may_go_on": about.waits_for_word, **price}
    if about.state not in ("failed", "absent"):
        return {}
    return {"tried": about.kind, **price}


def _waited_for(picture: Picture) -> str:
    return "delivery" if picture.outgoing else _media_type(picture)


def _checking(picture: Picture) -> str:
    """How often it is looked at, as services/polling.py has it: by how late the last look found it."""
    post, outgoing = picture.post, picture.outgoing
    span = _span(post, _waited_for(picture))
    if outgoing:
        pause = cadence.pause_when_late(span, age(outgoing.asked_at, outgoing.seen_at))
        is_over = outgoing.status != "publishing" or outgoing.settled_at
        return cadence.checking(None if is_over or pause is None else pace(pause))
    if post.persona and post.persona.gone_at:  # its list cannot be read
        return cadence.checking(None)
    pause = cadence.pause_when_late(span, age(post.asked_at, post.looked_at or post.asked_at))
    # The persona's list is read by itself as well: all of it once an hour, the newest more often.
    hourly = pause is None or pause > cadence.MINUTE / span.factor
    return cadence.checking(pace(cadence.HOUR if pause is None else pause), at_least=hourly)


def _hold(picture: Picture) -> dict:
    hold = picture.decision.hold
    sends = int(hold.send_at.timestamp()) if hold.send_at else 0
    return {"hold": str(hold.pk), "holder": str(hold.member_id), "sends": sends, "held": hold.count}


def _price_of_again(picture: Picture) -> str:
    failed = [item for item in picture.items if item.status == "failed"]
    price = pricing.prices(picture.post.workspace)
    return pricing.cost_of_items(failed or picture.items, picture.post.persona, price).text()


def excerpt(caption: str) -> str:
    flat = " ".join(caption.split())
    return flat if len(flat) <= EXCERPT else flat[:EXCERPT].rsplit(" ", 1)[0] + "…"


def thumb_of(file) -> str:
    return file.name if file and file.is_here else ""


def tally(decision: Decision, by: int) -> None:
    """Count a decision on a whole post towards its day, in the workspace's own time.

    Its day may be another one since: the time zone was changed. What that day never counted stays uncounted.
    """
    day = decision.at.astimezone(ZoneInfo(decision.workspace.time_zone)).date()
    column = {"approve": "approved", "reject": "rejected", "compose": "composed"}[decision.verdict]
    Tally.objects.get_or_create(workspace_id=decision.workspace_id, day=day)
    counted = Tally.objects.filter(workspace_id=decision.workspace_id, day=day, **{f"{column}__gte": -by})
    counted.update(**{column: F(column) + by})


# ---- source posts --------------------------------------------------------------------------


SOURCE = Given("source", UUIDField())
_media = Prepared(lambda: SourceMedia.objects.filter(post=SOURCE).select_related("file").order_by("position"))
_newest = Prepared(
    lambda: (
        GeneratedPost.objects.filter(source_post=SOURCE, deleted_at=None)
        .order_by("-made_at")
        .values_list("pk", "desk", "made_at", "asked_at", "kind")[:1]
    )
)


@transaction.atomic
def refresh_source(source_id) -> None:
    settle_source(lock_source(source_id))


def settle_source(row: SourcePost) -> None:
    """Work out a source post's frame and how often it was used. The caller is in a transaction."""
    parts = _media(source=row.pk)
    first = parts[0].file if parts else None
    face = {
        "thumb": first.name if first and first.is_here else "",
        "items": [[part.media_type, part.duration_seconds] for part in parts],
        "caption": excerpt(row.caption),
        "seconds": round((parts[0].duration_seconds or 0) if parts else 0),
        "trouble": first.reason if first and first.state == "refused" else "",
    }
    newest = _newest.first(source=row.pk)
    if newest:
        face["made"] = str(newest[0])
        face["made_at"] = newest[2].isoformat()
        face["asked"] = int(newest[3].timestamp())
        face["media"] = "video" if row.kind == "video" else "image"
        face["speed"] = row.workspace.speed
        face["went_wrong"] = newest[1] == "attention"
    row.face = face
    row.made = row.generated.filter(deleted_at=None).count()
    row.in_flight = bool(newest) and newest[1] in DESK_TABS["generating"]
    row.version += 1
    row.save()
    scopes.bump(row.workspace_id)
