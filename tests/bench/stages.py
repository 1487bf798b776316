"""Databases of any size for measuring: temporary, several at once, SQLite or PostgreSQL, removed at the end.

A stage is one database with one workspace: a tenth of its posts is ready, a hundredth belongs to one of
twelve personas. The posts are cast by the database itself from a few moulds that the real code placed on
the desk; nothing but posts is multiplied, for the queue page reads nothing else.
"""

import os
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.db import connections
from django.db.models import Count
from django.db.utils import load_backend

POSTGRES = os.environ.get("LOUPE_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
KINDS = ("sqlite", "postgres")
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
PERSONAS = 12  # the first is the rare one
IN_FLIGHT, TROUBLED = 12, 40
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@dataclass
class Stage:
    """One database; `with stage:` makes it the one that the program uses."""

    kind: str
    size: int
    connection: object

    def __str__(self):
        return f"{self.kind} {self.size:,}"

    def __enter__(self):
        self.before = connections["default"]
        connections["default"] = self.connection
        return self

    def __exit__(self, *error):
        connections["default"] = self.before

    def worked(self) -> float:
        """Seconds that a processor worked for this thread and, on PostgreSQL, for its connection's server.

        Of a server on another machine nothing is known: then it is the clock.
        """
        if self.connection.vendor == "sqlite":
            return time.thread_time()
        self.connection.ensure_connection()
        try:
            told = Path(f"/proc/{self.connection.connection.info.backend_pid}/schedstat").read_text()
        except OSError:
            return time.perf_counter()
        return time.thread_time() + int(told.split()[0]) / 1e9

    @property
    def member(self):
        from reviewqueue.models import Member

        return Member.objects.select_related("user", "workspace").get()

    @property
    def cookie(self) -> str:
        """Of the one who is signed in."""
        from django.conf import settings
        from django.contrib.sessions.models import Session

        return f"{settings.SESSION_COOKIE_NAME}={Session.objects.get().pk}"

    @property
    def rare(self):
        """The persona with one post in a hundred."""
        from reviewqueue.models import Persona

        return Persona.objects.get(name="Persona 0")


@contextmanager
def stages(kinds, sizes, say=lambda text: None):
    """A stage for each kind and size, all there at the same time."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loupe-bench-")))
        made = []
        for kind in kinds:
            places = stack.enter_context(PLACES[kind](folder))
            base = Stage(kind, 0, connected(places("base")))
            with base:
                call_command("migrate", interactive=False, verbosity=0)
                furnish()
            base.connection.close()
            for size in sizes:
                say(f"making {kind} with {size:,} posts …")
                stage = Stage(kind, size, connected(places(str(size), like="base")))
                stack.callback(stage.connection.close)
                with stage:
                    cast(size)
                    count()
                made.append(stage)
        yield made


def connected(url: str):
    """A connection as the program itself would make it."""
    from dashboard.settings import database

    with mock.patch.dict(os.environ, {"LOUPE_DATABASE_URL": url}):
        config = connections.configure_settings({"default": database()})["default"]
    return load_backend(config["ENGINE"]).DatabaseWrapper(config, "default")


@contextmanager
def sqlite_places(folder: Path):
    def place(name: str, like: str = "") -> str:
        path = folder / f"{name}.sqlite3"
        if like:
            shutil.copy(folder / f"{like}.sqlite3", path)
        return f"sqlite:///{path}"

    yield place


@contextmanager
def postgres_places(folder: Path):
    import psycopg

    made = []
    server, _, _ = POSTGRES.rpartition("/")
    with psycopg.connect(POSTGRES, autocommit=True) as line:

        def place(name: str, like: str = "") -> str:
            full = f"{folder.name.replace('-', '_').lower()}_{name}"
            template = made[0] if like else "template0"
            line.execute(f'CREATE DATABASE "{full}" TEMPLATE "{template}"')
            made.append(full)
            return f"{server}/{full}"

        try:
            yield place
        finally:
            for name in made:
                with suppress(psycopg.Error):
                    line.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


PLACES = {"sqlite": sqlite_places, "postgres": postgres_places}


# ---- rows ----------------------------------------------------------------------------------------


def furnish() -> None:
    """A workspace, somebody signed in who may see the admin too, and the moulds: numbers 1 to 28."""
    from reviewqueue.clock import now
    from tests import factories

    workspace = factories.make_workspace()
    member = factories.make_member(workspace, is_staff=True, is_superuser=True)
    words = "The wall gives back at dusk what it borrowed at noon, and nobody asks for the rest. "
    for number in range(PERSONAS):
        persona = factories.make_persona(workspace, f"Persona {number}", accounts=[f"persona.{number}"])
        source = factories.make_source(persona, f"source.{number}")
        origin = factories.make_source_post(workspace, source)
        for kind in ("image", "video"):
            caption = words * (1 + number % 4) + "#terracotta #dusk"
            items = 1 if kind == "video" else 1 + number % 4
            factories.make_post(persona, items=items, media_type=kind, source=origin, caption=caption)
    for _ in range(2):
        begun = {"asked_at": now(), "made_at": now()}
        factories.make_post(persona, items=2, status="generating", source=origin, **begun)
    for _ in range(2):
        factories.make_post(persona, items=2, item_statuses=["completed", "failed"], source=origin)
    session = SessionStore()
    session[SESSION_KEY] = str(member.user.pk)
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = member.user.get_session_auth_hash()
    session.create()


FACTS = {
    "sqlite": {
        "id": "lower(hex(randomblob(16)))",
        "at": "strftime('%%Y-%%m-%%d %%H:%%M:%%S', {epoch} + n, 'unixepoch')",
    },
    "postgresql": {"id": "gen_random_uuid()", "at": "to_timestamp({epoch} + n)"},
}


def cast(size: int) -> None:
    """Fill up to `size` posts, a second apart, from the moulds."""
    from reviewqueue.models import GeneratedPost
    from reviewqueue.services import statistics

    connection = connections["default"]
    table = GeneratedPost._meta.db_table
    facts = FACTS[connection.vendor]
    at = facts["at"].format(epoch=int(BEGAN.timestamp()))
    later = facts["at"].format(epoch=int((BEGAN + timedelta(hours=1)).timestamp()))
    decided = "place IN ('published', 'rejected')"
    values = {
        "id": facts["id"],
        "number": "n",
        "upstream_id": "'cast-' || n",
        "desk": "COALESCE(place, m.desk)",
        "counted": "COALESCE(place, m.desk)",
        "review_status": f"CASE WHEN {decided} THEN place ELSE m.review_status END",
        "decided_at": f"CASE WHEN {decided} THEN {later} ELSE NULL END",
        "ready_at": f"CASE WHEN m.ready_at IS NULL THEN NULL ELSE {at} END",
        **dict.fromkeys(("made_at", "asked_at", "seen_at", "changed_here_at"), at),
    }
    columns = [field.column for field in GeneratedPost._meta.concrete_fields]
    first = GeneratedPost.objects.count() + 1
    ready = 2 * PERSONAS
    flying, troubled = first + IN_FLIGHT, first + IN_FLIGHT + TROUBLED
    statement = f"""
        INSERT INTO {table} ({", ".join(columns)})
        WITH RECURSIVE numbers(n) AS (
            SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {size}
        ), placed AS (
            SELECT n,
                CASE WHEN n < {flying} THEN {ready + 1} + n %% 2
                     WHEN n < {troubled} THEN {ready + 3} + n %% 2
                     WHEN n %% 100 = 0 THEN 1 + n / 100 %% 2
                     ELSE 3 + n %% {ready - 2} END AS mould,
                CASE WHEN n < {troubled} OR (7 * n + n / 100) %% 10 = 0 THEN NULL
                     WHEN n %% 9 < 2 THEN 'rejected' ELSE 'published' END AS place
            FROM numbers
        )
        SELECT {", ".join(values.get(column, f"m.{column}") for column in columns)}
        FROM placed JOIN {table} m ON m.number = placed.mould"""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute(statement, [])
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            cursor.execute("VACUUM (ANALYZE)")
    statistics.tell()


def count() -> None:
    """The scopes as if each of the posts had come one by one."""
    from reviewqueue.models import GeneratedPost, Scope
    from reviewqueue.services import scopes

    found = GeneratedPost.objects.order_by().values_list("persona_id", "desk").annotate(Count("pk"))
    totals: dict[str, dict[str, int]] = {}
    for persona_id, desk, number in found:
        for key in (scopes.DESK, scopes.persona_key(persona_id)):
            counts = totals.setdefault(key, {})
            counts[desk] = counts.get(desk, 0) + number
    for key, counts in totals.items():
        Scope.objects.filter(key=key).update(**counts)
