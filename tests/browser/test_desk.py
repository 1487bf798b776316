"""Hundreds of decisions a day: with keys, with a mouse, with a finger alone, and two people at once."""

import json
import re
from collections import Counter
from itertools import count, cycle

import pytest
from django.test import RequestFactory
from playwright.sync_api import expect

from reviewqueue.views import outage
from tests.browser.axe import Eyes
from tests.browser.conftest import DESKTOP, PHONE, escape, until

# Nothing is sent before its reviewer says so, and there are enough posts to decide.
PREPARE = """
import json, uuid
from datetime import timedelta
from django.db import transaction
from django.utils import timezone
from reviewqueue.models import *
from reviewqueue.services import desk
def anew(row, **facts):
    row.pk, row.upstream_id, row._state.adding = uuid.uuid4(), f"many-{uuid.uuid4().hex}", True
    for name, value in facts.items():
        setattr(row, name, value)
    row.save()
User.objects.update(hold_seconds=None)
ready = GeneratedPost.objects.filter(desk="ready").select_related("persona")
patterns = {post.kind: post.pk for post in ready if post.persona.accounts}
highest = GeneratedPost.objects.order_by("-number").first().number
begin, made = timezone.now() - timedelta(days=400), []
def copy(number):
    post = GeneratedPost.objects.get(pk=patterns["carousel" if number %% 4 == 2 else "image"])
    items = list(post.items.current().order_by("position"))
    anew(post, number=highest + 1 + number, made_at=begin + timedelta(minutes=number), counted="", version=0)
    for item in items:
        anew(item, post=post)
    post = desk.refresh(post.pk, touched=True)
    made.append({"id": str(post.pk), "kind": post.kind, "desk": post.desk})
for first in range(0, %(posts)d, %(together)d):
    with transaction.atomic():  # each commit waits for the disk, and for the program's own
        for number in range(first, first + %(together)d):
            copy(number)
print(json.dumps(made))
"""
STANDING = """
import json
from reviewqueue.models import *
found = {}
standing = Decision.objects.filter(stands=True, operation__state="queued")
for one in standing.filter(by__user__email="ana@sandbox.invalid"):
    item = f"/{one.item.position + 1}" if one.item else ""
    found[f"{one.post_id}{item}"] = [one.verdict, one.reason]
print(json.dumps(found))
"""
REASONS_OF = """
import json
from reviewqueue.models import *
ana = Member.objects.get(user__email="ana@sandbox.invalid")
print(json.dumps([reason.text for reason in ana.workspace.reasons.all()]))
"""


@pytest.fixture(scope="module")
def many(loupe):
    """Posts made for this file, oldest of all, so that they come first."""
    made = json.loads(loupe.shell(PREPARE % {"posts": 320, "together": 16}))
    assert {row["desk"] for row in made} == {"ready"}
    return made


@pytest.fixture
def stretch(many):
    """The next so many posts that lie one after the other; the third is a carousel."""

    def cut(length):
        rows, many[:] = many[:length], many[length + -length % 4 :]
        return rows

    return cut


def here(page):
    return page.locator(".review-post:not([hidden])")


def tray(page):
    return page.get_by_role("region", name="Held decisions")


