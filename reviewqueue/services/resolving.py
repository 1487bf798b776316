"""What is known of an operation, and what a person can do where Loupe stopped by itself."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from reviewqueue.models import GeneratedPost, Member, Operation, PublishingTarget
from reviewqueue.rules.releases import Known
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import (
    billing,
    desk,
    generating,
    operations,
    personas,
    reconciling,
    reviewing,
    syncing,
    watches,
)
from reviewqueue.services.access import may, require
from reviewqueue.services.kinds import KINDS

MAKING = ("generate", "clone")  # what would have made a new post
NOTE_AT_MOST = 300
ROLE_BACK = "Once an admin gives the role back it can go on; or withdraw it and ask for it yourself."
NEWER = "A newer release of Loupe has it in hand. This one leaves it alone."
KNOWN_BY_NOW = "It is known by now what became of it. Nothing was changed."


@transaction.atomic
def release(operation: Operation, *, by: Member) -> None:
    """Let an operation go on that waits for a person's word: no balance, missed while down, restored backup,
    a role that was lost and given back (which is asked again when it is sent).

    Raises NotPermitted, NotAllowed if it waits for something else (a key or the service frees it by itself).
    """
    require(by, "operation.resolve")
    if is_role_lost(operation):
        raise NotAllowed(f"{operation.by_label} may still not do this. {ROLE_BACK} Nothing was changed.")
    if not can_release(operation) or not operations.release([operation], by_label=by.user.name):
        raise NotAllowed("It does not wait for anybody’s word. Nothing was changed.")
    operations.record_event("operation.released", operation, by=by)


@transaction.atomic
def withdraw(operation: Operation, *, by: Member) -> None:
    """Drop an operation that is blocked and has not happened; its post can be decided anew.

    Raises NotPermitted, NotAllowed if it goes on by now, or may have happened.
    """
    require(by, "operation.resolve")
    if not can_withdraw(operation) or not operations.withdraw(operation, by=by):
        raise NotAllowed("It cannot be withdrawn any more. Nothing was changed.")
    if operation.kind in MAKING:
        _clear(operation)
    operations.record_event("operation.withdrawn", operation, by=by)


def can_withdraw(operation: Operation) -> bool:
    """After a restore only once it was looked for and not found; never when an answer to it was lost."""
    if operation.state != "blocked" or operations.was_lost(operation):
        return False
    return operation.blocked_by != "restore" or operation.reason == reconciling.FREE_TO_GO


def can_release(operation: Operation) -> bool:
    """After a restore only once it was looked for: it may have been done in the time that was lost."""
    return operation.waits_for_word and not is_role_lost(operation)


def is_role_lost(operation: Operation) -> bool:
    """Whoever asked for it may still not do so. Nobody stands in for them: it is their decision that is on
    record, and the workspace's policy was asked about them."""
    may_ask = operation.by is not None and may(operation.by, KINDS[operation.kind].grant)
    return operation.state == "blocked" and operation.blocked_by == "role" and not may_ask


# ---- not known -----------------------------------------------------------------------------------


def next_look(operation: Operation) -> datetime | None:
    """When it is looked for at the service again; None if only a person can tell."""
    return operation.look_at if operation.state == "unknown" else None


def check_now(operation: Operation, *, by: Member) -> None:
    """Look for it at the service at the next chance. Raises NotAllowed if there is nothing to look for."""
    require(by, "look")
    if operation.state != "unknown":
        raise NotAllowed(KNOWN_BY_NOW)
    reconciling.sooner(operation)


@transaction.atomic
def tell(operation: Operation, *, happened: bool, note: str, by: Member) -> None:
    """A person has looked at the service themselves: their word settles it, under their name.

    Raises NotPermitted, NotAllowed without a note or if it is known by now.
    """
    require(by, "operation.resolve")
    note = note.strip()[:NOTE_AT_MOST]
    if not note:
        raise NotAllowed("Say what you saw, and where. Nothing was changed.")
    if operation.state != "unknown":
        raise NotAllowed(KNOWN_BY_NOW)
    if operation.post_id:
        desk.lock(operation.post_id)
    reason = f"{by.user.name} looked: {note}"
    if happened:
        moved = operations.advance(
            operation, "find", by_label=by.user.name, note=note, reason=reason[:500], result={"by_hand": True}
        )
        _take_over(operation)
    else:
        moved = operations.refuse(operation, reason, by_label=by.user.name)
    if not moved:
        raise NotAllowed(KNOWN_BY_NOW)
    outcome = "it happened" if happened else "it did not happen"
    operations.record_event("operation.resolved", operation, by=by, outcome=outcome, note=note)


