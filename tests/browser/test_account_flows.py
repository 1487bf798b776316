"""Flows 1, 5 and 6: coming in, one's own settings, who did what at what price, and money."""

import re
import sqlite3

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WAYS, until


def at_the_service(loupe, change):
    """Change the account in the sandbox behind the program's back."""
    with sqlite3.connect(loupe.folder / "sandbox" / "sandbox.sqlite3", timeout=20) as sandbox:
        sandbox.execute(f"UPDATE account SET {change}")


def menu(visitor):
    """The account menu, opened."""
    visitor.press(visitor.page.locator(".topbar .drop > summary[aria-label*='account of']"))
    return visitor.page.locator(".topbar .drop[open] .menu")


def radio(visitor, scope, words):
    """Choose one of a segment, with the arrows where there is only a keyboard."""
    box = scope.get_by_role("radio", name=words, exact=True)
    if visitor.hand != "keys":
        visitor.press(scope.locator("label", has=visitor.page.get_by_role("radio", name=words, exact=True)))
    else:
        group = box.locator("xpath=ancestor::fieldset").get_by_role("radio")
        group.and_(visitor.page.locator(":checked")).focus()
        for _ in range(group.count()):
            if not box.is_checked():
                visitor.page.keyboard.press("ArrowRight")
    expect(box).to_be_checked()


