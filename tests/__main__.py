"""Everything that `python3 manage.py test` runs: linters, the tests on SQLite, those of the database again
on PostgreSQL, and beside them the browser tests. With arguments, they go to one pytest run as they are.

With CI=true a missing PostgreSQL or Chromium is a failure; elsewhere it is said and left out.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
POSTGRES = os.environ.get("LOUPE_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
LONG = ("tests/bench", "tests/campaign")  # too long for every change; the README says how to run them
BROWSER = "tests/browser"
CONTRACT = "tests/sandbox/test_contract.py"
CORES = os.cpu_count() or 2
PYTEST = (sys.executable, "-m", "pytest", "-q")
IN_CI = os.environ.get("CI") == "true"


telling = Lock()


def tell(text: str) -> None:
    with telling:
        print(text, flush=True)


def run(what: str, *command: str, **environment: str) -> bool:
    """Another may run beside it, so what it prints is told in one piece when it ends."""
    began = time.monotonic()
    tell(f"== {what}: begins")
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(
            [*map(str, command)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output.seek(0)
        printed = output.read().strip()
    is_well = done.returncode == 0
    end = f"== {what}: {'ok' if is_well else 'FAILED'} in {time.monotonic() - began:.0f} s"
    tell(f"\n== {what}\n{printed}\n{end}\n")
    return is_well


def pytest(what: str, *arguments: str, **environment: str) -> bool:
    return run(what, *PYTEST, *arguments, **environment)


def postgres_answers() -> bool:
    import psycopg

    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error as error:
        tell(f"PostgreSQL does not answer ({str(error).splitlines()[0]}).")
        return False
    return True


def missing(what: str) -> bool:
    """Whether the run may go on without it."""
    if IN_CI:
        tell(f"== {what} is missing, and CI may not go without it: FAILED")
        return False
    tell(f"== {what} is missing: its tests are left out. See the README, “Tests”.")
    return True


def everything() -> bool:
    results = [
        run("ruff", BIN / "ruff", "check", "."),
        run("ruff format", BIN / "ruff", "format", "--check", "."),
        run("djlint", BIN / "djlint", "--lint", "--quiet", "templates"),
    ]
    with ThreadPoolExecutor() as lanes:  # each waits about half of its time, for disks, clocks and sockets
        browser, databases = lanes.submit(in_the_browser), lanes.submit(on_both_databases)
        return all([*results, *databases.result(), browser.result()])


def in_the_browser() -> bool:
    if not any(map(shutil.which, CHROMIUM)):
        return missing("Chromium")
    # Browsers and programs share the cores; what failed is tried once more, by itself.
    chosen = (BROWSER, "-o", "cache_dir=.pytest_cache/browser")
    again = ("--last-failed", "--last-failed-no-failures", "none")
    return pytest("browser", "-n", str(CORES + 1), "--dist", "loadfile", *chosen) or pytest(
        "browser, what failed", "-n", "1", *chosen, *again
    )


def on_both_databases() -> list[bool]:
    elsewhere = map("--ignore={}".format, (*LONG, BROWSER, CONTRACT))
    results = [
        pytest("SQLite", "-n", str(CORES), *elsewhere),
        # Only one process that ran all of it can tell whether an operation of the contract was left out.
        pytest("contract", CONTRACT),
    ]
    if not postgres_answers():
        return [*results, missing("PostgreSQL")]
    on_postgres = ("tests/models", "tests/services", "tests/pages")
    # One process more than cores: each waits for the server while the server works.
    beside = str(CORES + 1)
    return [*results, pytest("PostgreSQL", "-n", beside, *on_postgres, LOUPE_DATABASE_URL=POSTGRES)]


if __name__ == "__main__":
    # A run starts some hundred processes of the same program: what one has compiled, the others load.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if len(sys.argv) > 1:
        sys.exit(subprocess.call([*PYTEST, *sys.argv[1:]], cwd=ROOT))
    with tempfile.TemporaryDirectory(prefix="loupe-rendered-") as rendered:
        os.environ["LOUPE_TEST_RENDERED"] = rendered  # pictures are drawn once for all the stages
        sys.exit(0 if everything() else 1)