def _take_over(operation: Operation) -> None:
    """The service's own objects are read anew; what stood here in the place of a new post goes."""
    if operation.kind in MAKING and operation.post_id and not operation.post.upstream_id:
        post = desk.lock(operation.post_id)
        post.deleted_at = timezone.now()
        post.save(update_fields=["deleted_at"])
        desk.settle(post, touched=True)
        watches.add(operation.workspace_id, "posts", operation.persona_id, soon=True)
    elif operation.post_id:
        GeneratedPost.objects.filter(pk=operation.post_id).update(mark="")
        watches.add(operation.workspace_id, "post", operation.post_id, soon=True)
    else:
        subject = operation.persona_id or ""
        watches.add(operation.workspace_id, "persona" if subject else "catalogue", subject, soon=True)
    watches.add(operation.workspace_id, "balance", soon=True)


# ---- not done ------------------------------------------------------------------------------------


@transaction.atomic
def let_be(operation: Operation, *, by: Member) -> None:
    """Nothing more is to be done about what did not happen; a post that was never made leaves the desk.

    Raises NotPermitted, NotAllowed if it was seen to by now.
    """
    require(by, KINDS[operation.kind].grant)
    if operation.post_id:
        desk.lock(operation.post_id)
    if not operations.needs_no_word(operation):
        raise NotAllowed("Somebody has seen to it by now. Nothing was changed.")
    if operation.kind in MAKING:
        _clear(operation)
    operations.record_event("operation.let_be", operation, by=by)


# ---- again -----------------------------------------------------------------------------------------


def can_send_again(operation: Operation) -> bool:
    """It provably did not happen, nobody has sent it again yet, and what it was for is still there."""
    return (
        operation.state in ("absent", "failed")
        and operation.kind in AGAIN
        and not operation.retries.exclude(state="cancelled").exists()
        and AGAIN[operation.kind].subject(operation) is not None
    )


def can_decide_anew(operation: Operation) -> bool:
    """A decision that did not happen is taken anew, on what is there by now; the new one is linked to it."""
    post = operation.post
    return operation.not_done and operation.kind in desk.DECIDING and not (post is None or post.deleted_at)


@transaction.atomic
def send_again(operation: Operation, *, by: Member, token: uuid.UUID) -> Operation:
    """The same wish as a new operation, at today's price. Raises what the first click could raise."""
    pressed = Operation.objects.filter(retry_of=operation, token=token).first()
    if pressed:
        return pressed
    require(by, KINDS[operation.kind].grant)
    if not can_send_again(operation):
        raise NotAllowed("It cannot be sent again from here. Nothing was sent.")
    again = AGAIN[operation.kind].ask(operation, by, token)
    Operation.objects.filter(pk=again.pk).update(retry_of=operation)
    again.retry_of = operation
    return again


@dataclass(frozen=True)
class Again:
    """How a kind is asked for once more: what it needs, and the command that asks."""

    subject: Callable[[Operation], object]
    ask: Callable[[Operation, Member, uuid.UUID], Operation]


def _generate_again(operation, by, token):
    _clear(operation)
    return generating.generate(operation.source_post, operation.persona, by=by, token=token)


def _clone_again(operation, by, token):
    _clear(operation)
    return generating.clone(operation.params["url"], operation.persona, by=by, token=token)


def _clear(operation: Operation) -> None:
    """The post that was not made makes room for the one that is asked for now."""
    if operation.post_id and not operation.post.upstream_id:
        post = desk.lock(operation.post_id)
        post.deleted_at = timezone.now()
        post.save(update_fields=["deleted_at"])
        desk.settle(post, touched=True)


def _post_again(failed_only: bool):
    def ask(operation, by, token):
        return generating.regenerate_post(operation.post, by=by, token=token, failed_only=failed_only)

    return ask


def _rejected_again(operation, by, token):
    """For the reason that was given; what the reviewer saw is this version of the item."""
    told = operation.decisions.order_by("at").last()
    reason = told.reason if told else ""
    return reviewing.reject_item(operation.item, by=by, token=token, reason=reason).operation


def _added_again(operation, by, token):
    """Followed once more, in the mode that was chosen."""
    handle, mode = operation.params["handle"], operation.params["automation_mode"]
    return personas.add_source(operation.persona, handle, by=by, token=token, mode=mode)


def _linked_again(operation, by, token):
    return personas.link_account(operation.persona, _account(operation), by=by, token=token)


def _reload_again(operation, by, token):
    params = operation.params
    return billing.set_reload(
        on=params["auto_reload"],
        threshold_cents=params["reload_threshold_cents"],
        amount_cents=params["reload_amount_cents"],
        by=by,
        token=token,
    )


def _living(name: str):
    def subject(operation):
        row = getattr(operation, name)
        gone = row is None or getattr(row, "deleted_at", None) or getattr(row, "gone_at", None)
        return None if gone else row

    return subject


