"""Plain functions that make rows. Everything has a default; a test names what matters to it."""

import uuid
from datetime import timedelta

from django.db import transaction

from reviewqueue import vault
from reviewqueue.clock import now
from reviewqueue.models import (
    Charge,
    ConnectedAccount,
    GeneratedPost,
    MediaFile,
    MediaItem,
    Member,
    Operation,
    Persona,
    PublishingTarget,
    Reason,
    Source,
    SourceMedia,
    SourcePost,
    UpstreamKey,
    User,
    Workspace,
)
from reviewqueue.services import desk, mirroring, scopes


def uid() -> str:
    return str(uuid.uuid4())


def make_workspace(name="Northlight", *, key=True, **facts) -> Workspace:
    facts.setdefault("balance_cents", 4120)
    facts.setdefault("balance_seen_at", now())
    workspace = Workspace.objects.create(name=name, **facts)
    scopes.ensure(workspace.pk, scopes.DESK)
    for place, text in enumerate(("Wrong look", "Too close to the source", "Low quality")):
        Reason.objects.create(workspace=workspace, text=text, position=place)
    if key:
        make_key(workspace)
    return workspace


def make_key(workspace, secret="rm_test_key_of_a_fake_workspace", **facts) -> UpstreamKey:
    facts.setdefault("state", "working")
    return UpstreamKey.objects.create(
        workspace=workspace,
        secret=vault.seal(secret),
        last_four=secret[-4:],
        fingerprint=vault.fingerprint(f"{secret}{workspace.pk}"),
        **facts,
    )


def make_member(
    workspace, name="Ana Ruiz", role="admin", *, password="correct horse battery", **facts
) -> Member:
    email = f"{name.split()[0].lower()}-{uuid.uuid4().hex[:6]}@example.com"
    user = User.objects.create_user(email, password, name=name, current=workspace, **facts)
    return Member.objects.create(workspace=workspace, user=user, role=role)


def make_persona(workspace, name="Ines Calder", *, accounts=("ines.calder",), **facts) -> Persona:
    persona = Persona.objects.create(
        workspace=workspace,
        upstream_id=uid(),
        name=name,
        seen_at=now(),
        accounts=list(accounts),
        targets_seen_at=now(),
        **facts,
    )
    scopes.ensure(workspace.pk, scopes.persona_key(persona.pk))
    for username in accounts:
        make_target(persona, make_account(workspace, username))
    return persona


def make_account(workspace, username="ines.calder", **facts) -> ConnectedAccount:
    return ConnectedAccount.objects.create(
        workspace=workspace, upstream_id=uid(), username=username, seen_at=now(), **facts
    )


def make_target(persona, account) -> PublishingTarget:
    return PublishingTarget.objects.create(
        workspace=persona.workspace, persona=persona, account=account, upstream_id=uid(), seen_at=now()
    )


def make_source(persona, handle="salt.rooms", **facts) -> Source:
    facts.setdefault("creator_id", uid())
    return Source.objects.create(
        workspace=persona.workspace, persona=persona, upstream_id=uid(), handle=handle, seen_at=now(), **facts
    )


def make_file(workspace, *, kind="image", state="stored", **facts) -> MediaFile:
    """A copy that is here as far as the row says: no bytes are written."""
    origin = f"https://media.example.com/{uid()}.webp"
    video = {"extension": "mp4", "content_type": "video/mp4", "duration_seconds": 5.0}
    image = {"extension": "webp", "content_type": "image/webp"}
    values = {
        "origin": origin,
        "link": f"{origin}?sig=1",
        "state": state,
        "kind": kind,
        "width": 1080,
        "height": 1350,
        "sha256": uuid.uuid4().hex * 2,
        "phash": uuid.uuid4().hex[:16],
        "fetch_at": now(),
        **(video if kind == "video" else image),
        **facts,
    }
    return MediaFile.objects.create(workspace=workspace, **values)


