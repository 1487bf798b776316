"""Personas, the accounts they follow, and the accounts they publish to."""

import re
import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from reviewqueue.clock import now
from reviewqueue.models import (
    ConnectedAccount,
    Member,
    Operation,
    Persona,
    PublishingTarget,
    Source,
    Workspace,
)
from reviewqueue.rules.states import OPEN_OPERATION, NotAllowed
from reviewqueue.services import events, operations, scopes
from reviewqueue.services.access import require

MODES = {
    "sync_only": "Sync only",
    "auto_clone": "Generate, then review",
    "auto_publish": "Generate and publish without review",
}
WORDS = {"name": "the name", "writing_style": "the voice", "discount_mode": "discount mode"}
HANDLE = re.compile(r"^[A-Za-z0-9._]{1,30}$")


SETTING = (
    "update_persona",
    "add_source",
    "remove_source",
    "set_automation",
    "add_target",
    "remove_target",
    "connect_account",
    "sync",
)
READ_AGAIN = ("add_source", "remove_source", "set_automation", "add_target", "remove_target")
TOLD_FOR = timedelta(hours=1)  # a refusal stays on the page this long


def wishes(persona: Persona) -> list[Operation]:
    """What was asked for the persona and is not settled: under way, or come to nothing within the hour.

    The newest of each kind and target; one that succeeded takes the place of an earlier refusal. It is under
    way until the mirror has been read again, as what it changed is not shown before.
    """
    asked = Operation.objects.filter(workspace_id=persona.workspace_id, persona=persona, kind__in=SETTING)
    return [one for one in _newest(asked) if one.state != "succeeded" or _is_awaited(one, persona)]


def _is_awaited(operation: Operation, persona: Persona) -> bool:
    seen_at = persona.targets_seen_at
    return operation.kind in READ_AGAIN and (seen_at is None or seen_at < operation.finished_at)


def being_created(workspace: Workspace) -> list[Operation]:
    """Personas that were asked for and are not here yet, or were refused within the hour."""
    asked = Operation.objects.filter(workspace=workspace, kind="create_persona")
    return [operation for operation in _newest(asked) if operation.state != "succeeded"]


def is_under_way(operation: Operation) -> bool:
    return operation.is_open or operation.state == "succeeded"


def _newest(asked) -> list[Operation]:
    recent = Q(state__in=OPEN_OPERATION) | Q(created_at__gte=now() - TOLD_FOR)
    newest: dict[tuple, Operation] = {}
    for operation in asked.filter(recent).exclude(state="cancelled").order_by("created_at", "id"):
        newest[operation.lock_group, operation.target] = operation
    return list(newest.values())


def _asked(name: str, *, by: Member, persona: Persona | None = None, **facts) -> None:
    """Record it, and let the pages that show the persona know that something is under way."""
    events.record(name, by=by, persona=persona, **facts)
    scopes.bump(by.workspace_id, persona.pk if persona else None)


@transaction.atomic
def create(*, name: str, writing_style: str, by: Member, token: uuid.UUID) -> Operation:
    require(by, "persona.edit")
    operation, made = operations.queue(
        "create_persona",
        by=by,
        target=name,
        label=name,
        token=token,
        params={"name": name, "writing_style": writing_style},
    )
    if made:
        _asked("persona.created", by=by, subject=name, operation=operation)
    return operation


def words_for(values: dict) -> str:
    """Which fields of a persona these are: "the name and the voice"."""
    return " and ".join(WORDS[name] for name in values)


@transaction.atomic
def update(persona: Persona, *, by: Member, token: uuid.UUID, **values) -> Operation:
    """Change fields of a persona at the service (`name`, `writing_style`, `discount_mode`)."""
    require(by, "persona.edit")
    operation, made = operations.queue(
        "update_persona",
        by=by,
        target=persona.upstream_id,
        label=persona.name,
        token=token,
        params=values,
        persona=persona,
    )
    if made:
        told = {"subject": persona.name, "persona": persona, "what": words_for(values)}
        _asked("persona.changed", by=by, operation=operation, **told)
    return operation


