"""Every state that a post may be in, made by the sandbox's own levers and seen in a browser, and by axe.

Where another file of these already makes one, `ELSEWHERE` names the test that looks at it.
"""

import re
from importlib import import_module
from inspect import getsource

import pytest
from playwright.sync_api import expect

from tests.browser.axe import Eyes
from tests.browser.conftest import PHONE, until

SETTINGS = {"LOUPE_SANDBOX_SPEED": "3"}
STATES = {
    *("loading", "pending", "generating", "slow", "no answer", "ready", "partly failed", "failed", "held"),
    *("sending", "approved", "publishing", "published", "rejected", "conflict", "stale", "no account"),
    *("discount", "locked public", "no balance", "rate limited", "offline", "missing scope", "too late"),
    *("sync skipped", "empty queue", "first use", "no match"),
}
ELSEWHERE = {
    "conflict": "test_desk.test_the_second_is_told_in_place_who_was_first",
    "stale": "test_desk.test_what_was_made_anew_meanwhile_is_shown_on_request",
    "locked public": "test_focus.test_public_and_the_twenty_days_of_a_discounted_item",
    "sync skipped": "test_sources.test_on_the_personas_page_a_second_sync_says_why_it_is_skipped",
    "first use": "test_accessibility.test_a_workspace_of_ones_own_with_nothing_in_it",
    "no match": "test_accessibility.test_the_queue",
}
SEEN: set[str] = set()

LEVERS = """
import json, uuid
from datetime import timedelta
from reviewqueue import gateway
from reviewqueue.clock import now
from reviewqueue.models import *
from reviewqueue.services import desk, generating, polling, watches
outside = gateway.sandbox()
ana = Member.objects.get(user__email="ana@sandbox.invalid")
def look(kind, subject=""):
    watch = watches.add(ana.workspace_id, kind, subject)
    Watch.objects.filter(pk=watch.pk).update(claimed_until=None)
    polling.look(watch.pk)
def generate(name, kind, script=""):
    persona = Persona.objects.get(name=name)
    sources = SourcePost.objects.of_persona(persona).filter(kind=kind, made=0)
    used = SourceMedia.objects.filter(post__made__gt=0).values("file")  # what is made of them is here already
    source = sources.exclude(media__file__in=used).first() or sources.first()
    if script:
        outside.edit_source_caption(source.upstream_id, script)
    return generating.generate(source, persona, by=ana, token=uuid.uuid4()).post
"""


@pytest.fixture
def levers(loupe):
    """Does something to the service from outside, or reads the program's own rows."""
    return lambda code: loupe.shell(LEVERS + code)


def here(page):
    return page.locator(".review-post:not([hidden])")


def frame(page, row):
    return page.locator(f"#f-{row['id']}")


@pytest.fixture
def watch():
    """`eyes = watch(visitor)`, before the visitor opens a page: what axe finds in a state fails the test."""
    opened: list[Eyes] = []

    def begin(visitor) -> Eyes:
        opened.append(Eyes(visitor))
        return opened[-1]

    yield begin
    if found := [line for eyes in opened for line in eyes.found]:
        pytest.fail("\n".join(found), pytrace=False)


def saw(*states, by: Eyes | None = None):
    """`by`: whose page shows them now."""
    assert set(states) <= STATES, set(states) - STATES
    SEEN.update(states)
    if by:
        by.look(", ".join(states))


def test_what_went_wrong_and_what_waits_for_an_account(visit, stock, watch):
    eyes = watch(visit("ana"))
    page = eyes.visitor.go("/?tab=attention")
    frames = page.locator("#contact .frame")
    partly = frames.filter(has_text="1 of 4 failed")
    expect(partly.get_by_role("button", name=re.compile(r"Retry 1 \$0\.32"))).to_be_visible()
    expect(frames.filter(has_text="Could not be generated")).to_contain_text("Regenerate $0.64")
    expect(frames.filter(has_text="No answer").first).to_contain_text("Still checking")
    partly.locator(".frame-open").click()
    page.wait_for_url(re.compile("/review/"))
    expect(here(page)).to_have_attribute("data-state", "failed")
    for name in ("Approve", "compose"):
        button = here(page).locator(".decide").get_by_role("button", name=re.compile(name, re.IGNORECASE))
        expect(button).to_have_attribute("aria-disabled", "true")
    saw("partly failed", "failed", "no answer", by=eyes)

    alone, cheap = stock.take(kind="image", accounts=0), stock.take(discount=True)
    page.goto(f"{page.url.split('/review')[0]}/")
    expect(frame(page, alone)).to_contain_text("No account connected")
    expect(frame(page, alone)).to_have_attribute("data-state", "ready")
    expect(frame(page, cheap)).to_contain_text("Discount")
    frame(page, alone).locator(".frame-open").click()
    page.wait_for_url(re.compile("/review/"))
    expect(here(page).locator(".checks")).to_contain_text("Kilo North has no publishing account")
    expect(here(page).locator("[data-key=a]")).to_have_attribute("aria-disabled", "true")
    expect(here(page).locator("[data-key=c]")).to_have_class(re.compile("btn-ink"))
    saw("ready", "no account", "discount", by=eyes)


