"""Notes in Chromium: pins with each hand, a moment of the video, a mention, a note that comes meanwhile."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import Eyes, box_of, has_edge, out_of_reach
from tests.browser.conftest import NARROW, PHONE, until

WRITE = """
import uuid
from reviewqueue.models import GeneratedPost, Member
from reviewqueue.services import notes
post = GeneratedPost.objects.get(pk="{post}")
by = Member.objects.get(workspace=post.workspace, user__name="{by}")
notes.write(post, "{text}", by=by, token=uuid.uuid4())
"""
PINNED = """
from reviewqueue.models import Note
for note in Note.objects.filter(post="{post}").order_by("at"):
    print(note.item.label, *(round(part, 2) if part is not None else "-" for part in
          (note.x, note.y, note.width, note.height, note.at_seconds)))
"""

AT_MOMENTS = """
import uuid
from reviewqueue.models import GeneratedPost, Member
from reviewqueue.services import notes
post = GeneratedPost.objects.get(pk="{post}")
by = Member.objects.get(workspace=post.workspace, user__name="Tom Okafor")
item = post.items.current().get()
for seconds in {moments}:
    at = notes.Pin(at_seconds=seconds)
    notes.write(post, f"at {{seconds}}", by=by, token=uuid.uuid4(), item_id=item.pk, pin=at)
