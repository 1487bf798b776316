"""What the service says → mirror rows. Nothing else writes them.

Each function takes what the client returned. They may run twice and in any order: the newest reading
wins, and a person's decision cannot be undone by one, as it is another row.
"""

import hashlib
import json
import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from reviewqueue.clock import age, now
from reviewqueue.models import (
    Charge,
    ConnectedAccount,
    Delivery,
    GeneratedPost,
    MediaItem,
    OutgoingPost,
    Persona,
    PublishingTarget,
    Source,
    SourceMedia,
    SourcePost,
    SyncJob,
    Workspace,
)
from reviewqueue.models.base import held
from reviewqueue.rules import cadence
from reviewqueue.rules.states import DESK_TABS, SYNC_ENDED, VOICE_ENDED
from reviewqueue.services import desk, events, media, pricing, scopes

log = logging.getLogger("loupe.mirroring")

LAST_POSITION = 32_767  # what the column holds; whoever claims more items stands at the end


def cut(text: str | None, longest: int) -> str:
    return (text or "")[:longest]


def mark_of(remote) -> str:
    """A hash of what the service said, without the signatures of its links (they change with every read)."""

    def plain(value):
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            return media.path_of(value)
        return value

    def walk(value):
        if isinstance(value, dict):
            return {key: walk(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [walk(part) for part in value]
        return plain(value)

    text = json.dumps(walk(asdict(remote)), sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def is_older(at: datetime, *known: datetime | None) -> bool:
    """Whether a reading that began at `at` is older than what is known. A moment that is still to come was
    written by a clock that was wrong; by it nothing would be taken as read until then.
    """
    latest = now()
    return any(at < moment <= latest for moment in known if moment)


def changed(row, **facts) -> bool:
    """Set what differs. True if anything did."""
    moved = [name for name, value in facts.items() if getattr(row, name) != value]
    for name in moved:
        setattr(row, name, facts[name])
    return bool(moved)


# ---- personas, sources, accounts -------------------------------------------------------------


def personas(workspace: Workspace, remotes, *, complete: bool) -> list[Persona]:
    """Mirror the personas, each in a transaction of its own (see `scopes.bump`).

    With `complete`, one that is no longer listed is marked as gone.
    """
    at = now()
    rows = {row.upstream_id: row for row in workspace.personas.all()}
    seen = []
    for remote in remotes:
        seen.append(persona(workspace, remote, row=rows.get(remote.id), at=at))
    if complete:
        gone = [row.pk for row in rows.values() if row.gone_at is None and row not in seen]
        if gone:
            with transaction.atomic():
                Persona.objects.filter(pk__in=gone).update(gone_at=at)
                scopes.bump(workspace.pk)
    return seen


@transaction.atomic
def persona(workspace: Workspace, remote, *, row: Persona | None = None, at=None) -> Persona:
    at = at or now()
    row = row or workspace.personas.filter(upstream_id=remote.id).first()
    is_new = row is None
    row = row or Persona(workspace=workspace, upstream_id=remote.id, seen_at=at)
    renamed = not is_new and row.name != cut(remote.name, 200)
    facts = {
        "name": cut(remote.name, 200),
        "writing_style": remote.writing_style or "",
        "discount_mode": bool(remote.discount_mode),
        "has_voice": bool(remote.voice_sample_url),
        "voice_name": cut(urlsplit(remote.voice_sample_url or "").path.rsplit("/", 1)[-1], 200),
        "created_at": remote.created_at,
        "gone_at": None,
    }
    moved = changed(row, **facts)
    row.seen_at = at
    row.save(update_fields=None if is_new else [*facts, "seen_at"])  # others write its other fields
    if is_new:
        scopes.ensure(workspace.pk, scopes.persona_key(row.pk))
    if is_new or moved:
        scopes.bump(workspace.pk, row.pk)
    if renamed:
        transaction.on_commit(lambda: refresh_posts_of(row))
    return row


@transaction.atomic
def sources(owner: Persona, remotes, *, complete: bool = True) -> list[Source]:
    """Mirror the sources of a persona. With `complete`, one that is no longer listed is taken away."""
    at = now()
    rows = {row.upstream_id: row for row in owner.sources.all()}
    kept, moved = [], False
    for remote in remotes:
        row = rows.get(remote.id) or Source(
            workspace_id=owner.workspace_id, persona=owner, upstream_id=remote.id, seen_at=at
        )
        moved |= row._state.adding | changed(
            row,
            persona=owner,
            creator_id=remote.creator_id or "",
            platform=cut(remote.platform, 20) or "instagram",
            handle=cut(remote.handle, 200),
            automation_mode=cut(remote.automation_mode, 20) or "sync_only",
            status=cut(remote.status, 40),
            last_synced_at=remote.last_synced_at,
            content_count=remote.content_count,
        )
        row.seen_at = at
        row.save()
        kept.append(row.pk)
    removed = complete and owner.sources.exclude(pk__in=kept).delete()[0]
    if moved or removed:
        scopes.bump(owner.workspace_id, owner.pk)
    return list(owner.sources.all())


@transaction.atomic
def accounts(workspace: Workspace, remotes, *, complete: bool) -> None:
    at = now()
    kept = []
    for remote in remotes:
        row, _ = ConnectedAccount.objects.update_or_create(
            workspace=workspace,
            upstream="reelmirror",
            upstream_id=remote.id,
            defaults={
                "platform": cut(remote.platform, 20) or "instagram",
                "username": cut(remote.username, 200),
                "status": cut(remote.status, 40) or "active",
                "connected_at": remote.connected_at,
                "seen_at": at,
            },
        )
        kept.append(row.pk)
    if complete:
        workspace.accounts.exclude(pk__in=kept).delete()


def targets(owner: Persona, remotes, *, complete: bool = True) -> None:
    """Mirror where a persona publishes to. If that moved, its posts are worked out anew: they show it.

    With `complete`, an account that is no longer listed is not published to any more.
    """
    at = now()
    with transaction.atomic():
        owner = held(Persona.objects).get(pk=owner.pk)
        known = {
            row.upstream_id: row for row in ConnectedAccount.objects.filter(workspace_id=owner.workspace_id)
        }
        kept = []
        for remote in remotes:
            account = known.get(remote.connected_account_id) or _account_of(owner, remote, at)
            row, _ = PublishingTarget.objects.update_or_create(
                persona=owner,
                account=account,
                defaults={
                    "workspace_id": owner.workspace_id,
                    "upstream_id": remote.id or account.upstream_id,
                    "seen_at": at,
                },
            )
            kept.append(row.pk)
        if complete:
            owner.targets.exclude(pk__in=kept).delete()
        linked = owner.targets.select_related("account").order_by("account__username")
        names = [target.account.username for target in linked if target.account.is_active]
        moved = changed(owner, accounts=names)
        owner.targets_seen_at = at
        owner.save(update_fields=["accounts", "targets_seen_at"])
        if moved:
            scopes.bump(owner.workspace_id, owner.pk)
    if moved:
        refresh_posts_of(owner)


def _account_of(owner: Persona, remote, at) -> ConnectedAccount:
    """A target may name an account that the list of accounts did not (yet) hold."""
    return ConnectedAccount.objects.create(
        workspace_id=owner.workspace_id,
        upstream_id=remote.connected_account_id,
        platform=cut(remote.platform, 20) or "instagram",
        username=cut(remote.username, 200) or "account",
        seen_at=at,
    )


def refresh_posts_of(owner: Persona) -> None:
    """Work out anew what is still open of a persona's posts (its name or its accounts changed)."""
    settled = ("published", "rejected")
    for post_id in owner.posts.filter(deleted_at=None).exclude(desk__in=settled).values_list("pk", flat=True):
        desk.refresh(post_id)


# ---- source posts ----------------------------------------------------------------------------


def source_posts(workspace: Workspace, remotes) -> int:
    """Mirror pulled posts. Returns how many were new."""
    remotes = {remote.id: remote for remote in remotes}.values()  # a list may repeat a row between its pages
    known = {
        row.upstream_id: row
        for row in SourcePost.objects.filter(
            workspace=workspace, upstream_id__in=[remote.id for remote in remotes]
        ).prefetch_related("media__file")
    }
    handles = dict(workspace.sources.values_list("creator_id", "handle"))
    fresh = 0
    for remote in remotes:
        row = known.get(remote.id)
        fresh += row is None
        if row is None or _source_post_moved(row, remote, handles):
            source_post(workspace, remote, handles)
    return fresh


def _source_post_moved(row: SourcePost, remote, handles) -> bool:
    return (
        row.caption != (remote.caption or "")
        or row.handle != handles.get(remote.creator_id or "", row.handle)
        or len(row.media.all()) != len(remote.media_items)
        or any(
            part.file is None or part.file.state == "wanted" or part.file.origin != media.path_of(shown.url)
            for part, shown in zip(row.media.all(), remote.media_items, strict=False)
        )
    )


@transaction.atomic
def source_post(workspace: Workspace, remote, handles: dict[str, str]) -> SourcePost:
    at = now()
    parts = remote.media_items
    row = held(SourcePost.objects.filter(workspace=workspace, upstream_id=remote.id)).first()
    row = row or SourcePost(workspace=workspace, upstream_id=remote.id, version=0, posted_at=at)
    row.creator_id = remote.creator_id or ""
    row.handle = cut(handles.get(row.creator_id, row.handle), 200)
    row.platform = cut(remote.platform, 20) or "instagram"
    row.platform_post_id = cut(remote.platform_post_id, 128)
    row.caption = remote.caption or ""
    row.url = cut(remote.url, 600)
    row.posted_at = remote.posted_at or remote.created_at or row.posted_at
    row.kind = (
        "carousel" if len(parts) > 1 else ("video" if parts and parts[0].media_type == "video" else "image")
    )
    row.seen_at = at
    row.save()
    shown = {known.position: known for known in row.media.select_related("file")}
    for position, part in enumerate(parts):
        link = part.url or (remote.thumbnail_url if position == 0 else None)
        old = shown.get(position)
        file, next_file = media.renewed(workspace, old.file if old else None, link)
        SourceMedia.objects.update_or_create(
            post=row,
            position=position,
            defaults={
                "media_type": cut(part.media_type, 10) or "image",
                "duration_seconds": part.duration_seconds,
                "file": file,
                "next_file": next_file,
            },
        )
    row.media.filter(position__gte=len(parts)).delete()
    desk.settle_source(row)
    return row


# ---- generated posts -------------------------------------------------------------------------


def number_for(workspace_id) -> int:
    """The next number of a generated post; the workspace's row is held until the transaction ends."""
    workspace = held(Workspace.objects).get(pk=workspace_id)
    Workspace.objects.filter(pk=workspace_id).update(next_number=F("next_number") + 1)
    return workspace.next_number


def generated_posts(owner: Persona, remotes, *, at: datetime | None = None) -> int:
    """Mirror a page of a persona's posts. Returns how many moved."""
    at = at or now()
    known = {
        row.upstream_id: row
        for row in owner.workspace.posts.filter(upstream_id__in=[remote.id for remote in remotes])
    }
    moved, same = 0, []
    for remote in remotes:
        row = known.get(remote.id)
        is_same = row and row.mark == mark_of(remote) and row.deleted_at is None
        is_same = is_same and row.trouble != "stuck"  # its row says when it is looked at again
        if is_same and (row.desk not in DESK_TABS["generating"] or _is_under_way(row, remote)):
            same.append(row.pk)
        else:
            moved += generated_post(owner.workspace, remote, owner=owner, at=at)
    _seen_again(same, at)
    fresh = [remote.id for remote in remotes if remote.id not in known]
    if fresh:
        claim_charges(owner.workspace, owner.workspace.charges.filter(post_upstream_id__in=fresh))
    return moved


def _is_under_way(row: GeneratedPost, remote) -> bool:
    """Nothing of it has come yet; of what has, a newer link may be told while the file is not here."""
    waits = ("pending", "generating")
    return row.status == remote.status in waits and all(item.status in waits for item in remote.media_items)


@transaction.atomic
def _seen_again(post_ids: list, at: datetime) -> None:
    """Mark unchanged posts as read; held in the order of their ids, as by whoever takes several back."""
    older = Q(looked_at=None) | Q(looked_at__lt=at) | Q(looked_at__gt=now())
    rows = held(GeneratedPost.objects.filter(older, pk__in=post_ids)).order_by("pk")
    ids = list(rows.values_list("pk", flat=True))
    GeneratedPost.objects.filter(pk__in=ids).update(looked_at=at, seen_at=at)


def generated_post(workspace: Workspace, remote, *, owner: Persona | None = None, at=None) -> bool:
    """Mirror one post and its items as read at `at` (when the reading began). True if anything moved.

    The newest reading wins. One that began before the service answered an operation of ours is older than
    what we know, too.
    """
    try:
        return _generated_post(workspace, remote, owner, at or now())
    except IntegrityError:  # somebody else wrote its row in the same moment
        return _generated_post(workspace, remote, owner, at or now())


@transaction.atomic
def _generated_post(workspace: Workspace, remote, owner: Persona | None, at: datetime) -> bool:
    found = workspace.posts.filter(upstream_id=remote.id).values_list("pk", flat=True).first()
    post = desk.lock(found) if found else None
    is_new = post is None
    if post and is_older(at, post.looked_at, post.told_at):
        return False
    origin = _source_of(workspace, remote, post)
    post = post or _new_post(workspace, remote, owner, at)
    was_ended, was_published = post.is_ended, post.review_status == "published"
    outside = "" if is_new else _changed_outside(post, remote)
    moved = changed(
        post,
        status=cut(remote.status, 20),
        review_status=cut(remote.review_status, 20) or "pending_review",
        caption=remote.caption if remote.caption is not None else post.caption,
        error_message=cut(remote.error_message, 500),
        total_cost_cents=remote.total_cost_cents,
        outgoing_upstream_id=cut(remote.outgoing_post_id, 128),
        changed_at=remote.updated_at,
        source_post=origin,
        mark=mark_of(remote),
        deleted_at=None,
    )
    post.seen_at = post.looked_at = at
    post.save()
    moved |= _items(post, remote.media_items, at)
    if was_ended and not post.is_ended:
        _began_anew(post)
    if post.outgoing_upstream_id:
        _expect_outgoing(post, at)
    settled = desk.settle(post, touched=is_new or moved, at=at)
    if outside:
        _say_outside(post, outside)
    if post.review_status == "published" and not was_published and not _is_history(post):
        _say_published(post)
    if settled and origin:
        desk.settle_source(origin)
    return settled


def _new_post(workspace: Workspace, remote, owner: Persona | None, at: datetime) -> GeneratedPost:
    if owner is None and remote.persona_id:
        owner = workspace.personas.filter(upstream_id=remote.persona_id).first()
    return GeneratedPost(
        workspace=workspace,
        persona=owner,
        upstream_id=remote.id,
        number=number_for(workspace.pk),
        made_at=remote.created_at or at,
        asked_at=remote.created_at or at,
        seen_at=at,
        version=0,
    )


def _source_of(workspace: Workspace, remote, post: GeneratedPost | None) -> SourcePost | None:
    """Its source post, held as the post is; the field is inferred, so what we knew before stays."""
    found = workspace.source_posts.filter(upstream_id=remote.source_post_id or "")
    if not remote.source_post_id and post:
        found = SourcePost.objects.filter(pk=post.source_post_id)
    return held(found).first()


# Which operation of ours leads to which review status; how a post came to be published is told apart.
LEADS_TO = {
    "approved": ("send_to_compose",),
    "rejected": ("reject", "reject_item"),
    "pending_review": ("regenerate_post", "retry_failed", "regenerate_item"),
}
SENT = ("sending", "unknown", "succeeded")


def _changed_outside(post: GeneratedPost, remote) -> str:
    """Words for a change of caption or review that nothing of ours asked for; "" if there is none.

    What an operation is known to have done stands in the mirror already, so only those count whose answer
    is still out.
    """
    ours = set(post.operations.filter(state__in=("sending", "unknown")).values_list("kind", flat=True))
    review = remote.review_status or "pending_review"
    told = review in ("published", post.review_status) or ours & set(LEADS_TO.get(review, ()))
    if not told:
        return f"it is now {review.replace('_', ' ')}"
    if post.is_ended and post.caption and remote.caption != post.caption and "regenerate_post" not in ours:
        return "its caption"
    return ""


def _say_outside(post: GeneratedPost, what: str) -> None:
    subject = desk.label_of(post)
    facts = {"by_label": events.SERVICE, "subject": subject, "post": post, "persona": post.persona}
    events.record("post.outside", post.workspace, what=what, **facts)


def _say_published(post: GeneratedPost) -> None:
    """It is out, and nobody decided so here: the automation went round the reviewers, or somebody outside."""
    if post.operations.filter(kind__in=("approve", "send_to_compose"), state__in=SENT).exists():
        return
    creator = post.source_post.creator_id if post.source_post else ""
    followed = post.persona.sources.filter(creator_id=creator) if post.persona and creator else []
    if any(source.skips_review for source in followed):
        facts = {"subject": desk.label_of(post), "post": post, "persona": post.persona}
        events.record("post.unreviewed", post.workspace, by_label=events.SERVICE, **facts)
    else:
        _say_outside(post, "it is now published")


def _is_history(post: GeneratedPost) -> bool:
    """Read with the very first walk through its persona's list: it was so before anybody looked."""
    return post.version <= 1 and not (post.persona and post.persona.posts_walked_at)


def _began_anew(post: GeneratedPost) -> None:
    """It was over, and something of it runs: made anew outside, unless an operation of ours says when."""
    running = [item.asked_at for item in post.items.current() if not item.is_ended]
    if running and min(running) > post.asked_at:
        post.asked_at = min(running)
        post.save(update_fields=["asked_at"])


def _items(post: GeneratedPost, remotes, at: datetime) -> bool:
    """Mirror the items; one that is replaced at the service stays here as the older version."""
    rows = list(post.items.select_related("file", "voice_file")) if post.version else []
    moved = restaged = False
    current = set()
    for index, remote in enumerate(
        sorted(remotes, key=lambda item: item.position if item.position is not None else 0)
    ):
        position = min(remote.position if remote.position is not None else index, LAST_POSITION)
        row = max(
            (row for row in rows if row.upstream_id == remote.id), key=lambda row: row.take, default=None
        )
        if row and _starts_over(row, remote):
            row = None
        if row is None:
            row = _new_item(post, rows, remote, position, at)
            rows.append(row)
            moved = restaged = True
        moved |= _update_item(post, row, remote, position, at)
        current.add(row.pk)
    for row in rows:
        if row.is_current != (row.pk in current):
            row.is_current = row.pk in current
            row.changed_in = post.version + 1
            row.save(update_fields=["is_current", "changed_in"])
            moved = restaged = True
    if restaged:
        post.staged_in = post.version + 1
        post.save(update_fields=["staged_in"])
    return moved


def _starts_over(row: MediaItem, remote) -> bool:
    """The same id, made anew outside: the service may keep an item's id when it regenerates it.

    (A regeneration of ours has made the new version's row already, see `new_take`.)
    """
    return row.is_ended and remote.status in ("pending", "generating")


def _new_item(post: GeneratedPost, rows: list[MediaItem], remote, position: int, at: datetime) -> MediaItem:
    earlier = [row.take for row in rows if row.position == position]
    is_known = any(row.upstream_id == remote.id for row in rows)  # made anew under the same id, just now
    row = MediaItem(
        post=post,
        upstream_id=remote.id,
        position=position,
        take=1 + max(earlier, default=0),
        asked_at=at if is_known else remote.created_at or at,
        seen_at=at,
    )
    row.save()
    return row


def _update_item(post: GeneratedPost, row: MediaItem, remote, position: int, at: datetime) -> bool:
    workspace = post.workspace
    was_ended, was_public, was_voice = row.is_ended, row.is_public, row.voice_conversion_status
    was_shown = (row.status, row.file, row.voice_file)
    ready = remote.status == "completed"
    file, next_file = media.renewed(workspace, row.file, remote.url if ready else None)
    voice = (
        media.want(workspace, remote.voice_converted_url) if remote.voice_converted_url else row.voice_file
    )
    voice_status = cut(remote.voice_conversion_status, 20)
    moved = changed(
        row,
        position=position,
        media_type=cut(remote.media_type, 10) or row.media_type,
        status=cut(remote.status, 20),
        review_status=cut(remote.review_status, 20) or row.review_status,
        is_public=bool(remote.is_public),
        discount_applied=bool(remote.discount_applied),
        voice_conversion_status=voice_status,
        duration_seconds=remote.duration_seconds or row.duration_seconds,
        error_message=cut(remote.error_message, 500),
        file=file,
        next_file=next_file,
        voice_file=voice,
    )
    if row.is_public and not was_public:
        row.public_at = at
    if row.is_ended and not was_ended:
        row.ended_at = at
        if row.take > 1:
            _say(post, row, "item.ready" if row.is_complete else "item.failed", at - row.asked_at)
    if voice_status != was_voice and voice_status in VOICE_ENDED and post.version:
        _say(post, row, "voice.ready" if voice_status == "completed" else "voice.failed")
    if moved:
        row.changed_in = post.version + 1
    if (row.status, row.file, row.voice_file) != was_shown:
        row.pictured_in = post.version + 1
    row.seen_at = at
    row.save()
    return moved


def new_take(item: MediaItem, upstream_id: str) -> MediaItem:
    """The item is being made anew: what is there stays as the older version. The caller holds the post.

    If a poll saw the new version before its answer was recorded, it has its row already.
    """
    post, at = item.post, now()
    versions = post.items.filter(position=item.position, upstream_id=upstream_id)
    seen = versions.filter(take__gt=item.take).order_by("-take").first()
    if seen:
        return seen
    last = post.items.filter(position=item.position).order_by("-take").first()
    post.items.filter(position=item.position, is_current=True).update(
        is_current=False, changed_in=post.version + 1
    )
    post.staged_in = post.version + 1
    post.save(update_fields=["staged_in"])
    return MediaItem.objects.create(
        post=post,
        upstream_id=upstream_id,
        position=item.position,
        take=last.take + 1,
        media_type=item.media_type,
        duration_seconds=item.duration_seconds,
        discount_applied=item.discount_applied,
        asked_at=at,
        seen_at=at,
        changed_in=post.version + 1,
        pictured_in=post.version + 1,
    )


def _say(post: GeneratedPost, row: MediaItem, name: str, took: timedelta | None = None) -> None:
    facts = {"took": f"{max(0, took.total_seconds()):.0f} s"} if name == "item.ready" else {}
    subject = f"item {row.label} of {desk.label_of(post)}"
    events.record(
        name,
        post.workspace,
        by_label=events.SERVICE,
        subject=subject,
        post=post,
        persona=post.persona,
        **facts,
    )


def _expect_outgoing(post: GeneratedPost, at: datetime) -> None:
    """The post names an outgoing post: keep a row for it, to be read by the poller."""
    status = "draft" if post.review_status == "approved" else "publishing"
    OutgoingPost.objects.get_or_create(
        workspace_id=post.workspace_id,
        upstream="reelmirror",
        upstream_id=post.outgoing_upstream_id,
        defaults={"post": post, "status": status, "asked_at": at, "seen_at": at},
    )


def post_gone(post: GeneratedPost, *, at: datetime | None = None) -> None:
    """The service no longer has the post (404, with a sister object still there), as read at `at`."""
    at = at or now()
    with transaction.atomic():
        locked = desk.lock(post.pk)
        if locked.deleted_at or is_older(at, locked.looked_at, locked.told_at):
            return
        origin = held(SourcePost.objects.filter(pk=locked.source_post_id)).first()
        locked.deleted_at = locked.looked_at = at
        locked.save(update_fields=["deleted_at", "looked_at"])
        desk.settle(locked, touched=True)
        if not locked.operations.filter(kind="delete_post", state__in=SENT).exists():
            _say_outside(locked, "it was deleted")
        if origin:
            desk.settle_source(origin)


def item_gone(item: MediaItem) -> None:
    with transaction.atomic():
        post = desk.lock(item.post_id)
        if post.items.filter(pk=item.pk, is_current=True).update(
            is_current=False, changed_in=post.version + 1
        ):
            post.mark, post.staged_in = "", post.version + 1
            post.save(update_fields=["mark", "staged_in"])
            desk.settle(post, touched=True)


# ---- jobs, deliveries, money -----------------------------------------------------------------


@transaction.atomic
def sync_job(row: SyncJob, remote) -> SyncJob:
    at = now()
    was_ended = row.status in SYNC_ENDED
    moved = changed(
        row,
        status=cut(remote.status, 20),
        creator_id=remote.creator_id or row.creator_id,
        error_message=cut(remote.error_message, 500),
        new_posts_count=remote.new_posts_count,
    )
    ended = row.status in SYNC_ENDED
    row.ended_at = (row.ended_at or at) if ended else None
    row.seen_at = at
    row.save()
    if moved:
        scopes.bump(row.workspace_id, row.persona_id)
    if ended and not was_ended:
        owner = row.persona
        source = owner.sources.filter(creator_id=row.creator_id).first()
        events.record(
            "sync.ended",
            row.workspace,
            by_label=events.SERVICE,
            subject=str(source) if source else owner.name,
            persona=owner,
            outcome=sync_outcome(row),
        )
    return row


def sync_outcome(row: SyncJob) -> str:
    if row.status == "completed":
        return f"{row.new_posts_count or 0} new"
    if row.status == "skipped":
        return "skipped, as the last one was less than 15 minutes before"
    return row.error_message or "failed"


def outgoing(workspace: Workspace, remote, *, post: GeneratedPost | None = None) -> OutgoingPost:
    """Mirror an outgoing post and its deliveries; its post is worked out anew if anything moved."""
    at = now()
    with transaction.atomic():
        row = workspace.outgoing.filter(upstream_id=remote.id).first()
        post = post or (row.post if row else None) or _post_of(workspace, remote)
        locked = desk.lock(post.pk) if post else None
        row = row or OutgoingPost(workspace=workspace, upstream_id=remote.id, asked_at=at)
        moved = row._state.adding | changed(
            row,
            post=locked,
            status=cut(remote.status, 20),
            caption=remote.caption or "",
            scheduled_for=remote.scheduled_for,
        )
        row.seen_at = at
        row.save()
        moved |= _deliveries(row, remote.deliveries, locked, at)
        ended = [delivery.is_ended for delivery in row.deliveries.all()]
        settled_at = (row.settled_at or at) if ended and all(ended) else None
        differs = row.differs or (_difference(locked, remote) if locked and settled_at else "")
        is_incident = differs and not row.differs
        if changed(row, settled_at=settled_at, differs=differs):
            row.save(update_fields=["settled_at", "differs"])
        if is_incident:
            _say_different(locked, differs)
        if locked:
            _decide_by_deliveries(locked, row, [delivery.status for delivery in row.deliveries.all()])
            desk.settle(locked, touched=moved, at=at)
    return row


def _decide_by_deliveries(post: GeneratedPost, row: OutgoingPost, states: list[str]) -> None:
    """Out once one delivery is; if all of them failed, the post is to be decided anew."""
    if not row.settled_at or post.outgoing.order_by("asked_at").last() != row:
        return
    if "published" in states and post.review_status != "published":
        post.review_status = "published"
        post.save(update_fields=["review_status"])
        if not _is_history(post):
            _say_published(post)
    elif states and set(states) == {"failed"} and post.review_status == "pending_review":
        post.decisions.filter(stands=True, item=None).update(stands=False, ended="refused")


def _difference(post: GeneratedPost, remote) -> str:
    """In what the published post is not the approved one, in words; "" if it is, or nobody approved it here.

    Nothing keeps the service's own pages from changing a post between our last look and the approval.
    """
    approvals = post.operations.filter(kind="approve", state="succeeded", result__outgoing_post_id=remote.id)
    approval = approvals.exclude(baseline=None).last()
    if approval is None:
        return ""
    seen, parts = approval.baseline, []
    if (remote.caption or "") != (seen.get("caption") or ""):
        parts.append("caption")
    going = [item.generated_media_item_id for item in sorted(remote.items, key=lambda item: item.position)]
    if going and sorted(going) != sorted(seen.get("going", going)):
        parts.append("pictures")
    return " and ".join(parts)


def _say_different(post: GeneratedPost, differs: str) -> None:
    log.critical("Post %s was published with another %s than was approved", post.pk, differs)
    events.record(
        "post.differs",
        post.workspace,
        by_label=events.SERVICE,
        subject=desk.label_of(post),
        what=differs,
        post=post,
        persona=post.persona,
    )


def _post_of(workspace: Workspace, remote) -> GeneratedPost | None:
    """Outgoing posts name items, not the post they come from (contracts, OutgoingItem)."""
    ids = [item.generated_media_item_id for item in remote.items]
    item = (
        MediaItem.objects.filter(post__workspace=workspace, upstream_id__in=ids)
        .select_related("post")
        .first()
    )
    return item.post if item else None


def _deliveries(row: OutgoingPost, remotes, post: GeneratedPost | None, at: datetime) -> bool:
    moved = False
    known = {delivery.upstream_id: delivery for delivery in row.deliveries.all()}
    named = {
        account.upstream_id: account
        for account in ConnectedAccount.objects.filter(workspace=row.workspace_id)
    }
    for remote in remotes:
        delivery = known.get(remote.id) or Delivery(outgoing=row, upstream_id=remote.id, seen_at=at)
        was_ended = delivery.is_ended and not delivery._state.adding
        different = delivery._state.adding | changed(
            delivery,
            account=named.get(remote.connected_account_id or ""),
            platform=cut(remote.platform, 20) or "instagram",
            username=cut(remote.username, 200),
            status=cut(remote.status, 20),
            error_message=cut(remote.error_message, 500),
            published_at=remote.published_at,
        )
        delivery.seen_at = at
        delivery.save()
        moved |= different
        news = known or (post and _is_news(post, remote, at))
        if different and delivery.is_ended and not was_ended and post and news:
            events.record(
                f"delivery.{delivery.status}",
                row.workspace,
                by_label=events.SERVICE,
                subject=desk.label_of(post),
                post=post,
                persona=post.persona,
                account=f"@{delivery.username}",
            )
    return moved


def _is_news(post: GeneratedPost, remote, at: datetime) -> bool:
    """A delivery that was over when first seen: did it end just now, or was it sent from here?"""
    if remote.published_at:
        return age(remote.published_at, at) < 3 * cadence.SPANS["delivery"].limit
    return post.operations.filter(kind__in=("approve", "send_to_compose"), state__in=SENT).exists()


def balance(workspace: Workspace, remote, *, at: datetime | None = None) -> None:
    """The balance as read at `at` (when the reading began; None: just told, by an answer to us).

    One that began before the last one came is dropped: it may be from before an operation of ours.
    Older reply forms may leave the reload settings out.
    """
    facts = {"balance_cents": remote.balance_cents, "balance_seen_at": now()}
    if remote.auto_reload is not None:
        facts["auto_reload"] = remote.auto_reload
    if remote.reload_threshold_cents is not None:
        facts["reload_threshold_cents"] = remote.reload_threshold_cents
    if remote.reload_amount_cents is not None:
        facts["reload_amount_cents"] = remote.reload_amount_cents
    with transaction.atomic():
        row = held(Workspace.objects).get(pk=workspace.pk)
        if at and is_older(at, row.balance_seen_at):
            return
        moved = changed(row, **{name: value for name, value in facts.items() if name != "balance_seen_at"})
        row.balance_seen_at = facts["balance_seen_at"]
        row.save(update_fields=list(facts))
        if moved:
            scopes.bump(workspace.pk)


@transaction.atomic
def transactions(workspace: Workspace, remotes) -> int:
    """Mirror transactions; returns how many were new. What caused them is found by the ids they carry."""
    at = now()
    claim_charges(workspace, workspace.charges.filter(at__gte=at - timedelta(days=1)))
    known = set(
        workspace.charges.filter(upstream_id__in=[remote.id for remote in remotes]).values_list(
            "upstream_id", flat=True
        )
    )
    fresh = [remote for remote in remotes if remote.id not in known]
    posts = {
        post.upstream_id: post
        for post in workspace.posts.filter(
            upstream_id__in={r.generated_post_id for r in fresh if r.generated_post_id}
        )
    }
    rows = [
        Charge(
            workspace=workspace,
            upstream_id=remote.id,
            amount_cents=remote.amount_cents,
            kind=cut(remote.kind, 40),
            description=cut(remote.description, 300),
            at=remote.created_at or at,
            post=posts.get(remote.generated_post_id),
            post_upstream_id=cut(remote.generated_post_id, 128),
            item_upstream_id=cut(remote.generated_media_item_id, 128),
            refund_of_upstream_id=cut(remote.refund_of_id, 128),
            operation=_cause(
                workspace,
                remote.amount_cents,
                remote.kind,
                remote.created_at,
                posts.get(remote.generated_post_id),
            ),
            seen_at=at,
        )
        for remote in fresh
    ]
    Charge.objects.bulk_create(rows, ignore_conflicts=True)
    for row in rows:
        _price_item(row)
    if rows:
        scopes.bump(workspace.pk)
    return len(rows)


def claim_charges(workspace: Workspace, charges) -> None:
    """Those of the charges that were seen before their posts get them now."""
    orphans = list(charges.filter(post=None).exclude(post_upstream_id=""))
    if not orphans:
        return
    posts = workspace.posts.filter(upstream_id__in={row.post_upstream_id for row in orphans})
    found = {post.upstream_id: post for post in posts}
    for row in orphans:
        post = found.get(row.post_upstream_id)
        if post:
            cause = _cause(workspace, row.amount_cents, row.kind, row.at, post)
            row.post, row.operation = post, cause
            row.save(update_fields=["post", "operation"])
            _price_item(row)


def _price_item(row: Charge) -> None:
    """What one item cost, once a transaction names it."""
    if row.post_id and row.item_upstream_id and row.amount_cents < 0:
        items = MediaItem.objects.filter(post=row.post_id, upstream_id=row.item_upstream_id, cost_cents=None)
        items.update(cost_cents=-row.amount_cents)


def _cause(workspace: Workspace, amount_cents: int, kind: str, at: datetime | None, post):
    """The operation that a charge pays for: the last one sent on its post before it."""
    if amount_cents >= 0 or at is None:
        return None
    sent = workspace.operations.filter(state__in=("succeeded", "unknown"), sent_at__lte=at)
    sent = sent.filter(post=post, kind__in=pricing.SPENDING) if post else sent.filter(kind=kind or "-")
    return sent.order_by("-sent_at").first()
