"""Flow 3: sync a persona, generate from a source post, clone from a link, and watch it come."""

import re
import sqlite3

import pytest
from playwright.sync_api import expect

from tests.browser.axe import Eyes
from tests.browser.conftest import WAYS, until

IDS = "all => all.map(one => one.id)"
# As fast as elsewhere, but with a shorter minute of the rate limit: a person does not generate so much.
SETTINGS = {"LOUPE_SANDBOX_SPEED": "6", "LOUPE_TIME_SCALE": "5"}


def frames(page):
    return page.locator("#contact .frame")


def slow_to_answer(loupe, request, seconds):
    """The next such request is answered late, so that what waits for it can be seen waiting."""
    with sqlite3.connect(loupe.folder / "sandbox" / "sandbox.sqlite3", timeout=20) as sandbox:
        row = ("slow", re.escape(request), 1, seconds)
        sandbox.execute("INSERT INTO faults (kind, pattern, times, seconds) VALUES (?, ?, ?, ?)", row)


@pytest.mark.parametrize(("way", "name"), [("keys", "Oat & Ember"), ("phone-touch", "Kilo North")])
def test_a_persona_is_synced_from_the_source_posts(visit, way, name):
    visitor = visit(**WAYS[way])
    page = visitor.go("/sources/?used=all")
    before = frames(page).count()
    with visitor.without_reload():
        visitor.press(page.locator("#sync summary"))
        button = page.locator("#sync").get_by_role("button", name=re.compile(name))
        expect(button).to_contain_text(re.compile(r"(about )?\$0\.\d\d"))
        visitor.press(button)
        expect(page.locator("#sync .spin").first).to_be_attached()
        expect(page.locator("#announce")).to_contain_text("Sync")
        expect(page.locator("#sync .spin")).to_have_count(0, timeout=60_000)
        fresh = page.locator("#fresh a")
        expect(fresh).to_contain_text("new")
        expect(frames(page)).to_have_count(before)
    with page.expect_navigation():
        visitor.press(fresh)
    newest = frames(page).first.locator("time.push")

    def is_new():  # what came first may be of another account, and older
        return re.search("now|min|h", newest.inner_text()) or visitor.go("/sources/?used=all") is None

    until(is_new, seconds=60, every=1)


@pytest.mark.parametrize(("way", "name"), [("mouse", "Marlow Street"), ("phone-keys", "Ines Calder")])
def test_on_the_personas_page_a_second_sync_says_why_it_is_skipped(visit, way, name):
    visitor = visit(**WAYS[way])
    eyes = Eyes(visitor)
    page = visitor.go("/personas/")
    visitor.press(page.get_by_role("navigation", name="Personas").get_by_role("link", name=re.compile(name)))
    expect(page.get_by_role("heading", name=name, level=2)).to_be_visible()
    followed = page.locator("#followed tbody tr")
    sync = page.get_by_role("button", name=re.compile("Sync all"))
    with visitor.without_reload():
        expect(sync).to_contain_text("$0.")
        visitor.press(sync)
        expect(followed.locator("[data-clock=sync]").first).to_be_visible(timeout=60_000)
        expect(sync).to_have_attribute("aria-disabled", "true")
        expect(followed.locator("[data-clock=sync]")).to_have_count(0, timeout=60_000)
        for row in followed.all():
            expect(row).to_contain_text(re.compile(r"\d+ new|Nothing new|Skipped"))
        expect(sync).not_to_have_attribute("aria-disabled", "true")
        visitor.press(sync)
        for row in followed.all():
            expect(row).to_contain_text(
                re.compile(r"Skipped: once every 15 minutes. Next at \d\d:\d\d"), timeout=60_000
            )
        if way == "mouse":
            eyes.look("sync skipped")
    assert eyes.found == []


