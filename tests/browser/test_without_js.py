"""Flows 3 and 4 with JavaScript off: forms post, the server answers with pages that look again."""

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Error, expect

from tests.browser.conftest import DESKTOP, PHONE, until

# As fast as elsewhere, but half the hold and half the minute of the rate limit.
SETTINGS = {"LOUPE_SANDBOX_SPEED": "15", "LOUPE_TIME_SCALE": "2"}
PLAIN = {
    "desktop": {"size": DESKTOP, "hand": "mouse", "js": False},
    "phone": {"size": PHONE, "hand": "touch", "js": False},
}


def said(page):
    return page.locator("#notices")


def later(page, true, seconds=120):
    """Look again until it is so; the page's own look, every ten seconds, may come between."""

    def there():
        with suppress(Error):
            page.goto(page.url)
            return true()
        return False

    until(there, seconds, every=0.7)


def later_says(page, locator, words):
    later(page, lambda: locator.count() and re.search(words, locator.first.inner_text()))


def open_post(visitor, row):
    page = visitor.go(f"/?q={row['number']}")
    visitor.press(page.locator(f"#f-{row['id']} .frame-open"))
    page.wait_for_url(re.compile(f"/review/{row['id']}/"))
    return page


def send_now(visitor):
    """What is held goes out; a phone has no button for it and waits."""
    button = visitor.page.locator("#tray").get_by_role("button", name="Send now")
    if button.is_visible():
        visitor.press(button)


def test_a_persona_is_synced_and_the_second_sync_explained(visit):
    visitor = visit(**PLAIN["phone"])
    page = visitor.go("/personas/")
    visitor.press(page.get_by_role("link", name=re.compile("Kilo North")))
    sync = page.get_by_role("button", name=re.compile(r"Sync all (about )?\$0\."))
    visitor.press(sync)
    expect(said(page)).to_contain_text("Kilo North")
    expect(page.get_by_role("heading", name="Kilo North", level=2)).to_be_visible()
    rows = page.locator("#followed tbody tr")
    later_says(page, page.locator("#followed"), r"\d+ new")
    later(page, lambda: rows.locator("[data-clock]").count() == 0)
    visitor.press(sync)
    later_says(page, page.locator("#followed"), r"Skipped: once every 15 minutes\. Next at \d\d:\d\d")


@pytest.mark.parametrize("way", PLAIN)
def test_a_source_post_becomes_a_post_that_is_ready(visit, way):
    visitor = visit(**PLAIN[way])
    page = visitor.go("/sources/")
    visitor.press(page.locator("#contact .frame").filter(has_text="Image").first.locator(".frame-open"))
    page.wait_for_url(re.compile("/sources/.+/"))
    source = page.url
    visitor.press(page.get_by_role("link", name="Generate as Ines Calder, $0.32"))
    expect(page.get_by_role("heading", name="Generate a post as Ines Calder?")).to_be_visible()
    expect(page.locator(".bill dd.total")).to_have_text("$0.32")
    visitor.press(page.get_by_role("button", name="Generate $0.32"))
    expect(said(page)).to_contain_text("1 post queued")
    page.goto(source)
    made = page.locator("#made .frame")
    expect(made).to_contain_text("Ines Calder")
    later(page, lambda: made.get_attribute("data-state") == "ready")


def test_several_are_billed_together_and_a_link_is_cloned(visit):
    visitor = visit(**PLAIN["desktop"])
    page = visitor.go("/sources/?order=oldest")
    free = page.locator("#contact .frame").filter(has_text="Image")
    for at in range(2):
        visitor.press(free.nth(at).get_by_role("checkbox"))
    visitor.press(
        page.get_by_role("region", name="Selected source posts").get_by_role("button", name="Generate")
    )
    expect(page.get_by_role("heading", name=re.compile("Generate 2 posts"))).to_be_visible()
    visitor.press(page.get_by_role("main").get_by_role("button", name=re.compile(r"^Generate \$0\.")))
    expect(said(page)).to_contain_text("2 posts queued")
    link = page.get_by_role("textbox", name="Clone from a link")
    link.fill("https://example.com/p/what")
    visitor.press(page.get_by_role("button", name=re.compile("Fetch and generate")))
    expect(page.get_by_role("alert")).to_contain_text("That is not a link to an Instagram post")
    expect(link).to_have_value("https://example.com/p/what")
    link.fill("instagram.com/p/PlainForm22/")
    visitor.press(page.get_by_role("button", name=re.compile("Fetch and generate")))
    expect(said(page)).to_contain_text(re.compile(r"Post \d+ is queued"))


