"""What costs money at the service: generate, clone, regenerate, retry, convert a voice. And delete."""

import re
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import transaction

from reviewqueue.clock import now, wait
from reviewqueue.models import (
    Decision,
    GeneratedPost,
    MediaItem,
    Member,
    Operation,
    Persona,
    SourcePost,
    Workspace,
)
from reviewqueue.models.base import held
from reviewqueue.rules import bills, money
from reviewqueue.rules.cadence import DAY, PUBLIC_LOCK_DAYS
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import desk, events, holds, mirroring, operations, pricing
from reviewqueue.services.access import AlreadyOpen, Stale, require
from reviewqueue.services.kinds import KINDS

LINK = re.compile(r"^/(?:[\w.]+/)?(p|reel|reels)/([\w-]{3,40})/?$")


# ---- new posts ----------------------------------------------------------------------------------


@transaction.atomic
def generate(
    source: SourcePost, persona: Persona, *, by: Member, token: uuid.UUID, batch: uuid.UUID | None = None
) -> Operation:
    """Ask for a new post in the persona's style; it stands in the queue at once, as queued.

    Raises NotPermitted, TooExpensive, AlreadyOpen if the same source post is just being asked for.
    """
    require(by, "generate")
    pressed = Operation.objects.filter(token=token, kind="generate", target=source.upstream_id).first()
    if pressed:
        return pressed
    source = desk.lock_source(source.pk)
    estimate = pricing.cost_of_source(source, persona, pricing.prices(by.workspace))
    pricing.check_affordable(by.workspace, estimate)
    params = {"source_post_id": source.upstream_id, "persona_id": persona.upstream_id}
    label = f"@{source.handle} as {persona.name}"
    return _ask(
        "generate",
        persona,
        source,
        by=by,
        token=token,
        target=source.upstream_id,
        params=params,
        label=label,
        estimate=estimate,
        event="post.generated",
        batch=batch,
    )


@transaction.atomic
def clone(url: str, persona: Persona, *, by: Member, token: uuid.UUID) -> Operation:
    """Fetch a post by its link and generate from it in one step.

    Raises NotPermitted, NotAllowed for a link that is none of a post, TooExpensive, AlreadyOpen.
    """
    require(by, "generate")
    code = short_code(url)
    target = f"{persona.upstream_id}:{code}"
    pressed = Operation.objects.filter(token=token, kind="clone", target=target).first()
    if pressed:
        return pressed
    known = held(by.workspace.source_posts.filter(url__contains=f"/{code}/")).first()
    estimate = money.clone(pricing.prices(by.workspace), discount=persona.discount_mode)
    pricing.check_affordable(by.workspace, estimate)
    params = {"url": f"https://www.instagram.com/p/{code}/", "persona_id": persona.upstream_id}
    return _ask(
        "clone",
        persona,
        known,
        by=by,
        token=token,
        target=target,
        params=params,
        label=f"{persona.name} (link {code})",
        estimate=estimate,
        event="link.cloned",
    )


def short_code(url: str) -> str:
    """The code in a link to a post. Raises NotAllowed if it is not a link to an Instagram post."""
    text = url.strip()
    try:
        parts = urlsplit(text if "//" in text else f"https://{text}")
        host, found = parts.hostname, LINK.match(parts.path) if parts.scheme in ("http", "https") else None
    except ValueError:  # a bracket in the wrong place
        host, found = None, None
    if host not in ("instagram.com", "www.instagram.com", "m.instagram.com") or not found:
        raise NotAllowed(
            "That is not a link to an Instagram post. It looks like instagram.com/p/… or /reel/…."
        )
    return found.group(2)


def _ask(
    kind, persona, source, *, by, token, target, params, label, estimate, event, batch=None
) -> Operation:
    post = GeneratedPost(
        workspace_id=by.workspace_id,
        persona=persona,
        source_post=source,
        upstream_id="",
        number=mirroring.number_for(by.workspace_id),
        kind=source.kind if source else "image",
        made_at=now(),
        asked_at=now(),
        seen_at=now(),
        version=0,
    )
    post.save()
    operation, made = operations.queue(
        kind,
        by=by,
        target=target,
        label=label,
        token=token,
        params=params,
        batch=batch,
        estimated_cents=estimate.high_cents,
        post=post,
        persona=persona,
        source_post=source,
    )
    if not made:
        transaction.set_rollback(True)
        return operation
    events.record(
        event,
        by=by,
        subject=label,
        post=post,
        persona=persona,
        operation=operation,
        cents=estimate.high_cents,
    )
    desk.settle(desk.lock(post.pk), touched=True)
    if source:
        desk.refresh_source(source.pk)
    return operation