class Hand:
    """Decides with one kind of hand, and writes down what should be in the database."""

    def __init__(self, visitor, rows):
        self.visitor, self.page = visitor, visitor.page
        self.rows, self.at = rows, 0
        self.expected: dict[str, list[str]] = {}
        self.trail: list[str] = []  # newest last: what undo takes back
        self.presses: Counter = Counter()
        self.made: Counter = Counter()
        visitor.go(f"/review/{rows[0]['id']}/")
        self.is_at()

    @property
    def row(self):
        return self.rows[self.at]

    def is_at(self):
        self.page.locator(f"#p-{self.row['id']}:not([hidden])").wait_for()

    def note(self, what: str, reason: str = "", item: int = 0):
        key = self.row["id"] + (f"/{item}" if item else "")
        self.expected[key] = [what, reason]
        self.trail.append(key)
        self.made[what] += 1

    def approve(self):
        self.act("approve")
        self.note("approve")
        self.goes_on()

    def compose(self):
        self.act("compose")
        self.note("compose")
        self.goes_on()

    def reject(self, reason: int):
        self.act("reject", reason)
        self.note("reject", REASONS[reason])
        self.goes_on()

    def reject_item(self, item: int, reason: int):
        self.pick(item)
        self.act("reject_item", reason)
        self.note("reject_item", REASONS[reason], item)
        here(self.page).locator(f".film [data-item='{item}'].is-out").wait_for()

    def undo(self):
        key = self.trail.pop()
        self.act("undo")
        del self.expected[key]
        self.made["undo"] += 1
        post = key.split("/")[0]
        self.at = next(at for at, row in enumerate(self.rows) if row["id"] == post)
        self.is_at()

    def goes_on(self):
        free = (at for at in count(self.at + 1) if at >= len(self.rows) or not self.is_decided(at))
        self.at = next(free)
        if self.at < len(self.rows):
            self.is_at()

    def is_decided(self, at):
        return self.rows[at]["id"] in self.expected

    def step(self, by: int):
        what = "next" if by > 0 else "back"
        self.act(what)
        self.made[what] += 1
        self.at += by
        self.is_at()

    def decide(self, wanted: int):
        """So many decisions of every kind, and a look at the neighbours between them."""
        for what in cycle(("approve", "reject", "compose", "there and back", "approve", "undo", "reject")):
            made = self.made.total() - self.made["next"] - self.made["back"]
            if made == wanted:
                return
            if self.row["kind"] == "carousel" and f"{self.row['id']}/2" not in self.expected:
                self.reject_item(2, 1 + made % 3)
            elif what == "there and back":
                self.step(1)
                self.step(-1)
                self.compose()
            elif what == "reject":
                self.reject(1 + made % 4)
            else:
                getattr(self, what)()

    def holds(self, loupe):
        """All of it and nothing else stands in the database, and waits to be sent."""
        known = {row["id"] for row in self.rows}

        def found():
            standing = json.loads(loupe.shell(STANDING))
            return {key: one for key, one in standing.items() if key.split("/")[0] in known}

        until(lambda: len(found()) == len(self.expected), seconds=10, every=1)
        assert found() == self.expected


class Keys(Hand):
    KEYS = {"approve": "a", "compose": "c", "undo": "u", "next": "j", "back": "k"}
    KEYS |= {"reject": "r", "reject_item": "x"}

    def pick(self, item):
        self.page.keyboard.press(str(item))

    def act(self, what, reason=0):
        for key in (self.KEYS[what], str(reason or "")):
            if key:
                self.page.keyboard.press(key)
                self.presses[what] += 1


class Pointer(Hand):
    """A mouse, or a finger: `press` of the visitor knows which."""

    NAMES = {"approve": "Approve", "compose": "compose", "reject": "^Reject"}

    def pick(self, item):
        self.visitor.press(here(self.page).locator(f".film [data-item='{item}']"))

    def button(self, what):
        page = self.page
        if what == "undo":
            return tray(page).get_by_role("button", name="Undo")
        if what in ("next", "back"):
            return page.get_by_role("link", name="Next post" if what == "next" else "Previous post")
        if what == "reject_item":
            tools = here(page).locator(".tools:not([hidden])")
            return tools.get_by_role("button", name=re.compile("Reject item"))
        name = re.compile(self.NAMES[what], re.IGNORECASE)
        return here(page).locator(".decide").get_by_role("button", name=name)

    def act(self, what, reason=0):
        presses = [self.button(what)]
        if reason:
            presses.append(self.page.locator("#reasons").locator(f"[data-key='{reason}']"))
        self.visitor.press(*presses)
        self.presses[what] += len(presses)


REASONS: dict[int, str] = {}


@pytest.fixture(scope="module", autouse=True)
def _reasons(loupe):
    REASONS.update(enumerate(json.loads(loupe.shell(REASONS_OF)), 1))


HANDS = {
    "keys": (Keys, {"size": DESKTOP, "hand": "keys"}),
    "mouse": (Pointer, {"size": DESKTOP, "hand": "mouse"}),
    "touch": (Pointer, {"size": PHONE, "hand": "touch"}),
}


@pytest.mark.parametrize("name", HANDS)
def test_fifty_decisions_with_one_hand_alone(visit, loupe, stretch, name):
    kind, options = HANDS[name]
    visitor = visit("ana", **options)
    hand = kind(visitor, stretch(48))
    with visitor.without_reload():
        hand.decide(50)
    presses = {"approve": 1, "compose": 1, "reject": 2, "reject_item": 2, "undo": 1, "next": 1, "back": 1}
    assert min(hand.made[what] for what in presses) >= 4, hand.made
    assert {what: hand.presses[what] / hand.made[what] for what in presses} == presses
    hand.holds(loupe)