@pytest.mark.parametrize("way", ["keys", "phone-touch"])
def test_a_link_signs_in_once_and_each_role_can_be_seen(visit, loupe, way):
    visitor = visit(signed_in=False, **WAYS[way])
    page, link = visitor.page, loupe.link()
    page.goto(f"{loupe.address}/activity/")
    expect(page).to_have_url(f"{loupe.address}/sign-in/?next=/activity/")
    page.goto(link)
    visitor.press(page.get_by_role("button", name="Open the review queue"))
    page.wait_for_url(f"{loupe.address}/")
    expect(page.locator("#contact .frame").first).to_be_visible()
    expect(menu(visitor)).to_contain_text("Admin in Sandbox")
    visitor.press(page.get_by_role("button", name="Sign in as Vera Stone"))
    expect(page.locator(".topbar summary[aria-label*='Vera Stone']")).to_be_attached()
    expect(page.locator("html")).to_have_attribute("data-role", "viewer")
    expect(page.locator("#contact .btn-ok:visible")).to_have_count(0)
    visitor.press(menu(visitor).get_by_role("button", name="Sign in as Tom Okafor"))
    expect(page.locator("html")).to_have_attribute("data-role", "reviewer")
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Billing")).to_have_count(0)
    visitor.go("/billing/")
    expect(page.get_by_role("heading", name="Not for your role")).to_be_visible()
    expect(page.locator("main")).to_contain_text("It takes admin")
    visitor.press(page.get_by_role("link", name="Back"))
    visitor.press(menu(visitor).get_by_role("button", name="Sign out"))
    page.wait_for_url(re.compile("/sign-in/"))
    visitor.go("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(link)
    expect(page.get_by_role("heading", name="This link is spent")).to_be_visible()


def keys_of(form):
    return form.get_by_role("switch", name=re.compile("Single-key"))


@pytest.mark.parametrize("way", ["mouse", "phone-keys"])
def test_settings_hold_at_once_and_are_still_there_afterwards(visit, way):
    visitor = visit("mira", **WAYS[way])
    page = visitor.go("/settings/")
    form = page.locator("#profile")
    with visitor.without_reload():
        form.get_by_label("Name").fill("")
        radio(visitor, form, "20 s")
        radio(visitor, form, "Dark")
        form.get_by_label("Time zone").select_option("Asia/Kolkata")
        if keys_of(form).is_checked():
            visitor.press(keys_of(form), key=" ")
        visitor.press(form.get_by_role("button", name="Save"))
        expect(form.locator(".error")).to_contain_text("Write your name")
        expect(form.get_by_role("radio", name="20 s")).to_be_checked()
        form.get_by_label("Name").fill("Mira Lind")
        visitor.press(form.get_by_role("button", name="Save"))
        expect(form.get_by_role("status")).to_contain_text("Saved")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("html")).to_have_attribute("data-keys", "off")
    visitor.go("/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("j")
    expect(page.locator(".frame-open:focus")).to_have_count(0)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    with page.expect_response(re.compile("/settings/keyboard/")):
        visitor.press(keys.get_by_role("switch"), key=" ")
    visitor.press(keys.get_by_role("button", name="Close"))
    page.keyboard.press("j")
    expect(page.locator(".frame-open:focus")).to_have_count(1)
    if not way.startswith("phone"):
        with visitor.without_reload():
            visitor.press(page.get_by_role("button", name="Switch between light and dark"))
            expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page = visitor.go("/settings/")
    expect(form.get_by_role("radio", name="20 s")).to_be_checked()
    expect(form.get_by_label("Time zone")).to_have_value("Asia/Kolkata")
    expect(keys_of(form)).to_be_checked()


@pytest.mark.parametrize("way", ["mouse", "phone-keys"])
def test_who_did_what_at_what_price_and_what_was_said_on_the_wire(visit, stock, way):
    visitor, row = visit(**WAYS[way]), stock.take(kind="image", discount=False, accounts=lambda count: count)
    page = visitor.go(f"/review/{row['id']}/")
    post = page.locator(f".review-post[data-post='{row['id']}']")
    regenerate = post.get_by_role("button", name=re.compile("^Regenerate"))
    visitor.press(regenerate.first)
    expect(page.locator("#tray")).to_contain_text("Regenerate for $0.32")
    page.keyboard.press("Shift+Enter")
    expect(post.locator(".versions")).to_contain_text("1B", timeout=60_000)

    visitor.go("/activity/")
    line = page.locator("#lines tr").filter(has_text=f"Post {row['number']}").first
    for words in ("Ana Ruiz", "egenerate", "Done", "$0.32"):
        expect(line).to_contain_text(words)
    visitor.press(line.get_by_role("link", name="Done"))
    page.wait_for_url(re.compile("/operations/"))
    expect(page.locator("#known")).to_contain_text("Done")
    said = page.locator("#exchanges article").last
    expect(said).to_contain_text("POST /v1/generate/media-item")
    expect(said.locator(".is-ok").first).to_have_text(re.compile("20[0-2]"))
    expect(said.get_by_text("Answer", exact=True)).to_be_visible()
    expect(said.locator("pre")).not_to_have_count(0)
    expect(page.locator("#money")).to_contain_text("$0.32")
    expect(page.locator("#facts")).to_contain_text("Ana Ruiz")
    expect(page.locator("#moves")).to_contain_text("Asked for")
    expect(page.locator("main")).not_to_contain_text(re.compile("rm_[0-9A-Za-z]{8}"))

    visitor.press(page.get_by_role("link", name="The post"))
    page.wait_for_url(re.compile("/library/"))
    sent = page.locator("#sent li").first
    for words in ("Ana Ruiz", "Done", "$0.32", "POST /v1/generate/media-item"):
        expect(sent).to_contain_text(words)
    expect(page.locator("#money")).to_contain_text("$0.32", timeout=60_000)
    expect(page.locator("#history")).to_contain_text("Ana Ruiz")
    expect(page.locator("#items")).to_contain_text("1B")

    visitor.go("/activity/?by=loupe")
    expect(page.locator("#lines tr").filter(has_text="Ana Ruiz")).to_have_count(0)
    with page.expect_download() as download:
        visitor.press(page.get_by_role("link", name="CSV"))
    assert download.value.suggested_filename.endswith(".csv")


def reload_form(page):
    return page.locator("#auto-reload")


@pytest.mark.parametrize("way", ["keys", "phone-touch"])
def test_auto_reload_has_bounds_and_goes_on_and_off(visit, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/billing/")
    form = reload_form(page)
    with visitor.without_reload():
        for below, add, words in (("50.01", "25", "$50.00"), ("5", "0.99", "$1.00")):
            if not form.get_by_role("switch").is_checked():
                visitor.press(form.get_by_role("switch"), key=" ")
            form.get_by_label("When below").fill(below)
            form.get_by_label("Add", exact=True).fill(add)
            visitor.press(form.get_by_role("button", name="Save"))
            expect(form.locator(".error")).to_contain_text(words)
            expect(form.get_by_label("When below")).to_have_value(below)
        form.get_by_label("When below").fill("0")
        form.get_by_label("Add", exact=True).fill("50")
        for on in (True, False):
            if form.get_by_role("switch").is_checked() != on:
                visitor.press(form.get_by_role("switch"), key=" ")
            token = form.locator("[name=token]")
            before = token.get_attribute("value")
            visitor.press(form.get_by_role("button", name="Save"))
            expect(token).not_to_have_value(before)
            expect(form.get_by_role("status")).to_contain_text("by Ana Ruiz", timeout=60_000)
    visitor.go("/activity/")
    lines = page.locator("#lines tr").filter(has_text="Set auto-reload")
    expect(lines.nth(0)).to_contain_text("off")
    expect(lines.nth(1)).to_contain_text("on, below $0.00 add $50.00")


@pytest.mark.parametrize("way", ["mouse", "phone-keys"])
def test_without_a_card_the_services_page_is_offered(visit, loupe, way):
    at_the_service(loupe, "has_card = 0, auto_reload = 0")
    visitor = visit(**WAYS[way])
    page = visitor.go("/billing/")
    form = reload_form(page)
    with visitor.without_reload():
        if not form.get_by_role("switch").is_checked():
            visitor.press(form.get_by_role("switch"), key=" ")
        visitor.press(form.get_by_role("button", name="Save"))
        expect(form).to_contain_text("There is no card yet, so nothing was changed", timeout=60_000)
    visitor.press(form.get_by_role("link", name="Save a card"))
    visitor.press(page.get_by_role("button", name="Save card"))
    page.wait_for_url(re.compile("/billing/card/return/"))
    visitor.press(page.get_by_role("button", name="Switch auto-reload on"))
    page.wait_for_url(f"{loupe.address}/billing/")
    expect(form.get_by_role("status")).to_contain_text("by Ana Ruiz", timeout=60_000)
    visitor.go("/billing/")
    expect(form.get_by_role("switch")).to_be_checked()
    at_the_service(loupe, "auto_reload = 0")


@pytest.mark.parametrize("way", WAYS)
def test_a_top_up_leads_to_the_service_and_back(visit, loupe, way):
    visitor = visit(**WAYS[way])
    page = visitor.go("/billing/")
    top_up = page.locator("#top-up")
    before = cents(page.locator("#balance-panel .figure"))
    with visitor.without_reload():
        radio(visitor, top_up, "$50")
        visitor.press(top_up.get_by_role("button", name=re.compile("Pay by card|another amount")))
        pay = top_up.get_by_role("link", name="Continue to payment")
        expect(pay).to_be_visible(timeout=60_000)
        expect(top_up).to_contain_text("$50.00 asked for")
    visitor.press(pay)
    expect(page.get_by_role("heading", name="Add to your balance")).to_be_visible()
    visitor.press(page.get_by_role("button", name="Pay $50.00"))
    page.wait_for_url(re.compile("/billing/top-up/return/"))
    with visitor.without_reload():
        expect(page.locator("#told")).to_contain_text("+$50.00 has arrived", timeout=60_000)
    visitor.press(page.get_by_role("link", name="To billing"))
    page.wait_for_url(f"{loupe.address}/billing/")
    assert cents(page.locator("#balance-panel .figure")) == before + 5000
    with visitor.without_reload():
        newest = page.locator("#charges tr").filter(has_text="+$50.00")
        expect(newest.first).to_contain_text("Card", timeout=60_000)


def cents(figure):
    return round(float(figure.inner_text().replace("$", "").replace(",", "")) * 100)


def test_transactions_are_paged_and_lead_to_what_caused_them(visit):
    visitor = visit()
    page = visitor.go("/billing/")
    rows = page.locator("#charges tr")
    expect(rows).to_have_count(25)
    with visitor.without_reload():
        page.get_by_role("link", name="Load more").click()
        expect(rows).to_have_count(50)
    page.get_by_role("navigation", name="Kind of transaction").get_by_role("link", name="Top-ups").click()
    expect(rows.filter(has_text="−$")).to_have_count(0)
    visitor.go("/billing/?kind=charges")
    link = rows.locator("a[href^='/library/']").first
    name = link.inner_text()
    link.click()
    page.wait_for_url(re.compile("/library/"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(name.split()[-1])
    expect(page.locator("#money")).to_contain_text("Spent")


@pytest.mark.parametrize(("name", "whom"), [("ana", "top up under Billing"), ("mira", "admin can top up")])
def test_too_little_money_says_the_price_what_there_is_and_whom_to_ask(visit, loupe, stock, name, whom):
    """The service says so: when it is asked, the balance here is an old one."""
    row = stock.take(kind="image", discount=False)
    visitor = visit(name)
    page = visitor.go(f"/review/{row['id']}/")
    post = page.locator(f".review-post[data-post='{row['id']}']")
    at_the_service(loupe, "balance_cents = 7")
    try:
        post.get_by_role("button", name=re.compile("^Regenerate")).first.click()
        expect(page.locator("#tray")).to_contain_text("Regenerate for $0.32")
        page.keyboard.press("Shift+Enter")
        line = "this costs $0.32, you have $0.07"
        visitor.go(f"/library/{row['id']}/")
        expect(page.locator("main")).to_contain_text(line, timeout=60_000)
        expect(page.locator("main")).to_contain_text(whom)
    finally:
        at_the_service(loupe, "balance_cents = 4126")
        loupe.shell(READ_AGAIN)
        until(lambda: int(loupe.shell(BALANCE)) > 1000, seconds=20)


READ_AGAIN = """
from reviewqueue.models import *
from reviewqueue.services import billing
billing.read_again(by=Member.objects.get(user__email="ana@sandbox.invalid"))
"""
BALANCE = "from reviewqueue.models import *; print(Workspace.objects.get(is_sandbox=True).balance_cents)"