def make_source_post(workspace, source=None, *, items=("image",), caption="Door no. 114. #bluedoor", **facts):
    facts.setdefault("posted_at", now() - timedelta(days=3))
    post = SourcePost.objects.create(
        workspace=workspace,
        upstream_id=uid(),
        creator_id=source.creator_id if source else "",
        handle=facts.pop("handle", source.handle if source else "salt.rooms"),
        caption=caption,
        url=f"https://www.instagram.com/p/{uuid.uuid4().hex[:10]}/",
        kind="carousel" if len(items) > 1 else items[0],
        seen_at=now(),
        **facts,
    )
    for position, media_type in enumerate(items):
        SourceMedia.objects.create(
            post=post,
            position=position,
            media_type=media_type,
            duration_seconds=5.0 if media_type == "video" else None,
            file=make_file(workspace, kind=media_type),
        )
    desk.refresh_source(post.pk)
    post.refresh_from_db()
    return post


def make_post(
    persona, *, items=1, media_type="image", status="completed", item_statuses=None, source=None, **facts
):
    """A generated post with its items and copies, placed on the desk as the real code would place it."""
    workspace = persona.workspace
    made_at = facts.pop("made_at", now() - timedelta(hours=2))
    item_facts = facts.pop("item_facts", {})
    with transaction.atomic():
        number = mirroring.number_for(workspace.pk)
    post = GeneratedPost.objects.create(
        workspace=workspace,
        persona=persona,
        source_post=source,
        upstream_id=facts.pop("upstream_id", uid()),
        number=number,
        status=status,
        caption=facts.pop(
            "caption", "The wall gives back at dusk what it borrowed at noon. #terracotta #dusk"
        ),
        made_at=made_at,
        asked_at=facts.pop("asked_at", made_at),
        seen_at=now(),
        version=0,
        **facts,
    )
    for position, state in enumerate(item_statuses or [status] * items):
        make_item(post, position=position, media_type=media_type, status=state, **item_facts)
    return desk.refresh(post.pk, touched=True)


def make_item(post, *, position=0, media_type="image", status="completed", **facts) -> MediaItem:
    done = status == "completed"
    return MediaItem.objects.create(
        post=post,
        upstream_id=uid(),
        position=position,
        media_type=media_type,
        status=status,
        duration_seconds=5.0 if media_type == "video" else None,
        file=make_file(post.workspace, kind=media_type) if done else None,
        asked_at=post.asked_at,
        ended_at=post.asked_at if status in ("completed", "failed") else None,
        seen_at=now(),
        **facts,
    )


def asked(by, state: str) -> dict:
    """What any operation has that somebody asked for."""
    return {
        "by": by,
        "by_label": by.user.name if by else "Ana Ruiz",
        "token": uuid.uuid4(),
        "state": state,
        "not_before": now(),
        "not_done": state in ("failed", "absent"),
    }


def make_operation(post, kind="approve", *, by=None, state="queued", **facts) -> Operation:
    values = {
        "workspace": post.workspace,
        "kind": kind,
        "lock_group": "decide",
        "target": post.upstream_id,
        "label": str(post),
        "post": post,
        "persona": post.persona,
        **facts,
    }
    operation = Operation.objects.create(**{**asked(by, state), **values})
    desk.refresh(post.pk, touched=True)
    return operation


def make_loose(workspace, kind="sync", *, persona=None, by=None, state="failed", **facts) -> Operation:
    """One that has no post, counted where it needs attention."""
    values = {
        "workspace": workspace,
        "kind": kind,
        "lock_group": kind[:12],
        "target": persona.upstream_id if persona else kind,
        "label": persona.name if persona else kind,
        "persona": persona,
        **facts,
    }
    operation = Operation.objects.create(**{**asked(by, state), **values})
    scopes.bump(workspace.pk, operation.persona_id, loose=int(operation.needs_attention))
    return operation


def make_charge(workspace, amount_cents=-32, **facts) -> Charge:
    facts.setdefault("at", now())
    facts.setdefault("kind", "generation")
    return Charge.objects.create(
        workspace=workspace, upstream_id=uid(), amount_cents=amount_cents, seen_at=now(), **facts
    )
