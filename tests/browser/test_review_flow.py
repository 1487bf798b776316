"""Flow 4 with the mouse, with a finger and with keys on a phone; test_focus.py has it with keys at a desk."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WAYS


def here(page):
    return page.locator(".review-post:not([hidden])")


def tray(page):
    return page.get_by_role("region", name="Held decisions")


def tool(page, name):
    return here(page).locator(".tools:not([hidden])").get_by_role("button", name=re.compile(name))


def enter(visitor, row):
    """From the contact sheet into focus mode."""
    page = visitor.go(f"/?q={row['number']}")
    visitor.press(page.locator(f"#f-{row['id']} .frame-open"))
    page.wait_for_url(re.compile("/review/"))
    expect(here(page)).to_have_attribute("data-post", row["id"])
    return page


@pytest.mark.parametrize("way", ["mouse", "phone-touch"])
def test_an_item_is_rejected_taken_back_rejected_and_made_anew(visit, stock, way):
    visitor, row = visit(**WAYS[way]), stock.take(kind="carousel")
    page = enter(visitor, row)
    film = here(page).locator(".film [data-item='2']")
    with visitor.without_reload():
        visitor.press(film)
        expect(film).to_have_attribute("aria-current", "true")
        for turn in range(2):
            visitor.press(tool(page, "Reject item"))
            dialog = page.get_by_role("dialog", name="Reject item 2A")
            expect(dialog).to_be_visible()
            visitor.press(dialog.get_by_role("button", name="Hands, faces or text look off"))
            expect(dialog).to_be_hidden()
            expect(tray(page)).to_contain_text("Item rejected")
            expect(film).to_have_class(re.compile("is-out"))
            if turn == 0:
                visitor.press(tray(page).get_by_role("button", name="Undo"))
                expect(film).not_to_have_class(re.compile("is-out"))
                expect(tray(page).locator(".hold")).to_have_count(0)
        expect(tool(page, "Regenerate")).to_contain_text("$0.")
        visitor.press(tool(page, "Regenerate"))
        expect(tray(page)).to_contain_text("Regenerate for $0.")
        if way == "mouse":
            visitor.press(tray(page).get_by_role("button", name="Send now"))
        expect(film).to_contain_text("2B", timeout=60_000)
        made = here(page).locator(".panes:not([hidden]) .pane-made")
        newest = made.locator(".shot[data-take=B] > img:not(.flash):not(.unmade)")
        expect(newest).to_be_visible(timeout=60_000)
        visitor.press(made.locator(".versions").get_by_role("button", name="2A"))
        expect(made.locator(".shot[data-take=A]")).to_contain_text("Approve publishes B")
        visitor.press(made.locator(".versions").get_by_role("button", name="2B"))
        expect(newest).to_be_visible()
        expect(here(page).locator("[data-history]")).to_contain_text("Hands, faces or text look off")


@pytest.mark.parametrize("way", ["mouse", "phone-touch", "phone-keys"])
def test_each_decision_is_marked_leads_on_and_is_taken_back(visit, stock, way):
    visitor, row = visit(**WAYS[way]), stock.take(kind="image", accounts=lambda count: count)
    page = visitor.go(f"/review/{row['id']}/")
    post = page.locator(f"#p-{row['id']}")
    expect(post.locator(".checks")).to_contain_text("Publishes to @")
    expect(post.get_by_text("Spent on this post")).to_be_visible()
    with visitor.without_reload():
        for name, words in (("Approve", "Approved"), ("compose", "To compose"), ("Reject", "Rejected")):
            button = post.locator(".decide").get_by_role("button", name=re.compile(name, re.IGNORECASE))
            visitor.press(button)
            if name == "Reject":
                dialog = page.get_by_role("dialog", name="Reject the post")
                dialog.get_by_label("In your own words").fill("the horizon tilts")
                visitor.press(dialog.get_by_role("button", name=re.compile("^Reject")))
            expect(here(page)).not_to_have_attribute("data-post", row["id"])
            expect(tray(page)).to_contain_text(words)
            visitor.press(tray(page).get_by_role("button", name="Undo"))
            expect(here(page)).to_have_attribute("data-post", row["id"])
            expect(tray(page).locator(".hold")).to_have_count(0)
            expect(post.locator(".shot .wax")).to_have_count(0)
            expect(button).not_to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize("way", ["phone-touch", "phone-keys"])
def test_on_a_phone_the_source_is_one_press_away_and_the_bars_stay_in_sight(visit, stock, way):
    visitor, row = visit(**WAYS[way]), stock.take(kind="image", discount=True)
    page = enter(visitor, row)
    post, height = here(page), page.viewport_size["height"]
    with visitor.without_reload():
        expect(post.locator(".pane-source")).to_be_hidden()
        visitor.press(tool(page, "Source"))
        expect(post.locator(".pane-source")).to_be_visible()
        expect(post.locator(".pane-made")).to_be_hidden()
        visitor.press(tool(page, "Source"))
        expect(post.locator(".pane-made")).to_be_visible()
        visitor.press(tool(page, "Make public"))
        dialog = page.get_by_role("dialog", name="Make item 1A public?")
        expect(dialog).to_contain_text("cannot be made private again for 20 days")
        visitor.press(dialog.get_by_role("link", name="Cancel"))
        expect(dialog).to_be_hidden()
        expect(tool(page, "Make public")).to_be_visible()
        post.locator("[data-history]").scroll_into_view_if_needed()
        for bar in (page.locator(".review-bar"), post.locator(".decide")):
            box = bar.bounding_box()
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= height
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_only_the_failed_item_is_retried_from_its_place_in_the_post(visit):
    visitor = visit(**WAYS["mouse"])
    page = visitor.go("/?tab=attention")
    visitor.press(page.locator("#contact .frame").filter(has_text="1 of 4 failed").locator(".frame-open"))
    page.wait_for_url(re.compile("/review/"))
    post = here(page)
    failed = post.locator(".film a").filter(has_text="failed")
    kept = post.locator(".film a").filter(has_not_text="failed").all_inner_texts()
    expect(post.locator(".decide")).to_contain_text("Cannot be approved")
    with visitor.without_reload():
        visitor.press(failed)
        plate = post.locator(".panes:not([hidden]) .pane-made .plate")
        expect(plate).to_contain_text("could not be generated")
        visitor.press(plate.get_by_role("button", name="Retry 1 $0.32"))
        expect(post.locator(".film")).not_to_contain_text("failed", timeout=60_000)
        expect(post.locator(".film")).to_contain_text("B", timeout=60_000)
        expect(post.locator(".film")).not_to_contain_text("being made", timeout=60_000)
        assert {label.split()[0] for label in kept} <= set(post.locator(".film").inner_text().split())
        expect(post.get_by_role("button", name=re.compile("Approve"))).not_to_have_attribute(
            "aria-disabled", "true", timeout=60_000
        )


def test_an_item_is_deleted_from_the_posts_own_page(visit, stock):
    visitor, row = visit(**WAYS["keys"]), stock.take(kind="carousel", items=lambda count: count > 2)
    page = enter(visitor, row)
    visitor.press(here(page).get_by_role("link", name="All details"))
    page.wait_for_url(re.compile("/library/"))
    items = page.locator("#items").get_by_role("link", name=re.compile("^Delete item"))
    count = items.count()
    assert count == row["items"]
    with visitor.without_reload():
        visitor.press(items.last)
        dialog = page.locator("#ask")
        expect(dialog).to_contain_text("It cannot be taken back")
        expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
        visitor.press(dialog.get_by_role("button", name="Delete item"))
        expect(dialog).to_be_hidden()
        expect(items).to_have_count(count - 1, timeout=60_000)


def test_with_a_finger_approve_goes_out_and_is_published_while_one_watches(visit, stock):
    visitor, row = visit(**WAYS["phone-touch"]), stock.take(kind="image", accounts=lambda count: count > 1)
    page = enter(visitor, row)
    visitor.press(here(page).get_by_role("button", name=re.compile("Approve")))
    expect(tray(page)).to_contain_text("Approved")
    page.goto(f"{visitor.loupe.address}/library/{row['id']}/")
    with visitor.without_reload():
        expect(page.locator("#deliveries tbody tr")).to_have_count(row["accounts"], timeout=60_000)
        expect(page.locator("#deliveries .is-ok")).to_have_count(row["accounts"], timeout=60_000)
        expect(page.locator(".timeline")).to_contain_text("was published on", timeout=60_000)
