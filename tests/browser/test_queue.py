"""Flow 2: the review queue, with the keyboard, with the mouse and with a finger."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WAYS, until

GENERATE = """
import uuid
from reviewqueue.models import *
from reviewqueue.services import generating
ana, oat = Member.objects.get(user__email="ana@sandbox.invalid"), Persona.objects.get(name="Oat & Ember")
source = SourcePost.objects.of_persona(oat).filter(kind="image", made=0).first()
print(generating.generate(source, oat, by=ana, token=uuid.uuid4()).post.pk)
"""


def frames(page):
    return page.locator("#contact .frame")


def tab(page, name):
    return page.get_by_role("navigation", name="Queue").get_by_role("link", name=re.compile(name))


@pytest.fixture(scope="module")
def settled(loupe):
    """What was being made when the program started is ready, so that counts stand still."""
    made = "from reviewqueue.models import *; print(GeneratedPost.objects.filter(desk='ready').count())"
    until(lambda: int(loupe.shell(made)) >= 26, seconds=60)


def shown(picture):
    return picture.evaluate("image => image.complete && image.naturalWidth > 100")


@pytest.mark.parametrize("way", WAYS)
def test_the_queue_shows_what_waits_and_the_tabs_lead_to_the_rest(visit, settled, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/")
    expect(tab(page, "Ready")).to_have_attribute("aria-current", "page")
    expect(frames(page)).to_have_count(24)
    for kind in ("Image", "Carousel 5", "Video 0:05"):
        expect(frames(page).filter(has_text=kind).first).to_be_visible()
    first = frames(page).first
    expect(first.get_by_role("link", name=re.compile(r"Review \d+: Oat & Ember, video"))).to_be_visible()
    expect(first).to_contain_text("Wait for the steam to lean your way")
    until(lambda: shown(first.locator(".frame-open img")) and first.locator(".frame-source").is_visible())
    ready = int(tab(page, "Ready").locator("span").inner_text())
    expect(page.locator("#ready-count")).to_contain_text(str(ready))
    with visitor.without_reload():
        visitor.press(page.get_by_role("link", name="Load 24 more"))
        expect(frames(page)).to_have_count(ready)
        expect(page.locator("#more")).to_have_text(f"{ready - 24} more shown")

    trouble = page.get_by_role("list", name="Posts that are not ready yet").get_by_role("listitem")
    expect(trouble.filter(has_text="1 of 4 failed")).to_contain_text("Retry 1 $0.32")
    visitor.press(tab(page, "Needs attention"))
    expect(tab(page, "Needs attention")).to_have_attribute("aria-current", "page")
    expect(frames(page).filter(has_text="1 of 4 failed")).to_contain_text("Retry 1")
    failed = frames(page).filter(has_text="Could not be generated")
    expect(failed).to_contain_text("The image model returned no picture")
    expect(failed.get_by_role("link", name=re.compile(r"Regenerate \$0\.64"))).to_be_visible()
    visitor.press(tab(page, "Held"))
    expect(page.get_by_role("heading", name="No decision is held")).to_be_visible()


@pytest.mark.parametrize("way", ["keys", "phone-touch"])
def test_filters_and_search_narrow_it_down(visit, settled, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/")
    video = page.get_by_role("radio", name="Video")
    if visitor.hand == "keys":
        page.get_by_role("radio", name="All", exact=True).focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
            page.wait_for_url(re.compile("type="))
            page.locator("[name=type]:checked").focus()
    else:
        visitor.press(page.locator("label").filter(has=video))
    page.wait_for_url(re.compile("type=video"))
    kinds = frames(page).locator(".kind").all_inner_texts()
    assert kinds
    assert all(kind.startswith("Video") for kind in kinds)
    page.get_by_role("combobox", name="Persona").select_option("Kilo North")
    page.wait_for_url(re.compile("persona=[0-9a-f]"))
    assert set(frames(page).locator(".frame-text strong").all_inner_texts()) == {"Kilo North"}

    visitor.go("/")
    search = page.get_by_role("searchbox")
    if visitor.hand == "keys":
        page.keyboard.press("/")
        expect(search).to_be_focused()
    else:
        visitor.press(search)
    page.keyboard.type("steam to lean")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=steam"))
    expect(frames(page)).to_have_count(1)
    expect(frames(page)).to_contain_text("Wait for the steam")
    search.fill("no such words anywhere")
    search.press("Enter")
    expect(page.get_by_role("heading", name="Nothing matches “no such words anywhere”")).to_be_visible()
    visitor.press(page.get_by_role("link", name="Clear filters"))
    expect(frames(page)).to_have_count(24)


@pytest.mark.parametrize("way", WAYS)
def test_the_contact_sheet_becomes_a_list_and_back(visit, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/")
    first, second = frames(page).nth(0), frames(page).nth(1)

    def is_list():
        one, other, window = first.bounding_box(), second.bounding_box(), page.viewport_size["width"]
        return other["y"] >= one["y"] + one["height"] and one["width"] > 0.8 * (window - 100)

    def change(name):
        if visitor.hand == "keys":
            page.keyboard.press("l")
        else:
            visitor.press(page.locator("label").filter(has=page.get_by_role("radio", name=name)))

    assert not is_list()
    with visitor.without_reload():
        change("List")
        until(is_list)
        expect(page.locator("#announce")).to_contain_text("List")
        expect(first.get_by_text("Wait for the steam to lean your way")).to_be_visible()
        width = page.viewport_size["width"]
        assert all(box["x"] + box["width"] <= width for box in map(boxed, first.locator("> *").all()) if box)
        change("Contact sheet")
        until(lambda: not is_list())


def boxed(element):
    return element.bounding_box()


@pytest.mark.parametrize("way", WAYS)
def test_several_are_decided_at_once_and_taken_back_together(visit, settled, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/")
    two = [frames(page).filter(has_text=words) for words in ("Peel by the fire", "Five bowls by the stove")]
    bar = page.get_by_role("region", name="Selected posts")
    expect(bar).to_be_hidden()
    with visitor.without_reload():
        for frame in two:
            visitor.press(frame.get_by_role("checkbox"), key=" ")
        expect(bar).to_contain_text("2 selected")
        visitor.press(bar.get_by_role("button", name="Send to compose"))
        for frame in two:
            expect(frame).to_have_attribute("data-state", "held")
            expect(frame.locator(".wax-ok")).to_have_count(1)
        expect(bar).to_be_hidden()
        tray = page.get_by_role("region", name="Held decisions")
        expect(tray).to_contain_text("To compose")
        visitor.press(tray.get_by_role("button", name="Undo"))
        for frame in two:
            expect(frame).to_have_attribute("data-state", "ready")
            expect(frame.locator(".wax")).to_have_count(0)
    expect(tab(page, "Held")).to_contain_text("0")


def test_a_frame_is_decided_where_it_lies_with_keys(visit, settled):
    visitor = visit()
    page = visitor.go("/")
    page.keyboard.press("j")
    expect(frames(page).nth(0).locator(".frame-open")).to_be_focused()
    at = frames(page).nth(0)
    announced, tray = page.locator("#announce"), page.locator("#tray")
    with visitor.without_reload():
        page.keyboard.press("a")
        expect(at).to_have_attribute("data-state", "held")
        expect(at.locator(".wax-ok")).to_have_count(1)
        expect(tray).to_contain_text("Approved")
        expect(at.locator(".frame-open")).to_be_focused()
        page.keyboard.press("u")
        expect(announced).to_contain_text("Undone")
        expect(at).to_have_attribute("data-state", "ready")
        page.keyboard.press("r")
        expect(page.get_by_role("dialog", name=re.compile(r"Reject \d+"))).to_be_visible()
        page.keyboard.press("1")
        expect(at.locator(".wax-no")).to_have_count(1)
        expect(tray).to_contain_text("Rejected")
        page.keyboard.press("u")
        expect(at).to_have_attribute("data-state", "ready")
        expect(at.locator(".wax")).to_have_count(0)
        page.keyboard.press("j")
        expect(frames(page).nth(1).locator(".frame-open")).to_be_focused()
        page.keyboard.press("a")
        expect(announced).to_contain_text("Kilo North has no publishing account")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/review/"))
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r":\d+/(\?.*)?$"))


def test_a_new_post_arrives_without_a_reload_and_without_a_click(visit, loupe, settled):
    visitor = visit()
    page = visitor.go("/?order=newest")
    first = frames(page).first.get_attribute("id")
    count = int(tab(page, "Ready").locator("span").inner_text())
    with visitor.without_reload():
        made = loupe.shell(GENERATE)
        expect(page.get_by_role("link", name="1 new ready")).to_be_visible(timeout=60_000)
        expect(tab(page, "Ready").locator("span")).to_have_text(str(count + 1))
        expect(page.locator("#ready-count")).to_contain_text(str(count + 1))
        expect(frames(page).first).to_have_attribute("id", first)
    visitor.press(page.get_by_role("link", name="1 new ready"))
    expect(frames(page).first).to_have_attribute("id", f"f-{made}")
    expect(page.locator("#fresh")).to_be_empty()


@pytest.mark.parametrize("way", ["keys", "phone-touch"])
def test_what_failed_is_made_again_from_its_card(visit, settled, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/")
    cards = page.get_by_role("list", name="Posts that are not ready yet").get_by_role("listitem")
    troubles = page.locator("#underway summary")
    if way == "keys":
        with visitor.without_reload():
            visitor.press(cards.get_by_role("button", name="Retry 1 $0.32"))
            expect(cards.filter(has_text="1 of 4 failed")).to_have_count(0)
            expect(page.get_by_role("link", name="1 new ready")).to_be_visible(timeout=60_000)
            expect(troubles).to_contain_text("2 need attention")
        return
    visitor.press(cards.filter(has_text="Failed").get_by_role("link", name="See what to do"))
    page.wait_for_url(re.compile("/library/"))
    expect(page.get_by_role("main")).to_contain_text("The image model returned no picture")
    with visitor.without_reload():
        visitor.press(page.get_by_role("link", name=re.compile(r"Regenerate( all)? \$0\.64")).first)
        dialog = page.locator("#ask")
        expect(dialog).to_contain_text("Charged now")
        visitor.press(dialog.get_by_role("button", name=re.compile("Regenerate all|Retry 2")).first)
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("main")).to_contain_text("1B", timeout=60_000)


AHEAD = "{ const honest = Date.now; window.skew = 300e3; Date.now = () => honest() + window.skew; }"


HOLD = """
from reviewqueue.models import *
User.objects.filter(email="ana@sandbox.invalid").update(hold_seconds={})
"""


def test_time_is_the_servers_whatever_the_browsers_clock_says(visit, settled, stock, loupe):
    row = stock.take(kind="image", accounts=lambda count: count)
    visitor = visit("ana")
    page = visitor.page
    page.add_init_script(AHEAD)
    left, seconds = page.locator("#tray [data-left]"), re.compile(r"^([1-5]\d|60)$")
    loupe.shell(HOLD.format(60))
    visitor.go(f"/?q={row['number']}")
    page.locator(f"#f-{row['id']} .btn-ok").click()
    expect(left).to_have_text(seconds)
    page.route("**/live/**", lambda route: route.fulfill(status=204))  # which tells no time
    visitor.go("/?tab=held")
    expect(left).to_have_text(seconds)
    expect(page.locator("#contact [data-left]").first).to_have_text(seconds)
    page.keyboard.press("u")
    expect(page.locator("#tray .hold")).to_have_count(0)
    loupe.shell(HOLD.format(10))

    page.unroute("**/live/**")
    visitor.go("/")
    checked = page.locator("#underway [data-ago]")
    expect(checked).to_have_text(re.compile(r"^\d+ s ago$"))
    page.evaluate("() => { window.skew = 900e3; }")  # set while the page is open
    expect(checked).to_have_text("10 min ago")
    page.evaluate("() => document.dispatchEvent(new CustomEvent('loupe:look'))")
    expect(checked).to_have_text(re.compile(r"^\d+ s ago$"))
