"""Several campaigns side by side, each a process of its own: most of a campaign's time is waiting."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reviewqueue.ending import dies_with_us

ENDS_WITHIN_SECONDS = 120  # after SIGTERM: it stops its program and removes what it made


@dataclass
class Done:
    returncode: int
    output: str


@dataclass(frozen=True)
class Job:
    """`start` makes the command when its turn has come; `is_well` judges what it printed and returned."""

    name: str
    start: Callable[[Path], tuple[list[str], Path]]  # from a scratch folder: the command, and where it runs
    is_well: Callable[[Done], bool]


class Crew:
    """Does jobs, `at_once` at the same time. However it ends, nothing of them is left running."""

    def __init__(self, at_once: int, folder: Path, say: Callable[[str], None]):
        self.at_once, self.folder, self.say = at_once, folder, say
        self.running: set[subprocess.Popen] = set()
        self.over = threading.Event()

    def do(self, jobs: list[Job]) -> bool:
        with ThreadPoolExecutor(self.at_once) as hands:
            try:
                under_way = [hands.submit(self.one, job) for job in jobs]
                results = [one.result() for one in under_way]
                return all(results)
            finally:
                self.stop()

    def one(self, job: Job) -> bool:
        if self.over.is_set():
            return False
        began, scratch = time.monotonic(), self.folder / job.name
        scratch.mkdir()
        argv, cwd = job.start(scratch)
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for us, who then tell it once
            preexec_fn=dies_with_us(),
        )
        self.running.add(process)
        if self.over.is_set():
            process.terminate()
        lines = []
        for line in process.stdout:
            lines.append(line)
            self.say(f"{job.name:>24} | {line.rstrip()}")
        process.wait()
        process.stdout.close()
        self.running.discard(process)
        is_well = job.is_well(Done(process.returncode, "".join(lines)))
        self.say(f"== {job.name}: {'ok' if is_well else 'FAILED'} in {time.monotonic() - began:.0f} s")
        return is_well

    def stop(self) -> None:
        self.over.set()
        for process in list(self.running):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in list(self.running):
            try:
                process.wait(ENDS_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
