"""Decisions by key in Chromium, against ready posts with real media, timed inside the page. See README.md.

.venv/bin/python -m tests.bench.desk --decisions 50 --posts 200
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, DESKTOP
from tests.browser.traffic import Traffic, without_live
from tests.running import ROOT, begin, environment, free_port, manage, prepare

SCRIPT = Path(__file__).with_name("desk.js")
PACE = 0.7  # seconds between decisions: faster than people are
WARM_UP = 3
LEAST = 16  # milliseconds: browsers tell of no event that took less
PEOPLE = {"email": "tom@sandbox.invalid"}
# The next post waits for the mark to be seen; what is left is ours to answer for.
PAUSE = int(re.search(r"MARK_MS = (\d+)", (ROOT / "static/js/review.js").read_text()).group(1))

# Ready posts and their sources anew, files included, until there are enough; placed by the real code, and the
# last in the queue.
MULTIPLY = """
import json, os, uuid
from datetime import timedelta
from django.core.files.storage import default_storage
from django.db import transaction
from reviewqueue.models import GeneratedPost, MediaItem, MediaFile, SourceMedia, SourcePost
from reviewqueue.clock import now
from reviewqueue.models.media import short_name
from reviewqueue.rules.preflight import stops
from reviewqueue.services import desk, mirroring
from reviewqueue.services.checks import checks

def anew(row, **facts):
    row.pk = None if type(row) is SourceMedia else uuid.uuid4()
    row._state.adding = True
    for name, value in facts.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row

def file_anew(pk):
    if pk is None:
        return None
    old, new = MediaFile.objects.get(pk=pk), MediaFile.objects.get(pk=pk)
    name = short_name()
    anew(new, name=name, origin=f"{old.origin}#{name}")
    for rendition in ("original", "screen", "thumb", "poster"):
        if default_storage.exists(old.stored_as(rendition)):
            path = default_storage.path(new.stored_as(rendition))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.link(default_storage.path(old.stored_as(rendition)), path)
    return new

def source_anew(pk):
    if pk is None:
        return None
    source = SourcePost.objects.get(pk=pk)
    media = list(source.media.all())
    anew(source, upstream_id=str(uuid.uuid4()))
    for part in media:
        anew(part, post=source, file=file_anew(part.file_id), next_file=None)
    return source

def can_be_approved(post):
    items = list(post.items.current())
    return (post.persona and post.persona.accounts and all(item.review_status != "rejected" for item in items)
            and not stops(checks(post, items)))

moulds = [post for post in GeneratedPost.objects.filter(desk="ready").oldest_first() if can_be_approved(post)]
have, made = GeneratedPost.objects.filter(desk="ready").count(), []
for number in range(WANTED - have):
    with transaction.atomic():
        mould = moulds[number % len(moulds)]
        post, items = GeneratedPost.objects.get(pk=mould.pk), list(mould.items.current())
        anew(post, upstream_id=str(uuid.uuid4()), number=mirroring.number_for(post.workspace_id), counted="",
             desk="pending", version=0, source_post=source_anew(post.source_post_id),
             made_at=now() + timedelta(seconds=number))
        for item in items:
            anew(item, post=post, upstream_id=str(uuid.uuid4()), file=file_anew(item.file_id),
                 voice_file=file_anew(item.voice_file_id), next_file=None)
        desk.refresh(post.pk, touched=True)
        made.append(str(post.pk))
print(json.dumps(made))
"""


class Web:
    """The program's web server over a data folder; worker and poller rest, so nothing is sent."""

    def __init__(self, folder: Path, port: int):
        self.address, self.env = f"http://127.0.0.1:{port}", environment(folder, port)
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}"], cwd=ROOT, env=self.env
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/healthz", timeout=1).close()
                return
            except urllib.error.HTTPError:
                return  # it answers
            except OSError:
                assert time.monotonic() < deadline, "the web server did not start"
                time.sleep(0.2)

    def link(self, email: str) -> str:
        return re.search(r"http\S+", manage(self.env, "sign_in_link", email)).group()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def desk(posts: int):
    """The running web server with that many ready posts, and the ids of those that can all be approved."""
    with tempfile.TemporaryDirectory(prefix="loupe-desk-") as folder:
        folder, port = Path(folder), free_port()
        prepare(folder, port)
        begin(folder, port)
        code = f"WANTED = {posts}\n{MULTIPLY}"
        made = json.loads(manage(environment(folder, port), "shell", "-v", "0", "-c", code))
        web = Web(folder, port)
        try:
            yield web, iter(made)
        finally:
            web.stop()


def chromium_path() -> str | None:
    """The whole browser rather than its shell, which draws frames by another clock."""
    return next((path for name in reversed(CHROMIUM) if (path := shutil.which(name))), None)


@contextmanager
def chromium():
    found = chromium_path()
    assert found, "Chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Way:
    """The line and the machine that the page has."""

    name: str
    delay: int = 0  # milliseconds there and back
    slower: int = 1  # times


