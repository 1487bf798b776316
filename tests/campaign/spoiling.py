"""Mistakes made on purpose: each is one line in a copy of the source, and the campaign must catch it."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.run import Weather
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


def all_caught(say) -> bool:
    named = {path.stem for path in PATCHES.glob("*.patch")}
    if named != set(MISTAKES):
        say(f"The patches are not those that are listed: {sorted(named ^ set(MISTAKES))}")
        return False
    caught = [is_caught(name, say) for name in MISTAKES]
    return all(caught)


def is_caught(name: str, say) -> bool:
    """Make the mistake in a copy, and run the campaign of the copy. A patch that does not apply fails."""
    with tempfile.TemporaryDirectory(prefix="loupe-mistake-") as folder:
        copy = Path(folder) / "tree"
        copy_source(copy)
        applied = subprocess.run(
            ["git", "apply", str(PATCHES / f"{name}.patch")],
            cwd=copy,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        if applied.returncode:
            say(f"== {name}: the patch does not apply: {applied.stderr.strip()}")
            return False
        argv = [sys.executable, "-m", "tests.campaign", "--directed", name, "--operations", str(OPERATIONS)]
        done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
    shown = f"  {MISTAKES[name].shows_as}: " in done.stdout
    caught = done.returncode == 1 and shown
    say(f"== {name}: {'caught' if caught else 'NOT CAUGHT'}")
    if not caught:
        say(done.stdout[-3000:] + done.stderr[-3000:])
    return caught


def copy_source(copy: Path) -> None:
    """The program and its tests; the environment is linked to."""
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
    if (ROOT / ".venv").exists():
        (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
