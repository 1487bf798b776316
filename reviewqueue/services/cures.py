"""What a person can do for a post that needs attention and costs nothing: look again, copy again."""

from django.db import transaction

from reviewqueue import wake
from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, MediaFile, Member
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import desk, watches
from reviewqueue.services.access import require

KNOWN_BY_NOW = "It is known by now where it stands. Nothing was asked."


def check_now(post: GeneratedPost, *, by: Member) -> None:
    """Ask the service about the post at the next chance. Raises NotAllowed if nobody waits for it."""
    require(by, "look")
    if post.trouble != "stuck":
        raise NotAllowed(KNOWN_BY_NOW)
    watches.add(post.workspace_id, "post", post.pk, soon=True)
    for outgoing in post.outgoing.filter(asked_at__gte=post.asked_at):
        watches.add(post.workspace_id, "outgoing", outgoing.pk, soon=True)


@transaction.atomic
def copy_again(post: GeneratedPost, *, by: Member) -> int:
    """Fetch the refused files of a post once more, by the link they have and by a fresh one.

    Returns how many. Raises NotAllowed if none was refused.
    """
    require(by, "look")
    post = desk.lock(post.pk)
    current = post.items.current()
    shown = [*current.values_list("file_id", flat=True), *current.values_list("voice_file_id", flat=True)]
    refused = list(MediaFile.objects.filter(pk__in=filter(None, shown), state=MediaFile.State.REFUSED))
    if not refused:
        raise NotAllowed("No file of it was refused. Nothing was copied.")
    for row in refused:
        row.state, row.attempts, row.reason = MediaFile.State.WANTED, 0, ""
        row.fetch_at, row.claimed_until, row.hinted_at = now(), None, now()
        row.save(update_fields=["state", "attempts", "reason", "fetch_at", "claimed_until", "hinted_at"])
        wake.fetch_media(row)
    watches.add(post.workspace_id, "post", post.pk, soon=True)
    desk.settle(post, touched=True)
    return len(refused)