# ---- several at once ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Bill:
    """What generating would come to, before the yes."""

    lines: list[bills.Line]
    total: money.Estimate
    reserved_cents: int  # of the balance, by what is under way already
    balance_after: int | None  # None: the balance or the price is not known
    shortage: str  # why the balance does not cover it, "" if it does


def bill(wishes: list[tuple[SourcePost, Persona]], workspace: Workspace) -> Bill:
    """What making each source post for its persona would cost now."""
    price = pricing.prices(workspace)
    parts = [
        bills.Part(media_type, seconds, persona.discount_mode)
        for source, persona in wishes
        for media_type, seconds in source.face.get("items", [])
    ]
    total = money.NOTHING
    for source, persona in wishes:
        total += pricing.cost_of_source(source, persona, price)
    return _bill(workspace, bills.lines(price, parts), total)


def _bill(workspace: Workspace, lines: list[bills.Line], total: money.Estimate) -> Bill:
    reserved = pricing.reserved_cents(workspace)
    after, shortage = None, ""
    if workspace.balance_cents is not None and total.known:
        left = workspace.balance_cents - reserved
        after = left - total.high_cents
        if after < 0 and not workspace.auto_reload:
            have = money.dollars(max(0, left))
            shortage = f"Not enough balance: this costs {total.text()}, you have {have}."
    return Bill(lines, total, reserved, after, shortage)


@dataclass(frozen=True)
class Outcome:
    source: SourcePost
    operation: Operation | None
    reason: str = ""  # why nothing is made of it


def generate_many(wishes: list[tuple[SourcePost, Persona]], *, by: Member, token: uuid.UUID) -> list[Outcome]:
    """Each source post in a transaction of its own, so that one refusal stops nothing else.

    They are one batch: if the balance runs out in the middle, the rest waits. Raises NotPermitted.
    """
    require(by, "generate")
    batch = token if len(wishes) > 1 else None
    outcomes = []
    for source, persona in wishes:
        try:
            operation = generate(source, persona, by=by, token=token, batch=batch)
            outcomes.append(Outcome(source, operation))
        except NotAllowed as error:
            outcomes.append(Outcome(source, None, str(error)))
    return outcomes


# ---- again --------------------------------------------------------------------------------------


@transaction.atomic
def regenerate_post(
    post: GeneratedPost,
    *,
    by: Member,
    token: uuid.UUID,
    failed_only: bool = False,
    batch: uuid.UUID | None = None,
) -> Operation:
    """Make the whole post anew at the full price, or only what failed.

    Raises NotPermitted, NotAllowed (published already, nothing failed), TooExpensive, AlreadyOpen.
    """
    require(by, "regenerate")
    kind = "retry_failed" if failed_only else "regenerate_post"
    post = desk.lock(post.pk)
    pressed = Operation.objects.filter(token=token, kind=kind, target=post.upstream_id).first()
    if pressed:
        return pressed
    wanted = _remade(post, list(post.items.current()), failed_only)
    estimate = pricing.cost_of_items(wanted, post.persona, pricing.prices(post.workspace))
    pricing.check_affordable(post.workspace, estimate)
    label = desk.label_of(post)
    operation, made = operations.queue(
        kind,
        by=by,
        target=post.upstream_id,
        label=label,
        token=token,
        batch=batch,
        estimated_cents=estimate.high_cents,
        post=post,
        persona=post.persona,
    )
    if made:
        event = "post.retried" if failed_only else "post.regenerated"
        events.record(
            event,
            by=by,
            subject=label,
            post=post,
            persona=post.persona,
            operation=operation,
            cents=estimate.high_cents,
        )
        desk.settle(post, touched=True)
    return operation


def _remade(post: GeneratedPost, items: list[MediaItem], failed_only: bool) -> list[MediaItem]:
    """The items that would be made. Raises NotAllowed if the post cannot be made anew."""
    if not post.upstream_id:
        raise NotAllowed("The service has not made this post yet.")
    if post.review_status == "published" or post.desk in ("published", "publishing"):
        raise NotAllowed("It is published; what is out cannot be made anew.")
    wanted = [item for item in items if item.status == "failed"] if failed_only else items
    if failed_only and not wanted:
        raise NotAllowed("Nothing failed in this post.")
    return wanted


@dataclass(frozen=True)
class Remaking:
    """What making several posts anew, or what failed in them, would come to before the yes."""

    posts: list[GeneratedPost]  # those of which something would be made
    items: int
    bill: Bill
    left_out: list["Again"]  # each with its reason


@dataclass(frozen=True)
class Again:
    post: GeneratedPost
    operation: Operation | None
    reason: str = ""  # why it is not made anew


