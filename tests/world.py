"""A workspace that talks to a sandbox of its own, whose clock only the test moves."""

import shutil
import sqlite3
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, connections
from django.test import TestCase

from reviewqueue import gateway
from reviewqueue.clock import now
from reviewqueue.models import (
    ConnectedAccount,
    Decision,
    Event,
    GeneratedPost,
    Hold,
    MediaFile,
    MediaItem,
    Member,
    Operation,
    OutgoingPost,
    Persona,
    PublishingTarget,
    RateBudget,
    Scope,
    Source,
    SourceMedia,
    SourcePost,
    UpstreamKey,
    Watch,
    Workspace,
)
from reviewqueue.rules.states import DESK
from reviewqueue.sandbox.app import Sandbox
from reviewqueue.sandbox.seed import fill
from reviewqueue.services import generating, media, operations, polling, reviewing, setup, watches, wire
from tests import factories


class Clock:
    """The real time, plus what the test has added."""

    def __init__(self):
        self.added = 0.0

    def __call__(self) -> float:
        return time.time() + self.added

    def advance(self, seconds: float) -> None:
        self.added += seconds


def prepare(folder: Path, rendered: Path) -> str:
    """Fill a sandbox once for the whole run, with its pictures in a folder of their own; returns its key."""
    folder.mkdir()
    (folder / "media").symlink_to(rendered)
    sandbox = Sandbox(folder, public_url="http://sandbox.test", speed=1.0)
    key = fill(sandbox, render=False).api_key
    with sqlite3.connect(folder / "sandbox.sqlite3") as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return key


class World:
    """`sandbox` is the other side; everything else is this side of the wire."""

    def __init__(self, prepared: Path, folder: Path, key: str):
        folder.mkdir()
        shutil.copy(prepared / "sandbox.sqlite3", folder)
        (folder / "media").symlink_to(prepared / "media")  # rendered once for the whole run
        self.clock = Clock()
        self.sandbox = Sandbox(folder, public_url="http://sandbox.test", speed=1.0, clock=self.clock)
        gateway.bring(self.sandbox)
        self.workspace = factories.make_workspace("Sandbox", key=False, is_sandbox=True, speed=1.0)
        self.ana = factories.make_member(self.workspace, "Ana Ruiz", "admin")
        self.ben = factories.make_member(self.workspace, "Ben Adler", "reviewer")
        setup.store_key(self.workspace, key)
        UpstreamKey.objects.filter(workspace=self.workspace).update(state="working")
        self.untouched = self.sandbox_bytes()

    def sandbox_bytes(self) -> int:
        """How much was written to the sandbox's memory since it was copied."""
        return (self.sandbox.world.store.path.with_suffix(".sqlite3-wal")).stat().st_size

    @property
    def key(self) -> UpstreamKey:
        return self.workspace.keys.get()

    def look(self, kind: str, subject="") -> None:
        """Look at one thing upstream now, whatever the planner thinks of it."""
        watch = watches.add(self.workspace.pk, kind, subject)
        Watch.objects.filter(pk=watch.pk).update(claimed_until=None)
        with committing():
            polling.look(watch.pk)
        self.workspace.refresh_from_db()

    def mirror(self, *names: str) -> None:
        """Personas, sources, accounts; and of those named, source posts and posts (without copies).

        Of a sandbox that nobody has touched the same is read every time, so it is read once for the run.
        """
        is_fresh = self.sandbox_bytes() == self.untouched and not self.workspace.personas.exists()
        if is_fresh and names in _mirrored:
            _mirrored[names].restore(self.workspace)
            return
        self.read(*names)
        if is_fresh:
            _mirrored[names] = Snapshot(self.workspace)

    def read(self, *names: str) -> None:
        self.look("catalogue")
        self.look("balance")
        for name in names:
            persona = self.persona(name)
            self.look("source_posts", persona.pk)
            self.look("posts", persona.pk)

    def copy(self, post: GeneratedPost) -> GeneratedPost:
        """Fetch what the post shows; its source pictures take the longest and prove the least."""
        for item in post.items.current():
            for file_id in (item.file_id, item.voice_file_id):
                if file_id:
                    with committing():
                        fetch(MediaFile.objects.get(pk=file_id))
        post.refresh_from_db()
        return post

    def persona(self, name: str = "Ines Calder") -> Persona:
        return self.workspace.personas.get(name=name)

    def ready(self, kind="image", *, persona="Oat & Ember", items=None, besides=()) -> GeneratedPost:
        """A post that waits for a decision, with its copies."""
        posts = self.workspace.posts.filter(
            kind=kind, persona__name=persona, desk__in=("ready", "generating")
        )
        posts = posts.filter(status="completed", review_status="pending_review")
        for post in posts.exclude(pk__in=[other.pk for other in besides]).order_by("number"):
            current = post.items.current()
            if items not in (None, current.count()) or current.filter(review_status="rejected").exists():
                continue
            return self.copy(post)
        raise LookupError(f"no ready {kind} of {persona}")

    def member(self, role: str) -> Member:
        """Somebody with that role: Ana, Edda, Ben or Vera."""
        named = {"admin": "Ana Ruiz", "editor": "Edda Holm", "reviewer": "Ben Adler", "viewer": "Vera Stone"}
        known = self.workspace.members.filter(role=role).select_related("user", "workspace").first()
        return known or factories.make_member(self.workspace, named[role], role)

    def unused(self, kind="image", *, persona="Oat & Ember") -> SourcePost:
        """A source post that nothing was made from."""
        found = self.workspace.source_posts.of_persona(self.persona(persona)).filter(made=0, kind=kind)
        return found.order_by("upstream_id")[0]

    def generate(self, source: SourcePost | None = None, *, persona="Oat & Ember", by=None) -> Operation:
        """Ask for a new post; nothing is sent yet."""
        source = source or self.unused(persona=persona)
        return generating.generate(source, self.persona(persona), by=by or self.ana, token=token())

    def approve(self, post: GeneratedPost, *, by=None, **changes) -> Decision:
        facts = {"by": by or self.ana, "fingerprint": post.fingerprint, "token": token(), **changes}
        return reviewing.approve(post, **facts)

    def finish(self, post: GeneratedPost) -> GeneratedPost:
        """What runs on the post ends at the service, and is read and copied."""
        post.refresh_from_db()
        self.sandbox.finish(post.upstream_id)
        self.look("post", post.pk)
        return self.copy(post)

    def item(self, post: GeneratedPost, position: int = 0):
        return post.items.current().get(position=position)

    def send(self, operation: Operation | None = None) -> Operation:
        """Send one operation as the worker would, its hold over."""
        operation = operation or Operation.objects.filter(state="queued").latest("created_at")
        Operation.objects.filter(pk=operation.pk, state="queued").update(not_before=now())
        with committing():
            operations.send(operation.pk)
        operation.refresh_from_db()
        return operation

    def effects(self, kind: str) -> list[dict]:
        """What really happened upstream because Loupe asked."""
        return [row for row in self.sandbox.effects(kind) if row["request_id"]]

    def wire(self) -> "wire.Wire":
        return wire.open_wire(self.workspace)