@pytest.mark.parametrize("way", ["keys", "phone-touch"])
def test_a_source_post_becomes_a_post_without_a_reload(visit, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/sources/")
    free = frames(page).filter(has_text="Generate").filter(has_text="Image").first
    expect(free.get_by_role("link", name=re.compile(r"^Generate"))).to_contain_text("$0.")
    visitor.press(free.locator(".frame-open"))
    page.wait_for_url(re.compile("/sources/.+/"))
    picture = page.locator(".source-media img").first
    until(lambda: picture.evaluate("image => image.complete && image.naturalWidth > 100"))
    expect(page.locator(".caption")).not_to_be_empty()
    offer = page.locator("#offers").get_by_role("link", name=re.compile("Generate as Ines Calder"))
    expect(offer).to_contain_text("$0.32")
    made = page.locator("#made .frame")
    with visitor.without_reload():
        visitor.press(offer)
        dialog = page.get_by_role("dialog", name="Generate a post as Ines Calder?")
        expect(dialog).to_contain_text("1 image")
        expect(dialog.locator(".bill dd.total")).to_have_text("$0.32")
        expect(dialog).to_contain_text("Balance after")
        visitor.press(dialog.get_by_role("button", name="Generate $0.32"))
        expect(dialog).to_be_hidden()
        expect(page.locator("#notices")).to_contain_text("1 post queued")
        expect(made).to_have_count(1)
        expect(made).to_contain_text("Ines Calder")
        expect(made).to_have_attribute("data-state", "ready", timeout=60_000)
        until(lambda: made.locator(".frame-open img").evaluate("image => image.naturalWidth > 100"))
    visitor.press(made.locator(".frame-open"))
    page.wait_for_url(re.compile("/review/"))


def test_the_queue_shows_it_queued_then_generating_then_ready(visit, loupe):
    visitor = visit()
    page, queue = visitor.go("/sources/?used=no"), visitor.context.new_page()
    loads = []
    queue.goto(f"{loupe.address}/")
    queue.on("load", lambda: loads.append(queue.url))
    free = frames(page).filter(has_text="Generate").filter(has_text="Video").first  # ten seconds at least
    source = page.locator(f"#{free.get_attribute('id')}")
    slow_to_answer(loupe, "POST /api/v1/generate", 4)
    ready = int(re.search(r"\d+", queue.locator("#ready-count").inner_text())[0])
    cards = queue.get_by_role("list", name="Posts that are not ready yet").get_by_role("listitem")
    known = {card.get_attribute("id") for card in cards.all()}

    def fresh():
        return [one for one in queue.locator("#underway li").evaluate_all(IDS) if one not in known]

    with visitor.without_reload():
        visitor.press(source.get_by_role("link", name=re.compile("^Generate")))
        visitor.press(page.locator("#ask").get_by_role("button", name=re.compile("^Generate")))
        expect(page.locator("#notices")).to_contain_text("1 post queued")
        expect(source).to_have_attribute("data-state", "generating")
        until(fresh)
        card = queue.locator(f"#{fresh()[0]}")
        expect(card).to_contain_text("Queued", timeout=60_000)
        expect(card.locator("[data-clock]")).to_be_visible(timeout=60_000)
        expect(card).to_contain_text("usually")
        expect(card).to_have_count(0, timeout=60_000)  # others of the sandbox may become ready meanwhile
        expect(queue.get_by_role("link", name=re.compile(r"^\d+ new ready"))).to_be_visible()
        until(lambda: int(re.search(r"\d+", queue.locator("#ready-count").inner_text())[0]) > ready)
        expect(source).to_contain_text("Generated", timeout=60_000)
    assert loads == []


@pytest.mark.parametrize("way", ["mouse", "phone-keys"])
def test_a_post_is_cloned_from_a_link_after_a_wrong_one(visit, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/sources/")
    link, whom = page.get_by_role("textbox", name="Clone from a link"), page.get_by_label("As", exact=True)
    go = page.get_by_role("button", name=re.compile("Fetch and generate"))
    with visitor.without_reload():
        link.fill("https://example.com/not-a-post")
        visitor.press(go)
        expect(page.get_by_role("alert")).to_contain_text("That is not a link to an Instagram post")
        expect(link).to_have_attribute("aria-invalid", "true")
        expect(link).to_have_value("https://example.com/not-a-post")
        full = go.inner_text()
        whom.select_option(label="Oat & Ember, discount")
        expect(go).not_to_have_text(full)
        link.fill(f"https://www.instagram.com/p/Clone{'A' if way == 'mouse' else 'B'}22xyz/")
        visitor.press(go)
        notice = page.locator("#notices")
        expect(notice).to_contain_text(re.compile(r"Post \d+ is queued"))
        expect(link).to_have_value("")
        number = re.search(r"Post (\d+)", notice.inner_text())[1]
    visitor.press(notice.get_by_role("link", name="See it"))
    page.wait_for_url(re.compile("/review/"))
    with visitor.without_reload():
        post = page.locator(".review-post:not([hidden])")
        expect(post).to_have_attribute("aria-label", f"Post {number}: Oat & Ember")
        made = post.locator(".pane-made .shot:not([hidden]) > img:not(.flash):not(.unmade)")
        expect(made).to_be_visible(timeout=60_000)
        approve = post.get_by_role("button", name=re.compile("Approve"))
        expect(approve).not_to_have_attribute("aria-disabled", "true", timeout=60_000)


@pytest.mark.parametrize("way", ["mouse", "phone-keys"])
def test_several_source_posts_come_with_one_bill(visit, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/sources/?order=oldest")
    free = frames(page).filter(has_text="Image").filter(has_text="Generate")
    both = [page.locator(f"#{free.nth(at).get_attribute('id')}") for at in range(2)]
    bar = page.get_by_role("region", name="Selected source posts")
    with visitor.without_reload():
        for frame in both:
            visitor.press(frame.get_by_role("checkbox"), key=" ")
        expect(bar).to_contain_text("2 selected")
        expect(bar).to_contain_text("2 items")
        button = bar.get_by_role("button", name=re.compile(r"Generate 2 posts (about )?\$0\.\d\d"))
        total = re.search(r"\$\d\.\d\d", button.inner_text())[0]
        visitor.press(button)
        dialog = page.get_by_role("dialog", name=re.compile("Generate 2 posts"))
        expect(dialog.locator(".bill dd.total")).to_contain_text(total)
        visitor.press(dialog.get_by_role("button", name=re.compile("^Generate")))
        expect(page.locator("#notices")).to_contain_text("2 posts queued")
        expect(bar).to_be_hidden()
        for frame in both:
            expect(frame).to_contain_text(re.compile("Generating|Generated"))
            expect(frame).to_contain_text(re.compile("Generated"), timeout=60_000)


def test_more_are_loaded_below_and_filters_narrow_them_down(visit):
    visitor = visit(**WAYS["keys"])
    page = visitor.go("/sources/?used=all")
    expect(frames(page)).to_have_count(24)
    with visitor.without_reload():
        visitor.press(page.get_by_role("link", name="Load 24 more"))
        expect(frames(page)).to_have_count(48)
    page.get_by_role("combobox", name="Account").select_option("@high.pass")
    page.wait_for_url(re.compile("account=high.pass"))
    assert set(frames(page).locator(".frame-text strong").all_inner_texts()) == {"@high.pass"}


def test_a_reviewer_reads_why_generating_is_not_theirs(visit):
    visitor = visit("tom", **WAYS["keys"])
    page = visitor.go("/sources/")
    free = frames(page).filter(has_text="Generate").first
    button = free.get_by_role("button", name=re.compile("^Generate"))
    expect(button).to_contain_text("$0.")
    with visitor.without_reload():
        visitor.press(button)
        expect(page.locator("#announce")).to_contain_text("Generating takes an editor. Ask an admin.")
    expect(page.locator("dialog[open]")).to_have_count(0)
