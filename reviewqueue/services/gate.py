"""The last look before something is sent: is it still what the person saw?

The service has no conditional requests, so what it shows is read again and compared. A read also
refreshes the mirror, and the comparison is of the same fingerprint that the form carried.
"""

from django.db import transaction

from reviewqueue.clock import now, wait
from reviewqueue.models import Decision, MediaItem, Operation
from reviewqueue.rules.states import IN_COMPOSE
from reviewqueue.services import desk, media, mirroring
from reviewqueue.upstream import errors

TARGETS_MAX_AGE_SECONDS = 60
DECIDES = ("approve", "reject", "send_to_compose")


class Lapsed(Exception):
    """What was decided on is not what is there now. Nothing is sent; the message says what changed."""


class Uncertain(errors.UpstreamError):
    """Whether it is what was seen cannot be told before `wait` seconds. Nothing was sent."""

    def __init__(self, message: str, *, wait: float):
        super().__init__(message)
        self.wait = wait


class Fulfilled(Exception):
    """What was wished for is there already. Nothing is left to be sent."""


def check(operation: Operation, kind, line) -> None:
    """Raises Lapsed or Fulfilled if there is nothing to send (any more), UpstreamError if the read failed,
    NoRoom if the key's minute has no room for it.
    """
    operation.key_fingerprint = line.key.fingerprint
    if operation.kind == "approve":
        check_approvers(operation)
    if kind.fresh == "post":
        check_post(operation, line)
    elif kind.fresh == "item":
        check_item(operation, line)
    elif operation.kind == "generate":
        made = operation.workspace.posts.filter(source_post_id=operation.source_post_id).exclude(
            upstream_id=""
        )
        operation.baseline = {"posts": list(made.values_list("upstream_id", flat=True))}
    elif operation.kind == "create_persona":
        operation.baseline = personas_known(operation)


def personas_known(operation: Operation) -> dict:
    """Which personas there were before another one was made."""
    return {"personas": list(operation.workspace.personas.values_list("upstream_id", flat=True))}


def check_approvers(operation: Operation) -> None:
    """Where two people approve, the first has not taken theirs back since (nor the policy changed)."""
    if operation.workspace.approvers < 2:
        return
    firsts = Decision.objects.filter(post=operation.post_id, is_first=True, stands=True)
    if not firsts.filter(fingerprint=operation.fingerprint).exclude(by=operation.by).exists():
        raise Lapsed("it needs the approval of two people, and only one stands")


def check_post(operation: Operation, line) -> None:
    at = now()
    remote = line.api.posts.get(operation.target)
    line.learn(None)
    if operation.kind == "approve":
        read_targets(operation, line)
    mirroring.generated_post(operation.workspace, remote, at=at)
    fetch_missing(operation)
    post = desk.refresh(operation.post_id)
    operation.post = post
    operation.baseline = {
        "review_status": remote.review_status,
        "outgoing_post_id": remote.outgoing_post_id,
        "items": [item.id for item in remote.media_items],
        "states": {item.id: item.status for item in remote.media_items},
        "going": [item.id for item in remote.media_items if item.review_status != "rejected"],
        "caption": remote.caption,
    }
    if operation.kind == "reject" and remote.review_status == "rejected":
        raise Fulfilled("It was rejected already.")
    if operation.kind in DECIDES and remote.review_status not in ("pending_review", ""):
        raise Lapsed(f"it was {word(remote.review_status)} outside Loupe")
    if operation.kind in DECIDES and is_going_out(post, remote.outgoing_post_id):
        raise Lapsed("it is going out already")
    if operation.fingerprint and post.fingerprint != operation.fingerprint:
        raise Lapsed("it changed since you saw it")
    if operation.fingerprint:
        check_renewed(post)


def is_going_out(post, outgoing_id: str | None) -> bool:
    """Between an approval and its first delivery the review status says nothing of it (contracts). What all
    deliveries of failed, and what went out of an earlier generation, does not go out any more.
    """
    going = post.outgoing.filter(upstream_id=outgoing_id or "", settled_at=None)
    return going.filter(asked_at__gte=post.asked_at).exclude(status__in=IN_COMPOSE).exists()


def read_targets(operation: Operation, line) -> None:
    """Where an approval goes is part of what was seen; a reading of the last minute will do."""
    owner = operation.post.persona
    if owner is None or (
        owner.targets_seen_at and now() - owner.targets_seen_at < wait(TARGETS_MAX_AGE_SECONDS)
    ):
        return
    line.spend("decide")
    listed = line.api.targets.list(owner.upstream_id)
    mirroring.targets(owner, listed.items, complete=not listed.unreadable)


def fetch_missing(operation: Operation) -> None:
    """Another path may hold the same file: it is fetched and hashed before it counts as different."""
    for item in operation.post.items.current().select_related("file", "voice_file", "next_file"):
        for file in (item.file, item.voice_file, item.next_file):
            if file and not file.is_here:
                media.fetch(file.pk)


def check_renewed(post) -> None:
    """What lies under a new link may be another file: until it is here, nothing is said of it."""
    waiting = post.items.current().filter(next_file__state="wanted")
    fetch_at = waiting.order_by("next_file__fetch_at").values_list("next_file__fetch_at", flat=True).first()
    if fetch_at:
        pause = max(1.0, (fetch_at - now()).total_seconds())
        raise Uncertain("A file lies under a new link and could not be fetched yet.", wait=pause)


def check_item(operation: Operation, line) -> None:
    remote = line.api.items.get(operation.target)
    line.learn(None)
    item = MediaItem.objects.select_related("file").get(pk=operation.item_id)
    operation.baseline = {
        "status": remote.status,
        "url": media.path_of(remote.url),
        "is_public": remote.is_public,
        "voice_conversion_status": remote.voice_conversion_status,
        "review_status": remote.review_status,
    }
    if operation.kind in ("set_public", "set_private"):
        if remote.is_public == (operation.kind == "set_public"):
            raise Fulfilled("It was so already.")
        return
    if operation.kind == "reject_item" and remote.review_status == "rejected":
        raise Fulfilled("It was rejected already.")
    if remote.status != "completed" and not (
        operation.kind == "regenerate_item" and remote.status == "failed"
    ):
        raise Lapsed("the item is being made anew")
    moved = item.file and remote.url and media.path_of(remote.url) != item.file.origin
    if moved and not same_file(operation, remote, item):
        raise Lapsed("the picture was replaced since you saw it")


def same_file(operation: Operation, remote, item: MediaItem) -> bool:
    with transaction.atomic():
        copy = media.want(operation.workspace, remote.url)
    if not copy.is_here:
        media.fetch(copy.pk)
        copy.refresh_from_db()
    return bool(copy.sha256) and copy.sha256 == item.file.sha256


def word(review_status: str | None) -> str:
    return {"published": "published", "rejected": "rejected", "approved": "sent to compose"}.get(
        review_status or "", "changed"
    )