class Snapshot:
    """The mirror of a workspace, to be written again under another one."""

    KINDS = (
        Persona,
        ConnectedAccount,
        PublishingTarget,
        Source,
        MediaFile,
        SourcePost,
        SourceMedia,
        GeneratedPost,
        MediaItem,
        OutgoingPost,
        Event,
        Watch,
        Scope,
    )
    FACTS = ("next_number", "balance_cents", "balance_seen_at", "auto_reload", "catalogue_seen_at")
    SEEN = ("seen_at", "looked_at", "targets_seen_at", "posts_seen_at", "posts_walked_at", "poll_at")
    SEEN += ("source_posts_seen_at", "balance_seen_at", "catalogue_seen_at", "changed_here_at")

    def __init__(self, workspace: Workspace):
        whose = {SourceMedia: "post__workspace", MediaItem: "post__workspace"}
        self.at = now()
        self.facts = {name: getattr(workspace, name) for name in self.FACTS}
        self.rows = {
            kind: list(kind.objects.filter(**{whose.get(kind, "workspace"): workspace}).values())
            for kind in self.KINDS
        }

    def restore(self, workspace: Workspace) -> None:
        later = now() - self.at
        workspace.scopes.all().delete()
        workspace.watches.all().delete()
        for kind, rows in self.rows.items():
            kind.objects.bulk_create(kind(**self.moved(kind, row, workspace, later)) for row in rows)
        facts = {name: value + later if name in self.SEEN else value for name, value in self.facts.items()}
        Workspace.objects.filter(pk=workspace.pk).update(**facts)
        RateBudget.objects.get_or_create(pk=workspace.keys.get().fingerprint)
        workspace.refresh_from_db()

    def moved(self, kind, row: dict, workspace: Workspace, later) -> dict:
        row = {name: value + later if name in self.SEEN and value else value for name, value in row.items()}
        if "workspace_id" in row:
            row["workspace_id"] = workspace.pk
        if isinstance(row["id"], int):
            del row["id"]  # the database counts these itself
        return row


