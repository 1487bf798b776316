"""One campaign from an empty folder to its verdict."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.campaign import books, plan
from tests.campaign.desk import Visitor
from tests.campaign.storm import Storm
from tests.campaign.upstream import FAULTS, Stormy
from tests.running import ROOT, Running, environment, free_port, manage

PEOPLE = 3  # at the desk at the same time
# Long enough for the last documented look (30 minutes) at anything that was sent last.
SETTLING_SECONDS = 1800.0
SLACK_SECONDS = 60.0
ASKED_EVERY_SECONDS = 5.0
STORM_SECONDS_EACH = 1.0  # for which the storm waits at most that an operation is sent in it
# Pages that a person opens while the service hangs.
PAGES = (
    "/",
    "/?tab=attention",
    "/sources/",
    "/personas/",
    "/library/",
    "/activity/",
    "/billing/",
    "/settings/",
)
SILENT_SECONDS = 60.0

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
User.objects.update(hold_seconds=5)
with wake.quietly():
    filling.mirror(workspace)
filling.copy(list(MediaFile.objects.filter(state="wanted").values_list("pk", flat=True)))
"""


@dataclass(frozen=True)
class Weather:
    """How bad it gets. `changing` and `reading`: the shares of requests that meet a fault."""

    changing: float = 0.15
    reading: float = 0.03
    faults: tuple[str, ...] = FAULTS
    self_kill: float = 0.03
    strikes: bool = True
    silence: bool = True


def campaign(
    *,
    operations: int,
    seed: int,
    database: str = "",
    time_scale: float = 20.0,
    kinds: tuple[str, ...] = (),
    weather: Weather | None = None,
    keep: Path | None = None,
    say=print,
) -> books.Verdict:
    """Run it, and compare the books. `database`: empty for SQLite, else the URL of a PostgreSQL server."""
    weather = weather or Weather()
    folder = keep or Path(tempfile.mkdtemp(prefix="loupe-campaign-"))
    try:
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(own_database(database)) if database else ""
            began = time.monotonic()

            def tell(text: str) -> None:
                say(f"[{time.monotonic() - began:4.0f} s] {text}")

            port, key = stack.enter_context(upstream(folder, plan.needs(operations, kinds), seed, time_scale))
            changes = {
                "LOUPE_REELMIRROR_URL": f"http://127.0.0.1:{port}/api",
                "LOUPE_REELMIRROR_KEY": key,
                "LOUPE_MEDIA_HOSTS": f"http://127.0.0.1:{port}",
                "LOUPE_TIME_SCALE": str(time_scale),
                "LOUPE_LOG_LEVEL": "WARNING",
                "PYTHONPATH": str(Path(__file__).parent / "selfkill"),
                "CAMPAIGN_SELF_KILL": str(weather.self_kill),
            } | ({"LOUPE_DATABASE_URL": url} if url else {})
            data, web = folder / "data", free_port()
            prepared = environment(data, web, **changes)
            manage(prepared, "prepare", "--no-sandbox")
            tell("the service stands, the database is made")
            manage(prepared, "shell", "-v", "0", "-c", MIRROR)
            stock = manage(prepared, "shell", "-v", "0", "-c", plan.STOCK).strip()
            presses = plan.draw(stock, operations, seed, kinds)
            tell(f"the desk is filled; {len(presses)} operations are entered")
            loupe = Running(data, web, None, "--no-sandbox", **changes)
            stack.callback(loupe.stop)
            service = Stormy(folder / "upstream", time_scale=time_scale)
            visitors = [Visitor(loupe.address, loupe.link("")) for _ in range(PEOPLE)]
            service.storm(changing=weather.changing, reading=weather.reading, kinds=weather.faults)
            storm = Storm(loupe.process.pid, seed)
            if weather.strikes:
                storm.start()
            enter(visitors, presses)
            tell(f"all are entered; {refusals(visitors)}")
            until_few_are_open(prepared, operations)
            if weather.strikes:
                storm.end()
                tell(f"no more strikes: {storm.strikes}")
            service.calm()
            if weather.silence:
                check_silence(service, visitors[0])
                tell("every page answered while the service hung")
            settle(prepared, time_scale)
            tell("settled")
            taken = sum((visitor.taken for visitor in visitors), Counter())
            booked = books.operations_in(manage(prepared, "export_operations", "--jsonl"))
            effects = books.effects_in(folder / "upstream" / "sandbox.sqlite3")
            verdict = books.compare(booked, effects, taken)
            check_reported(verdict, booked, visitors[0])
            check_log(verdict, loupe.log())
            tell(str(verdict))
            return verdict
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def own_database(server: str) -> Iterator[str]:
    """A database of its own beside the one that `server` names, dropped afterwards."""
    import psycopg

    name = f"loupe_campaign_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def upstream(folder: Path, needs: tuple[int, int], seed: int, time_scale: float) -> Iterator[tuple[int, str]]:
    """The service in a process of its own: (port, key)."""
    port = free_port()
    given = {
        "--folder": folder / "upstream",
        "--port": port,
        "--seed": seed,
        "--time-scale": time_scale,
        "--posts": needs[0],
        "--source-posts": needs[1],
    }
    argv = [sys.executable, "-m", "tests.campaign.upstream"]
    argv += [str(part) for pair in given.items() for part in pair]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        key = process.stdout.readline().strip()
        assert key.startswith("rm_"), "the service did not start"
        yield port, key
    finally:
        process.kill()
        process.wait()


