"""`python -m tests.campaign`: one campaign; `--small`: all of the second stage of `.ci/run`."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.campaign import spoiling
from tests.campaign.jobs import Crew, Done, Job
from tests.campaign.plan import MIX
from tests.campaign.run import Order, campaign
from tests.running import ROOT

POSTGRES = os.environ.get("LOUPE_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
SMALL, SMALL_RESTORED = 300, 120
AT_ONCE = 2
# The settling time (10 minutes) has to outlast a lease (6 s), a request (3 s) and a late effect (5 s).
FASTEST = 40.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--seed", type=int, action="append", help="may be given several times")
    parser.add_argument("--database", default="", help="URL of a PostgreSQL server (without: SQLite)")
    parser.add_argument("--time-scale", type=float, default=20.0)
    parser.add_argument("--kinds", nargs="+", choices=sorted(MIX), default=(), help="only these operations")
    parser.add_argument("--restore", action="store_true", help="in the middle, put an old backup back")
    parser.add_argument("--keep", type=Path, help="work below this folder and leave what is there")
    parser.add_argument("--directed", choices=sorted(spoiling.MISTAKES), help="the weather of one mistake")
    parser.add_argument("--until-caught", action="store_true", help="with --directed: end when it is seen")
    parser.add_argument("--mistakes", action="store_true", help="make each, and see it caught")
    parser.add_argument(
        "--small", action="store_true", help="300 and a restore on both databases, and the mistakes"
    )
    given = parser.parse_args()
    if given.time_scale > FASTEST:
        parser.error(
            f"at more than {FASTEST:g} times the usual pace late effects come after the settling time"
        )
    signal.signal(signal.SIGTERM, leave)
    if given.small or given.mistakes:
        return 0 if side_by_side(small() if given.small else []) else 1
    results = [one(given, seed) for seed in given.seed or [1]]
    return 0 if all(results) else 1


def leave(*_) -> None:
    """On SIGTERM, end what was started as after Ctrl-C, and let nothing disturb that."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    sys.exit(143)


def side_by_side(jobs: list[Job]) -> bool:
    with tempfile.TemporaryDirectory(prefix="loupe-campaigns-", ignore_cleanup_errors=True) as folder:
        return Crew(AT_ONCE, Path(folder), say).do([*jobs, *spoiling.jobs(Path(folder))])


def small() -> list[Job]:
    return [
        job("SQLite", "--operations", str(SMALL)),
        job("PostgreSQL", "--operations", str(SMALL), "--database", POSTGRES),
        job("restored", "--operations", str(SMALL_RESTORED), "--restore"),
        job("restored, PostgreSQL", "--operations", str(SMALL_RESTORED), "--restore", "--database", POSTGRES),
    ]


def job(name: str, *arguments: str) -> Job:
    def start(scratch: Path) -> tuple[list[str], Path]:
        return [sys.executable, "-m", "tests.campaign", *arguments, "--keep", str(scratch)], ROOT

    def is_well(done: Done) -> bool:
        return done.returncode == 0

    return Job(name, start, is_well)


def one(given, seed: int) -> bool:
    """A campaign; True if the books agree."""
    on = "PostgreSQL" if given.database else "SQLite"
    order = Order(
        given.operations,
        seed,
        server=given.database,
        time_scale=given.time_scale,
        kinds=tuple(given.kinds),
        restore=given.restore,
    )
    if given.directed:
        order = spoiling.order_of(
            given.directed, given.operations, seed, given.time_scale, is_awaited=given.until_caught
        )
    restored = ", restored in the middle" if given.restore else ""
    say(f"== {on}, {given.operations} operations, seed {seed}, time scale {given.time_scale:g}{restored}")
    verdict = campaign(order, keep=given.keep and given.keep / f"{on}-{seed}", say=say)
    say(f"== {'the books agree' if verdict else 'THE BOOKS DO NOT AGREE'}")
    return bool(verdict)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
