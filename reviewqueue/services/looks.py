"""Who has what on the screen: posts that somebody looks at are looked at upstream more often."""

import time
from datetime import timedelta
from threading import Lock

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, Look, Member

EVERY_SECONDS = 10  # a page polls every two; its look is written once in ten
_written: dict = {}
_lock = Lock()


def note(member: Member, post: GeneratedPost | None = None) -> None:
    """The member has this post, or without one the queue, on the screen."""
    key = (member.pk, post.pk if post else None)
    at = time.monotonic()
    with _lock:
        if at - _written.get(key, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        if len(_written) > 10_000:
            _written.clear()
        _written[key] = at
    Look.objects.update_or_create(
        member=member, post=post, defaults={"at": now(), "workspace_id": member.workspace_id}
    )


def others(member: Member, post: GeneratedPost, seconds: int = 25) -> list[str]:
    """The names of others who have this post open."""
    recent = Look.objects.filter(post=post, at__gte=now() - timedelta(seconds=seconds)).exclude(member=member)
    return list(recent.values_list("member__user__name", flat=True)[:3])
