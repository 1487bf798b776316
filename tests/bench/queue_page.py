"""The queue page against an empty Django view and Django's admin on the same rows. See README.md.

.venv/bin/python -m tests.bench.queue_page --sizes 1000,100000,1000000 --on sqlite,postgres
"""

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from io import BytesIO
from statistics import median
from typing import NamedTuple

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

DEFAULT_MIDDLEWARE = [  # of `startproject`
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DEEP = 0.9  # of the posts that are ready: 90,000 of a million's
ROWS = 25  # that a page asks for: one more than it shows
BURST = 4  # pairs in a row; the first only warms up


class PlainRequest(WSGIRequest):
    urlconf = "tests.bench.addresses"


class Plain(WSGIHandler):
    """Django as a new project has it."""

    request_class = PlainRequest

    def load_middleware(self, is_async=False):
        from django.test import override_settings

        with override_settings(MIDDLEWARE=DEFAULT_MIDDLEWARE):
            super().load_middleware(is_async)


class Cost(NamedTuple):
    """Milliseconds of a request: of a processor (the database's own included), and by the clock."""

    work: float
    wall: float


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def cookies(self) -> list[str]:
        """What a browser sends from now on."""
        return [value.partition(";")[0] for name, value in self.headers if name == "Set-Cookie"]

    def text(self) -> str:
        return self.body.decode()


@dataclass
class Subject:
    """One address on one stage, and what is done before each call."""

    name: str
    stage: object
    handler: WSGIHandler
    address: str
    cookie: str = ""
    before: Callable = lambda: None

    def __str__(self):
        return f"{self.stage}: {self.name}"

    def environ(self, accepts: str) -> dict:
        path, _, query = self.address.partition("?")
        return {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_COOKIE": self.cookie,
            "HTTP_ACCEPT_ENCODING": accepts,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.run_once": False,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
        }

    def ask(self, accepts: str = "") -> Answer:
        seen = []
        with self.stage:
            self.before()
            response = self.handler(self.environ(accepts), lambda *begun: seen.extend(begun))
            body = b"".join(response)
            response.close()
        status, headers = seen
        return Answer(int(status.split()[0]), headers, body)

    def timed(self) -> Cost:
        """What one request takes, compressed as for a browser."""
        with self.stage:
            self.before()
            environ = self.environ("gzip, deflate, br")
            began, worked = time.perf_counter(), self.stage.worked()
            response = self.handler(environ, lambda status, headers: None)
            for _ in response:
                pass
            response.close()
            worked = self.stage.worked() - worked
            return Cost(1000 * worked, 1000 * (time.perf_counter() - began))

    def queries(self) -> list[str]:
        """The statements of one request (PostgreSQL's check of a connection that lay idle left out)."""
        from django.test.utils import CaptureQueriesContext

        with self.stage:
            self.before()
            with CaptureQueriesContext(self.stage.connection) as found:
                response = self.handler(self.environ(""), lambda status, headers: None)
                b"".join(response)
                response.close()
        return [one["sql"] for one in found]


@dataclass
class Pair:
    """`b` against `a`, one right after the other.

    The ratio is that of the processor's time: beside other work, what lasts longer than a time slice takes
    longer by the clock for no fault of its own.
    """

    name: str
    a: Subject
    b: Subject
    bar: float | None = None
    goal: float | None = None
    more_is_better: bool = False
    seconds: float = 2.0
    times: list[tuple[Cost, Cost]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [b.work / a.work for a, b in self.times]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def ratio_by_the_clock(self) -> float:
        return median(b.wall / a.wall for a, b in self.times)

    def keeps(self, limit: float) -> bool:
        return self.ratio >= limit if self.more_is_better else self.ratio <= limit

    @property
    def holds(self) -> bool:
        return self.bar is None or self.keeps(self.bar)

    @property
    def reached(self) -> str:
        if self.bar is None:
            return ""
        return "FAIL" if not self.holds else "goal" if self.keeps(self.goal) else "pass"

    def burst(self) -> None:
        for turn in range(BURST):
            one, other = self.a.timed(), self.b.timed()
            if turn:
                self.times.append((one, other))

    def line(self) -> str:
        a, b = (median(cost.work for cost in column) for column in zip(*self.times, strict=True))
        low, high = quartiles(self.ratios)
        limits = f"bar {self.bar:4.1f}  goal {self.goal:4.1f}  {self.reached}" if self.bar else ""
        return (
            f"{self.name:68} {self.ratio:7.2f} ({low:7.2f} … {high:7.2f}) {a:7.2f} {b:7.2f} "
            f"{self.ratio_by_the_clock:7.2f} {len(self.times):4}  {limits}"
        )


HEAD = f"{'':68} {'ratio':>7} {'(quartiles)':>19} {'a, ms':>7} {'b, ms':>7} {'clock':>7} {'n':>4}"


def quartiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]


# ---- what is measured -------------------------------------------------------------------------


def forget_rows() -> None:
    from reviewqueue.views import rows

    rows.frames.rows.clear()
    rows.cards.rows.clear()


class Desk:
    """The addresses of one stage."""

    def __init__(self, stage, ours: WSGIHandler, plain: WSGIHandler):
        from reviewqueue.models import GeneratedPost
        from reviewqueue.views import paging

        self.stage = stage
        with stage:
            cookie, workspace, rare = stage.cookie, stage.member.workspace_id, stage.rare.pk
            ready = GeneratedPost.objects.filter(desk="ready").oldest_first()
            self.depth, self.rare_depth = (
                int(DEEP * ready.count()),
                int(DEEP * ready.filter(persona=rare).count()),
            )
            deep = paging.cursor(ready[self.depth - paging.FRAMES], "made_at").replace("+", "%2B")
            rares = ready.filter(persona=rare)
            rare_deep = paging.cursor(rares[max(0, self.rare_depth - paging.FRAMES)], "made_at")

        arrived = Subject("whoever comes from signing in", stage, ours, "/", cookie).ask()
        cookie = "; ".join([cookie, *arrived.cookies()])  # the secret of its forms is made once

        def subject(name, address, handler=ours, **facts):
            return Subject(name, stage, handler, address, cookie, **facts)

        table = "reviewqueue/generatedpost/"
        narrowed = f"?desk__exact=ready&deleted_at__isnull=True&workspace__id__exact={workspace}"
        self.empty = subject("an empty view", "/empty/", plain)
        self.first = subject("first page", "/")
        self.unrendered = subject("first page, rows not rendered before", "/", before=forget_rows)
        self.deep = subject(f"{self.depth:,} rows deep", f"/?after={deep}")
        self.rare = subject("persona of 1 %", f"/?persona={rare}")
        self.rare_deep = subject(
            f"persona of 1 %, {self.rare_depth:,} rows deep",
            f"/?persona={rare}&after={rare_deep.replace('+', '%2B')}",
        )
        self.poll = subject("unchanged poll", self.polled())
        self.admin = subject("admin at its best", f"/best/{table}{narrowed}", plain)
        self.plain_admin = subject("admin as it comes", f"/plain/{table}", plain)

    def polled(self) -> str:
        """What the page itself asks, once the first poll has said who looks."""
        page = self.first.ask().text()
        return unescape(re.search(r'hx-get="(/live/queue/[^"]*)"', page).group(1))

    @property
    def pages(self) -> list[Subject]:
        return [self.first, self.deep, self.rare, self.rare_deep]


def desks_of(stages) -> list[Desk]:
    ours, plain = WSGIHandler(), Plain()
    return [Desk(stage, ours, plain) for stage in stages]


def pairs_of(desks: list[Desk]) -> list[Pair]:
    """All of the bars: each stage against an empty view, the greater ones against the smallest."""
    found = []
    smallest = {}
    for desk in desks:
        on, small = str(desk.stage), smallest.setdefault(desk.stage.kind, desk)
        is_grown = desk is not small

        def against_empty(subject, bar, goal, desk=desk, on=on, **facts):
            return Pair(f"{on}: {subject.name} ÷ empty", desk.empty, subject, bar, goal, **facts)

        pages = desk.pages if is_grown else [desk.first, desk.deep]
        found += [against_empty(page, 15, 10) for page in pages]
        found.append(against_empty(desk.unrendered, 45, 30))
        found.append(against_empty(desk.poll, 6, 3.5))
        if is_grown:
            found += [
                Pair(f"{on}: {page.name} ÷ first page of {small.stage.size:,}", small.first, page, 1.5, 1.1)
                for page in pages
            ]
        # The bar is for a million rows.
        bar, goal = (10, 20) if desk.stage.size >= 1_000_000 else (None, None)
        for admin in (desk.admin, desk.plain_admin):
            name = f"{on}: {admin.name} ÷ our first page"
            found.append(Pair(name, desk.first, admin, bar, goal, more_is_better=True, seconds=4.0))
    return found


def measure(pairs: list[Pair], *, seed: int, rounds: int, minutes: float = 10) -> None:
    """Bursts of each in a new order every round; what takes long is left once it has had its seconds."""
    rng = random.Random(seed)
    spent = dict.fromkeys(map(id, pairs), 0.0)
    ends = time.monotonic() + 60 * minutes
    for number in range(rounds):
        if number and time.monotonic() > ends:
            break
        for pair in rng.sample(pairs, len(pairs)):
            if len(pair.times) >= BURST and spent[id(pair)] > pair.seconds:
                continue
            began = time.perf_counter()
            pair.burst()
            spent[id(pair)] += time.perf_counter() - began


def plan(stage, statement: str) -> str:
    """How the database goes about it, were there too many rows to sort."""
    is_sqlite = stage.connection.vendor == "sqlite"
    with stage, stage.connection.cursor() as cursor:
        if not is_sqlite:
            cursor.execute("SET enable_sort = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}".replace("%", "%%"), [])
        found = "\n".join(str(row[-1]) for row in cursor.fetchall())
        if not is_sqlite:
            cursor.execute("RESET enable_sort")
        return found


def check(desks: list[Desk]) -> None:
    """Each address shows what it is measured for."""
    for desk in desks:
        assert desk.empty.ask().status == 200
        for page in [desk.first, desk.unrendered, desk.deep]:
            answer = page.ask()
            assert answer.status == 200, f"{page}: {answer.status}"
            assert answer.text().count('class="frame"') == 24, page
        assert desk.poll.ask().status == 204
        assert desk.poll.ask().status == 204
        assert desk.admin.ask().text().count('class="action-checkbox"') == 0
        assert desk.admin.ask().text().count('<tr><th class="field-number">') == 24
        assert desk.plain_admin.ask().status == 200


# ---- the command --------------------------------------------------------------------------------


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


@contextmanager
def own_settings():
    """The real settings over an empty data folder, with the static files as they are served."""
    with tempfile.TemporaryDirectory(prefix="loupe-bench-data-") as folder:
        os.environ["LOUPE_DATA_DIR"] = folder
        os.environ["LOUPE_SECRET_KEY"] = "only-for-measuring-" + "b" * 40
        os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
        import django

        django.setup()
        from reviewqueue.management.commands.prepare import collect_static

        collect_static()
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000,100000")
    parser.add_argument("--on", default="sqlite,postgres")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10, help="begin no round after so long")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was made is removed
    sizes = sorted(int(size) for size in options.sizes.split(","))
    with own_settings():
        from reviewqueue import wake
        from tests.bench.stages import stages

        with wake.quietly(), stages(options.on.split(","), sizes, say) as made:
            desks = desks_of(made)
            check(desks)
            say(*counts(desks))
            pairs = pairs_of(desks)
            say(f"seed {options.seed}", HEAD)
            try:
                measure(pairs, seed=options.seed, rounds=options.rounds, minutes=options.minutes)
            finally:  # also when it is ended before its time
                say(*(pair.line() for pair in pairs if pair.times))
    failed = [pair.name for pair in pairs if not pair.holds]
    say(*(["bars that do not hold:", *failed] if failed else ["every bar holds"]))
    return 1 if failed else 0


def counts(desks: list[Desk]) -> list[str]:
    for desk in desks:
        desk.poll.ask()  # writes who looks, once in ten seconds
        desk.first.ask(), desk.deep.ask()  # the rows are rendered then
    return [
        f"{desk.stage}: {len(desk.first.queries())} queries the first page, {len(desk.deep.queries())} deep, "
        f"{len(desk.poll.queries())} an unchanged poll, {len(desk.admin.queries())} the admin"
        for desk in desks
    ]


if __name__ == "__main__":
    sys.exit(main())
