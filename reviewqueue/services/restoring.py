"""After a backup was put back: what is queued in it may have been done long ago, so nothing is sent.

Everything that was not settled is stopped, looked for at the service, and let go on only by a person
(ADR 9). `manage.py after_restore` says so; and a database that is behind what a data folder remembers of it
says so by itself. A folder that remembers nothing of it (a new one, a container's own, that of another
database) proves nothing, and one that was put back together with the database neither.
"""

import logging
import os
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F

from reviewqueue.clock import now
from reviewqueue.models import Instance, MediaItem, Operation, SignInLink, Watch, Workspace
from reviewqueue.models.base import held
from reviewqueue.services import desk, gate, media, operations, watches
from reviewqueue.services.operations import Blocked
from reviewqueue.upstream import errors

log = logging.getLogger("loupe.restoring")

STOPPED = "A backup was restored; it may have been done already."


@transaction.atomic
def after_restore() -> dict[str, int]:
    """Stop all that is not settled, sign everybody out. Returns how many of each."""
    go_on(instance())
    open_ones = Operation.objects.open().select_related("workspace", "post__persona", "persona", "item")
    counts = {"stopped": 0, "unknown": 0}
    Operation.objects.open().update(fence=F("fence") + Operation.RESTORED, picked_until=None)
    for operation in open_ones:
        if operation.state == "sending":
            lost = errors.OutcomeUnknown("A backup was restored while it was being sent.")
            operations.advance(operation, "lose", note=str(lost), reason=str(lost), lease_until=None)
        if operation.state == "queued":
            operations.block(operation, Blocked("restore", STOPPED))
        counts["unknown" if operation.state == "unknown" else "stopped"] += 1
        Operation.objects.filter(pk=operation.pk).update(
            blocked_by="restore" if operation.state == "blocked" else "",
            baseline=operation.baseline or as_mirrored(operation),
            sent_at=operation.sent_at or operation.created_at,
            look_at=now(),
            looks=0,
            missed_at=None,
        )
        if operation.post_id:
            desk.refresh(operation.post_id, touched=True)  # its row says whether it may go on
    counts["signed_out"] = Session.objects.count()
    Session.objects.all().delete()
    SignInLink.objects.all().delete()
    Watch.objects.update(claimed_until=None, hinted_at=None, poll_at=now())
    for workspace in Workspace.objects.all():
        watches.add(workspace.pk, "unknown", soon=True)
    return counts


def as_mirrored(operation: Operation) -> dict | None:
    """What the service showed when the backup was made, in place of a look just before sending.

    None if something was done to the post after it was last read: then nobody knows what it was like.
    """
    post = operation.post
    if post and post.told_at and (post.looked_at is None or post.looked_at < post.told_at):
        return None
    if operation.item_id:
        item = MediaItem.objects.select_related("file").get(pk=operation.item_id)
        return {
            "status": item.status,
            "url": media.path_of(item.file.origin) if item.file else None,
            "is_public": item.is_public,
            "voice_conversion_status": item.voice_conversion_status or None,
            "review_status": item.review_status,
            "caption": operation.post.caption,
        }
    if operation.post_id and operation.post.upstream_id:
        items = list(operation.post.items.current())
        return {
            "review_status": operation.post.review_status,
            "outgoing_post_id": operation.post.outgoing_upstream_id or None,
            "items": [item.upstream_id for item in items],
            "states": {item.upstream_id: item.status for item in items},
            "caption": operation.post.caption,
        }
    if operation.source_post_id:
        made = operation.workspace.posts.filter(source_post_id=operation.source_post_id)
        return {"posts": list(made.exclude(upstream_id="").values_list("upstream_id", flat=True))}
    if operation.kind == "create_persona":
        return gate.personas_known(operation)
    return None


# ---- noticing it -------------------------------------------------------------------------------


@transaction.atomic
def keep_watch(*, counts: bool = False) -> bool:
    """Whether a backup was put back under our feet; then everything is stopped, once.

    Asked before anything is sent: when the processes are prepared and when each of them starts. `counts`: by
    the leading poller, who takes the mark one further.
    """
    ours = instance()
    was_put_back = remembered(ours) > ours.mark
    if was_put_back:
        log.critical("A backup was put back (mark %s of %s): stopping", ours.mark, remembered(ours))
        after_restore()
    elif counts:
        go_on(ours)
    else:
        transaction.on_commit(lambda: remember(ours))
    return was_put_back


def instance() -> Instance:
    """This database's own row, held until the transaction ends."""
    Instance.objects.get_or_create(pk=1)
    return held(Instance.objects).get(pk=1)


def go_on(ours: Instance) -> None:
    """One mark further than the database and this folder have been."""
    ours.mark = max(ours.mark, remembered(ours)) + 1
    ours.save(update_fields=["mark"])
    transaction.on_commit(lambda: remember(ours))


def memory(ours: Instance) -> Path:
    return settings.DATA_DIR / f"instance-{ours.name.hex}"


def remembered(ours: Instance) -> int:
    """The mark that this folder saw the database reach; 0 if it never saw it."""
    try:
        return int(memory(ours).read_text())
    except (OSError, ValueError):
        return 0


def remember(ours: Instance) -> None:
    """Written after the commit, so that the folder is never ahead of a database that was left alone."""
    path = memory(ours)
    try:
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(str(ours.mark))
        fresh.replace(path)
    except OSError as error:
        log.warning("The data folder could not be written, so a restore will not be noticed: %s", error)
