"""All that must be done once before the processes start: `up` does it, and a container's first service."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from reviewqueue.models import User, Workspace
from reviewqueue.services import filling, pictures, restoring, setup, statistics

LOCK = 5_681_873  # of PostgreSQL's advisory locks, anything that nobody else takes in this database


class Command(BaseCommand):
    help = "Migrations, static files, the sandbox on an empty database, the key of the environment."
    requires_migrations_checks = False

    def add_arguments(self, parser):
        parser.add_argument(
            "--no-sandbox", dest="sandbox", action="store_false", help="do not make the sandbox"
        )

    def handle(self, *args, sandbox=True, **options):
        with alone():
            self.prepare(sandbox)

    def prepare(self, sandbox: bool) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        statistics.tell()
        if restoring.keep_watch():
            say("A backup of the database was restored: what was not settled is stopped (see Operations).")
        collect_static()
        if sandbox and not User.objects.exists():
            say("Filling the sandbox (once, up to a minute) …")
            filling.fill(say)
        pictures.catch_up()
        setup.keep_pace()
        if not setup.from_environment() and not Workspace.objects.exists():
            setup.make_workspace("My workspace")  # somewhere to sign in to, and to enter a key


@contextmanager
def alone():
    """Of containers that start at once on PostgreSQL, each waits for the one before it.

    The lock is a transaction's, on a connection of its own: a pooler cannot part them, and it ends with us.
    """
    if connection.vendor != "postgresql":
        yield
        return
    beside = connection.copy()
    beside.set_autocommit(False)
    try:
        with beside.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield
    finally:
        beside.close()


def collect_static() -> None:
    """Hash and compress the static files, if any of them changed since the last time."""
    if not settings.STATIC_ROOT.is_relative_to(settings.DATA_DIR):
        return  # collected when the image was built
    stamp = settings.STATIC_ROOT / ".stamp"
    now = fingerprint([settings.BASE_DIR / "static", settings.BASE_DIR / "requirements.lock"])
    if stamp.exists() and stamp.read_text() == now:
        return
    say("Preparing static files …")
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(now)


def fingerprint(places: list[Path]) -> str:
    digest = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file():
                digest.update(f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()


def say(text: str) -> None:
    print(text, flush=True)
