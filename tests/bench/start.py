"""How long `up` takes after the install: the first start, which fills the sandbox, and a second (README.md).

.venv/bin/python -m tests.bench.start
"""

import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.running import Running, free_port

KEPT = ("static", "sandbox/media", "media")  # made at the first start
BARS = {"first": 60, "second": 5}  # seconds


@dataclass
class Start:
    seconds: float
    said: str
    files: dict[str, int]  # of those that are made once: when each was written
    migrations: int

    @property
    def preparing(self) -> list[str]:
        """What it says of work that is done once."""
        return [line for line in self.said.splitlines() if line.endswith("…")]


def start(folder: Path) -> Start:
    """Start it, wait until it answers, and end it."""
    began = time.monotonic()
    loupe = Running(folder, free_port(), None)
    seconds = time.monotonic() - began
    files = {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for place in KEPT
        for path in (folder / place).rglob("*")
        if path.is_file()
    }
    said = loupe.log()
    loupe.stop()
    with closing(sqlite3.connect(folder / "loupe.sqlite3")) as database:
        [migrations] = database.execute("SELECT COUNT(*) FROM django_migrations").fetchone()
    return Start(seconds, said, files, migrations)


def two_starts() -> tuple[Start, Start]:
    with tempfile.TemporaryDirectory(prefix="loupe-start-") as folder:
        return start(Path(folder)), start(Path(folder))


def main() -> int:
    failed = False
    for (name, bar), found in zip(BARS.items(), two_starts(), strict=True):
        failed |= found.seconds > bar
        outcome = "pass" if found.seconds <= bar else "FAIL"
        sys.stdout.write(f"{name} start: {found.seconds:.1f} s (bar {bar} s) {outcome}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