def test_what_is_no_decision(visit, stretch, loupe):
    """Keys that are held down, composed, or meant for something else."""
    visitor = visit("ana")
    hand = Keys(visitor, stretch(2))
    page, second = visitor.page, hand.rows[1]["id"]
    decide = here(page).locator(".decide")
    decide.dispatch_event("keydown", {"key": "a", "isComposing": True, "bubbles": True})
    decide.dispatch_event("keydown", {"key": "a", "repeat": True, "bubbles": True})
    for key in ("Control+a", "Alt+a", "Meta+a", "Shift+A"):
        page.keyboard.press(key)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    hand.is_at()
    page.keyboard.down("a")
    page.keyboard.down("a")  # the system repeats it
    page.keyboard.down("a")
    page.keyboard.up("a")
    hand.note("approve")
    hand.goes_on()
    expect(here(page)).to_have_attribute("data-post", second)
    hand.holds(loupe)


def test_fast_keys_reach_the_posts_they_are_meant_for(visit, stretch, loupe):
    """No waiting for a mark or an answer between them; undo takes the last one, though it is on its way."""
    visitor = visit("ana")
    hand = Keys(visitor, stretch(5))
    page = visitor.page
    until(lambda: page.locator(".review-post").count() >= 3)  # the next two are there
    far = {"offline": False, "latency": 150, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", far)
    for key in "aacu":
        page.keyboard.press(key)
    expect(here(page)).to_have_attribute("data-post", hand.rows[2]["id"])
    for row in hand.rows[:2]:
        hand.expected[row["id"]] = ["approve", ""]
    expect(here(page).locator(".wax")).to_have_count(0)
    expect(here(page).locator(".decide")).to_be_focused()
    hand.holds(loupe)


@pytest.fixture
def slow(stretch):
    """`page, rows, held = slow(visitor)`: two posts are fetched ahead, each after them waits in `held`."""

    def at_first(visitor):
        rows, held = stretch(8), []
        page = visitor.go(f"/review/{rows[0]['id']}/")
        until(lambda: page.locator(".review-post").count() >= 3)

        def hold(route):
            held.append(route) if "hx-request" in route.request.headers else route.continue_()

        page.route(re.compile(r"/review/[^/]+/(\?.*)?$"), hold)
        return page, rows, held

    return at_first


def let_go(page, held):
    until(lambda: page.wait_for_timeout(50) or held)
    for route in list(held):
        route.continue_()
    page.unroute_all()


def test_keys_wait_for_the_post_that_they_are_meant_for(visit, slow, loupe):
    visitor = visit("ana")
    page, rows, held = slow(visitor)
    page.locator(f"#s-{rows[4]['id']}").click()
    for key in "aj":
        page.keyboard.press(key)
    until(lambda: page.wait_for_timeout(50) or held)
    held.pop(0).continue_()
    expect(page.locator(f"#p-{rows[4]['id']} .pane-made .wax-ok")).to_have_count(1)
    page.keyboard.press("c")  # for the next one, that is on its way again
    page.keyboard.press("u")
    let_go(page, held)
    expect(here(page)).to_have_attribute("data-post", rows[5]["id"])
    expect(tray(page)).to_contain_text("Approved")
    page.wait_for_timeout(500)  # and nothing is done to what came
    found = json.loads(loupe.shell(STANDING))
    assert {row["id"] for row in rows} & set(found) == {rows[4]["id"]}


@pytest.mark.parametrize("why", ["elsewhere", "no line"])
def test_keys_for_a_post_that_does_not_come_are_dropped(visit, slow, loupe, why):
    visitor = visit("ana")
    page, rows, held = slow(visitor)
    page.locator(f"#s-{rows[4]['id']}").click()
    page.keyboard.press("a")
    until(lambda: page.wait_for_timeout(50) or held)
    if why == "no line":
        held.pop().abort()
        page.wait_for_timeout(200)
    page.locator(f"#s-{rows[6]['id']}").click()
    let_go(page, held)
    expect(here(page)).to_have_attribute("data-post", rows[6]["id"])
    page.wait_for_timeout(500)
    expect(here(page)).to_have_attribute("data-post", rows[6]["id"])
    assert not {row["id"] for row in rows} & set(json.loads(loupe.shell(STANDING)))
    visitor.wrong[:] = [one for one in visitor.wrong if "htmx:" not in one and "ERR_FAILED" not in one]


def test_the_strip_goes_on_with_a_post_that_is_fetched_anyway(visit, stretch):
    """Twenty frames are behind a post; whoever goes further needs no request more for each."""
    visitor, rows = visit("ana"), stretch(4)
    page, asked = visitor.page, []
    page.on("request", lambda request: asked.append(request.url))
    visitor.go(f"/review/{rows[0]['id']}/")
    frames = page.locator(".review-queue [data-goto]")
    shown = frames.count()
    with visitor.without_reload():
        for _ in range(20):
            following = frames.nth(1 + at(page)).get_attribute("data-goto")
            page.keyboard.press("j")
            expect(here(page)).to_have_attribute("data-post", following)
            expect(page.locator(f"#s-{following}")).to_have_attribute("aria-current", "true")
            until(lambda: page.locator(".review-queue [aria-current] ~ a").count() >= 2)
    until(lambda: frames.count() > shown)
    ids = [frame.get_attribute("data-goto") for frame in frames.all()]
    assert len(ids) == len(set(ids))
    assert not [url for url in asked if "/strip/" in url]
    pages = [url.partition("?")[0] for url in asked if re.search(r"/review/[^/]+/(\?|$)", url)]
    assert len(pages) == len(set(pages))
    assert sum("behind=" in url for url in asked) == 1


def at(page) -> int:
    """Which frame of the strip is the one in focus."""
    return page.locator(".review-queue [data-goto]:has(~ [aria-current])").count()


def test_a_mark_is_drawn_plain_and_has_its_grain_when_one_comes_back(visit, stretch):
    visitor, rows = visit("ana"), stretch(4)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    drawn = page.evaluate("""() => {
        const post = document.querySelector(".review-post:not([hidden])");
        post.querySelector("[data-key=a]").click();
        return getComputedStyle(post.querySelector(".shot .wax")).filter;
    }""")
    assert drawn == "none"
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    page.keyboard.press("k")
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    expect(here(page).locator(".shot:not([hidden]) .wax-ok")).to_have_css(
        "filter", re.compile("sprite.*#wax")
    )


def test_the_source_flashes_on_what_is_shown_and_nowhere_else(visit, stretch):
    visitor, rows = visit("ana"), stretch(2)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    flashed = page.locator(".show-source")
    until(lambda: page.locator(".review-post").count() >= 2)
    page.keyboard.down("s")
    expect(here(page).locator(".show-source")).to_have_count(1)
    page.keyboard.press("j")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    expect(here(page).locator(".show-source")).to_have_count(1)
    expect(flashed).to_have_count(1)
    page.keyboard.up("s")
    expect(flashed).to_have_count(0)
    page.keyboard.press("k")
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    page.keyboard.down("s")
    expect(flashed).to_have_count(1)
    page.evaluate("() => dispatchEvent(new FocusEvent('blur'))")  # to another window
    expect(flashed).to_have_count(0)
    page.keyboard.up("s")
    button = here(page).get_by_role("button", name="Flash source").first
    button.click()
    expect(flashed).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    expect(flashed).to_have_count(0)
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_note_that_is_being_written_stays_however_far_one_goes(visit, stretch):
    visitor, rows = visit("ana"), stretch(12)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    text = here(page).locator("[data-note-form] textarea")
    text.fill("The left hand")
    text.evaluate("one => one.blur()")
    for row in rows[1:]:
        page.keyboard.press("j")
        expect(here(page)).to_have_attribute("data-post", row["id"])
    until(lambda: not page.locator(f"#p-{rows[1]['id']}").count())  # the others are gone
    page.locator(f"#s-{rows[0]['id']}").click()
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    expect(text).to_have_value("The left hand")


def test_keys_stay_with_the_item_that_is_shown_whatever_tools_an_answer_brings(visit, stretch, loupe):
    visitor, rows = visit("ana"), stretch(4)
    row = next(row for row in rows if row["kind"] == "carousel")
    page = visitor.go(f"/review/{row['id']}/?item=2")
    tools = here(page).locator(".tools:not([hidden])")
    page.keyboard.press("x")
    page.keyboard.press("1")
    expect(here(page).locator(".film [data-item='2'].is-out")).to_have_count(1)
    expect(tools).to_have_count(1)
    expect(tools).to_have_attribute("aria-label", "Item 2")
    expect(here(page).locator(".panes:not([hidden])")).to_have_attribute("data-slot", "2")
    page.keyboard.press("x")  # again: undo
    expect(here(page).locator(".film .is-out")).to_have_count(0)
    page.keyboard.press("g")
    expect(tray(page)).to_contain_text(re.compile("Regenerate.*2A"))


@pytest.mark.parametrize("key", ["x1", "g"])
def test_a_late_answer_moves_nothing_beside_the_tools_it_changes(visit, stretch, key):
    visitor, rows = visit("ana"), stretch(4)
    row = next(row for row in rows if row["kind"] == "carousel")
    page = visitor.go(f"/review/{row['id']}/")
    page.evaluate("() => document.fonts.ready")
    parts = here(page).locator(".looking, .film")
    expect(parts).to_have_count(2)
    before = [part.bounding_box() for part in parts.all()]
    page.route("**/items/**", lambda route: (page.wait_for_timeout(700), route.continue_()))
    for one in key:
        page.keyboard.press(one)
    expect(tray(page)).to_contain_text("Item rejected" if key == "x1" else "Regenerate")
    page.wait_for_load_state("networkidle")
    assert [part.bounding_box() for part in parts.all()] == before
    page.unroute_all(behavior="ignoreErrors")


def test_what_follows_from_an_answer_follows_once(visit, stretch):
    visitor, rows = visit("ana"), stretch(4)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    page.wait_for_load_state("networkidle")
    page.evaluate("""() => {
        window.seen = {answers: 0, parts: 0, settled: 0};
        document.addEventListener("htmx:afterOnLoad", () => { seen.answers += 1; });
        document.addEventListener("htmx:afterSettle", () => { seen.parts += 1; });
        document.addEventListener("loupe:settled", () => { seen.settled += 1; });
    }""")
    page.keyboard.press("a")
    expect(tray(page)).to_contain_text("Approved")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    page.wait_for_load_state("networkidle")
    answers, parts, settled = page.evaluate("() => Object.values(seen)")
    assert 0 < settled <= answers < parts


def test_a_poll_that_an_answer_overtook_is_dropped(visit, stretch):
    visitor, rows = visit("ana"), stretch(4)
    row = next(row for row in rows if row["kind"] == "carousel")
    page = visitor.go(f"/review/{row['id']}/")
    late = []
    page.route(f"**/live/posts/{row['id']}/**", lambda route: late.append(route))
    until(lambda: page.wait_for_timeout(50) or late)
    poller = page.locator(f"#poll-{row['id']}").element_handle()
    page.keyboard.press("x")
    page.keyboard.press("1")
    until(lambda: not poller.evaluate("one => one.isConnected"))
    with page.expect_response(f"**/live/posts/{row['id']}/**") as answer:
        late[0].continue_()
    answer.value.finished()
    page.wait_for_timeout(300)  # what it would have broken is logged, and fails the test
    expect(here(page).locator(".film .is-out")).to_have_count(1)


def away(route):
    """What Loupe answers while its database is away."""
    asked, headers = route.request, {"HX-Request": "true"}
    answer = outage.answer(RequestFactory().generic(asked.method, "/", headers=headers))
    route.fulfill(status=answer.status_code, headers=dict(answer.items()), body=answer.content.decode())


def test_words_that_came_to_nothing_come_back_under_their_own_post(visit, stretch):
    visitor, rows = visit("ana"), stretch(2)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    words = page.locator("#reason-words")
    page.route("**/rejection/**", lambda route: route.fulfill(status=409, headers={"HX-Reswap": "none"}))
    page.keyboard.press("r")
    words.fill("The hand has six fingers")
    with page.expect_response("**/rejection/**"):
        page.keyboard.press("Enter")
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    expect(here(page).locator(".wax")).to_have_count(0)
    for key, kept in (("j", ""), ("k", "The hand has six fingers")):
        page.keyboard.press(key)
        expect(here(page)).to_have_attribute("data-post", rows[key == "j"]["id"])
        page.keyboard.press("r")
        expect(words).to_have_value(kept)
        page.keyboard.press("Escape")


def test_while_the_database_is_away_nothing_that_was_typed_is_lost(visit, stretch):
    visitor, rows = visit("ana"), stretch(2)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    words, told = page.locator("#reason-words"), page.locator("#notices [data-outage]")
    page.route("**/rejection/", away)
    page.keyboard.press("r")
    words.fill("The hand has six fingers")
    page.keyboard.press("Enter")
    expect(told).to_contain_text("Nothing was done. What you typed is still here")
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    told.get_by_role("button", name="Close").click()
    page.route("**/live/**", away)
    expect(told).to_contain_text("What stands here is as it was")
    page.wait_for_timeout(2500)  # it is asked for again, and told once
    expect(told).to_have_count(1)
    page.unroute_all()
    expect(told).to_have_count(0)
    page.keyboard.press("r")
    expect(words).to_have_value("The hand has six fingers")
    page.keyboard.press("Enter")
    expect(tray(page)).to_contain_text("Rejected")
    expect(words).to_have_value("")
    visitor.go("/personas/")
    page.get_by_role("link", name="New persona").click()
    page.get_by_label("Name").fill("Nadir")
    page.route("**/personas/", away)
    page.locator("#ask form button.btn-ink").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nothing was done")
    expect(dialog.get_by_label("Name")).to_have_value("Nadir")
    visitor.wrong[:] = [one for one in visitor.wrong if "status of 503" not in one]


LOST = {"error": lambda route: route.fulfill(status=500, body="broken"), "line": lambda route: route.abort()}
LOST_SAYS = ("htmx:", "Failed to load", "Response Status Error")  # on the console


@pytest.mark.parametrize("why", LOST)
def test_a_post_that_does_not_come_leads_nowhere_else(visit, stretch, why):
    visitor, rows = visit("ana"), stretch(8)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    until(lambda: page.locator(".review-post").count() >= 3)
    page.route(re.compile("/review/[^/]+/$"), LOST[why])
    with visitor.without_reload():
        page.locator(f"#s-{rows[6]['id']}").click()
        expect(page.locator("#banners [data-cut-off]")).to_be_visible()
        expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
        page.unroute_all()
        page.locator(f"#s-{rows[6]['id']}").click()
        expect(here(page)).to_have_attribute("data-post", rows[6]["id"])
    visitor.wrong[:] = [one for one in visitor.wrong if not one.startswith(LOST_SAYS)]


def test_what_is_refused_beside_a_decision_leaves_the_decision(visit, stretch, loupe):
    visitor, rows = visit("ana"), stretch(3)
    page, held = visitor.go(f"/review/{rows[0]['id']}/"), []
    until(lambda: page.locator(".review-post").count() >= 2)
    page.route("**/notes/", lambda route: held.append(route))
    text = here(page).locator("[data-note-form] textarea")
    text.fill("The left hand")
    text.press("Control+Enter")
    text.evaluate("one => one.blur()")
    until(lambda: page.wait_for_timeout(50) or held)
    page.keyboard.press("a")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    expect(tray(page)).to_contain_text("Approved")
    held[0].continue_(url=f"{loupe.address}/settings/keys/removal/")  # in the sandbox it answers 409
    expect(page.locator("#notices")).to_contain_text("There is no key to remove.")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    expect(page.locator(f"#s-{rows[0]['id']} .wax-ok")).to_have_count(1)
    expect(page.locator(f"#p-{rows[0]['id']} .pane-made .wax-ok")).to_have_count(1)


def test_the_mark_of_a_decision_that_was_taken_back_elsewhere_goes(visit, stretch):
    visitor, rows = visit("ana"), stretch(3)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    mark = page.locator(f"#p-{rows[0]['id']} .pane-made .wax-ok")
    page.keyboard.press("a")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    expect(tray(page)).to_contain_text("Approved")
    page.keyboard.press("k")
    expect(here(page)).to_have_attribute("data-state", "held")
    expect(mark).to_have_count(1)
    page.keyboard.press("j")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    other = visitor.context.new_page()
    other.goto(f"{visitor.loupe.address}/review/{rows[0]['id']}/")
    with other.expect_response(re.compile("/holds/.+/undo/")):
        other.keyboard.press("u")
    other.close()
    page.keyboard.press("k")
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    expect(page.locator(f"#s-{rows[0]['id']} .wax")).to_have_count(0)
    expect(mark).to_have_count(0)
    page.keyboard.press("a")  # and it can be decided anew
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    expect(mark).to_have_count(1)
    expect(tray(page)).to_contain_text("Approved")


def test_whoever_leaves_waits_two_seconds_at_most_and_loses_nothing(visit, stretch, loupe):
    visitor, rows = visit("ana"), stretch(7)
    page, held = visitor.go(f"/review/{rows[0]['id']}/"), []
    until(lambda: page.locator(".review-post").count() >= 3)
    page.route("**/approval/", lambda route: held.append(route) if len(held) < 1 else route.continue_())
    for number in (1, 2):
        page.keyboard.press("a")
        expect(here(page)).to_have_attribute("data-post", rows[number]["id"])
    page.keyboard.press("Escape")
    page.wait_for_url(f"{loupe.address}/", timeout=10_000)
    page.unroute_all()
    for row in rows[:2]:
        assert decided(loupe, row) == ["approve", ""]
    visitor.go("/?order=oldest")
    del held[:]
    while not page.locator(f"#f-{rows[5]['id']}").count():  # others may have left older ones
        shown = page.locator("#contact .frame").count()
        page.locator("#more a").click()
        until(lambda shown=shown: page.locator("#contact .frame").count() > shown)
    page.locator(f"#f-{rows[2]['id']} .frame-open").focus()
    page.route("**/approval/", lambda route: held.append(route))
    page.keyboard.press("a")  # this one waits for its answer, the next ones for this one
    until(lambda: page.wait_for_timeout(50) or held)
    for row in rows[3:5]:
        page.locator(f"#f-{row['id']} .frame-pick input").check()
    page.locator(".bulk").get_by_role("button", name="Approve & publish").click()
    visitor.go("/library/")
    for row in rows[3:5]:
        assert decided(loupe, row) == ["approve", ""]


def test_what_was_typed_into_a_question_stays_there_when_it_is_refused(visit, loupe):
    page = visit("ana").go("/personas/")
    page.locator("a[data-ask][href$='/writing-style/']").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Voice of the captions").fill("Dry, and short.")
    refusing = f"{loupe.address}/settings/keys/removal/"  # in the sandbox it answers 409
    page.route("**/writing-style/", lambda route: route.continue_(url=refusing))
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("Not possible now. There is no key to remove.")
    expect(dialog.get_by_label("Voice of the captions")).to_have_value("Dry, and short.")
    page.unroute_all()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("main")).not_to_contain_text("There is no key to remove.")