def enter(visitors: list[Visitor], presses: list) -> None:
    """Everybody takes a share of the forms."""
    with ThreadPoolExecutor(len(visitors)) as hands:
        shares = [(visitor, presses[place :: len(visitors)]) for place, visitor in enumerate(visitors)]
        working = [
            hands.submit(lambda visitor=visitor, share=share: [visitor.carry_out(one) for one in share])
            for visitor, share in shares
        ]
        for one in working:
            one.result()


def refusals(visitors: list[Visitor]) -> str:
    said = [text for visitor in visitors for text in visitor.refused]
    return f"{len(said)} refused" + (f", such as {said[:3]}" if said else "")


def states(env: dict) -> Counter:
    return Counter(one["state"] for one in books.operations_in(manage(env, "export_operations", "--jsonl")))


def until_few_are_open(env: dict, operations: int) -> None:
    """The storm goes on until nearly everything has been sent in it."""
    deadline = time.monotonic() + operations * STORM_SECONDS_EACH + SLACK_SECONDS
    while time.monotonic() < deadline:
        found = states(env)
        if found["queued"] + found["sending"] <= operations * 0.03:
            return
        time.sleep(ASKED_EVERY_SECONDS)


def settle(env: dict, time_scale: float) -> None:
    """Wait until every operation is known, or every look at it has been taken."""
    deadline = time.monotonic() + SETTLING_SECONDS / time_scale + SLACK_SECONDS
    while time.monotonic() < deadline:
        found = states(env)
        if not any(found[state] for state in ("queued", "sending", "blocked", "unknown")):
            return
        time.sleep(ASKED_EVERY_SECONDS)


def check_silence(service: Stormy, visitor: Visitor) -> None:
    """While the service hangs on everything, every page answers, and long before a hanging request ends."""
    service.misbehave("hang", match="*", times=10_000, seconds=SILENT_SECONDS)
    began = time.monotonic()
    for path in PAGES:
        answer = visitor.client.get(path, follow_redirects=True)
        assert answer.status_code == 200, f"{path} answered {answer.status_code} while the service hung"
    assert time.monotonic() - began < SILENT_SECONDS, "a page waited for the service"
    service.behave()


def check_reported(verdict: books.Verdict, booked: list[dict], visitor: Visitor) -> None:
    """Whoever opens an operation that nobody knows the outcome of is told so, and can have it looked for."""
    for one in booked:
        if one["state"] == "unknown" and f"/operations/{one['id']}/check/" not in str(
            visitor.client.get(f"/operations/{one['id']}/").text
        ):
            verdict.say("unreported", books.name(one))


def check_log(verdict: books.Verdict, log: str) -> None:
    """An answer that came after its operation was ruled out is an incident, however it ended."""
    for line in log.splitlines():
        if "CRITICAL loupe" in line:
            verdict.say("incident", line.strip())
