"""The task queue is allowed to die: its processes are really killed, and nothing is lost or doubled.

django-q2 does not come back by itself from the loss of an idle worker (its replacements wait for a lock that
the dead one holds) or of its monitor (what was done is never taken off the queue, and done again each time
its lock is over). What covers it: the poller does what lies unclaimed, the watchdog of `up` starts the
cluster anew, and a task that comes again finds its row done.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reviewqueue.sandbox.app import Sandbox
from tests.running import (
    ROOT,
    Running,
    environment,
    free_port,
    is_ready,
    manage,
    prepare,
    processes_of,
    until,
)

HASTE = "20"  # a cluster that is silent for 120 s is hung; here for 6
WORKERS = 2

SET_UP = """
from reviewqueue.models import Member, UpstreamKey, User, Watch, Workspace
from reviewqueue.services import setup
workspace = Workspace.objects.get()
workspace.is_sandbox = True
workspace.save()
setup.store_key(workspace, "{key}")
UpstreamKey.objects.update(state="working")
Watch.objects.all().delete()
ana = User.objects.create_user("ana@example.com", "correct horse battery", name="Ana Ruiz", current=workspace)
Member.objects.create(workspace=workspace, user=ana, role="admin")
"""
ASK = """
import uuid
from reviewqueue.models import Member
from reviewqueue.services import personas
by = Member.objects.get(user__email="ana@example.com")
for number in range({count}):
    print(personas.create(name=f"Nadir {{number}}", writing_style="Dry.", by=by, token=uuid.uuid4()).pk.hex)
"""


@pytest.fixture(scope="module")
def filled(prepared, tmp_path_factory):
    """A migrated data folder with a sandbox that has a key, and nothing to look at in it."""
    folder, port = tmp_path_factory.mktemp("cluster") / "data", free_port()
    prepare(folder, port, "--no-sandbox")
    (folder / "sandbox").mkdir(exist_ok=True)
    shutil.copy(prepared[0] / "sandbox.sqlite3", folder / "sandbox")
    manage(environment(folder, port), "shell", "-v", "0", "-c", SET_UP.format(key=prepared[1]))
    return folder


@pytest.fixture
def loupe(filled, tmp_path):
    """Under its supervisor."""
    running = Running(filled, free_port(), tmp_path / "data", "--no-sandbox", LOUPE_TIME_SCALE=HASTE)
    until(lambda: is_ready(running))
    yield running
    running.stop()
    until(lambda: not processes_of(running.folder))


@pytest.fixture
def alone(filled, tmp_path):
    """`alone(command)` runs one process of the program, with nobody to start it again."""
    folder = tmp_path / "data"
    shutil.copytree(filled, folder)
    started = []

    def start(*command: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment(folder, free_port(), LOUPE_TIME_SCALE=HASTE),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process

    start.folder = folder
    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    until(lambda: not processes_of(folder))


# ---- what there is to see ------------------------------------------------------------------------


def ask(folder: Path, code: str, *values) -> list[tuple]:
    with sqlite3.connect(folder / "loupe.sqlite3", timeout=20) as database:
        return database.execute(code, values).fetchall()


def beat(folder: Path, name: str = "worker") -> str:
    """When it last gave a sign of life."""
    rows = ask(folder, "SELECT at FROM reviewqueue_heartbeat WHERE name = ?", name)
    return rows[0][0] if rows else ""


def beats(folder: Path) -> bool:
    """Whether tasks come through the cluster: eight beats' time is enough to see one."""
    before = beat(folder)
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        if beat(folder) != before:
            return True
        time.sleep(0.1)
    return False


def new_operations(folder: Path, count: int) -> list[str]:
    """Somebody asks for personas: of all that is asked for, these are never to be sent twice."""
    return manage(environment(folder, free_port()), "shell", "-v", "0", "-c", ASK.format(count=count)).split()


def new_operation(folder: Path) -> str:
    return new_operations(folder, 1)[0]


def state(folder: Path, operation: str) -> str:
    return ask(folder, "SELECT state FROM reviewqueue_operation WHERE id = ?", operation)[0][0]


def states(folder: Path) -> dict[str, int]:
    return dict(ask(folder, "SELECT state, COUNT(*) FROM reviewqueue_operation GROUP BY state"))


def effects(folder: Path) -> int:
    """How often it happened at the service, by the service's own word."""
    with sqlite3.connect(folder / "sandbox/sandbox.sqlite3", timeout=20) as database:
        return database.execute("SELECT COUNT(*) FROM personas WHERE name LIKE 'Nadir %'").fetchone()[0]


def waiting(folder: Path) -> int:
    return ask(folder, "SELECT COUNT(*) FROM django_q_ormq")[0][0]


def retry_is_over(folder: Path) -> None:
    """Three minutes later: what was not taken off the queue is given out again."""
    ask(folder, "UPDATE django_q_ormq SET lock = '2001-01-01 00:00:00'")


def stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Cluster:
    """The processes of one cluster, told apart by the order in which it starts them."""

    def __init__(self, folder: Path):
        found = [pid for pid, command in processes_of(folder).items() if "qcluster" in command]
        parents = {pid: int(stat(pid)[1]) for pid in found}
        self.main = next((pid for pid in found if parents[pid] not in found), 0)
        self.sentinel = next((pid for pid in found if parents[pid] == self.main), 0)
        below = [pid for pid in found if parents[pid] == self.sentinel]
        below.sort(key=lambda pid: int(stat(pid)[19]))  # when it was started
        self.size, self.workers, self.others = len(found), below[:WORKERS], below[WORKERS:]

    @property
    def is_whole(self) -> bool:
        return self.size == WORKERS + 4 and len(self.others) == 2

    @property
    def monitor(self) -> int:
        return self.others[0]

    @property
    def pusher(self) -> int:
        return self.others[1]


def whole(folder: Path) -> Cluster:
    found = []
    until(lambda: found.append(Cluster(folder)) or found[-1].is_whole)
    return found[-1]


def kill_idle_workers(folder: Path) -> None:
    """The one that waits for a task holds the lock for which every other waits, and those yet to come."""
    for _ in range(3):
        for pid in whole(folder).workers:
            os.kill(pid, signal.SIGKILL)
        if not beats(folder):
            return
    raise AssertionError("the cluster goes on without its workers")


# ---- what must hold ------------------------------------------------------------------------------


def test_the_poller_does_what_a_stalled_cluster_leaves_lying(alone):
    """Nothing is scheduled in the queue either: its schedules are looked at every half minute only."""
    folder = alone.folder
    alone("qcluster")
    alone("runpoller")
    until(lambda: beats(folder))
    kill_idle_workers(folder)
    stalled = beat(folder)
    operation = new_operation(folder)
    until(lambda: state(folder, operation) == "succeeded")
    assert effects(folder) == 1
    assert beat(folder) == stalled  # the cluster had no part in it
    assert ask(folder, "SELECT COUNT(*) FROM django_q_schedule") == [(0,)]


def test_a_cluster_that_stalls_is_started_anew_and_what_it_held_does_nothing_twice(loupe):
    folder = loupe.folder
    until(lambda: beats(folder))
    kill_idle_workers(folder)
    operation = new_operation(folder)
    until(lambda: state(folder, operation) == "succeeded")
    until(lambda: "worker | silent for" in loupe.log())
    until(lambda: beats(folder))
    assert waiting(folder) > 0  # what the dead ones had fetched, the hint among it
    until(lambda: retry_is_over(folder) or waiting(folder) <= 1)
    assert effects(folder) == 1


def test_a_task_that_is_done_again_and_again_for_want_of_a_monitor_changes_nothing(loupe):
    folder = loupe.folder
    until(lambda: beats(folder))
    os.kill(whole(folder).monitor, signal.SIGKILL)
    operation = new_operation(folder)
    until(lambda: state(folder, operation) == "succeeded")
    assert waiting(folder) > 0  # it was done, and stays on the queue
    retry_is_over(folder)
    until(lambda: "worker | silent for" in loupe.log())
    until(lambda: retry_is_over(folder) or waiting(folder) <= 1)
    assert (state(folder, operation), effects(folder)) == ("succeeded", 1)


def test_whichever_process_of_the_cluster_dies_there_is_one_whole_cluster_again(loupe):
    folder = loupe.folder
    for name in ("pusher", "sentinel", "main"):
        before = whole(folder)
        victim = getattr(before, name)
        os.kill(victim, signal.SIGKILL)
        until(lambda victim=victim: victim not in processes_of(folder))
        after = whole(folder)
        assert (after.main != before.main) == (name != "pusher")
        until(lambda: beats(folder))
    operation = new_operation(folder)
    until(lambda: state(folder, operation) == "succeeded")
    assert effects(folder) == 1


def test_a_second_poller_takes_over_from_one_that_was_killed_and_needs_no_worker(alone):
    folder = alone.folder

    def leader() -> str:
        rows = ask(folder, "SELECT holder FROM reviewqueue_heartbeat WHERE name = 'poller'")
        return rows[0][0] if rows else ""

    first = alone("runpoller")
    until(lambda: leader().endswith(f":{first.pid}"))
    second = alone("runpoller")
    os.kill(first.pid, signal.SIGKILL)
    operation = new_operation(folder)
    until(lambda: state(folder, operation) == "succeeded")
    assert leader().endswith(f":{second.pid}")
    assert effects(folder) == 1


@pytest.mark.parametrize(("command", "hands"), [("qcluster", WORKERS), ("runpoller", 3)])
def test_told_to_end_it_finishes_what_is_under_way_and_begins_nothing_more(alone, command, hands):
    """A deploy: what was not begun waits for the next release, and nothing is left unknown."""
    folder, count = alone.folder, hands + 4
    Sandbox(folder / "sandbox", public_url="http://sandbox.test", speed=1.0).misbehave(
        "slow", match="POST /api/v1/personas", times=hands, seconds=2
    )
    new_operations(folder, count)
    process = alone(command)
    until(lambda: states(folder).get("sending") == hands)
    process.terminate()
    assert process.wait(35) == 0
    assert states(folder) == {"succeeded": hands, "queued": count - hands}
    assert effects(folder) == hands
    alone("runpoller")
    until(lambda: states(folder) == {"succeeded": count})
    assert effects(folder) == count