def remaking(posts: list[GeneratedPost], workspace: Workspace, *, failed_only: bool) -> Remaking:
    """The bill of `regenerate_many`. `posts` come with their persona and current items."""
    price = pricing.prices(workspace)
    able, parts, left_out, total = [], [], [], money.NOTHING
    for post in posts:
        try:
            if post.desk in BUSY:
                raise NotAllowed(BUSY[post.desk])
            wanted = _remade(post, post.current_items, failed_only)
        except NotAllowed as error:
            left_out.append(Again(post, None, str(error)))
            continue
        able.append(post)
        discount = bool(post.persona and post.persona.discount_mode)
        parts += [bills.Part(item.media_type, item.duration_seconds, discount) for item in wanted]
        total += pricing.cost_of_items(wanted, post.persona, price)
    return Remaking(able, len(parts), _bill(workspace, bills.lines(price, parts), total), left_out)


BUSY = {
    "pending": "It is being made just now.",
    "generating": "It is being made just now.",
    "held": "A decision on it is held.",
    "sending": "A decision on it is being sent.",
}


def regenerate_many(
    posts: list[GeneratedPost], *, by: Member, token: uuid.UUID, failed_only: bool = False
) -> list[Again]:
    """Each post in a transaction of its own, so that one refusal stops nothing else.

    They are one batch: if the balance runs out in the middle, the rest waits. Raises NotPermitted.
    """
    require(by, "regenerate")
    batch = token if len(posts) > 1 else None
    outcomes = []
    for post in posts:
        try:
            operation = regenerate_post(post, by=by, token=token, failed_only=failed_only, batch=batch)
            outcomes.append(Again(post, operation))
        except NotAllowed as error:
            outcomes.append(Again(post, None, str(error)))
    return outcomes


@transaction.atomic
def regenerate_item(item: MediaItem, *, by: Member, token: uuid.UUID) -> Operation:
    """Make one item anew; held, as it can be taken back until then.

    If its rejection is still held, this takes that rejection's place at the service: its operation is
    cancelled, decision and reason stay. Raises NotPermitted, NotAllowed, TooExpensive, AlreadyOpen.
    """
    require(by, "regenerate")
    post, item, pressed = _item(item, "regenerate_item", token)
    if pressed:
        return pressed
    if not item.is_ended:
        raise NotAllowed("It is being made just now.")
    taken_over = [rejection.pk for rejection in _held_rejections(item) if operations.cancel(rejection, by=by)]
    estimate = pricing.cost_of_items([item], post.persona, pricing.prices(post.workspace))
    pricing.check_affordable(post.workspace, estimate)
    what = f"Regenerate for {estimate.text().removeprefix('about ')}" if estimate.known else "Regenerate"
    hold = holds.begin(by, what, item.label)
    # The reason stays; to take the regeneration back is to take the rejection back with it.
    Decision.objects.filter(operation__in=taken_over).update(operation=None, hold=hold)
    return _on_item("regenerate_item", post, item, by, token, hold, estimate, "item.regenerated")


def _held_rejections(item: MediaItem):
    return Operation.objects.filter(item=item, kind="reject_item", state__in=("queued", "blocked"))


@transaction.atomic
def convert_voice(item: MediaItem, *, by: Member, token: uuid.UUID) -> Operation:
    """Speak a completed video in the persona's voice; held. Raises as regenerate_item."""
    require(by, "voice.convert")
    post, item, pressed = _item(item, "voice_convert", token)
    if pressed:
        return pressed
    if item.media_type != "video" or not item.is_complete:
        raise NotAllowed("Only a finished video has a voice to convert.")
    if post.persona and not post.persona.has_voice:
        raise NotAllowed(f"{post.persona.name} has no voice sample. Upload one at the service first.")
    if item.voice_conversion_status and item.voice_conversion_status not in ("completed", "failed"):
        raise NotAllowed("Its voice is being converted just now.")
    estimate = money.voice(pricing.prices(post.workspace), item.duration_seconds)
    pricing.check_affordable(post.workspace, estimate)
    hold = holds.begin(by, f"Convert voice, {estimate.text()}", item.label)
    return _on_item("voice_convert", post, item, by, token, hold, estimate, "voice.converted")


def _item(item: MediaItem, kind: str, token: uuid.UUID) -> tuple[GeneratedPost, MediaItem, Operation | None]:
    """The held post, its fresh item, and the operation of an earlier press of the same button."""
    post = desk.lock(item.post_id)
    item = post.items.select_related("file").get(pk=item.pk)
    pressed = Operation.objects.filter(token=token, kind=kind, target=item.upstream_id).first()
    if pressed and pressed.state == "cancelled":
        raise Stale("It was asked for from this page before, and taken back. Nothing was sent.")
    if pressed is None:
        if not item.is_current:
            raise Stale("This version was replaced while you looked. Nothing was sent.")
        if post.operations.open().filter(lock_group="decide").exists():
            raise AlreadyOpen(operations.in_the_way(post.workspace_id, "decide", post.upstream_id))
        if post.review_status == "published" or post.desk in ("published", "publishing"):
            raise NotAllowed("The post is published; its items stay as they are.")
    return post, item, pressed