def decided(loupe, row):
    """Verdict and reason, once the server has them."""
    until(lambda: row["id"] in json.loads(loupe.shell(STANDING)), every=0.5)
    return json.loads(loupe.shell(STANDING))[row["id"]]


def test_enter_rejects_without_a_reason_or_with_the_words_alone(visit, stretch, loupe):
    visitor, rows = visit("ana"), stretch(3)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    page.keyboard.press("r")
    page.locator("#reason-words").fill("The hand has six fingers")
    page.keyboard.press("Enter")
    expect(here(page)).to_have_attribute("data-post", rows[2]["id"])
    assert decided(loupe, rows[0]) == ["reject", ""]
    assert decided(loupe, rows[1]) == ["reject", "The hand has six fingers"]


def test_words_that_were_not_sent_stay_with_their_post(visit, stretch, loupe):
    visitor, rows = visit("ana"), stretch(4)
    page = visitor.go(f"/review/{rows[0]['id']}/")
    words = page.locator("#reason-words")
    page.keyboard.press("r")
    words.fill("The hand has six fingers")
    escape(page)
    page.keyboard.press("j")
    expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
    page.keyboard.press("r")
    expect(words).to_have_value("")
    page.keyboard.press("1")
    expect(here(page)).to_have_attribute("data-post", rows[2]["id"])
    assert decided(loupe, rows[1]) == ["reject", REASONS[1]]
    page.locator(f"#s-{rows[0]['id']}").click()
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    refusing = f"{loupe.address}/settings/keys/removal/"  # in the sandbox it answers 409
    page.route("**/rejection/", lambda route: route.continue_(url=refusing))
    page.keyboard.press("r")
    expect(words).to_have_value("The hand has six fingers")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("There is no key to remove.")
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    page.keyboard.press("r")
    expect(words).to_have_value("The hand has six fingers")


