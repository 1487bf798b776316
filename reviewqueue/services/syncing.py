"""Pull new posts from the accounts that a persona follows."""

import uuid
from datetime import datetime

from django.db import transaction

from reviewqueue.clock import now, wait
from reviewqueue.models import Member, Operation, Persona, SyncJob
from reviewqueue.rules import money
from reviewqueue.rules.cadence import SPANS, SYNC_COOLDOWN
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import events, operations, pricing, scopes
from reviewqueue.services.access import require


def cost(persona: Persona, price: money.Prices | None = None) -> money.Estimate:
    return money.sync(price or pricing.prices(persona.workspace), persona.sources.count())


def next_possible(last_synced_at: datetime | None) -> datetime | None:
    """When a sync is no longer skipped; None if that is now."""
    if last_synced_at is None:
        return None
    again = last_synced_at + wait(SYNC_COOLDOWN)
    return again if again > now() else None


def under_way(workspace_id):
    """The jobs that run; one that has not ended after twice the documented limit is not waited for."""
    since = now() - wait(2 * SPANS["sync"].limit)
    return SyncJob.objects.filter(workspace=workspace_id, ended_at=None, asked_at__gt=since)


def running(workspace_id) -> set:
    """The personas for which a sync is asked for or runs."""
    jobs = under_way(workspace_id)
    asked = Operation.objects.open().filter(workspace=workspace_id, kind="sync")
    return set(jobs.values_list("persona_id", flat=True)) | set(asked.values_list("persona_id", flat=True))


def why_not(persona: Persona, *, by: Member, followed: int, is_running: bool) -> str:
    """Why the persona cannot be synced now, for the button; "" if it can."""
    if not by.may("sync.start"):
        return "Syncing takes an editor. Ask an admin."
    if not followed:
        return f"{persona.name} follows no account yet. Add a source first."
    return "A sync is running. Its end shows here." if is_running else ""


@transaction.atomic
def start(persona: Persona, *, by: Member, token: uuid.UUID) -> Operation:
    """Sync every source of a persona.

    Raises NotPermitted, NotAllowed without sources or while one runs, TooExpensive, AlreadyOpen.
    """
    require(by, "sync.start")
    pressed = Operation.objects.filter(token=token, kind="sync", target=persona.upstream_id).first()
    if pressed:
        return pressed
    if not persona.sources.exists():
        raise NotAllowed(f"{persona.name} follows no account yet. Add a source first.")
    if under_way(persona.workspace_id).filter(persona=persona).exists():
        raise NotAllowed("A sync is running. Its end shows here.")
    estimate = cost(persona)
    pricing.check_affordable(persona.workspace, estimate)
    operation, made = operations.queue(
        "sync",
        by=by,
        target=persona.upstream_id,
        label=persona.name,
        token=token,
        estimated_cents=estimate.high_cents,
        persona=persona,
    )
    if made:
        events.record(
            "sync.started",
            by=by,
            subject=persona.name,
            persona=persona,
            operation=operation,
            cents=estimate.high_cents,
        )
        scopes.bump(by.workspace_id, persona.pk)
    return operation
