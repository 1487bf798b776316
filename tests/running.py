"""The real program on a port of its own: web, worker and poller over a copy of a filled data folder."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from reviewqueue.ending import dies_with_us

ROOT = Path(__file__).resolve().parent.parent
SPEED = "30"  # the sandbox's; images take about a second
# Answers questions one after the other: a line of JSON each, code to run and what it printed.
ANSWER = """
import contextlib, io, json, sys, traceback
from django.db import connections
for question in sys.stdin:
    printed, wrong = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(json.loads(question), dict(globals()))
        except BaseException:
            wrong = traceback.format_exc()
    connections.close_all()
    print(json.dumps([printed.getvalue(), wrong]), flush=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(folder: Path, port: int, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOUPE_", "DJANGO_"))}
    return kept | {
        "LOUPE_DATA_DIR": str(folder),
        "LOUPE_BIND": f"127.0.0.1:{port}",
        "LOUPE_SANDBOX_SPEED": SPEED,
        "LOUPE_SECRET_KEY": "only-for-tests-" + "b" * 40,
        "PYTHONUNBUFFERED": "1",
        **changes,
    }


def manage(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=dies_with_us(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


BEGIN = """
from reviewqueue.models import Workspace
from reviewqueue.services import filling, wire
workspace = Workspace.objects.get()
filling.begin(workspace)
filling.read(workspace, wire.open_wire(workspace), "posts")
filling.copy(filling.wanted(workspace))
"""


def prepare(folder: Path, port: int, *arguments: str) -> None:
    """Fill a data folder; the sandbox's links will name the port."""
    manage(environment(folder, port), "prepare", *arguments)


def begin(folder: Path, port: int) -> None:
    """Let what the first visit would set going begin now, so that it does not get into a test's way."""
    manage(environment(folder, port), "shell", "-v", "0", "-c", BEGIN)


class Running:
    """`loupe.address` answers; `loupe.link(email)` signs somebody in; `loupe.log()` is what it printed.

    It works on a copy of the prepared folder, or without `folder` on that one itself.
    """

    def __init__(self, prepared: Path, port: int, folder: Path | None, *arguments: str, **changes: str):
        if folder:
            shutil.copytree(prepared, folder, symlinks=True)
        folder = folder or prepared
        self.port = port
        self.address = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.env = environment(folder, self.port, **changes)
        self.output = (folder / "output.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--bind", f"127.0.0.1:{self.port}", *arguments],
            cwd=ROOT,
            env=self.env,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_us(),
        )
        self.asked: subprocess.Popen | None = None
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.address}/healthz", timeout=1).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        printed = self.log()
        self.stop()
        raise AssertionError(f"Loupe did not start:\n{printed}")

    def log(self) -> str:
        self.output.flush()
        return (self.folder / "output.log").read_text()

    def link(self, email: str = "ana@sandbox.invalid") -> str:
        whom = [email] if email else []
        printed = self.shell(
            f"from django.core.management import call_command; call_command('sign_in_link', *{whom!r})"
        )
        return re.search(r"http\S+", printed).group()

    def shell(self, code: str) -> str:
        """Ask the program's own database, for what a page does not show. One process answers all of them."""
        if self.asked is None:
            self.asked = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "-v", "0", "-c", ANSWER],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self.asked.stdin.write(json.dumps(code) + "\n")
        self.asked.stdin.flush()
        printed, wrong = json.loads(self.asked.stdout.readline())
        assert not wrong, wrong
        return printed.strip()

    def stop(self) -> None:
        if self.asked:
            self.asked.communicate()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.output.close()


def processes_of(folder: Path) -> dict[int, str]:
    """Every living process of the program whose data lie there: pid and command line."""
    found = {}
    wanted = f"LOUPE_DATA_DIR={folder}".encode()
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            if state not in "ZX" and wanted in (place / "environ").read_bytes().split(b"\0"):
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def until(true, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def is_ready(loupe: Running) -> bool:
    try:
        urllib.request.urlopen(f"{loupe.address}/readyz", timeout=2).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


STOCK = """
import json
from reviewqueue.models import GeneratedPost
rows = []
for post in GeneratedPost.objects.filter(desk="ready").select_related("persona").order_by("made_at", "id"):
    items = list(post.items.current())
    rows.append({
        "id": str(post.pk), "number": post.number, "persona": post.persona.name, "kind": post.kind,
        "items": len(items), "accounts": len(post.persona.accounts), "voice": post.persona.has_voice,
        "discount": any(item.discount_applied for item in items),
        "untouched": not any(item.is_public or item.review_status == "rejected" or item.take > 1
                             or item.voice_conversion_status for item in items),
    })
print(json.dumps(rows))
"""


class Stock:
    """The posts that are ready, each to be used by one test."""

    def __init__(self, loupe: Running):
        self.rows = json.loads(loupe.shell(STOCK))

    def take(self, **wanted) -> dict:
        """The first one left that is as wanted: `take(kind="video", voice=True)`."""
        wanted.setdefault("untouched", True)
        for row in self.rows:
            if all(
                row[name] == value if not callable(value) else value(row[name])
                for name, value in wanted.items()
            ):
                self.rows.remove(row)
                return row
        raise LookupError(f"no post left with {wanted}")