def test_an_item_is_rejected_and_made_anew_and_both_versions_are_shown(visit, stock):
    visitor, row = visit(**PLAIN["desktop"]), stock.take(kind="carousel")
    page = open_post(visitor, row)
    visitor.press(page.locator(".film [data-item='2']"))
    expect(page.locator(".panes:not([hidden]) [data-item-label]")).to_have_text("2A")
    visitor.press(page.locator(".tools:not([hidden])").get_by_role("button", name="Reject item"))
    expect(page.get_by_role("heading", name="Reject item 2A")).to_be_visible()
    visitor.press(page.get_by_role("radio").nth(1))
    visitor.press(page.get_by_role("button", name="Reject"))
    expect(said(page)).to_contain_text("Item 2A rejected")
    expect(page.locator(".film [data-item='2']")).to_have_class(re.compile("is-out"))
    expect(page.locator(".panes:not([hidden]) [data-item-label]")).to_have_text("2A")
    visitor.press(page.locator(".tools:not([hidden])").get_by_role("button", name=re.compile("Regenerate")))
    expect(said(page)).to_contain_text("Regenerate")
    send_now(visitor)
    visitor.go(f"/review/{row['id']}/?item=2")
    made = page.locator(".panes:not([hidden]) .pane-made")
    later_says(page, made, "2B")
    picture = made.locator(".shot[data-take=B] > img:not(.flash):not(.unmade)")
    later(page, lambda: picture.count() == 1)
    visitor.press(made.locator(".versions").get_by_role("button", name="2A"))
    expect(made.locator(".shot[data-take=A]")).to_be_visible()
    expect(made.locator(".shot[data-take=A]")).to_contain_text("Approve publishes B")


@pytest.mark.parametrize("way", PLAIN)
def test_a_decision_leads_to_the_next_post_and_can_be_taken_back(visit, stock, way):
    visitor, row = visit(**PLAIN[way]), stock.take(kind="image", accounts=lambda count: count)
    page = visitor.go(f"/review/{row['id']}/")
    visitor.press(page.get_by_role("button", name=re.compile("Approve")))
    expect(said(page)).to_contain_text("Approved")
    expect(page.locator(".review-post")).not_to_have_attribute("data-post", row["id"])
    visitor.press(page.locator("#tray").get_by_role("button", name="Undo"))
    expect(said(page)).to_contain_text("Undone")
    expect(page.locator(".review-post")).to_have_attribute("data-post", row["id"])
    expect(page.locator(".review-post")).to_have_attribute("data-state", "ready")
    visitor.press(page.locator(".decide .btn-no"))
    expect(page.get_by_role("heading", name=f"Reject post {row['number']}")).to_be_visible()
    page.get_by_label("In your own words").fill("the horizon tilts")
    visitor.press(page.get_by_role("button", name="Reject"))
    expect(said(page)).to_contain_text("Rejected")
    visitor.go("/?tab=held")
    expect(page.locator(f"#f-{row['id']}")).to_have_attribute("data-state", "held")
    visitor.go(f"/review/{row['id']}/")
    expect(page.locator(".standing")).to_contain_text("the horizon tilts")


PATIENT = """
from reviewqueue.models import User
User.objects.filter(email="tom@sandbox.invalid").update(hold_seconds=None)
"""


@pytest.fixture
def patient(visit, loupe):
    """Tom, whose decisions wait until he sends them."""
    loupe.shell(PATIENT)
    return lambda way: visit("tom", **PLAIN[way])


@pytest.mark.parametrize("way", PLAIN)
def test_nothing_is_shown_that_does_nothing(patient, stock, way):
    visitor, posts = patient(way), {row["kind"]: row["id"] for row in stock.rows}
    reviews = [f"/review/{posts[kind]}/" for kind in ("carousel", "video")]
    library = [f"/library/{posts[kind]}/" for kind in ("carousel", "video")]
    page = visitor.page
    scripted = "button[type=button]:not([aria-disabled=true]), input[type=range], [data-keys-switch]"
    idle = page.locator(scripted).filter(visible=True)
    for address in ("/", "/?tab=attention", "/sources/", "/views/?age=day", "/keys/", *library, *reviews):
        visitor.go(address)
        shown = idle.evaluate_all("all => all.map(one => one.outerHTML.slice(0, 160))")
        assert shown == [], address
    for name in ("Play 1A", "Play the source"):
        link = page.get_by_role("link", name=name)
        expect(link).to_be_visible()
        answer = page.request.get(visitor.loupe.address + link.get_attribute("href"))
        assert answer.headers["content-type"] == "video/mp4"
    expect(page.locator(".pane-source .shot")).to_be_visible()
    visitor.go("/")
    bar = page.get_by_role("region", name="Selected posts")
    visitor.press(page.locator("#contact .frame").first.get_by_role("checkbox"))
    expect(bar).to_be_visible()
    visitor.press(bar.get_by_role("button", name="Clear"))
    expect(bar).to_be_hidden()


