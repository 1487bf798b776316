"""Many posts at once, the refusals in their rows, the bill, and the saved views."""

import re

from playwright.sync_api import expect

from tests.browser.axe import has_edge, out_of_reach
from tests.browser.conftest import NARROW, PHONE, escape, until

REJECTED = """
import uuid
from reviewqueue.models import *
from reviewqueue.services import reviewing
post = GeneratedPost.objects.get(pk="{post}")
tom = Member.objects.get(user__email="tom@sandbox.invalid")
reviewing.reject(post, by=tom, fingerprint=post.fingerprint, token=uuid.uuid4())
"""
HELD = """
from reviewqueue.models import Hold
print(*Hold.objects.filter(state='{state}').values_list('what', flat=True))
"""


def frames(page):
    return page.locator("#contact .frame")


def bar(page):
    return page.get_by_role("region", name="Selected posts")


def whose(page, *words):
    """Rows of an account, so that approving is possible."""
    return frames(page).filter(has=page.locator("button.btn-ok:not([aria-disabled])"))


def test_several_are_rejected_with_one_reason_and_taken_back_together_by_keys(visit, loupe):
    visitor = visit(hand="keys")
    page = visitor.go("/")
    until(lambda: frames(page).count() >= 8)
    page.keyboard.press("j")
    page.keyboard.press("Space")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Space")
    expect(bar(page)).to_contain_text("2 selected")
    picked = [frames(page).nth(place).get_attribute("id") for place in (0, 2)]
    with visitor.without_reload():
        visitor.press(bar(page).get_by_role("button", name="Reject"))
        dialog = page.get_by_role("dialog", name="Reject 2 selected")
        expect(dialog).to_be_visible()
        page.keyboard.press("1")
        expect(dialog).to_be_hidden()
        expect(page.locator("#tray")).to_contain_text("Rejected 2")
        for one in picked:
            expect(page.locator(f"#{one}")).to_have_attribute("data-state", "held")
            expect(page.locator(f"#{one}").get_by_role("button", name="Undo all 2")).to_be_visible()
        expect(bar(page)).to_be_hidden()
        page.keyboard.press("u")
        for one in picked:
            expect(page.locator(f"#{one}")).to_have_attribute("data-state", "ready")
    assert "Rejected 2" in loupe.shell(HELD.format(state="undone"))


def test_a_refused_row_says_why_and_stays_selected(visit, loupe):
    page = visit().go("/")
    rows = whose(page)
    until(lambda: rows.count() >= 3)
    fine, lost = (rows.nth(place).get_attribute("id") for place in (1, 2))
    loupe.shell(REJECTED.format(post=lost.removeprefix("f-")))
    for one in (fine, lost):
        page.locator(f"#{one} .frame-pick input").check()
    bar(page).get_by_role("button", name="Approve & publish").click()
    expect(page.locator(f"#{lost} .refusal")).to_contain_text("Your approve was not sent")
    expect(page.locator(f"#{fine}")).to_have_attribute("data-state", "held")
    expect(page.locator(f"#{fine} .refusal")).to_have_count(0)
    expect(bar(page)).to_contain_text("1 selected")
    expect(page.locator(f"#{lost} .frame-pick input")).to_be_checked()
    page.locator("#notices").get_by_role("button", name="Close").click()
    expect(page.locator("#notices")).to_be_attached()
    page.locator(f"#{lost} .frame-pick input").uncheck()
    expect(page.locator(f"#{lost} .refusal")).to_have_count(0)
    page.locator("#tray").get_by_role("button", name=re.compile("Undo")).click()


def test_the_row_of_one_that_was_refused_says_so_in_its_place(visit, loupe):
    page = visit().go("/")
    rows = whose(page)
    until(lambda: rows.count() >= 4)
    lost = rows.nth(3).get_attribute("id")
    loupe.shell(REJECTED.format(post=lost.removeprefix("f-")))
    page.locator(f"#{lost} .frame-open").focus()
    page.keyboard.press("a")
    expect(page.locator(f"#{lost} [data-refusal]")).to_contain_text("rejected this")
    expect(page.locator("#notices .notice")).to_have_count(0)