"""


def here(page):
    return page.locator(".review-post:not([hidden])")


def thread(page):
    return here(page).locator(".notes")


def picture(page):
    return box_of(here(page).locator(".panes:not([hidden]) .pane-made .shot:not([hidden])"))


def spot(box, across, down):
    return box["x"] + box["width"] * across, box["y"] + box["height"] * down


def add(page, text):
    thread(page).get_by_label("Add a note").fill(text)
    thread(page).get_by_role("button", name="Add note").click()
    expect(thread(page).locator(".note").filter(has_text=text)).to_have_count(1)
    expect(thread(page).get_by_label("Add a note")).to_have_value("")


def pinned(loupe, row):
    return loupe.shell(PINNED.format(post=row["id"])).splitlines()


def test_pins_are_set_by_clicks_by_dragging_and_by_keys_and_shown_only_when_wanted(visit, loupe, stock):
    visitor, row = visit(), stock.take(kind="carousel")
    page = visitor.go(f"/review/{row['id']}/?item=2")
    notes, place = thread(page), thread(page).get_by_role("button", name="Pin to the picture")
    with visitor.without_reload():
        place.click()
        expect(page.get_by_role("button", name="Done")).to_be_visible()
        box = picture(page)
        page.mouse.click(*spot(box, 0.2, 0.3))
        page.mouse.click(*spot(box, 0.6, 0.5))
        expect(place).to_have_attribute("aria-pressed", "false")
        add(page, "two clicks")
        place.click()
        box = picture(page)  # which grows a little if the font came only now
        page.mouse.move(*spot(box, 0.9, 0.9))
        page.mouse.down()
        page.mouse.move(*spot(box, 0.6, 0.8), steps=3)
        page.mouse.up()
        add(page, "dragged back")
        place.press("Enter")
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
            page.keyboard.press(key)
        expect(notes.get_by_label("Add a note")).to_be_focused()
        page.keyboard.type("ax by keys")  # and no key decides
        page.keyboard.press("Control+Enter")
        expect(notes.locator(".note")).to_have_count(3)
        two, dragged, keyed = pinned(loupe, row)
        assert (two, dragged, keyed) == (
            "2A 0.2 0.3 0.4 0.2 -",
            "2A 0.6 0.8 0.3 0.1 -",
            "2A 0.52 0.49 - - -",
        )
        expect(here(page)).to_have_attribute("data-post", row["id"])
        expect(page.locator(".pin")).to_have_count(0)
        notes.get_by_role("button", name="Show 3 pins").click()
        expect(page.locator(".pin")).to_have_count(3)
        expect(page.get_by_role("button", name="Done")).to_be_hidden()
        notes.get_by_role("button", name="Hide pins").click()
        expect(page.locator(".pin")).to_have_count(0)
        here(page).locator(".film [data-item='1']").click()
        notes.locator(".note a[data-pin]").last.click()
        expect(here(page).locator(".film [data-item='2']")).to_have_attribute("aria-current", "true")
        marker = page.get_by_role("button", name="Note 3 by Ana Ruiz")
        expect(marker).to_have_attribute("aria-current", "true")
        at, box = box_of(marker), picture(page)
        assert abs(at["x"] + at["width"] / 2 - spot(box, 0.52, 0)[0]) < 2
        marker.press("Enter")
        expect(notes.locator(".note").last).to_be_focused()


def test_a_pin_stays_at_its_place_when_the_picture_is_enlarged_and_moved(visit, loupe, stock):
    visitor, row = visit(), stock.take(kind="image")
    page = visitor.go(f"/review/{row['id']}/")
    notes, place = thread(page), thread(page).get_by_role("button", name="Pin to the picture")
    looks = ("in", "fit", "left", "right", "down")
    look = {name: here(page).locator(f"[data-look={name}]") for name in looks}
    shot = here(page).locator(".pane-made .shot:not([hidden])")
    drawn, marker = shot.locator("> img:not(.flash)"), page.get_by_role("button", name="Note 1 by Ana Ruiz")

    def lies_at(pin, across, down):
        """Where the picture shows that place now."""

        def near():
            at, (x, y) = box_of(pin), spot(box_of(drawn), across, down)
            return abs(at["x"] + at["width"] / 2 - x) < 3 and abs(at["y"] + at["height"] / 2 - y) < 3

        until(near)

    with visitor.without_reload():
        place.click()
        page.mouse.click(*spot(picture(page), 0.3, 0.4))
        add(page, "the hinge")
        notes.get_by_role("button", name="Show 1 pin").click()
        lies_at(marker, 0.3, 0.4)
        look["in"].click()
        lies_at(marker, 0.3, 0.4)
        look["right"].click()
        look["down"].click()
        lies_at(marker, 0.3, 0.4)

        for _ in range(4):
            look["in"].click()
        for _ in range(20):
            look["right"].click()
        expect(marker).to_be_hidden()  # it lies beyond the pane
        notes.locator(".note a[data-pin]").click()
        expect(marker).to_be_visible()
        lies_at(marker, 0.3, 0.4)
        box, at = box_of(shot), box_of(marker)
        assert box["x"] < at["x"] + 12 < box["x"] + box["width"]
        assert box["y"] < at["y"] + 12 < box["y"] + box["height"]

        for _ in range(30):
            look["left"].click()
        place.click()
        hint, pane, whole = box_of(page.locator(".pin-hint")), box_of(shot), box_of(drawn)
        assert pane["x"] < hint["x"] < hint["x"] + hint["width"] < pane["x"] + pane["width"]
        assert pane["y"] < hint["y"] < hint["y"] + hint["height"] < pane["y"] + pane["height"]
        across, down = spot(pane, 0.5, 0.5)
        page.mouse.click(across, down)  # what is seen is what is pinned
        add(page, "the seam")
        _, *at = pinned(loupe, row)[1].split()[:3]
        wanted = (across - whole["x"]) / whole["width"], (down - whole["y"]) / whole["height"]
        assert [float(part) for part in at] == pytest.approx(wanted, abs=0.02)

        place.press("Enter")  # by keys it begins in the middle of the picture, and goes where it is not seen
        draft = page.get_by_role("button", name=re.compile("^New pin"))
        expect(draft).to_be_focused()
        expect(draft).to_be_in_viewport(ratio=1)
        for _ in range(30):
            page.keyboard.press("ArrowUp")
        expect(draft).to_be_focused()
        box, at = box_of(shot), box_of(draft)
        assert box["y"] - 1 <= at["y"] + 12 <= box["y"] + box["height"] + 1
        page.keyboard.press("Delete")
        look["fit"].click()
        lies_at(marker, 0.3, 0.4)


def test_axe_finds_nothing_with_pins_members_and_a_slip(visit, loupe, stock):
    visitor, row = visit(), stock.take(kind="image")
    eyes = Eyes(visitor)
    loupe.shell(WRITE.format(post=row["id"], by="Tom Okafor", text="@Ana Ruiz look"))
    page = visitor.go("/")
    page.get_by_text("1 note for you").click()
    expect(page.get_by_role("link", name=re.compile("^Tom Okafor on"))).to_be_visible()
    eyes.look("the notes for one")
    page = visitor.go(f"/review/{row['id']}/")
    thread(page).get_by_role("button", name="Pin to the picture").press("Enter")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    add(page, "a box")
    thread(page).get_by_role("button", name="Show 1 pin").click()
    thread(page).get_by_role("button", name="Pin to the picture").press("Enter")
    thread(page).get_by_label("Add a note").fill("")
    thread(page).get_by_role("button", name="Add note").click()
    expect(thread(page).get_by_text("Write something first.")).to_be_visible()
    thread(page).get_by_role("button", name="Mention").click()
    expect(thread(page).get_by_role("button", name="Vera Stone")).to_be_visible()
    eyes.look("pins, members and a slip")
    assert eyes.found == []


def test_a_pin_that_is_pressed_while_an_answer_comes_is_pressed(visit, stock):
    visitor, row = visit(), stock.take(kind="image")
    page = visitor.go(f"/review/{row['id']}/")
    thread(page).get_by_role("button", name="Pin to the picture").click()
    page.mouse.click(*spot(picture(page), 0.3, 0.4))
    add(page, "the hinge")
    thread(page).get_by_role("button", name="Show 1 pin").click()
    page.mouse.move(*spot(box_of(page.get_by_role("button", name="Note 1 by Ana Ruiz")), 0.5, 0.5))
    page.mouse.down()
    page.evaluate("() => document.dispatchEvent(new CustomEvent('loupe:settled'))")
    page.mouse.up()
    expect(thread(page).locator(".note")).to_be_focused()


def test_enlarged_and_in_forced_colours_a_note_is_written_and_its_pin_seen(visit, stock):
    row = stock.take(kind="image")
    page = visit(size=NARROW, forced_colors="active").go(f"/review/{row['id']}/")
    thread(page).get_by_role("button", name="Pin to the picture").press("Enter")
    draft = page.get_by_role("button", name=re.compile("^New pin"))
    expect(draft).to_be_focused()
    hint = page.locator(".pin-hint")
    until(lambda: has_edge(draft) and has_edge(hint))
    assert out_of_reach(page, draft, hint, hint.get_by_role("button")) == []
    page.keyboard.press("Enter")
    add(page, "the hinge")
    thread(page).locator(".note a[data-pin]").click()
    marker = page.get_by_role("button", name="Note 1 by Ana Ruiz")
    expect(marker).to_have_attribute("aria-current", "true")
    until(lambda: has_edge(marker))  # it may be drawn anew in this moment
    expect(marker).to_have_css("outline-style", "solid")
    assert out_of_reach(page, marker, thread(page), thread(page).get_by_role("button")) == []


def test_a_moment_of_the_video_is_pinned_and_found_again(visit, loupe, stock):
    visitor, row = visit(), stock.take(kind="video")
    page = visitor.go(f"/review/{row['id']}/")
    seek, video = here(page).locator("[data-seek]"), here(page).locator("video[data-main]")
    until(lambda: video.evaluate("video => video.readyState > 0"))
    seek.fill("600")
    thread(page).get_by_role("button", name="Pin to 0:03").click()
    add(page, "the cut")
    assert pinned(loupe, row) == ["1A - - - - 3.0"]
    seek.fill("0")
    thread(page).get_by_role("link", name="Show 0:03 in 1A").click()
    until(lambda: abs(video.evaluate("video => video.currentTime") - 3) < 0.1)
    expect(page.locator("#announce")).to_contain_text("Shown on 1A at 0:03")


def test_moments_are_marked_on_the_bar_and_found_from_there(visit, loupe, stock):
    visitor, row = visit(), stock.take(kind="video")
    eyes = Eyes(visitor)
    page = visitor.go(f"/review/{row['id']}/")
    seek, video = here(page).locator("[data-seek]"), here(page).locator("video[data-main]")
    until(lambda: video.evaluate("video => video.readyState > 0"))
    marks = here(page).locator(".moment")
    expect(here(page).locator(".moments")).to_be_hidden()
    with visitor.without_reload():
        for place, words in ((800, "the last cut"), (200, "the first")):
            seek.fill(str(place))
            thread(page).get_by_role("button", name=re.compile(r"Pin to 0:0\d")).click()
            add(page, words)
        expect(marks).to_have_text(["2", "1"])  # along the bar, by the numbers of the thread
        late = page.get_by_role("button", name="Note 1 by Ana Ruiz at 0:04")
        bar, at = box_of(seek), box_of(late)
        assert abs(at["x"] + at["width"] / 2 - (bar["x"] + 8 + (bar["width"] - 16) * 0.8)) < 2
        assert at["y"] + at["height"] <= bar["y"] + 1  # the bar itself stays free
        assert min(at["width"], at["height"]) >= 24
        seek.fill("0")
        late.focus()
        page.keyboard.press("Enter")
        until(lambda: abs(video.evaluate("video => video.currentTime") - 4) < 0.1)
        expect(thread(page).locator(".note").filter(has_text="the last cut")).to_be_focused()
        expect(late).to_have_attribute("aria-current", "true")
        page.get_by_role("button", name="Note 2 by Ana Ruiz at 0:01").click()
        until(lambda: abs(video.evaluate("video => video.currentTime") - 1) < 0.1)
        expect(thread(page).locator(".note.is-shown")).to_contain_text("the first")
        late.focus()
        loupe.shell(WRITE.format(post=row["id"], by="Tom Okafor", text="I see it"))
        expect(thread(page)).to_contain_text("I see it")
        expect(late).to_be_focused()  # a poll leaves the marks where they are
        expect(thread(page).locator(".note.is-shown")).to_contain_text("the first")
        thread(page).locator(".note").filter(has_text="the first").get_by_role(
            "button", name="Take back"
        ).click()
        expect(marks).to_have_text(["1"])
        loupe.shell(AT_MOMENTS.format(post=row["id"], moments=[1.0, 1.1, 1.2]))
        expect(marks).to_have_text(["2+", "1"])  # they would lie on each other
        many = page.get_by_role("button", name="Notes 2, 3 and 4 at 0:01")
        for seconds in (1.0, 1.1, 1.2, 1.0):  # one after the other, and round
            many.press("Enter")
            note = thread(page).locator(".note").filter(has_text=f"at {seconds}")
            expect(note).to_be_focused()
            expect(note).to_have_class(re.compile("is-shown"))
            expect(many).to_have_attribute("aria-current", "true")
            until(lambda at=seconds: abs(video.evaluate("video => video.currentTime") - at) < 0.05)
        page.set_viewport_size({"width": 320, "height": 640})
        until(lambda: box_of(seek)["width"] < bar["width"])
        early, late = map(box_of, marks.all())
        assert early["x"] + early["width"] <= late["x"]
        assert min(early["width"], early["height"]) >= 24
    eyes.look("marks on the bar")
    assert eyes.found == []


def test_a_note_of_somebody_else_comes_and_what_one_types_stays(visit, loupe, stock):
    visitor, row = visit(size=PHONE), stock.take(kind="image")
    page = visitor.go(f"/review/{row['id']}/")
    field = thread(page).get_by_label("Add a note")
    with visitor.without_reload():
        field.click()
        page.keyboard.type("Whose hand, @to")
        thread(page).get_by_role("button", name="Tom Okafor").click()
        expect(field).to_have_value("Whose hand, @Tom Okafor ")
        loupe.shell(WRITE.format(post=row["id"], by="Mira Lind", text="@Ana Ruiz I see it too"))
        expect(thread(page)).to_contain_text("I see it too")
        expect(field).to_have_value("Whose hand, @Tom Okafor ")
        expect(field).to_be_focused()
        page.keyboard.type("here?")
        expect(field).to_have_value("Whose hand, @Tom Okafor here?")
        thread(page).get_by_role("button", name="Add note").click()
        expect(thread(page).locator(".note")).to_have_count(2)
        expect(field).to_have_value("")
        thread(page).get_by_role("button", name="Take back").click()
        expect(thread(page).locator(".note")).to_have_count(1)
        expect(field).to_have_value("Whose hand, @Tom Okafor here?")
        thread(page).get_by_role("button", name="Add note").click()
        expect(thread(page).locator(".note")).to_have_count(2)
    tom = visit("tom", size=PHONE).go("/")
    tom.get_by_text(re.compile(r"\d notes? for you")).click()
    tom.get_by_role("link", name=re.compile(f"Ana Ruiz on .* {row['number']},")).first.click()
    tom.wait_for_url(re.compile(f"/review/{row['id']}/"))
    expect(thread(tom)).to_contain_text("Whose hand")
    tom.goto(f"{loupe.address}/")
    expect(tom.get_by_text("for you")).to_have_count(0)


def test_without_a_script_a_point_is_pinned_by_numbers_and_a_slip_loses_nothing(visit, loupe, stock):
    visitor, row = visit(js=False), stock.take(kind="carousel")
    page = visitor.go(f"/review/{row['id']}/")
    thread(page).get_by_label("Add a note").fill("the horizon")
    thread(page).get_by_text("Place a pin by numbers").click()
    thread(page).get_by_label("Across, %").fill("25")
    thread(page).get_by_role("button", name="Add note").click()
    expect(page.get_by_text("Give both, or neither.")).to_be_visible()
    expect(page.get_by_label("Add a note")).to_have_value("the horizon")
    page.get_by_label("Down, %").fill("50")
    page.get_by_label("About").select_option("1A")
    page.get_by_role("button", name="Add note").click()
    page.wait_for_url(re.compile(f"/review/{row['id']}/"))
    expect(thread(page)).to_contain_text("the horizon")
    assert pinned(loupe, row) == ["1A 0.25 0.5 - - -"]