def test_what_did_not_happen_is_sent_again_or_let_be_where_it_stands(visit, levers, stock, watch):
    eyes, post = watch(visit("ana")), stock.take(kind="image", accounts=lambda count: count)
    levers(f"""
from django.db import transaction
from reviewqueue.services import operations, syncing
with transaction.atomic():
    item = GeneratedPost.objects.get(pk="{post["id"]}").items.current().first()
    operations.refuse(generating.set_public(item, True, by=ana, token=uuid.uuid4()), "The service refused.")
    persona = Persona.objects.get(name="Kilo North")
    operations.refuse(syncing.start(persona, by=ana, token=uuid.uuid4()), "The service refused: too soon.")
""")
    page = eyes.visitor.go("/?tab=attention")
    row, loose = frame(page, post), page.locator("#loose li")
    expect(row).to_contain_text("Not done: Make public 1A")
    expect(loose).to_contain_text("Not done: Sync")
    eyes.look("not done")
    page = eyes.visitor.go("/?tab=attention&view=list")
    expect(row).to_contain_text("Not done: Make public 1A")
    expect(row.get_by_role("button", name="Let it be")).to_be_visible()
    page = eyes.visitor.go("/?tab=attention")
    with eyes.visitor.without_reload():
        loose.get_by_role("button", name="Let it be").click()
        expect(loose).to_have_count(0)
        row.hover()
        expect(row.get_by_role("button", name="Approve")).to_be_visible()  # beside its cure, not over it
        row.get_by_role("button", name="Send again").click()
        expect(row).not_to_contain_text("Not done")
        expect(page.locator("#tray")).to_contain_text("Made public")
        page.locator("#tray").get_by_role("button", name="Undo").click()
        expect(row).to_contain_text("Not done: Make public 1A")
        row.get_by_role("button", name="Let it be").click()
        expect(row).not_to_contain_text("Not done")


def test_from_held_to_published_and_too_late_to_take_it_back(visit, levers, stock, watch):
    ana, late = visit("ana"), visit("ana")
    eyes, late_eyes = watch(ana), watch(late)
    go, draft, out = (stock.take(kind="image", accounts=lambda count: count) for _ in range(3))
    page = ana.go(f"/?q={go['number']}")
    with ana.without_reload():
        frame(page, go).locator(".btn-ok").click()
        expect(frame(page, go)).to_have_attribute("data-state", "held")
        expect(frame(page, go).locator(".plate")).to_contain_text("Approved")
        expect(frame(page, go).locator("[data-left]")).to_have_text(re.compile(r"^\d+$"))
        expect(page.locator("#announce")).to_contain_text("Press U within 10 seconds to undo")
        tray = page.get_by_role("region", name="Held decisions")
        tray.get_by_role("button", name=re.compile("Pause")).click()
        expect(tray).to_contain_text("∞")
        saw("held", by=eyes)
    late.page.route("**/live/**", lambda route: route.fulfill(status=204))
    late.go("/")
    expect(late.page.locator("#tray")).to_contain_text("Approved")
    levers('outside.misbehave("slow", match="POST *approve", seconds=25)')
    ana.go("/?tab=held")
    with ana.without_reload():
        page.keyboard.press("Shift+Enter")
        expect(frame(page, go)).to_contain_text("Sending")
        late.page.locator("#tray").get_by_role("button", name="Undo").click()
        notices = late.page.locator("#notices")
        expect(notices).to_contain_text(re.compile(r"Too late to undo\. It was sent at \d\d:\d\d:\d\d"))
        expect(notices.get_by_role("link", name="See deliveries")).to_be_visible()
        expect(frame(page, go)).to_contain_text("Sending")
        saw("sending", by=eyes)
        saw("too late", by=late_eyes)
    for row, key, words in ((draft, "c", "To compose"), (out, "r", "Rejected")):
        ana.go(f"/review/{row['id']}/")
        page.keyboard.press(key)
        if key == "r":
            page.keyboard.press("1")
        expect(page.locator("#tray")).to_contain_text(words)
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#tray .hold")).to_have_count(0)

    def says(row, words):
        ana.go("/?tab=decided")
        return frame(page, row).count() and re.search(words, frame(page, row).inner_text())

    until(lambda: says(go, "Publishing|Published"), every=0.5)
    until(lambda: says(draft, "In compose"), every=0.5)
    until(lambda: says(out, "Rejected"), every=0.5)
    expect(frame(page, out).locator(".wax-no")).to_have_count(1)
    until(lambda: says(go, r"Published (\d)/\1"), seconds=60, every=0.5)
    saw("approved", "rejected", "publishing", "published", by=eyes)


