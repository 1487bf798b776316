"""The whole program: migrate, fill the sandbox, start web, worker and poller, and keep them alive."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections

from reviewqueue import ending
from reviewqueue.management.commands.serve import gunicorn
from reviewqueue.models import Heartbeat
from reviewqueue.services import accounts, setup

BACK_OFF = (0.25, 0.5, 1, 2, 4)  # seconds before a child that died is started again
SETTLED_SECONDS = 30  # alive that long, a child is started again at once
HUNG_SECONDS = 120 / settings.TIME_SCALE  # no sign of life for so long means: kill and start anew
STARTING_SECONDS = 15  # loading the program takes its time, whatever the scale
CHECK_SECONDS = min(5, HUNG_SECONDS / 4)
GRACE_SECONDS = {"web": 10, "worker": 70, "poller": 40}  # what was begun is finished: a request takes 30 s
TURN_SECONDS = 0.2


class Child:
    """One process under the supervisor, in a session of its own, dying with its parent."""

    def __init__(self, name: str, argv: list[str], environment: dict):
        self.name, self.argv, self.environment = name, argv, environment
        self.failures, self.restart_at, self.started_at = 0, 0.0, 0.0
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            env=self.environment,
            start_new_session=True,
            preexec_fn=ending.dies_with_us(),  # noqa: PLW1509 - Linux only, and nothing of ours runs in between
        )
        threading.Thread(target=self.repeat, args=(self.process,), daemon=True).start()

    def repeat(self, process) -> None:
        """Pass its output on, each line under its name."""
        for line in process.stdout:
            print(f"{self.name:>6} | {line.rstrip()}", flush=True)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        """SIGTERM to the leader only: a worker's own children must not be told over its head."""
        if self.is_alive:
            self.process.terminate()

    def kill(self) -> None:
        """The whole process group, at once."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Command(BaseCommand):
    help = "Starts everything under one supervisor. Ctrl-C stops all of it."
    requires_migrations_checks = False

    def add_arguments(self, parser):
        parser.add_argument("--bind", default=settings.BIND, help="host:port of the web server")
        parser.add_argument("--workers", type=int, default=1, help="web processes")
        parser.add_argument(
            "--no-sandbox", action="store_true", help="do not make the sandbox on an empty database"
        )

    def handle(self, *args, **options):
        check_port(options["bind"])
        writable(settings.DATA_DIR)
        call_command("prepare", sandbox=not options["no_sandbox"])
        link = sign_in_link()
        connections.close_all()
        self.children = [
            Child(name, argv, os.environ.copy())
            for name, argv in commands(options["bind"], options["workers"])
        ]
        ending.listen(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for child in self.children:
            child.start()
        self.bind, self.answered_at = options["bind"], time.time()
        wait_for_port(self.bind, self.children[0])
        self.greet(self.bind, link)
        self.supervise()

    def say(self, text: str) -> None:
        print(text, flush=True)

    def greet(self, bind: str, link: str) -> None:
        address, where = setup.address_at(bind), "" if bind == settings.BIND else f" --bind {bind}"
        self.say(f"\n  {settings.PRODUCT} runs at {address}/")
        if link:
            self.say(f"  Sign in once with {address}/enter/{link}/")
            self.say(f"  (good for 30 minutes; `manage.py sign_in_link{where}` prints another)")
        self.say("  Ctrl-C stops everything.\n")

    def supervise(self) -> None:
        checked_at = time.monotonic()
        while not ending.told.value:
            for child in self.children:
                self.mind(child)
            if time.monotonic() - checked_at > CHECK_SECONDS:
                self.check_life()
                checked_at = time.monotonic()
            time.sleep(TURN_SECONDS)
        self.stop()

    def mind(self, child: Child) -> None:
        """Start again what died, sooner if it had lived for a while."""
        if child.is_alive:
            return
        at = time.monotonic()
        if child.restart_at == 0.0:
            code = child.process.returncode
            child.kill()
            child.failures = 0 if at - child.started_at > SETTLED_SECONDS else child.failures + 1
            pause = BACK_OFF[min(child.failures, len(BACK_OFF) - 1)]
            child.restart_at = at + pause
            self.say(f"{child.name:>6} | ended with {code}; starting again in {pause} s")
        elif at >= child.restart_at:
            child.restart_at = 0.0
            child.start()

    def check_life(self) -> None:
        """A child that lives but does nothing is killed; `mind` starts it again."""
        signs = dict.fromkeys(("worker", "poller"), 0.0)  # never, as far as anybody knows
        try:
            beats = Heartbeat.objects.filter(name__in=signs).values_list("name", "at")
            signs |= {name: at.timestamp() for name, at in beats}
        except Exception as error:
            self.say(f"    up | the database did not answer: {error}")
            signs.clear()
        finally:
            connection.close()
        if answers(self.bind):
            self.answered_at = time.time()
        signs["web"] = self.answered_at
        for child in self.children:
            age = time.monotonic() - child.started_at
            if child.name not in signs or not child.is_alive or age < max(HUNG_SECONDS, STARTING_SECONDS):
                continue
            silent = min(age, time.time() - signs[child.name])
            if silent > HUNG_SECONDS:
                self.say(f"{child.name:>6} | silent for {silent:.0f} s; killing it")
                child.kill()

    def stop(self) -> None:
        self.say("\nStopping …")
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            if child.process is None:
                continue
            try:
                child.process.wait(GRACE_SECONDS[child.name])
            except subprocess.TimeoutExpired:
                self.say(f"{child.name:>6} | does not stop; killing it")
            child.kill()


# ---- before the children -----------------------------------------------------------------------


def check_port(bind: str) -> None:
    host, _, port = bind.rpartition(":")
    if not port.isdecimal():
        raise CommandError(f"{bind!r} is not an address like 127.0.0.1:8000.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]") or "127.0.0.1", int(port)))
        except PermissionError:
            raise CommandError(
                f"No permission to listen on port {port}; choose one above 1023 with --bind."
            ) from None
        except OSError:
            raise CommandError(
                f"Port {port} is taken. Stop what listens there, or use --bind 127.0.0.1:8001."
            ) from None


def writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CommandError(f"No permission to write to {folder}: {error.strerror}.") from None


def sign_in_link() -> str:
    """A link for an admin who has no password yet."""
    admin = setup.somebody_to_greet()
    return accounts.make_link(admin) if admin else ""


def commands(bind: str, workers: int) -> list[tuple[str, list[str]]]:
    python, manage = sys.executable, str(settings.BASE_DIR / "manage.py")
    return [
        ("web", gunicorn(bind, workers)),
        ("worker", [python, manage, "qcluster"]),
        ("poller", [python, manage, "runpoller"]),
    ]


def wait_for_port(bind: str, web: Child) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and web.is_alive and not answers(bind):
        time.sleep(0.1)


def answers(bind: str) -> bool:
    """Whether the web process answers at all; what it answers is not asked."""
    host, _, port = bind.rpartition(":")
    host = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(f"http://{host}:{port}/healthz", timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
