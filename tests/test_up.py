"""The one command, as a process: what it refuses, starts, brings back and leaves behind."""

import os
import runpy
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.running import ROOT, Running, environment, free_port, is_ready, prepare, processes_of, until

HASTE = "20"  # a process that is silent for 120 s is hung; here for 6


def run(argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, **options)


def up(folder: Path, *arguments: str, **changes: str):
    return run(
        [sys.executable, "manage.py", "up", *arguments],
        cwd=ROOT,
        env=environment(folder, free_port(), **changes),
    )


def in_one_sentence(done, *words: str) -> None:
    assert done.returncode != 0
    said = done.stderr.strip()
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    for word in words:
        assert word in said


# ---- what stops it -------------------------------------------------------------------------------


def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        in_one_sentence(up(tmp_path, "--bind", f"127.0.0.1:{port}"), f"Port {port} is taken")


@pytest.mark.parametrize("bind", ["nonsense", "127.0.0.1:http", "127.0.0.1:"])
def test_an_address_that_is_none(tmp_path, bind):
    in_one_sentence(up(tmp_path, "--bind", bind), repr(bind))


def test_a_data_folder_that_cannot_be_written():
    in_one_sentence(up(Path("/proc/loupe")), "/proc/loupe", "cannot be used", "write")


def test_a_setting_that_is_nonsense(tmp_path):
    in_one_sentence(up(tmp_path, LOUPE_TIME_SCALE="fast"), "LOUPE_TIME_SCALE")
    in_one_sentence(up(tmp_path, LOUPE_DATABASE_URL="mysql://x@y/z"), "LOUPE_DATABASE_URL")


# ---- before there is an environment ----------------------------------------------------------------


@pytest.fixture
def checkout():
    """`manage.py` and the locks as after a clone, where any user may read them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    for name in ("manage.py", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, folder)
    yield folder
    shutil.rmtree(folder)


def start(checkout: Path, *arguments: str, before: str = "pass", **options):
    """The base interpreter runs `manage.py`, after a line that takes something away from it."""
    code = f"import runpy, sys; {before}; sys.argv = {['manage.py', *arguments]!r}; "
    code += f"runpy.run_path({str(checkout / 'manage.py')!r}, run_name='__main__')"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOUPE_")}
    return run([sys._base_executable, "-c", code], env=clean, **options)


def fake_environment(checkout: Path) -> Path:
    """A `.venv` whose Python writes down how it was called."""
    calls = checkout / "calls"
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    python.chmod(0o755)
    return calls


def test_a_python_that_is_too_old(checkout):
    done = start(checkout, "up", before="sys.version_info = (3, 9, 2, 'final', 0)")
    in_one_sentence(done, "Python 3.11 or newer is needed", "3.9")
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv(checkout):
    done = start(checkout, "up", before="sys.modules['venv'] = None")
    in_one_sentence(done, "no venv module", "python3-venv")


def test_a_checkout_that_may_not_be_written(checkout):
    checkout.chmod(0o555)
    # Root may write everywhere; what it would be told as somebody else is told all the same.
    before = "import os; os.access = lambda *_: False" if os.geteuid() == 0 else "pass"
    done = start(checkout, "up", before=before)
    in_one_sentence(done, "no permission to write to", str(checkout))


def test_an_installation_that_fails(checkout):
    fake_environment(checkout)
    (checkout / ".venv/bin/python").write_text("#!/bin/sh\nexit 3\n")
    in_one_sentence(start(checkout, "up"), "the installation of requirements.lock stopped")
    assert not (checkout / ".venv/.installed").exists()


def test_the_first_start_installs_with_hashes_and_the_second_nothing(checkout):
    calls = fake_environment(checkout)
    first = start(checkout, "up")
    assert first.returncode == 0, first.stderr
    assert "Installing requirements.lock" in first.stdout
    installed, command = calls.read_text().splitlines()
    assert "-m pip " in installed
    assert "--require-hashes --no-deps" in installed
    assert command.endswith("manage.py up")
    calls.unlink()
    assert "Installing" not in start(checkout, "up").stdout
    assert len(calls.read_text().splitlines()) == 1
    calls.unlink()
    (checkout / "requirements.lock").write_text("# another lock\n")
    assert "Installing requirements.lock" in start(checkout, "up").stdout


def test_what_tests_need_will_do_for_running(checkout):
    calls = fake_environment(checkout)
    start(checkout, "test")
    assert "requirements-dev.lock" in calls.read_text()
    calls.unlink()
    assert "Installing" not in start(checkout, "up").stdout


def test_the_bootstrap_parses_for_an_old_python():
    """A `match`, an f-string with nested quotes or `X | Y` would hide the sentence behind a SyntaxError."""
    import ast

    ast.parse((ROOT / "manage.py").read_text(), feature_version=(3, 6))
    assert runpy.run_path(str(ROOT / "manage.py"))["NEEDS"] == (3, 11)


# ---- the running program -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A migrated data folder without a sandbox: what the processes themselves need, and no more."""
    folder, port = tmp_path_factory.mktemp("empty") / "data", free_port()
    prepare(folder, port, "--no-sandbox")
    return folder


