"""Flow 4: focus mode, with the keyboard, with the mouse, on a phone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import Eyes
from tests.browser.conftest import DESKTOP, PHONE, escape, until

SIZES = {"desktop": DESKTOP, "phone": PHONE}


def here(page):
    return page.locator(".review-post:not([hidden])")


def tray(page):
    return page.locator("#tray")


def open_post(visitor, row):
    """Into focus mode as a person gets there: from the contact sheet."""
    page = visitor.go(f"/?q={row['number']}")
    page.locator(f"#f-{row['id']} .frame-open").click()
    page.wait_for_url(re.compile("/review/"))
    expect(here(page)).to_have_attribute("data-post", row["id"])
    return page


def outcome(loupe, row, what="desk"):
    post = f"GeneratedPost.objects.get(pk='{row['id']}')"
    return loupe.shell(f"from reviewqueue.models import *; print({post}.{what})")


def queue_of(visitor, row):
    """Focus mode within the whole queue, so that there is a next post."""
    page = visitor.go(f"/review/{row['id']}/")
    expect(here(page)).to_have_attribute("data-post", row["id"])
    return page


@pytest.mark.parametrize("size", SIZES)
def test_approve_marks_goes_on_and_can_be_undone_with_keys(visit, stock, size):
    visitor, row = visit(size=SIZES[size]), stock.take(kind="image", accounts=1)
    page = queue_of(visitor, row)
    with visitor.without_reload():
        page.keyboard.press("a")
        expect(here(page)).not_to_have_attribute("data-post", row["id"])
        expect(tray(page)).to_contain_text("Approved")
        expect(page.locator(f'.review-queue [data-goto="{row["id"]}"] .wax-ok')).to_have_count(1)
        expect(page.locator("#announce")).to_contain_text("Press U within 10 seconds")
        page.keyboard.press("u")
        expect(here(page)).to_have_attribute("data-post", row["id"])
        expect(tray(page)).not_to_contain_text("Approved")
        expect(page.locator(f'.review-queue [data-goto="{row["id"]}"] .wax-ok')).to_have_count(0)


def test_reject_asks_for_a_reason_and_one_key_decides(visit, loupe, stock):
    visitor, row = visit(), stock.take(kind="image")
    page = queue_of(visitor, row)
    with visitor.without_reload():
        page.keyboard.press("r")
        dialog = page.get_by_role("dialog", name="Reject the post")
        expect(dialog).to_be_visible()
        page.keyboard.press("2")
        expect(dialog).to_be_hidden()
        expect(tray(page)).to_contain_text("Rejected")
        page.keyboard.press("Shift+Enter")
        expect(tray(page)).not_to_contain_text("Rejected")
    until(lambda: outcome(loupe, row) == "rejected")
    visitor.go("/?tab=decided")
    expect(page.locator(f"#f-{row['id']}")).to_contain_text("Hands, faces or text look off")


def test_with_the_mouse_deliveries_go_to_published_while_the_page_is_open(visit, stock):
    visitor, row = visit(), stock.take(kind="image", accounts=lambda count: count)
    page = queue_of(visitor, row)
    with visitor.without_reload():
        here(page).get_by_role("button", name=re.compile("Approve")).click()
        expect(tray(page)).to_contain_text("Approved")
        tray(page).get_by_role("button", name="Send now").click()
        page.locator(f'.review-queue [data-goto="{row["id"]}"]').click()
        expect(here(page)).to_have_attribute("data-post", row["id"])
        expect(here(page).locator(".timeline")).to_contain_text("was published on", timeout=60_000)
        expect(here(page).locator(".standing")).to_contain_text("Approved by Ana Ruiz")


def test_one_item_is_rejected_regenerated_and_version_b_stands_beside_a(visit, stock):
    visitor, row = visit(), stock.take(kind="carousel")
    page = open_post(visitor, row)
    post = here(page)
    with visitor.without_reload():
        page.keyboard.press("ArrowRight")
        expect(page.locator("#announce")).to_contain_text(f"Item 2 of {row['items']}")
        page.keyboard.press("x")
        expect(page.get_by_role("dialog", name="Reject item 2A")).to_be_visible()
        page.keyboard.press("3")
        expect(tray(page)).to_contain_text("Item rejected")
        expect(post.locator(".film [data-item='2']")).to_have_class(re.compile("is-out"))
        page.keyboard.press("g")
        expect(tray(page)).to_contain_text("Regenerate for $0.")
        page.keyboard.press("Shift+Enter")
        expect(post.locator(".film [data-item='2']")).to_contain_text("2B", timeout=60_000)
        made = post.locator(".panes:not([hidden]) .pane-made")
        expect(made.locator(".versions")).to_contain_text("2A")
        newest = made.locator(".shot[data-take=B] > img:not(.flash):not(.unmade)")
        expect(newest).to_be_visible(timeout=60_000)
        until(lambda: newest.evaluate("image => image.complete && image.naturalWidth > 100"))
        page.keyboard.press("[")
        expect(made.locator(".shot[data-take=A]")).to_be_visible()
        expect(made.locator(".shot[data-take=A]")).to_contain_text("Approve publishes B")
        page.keyboard.press("]")
        expect(made.locator(".shot[data-take=B]")).to_be_visible()


def test_a_video_plays_seeks_and_has_sound(visit, stock):
    page = open_post(visit(), stock.take(kind="video", voice=False))
    video = here(page).locator(".panes:not([hidden]) video[data-main]")
    expect(video).to_be_visible()
    until(lambda: video.evaluate("v => v.readyState >= 1"))
    facts = video.evaluate("v => ({duration: v.duration, end: v.seekable.end(0), muted: v.muted})")
    assert facts["duration"] > 3
    assert facts["end"] == pytest.approx(facts["duration"], abs=0.2)
    assert facts["muted"]
    page.keyboard.press(" ")
    until(lambda: video.evaluate("v => v.currentTime > 0.3"))
    page.keyboard.press(" ")
    assert video.evaluate("v => v.paused")
    seek = here(page).locator(".panes:not([hidden]) [data-seek]")
    seek.evaluate("bar => { bar.value = 800; bar.dispatchEvent(new Event('input', {bubbles: true})); }")
    until(lambda: video.evaluate("v => !v.seeking && v.currentTime > v.duration * 0.7"))
    page.keyboard.press("m")
    assert not video.evaluate("v => v.muted")


GENERATE = """
import uuid
from reviewqueue.models import *
from reviewqueue.services import generating
ana, ines = Member.objects.get(user__email="ana@sandbox.invalid"), Persona.objects.get(name="Ines Calder")
source = SourcePost.objects.of_persona(ines).filter(kind="video").first()
post = generating.generate(source, ines, by=ana, token=uuid.uuid4()).post
print(post.pk, post.number)
"""


def test_a_voice_is_converted_and_can_be_heard_beside_the_first(visit, loupe):
    pk, number = loupe.shell(GENERATE).split()
    row = {"id": pk, "number": number}
    until(lambda: outcome(loupe, row) == "ready", seconds=40)
    visitor = visit()
    page = open_post(visitor, row)
    with visitor.without_reload():
        page.keyboard.press("v")
        expect(tray(page)).to_contain_text("Convert voice, about $0.0")
        page.keyboard.press("Shift+Enter")
        expect(here(page).locator(".pane-made header")).to_contain_text("Voice converted", timeout=25_000)
        hear = here(page).get_by_role("button", name="Hear the converted voice")
        video = here(page).locator("video[data-main]")
        first = video.get_attribute("src")
        hear.click()
        expect(video).not_to_have_attribute("src", first)
        until(lambda: video.evaluate("v => v.readyState >= 1"))


def test_a_reviewer_hears_why_a_tool_is_not_theirs_by_key_and_by_press(visit, stock):
    visitor, row = visit("tom"), stock.take(kind="image")
    page, why = open_post(visitor, row), "Regenerating takes an editor. Ask an admin."
    tool = here(page).get_by_role("button", name=re.compile("^Regenerate .*[$]"))
    expect(tool).to_have_css("border-style", "dashed")
    for press in (lambda: page.keyboard.press("g"), lambda: tool.click(force=True)):
        page.locator("#announce").evaluate("place => { place.textContent = ''; }")
        press()
        expect(page.locator("#announce")).to_contain_text(why)
    expect(tray(page)).not_to_contain_text("Regenerate")
    stock.rows.append(row)  # nothing was done to it


def test_public_and_the_twenty_days_of_a_discounted_item(visit, stock):
    visitor, row = visit(), stock.take(kind="image", discount=True)
    eyes = Eyes(visitor)
    page = open_post(visitor, row)
    with visitor.without_reload():
        page.keyboard.press("p")
        dialog = page.locator("#ask")
        expect(dialog).to_contain_text("20 days")
        expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
        dialog.get_by_role("button", name="Make public").click()
        expect(tray(page)).to_contain_text("Made public")
        page.keyboard.press("Shift+Enter")
        expect(here(page).locator(".tools:not([hidden])")).to_contain_text("Public until", timeout=10_000)
        eyes.look("locked public")
    assert eyes.found == []


def test_public_and_private_again(visit, stock):
    visitor, row = visit(), stock.take(kind="image", discount=False)
    page = open_post(visitor, row)
    tools = here(page).locator(".tools:not([hidden])")
    with visitor.without_reload():
        for word, next_word in (("Made public", "Make private"), ("Made private", "Make public")):
            page.keyboard.press("p")
            expect(tray(page)).to_contain_text(word)
            page.keyboard.press("Shift+Enter")
            expect(tools).to_contain_text(next_word, timeout=10_000)


def test_a_whole_post_is_made_anew_after_its_bill(visit, stock):
    visitor, row = visit(), stock.take(kind="carousel")
    page = open_post(visitor, row)
    with visitor.without_reload():
        here(page).get_by_role("link", name=re.compile("Regenerate all")).click()
        dialog = page.locator("#ask")
        expect(dialog).to_contain_text("Charged now")
        expect(dialog).to_contain_text("Balance after")
        dialog.get_by_role("button", name=re.compile("Regenerate all")).click()
        expect(here(page).locator(".film")).to_contain_text("1B", timeout=60_000)
        expect(here(page).locator(".film")).not_to_contain_text("being made", timeout=60_000)
        expect(here(page).locator(".caption")).to_contain_text("#")


def test_a_post_is_deleted_after_a_question_that_starts_on_cancel(visit, loupe, stock):
    visitor, row = visit(), stock.take(kind="image")
    page = open_post(visitor, row)
    here(page).get_by_role("link", name="Delete").click()
    dialog = page.locator("#ask")
    expect(dialog).to_contain_text("cannot be taken back")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Delete post").click()
    until(lambda: outcome(loupe, row, "deleted_at is not None") == "True")


def test_looking_flash_single_view_caption_and_history(visit, stock):
    visitor, row = visit(), stock.take(kind="image")
    page = open_post(visitor, row)
    post = here(page)
    shot = post.locator(".panes:not([hidden]) .pane-made .shot:not([hidden])")
    with visitor.without_reload():
        page.keyboard.down("s")
        expect(shot).to_have_class(re.compile("show-source"))
        page.keyboard.up("s")
        expect(shot).not_to_have_class(re.compile("show-source"))
        page.keyboard.press("w")
        expect(post.locator(".panes:not([hidden]) .pane-source")).to_be_hidden()
        page.keyboard.press("w")
        page.keyboard.press("d")
        expect(post.locator(".caption")).to_have_class(re.compile("is-clean"))
        page.keyboard.press("h")
        expect(post.locator("[data-history]")).not_to_have_attribute("open", re.compile(".*"))
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r":\d+/(\?.*)?$"))


def test_keys_do_nothing_in_fields_with_modifiers_or_switched_off(visit, stock):
    visitor, row = visit(), stock.take(kind="image", accounts=lambda count: count)
    page = queue_of(visitor, row)
    page.keyboard.press("Control+a")
    page.keyboard.press("r")
    words = page.get_by_label("In your own words")
    words.press_sequentially("a1u")
    expect(words).to_have_value("a1u")
    escape(page)
    expect(here(page)).to_have_attribute("data-post", row["id"])
    switch = page.get_by_role("dialog", name="Keyboard shortcuts").get_by_role("switch")
    page.keyboard.press("?")
    switch.click()
    escape(page)
    page.keyboard.press("a")
    page.keyboard.press("j")
    expect(here(page)).to_have_attribute("data-post", row["id"])
    expect(tray(page)).not_to_contain_text("Approved")
    page.keyboard.press("?")
    switch.click()
    escape(page)
    page.keyboard.press("j")
    expect(here(page)).not_to_have_attribute("data-post", row["id"])


def test_what_is_slow_to_come_neither_loses_a_key_nor_loads_the_page_anew(visit):
    visitor, held = visit(), {}

    def hold(route):
        if "hx-request" in route.request.headers:
            held[re.search("/review/(.+?)/", route.request.url)[1]] = route
        else:
            route.continue_()

    page, posts = visitor.go("/"), re.compile("/review/[^/]+/$")
    page.route(posts, hold)
    visitor.go(page.locator("[data-start]").get_attribute("href"))
    strip = page.locator(".review-queue [data-goto]")
    second, third = (strip.nth(at).get_attribute("data-goto") for at in (1, 2))
    with visitor.without_reload():
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts").get_by_role("switch")).to_be_visible()
        escape(page)
        page.keyboard.press("j")
        page.keyboard.press("j")
        until(lambda: here(page).count() and {second, third} <= set(held))
        assert {second, third} == set(held)
        for route in list(held.values()):
            route.continue_()
        page.unroute(posts)
        expect(here(page)).to_have_attribute("data-post", third)
        expect(here(page)).to_have_count(1)


def test_a_conflict_shows_in_its_place(visit, stock):
    ana, tom, row = visit("ana"), visit("tom"), stock.take(kind="image")
    page, other = queue_of(ana, row), queue_of(tom, row)
    here(page).evaluate("post => post.querySelector('[data-poll]').remove()")  # it has not heard of it yet
    other.keyboard.press("c")
    expect(tray(other)).to_contain_text("To compose")
    with ana.without_reload():
        page.keyboard.press("r")
        page.keyboard.press("1")
        expect(here(page).locator(".veil")).to_contain_text("Tom Okafor sent this to compose")
        expect(here(page).locator(".veil")).to_contain_text("Your reject was not sent")
        expect(here(page)).to_have_attribute("data-post", row["id"])
        expect(here(page).locator(".wax")).to_have_count(0)


def test_what_comes_while_the_tray_is_pressed_shows_once_it_is_let_go(visit, stock):
    visitor, row = visit(), stock.take(kind="image", accounts=bool)
    page = open_post(visitor, row)
    page.keyboard.press("a")
    expect(tray(page)).to_contain_text("Approved")
    tray(page).locator("strong").hover()
    page.mouse.down()
    with page.expect_response(re.compile("/holds/.+/undo/")) as answer:
        page.keyboard.press("u")
    answer.value.finished()
    expect(page.locator("#announce")).to_contain_text("Undone")
    expect(tray(page).locator(".hold")).to_have_count(1)  # the press would be nobody's
    page.mouse.up()
    expect(tray(page).locator(".hold")).to_have_count(0)


def test_a_stage_from_before_the_decision_has_its_mark_all_the_same(visit, stock):
    visitor, row = visit(), stock.take(kind="image", accounts=bool)
    page = open_post(visitor, row)
    page.keyboard.press("a")
    expect(here(page)).to_have_attribute("data-state", "held")
    mark = here(page).locator(".pane-made .wax-ok")
    expect(mark).to_have_count(1)
    mark.evaluate("""mark => { // as a poll does that was on its way
        mark.remove();
        document.dispatchEvent(new CustomEvent("loupe:settled"));
    }""")
    expect(mark).to_have_count(1)
    page.keyboard.press("u")
    expect(mark).to_have_count(0)


def test_a_decision_that_was_taken_back_elsewhere_marks_nothing_any_more(visit, stock):
    visitor, row = visit(), stock.take(kind="image", accounts=bool)
    page = open_post(visitor, row)
    page.keyboard.press("a")
    expect(here(page)).to_have_attribute("data-state", "held")
    other = visitor.context.new_page()
    other.goto(f"{visitor.loupe.address}/review/{row['id']}/")
    with other.expect_response(re.compile("/holds/.+/undo/")):
        other.keyboard.press("u")
    expect(here(page)).to_have_attribute("data-state", "ready")
    tool = here(page).locator(".tools button:not([data-decide]):visible").first
    tool.evaluate("""tool => { // while it asks, a new stage comes
        document.querySelectorAll(".pane-made .wax").forEach(mark => mark.remove());
        tool.dataset.busy = "1";
        document.dispatchEvent(new CustomEvent("loupe:settled"));
        delete tool.dataset.busy;
    }""")
    expect(here(page).locator(".pane-made .wax")).to_have_count(0)


# How far the words beside the number stand from it, and where all the rest of the bar stands; who else is
# here is left out, for on a phone that takes room from all.
BAR = """() => {
    document.querySelector("#presence").style.display = "none";
    const number = document.querySelector("[data-position]");
    const box = (node) => {
        const range = new Range();
        range.selectNodeContents(node);
        return range.getBoundingClientRect();
    };
    const [before, after] = [number.previousElementSibling, number.nextElementSibling].map(box);
    const own = box(number.firstChild), rest = [...document.querySelectorAll(".review-bar :is(a, button)")];
    return {
        number: own.width, left: own.left - before.right, right: after.left - own.right,
        lines: [before, own, after].map((one) => Math.round(one.bottom)),
        rest: rest.map((one) => Math.round(one.getBoundingClientRect().x)).join(),
    };
}"""
# What of the place a new layout moved, whether or not a key was the cause.
MOVED = """() => new Promise((done) => {
    const found = [];
    new PerformanceObserver((list) => list.getEntries().forEach((one) => one.sources.forEach((source) => {
        if (source.node?.parentElement?.closest(".review-bar h1")) found.push(source.node.textContent);
    }))).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(found), 300);
})"""
SETTLED = "() => document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(done)))"


@pytest.mark.parametrize("size", SIZES)
def test_the_place_in_the_queue_counts_on_without_a_gap_and_without_moving_the_rest(visit, size):
    visitor = visit(size=SIZES[size])
    page = visitor.go("/review/start/?order=newest")
    number = page.locator("[data-position]")
    expect(number).to_have_text("1")
    total = int(number.get_attribute("data-of"))
    assert 12 <= total <= 99
    page.evaluate(SETTLED)
    first = page.evaluate(BAR)
    assert abs(first["left"] - first["right"]) < 1.5
    assert len(set(first["lines"])) == 1
    for place in range(2, 12):
        page.keyboard.press("j")
        expect(number).to_have_text(str(place))
    last = page.evaluate(BAR)
    assert last["number"] > 1.5 * first["number"]
    for side in ("left", "right"):
        assert abs(last[side] - first[side]) < 1.5
    assert last["rest"] == first["rest"]
    assert page.evaluate(MOVED) == []