@pytest.mark.parametrize("way", PLAIN)
def test_several_are_rejected_with_one_reason_and_taken_back_together(patient, way):
    visitor = patient(way)
    page = visitor.go("/")
    frames = page.locator("#contact .frame[data-state=ready]")
    both = [page.locator(f"#{frames.nth(at).get_attribute('id')}") for at in (-1, -2)]
    for frame in both:
        visitor.press(frame.get_by_role("checkbox"))
    visitor.press(page.get_by_role("region", name="Selected posts").get_by_role("button", name="Reject"))
    expect(page.get_by_role("heading", name="Reject 2 posts")).to_be_visible()
    visitor.press(page.get_by_role("radio").nth(1))
    visitor.press(page.get_by_role("button", name="Reject 2"))
    expect(said(page)).to_contain_text("2 decided")
    visitor.go("/?tab=held")
    for frame in both:
        expect(frame).to_have_attribute("data-state", "held")
    visitor.press(page.locator("#tray").get_by_role("button", name="Undo"))
    expect(said(page)).to_contain_text("Undone")
    visitor.go("/")
    for frame in both:
        expect(frame).to_have_attribute("data-state", "ready")


def test_a_view_is_kept_renamed_and_deleted(patient):
    visitor = patient("phone")
    page = visitor.go("/?type=image")
    visitor.press(page.locator("details.views summary"))
    visitor.press(page.get_by_role("link", name="Saved views"))
    page.get_by_label("Keep these filters as").fill("Pictures")
    visitor.press(page.get_by_role("button", name="Save the view"))
    expect(page.locator("details.views summary")).to_have_text("Pictures")
    visitor.go("/views/")
    mine = page.locator(".saved-views li").filter(has=page.get_by_role("textbox"))
    mine.get_by_role("textbox").fill("Only pictures")
    visitor.press(mine.get_by_role("button", name="Save"))
    expect(page.get_by_role("link", name="Only pictures")).to_be_visible()
    visitor.press(mine.get_by_role("button", name="Delete"))
    expect(mine).to_have_count(0)


def test_a_cure_works_from_its_line(patient):
    visitor = patient("phone")
    page = visitor.go("/?q=Borrowed+this+corner")
    visitor.press(page.locator("#contact .frame .frame-open").first)
    line = page.locator(".checks [data-check=handle]")
    visitor.press(line.get_by_role("button", name="Send to compose"))
    expect(said(page)).to_contain_text("Sent to compose")
    visitor.press(page.locator("#tray").get_by_role("button", name="Undo"))
    expect(line).to_be_visible()


def test_the_twenty_days_are_explained_on_a_page_before_the_click(visit, stock):
    visitor, row = visit(**PLAIN["phone"]), stock.take(kind="image", discount=True)
    page = open_post(visitor, row)
    visitor.press(page.get_by_role("button", name="Make public"))
    expect(page.get_by_role("heading", name="Make item 1A public?")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("cannot be made private again for 20 days")
    visitor.press(page.get_by_role("button", name="Make public"))
    expect(said(page)).to_contain_text("Made public")
    later_says(page, page.locator(".tools"), "Public until")


def test_only_what_failed_is_retried_and_a_whole_post_made_anew(visit, stock):
    visitor = visit(**PLAIN["desktop"])
    page = visitor.go("/?tab=attention")
    visitor.press(page.get_by_role("button", name="Retry 1 $0.32"))
    expect(said(page)).to_contain_text("Retry is queued")
    row = stock.take(kind="image")
    page = open_post(visitor, row)
    visitor.press(page.get_by_role("link", name=re.compile("Regenerate all")))
    expect(page.get_by_role("main")).to_contain_text("Charged now")
    visitor.press(page.get_by_role("button", name=re.compile("Regenerate all")))
    page.wait_for_url(re.compile("/review/|/$"))
    expect(said(page)).to_contain_text("Regeneration is queued")
    visitor.go(f"/review/{row['id']}/")
    later_says(page, page.locator(".pane-made"), "1B")


def test_a_post_is_deleted_after_a_question(visit, loupe, stock):
    visitor, row = visit(**PLAIN["phone"]), stock.take(kind="image")
    page = open_post(visitor, row)
    visitor.press(page.get_by_role("link", name="Delete"))
    expect(page.get_by_role("main")).to_contain_text("It cannot be taken back")
    visitor.press(page.get_by_role("button", name="Delete post"))
    expect(said(page)).to_contain_text("The post is being deleted")
    gone = f"from reviewqueue.models import *; print(GeneratedPost.objects.get(pk='{row['id']}').deleted_at)"
    until(lambda: loupe.shell(gone) != "None", seconds=20)