def test_all_on_the_page_are_picked_and_retried_after_the_bill(visit):
    visitor = visit()
    page = visitor.go("/?tab=attention")
    until(lambda: frames(page).filter(has_text="failed").count())
    with visitor.without_reload():
        page.get_by_role("button", name="Select all").click()
        count = frames(page).count()
        expect(bar(page)).to_contain_text(f"{count} selected")
        expect(page.get_by_role("button", name="Select none")).to_have_attribute("aria-pressed", "true")
        bar(page).get_by_role("button", name=re.compile("Retry or regenerate")).click()
        dialog = page.locator("#ask")
        expect(dialog).to_contain_text("Charged now")
        expect(dialog).to_contain_text("Balance after")
        dialog.get_by_role("button", name=re.compile("^Retry")).click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#announce")).to_contain_text("queued")
        expect(frames(page).filter(has_text="1 of 4 failed")).to_have_count(0)


def test_the_bar_lies_in_reach_on_a_phone_and_clear_of_the_tray(visit):
    page = visit(size=PHONE, hand="touch").go("/")
    whose(page).first.locator(".frame-pick").tap()
    box, tabs = bar(page).bounding_box(), page.get_by_role("navigation", name="Main").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert box["y"] + box["height"] <= tabs["y"]
    assert box["height"] <= 130
    bar(page).get_by_role("button", name="Send to compose").tap()
    expect(page.locator("#tray")).to_contain_text("1")
    whose(page).first.locator(".frame-pick").tap()
    tray, box = page.locator("#tray").bounding_box(), bar(page).bounding_box()
    assert box["y"] + box["height"] <= tray["y"]
    page.locator("#tray").get_by_role("button", name=re.compile("Undo")).tap()


def test_filters_are_kept_under_a_name_with_and_without_a_script(visit):
    page = visit().go("/?type=image")
    menu = page.locator("details.views")
    menu.locator("summary").click()
    menu.get_by_role("textbox", name="Keep these filters as").fill("Pictures")
    menu.get_by_role("button", name="Save the view").click()
    expect(menu.locator("summary")).to_have_text("Pictures")
    page = visit(js=False).go("/?age=hour")
    page.locator("details.views summary").click()
    page.get_by_role("link", name="Saved views").click()
    page.get_by_role("link", name="Pictures").click()
    page.wait_for_url(re.compile(r"/\?type=image$"))
    expect(page.locator("details.views summary")).to_have_text("Pictures")


def test_enlarged_and_in_forced_colours_the_bar_and_the_views_are_in_reach(visit):
    page = visit(size=NARROW, forced_colors="active").go("/")
    for place in range(2):
        whose(page).nth(place).locator(".frame-pick input").check()
    expect(bar(page)).to_contain_text("2 selected")
    assert has_edge(bar(page))
    assert out_of_reach(page, bar(page), bar(page).get_by_role("button")) == []
    bar(page).get_by_role("button", name="Reject").click()
    dialog = page.get_by_role("dialog", name="Reject 2 selected")
    expect(dialog).to_be_visible()
    assert has_edge(dialog)
    assert out_of_reach(page, dialog, dialog.get_by_role("button")) == []
    escape(page)
    bar(page).get_by_role("button", name="Clear").click()
    expect(bar(page)).to_be_hidden()
    views = page.locator("details.views")
    views.locator("summary").click()
    expect(views.get_by_role("textbox", name="Keep these filters as")).to_be_visible()
    menu = views.locator(".menu")
    assert has_edge(menu)
    assert out_of_reach(page, menu, menu.locator("input[type=text], input:not([type]), button")) == []
    page.goto(f"{page.url}views/?age=day")
    expect(page.get_by_role("button", name="Save the view")).to_be_visible()
    assert out_of_reach(page, page.get_by_role("main").get_by_role("button")) == []