def test_two_people_get_different_posts_and_see_each_other(visit, stretch, loupe):
    rows = stretch(4)
    ana, tom = visit("ana"), visit("tom")
    query = f"/review/{rows[0]['id']}/"
    page, other = ana.go(query), tom.page
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    tom.go("/review/start/")
    mine = here(other).get_attribute("data-post")
    assert mine != rows[0]["id"]
    tom.go(f"/review/{rows[1]['id']}/")
    expect(page.locator(f'.review-queue [data-goto="{rows[1]["id"]}"]')).to_have_attribute(
        "data-taken", "Tom Okafor"
    )
    expect(page.locator("#presence")).not_to_contain_text("looking at this too")
    with ana.without_reload():
        page.keyboard.press("a")
        expect(here(page)).to_have_attribute("data-post", rows[2]["id"])
        expect(page.locator("#announce")).to_contain_text("Approved")  # else it would come last
        page.keyboard.press("k")
        expect(here(page)).to_have_attribute("data-post", rows[1]["id"])
        expect(page.locator("#presence")).to_contain_text("Tom Okafor is looking at this too")
        expect(page.locator("#announce")).to_contain_text("Tom Okafor is looking at this too")
    expect(other.locator("#presence")).to_contain_text("Ana Ruiz is looking at this too")