def test_what_is_being_made_from_queued_to_copied(visit, levers, watch):
    visitor = visit("ana")
    eyes = watch(visitor)
    page = visitor.go("/?tab=generating")
    made = levers("""
outside.misbehave("503", match="GET /sandbox/media/*", times=500)
one, late = generate("Oat & Ember", "image"), generate("Oat & Ember", "carousel", "stuck")
print(json.dumps([str(one.pk), str(late.pk)]))
""")
    one, late = ({"id": pk} for pk in re.findall(r"[0-9a-f-]{36}", made))
    visitor.go("/?tab=generating")
    expect(frame(page, one)).to_have_attribute("data-state", "pending")
    expect(frame(page, one).locator(".plate")).to_contain_text("Queued")
    expect(frame(page, one)).to_have_attribute("data-state", "generating", timeout=60_000)
    expect(frame(page, one).locator(".plate")).to_contain_text(re.compile("usually 0:0[67]–0:30"))
    visitor.go(f"/review/{late['id']}/")
    expect(here(page).locator("[data-key=a]")).to_have_attribute("aria-disabled", "true")
    saw("generating", by=eyes)
    asked = "now() - timedelta(seconds=45)"
    levers(f"""
GeneratedPost.objects.filter(pk="{late["id"]}").update(asked_at={asked})
MediaItem.objects.filter(post="{late["id"]}").update(asked_at={asked})
desk.refresh("{late["id"]}", touched=True)
""")
    visitor.go("/?tab=generating")
    expect(frame(page, late).locator(".clock")).to_have_class(re.compile("is-slow"))
    expect(frame(page, late)).to_contain_text("longer than the usual 0:30")
    saw("slow", by=eyes)
    levers(f"""
asked_at = now() - timedelta(seconds=110)
GeneratedPost.objects.filter(pk="{late["id"]}").update(asked_at=asked_at)
MediaItem.objects.filter(post="{late["id"]}").update(asked_at=asked_at)
desk.refresh("{late["id"]}", touched=True)
""")
    expect(frame(page, late)).to_contain_text("no answer after 1:40Still checking every 20 s")
    saw("no answer", by=eyes)
    levers("outside.finish()")
    visitor.go(f"/review/{one['id']}/")
    expect(here(page)).to_contain_text("Being copied", timeout=60_000)
    saw("loading", by=eyes)
    levers("outside.behave()")


IN_LINE = """
from django.db import transaction
with transaction.atomic():
    made = [generate("Oat & Ember", "image") for _ in range(3)]
    Operation.objects.filter(post__in=made).update(not_before=now() + timedelta(hours=1))
print(json.dumps([str(post.pk) for post in made]))
"""
LET_GO = 'Operation.objects.filter(post__in={}, state="queued").update(not_before=now())'


def test_what_is_queued_says_its_place_and_moves_up(visit, levers, watch):
    visitor = visit("ana")
    eyes = watch(visitor)
    ids = re.findall(r"[0-9a-f-]{36}", levers(IN_LINE))
    first, second, third = ({"id": pk} for pk in ids)
    page = visitor.go("/?tab=generating")
    expect(frame(page, first).locator(".plate")).to_have_text("QueuedFirst in line")
    expect(frame(page, third).locator(".plate")).to_contain_text("Third in line")
    saw("pending", by=eyes)
    visitor.go("/")
    card = page.locator(f"#c-{third['id']}")
    expect(card).to_contain_text("Third in line")
    with visitor.without_reload():
        levers(LET_GO.format(ids[:1]))
        expect(card).to_contain_text("Second in line", timeout=60_000)
    visitor.go("/?tab=generating&view=list")
    expect(frame(page, second).locator(".as-row")).to_have_text("First in line")
    levers(LET_GO.format(ids))