WAYS = (Way("no delay"), Way("100 ms delay", delay=100), Way("processor ÷ 4", slower=4))


@dataclass
class Found:
    """What came of the decisions of one way."""

    way: Way
    decisions: list[dict]
    events: list[dict]
    shifts: list[dict]
    traffic: Traffic

    @property
    def marks(self) -> list[float]:
        """Milliseconds from the key to the mark on the screen, as the browser tells: in steps of 8."""
        told = {round(one["at"], 1): one["duration"] for one in self.events if one["name"] == "keydown"}
        return [told.get(round(one["key"], 1), LEAST) for one in self.decisions]

    @property
    def nexts(self) -> list[float]:
        """Milliseconds from the key to the next post on the screen, its pictures with it."""
        return [one.get("shown", one["next"]) - one["key"] for one in self.decisions]

    @property
    def after_pause(self) -> list[float]:
        return [value - PAUSE for value in self.nexts]

    @property
    def longest_event(self) -> float:
        first = self.decisions[0]["key"]
        return max((one["duration"] for one in self.events if one["at"] >= first), default=0)

    @property
    def shift(self) -> float:
        """As browsers count it: not within half a second of a key."""
        return sum(one["value"] for one in self.shifts if not one["after_input"])

    @property
    def shift_after_keys(self) -> float:
        return sum(one["value"] for one in self.shifts if one["after_input"])

    @property
    def there(self) -> float:
        """The share of decisions after which all that the next post shows was there, and decoded."""
        return self.share("decoded")

    def share(self, what: str) -> float:
        """Of the decisions after which every picture was `there`, or `decoded` as well."""
        return sum(one[what] >= one["pictures"] for one in self.decisions) / len(self.decisions)

    @property
    def requests(self) -> float:
        return len(without_live(self.traffic.rows)) / len(self.decisions)

    @property
    def bytes(self) -> float:
        return sum(row["bytes"] for row in without_live(self.traffic.rows)) / len(self.decisions)

    @property
    def media(self) -> tuple[float, float]:
        """Requests and bytes of pictures and films a decision."""
        count = len(self.decisions)
        return len(self.traffic.media) / count, sum(row["bytes"] for row in self.traffic.media) / count


def p95(values: list[float]) -> float:
    return sorted(values)[ceil(0.95 * len(values)) - 1]


@dataclass
class Weight:
    """What loading a page takes: requests and bytes without pictures, films and fonts; then those."""

    requests: int
    bytes: int
    elements: int
    media: int
    media_bytes: int