def test_the_second_is_told_in_place_who_was_first(visit, stretch):
    rows = stretch(3)
    ana, tom = visit("ana"), visit("tom")
    eyes = Eyes(ana)
    page, other = (one.go(f"/review/{rows[0]['id']}/") for one in (ana, tom))
    expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
    page.route("**/live/**", lambda route: route.fulfill(status=204))  # it has not heard of it yet
    page.route("**/rejection/", lambda route: (page.wait_for_timeout(1200), route.continue_()))
    other.keyboard.press("a")
    expect(tray(other)).to_contain_text("Approved")
    with ana.without_reload():
        page.keyboard.press("r")
        page.keyboard.press("1")
        expect(here(page)).to_have_attribute("data-post", rows[1]["id"])  # gone on already
        post = page.locator(f"#p-{rows[0]['id']}")
        expect(post).to_have_attribute("data-state", "conflict")
        expect(here(page)).to_have_attribute("data-post", rows[0]["id"])
        expect(post.locator(".veil")).to_contain_text(
            "Tom Okafor approved this just now. Your reject was not sent."
        )
        expect(page.locator("#announce")).to_contain_text("Your reject was not sent")
        expect(post.locator(".decide [data-key=a]")).to_have_attribute("aria-disabled", "true")
        expect(post.locator(".shot .wax-no")).to_have_count(0)
        expect(post.get_by_role("button", name="Next post")).to_be_focused()
        eyes.look("conflict")
        assert eyes.found == []
        page.keyboard.press("Enter")
        expect(here(page)).to_have_attribute("data-post", rows[1]["id"])