BACK = """
outside.behave(); outside.set_balance(4000)
UpstreamKey.objects.update(opened_at=None, state="active")
RateBudget.objects.all().delete()
look("balance")
"""


def test_what_the_service_refuses_and_when_it_is_away(visit, levers, watch):
    visitor = visit("ana", size=PHONE)
    eyes = watch(visitor)

    def banner(lever, words, state):
        def shows():  # the poller looks as well, and may have been answered just before
            levers(BACK + lever)
            return re.search(words, visitor.go("/").locator("#banners").inner_text())

        until(shows, seconds=90, every=1)
        saw(state, by=eyes)

    empty = 'outside.set_balance(0); look("balance")'
    banner(empty, r"Balance is \$0.00. Generating is paused", "no balance")
    refused = "outside.misbehave('{0}', match='*', times=99)\nfor _ in range(5): look('balance')"
    banner(
        refused.format(403),
        r"The API key lacks billing:read\. Shown as last seen: the balance",
        "missing scope",
    )
    banner(
        refused.format(503),
        r"The service does not answer[\s\S]*Trying again (in \d+ s|now)\.\s*Try now",
        "offline",
    )
    banner(refused.format(429), r"Statuses refresh again at \d\d:\d\d:\d\d", "rate limited")
    levers(BACK)


def test_without_balance_what_costs_is_off_and_deciding_goes_on(visit, levers, stock, watch):
    row = stock.take(kind="image", accounts=lambda count: count)
    visitor = visit("ana")
    eyes = watch(visitor)
    page = visitor.page

    def is_broke():
        levers(BACK + 'outside.set_balance(0); look("balance")')
        return visitor.go("/?tab=attention").locator("[data-broke]").count()

    until(is_broke, seconds=90, every=1)
    priced = page.locator("button:visible:has(.cost), a:visible:has(.cost)")
    for address in ("/?tab=attention", "/sources/", f"/library/{row['id']}/", f"/review/{row['id']}/"):
        visitor.go(address)
        expect(priced.and_(page.locator("[aria-disabled=true]")).first).to_be_visible()
        expect(priced.and_(page.locator(":not([aria-disabled=true])"))).to_have_count(0)
    eyes.look("no balance, in focus mode")
    with visitor.without_reload():
        regenerate = here(page).get_by_role("button", name=re.compile("Regenerate"))
        expect(regenerate).to_have_css("border-style", "dashed")
        page.keyboard.press("g")
        expect(page.locator("#announce")).to_contain_text("Balance is $0.00. Generating is paused")
        here(page).get_by_role("link", name="Regenerate all").click(force=True)
        expect(page.locator("dialog[open], #tray .hold")).to_have_count(0)
        page.keyboard.press("a")
        expect(page.locator("#tray")).to_contain_text("Approved")
        page.keyboard.press("u")
        expect(here(page)).to_have_attribute("data-post", row["id"])
        levers(BACK)
        expect(regenerate).not_to_have_attribute("aria-disabled", "true")
        expect(regenerate).not_to_have_attribute("title", re.compile("."))


CLEAR = """
for post in GeneratedPost.objects.filter(desk="ready").exclude(upstream_id=""):
    outside.decide(post.upstream_id, "rejected")
for persona in Persona.objects.filter(workspace=ana.workspace):
    look("posts", str(persona.pk))
"""


def test_the_table_is_clear(visit, levers, watch):
    visitor = visit("ana")
    eyes = watch(visitor)
    title = visitor.page.get_by_role("heading", name="The table is clear")

    def is_clear():
        levers(CLEAR)  # what is still being copied is ready a moment later
        return visitor.go("/") and title.count()

    until(is_clear, seconds=60, every=1)
    expect(visitor.page.get_by_role("link", name="Generate more")).to_be_visible()
    expect(visitor.page.locator(".cleared-mark .wax-ok")).to_have_count(1)
    saw("empty queue", by=eyes)


def test_every_state_is_seen_somewhere(request):
    for state, place in ELSEWHERE.items():
        file, name = place.split(".")
        assert f'.look("{state}")' in getsource(getattr(import_module(f"tests.browser.{file}"), name)), state
    chosen = {item.name for item in request.session.items if item.path == request.path}
    if chosen >= {name for name in globals() if name.startswith("test_")}:  # else some were left to others
        assert SEEN | set(ELSEWHERE) == STATES