def _no_namesake(operation):
    """Two of one name are not told apart, neither by people nor when one of them is looked for."""
    named_so = operation.workspace.personas.filter(name=operation.target, gone_at=None)
    return None if named_so.exists() else operation


def _account(operation):
    """The account that was to be linked, while there is a persona to link it to."""
    accounts = operation.workspace.accounts.filter(upstream_id=operation.params["account_id"])
    return accounts.first() if _living("persona")(operation) else None


def _target(operation):
    targets = PublishingTarget.objects.filter(persona=operation.persona_id)
    return targets.filter(upstream_id=operation.params["target_id"]).first()


def _current_item(operation):
    item = operation.item
    return item if item and item.is_current and not item.post.deleted_at else None


# Not here: a decision on a whole post, which is taken anew on what is there then; and the service's own pages
# (payment, account), which are opened where somebody waits for them. See ADR 1.
AGAIN = {
    "generate": Again(
        lambda operation: operation.source_post and _living("persona")(operation), _generate_again
    ),
    "clone": Again(_living("persona"), _clone_again),
    "regenerate_post": Again(_living("post"), _post_again(failed_only=False)),
    "retry_failed": Again(_living("post"), _post_again(failed_only=True)),
    "regenerate_item": Again(
        _current_item, lambda one, by, token: generating.regenerate_item(one.item, by=by, token=token)
    ),
    "voice_convert": Again(
        _current_item, lambda one, by, token: generating.convert_voice(one.item, by=by, token=token)
    ),
    "set_public": Again(
        _current_item, lambda one, by, token: generating.set_public(one.item, True, by=by, token=token)
    ),
    "set_private": Again(
        _current_item, lambda one, by, token: generating.set_public(one.item, False, by=by, token=token)
    ),
    "reject_item": Again(_current_item, _rejected_again),
    "delete_post": Again(
        _living("post"), lambda one, by, token: generating.delete_post(one.post, by=by, token=token)
    ),
    "delete_item": Again(
        _current_item, lambda one, by, token: generating.delete_item(one.item, by=by, token=token)
    ),
    "sync": Again(_living("persona"), lambda one, by, token: syncing.start(one.persona, by=by, token=token)),
    "create_persona": Again(
        _no_namesake, lambda one, by, token: personas.create(**one.params, by=by, token=token)
    ),
    "update_persona": Again(
        _living("persona"),
        lambda one, by, token: personas.update(one.persona, by=by, token=token, **one.params),
    ),
    "add_source": Again(_living("persona"), _added_again),
    "remove_source": Again(
        _living("source"), lambda one, by, token: personas.remove_source(one.source, by=by, token=token)
    ),
    "set_automation": Again(
        _living("source"),
        lambda one, by, token: personas.set_automation(
            one.source, one.params["automation_mode"], by=by, token=token
        ),
    ),
    "add_target": Again(_account, _linked_again),
    "remove_target": Again(
        _target, lambda one, by, token: personas.unlink_account(_target(one), by=by, token=token)
    ),
    "set_reload": Again(lambda one: one, _reload_again),
}


# ---- in words ------------------------------------------------------------------------------------


def known(operation: Operation) -> str:
    """Where the operation stands, as a sentence or two for a person."""
    return KNOWN[operation.state](operation)


def _queued(operation: Operation) -> str:
    if operation.hold_id and operation.not_before is None:
        return f"Held until {operation.by_label} sends it. Nothing has left yet."
    if operation.hold_id and operation.attempts == 0:
        at = timezone.localtime(operation.not_before)
        return f"Held until {at:%H:%M:%S}; until then it can be taken back in the tray."
    return operation.reason or "It is sent next."


def _blocked(operation: Operation) -> str:
    if operation.blocked_by != "restore":
        cure = f" {ROLE_BACK}" if is_role_lost(operation) else ""
        return f"{_full(operation.reason)} It is kept and has not been sent.{cure}"
    is_looked_for = operation.look_at is not None
    return f"{_full(operation.reason)}{' It is being looked for.' if is_looked_for else ''}"


def _succeeded(operation: Operation) -> str:
    return operation.reason or "The service answered that it was done."


def _absent(operation: Operation) -> str:
    return operation.reason or "It was looked for at the service and has not happened. Nothing was charged."


def _full(text: str) -> str:
    """A reason as a sentence, whoever wrote it."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


KNOWN = {
    "queued": _queued,
    "blocked": _blocked,
    "sending": lambda operation: "It has been sent; the answer is awaited.",
    "succeeded": _succeeded,
    "failed": lambda operation: f"{_full(operation.reason)} Nothing happened at the service.",
    "unknown": lambda operation: f"It was sent and no usable answer came. {operations.doubt(operation)}",
    "absent": _absent,
    "cancelled": lambda operation: "Taken back before it was sent. Nothing happened at the service.",
}
KNOWN = Known(KNOWN, lambda state: lambda operation: NEWER)
