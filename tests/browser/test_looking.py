"""Looking closely: zoom, versions, frames, full screen, blur and grey; narrow, and in forced colours."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, until

# Three versions of the first item, each with a picture of its own; the last is the current one.
VERSIONS = """
import uuid
from reviewqueue.models import *
from reviewqueue.services import desk
post = GeneratedPost.objects.get(pk='{id}')
item = post.items.current().order_by('position').first()
pictures = MediaFile.objects.filter(state='stored', kind='image', workspace=post.workspace)
for take, file in zip((1, 2), pictures.exclude(pk=item.file_id)):
    old = MediaItem.objects.get(pk=item.pk)
    old.pk, old.upstream_id = uuid.uuid4(), str(uuid.uuid4())
    old.take, old.file, old.is_current = take, file, False
    old.save(force_insert=True)
MediaItem.objects.filter(pk=item.pk).update(take=3)
desk.refresh(post.pk, touched=True)
"""
TRANSFORMS = """pictures => pictures.filter(one => one.checkVisibility()).map(one => {
    const { scale, translate, clipPath } = getComputedStyle(one);
    const pane = one.closest('.shot').getBoundingClientRect(), own = one.getBoundingClientRect();
    return [scale, translate, clipPath, Math.round(own.x - pane.x), Math.round(own.y - pane.y)].join(' ');
})"""
BOXES = """() => {
    const parts = document.querySelectorAll('article:not([hidden]) :is(.stage, .shot, .looking)');
    const box = (one) => Object.values(one.getBoundingClientRect().toJSON()).map(Math.round).join();
    return [...parts].filter((one) => one.checkVisibility()).map(box);
}"""
MOVING = """() => {
    window.moving = new Set();
    addEventListener("pagereveal", event => event.viewTransition && moving.add("page"));
    const look = () => {
        for (const one of document.getAnimations())
            if (one.effect.getComputedTiming().endTime > 1) moving.add(one.animationName ?? "another");
        requestAnimationFrame(look);
    };
    look();
}"""
SETTLED = """() => document.fonts.ready.then(
    () => new Promise(done => setTimeout(() => done(performance.now()), 500)))"""
SHIFTS = """since => new Promise(done => {  // of what stood there already
    const sum = list => list.reduce((all, one) => all + (one.startTime > since ? one.value : 0), 0);
    new PerformanceObserver(list => done(sum(list.getEntries())))
        .observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => done(0), 300);
})"""


def here(page):
    return page.locator(".review-post:not([hidden])")


def panes(page):
    return here(page).locator(".panes:not([hidden])")


def tool(page, name):
    return here(page).locator(f"[data-look={name}]")


def opened(visitor, row):
    page = visitor.go(f"/review/{row['id']}/")
    expect(here(page)).to_have_attribute("data-post", row["id"])
    expect(here(page).locator("[data-zoom-at]")).to_contain_text("%")  # the script is there
    return page


def transforms(page) -> list[str]:
    return panes(page).locator(".shot > :is(img, video):not(.flash)").evaluate_all(TRANSFORMS)


@pytest.fixture(scope="module")
def versions(loupe, stock):
    row = stock.take(kind="image")
    loupe.shell(VERSIONS.format(**row))
    return row


def test_both_panes_are_enlarged_and_moved_as_one(visit, stock):
    row = stock.take(kind="carousel")
    page = opened(visit(), row)
    settled, boxes = page.evaluate(SETTLED), page.evaluate(BOXES)

    def look():
        source, made = transforms(page)
        assert source == made
        assert page.evaluate(BOXES) == boxes  # nothing else has moved
        return made

    plain = look()
    expect(tool(page, "fit")).to_have_attribute("aria-pressed", "true")
    expect(tool(page, "left")).to_have_attribute("aria-disabled", "true")
    tool(page, "actual").click()
    expect(tool(page, "actual")).to_have_attribute("aria-pressed", "true")
    expect(here(page).locator("[data-zoom-at]")).to_have_text("100 %")
    enlarged = look()
    assert enlarged != plain
    tool(page, "right").click()
    moved = look()
    assert moved != enlarged

    made = panes(page).locator(".pane-made .shot:not([hidden])")
    made.focus()
    page.keyboard.press("ArrowLeft")
    assert look() == enlarged
    page.keyboard.press("ArrowDown")
    lower = look()
    assert lower != enlarged
    expect(here(page).locator("[data-item='1']")).to_have_attribute(
        "aria-current", "true"
    )  # not the items’ arrows

    box = panes(page).locator(".pane-source .shot").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 30)
    page.mouse.up()
    dragged = look()
    assert dragged != lower
    page.keyboard.down("Control")
    page.mouse.wheel(0, -40)
    page.keyboard.up("Control")
    until(lambda: look() != dragged)
    here(page).locator("[data-item='2']").click()
    assert look() not in (plain, dragged)  # kept from item to item
    page.keyboard.press("j")
    expect(here(page)).not_to_have_attribute("data-post", row["id"])
    expect(tool(page, "fit")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("k")
    expect(here(page)).to_have_attribute("data-post", row["id"])
    expect(tool(page, "fit")).to_have_attribute("aria-pressed", "true")
    assert look() == plain
    assert page.evaluate(SHIFTS, settled) == 0


def test_two_versions_stand_side_by_side_and_under_a_wipe(visit, versions):
    page = opened(visit(), versions)
    shots, source = panes(page).locator(".pane-made .shot:visible"), panes(page).locator(".pane-source")
    place = shots.bounding_box()
    tool(page, "side").click()
    expect(shots).to_have_count(2)
    expect(source).to_be_hidden()
    assert [one.get_attribute("data-take") for one in shots.all()] == ["B", "C"]
    older, newer = (one.bounding_box() for one in shots.all())
    assert older["x"] + older["width"] <= newer["x"]
    assert abs(newer["x"] - place["x"]) <= 4
    assert older["width"] == pytest.approx(newer["width"])
    expect(shots.first).to_contain_text("Version B. Approve publishes C")
    expect(shots.last.locator(".take-note")).to_have_text("Version C")

    pair = here(page).get_by_label("Versions to compare")
    assert pair.locator("option").all_inner_texts() == ["A | B", "A | C", "B | C"]
    pair.select_option("A | C")
    assert [one.get_attribute("data-take") for one in shots.all()] == ["A", "C"]

    tool(page, "wipe").click()
    expect(source).to_be_visible()
    assert len({tuple(one.bounding_box().values()) for one in shots.all()}) == 1  # one above the other
    edge = here(page).get_by_role("slider", name="Edge of the wipe")
    edge.fill("30")
    cut = shots.first.evaluate("shot => getComputedStyle(shot).clipPath")
    assert "70%" in cut, cut
    edge.press("ArrowRight")
    assert "69%" in shots.first.evaluate("shot => getComputedStyle(shot).clipPath")
    tool(page, "in").click()
    assert len(set(transforms(page))) == 1  # enlarged under the wipe, and the source with it

    page.keyboard.press("[")
    expect(shots).to_have_count(1)
    expect(shots).to_have_attribute("data-take", "B")
    expect(tool(page, "wipe")).to_have_attribute("aria-pressed", "false")


def test_a_video_goes_on_by_one_frame_in_both_panes(visit, stock):
    page = opened(visit(), stock.take(kind="video"))
    videos = panes(page).locator("video:visible")
    expect(videos).to_have_count(2)
    until(lambda: videos.evaluate_all("all => all.every(one => one.readyState >= 1)"))
    times = "all => all.map(one => [one.paused, Math.round(one.currentTime * 30)])"
    page.keyboard.press(" ")
    until(lambda: videos.last.evaluate("one => one.currentTime > 0.3"))
    tool(page, "after").click()
    (paused, at), other = videos.evaluate_all(times)
    assert paused
    assert other == [paused, at]
    tool(page, "after").click()
    tool(page, "after").click()
    assert videos.evaluate_all(times) == [[True, at + 2]] * 2
    tool(page, "before").click()
    assert videos.evaluate_all(times) == [[True, at + 1]] * 2


def is_blurred(picture) -> bool:
    return "blur" in picture.evaluate("one => getComputedStyle(one).filter")


def test_blur_and_grey_stay_on_every_page_until_they_are_switched_off(visit, stock):
    visitor, row = visit("tom"), stock.take(kind="carousel")
    page = opened(visitor, row)
    picture = panes(page).locator(".pane-made .shot:not([hidden]) > :is(img:not(.flash), video)")
    boxes = page.evaluate(BOXES)
    with visitor.without_reload():
        for name in ("Blur", "Grey"):
            button = here(page).get_by_role("button", name=name, exact=True)
            with page.expect_response(re.compile("/settings/looking/")):
                button.click()
            expect(button).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(BOXES) == boxes
    assert is_blurred(picture)
    page.reload()
    assert is_blurred(picture)
    assert "grayscale" in picture.evaluate("one => getComputedStyle(one).filter")
    panes(page).locator(".pane-made .shot:not([hidden])").hover()
    assert not is_blurred(picture)
    page.mouse.move(2, 2)
    assert is_blurred(picture)
    tool(page, "bare").click()
    assert not is_blurred(picture)
    assert is_blurred(here(page).locator(".film img").last)
    page.keyboard.press("j")
    expect(here(page)).not_to_have_attribute("data-post", row["id"])
    assert is_blurred(picture)  # of the next post

    visitor.go("/")
    frames = page.locator(".contact .frame")
    assert is_blurred(frames.nth(1).locator(".frame-open > img").first)
    frames.nth(1).locator(".frame-open").focus()
    assert not is_blurred(frames.nth(1).locator(".frame-open > img").first)
    assert is_blurred(frames.nth(2).locator(".frame-open > img").first)

    visitor.go("/settings/")
    for name in ("Blur pictures", "in grey"):
        page.get_by_role("switch", name=re.compile(name)).uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("html")).to_have_attribute("data-blur", "off")
    visitor.go("/")
    assert (
        frames.nth(2).locator(".frame-open > img").first.evaluate("one => getComputedStyle(one).filter")
        == "none"
    )


@pytest.mark.parametrize(("wish", "moves"), [("no-preference", True), ("reduce", False)])
def test_nothing_moves_for_whoever_wishes_so(visit, stock, wish, moves):
    visitor, row = visit(reduced_motion=wish), stock.take(kind="image", accounts=1)
    visitor.context.add_init_script(f"({MOVING})()")
    page = visitor.go(f"/?q={row['number']}")
    page.locator(f"#f-{row['id']} .frame-open").click()
    page.wait_for_url(re.compile("/review/"))
    expect(here(page).locator("[data-zoom-at]")).to_contain_text("%")
    page.locator(".review").evaluate("one => one.insertAdjacentHTML('beforeend', '<span class=spin></span>')")
    page.keyboard.press("a")
    expect(page.locator("#tray")).to_contain_text("Approved")
    mark = page.locator(f'.review-queue [data-goto="{row["id"]}"] .wax-ok path').first
    expect(mark).to_have_css("stroke-dashoffset", "0px")
    seen = page.evaluate("() => [...moving]")
    page.keyboard.press("u")
    expect(here(page)).to_have_attribute("data-post", row["id"])
    assert {"spin", "page", "draw"} <= set(seen) if moves else not seen


def test_full_screen_holds_the_next_post_and_the_decision_too(visit, stock):
    row = stock.take(kind="image")
    page = opened(visit(), row)
    tool(page, "full").click()
    until(lambda: page.evaluate("() => !!document.fullscreenElement"))
    leave = here(page).get_by_role("button", name="Leave full screen")
    expect(leave).to_be_visible()
    expect(here(page).locator(".side")).to_be_hidden()
    expect(here(page).get_by_role("button", name=re.compile("^Reject R"))).to_be_visible()
    page.keyboard.press("j")
    expect(here(page)).not_to_have_attribute("data-post", row["id"])
    expect(panes(page).locator(".pane-made .shot:not([hidden])")).to_be_visible()
    page.keyboard.press("Escape")
    until(lambda: page.evaluate("() => !document.fullscreenElement"))
    expect(here(page).get_by_role("button", name="Full screen")).to_be_visible()
    assert "/review/" in page.url


def test_narrow_and_in_forced_colours_the_tools_are_there_and_say_what_is_on(visit, versions):
    visitor = visit(forced_colors="active")
    visitor.page.set_viewport_size(dict(zip(("width", "height"), NARROW, strict=True)))
    page = opened(visitor, versions)
    for name in ("actual", "side", "wipe"):
        button = tool(page, name)
        button.scroll_into_view_if_needed()
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        style = button.evaluate(
            "one => [getComputedStyle(one).outlineStyle, getComputedStyle(one).outlineWidth]"
        )
        assert style == ["solid", "2px"], name
        wide = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], name
        assert button.bounding_box()["height"] >= 24
    shots = panes(page).locator(".pane-made .shot:visible")
    for box in (one.bounding_box() for one in shots.all()):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= NARROW[0]


def test_without_a_script_there_are_versions_and_switches_and_nothing_that_does_nothing(visit, versions):
    visitor = visit("vera", js=False)
    page = visitor.go(f"/review/{versions['id']}/")
    expect(tool(page, "in")).to_be_hidden()
    expect(tool(page, "full")).to_be_hidden()
    expect(here(page).locator(".looking noscript span")).to_be_visible()
    page.locator(".versions").get_by_role("button", name="1A").click()
    expect(panes(page).locator(".shot[data-take=A]")).to_be_visible()
    here(page).get_by_role("button", name="Blur", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-blur", "on")
    here(page).get_by_role("button", name="Blur", exact=True).click()
    expect(page.locator("html")).not_to_have_attribute("data-blur", "on")
