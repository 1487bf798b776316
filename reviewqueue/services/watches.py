"""What is looked at again upstream, as rows: a restart forgets nothing."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from reviewqueue import wake
from reviewqueue.models import Watch

LACKS_SCOPE = "The API key may not read this."


def add(workspace_id, kind: str, subject="", *, soon: bool = False) -> Watch:
    """Watch it; with `soon`, look at the next chance whatever was planned."""
    watch, _ = Watch.objects.get_or_create(workspace_id=workspace_id, kind=kind, subject=str(subject or ""))
    if soon:
        at = timezone.now()
        Watch.objects.filter(pk=watch.pk).update(poll_at=at, hinted_at=at, failures=0)
        wake.look(watch)
    return watch


def add_by(workspace_id, kind: str, at, subject="") -> None:
    """Watch it, and look at `at` at the latest: after a look that is under way just now, too, as that may
    have seen all that it will.
    """
    facts = {"workspace_id": workspace_id, "kind": kind, "subject": str(subject or "")}
    watch, made = Watch.objects.get_or_create(**facts, defaults={"poll_at": at})
    if not made:
        too_late = Q(poll_at__gt=at) | Q(claimed_until__gt=timezone.now())
        Watch.objects.filter(too_late, pk=watch.pk).update(poll_at=at)


@transaction.atomic
def drop(workspace_id, kind: str, subject="") -> None:
    Watch.objects.filter(workspace_id=workspace_id, kind=kind, subject=str(subject or "")).delete()