_mirrored: dict[tuple[str, ...], Snapshot] = {}


class Copy:
    """A file as it was fetched once, to be stored again under another row."""

    FACTS = ("kind", "content_type", "extension", "width", "height", "duration_seconds", "has_sound")
    FACTS += ("byte_size", "sha256", "phash", "state", "reason", "stored_at")

    def __init__(self, row: MediaFile):
        self.facts = {name: getattr(row, name) for name in self.FACTS}
        self.files = {}
        for rendition in ("original", "screen", "thumb"):
            with default_storage.open(row.stored_as(rendition)) as file:
                self.files[rendition] = file.read()

    def restore(self, row: MediaFile) -> None:
        for name, value in self.facts.items():
            setattr(row, name, value)
        row.save()
        for rendition, content in self.files.items():
            default_storage.save(row.stored_as(rendition), ContentFile(content))
        media.tell_owners(row)


_copied: dict[str, Copy] = {}


def fetch(row: MediaFile) -> None:
    """Copy a file of the sandbox; the same one is decoded and encoded once for the whole run."""
    if row.is_here:
        return
    if row.origin in _copied:
        _copied[row.origin].restore(row)
    elif media.fetch(row.pk):
        row.refresh_from_db()
        if row.is_here:
            _copied[row.origin] = Copy(row)


def token() -> uuid.UUID:
    return uuid.uuid4()


def committing():
    """What is to be done after the commit is done: the test's own transaction never commits."""
    return TestCase.captureOnCommitCallbacks(execute=True)


@contextmanager
def nothing_written(workspace: Workspace):
    """A refusal leaves no trace: no operation, hold, decision, event or post, and no page to draw anew."""

    def traces():
        kinds = (Operation, Hold, Decision, Event, GeneratedPost)
        rows = [kind.objects.filter(workspace=workspace).count() for kind in kinds]
        return [*rows, *Scope.objects.filter(workspace=workspace).order_by("key").values_list("version")]

    before = traces()
    yield
    assert traces() == before


def check_counts(workspace: Workspace) -> None:
    """Every scope counts what really lies there, and no post lies in two places."""
    lying: Counter = Counter()
    for persona_id, place in workspace.posts.filter(deleted_at=None).values_list("persona_id", "desk"):
        assert place in DESK
        lying.update([("desk", place), (f"persona:{persona_id}", place)])
    for operation in workspace.operations.filter(post=None):
        if operation.needs_attention:
            lying.update([("desk", "loose"), (f"persona:{operation.persona_id}", "loose")])
    for scope in workspace.scopes.all():
        counted = {place: getattr(scope, place) for place in (*DESK, "loose")}
        assert counted == {place: lying[scope.key, place] for place in counted}, scope.key


# What only several connections at once can show; SQLite lets one writer in at a time.
only_postgresql = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql",
    reason="needs writers side by side: runs on PostgreSQL",
)


only_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite fails")


@contextmanager
def in_place_of_ours(**changes):
    """Whatever is asked of the database meets another one."""
    ours, other = connections["default"], connections.create_connection("default")
    other.settings_dict = {**ours.settings_dict, **changes}
    connections["default"] = other
    try:
        yield other
    finally:
        other.close()
        connections["default"] = ours


def copy_of_database(folder: Path) -> Path:
    """A file of SQLite's that holds what the test has committed."""
    path = folder / "loupe.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    return path


@contextmanager
def for_writers_side_by_side(folder: Path):
    """SQLite lets several connections share what is in memory, but none of them wait: a file does."""
    if connection.vendor == "sqlite":
        with in_place_of_ours(NAME=str(copy_of_database(folder))):
            yield
    else:
        yield


def from_threads(count: int, call) -> list:
    """What `call(number)` gives, called by so many threads at once, each with a connection of its own."""
    name = connection.settings_dict["NAME"]

    def one(number):
        with in_place_of_ours(NAME=name):
            start.wait()
            return call(number)

    start = Barrier(count)
    with ThreadPoolExecutor(count) as hands:
        return list(hands.map(one, range(count)))
