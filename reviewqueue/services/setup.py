"""Workspaces and keys: the sandbox a new user meets, and the way from it to the real service."""

import re
import secrets
from contextlib import suppress

from django.conf import settings
from django.db import transaction

from reviewqueue import gateway, vault
from reviewqueue.clock import now
from reviewqueue.models import Member, Reason, UpstreamKey, User, Workspace
from reviewqueue.rules.states import NotAllowed
from reviewqueue.sandbox.seed import fill
from reviewqueue.services import accounts, events, operations, scopes, watches, wire
from reviewqueue.services.access import require
from reviewqueue.upstream import errors

REASONS = (
    "Wrong look for the persona",
    "Hands, faces or text look off",
    "Too close to the source",
    "Caption does not fit",
    "Low quality",
)
CAST = (
    ("Ana Ruiz", "admin"),
    ("Mira Lind", "editor"),
    ("Tom Okafor", "reviewer"),
    ("Vera Stone", "viewer"),
)
LOOKS_LIKE_A_KEY = re.compile(r"rm_[\x21-\x7e]{5,197}")
KEY = "key"  # the first thing that is left to set up
# What cannot be done without a scope, in words (contracts, Scope).
WITHOUT = {
    "personas:read": "Nothing can be shown: personas cannot be read.",
    "personas:write": "Personas cannot be created or changed.",
    "sources:read": "The followed accounts cannot be shown.",
    "sources:write": "Accounts cannot be followed or left.",
    "content:read": "Posts cannot be shown or reviewed.",
    "content:write": "Nothing can be generated, approved or rejected.",
    "sync:write": "New posts cannot be pulled.",
    "uploads:write": "Voice samples cannot be uploaded.",
    "billing:read": "Balance and transactions stay unknown; prices are estimates.",
    "billing:write": "Topping up and auto-reload are switched off.",
    "publishing:read": "Deliveries cannot be followed after approving.",
    "publishing:write": "Accounts cannot be linked.",
}
SCOPES = tuple(WITHOUT)


@transaction.atomic
def make_workspace(name: str, *, is_sandbox: bool = False) -> Workspace:
    workspace = Workspace.objects.create(
        name=name, is_sandbox=is_sandbox, speed=settings.SANDBOX_SPEED if is_sandbox else 1.0
    )
    scopes.ensure(workspace.pk, scopes.DESK)
    Reason.objects.bulk_create(
        Reason(workspace=workspace, text=text, position=place) for place, text in enumerate(REASONS)
    )
    return workspace


def store_key(workspace: Workspace, secret: str, *, granted: list[str] | None = None) -> UpstreamKey:
    key, _ = UpstreamKey.objects.update_or_create(
        workspace=workspace,
        upstream="reelmirror",
        defaults={
            "secret": vault.seal(secret),
            "last_four": secret[-4:],
            "fingerprint": vault.fingerprint(secret),
            "scopes": granted,
            "state": UpstreamKey.State.UNCHECKED,
            "trouble": "",
            "failures": 0,
            "outcomes": [],
            "opened_at": None,
            "checked_at": None,
        },
    )
    watches.add(workspace.pk, "key", soon=True)
    return key


def keep_pace() -> None:
    """The sandbox goes as fast as it is told to now, which need not be what it was made with."""
    speed = settings.SANDBOX_SPEED
    Workspace.objects.filter(is_sandbox=True).exclude(speed=speed).update(speed=speed)


def make_sandbox() -> Workspace:
    """The sandbox workspace with its cast and its key; the caller mirrors what it holds."""
    sandbox = gateway.sandbox()
    secret = fill(sandbox, running=False).api_key or sandbox.new_key("Loupe")
    with transaction.atomic():
        workspace = make_workspace("Sandbox", is_sandbox=True)
        for name, role in CAST:
            email = f"{name.split()[0].lower()}@sandbox.invalid"
            user = User.objects.create_user(email, None, name=name, is_sample=True, current=workspace)
            Member.objects.create(workspace=workspace, user=user, role=role)
        store_key(workspace, secret)
        for kind in ("catalogue", "balance", "transactions"):
            watches.add(workspace.pk, kind)
    return workspace


@transaction.atomic
def enter_key(user: User, secret: str, *, workspace: Workspace | None, name: str = "") -> Workspace:
    """Store a key. In the sandbox it opens a workspace of its own, with this person as its admin.

    The key is tried by the worker with one read; the page shows what came of it.
    """
    secret = secret.strip()
    if not LOOKS_LIKE_A_KEY.fullmatch(secret):
        raise NotAllowed("A ReelMirror key begins with rm_ and has no spaces. Copy it again, whole.")
    if workspace is None or workspace.is_sandbox:
        workspace = make_workspace(name or "My workspace")
        member = Member.objects.create(workspace=workspace, user=user, role="admin")
    else:
        member = workspace.members.get(user=user)
        require(member, "key.change")
    key = store_key(workspace, secret)
    for kind in ("catalogue", "balance", "transactions"):
        watches.add(workspace.pk, kind)
    accounts.enter(user, workspace)
    events.record("key.added", by=member, last_four=key.last_four)
    waiting = workspace.operations.filter(state="blocked", blocked_by="key").select_related(
        "workspace", "post"
    )
    operations.release(waiting)
    return workspace


@transaction.atomic
def open_workspace(secret: str, *, by: Member, name: str, person: dict | None = None) -> User:
    """From the sandbox into a workspace of one's own, under a key. Returns whose it is.

    One of the sandbox's cast is nobody: then `person` (name, email, password) says who it really is, and
    that person becomes an admin of both. Raises NotPermitted, NotAllowed.
    """
    require(by, "key.change")
    user = by.user
    if user.is_sample:
        facts = {"name": person["name"], "time_zone": user.time_zone, "theme": user.theme}
        user = User.objects.create_user(person["email"], person["password"], **facts)
        Member.objects.create(workspace=by.workspace, user=user, role="admin")
    enter_key(user, secret, workspace=None, name=name)
    return user


