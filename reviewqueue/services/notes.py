"""Notes: what the team says to itself about a post. Nothing of it is published or sent to the service."""

import uuid

from django.db import transaction

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, MediaItem, Member, Mention, Note
from reviewqueue.models.prepared import ANYBODY, Prepared
from reviewqueue.rules.notes import Pin, named
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import desk, events
from reviewqueue.services.access import require

THREAD = 100  # the newest of a post
FOR_ONE = 5  # the newest that name somebody, on the queue page
SLACK_SECONDS = 0.5  # a player's last moment may lie a little behind the stated end


class Misplaced(NotAllowed):
    """What the note is about is not there; `field` says which part of it."""

    def __init__(self, field: str, words: str):
        self.field = field
        super().__init__(words)


@transaction.atomic
def write(
    post: GeneratedPost,
    text: str,
    *,
    by: Member,
    token: uuid.UUID,
    item_id: uuid.UUID | None = None,
    pin: Pin = Pin(),  # noqa: B008 - immutable
) -> Note:
    """Add a note to the thread, and tell those whom it names.

    The same words under the same token are one note. Raises NotPermitted, Misplaced.
    """
    require(by, "comment")
    post = desk.lock(post.pk)
    key = uuid.uuid5(token, f"{by.pk} {post.pk} {item_id} {tuple(pin)} {text}")
    while (pressed := Note.objects.filter(pk=key).first()) and pressed.deleted_at:
        key = uuid.uuid5(key, "after it was taken back")
    if pressed:
        return pressed
    if post.deleted_at:
        raise NotAllowed("The post was deleted meanwhile. The note was not added.")
    item = item_of(post, item_id, pin)
    note = Note.objects.create(
        pk=key,
        workspace_id=post.workspace_id,
        post=post,
        item=item,
        by=by,
        by_label=by.user.name,
        text=text,
        **pin._asdict(),
    )
    subject = subject_of(post, item)
    events.record("note.written", by=by, subject=subject, post=post, persona=post.persona)
    told = tell(note, by)
    if told:
        who = ", ".join(member.user.name for member in told)
        events.record("note.mentioned", by=by, subject=subject, who=who, post=post, persona=post.persona)
    desk.settle(post, touched=True)
    return note


def item_of(post: GeneratedPost, item_id: uuid.UUID | None, pin: Pin) -> MediaItem | None:
    """The version the note is about; a pin needs one that has a picture, or plays that long."""
    items = post.items.select_related("file")
    item = items.filter(pk=item_id).first() if item_id else None
    if item_id and item is None:
        raise Misplaced("item", "This item is not of this post.")
    if not pin:
        return item
    if item is None:
        current = list(items.current()[:2])
        if len(current) != 1:
            raise Misplaced("item", "Choose the item that the pin is on.")
        item = current[0]
    if item.file is None or not item.file.is_here:
        raise Misplaced("item", f"Item {item.label} has no picture to pin a note to.")
    if pin.at_seconds is None:
        return item
    if item.media_type != "video":
        raise Misplaced("at_seconds", f"Item {item.label} is a picture. Only a video has a time.")
    if item.duration_seconds and pin.at_seconds > item.duration_seconds + SLACK_SECONDS:
        raise Misplaced("at_seconds", f"The video ends after {item.duration_seconds:g} seconds.")
    return item


def subject_of(post: GeneratedPost, item: MediaItem | None) -> str:
    label = desk.label_of(post)
    return f"item {item.label} of {label}" if item else label


def tell(note: Note, by: Member) -> list[Member]:
    """Mention those whom the note names; not whoever wrote it."""
    others = Member.objects.active().filter(workspace_id=note.workspace_id).exclude(pk=by.pk)
    members = {member.pk: member for member in others.select_related("user")}
    found = named(note.text, {pk: member.user.name for pk, member in members.items()})
    told = sorted((members[pk] for pk in found), key=lambda member: (member.user.name, str(member.pk)))
    Mention.objects.bulk_create([Mention(note=note, member=member) for member in told])
    return told


@transaction.atomic
def take_back(note: Note, *, by: Member) -> None:
    """Remove one's own note; whom it named is told no longer. Raises NotPermitted, NotAllowed."""
    require(by, "comment")
    if note.by_id != by.pk:
        raise NotAllowed(f"Only {note.by_label} can take this note back.")
    post = desk.lock(note.post_id)
    if not Note.objects.filter(pk=note.pk, deleted_at=None).update(deleted_at=now()):
        return
    note.mentions.all().delete()
    subject = subject_of(post, note.item)
    events.record("note.removed", by=by, subject=subject, post=post, persona=post.persona)
    desk.settle(post, touched=True)


def thread(post: GeneratedPost) -> list[Note]:
    """The post's notes, oldest first; those pinned to a place or a moment are numbered for their markers."""
    newest = post.notes.filter(deleted_at=None).select_related("item").order_by("-at", "-id")[:THREAD]
    notes = list(newest)[::-1]
    number = 0
    for note in notes:
        is_pinned = note.item is not None and (note.x is not None or note.at_seconds is not None)
        number += is_pinned
        note.number = number if is_pinned else None
        if note.x is not None:
            note.across, note.down = f"{note.x:.0%}", f"{note.y:.0%}"
    return notes


def people(member: Member) -> list[str]:
    """The names that a note of this member can mention."""
    others = Member.objects.active().filter(workspace_id=member.workspace_id).exclude(pk=member.pk)
    return list(others.order_by("user__name").values_list("user__name", flat=True))


# ---- who was named, and has not seen it ----------------------------------------------------------


def unseen(member: Member):
    waiting = {"seen_at": None, "note__deleted_at": None, "note__post__deleted_at": None}
    return Mention.objects.filter(member_id=member.pk, **waiting)


def names(member: Member, post: GeneratedPost) -> bool:
    """True if a note on this post names the member, who has not seen it."""
    return unseen(member).filter(note__post=post).exists()


def see(member: Member, post: GeneratedPost) -> int:
    """The member has the post open. Returns how many mentions are seen with that."""
    mine = list(unseen(member).filter(note__post=post).values_list("pk", flat=True))
    return Mention.objects.filter(pk__in=mine).update(seen_at=now()) if mine else 0


SHOWN = ("note__text", "note__by_label", "note__at", "note__post__number", "note__post__persona__name")
_newest = Prepared(
    lambda: (
        unseen(ANYBODY)
        .select_related("note__post__persona")
        .only("member_id", *SHOWN)
        .order_by("-note__at", "-id")[: FOR_ONE + 1]
    )
)


def for_member(member: Member) -> list[Mention]:
    """What names the member and is not seen, newest first; one more than is shown tells of more."""
    return _newest(member=member.pk)
