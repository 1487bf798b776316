"""Mistakes made on purpose: each is one line in a copy of the source, and the campaign must catch it."""

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.jobs import Done, Job
from tests.campaign.run import Order, Weather, on_ground
from tests.running import ROOT

PATCHES = Path(__file__).parent / "mistakes"
OPERATIONS = 40
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis")
QUIET = {"reading": 0.0, "strikes": False, "silence": False}


@dataclass(frozen=True)
class Mistake:
    """The weather that brings it to light, and how the books then disagree."""

    shows_as: str
    weather: Weather
    kinds: tuple[str, ...] = ("generate",)


AFTER = ("500_after", "502_after", "503_after", "504_after")
LOST = ("drop_after", "reset_after")

MISTAKES = {
    "lapsed-lease-queued": Mistake("duplicate", Weather(0.0, self_kill=0.15, **QUIET)),
    "5xx-retried": Mistake("duplicate", Weather(0.5, faults=AFTER, self_kill=0, **QUIET)),
    "connection-error-retried": Mistake("duplicate", Weather(0.5, faults=LOST, self_kill=0, **QUIET)),
    "connection-error-failed": Mistake("denied", Weather(0.5, faults=LOST, self_kill=0, **QUIET)),
    "not-seen-absent": Mistake("denied", Weather(0.5, faults=("late",), self_kill=0, **QUIET)),
}


def jobs(folder: Path) -> list[Job]:
    """One for each mistake, all from copies of one filled desk. A patch that does not apply fails its job."""
    named = {path.stem for path in PATCHES.glob("*.patch")}
    assert named == set(MISTAKES), f"patches that are not listed, or missing: {sorted(named ^ set(MISTAKES))}"
    filled = Filled(folder / "filled")
    return [job(name, filled) for name in MISTAKES]


class Filled:
    """A desk that is filled when the first asks for a copy."""

    def __init__(self, folder: Path):
        self.folder, self.lock = folder, threading.Lock()

    def copy_to(self, folder: Path) -> None:
        with self.lock:
            if not self.folder.exists():
                fill(self.folder)
        shutil.copytree(self.folder, folder)


def fill(folder: Path) -> None:
    order = Order(OPERATIONS, seed=1, kinds=("generate",))
    with on_ground(folder, order) as here:
        here.fill()


def order_of(name: str, operations: int, seed: int, time_scale: float, *, is_awaited: bool) -> Order:
    mistake = MISTAKES[name]
    return Order(
        operations,
        seed,
        time_scale=time_scale,
        kinds=mistake.kinds,
        weather=mistake.weather,
        awaited=mistake.shows_as if is_awaited else "",
    )


def job(name: str, filled: Filled) -> Job:
    def start(scratch: Path) -> tuple[list[str], Path]:
        tree = scratch / "tree"
        copy_source(tree)
        filled.copy_to(scratch / "campaign" / "SQLite-1")
        applied = apply(PATCHES / f"{name}.patch", tree)
        argv = [sys.executable, "-m", "tests.campaign", "--directed", name, "--until-caught"]
        argv += ["--operations", str(OPERATIONS), "--keep", str(scratch / "campaign")]
        if applied.returncode:
            argv = ["sh", "-c", 'echo "the patch does not apply: $0"; exit 2', applied.stderr]
        return argv, tree

    def is_caught(done: Done) -> bool:
        return done.returncode == 1 and f"  {MISTAKES[name].shows_as}: " in done.output

    return Job(name, start, is_caught)


def apply(patch: Path, tree: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["git", "apply", str(patch)],
        cwd=tree,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_source(copy: Path) -> None:
    """The program and its tests; the environment is linked to."""
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
    if (ROOT / ".venv").exists():
        (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
