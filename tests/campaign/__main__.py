"""`python -m tests.campaign`: one campaign; `--small`: 300 on both databases, then the mistakes."""

import argparse
import os
import sys
from pathlib import Path

from tests.campaign import spoiling
from tests.campaign.plan import MIX
from tests.campaign.run import campaign

POSTGRES = os.environ.get("LOUPE_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
SMALL = 300
# The settling time (10 minutes) has to outlast a lease (6 s), a request (3 s) and a late effect (5 s).
FASTEST = 40.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--seed", type=int, action="append", help="may be given several times")
    parser.add_argument("--database", default="", help="URL of a PostgreSQL server (without: SQLite)")
    parser.add_argument("--time-scale", type=float, default=20.0)
    parser.add_argument("--kinds", nargs="+", choices=sorted(MIX), default=(), help="only these operations")
    parser.add_argument("--keep", type=Path, help="work below this folder and leave what is there")
    parser.add_argument("--directed", choices=sorted(spoiling.MISTAKES), help="the weather of one mistake")
    parser.add_argument("--mistakes", action="store_true", help="make each, and see it caught")
    parser.add_argument("--small", action="store_true", help="300 on both databases, then the mistakes")
    given = parser.parse_args()
    if given.time_scale > FASTEST:
        parser.error(
            f"at more than {FASTEST:g} times the usual pace late effects come after the settling time"
        )
    say(f"seeds {given.seed or [1]}, time scale {given.time_scale}")
    if given.mistakes:
        return 0 if spoiling.all_caught(say) else 1
    if given.directed:
        mistake = spoiling.MISTAKES[given.directed]
        options = {"kinds": mistake.kinds, "weather": mistake.weather}
        return 0 if one(given, "", given.operations, **options) else 1
    if given.small:
        results = [one(given, database, SMALL) for database in ("", POSTGRES)]
        return 0 if all([*results, spoiling.all_caught(say)]) else 1
    return 0 if one(given, given.database, given.operations, kinds=tuple(given.kinds)) else 1


def one(given, database: str, operations: int, **options) -> bool:
    """A campaign for each seed; True if all the books agree."""
    fine = True
    for seed in given.seed or [1]:
        on = "PostgreSQL" if database else "SQLite"
        say(f"== {on}, {operations} operations, seed {seed}")
        verdict = campaign(
            operations=operations,
            seed=seed,
            database=database,
            time_scale=given.time_scale,
            keep=given.keep and given.keep / f"{on}-{seed}",
            say=say,
            **options,
        )
        say(f"== {'the books agree' if verdict else 'THE BOOKS DO NOT AGREE'}")
        fine = fine and bool(verdict)
    return fine


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
