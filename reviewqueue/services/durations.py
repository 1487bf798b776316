"""How long things take at this workspace: as documented, until its own past says it better.

Only what was asked for from here counts, as it was looked at from its beginning; of the rest nobody
knows for how long it had been done when it was first seen.
"""

from collections import defaultdict

from django.core.cache import caches
from django.db.models import Exists, F, OuterRef, Subquery

from reviewqueue.clock import age
from reviewqueue.models import Event, GeneratedPost, MediaItem, Operation, OutgoingPost, SyncJob, Workspace
from reviewqueue.rules import cadence
from reviewqueue.services import desk

LOOKED_BACK = 200  # newest posts, and newest jobs, that are asked
KEPT_SECONDS = 60  # for which an answer holds
MADE_HERE = (*desk.MAKING, "regenerate_item")


def spans(workspace: Workspace) -> dict[str, cadence.Span]:
    """How long each kind of thing takes (cadence.SPANS), at the speed of this workspace."""
    key = f"spans:{workspace.pk}:{workspace.speed}"
    found = caches["process"].get(key)
    if found is None:
        past = durations(workspace)
        found = {
            kind: cadence.learned(span.faster(workspace.speed), past[kind])
            for kind, span in cadence.SPANS.items()
        }
        caches["process"].set(key, found, KEPT_SECONDS)
    return found


def durations(workspace: Workspace) -> dict[str, list[float]]:
    """Seconds from the beginning of each thing to when its end was seen, of the newest there are."""
    found = defaultdict(list)
    for rows in (made(workspace), converted(workspace), synced(workspace), delivered(workspace)):
        for kind, began_at, ended_at in rows:
            found[kind].append(age(began_at, ended_at))
    return found


def recent_items(workspace: Workspace):
    newest = GeneratedPost.objects.filter(workspace=workspace, deleted_at=None).newest_first()
    return MediaItem.objects.current().filter(post__in=newest.values("pk")[:LOOKED_BACK])


def asked_for(*kinds: str) -> Exists:
    """An operation of ours asked for it."""
    return Exists(Operation.objects.filter(post=OuterRef("post"), kind__in=kinds, state="succeeded"))


def made(workspace: Workspace):
    items = recent_items(workspace).filter(asked_for(*MADE_HERE), status="completed")
    timed = items.filter(media_type__in=("image", "video"), ended_at__gt=F("post__asked_at"))
    return timed.values_list("media_type", "post__asked_at", "ended_at")


def converted(workspace: Workspace):
    ready = Event.objects.filter(
        post=OuterRef("post"), name="voice.ready", at__gt=OuterRef("voice_asked_at")
    ).order_by("at")
    items = recent_items(workspace).filter(voice_conversion_status="completed")
    timed = items.annotate(heard_at=Subquery(ready.values("at")[:1])).exclude(heard_at=None)
    return (("voice", *times) for times in timed.values_list("voice_asked_at", "heard_at"))


def synced(workspace: Workspace):
    jobs = SyncJob.objects.filter(workspace=workspace, status="completed").exclude(operation=None)
    newest = jobs.exclude(ended_at=None).order_by("-asked_at")
    return (("sync", *times) for times in newest.values_list("asked_at", "ended_at")[:LOOKED_BACK])


def delivered(workspace: Workspace):
    out = OutgoingPost.objects.filter(asked_for("approve"), workspace=workspace, scheduled_for=None)
    newest = out.exclude(settled_at=None).order_by("-asked_at")
    return (("delivery", *times) for times in newest.values_list("asked_at", "settled_at")[:LOOKED_BACK])
