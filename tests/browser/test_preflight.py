"""The preflight in focus mode: what a line offers works where it stands."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import out_of_reach
from tests.browser.conftest import DESKTOP, NARROW, PHONE
from tests.browser.test_review_flow import here, tray


def open_with(visitor, words: str):
    """The first post of the queue whose frame says this."""
    page = visitor.go(f"/?q={words}")
    page.locator("#contact .frame .frame-open, .frames .frame-open").first.click()
    expect(here(page)).to_have_count(1)
    return page


def test_a_near_duplicate_leads_to_what_was_published_and_a_cure_decides(visit):
    visitor = visit("ana")
    page = open_with(visitor, "fourteen steps first")
    line = here(page).locator(".checks [data-check=twice]")
    expect(line).to_contain_text("looks like Ines Calder")
    line.get_by_role("link", name="Show it").click()
    expect(page.get_by_role("main")).to_contain_text("Published")

    page = open_with(visitor, "Borrowed this corner")
    line = here(page).locator(".checks [data-check=handle]")
    expect(line).to_contain_text("names the source, @lamp.and.linen")
    with visitor.without_reload():
        line.get_by_role("button", name="Send to compose").click()
        expect(tray(page)).to_contain_text("To compose")
        tray(page).get_by_role("button", name="Undo").click()
        expect(tray(page)).not_to_contain_text("To compose")  # else it is sent after all
        expect(here(page).locator(".checks [data-check=handle]")).to_be_visible()


def test_a_second_approval_for_the_same_account_is_pointed_out(visit):
    visitor = visit("ana")
    page = open_with(visitor, "Everyone has gone to dinner")
    title = here(page).get_attribute("data-title")
    here(page).locator(".decide").get_by_role("button", name="Approve").click()
    expect(tray(page)).to_contain_text("Approved")
    page = open_with(visitor, "I sat with the small pool")
    line = here(page).locator(".checks [data-check=twice]").filter(has_text=f"looks like {title}")
    expect(line).to_contain_text("@ines.calder")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_does_not_come_is_looked_for_from_its_line(visit, size):
    visitor = visit("ana", size=size)
    page = visitor.go("/?tab=attention")
    late = page.locator("li.frame").filter(has_text="No answer").first
    visitor.go(f"/review/{late.get_attribute('id').removeprefix('f-')}/?tab=attention")
    line = here(page).locator(".checks [data-check=items]")
    expect(line).to_contain_text(re.compile(r"\d of \d items are ready"))  # whichever is late by now
    with visitor.without_reload():
        line.get_by_role("button", name="Check now").click()
        expect(page.locator("#announce")).to_contain_text("The service is being asked")


def test_enlarged_and_in_forced_colours_a_cure_stands_at_its_line(visit):
    page = open_with(visit("ana", size=NARROW, forced_colors="active"), "Borrowed this corner")
    line = here(page).locator(".checks [data-check=handle]")
    cure = line.get_by_role("button", name="Send to compose")
    assert out_of_reach(page, line, cure) == []
    cure.click()
    expect(tray(page)).to_contain_text("To compose")
    tray(page).get_by_role("button", name="Undo").click()
    expect(page.locator("#tray")).not_to_contain_text("To compose")  # a phone hides it while it is empty
    expect(line).to_be_visible()