class Person:
    """Somebody signed in, in a browser of their own."""

    def __init__(self, browser, web: Web, cookies: list | None = None):
        width, height = DESKTOP
        self.web = web
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.context.add_init_script(path=SCRIPT)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        if cookies:
            self.context.add_cookies(cookies)
        else:
            self.page.goto(web.link(PEOPLE["email"]))
            self.page.get_by_role("button", name="Open the review queue").click()
            self.page.wait_for_url(f"{web.address}/")
        self.wire = self.context.new_cdp_session(self.page)

    def ask(self, expression: str):
        return self.page.evaluate(f"() => {expression}")

    def wait(self, expression: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < deadline, f"it did not come about: {expression}"
            time.sleep(0.1)

    def go(self, way: Way) -> None:
        line = {"offline": False, "latency": way.delay, "downloadThroughput": -1, "uploadThroughput": -1}
        self.wire.send("Network.enable")
        self.wire.send("Network.emulateNetworkConditions", line)
        self.wire.send("Emulation.setCPUThrottlingRate", {"rate": way.slower})

    def weigh(self, *, cold: bool) -> Weight:
        """The queue page, with an empty browser cache or with what the visit before left there."""
        if cold:
            self.wire.send("Network.clearBrowserCache")
        traffic = Traffic.of(self.page)
        self.page.goto(f"{self.web.address}/")
        self.page.wait_for_load_state("networkidle")
        rows = without_live(traffic.rows)
        return Weight(
            len(rows),
            sum(row["bytes"] for row in rows),
            self.ask("document.querySelectorAll('*').length"),
            len(traffic.media),
            sum(row["bytes"] for row in traffic.media),
        )

    def decide(self, way: Way, first: str, count: int, pace: float = PACE) -> Found:
        """That many posts approved by key, after a few that only warm up; then what the page noted."""
        self.go(Way("to get there"))
        self.page.goto(f"{self.web.address}/review/{first}/")
        self.page.wait_for_load_state("networkidle")
        self.go(way)
        for number in range(WARM_UP + count):
            if number == WARM_UP:
                self.page.wait_for_load_state("networkidle")
                traffic = Traffic.of(self.page)
            self.page.keyboard.press("a")
            time.sleep(pace)
            self.wait(f"bench.decisions.length > {number} && bench.decisions.at(-1).next")
        self.wait("bench.decisions.at(-1).mark")
        self.page.wait_for_load_state("networkidle")
        time.sleep(1)
        found = self.ask("({decisions: bench.decisions, events: bench.events, shifts: bench.shifts})")
        traffic = Traffic(rows=list(traffic.rows), media=list(traffic.media))  # it goes on counting
        self.go(Way("to go away"))
        assert len(found["decisions"]) == WARM_UP + count
        return Found(way, found["decisions"][WARM_UP:], found["events"], found["shifts"], traffic)


# ---- bars ----------------------------------------------------------------------------------------


@dataclass
class Line:
    """One figure beside its bar and its goal; less is better but for what was there."""

    name: str
    measured: float
    bar: float
    goal: float
    more_is_better: bool = False

    def keeps(self, limit: float) -> bool:
        return self.measured >= limit if self.more_is_better else self.measured <= limit + 1e-9

    @property
    def reached(self) -> str:
        return "goal" if self.keeps(self.goal) else "pass" if self.keeps(self.bar) else "FAIL"

    def __str__(self):
        limits = f"bar {self.bar:8.2f}   goal {self.goal:8.2f}"
        return f"    {self.name:50} {self.measured:9.4g}   {limits}   {self.reached}"


FRAME = 1000 / 60


def lines_of(found: list[Found], cold: Weight, warm: Weight) -> list[Line]:
    lines = [
        Line("queue page cold, requests", cold.requests, 8, 5),
        Line("queue page cold, bytes", cold.bytes, 60_000, 40_000),
        Line("queue page warm, bytes", warm.bytes, 11_000, 8_000),
        Line("queue page, elements", cold.elements, 1200, 1000),
    ]
    for one in found:
        lines += [
            Line(f"{one.way.name}: key to mark, 95 %, ms", p95(one.marks), 50, 2 * FRAME),
            Line(f"{one.way.name}: layout shift", one.shift, 0, 0),
            Line(f"{one.way.name}: next post was there, share", one.share("there"), 0.95, 1, True),
            Line(f"{one.way.name}: … and decoded", one.there, 0.95, 1, True),
            Line(f"{one.way.name}: a decision, requests", one.requests, 2, 1),
            Line(f"{one.way.name}: a decision, bytes", one.bytes, 8_000, 1_000),
        ]
        if one.way.slower == 1:
            lines.append(
                Line(f"{one.way.name}: pause to next, 95 %, ms", p95(one.after_pause), 100, 2 * FRAME)
            )
    near, far = found[0], next((one for one in found if one.way.delay), None)
    if far:
        ratio = median(far.after_pause) / median(near.after_pause)
        lines.append(Line("pause to next, 100 ms delay ÷ none", ratio, 1.5, 1.1))
        ratio = median(far.nexts) / median(near.nexts)
        lines.append(Line("key to next, 100 ms delay ÷ none", ratio, 1.5, 1.1))
    return lines


COLUMNS = (
    "n",
    "mark",
    "95 %",
    "next",
    "95 %",
    "-pause",
    "95 %",
    "event",
    "shift",
    "by key",
    "there",
    "decoded",
    "asks",
)
HEAD = f"{'':16} " + " ".join(f"{name:>7}" for name in (*COLUMNS, "bytes", "media", "bytes"))


def row_of(one: Found) -> str:
    times = [
        value for column in (one.marks, one.nexts, one.after_pause) for value in (median(column), p95(column))
    ]
    return (
        f"{one.way.name:16} {len(one.decisions):7} "
        + " ".join(f"{value:7.1f}" for value in (*times, one.longest_event))
        + f" {one.shift:7.4f} {one.shift_after_keys:7.4f} {one.share('there'):7.2f} {one.there:7.2f}"
        + f" {one.requests:7.2f} {one.bytes:7.0f} {one.media[0]:7.1f} {one.media[1]:7.0f}"
    )


def told(shift: dict) -> str:
    return (
        f"    shifted {shift['value']:.6f}{' after a key' if shift['after_input'] else ''}: {shift['what']}"
    )


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(map(str, lines)) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posts", type=int, default=200)
    parser.add_argument("--decisions", type=int, default=50)
    parser.add_argument("--pace", type=float, default=PACE, help="seconds from one decision to the next")
    options = parser.parse_args()
    with desk(options.posts) as (web, made), chromium() as browser:
        person = Person(browser, web)
        cold, warm = person.weigh(cold=True), person.weigh(cold=False)
        say(f"queue page cold {cold}", f"queue page warm {warm}", f"the pause is {PAUSE} ms", HEAD)
        found = []
        for way in WAYS:
            posts = [next(made) for _ in range(WARM_UP + options.decisions)]
            found.append(person.decide(way, posts[0], options.decisions, options.pace))
            say(row_of(found[-1]))
            say(*map(told, found[-1].shifts))
    lines = lines_of(found, cold, warm)
    say(*lines)
    failed = [line.name for line in lines if not line.keeps(line.bar)]
    say(*(["bars that do not hold:", *failed] if failed else ["every bar holds"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
