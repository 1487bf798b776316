"""What the campaign does with processes and databases, on small ones of its own."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from tests.__main__ import POSTGRES, postgres_answers
from tests.campaign import ground, storm
from tests.campaign.jobs import Crew, Job
from tests.campaign.silence import Lookout
from tests.missing import missing
from tests.running import ROOT, processes_of, until

CONNECT = "import socket, sys, time; held = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
CONNECT += "print('connected', flush=True); time.sleep(60)"
IDLE = "import time; print('ready', flush=True); time.sleep(60)"


@contextlib.contextmanager
def child(code: str, *arguments: str):
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        process.said = process.stdout.readline().strip()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def seen(port: int) -> Lookout:
    with Lookout(os.getpid(), port) as lookout:
        deadline = time.monotonic() + 10
        while not (lookout.web or lookout.others) and time.monotonic() < deadline:
            time.sleep(0.01)
    return lookout


def test_a_web_process_that_asks_the_service_is_seen(port):
    with child(IDLE), child(CONNECT, str(port), "gunicorn"):
        lookout = seen(port)
    assert [line for line in lookout.web if "gunicorn" in line]
    assert not lookout.others


def test_a_worker_that_asks_is_not_taken_for_a_web_process(port):
    with child(IDLE, "gunicorn"), child(CONNECT, str(port), "qcluster"):
        lookout = seen(port)
    assert lookout.others
    assert not lookout.web


def test_what_is_left_of_the_program_is_killed_and_nothing_else():
    with child(IDLE, "left") as left, child(IDLE, "other") as other:
        found = [one for one in storm.below(os.getpid()) if one.pid == left.pid]
        storm.kill_what_is_left(found)
        assert left.wait(10) < 0
        assert other.poll() is None
        storm.kill_what_is_left(found)  # gone by now, its number may be another's


# ---- side by side ----------------------------------------------------------------------------------------


def job(name: str, code: str) -> Job:
    def start(scratch):
        return [sys.executable, "-c", code], scratch

    return Job(name, start, lambda done: done.returncode == 0)


def test_all_jobs_are_done_and_one_that_fails_is_told(tmp_path):
    said = []
    jobs = [job("good", "print('done')"), job("bad", "print('why'); raise SystemExit(1)"), job("last", "")]
    assert not Crew(2, tmp_path, said.append).do(jobs)
    text = "\n".join(said)
    assert "== good: ok" in text
    assert "== bad: FAILED" in text
    assert "bad | why" in text
    assert "== last: ok" in text


def test_nothing_runs_on_after_the_crew_was_stopped(tmp_path):
    said, crew = [], Crew(1, tmp_path, lambda text: said.append(text))
    working = threading.Thread(target=crew.do, args=([job("long", IDLE), job("next", IDLE)],))
    working.start()
    deadline = time.monotonic() + 10
    while not crew.running and time.monotonic() < deadline:
        time.sleep(0.01)
    process = next(iter(crew.running))
    crew.stop()
    working.join(30)
    assert process.poll() is not None
    assert not (tmp_path / "next").exists()


# ---- backups -----------------------------------------------------------------------------------------------


def test_a_backup_is_the_database_of_that_moment(tmp_path):
    here = ground.Ground(tmp_path, 0, "", "", 1.0)
    here.data.mkdir()
    live = sqlite3.connect(here.data / "loupe.sqlite3")
    live.execute("PRAGMA journal_mode = WAL")
    live.execute("CREATE TABLE words (word TEXT)")
    live.execute("INSERT INTO words VALUES ('old')")
    live.commit()
    copy = ground.back_up(here)
    live.execute("INSERT INTO words VALUES ('new')")
    live.commit()
    live.close()
    ground.put_back(here, copy)
    with contextlib.closing(sqlite3.connect(here.data / "loupe.sqlite3")) as again:
        assert again.execute("SELECT word FROM words").fetchall() == [("old",)]


# ---- killed ----------------------------------------------------------------------------------------------

OWNER = """
import sys, time
from tests.campaign import ground
with ground.own_database(sys.argv[1]) as database:
    print(database.rpartition("/")[2], flush=True)
    time.sleep(600)
"""


def databases() -> set[str]:
    with psycopg.connect(POSTGRES) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_a_database_is_dropped_at_the_next_start_once_its_owner_is_gone_and_not_before():
    if not postgres_answers():
        missing("PostgreSQL")
    with child(OWNER, POSTGRES) as alive:
        with child(OWNER, POSTGRES) as killed:
            left = killed.said
        until(lambda: ground.drop_what_was_left(POSTGRES) or left not in databases())
        assert alive.said in databases()
        with ground.own_database(POSTGRES) as ours:
            ground.drop_what_was_left(POSTGRES)
            assert {alive.said, ours.rpartition("/")[2]} <= databases()
    until(lambda: ground.drop_what_was_left(POSTGRES) or alive.said not in databases())


CAMPAIGN = """
import sys, time
from pathlib import Path
from tests.campaign import ground, plan
with ground.stand(Path(sys.argv[1]), plan.needs(1, ()), 1, 20.0) as here:
    here.manage("prepare", "--no-sandbox")
    with here.loupe():
        print("all runs", flush=True)
        time.sleep(600)
"""


PARTS = ("manage.py up", "gunicorn", "qcluster", "runpoller", "tests.campaign.upstream")


def parts_of(folder: Path) -> set[str]:
    """Which parts of the campaign in that folder run."""
    lines = list(processes_of(folder / "data").values())
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = place.read_text().replace("\0", " ")
            lines += [line] if f"--folder {folder}/" in line else []
    return {part for part in PARTS if any(part in line for line in lines)}


def test_a_campaign_that_is_killed_leaves_no_process_behind(tmp_path):
    argv = [sys.executable, "-c", CAMPAIGN, str(tmp_path)]
    campaign = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert campaign.stdout.readline() == "all runs\n"
        until(lambda: parts_of(tmp_path) == set(PARTS))
    finally:
        campaign.kill()
        campaign.wait()
        campaign.stdout.close()
    until(lambda: not parts_of(tmp_path))
    until(lambda: not processes_of(tmp_path / "data"))