def _on_item(kind, post, item, by, token, hold, estimate, event) -> Operation:
    label = f"item {item.label} of {desk.label_of(post)}"
    operation, _ = operations.queue(
        kind,
        by=by,
        target=item.upstream_id,
        label=label,
        token=token,
        hold=hold,
        estimated_cents=estimate.high_cents if estimate else None,
        post=post,
        item=item,
        persona=post.persona,
    )
    post.items.filter(pk=item.pk).update(changed_in=post.version + 1)
    events.record(
        event,
        by=by,
        subject=label,
        post=post,
        persona=post.persona,
        operation=operation,
        cents=estimate.high_cents if estimate else None,
    )
    desk.settle(post, touched=True)
    return operation


@transaction.atomic
def set_public(item: MediaItem, is_public: bool, *, by: Member, token: uuid.UUID) -> Operation:
    """Show an item to anybody, or hide it; held. A discounted item stays public for 20 days once it is.

    Raises NotAllowed also while the opposite wish may still take effect.
    """
    require(by, "item.visibility")
    kind = "set_public" if is_public else "set_private"
    post, item, pressed = _item(item, kind, token)
    if pressed:
        return pressed
    if not item.is_complete:
        raise NotAllowed("It can be shown once it is ready.")
    if item.is_public == is_public:
        raise NotAllowed("It is so already.")
    until = locked_until(item)
    if not is_public and until:
        raise NotAllowed(f"Public until {until:%-d %B}. Discount items cannot be made private for 20 days.")
    operations.check_opposite(kind, item)
    hold = holds.begin(by, KINDS[kind].did, item.label)
    event = "item.published_openly" if is_public else "item.hidden"
    return _on_item(kind, post, item, by, token, hold, None, event)


def locked_until(item: MediaItem):
    """When a discounted public item may be hidden again; None if it may now."""
    if not (item.is_public and item.discount_applied and item.public_at):
        return None
    until = item.public_at + wait(PUBLIC_LOCK_DAYS * DAY)
    return until if until > now() else None


def would_be_locked_until():
    """When a discounted item that is made public now may be hidden again."""
    return now() + wait(PUBLIC_LOCK_DAYS * DAY)


# ---- away ---------------------------------------------------------------------------------------


@transaction.atomic
def delete_post(post: GeneratedPost, *, by: Member, token: uuid.UUID) -> Operation | None:
    """Delete a post and its items at the service (soft: billing stays, the source can be used again).

    One that the service never made is only taken off the desk. Raises NotPermitted, AlreadyOpen.
    """
    require(by, "post.delete")
    post = desk.lock(post.pk)
    label = desk.label_of(post)
    if not post.upstream_id:
        if post.operations.open().exists():
            raise AlreadyOpen("It is not known yet whether the service is making it.")
        if post.source_post_id:
            desk.lock_source(post.source_post_id)
        post.deleted_at = now()
        post.save(update_fields=["deleted_at"])
        events.record("post.deleted", by=by, subject=label, post=post, persona=post.persona)
        desk.settle(post, touched=True)
        if post.source_post_id:
            desk.refresh_source(post.source_post_id)
        return None
    operation, made = operations.queue(
        "delete_post",
        by=by,
        target=post.upstream_id,
        label=label,
        token=token,
        post=post,
        persona=post.persona,
    )
    if made:
        events.record(
            "post.deleted", by=by, subject=label, post=post, persona=post.persona, operation=operation
        )
        desk.settle(post, touched=True)
    return operation


@transaction.atomic
def delete_item(item: MediaItem, *, by: Member, token: uuid.UUID) -> Operation:
    """Delete one item at the service. Raises NotPermitted, NotAllowed for the last one, AlreadyOpen."""
    require(by, "post.delete")
    post, item, pressed = _item(item, "delete_item", token)
    if pressed:
        return pressed
    if not operations.staying(post).exclude(pk=item.pk).exists():
        raise NotAllowed("It is the only item left. Delete the post instead.")
    label = f"item {item.label} of {desk.label_of(post)}"
    operation, _ = operations.queue(
        "delete_item",
        by=by,
        target=item.upstream_id,
        label=label,
        token=token,
        post=post,
        item=item,
        persona=post.persona,
    )
    events.record("item.deleted", by=by, subject=label, post=post, persona=post.persona, operation=operation)
    desk.settle(post, touched=True)
    return operation