@contextmanager
def living(empty: Path, folder: Path):
    running = Running(empty, free_port(), folder / "data", "--no-sandbox", LOUPE_TIME_SCALE=HASTE)
    until(lambda: is_ready(running))
    yield running
    running.stop()
    until(lambda: not processes_of(running.folder))


@pytest.fixture
def loupe(empty, tmp_path):
    with living(empty, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def lasting(empty, tmp_path_factory):
    """One for all who bring it no end."""
    with living(empty, tmp_path_factory.mktemp("lasting")) as running:
        yield running


def leader(loupe: Running, words: str) -> int:
    """The first process of a child: the one whose parent is the supervisor."""
    for pid, command in processes_of(loupe.folder).items():
        with suppress(OSError):  # it may have ended meanwhile
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if words in command and parent == loupe.process.pid:
                return pid
    return 0


# As on a new database, where nobody has told of themselves yet.
FORGET_THE_WORKER = (
    "from reviewqueue.models import Heartbeat; Heartbeat.objects.filter(name='worker').delete()"
)
CHILDREN = {"web": "gunicorn", "worker": "qcluster", "poller": "runpoller"}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_it_leaves_no_process_behind(loupe, name):
    assert len(processes_of(loupe.folder)) >= 4
    loupe.process.send_signal(getattr(signal, name))
    loupe.process.wait(20)
    until(lambda: not processes_of(loupe.folder))
    assert "Traceback" not in loupe.log()
    with sqlite3.connect(loupe.folder / "loupe.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_told_to_end_again_and_again_it_ends(loupe):
    """The kernel tells a child once for each thread of its killed parent; a person presses Ctrl-C twice."""
    told = [loupe.process.pid, *(leader(loupe, words) for words in CHILDREN.values())]
    for _ in range(300):
        for pid in told:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    loupe.process.wait(20)
    until(lambda: not processes_of(loupe.folder))


def test_the_planner_knows_the_posts_before_anything_asks(empty):
    """Connections read its figures once, when they are made."""
    with closing(sqlite3.connect(empty / "loupe.sqlite3")) as database:
        told = {name for (name,) in database.execute("SELECT idx FROM sqlite_stat1")}
    assert {"posts_ready", "posts_newest"} < told


def test_a_second_start_serves_and_prepares_nothing_again(loupe):
    until(lambda: "/enter/" in loupe.log())  # somebody can sign in where there is neither sandbox nor key
    assert "/enter/" in loupe.link("")
    loupe.stop()
    again = Running(loupe.folder, loupe.port, None, "--no-sandbox")
    try:
        until(lambda: "/enter/" in again.log())
        assert "Preparing" not in again.log()
    finally:
        again.stop()


def test_whatever_dies_is_started_again(lasting):
    for name, words in CHILDREN.items():
        before = leader(lasting, words)
        os.killpg(before, signal.SIGKILL)
        until(lambda before=before, words=words: leader(lasting, words) not in (0, before))
        assert f"{name:>6} | ended with -9" in lasting.log()
    until(lambda: is_ready(lasting))


def test_whatever_hangs_is_killed_and_started_again(lasting):
    before = {name: leader(lasting, words) for name, words in CHILDREN.items()}
    for pid in before.values():
        os.killpg(pid, signal.SIGSTOP)
    lasting.shell(FORGET_THE_WORKER)
    for name, words in CHILDREN.items():
        until(lambda name=name, words=words: leader(lasting, words) not in (0, before[name]))
        assert f"{name:>6} | silent for" in lasting.log()
    until(lambda: is_ready(lasting))