@transaction.atomic
def add_source(
    persona: Persona, handle: str, *, by: Member, token: uuid.UUID, mode: str = "sync_only"
) -> Operation:
    """Follow an Instagram account. Only an admin may choose a mode that spends by itself."""
    require(by, "source.edit")
    if mode != "sync_only":
        require(by, "automation.change")
    handle = handle.strip().lstrip("@")
    if not HANDLE.match(handle):
        raise NotAllowed("That is not an Instagram name: letters, digits, dots and underscores, at most 30.")
    if persona.sources.filter(handle__iexact=handle).exists():
        raise NotAllowed(f"@{handle} is already a source of {persona.name}.")
    _needs_targets(persona, mode)
    params = {
        "persona_id": persona.upstream_id,
        "platform": "instagram",
        "handle": handle,
        "automation_mode": mode,
    }
    operation, made = operations.queue(
        "add_source",
        by=by,
        target=f"{persona.upstream_id}:{handle.lower()}",
        label=f"@{handle}",
        token=token,
        params=params,
        persona=persona,
    )
    if made:
        _asked("source.added", by=by, subject=f"@{handle}", persona=persona, operation=operation)
    return operation


@transaction.atomic
def remove_source(source: Source, *, by: Member, token: uuid.UUID) -> Operation:
    require(by, "source.edit")
    operation, made = operations.queue(
        "remove_source",
        by=by,
        target=source.upstream_id,
        label=str(source),
        token=token,
        params={"persona_id": source.persona.upstream_id},
        persona=source.persona,
        source=source,
    )
    if made:
        _asked("source.removed", by=by, subject=str(source), persona=source.persona, operation=operation)
    return operation


@transaction.atomic
def set_automation(source: Source, mode: str, *, by: Member, token: uuid.UUID) -> Operation:
    """Choose what happens when new posts arrive. `auto_publish` goes round the reviewers."""
    require(by, "automation.change")
    if mode not in MODES:
        raise NotAllowed("There is no such mode.")
    _needs_targets(source.persona, mode)
    operation, made = operations.queue(
        "set_automation",
        by=by,
        target=source.upstream_id,
        label=str(source),
        token=token,
        params={"persona_id": source.persona.upstream_id, "automation_mode": mode},
        persona=source.persona,
        source=source,
    )
    if made:
        _asked(
            "source.automation",
            by=by,
            subject=str(source),
            persona=source.persona,
            operation=operation,
            mode=MODES[mode],
        )
    return operation


def _needs_targets(persona: Persona, mode: str) -> None:
    if mode == "auto_publish" and not persona.accounts:
        raise NotAllowed(
            f"{persona.name} has no publishing account; link one before publishing without review."
        )


@transaction.atomic
def link_account(persona: Persona, account: ConnectedAccount, *, by: Member, token: uuid.UUID) -> Operation:
    named = {"account_id": account.upstream_id}
    return _change_targets("add_target", "target.added", persona, account, named, by=by, token=token)


@transaction.atomic
def unlink_account(target: PublishingTarget, *, by: Member, token: uuid.UUID) -> Operation:
    persona, account, named = target.persona, target.account, {"target_id": target.upstream_id}
    return _change_targets("remove_target", "target.removed", persona, account, named, by=by, token=token)


def _change_targets(kind: str, event: str, persona, account, named: dict, *, by, token) -> Operation:
    require(by, "account.change")
    operation, made = operations.queue(
        kind,
        by=by,
        target=f"{persona.upstream_id}:{account.upstream_id}",
        label=persona.name,
        token=token,
        params={"persona_id": persona.upstream_id, **named},
        persona=persona,
    )
    if made:
        told = {"subject": persona.name, "persona": persona, "account": str(account)}
        _asked(event, by=by, operation=operation, **told)
    return operation


@transaction.atomic
def connect_account(*, by: Member, token: uuid.UUID, persona: Persona | None = None) -> Operation:
    """Ask for the page on which a person signs in to Instagram; it appears as a link when it has come."""
    require(by, "account.change")
    operation, made = operations.queue(
        "connect_account",
        by=by,
        target=str(by.workspace_id),
        label=persona.name if persona else "Instagram",
        token=token,
        params={"platform": "instagram"},
        persona=persona,
    )
    if made:
        subject = persona.name if persona else by.workspace.name
        _asked("account.connecting", by=by, subject=subject, persona=persona, operation=operation)
    return operation
