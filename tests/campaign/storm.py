"""The processes of the running program: every so often one, or its whole group, is killed or frozen; and who
of them is connected to whom.
"""

import contextlib
import os
import random
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

FREEZE_SECONDS = (0.5, 5.0)
WEB_SHARE = 0.05  # of the strikes; the others go to worker and poller
GROUP_SHARE, FREEZE_SHARE = 0.15, 0.2
STARTED_SECONDS = 1.5  # of processor time: starting takes one; a process that only starts has nothing to lose
TICKS = os.sysconf("SC_CLK_TCK")


class Storm(threading.Thread):
    """Strikes below the supervisor `root` until `end()`. `strikes` tells what it did."""

    def __init__(self, root: int, seed: int, every: float = 1.0):
        super().__init__(daemon=True)
        self.root, self.every, self.chance = root, every, random.Random(seed)
        self.over, self.strikes = threading.Event(), {"killed": 0, "group": 0, "frozen": 0}
        self.thawing: list[threading.Thread] = []

    def run(self) -> None:
        while not self.over.wait(self.every):
            self.strike()

    def end(self) -> None:
        self.over.set()
        if self.is_alive():
            self.join()
        for thread in self.thawing:
            thread.join()

    def strike(self) -> None:
        is_web = self.chance.random() < WEB_SHARE
        victims = [one.pid for one in below(self.root) if one.has_started and one.is_web == is_web]
        if not victims:
            return
        victim, how = self.chance.choice(victims), self.chance.random()
        try:
            if how < GROUP_SHARE:
                os.killpg(os.getpgid(victim), signal.SIGKILL)
                self.strikes["group"] += 1
            elif how < GROUP_SHARE + FREEZE_SHARE:
                self.freeze(victim, self.chance.uniform(*FREEZE_SECONDS))
                self.strikes["frozen"] += 1
            else:
                os.kill(victim, signal.SIGKILL)
                self.strikes["killed"] += 1
        except ProcessLookupError:
            pass

    def freeze(self, pid: int, seconds: float) -> None:
        os.kill(pid, signal.SIGSTOP)

        def thaw():
            time.sleep(seconds)
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

        thread = threading.Thread(target=thaw, daemon=True)
        thread.start()
        self.thawing.append(thread)


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    group: int
    worked: float  # seconds of processor time
    line: str

    @property
    def is_web(self) -> bool:
        return "gunicorn" in self.line

    @property
    def has_started(self) -> bool:
        """A fork of a running process starts at once; the others load the program first."""
        return self.pid != self.group or self.worked > STARTED_SECONDS


def is_left(process: Process) -> bool:
    try:
        line = Path(f"/proc/{process.pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return False
    return bool(line) and line == process.line


def kill_what_is_left(processes: list[Process]) -> None:
    for one in processes:
        if is_left(one):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)


def callers(root: int, port: int) -> list[Process]:
    """Whoever below `root` has a connection to that port of this machine at the moment."""
    open_ones = connections_to(port)
    return [one for one in below(root) if open_ones & sockets_of(one.pid)]


def connections_to(port: int) -> set[str]:
    """The sockets, by number, whose other end is the port (proc_pid_net(5): address, state, …, inode)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if int(row[2].rpartition(":")[2], 16) == port}


def sockets_of(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                kind, _, number = os.readlink(entry).partition(":")
                if kind == "socket":
                    found.add(number.strip("[]"))
    return found


def below(root: int) -> list[Process]:
    """Every descendant that lives."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        worked = (int(stat[11]) + int(stat[12])) / TICKS
        found[int(folder.name)] = Process(int(folder.name), int(stat[1]), int(stat[2]), worked, line)
    descendants, ring = [], {root}
    while ring := {one.pid for one in found.values() if one.parent in ring}:
        descendants += [found[pid] for pid in sorted(ring) if found[pid].line]
    return descendants
