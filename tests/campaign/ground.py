"""What a campaign stands on: the service in a process of its own, and Loupe's database and files, filled.

A folder that was filled before is used as it is, so that several campaigns can begin from copies of one.
"""

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from reviewqueue.ending import dies_with_us
from tests.campaign import storm
from tests.running import ROOT, Running, environment, free_port, manage

# Fills the desk before the storm; it may take several of the key's minutes.
MIRROR = """
import time
from reviewqueue import wake
from reviewqueue.models import MediaFile, User, Workspace
from reviewqueue.services import filling, setup, wire
spend = wire.Wire.spend
def patiently(line, klass, cost=1):
    while True:
        try:
            return spend(line, klass, cost)
        except wire.NoRoom as full:
            time.sleep(full.wait_seconds)
wire.Wire.spend = patiently
workspace = Workspace.objects.get()
setup.first_admin(workspace)
User.objects.update(hold_seconds=30)
with wake.quietly():
    filling.mirror(workspace)
filling.copy(list(MediaFile.objects.filter(state="wanted").values_list("pk", flat=True)))
"""


@dataclass
class Ground:
    """`database`: empty for SQLite, else the URL of the campaign's own PostgreSQL database."""

    folder: Path
    service_port: int
    key: str
    database: str
    time_scale: float
    self_kill: float = 0.0
    web_port: int = field(default_factory=free_port)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def changes(self) -> dict[str, str]:
        address = f"http://127.0.0.1:{self.service_port}"
        changes = {
            "LOUPE_REELMIRROR_URL": f"{address}/api",
            "LOUPE_REELMIRROR_KEY": self.key,
            "LOUPE_MEDIA_HOSTS": address,
            "LOUPE_TIME_SCALE": str(self.time_scale),
            "LOUPE_LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(Path(__file__).parent / "selfkill"),
            "CAMPAIGN_SELF_KILL": str(self.self_kill),
        }
        return changes | ({"LOUPE_DATABASE_URL": self.database} if self.database else {})

    def manage(self, *arguments: str) -> str:
        return manage(environment(self.data, self.web_port, **self.changes), *arguments)

    def shell(self, code: str) -> str:
        return self.manage("shell", "-v", "0", "-c", code).strip()

    def ask(self, question: str) -> list[tuple]:
        """What the database says, without starting the program for it."""
        if self.database:
            with psycopg.connect(self.database) as connection:
                return connection.execute(question).fetchall()
        file = f"file:{self.data / 'loupe.sqlite3'}?mode=ro"
        with contextlib.closing(sqlite3.connect(file, uri=True, timeout=30)) as connection:
            return connection.execute(question).fetchall()

    def log(self) -> str:
        """What the program printed in its latest life."""
        path = self.data / "output.log"
        return path.read_text() if path.exists() else ""

    def fill(self) -> None:
        """Mirror the service, unless that was done before."""
        if self.data.exists():
            return
        self.manage("prepare", "--no-sandbox")
        self.shell(MIRROR)

    @contextlib.contextmanager
    def loupe(self) -> Iterator[Running]:
        """Web, worker and poller; whatever of them is left at the end is killed."""
        running = Running(self.data, self.web_port, None, "--no-sandbox", **self.changes)
        try:
            yield running
        finally:
            started = storm.below(running.process.pid)
            running.stop()
            storm.kill_what_is_left(started)


@contextlib.contextmanager
def stand(
    folder: Path,
    needs: dict[str, int],
    seed: int,
    time_scale: float,
    server: str = "",
    self_kill: float = 0.0,
) -> Iterator[Ground]:
    """The service runs and the database is there; `server`: the URL of a PostgreSQL server, or SQLite."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(own_database(server)) if server else ""
        port, key = stack.enter_context(service(folder / "upstream", needs, seed, time_scale))
        yield Ground(folder, port, key, database, time_scale, self_kill)


PREFIX = "loupe_owned_campaign_"
# A campaign is connected to the server under its database's name for as long as it lives; the server itself
# ends that when the process is gone, on whatever host it ran.
LEFT = """
SELECT datname FROM pg_database WHERE starts_with(datname, %s)
AND datname NOT IN (SELECT application_name FROM pg_stat_activity)
"""


@contextlib.contextmanager
def own_database(server: str) -> Iterator[str]:
    """A database of its own beside the one that `server` names, dropped afterwards.

    Those that campaigns left which were killed are dropped first.
    """
    drop_what_was_left(server)
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True, application_name=name) as owner:
        owner.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            on_server(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def drop_what_was_left(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        for (name,) in connection.execute(LEFT, [PREFIX]).fetchall():
            with contextlib.suppress(psycopg.Error):  # it is another's, or another start is at it
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def on_server(server: str, *statements: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextlib.contextmanager
def service(folder: Path, needs: dict[str, int], seed: int, time_scale: float) -> Iterator[tuple[int, str]]:
    """The service in a process of its own: (port, key)."""
    port = free_port()
    given = {
        "--folder": folder,
        "--port": port,
        "--seed": seed,
        "--time-scale": time_scale,
        "--needs": json.dumps(needs),
    }
    argv = [sys.executable, "-m", "tests.campaign.upstream"]
    argv += [str(part) for pair in given.items() for part in pair]
    process = subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_us(signal.SIGKILL)
    )
    try:
        key = process.stdout.readline().strip()
        assert key.startswith("rm_"), "the service did not start"
        yield port, key
    finally:
        process.kill()
        process.wait()


# ---- backups -----------------------------------------------------------------------------------------


def back_up(ground: Ground) -> Path:
    """A copy of the database as it is at one moment, made while everything runs."""
    copy = ground.folder / "backup"
    if ground.database:
        tool("pg_dump", "--format=custom", f"--file={copy}", ground.database)
        return copy
    live, saved = sqlite3.connect(ground.data / "loupe.sqlite3", timeout=30), sqlite3.connect(copy)
    with contextlib.closing(live), contextlib.closing(saved):
        live.backup(saved)
    return copy


def put_back(ground: Ground, copy: Path) -> None:
    """The database is as it was then; nothing of Loupe runs."""
    if ground.database:
        server, _, name = ground.database.rpartition("/")
        on_server(f"{server}/postgres", f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        tool("pg_restore", "--no-owner", f"--dbname={ground.database}", str(copy))
        return
    for ending in ("-wal", "-shm"):
        (ground.data / f"loupe.sqlite3{ending}").unlink(missing_ok=True)
    shutil.copyfile(copy, ground.data / "loupe.sqlite3")


def tool(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv[0]}: {done.stderr}"