REMADE = """
from reviewqueue.models import *
from reviewqueue.services import desk, mirroring
from reviewqueue.clock import now
post = GeneratedPost.objects.select_related("persona").get(pk="%(post)s")
item = post.items.current().order_by("position")[%(at)d]
item.post = post
mirroring.new_take(item, "again-" + item.upstream_id)
new = post.items.get(upstream_id="again-" + item.upstream_id)
MediaItem.objects.filter(pk=new.pk).update(
    status="completed", file=item.file, voice_file=item.voice_file, ended_at=now())
desk.refresh(post.pk, touched=True)
print(GeneratedPost.objects.get(pk=post.pk).desk)
"""


def test_what_was_made_anew_meanwhile_is_shown_on_request(visit, loupe, stretch):
    rows = stretch(4)
    row = next(row for row in rows if row["kind"] == "carousel")
    visitor = visit("ana")
    eyes = Eyes(visitor)
    page = visitor.go(f"/review/{row['id']}/")
    page.route("**/live/**", lambda route: route.fulfill(status=204))
    assert loupe.shell(REMADE % {"post": row["id"], "at": 1}) == "ready"
    post = page.locator(f"#p-{row['id']}")
    with visitor.without_reload():
        page.keyboard.press("a")
        expect(post).to_have_attribute("data-state", "stale")
        expect(post.locator(".veil")).to_contain_text("Item 2 was regenerated while you looked.")
        expect(post).to_be_visible()
        page.keyboard.press("a")
        page.keyboard.press("x")
        expect(page.locator("dialog[open]")).to_have_count(0)
        eyes.look("stale")
        assert eyes.found == []
        page.unroute("**/live/**")
        page.get_by_role("button", name="Show the new version").click()
        expect(post.locator(".film")).to_contain_text("2B")
        expect(post).to_have_attribute("data-state", "ready")
        expect(post.locator(".decide [data-key=a]")).not_to_have_attribute("aria-disabled", "true")