@transaction.atomic
def remove_key(workspace: Workspace, *, by: Member) -> None:
    require(by, "key.change")
    key = workspace.keys.filter(upstream="reelmirror").first()
    if key is None or workspace.is_sandbox:
        raise NotAllowed("There is no key to remove.")
    events.record("key.removed", by=by, last_four=key.last_four)
    key.delete()
    scopes.bump(workspace.pk)


def remove_sandbox(workspace: Workspace, *, by: Member) -> None:
    """Take the sandbox away: its rows, its people, its files. Only once there is somewhere else to be."""
    require(by, "key.change")
    if not workspace.is_sandbox:
        raise NotAllowed("Only the sandbox can be removed.")
    elsewhere = Member.objects.of_user(by.user_id).exclude(workspace=workspace).first()
    if elsewhere is None:
        raise NotAllowed("Enter an API key first; then there is a workspace to go on in.")
    for file in workspace.files.all():
        file.delete_files()
    with transaction.atomic():
        accounts.enter(by.user, elsewhere.workspace)
        events.record("workspace.removed", by=elsewhere, subject=workspace.name)
        cast = workspace.members.filter(user__is_sample=True).values_list("user_id", flat=True)
        sample = list(cast)  # now: once the workspace is gone, nobody is of it any more
        workspace.operations.update(by=None)
        workspace.delete()
        User.objects.filter(pk__in=sample, places=None).delete()


def left(workspace: Workspace) -> str:
    """What a workspace of one's own lacks first: a working key, a persona or a source; "" if nothing."""
    if workspace.is_sandbox:
        return ""
    if not workspace.keys.filter(upstream="reelmirror", state=UpstreamKey.State.WORKING).exists():
        return KEY
    if not workspace.personas.filter(gone_at=None).exists():
        return "persona"
    return "" if workspace.sources.exists() else "source"


def from_environment() -> Workspace | None:
    """LOUPE_REELMIRROR_KEY gives the first real workspace that key (made if there is none)."""
    secret = settings.REELMIRROR_KEY
    if not secret:
        return None
    workspace = Workspace.objects.filter(is_sandbox=False).order_by("created_at").first()
    workspace = workspace or make_workspace("My workspace")
    key = workspace.keys.filter(upstream="reelmirror").first()
    if key is None or key.fingerprint != vault.fingerprint(secret):
        store_key(workspace, secret)
        for kind in ("catalogue", "balance", "transactions"):
            watches.add(workspace.pk, kind)
    return workspace


def first_admin(workspace: Workspace) -> User:
    """Somebody who can sign in to a workspace that was made without a person; they name themselves later."""
    admin = workspace.members.active().filter(role="admin").select_related("user").first()
    if admin:
        return admin.user
    email = f"owner-{secrets.token_hex(3)}@loupe.invalid"
    user = User.objects.create_user(email, None, name="Owner", current=workspace)
    Member.objects.create(workspace=workspace, user=user, role="admin")
    return user


def address_at(bind: str) -> str:
    """Where a program that listens there (host:port) is found by who started it."""
    return settings.PUBLIC_URL if bind == settings.BIND else f"http://{bind}"


def somebody_to_greet(*, anyone: bool = False) -> User | None:
    """Whom the first page is for: an admin who has no password yet (or, with `anyone`, any admin)."""
    for workspace in Workspace.objects.order_by("is_sandbox", "created_at"):
        admin = first_admin(workspace)
        if anyone or admin.is_sample or not admin.has_usable_password():
            return admin
    return None


def try_key(key: UpstreamKey) -> None:
    """Whether the key works and the service is there, by reads that cost nothing. Raises errors of the tree.

    While the key is rejected or the service away that is one read of the balance. Else it is the list of
    keys, where ours shows its scopes; whether a key may list keys is not stated (contracts: listApiKeys), so
    only the balance proves it rejected.
    """
    line = wire.open_wire(key.workspace, once=True)
    was_rejected = key.state == UpstreamKey.State.REJECTED
    try:
        if was_rejected or key.opened_at is not None:
            granted = key.scopes
            prove(line)
        else:
            granted = scopes_under(line)
    except errors.UpstreamError as error:
        line.learn(error)
        UpstreamKey.objects.filter(pk=key.pk).update(checked_at=now(), trouble=str(error)[:300])
        raise
    line.learn(None)
    UpstreamKey.objects.filter(pk=key.pk).update(
        checked_at=now(), scopes=granted, state=UpstreamKey.State.WORKING, trouble=""
    )
    if was_rejected:  # what it may do is read next
        watches.add(key.workspace_id, "key", soon=True)
    scopes.bump(key.workspace_id)
    waiting = key.workspace.operations.filter(state="blocked", blocked_by="key").select_related(
        "workspace", "post"
    )
    operations.release(waiting)


def prove(line) -> None:
    """One read that a service in its right mind answers; a 403 proves the key as well."""
    with suppress(errors.Forbidden):
        line.api.billing.balance()


def scopes_under(line) -> list[str] | None:
    """The scopes of our key, or None if they cannot be told for sure."""
    try:
        keys = line.api.keys.list()
    except errors.Forbidden:  # which proves that it works
        return line.key.scopes
    except errors.KeyRejected:
        prove(line)
        return line.key.scopes
    secret = vault.open_sealed(line.key.secret)
    ours = [row for row in keys.items if row.key_prefix and secret.startswith(row.key_prefix)]
    return list(ours[0].scopes) if len(ours) == 1 else None
