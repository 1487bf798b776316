"""Everything that `python3 manage.py test` runs: linters, the tests on SQLite, those of the database again
on PostgreSQL, and the browser tests. With arguments, they go to one pytest run as they are.

With CI=true a missing PostgreSQL or Chromium is a failure; elsewhere it is said and left out.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
POSTGRES = os.environ.get("LOUPE_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
LONG = ("tests/bench", "tests/campaign")  # too long for every change; the README says how to run them
CONTRACT = "tests/sandbox/test_contract.py"
CORES = os.cpu_count() or 2
IN_CI = os.environ.get("CI") == "true"


def run(what: str, *command: str, **environment: str) -> bool:
    print(f"\n== {what}", flush=True)
    began = time.monotonic()
    done = subprocess.run([*map(str, command)], cwd=ROOT, env={**os.environ, **environment}, check=False)
    is_well = done.returncode == 0
    print(f"== {what}: {'ok' if is_well else 'FAILED'} in {time.monotonic() - began:.0f} s", flush=True)
    return is_well


def pytest(what: str, *arguments: str, **environment: str) -> bool:
    return run(what, sys.executable, "-m", "pytest", "-q", *arguments, **environment)


def postgres_answers() -> bool:
    import psycopg

    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error as error:
        print(f"\nPostgreSQL does not answer ({str(error).splitlines()[0]}).")
        return False
    return True


def missing(what: str) -> bool:
    """Whether the run may go on without it."""
    if IN_CI:
        print(f"== {what} is missing, and CI may not go without it: FAILED")
        return False
    print(f"== {what} is missing: its tests are left out. See the README, “Tests”.")
    return True


def everything() -> bool:
    results = [
        run("ruff", BIN / "ruff", "check", "."),
        run("ruff format", BIN / "ruff", "format", "--check", "."),
        run("djlint", BIN / "djlint", "--lint", "--quiet", "templates"),
    ]
    return all([*results, *on_both_databases(), in_the_browser()])


def in_the_browser() -> bool:
    if not any(map(shutil.which, CHROMIUM)):
        return missing("Chromium")
    # Browsers and programs share the cores; what failed is tried once more, by itself.
    again = ("--last-failed", "--last-failed-no-failures", "none")
    return pytest("browser", "-n", str(CORES), "--dist", "loadfile", "-m", "browser") or pytest(
        "browser, what failed", "-n", "1", "-m", "browser", *again
    )


def on_both_databases() -> list[bool]:
    elsewhere = map("--ignore={}".format, (*LONG, CONTRACT))
    results = [
        pytest("SQLite", "-n", str(CORES), "-m", "not browser", *elsewhere),
        # Only one process that ran all of it can tell whether an operation of the contract was left out.
        pytest("contract", CONTRACT),
    ]
    if not postgres_answers():
        return [*results, missing("PostgreSQL")]
    on_postgres = ("tests/services", "tests/pages")
    return [*results, pytest("PostgreSQL", "-n", str(CORES), *on_postgres, LOUPE_DATABASE_URL=POSTGRES)]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(0 if pytest("pytest", *sys.argv[1:]) else 1)
    with tempfile.TemporaryDirectory(prefix="loupe-rendered-") as rendered:
        os.environ["LOUPE_TEST_RENDERED"] = rendered  # pictures are drawn once for all the stages
        sys.exit(0 if everything() else 1)
