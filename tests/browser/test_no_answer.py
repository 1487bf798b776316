"""The server out of reach, silent or broken: what stands stays; what is not known is said in its place."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import Eyes
from tests.browser.conftest import DESKTOP, PHONE

NOT_CERTAIN = "Whether it was done is not certain"


@pytest.fixture
def ana(visit):
    visitor = visit("ana")
    yield visitor
    # What the browser and htmx note about requests that these tests let fail.
    noise = (
        "net::ERR_",
        "htmx:sendError",
        "htmx:timeout",
        "htmx:responseError",
        "htmx:afterRequest",
        "Response Status Error",
        "status of 5",
    )
    visitor.wrong[:] = [line for line in visitor.wrong if not any(words in line for words in noise)]


def heard(page):
    """All that the live region says from here on."""
    page.evaluate("""() => {
      document.heard = [];
      const place = document.querySelector("#announce");
      new MutationObserver(() => { if (place.textContent) document.heard.push(place.textContent); })
        .observe(place, { childList: true });
    }""")
    return lambda: page.evaluate("() => document.heard")


def banner(page):
    return page.locator("#banners [data-cut-off]")


def frame(page, row):
    return page.locator(f"#f-{row['id']}")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_lost_connection_is_told_once_and_until_it_is_back(size, ana):
    page = ana.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    eyes = Eyes(ana)
    ana.go("/")
    told = heard(page)
    ana.context.set_offline(True)
    page.evaluate("() => document.dispatchEvent(new CustomEvent('loupe:look'))")
    expect(banner(page)).to_be_visible()
    expect(banner(page)).to_have_text(
        re.compile(
            r"^No connection\. Showing what was loaded at \d\d:\d\d\. Trying again in \d+ s\.\s*Try now$"
        )
    )
    eyes.look("cut off")
    assert not eyes.found
    banner(page).get_by_role("button", name="Try now").click()
    expect(banner(page)).to_contain_text(re.compile(r"in (10|9|8) s"))
    expect(banner(page)).to_contain_text("in 1 s")
    expect(banner(page)).to_contain_text(re.compile(r"in (20|19|18) s"))
    assert len([words for words in told() if "No connection" in words]) == 1
    ana.context.set_offline(False)  # which the browser tells the page
    expect(banner(page)).to_have_count(0)
    assert page.evaluate("() => document.activeElement !== document.body")


def test_a_decision_without_a_connection_comes_back_with_its_reason(ana, stock):
    row = stock.take(kind="image", accounts=lambda count: count)
    page = ana.go(f"/?q={row['number']}")
    ana.context.set_offline(True)
    frame(page, row).locator(".btn-ok").click()
    expect(frame(page, row).locator(".refusal")).to_contain_text(f"No connection. {NOT_CERTAIN}")
    expect(frame(page, row)).to_have_attribute("data-state", "ready")
    expect(frame(page, row).locator(".wax")).to_have_count(0)
    expect(banner(page)).to_be_visible()
    ana.context.set_offline(False)
    frame(page, row).locator(".btn-ok").click()
    expect(frame(page, row)).to_have_attribute("data-state", "held")
    expect(banner(page)).to_have_count(0)
    expect(page.locator(".refusal")).to_have_count(0)
    page.keyboard.press("u")


def test_in_focus_mode_the_post_comes_back_too(ana, stock):
    row = stock.take(kind="image", accounts=lambda count: count)
    page = ana.go(f"/review/{row['id']}/")
    here = page.locator(".review-post:not([hidden])")
    page.route("**/approval/*", lambda route: route.fulfill(status=500, body="broken"))
    page.keyboard.press("a")
    expect(page.locator("#notices")).to_contain_text(f"The server answers with an error. {NOT_CERTAIN}")
    expect(here).to_have_attribute("data-post", row["id"])
    expect(here.locator(".wax")).to_have_count(0)
    page.unroute("**/approval/*")
    page.keyboard.press("a")
    expect(page.locator("#tray")).to_contain_text("Approved")
    expect(page.locator("#notices")).not_to_contain_text(NOT_CERTAIN)
    page.keyboard.press("u")


def test_polls_that_are_answered_with_an_error_are_told_and_asked_rarely(ana):
    page = ana.page
    asked = []

    def refuse(route):
        asked.append(route.request.url)
        route.fulfill(status=502, body="Bad gateway")

    page.route("**/live/**", refuse)
    ana.go("/")
    page.evaluate("() => document.dispatchEvent(new CustomEvent('loupe:look'))")
    expect(banner(page)).to_contain_text("The server answers with an error. Showing what was loaded at")
    page.wait_for_timeout(9000)
    assert len(asked) <= 3
    page.unroute("**/live/**")
    banner(page).get_by_role("button").click()
    expect(banner(page)).to_have_count(0)


def test_a_server_that_never_answers_holds_up_no_later_decision(ana, stock):
    first, second = (stock.take(kind="image", accounts=lambda count: count) for _ in range(2))
    page = ana.go("/")
    page.evaluate("() => { htmx.config.timeout = 3000; }")
    page.route(f"**/{first['id']}/approval/", lambda route: None)
    frame(page, first).locator(".btn-ok").click()
    frame(page, second).locator(".btn-ok").click()
    reason = frame(page, first).locator(".refusal")
    expect(reason).to_have_text(
        f"The server does not answer. {NOT_CERTAIN}. Pressed again, it still counts once."
    )
    expect(frame(page, first)).to_have_attribute("data-state", "ready")
    expect(page.locator("#tray")).to_contain_text(str(second["number"]))
    page.keyboard.press("u")
    expect(page.locator("#tray .hold")).to_have_count(0)


def test_what_was_done_though_its_answer_was_lost_is_shown(ana, stock):
    row = stock.take(kind="image", accounts=lambda count: count)
    page = ana.go(f"/?q={row['number']}")

    def lose(route):
        route.fetch()
        page.wait_for_timeout(100)
        page.evaluate("() => document.dispatchEvent(new CustomEvent('loupe:look'))")
        page.wait_for_timeout(1500)
        route.abort()

    page.route("**/approval/", lose)
    frame(page, row).locator(".btn-ok").click()
    expect(frame(page, row).locator(".plate")).to_contain_text("Approved")
    expect(frame(page, row)).to_have_attribute("data-state", "held")
    expect(frame(page, row).locator(".refusal")).to_have_count(0)
    page.unroute("**/approval/")
    frame(page, row).get_by_role("button", name="Undo").click()
    expect(frame(page, row)).to_have_attribute("data-state", "ready")


def test_what_is_pressed_again_without_an_answer_is_the_same_operation(ana, stock):
    row = stock.take(kind="image", accounts=lambda count: count)
    page = ana.go(f"/review/{row['id']}/")
    tokens = []

    def refuse(route):
        tokens.append(re.search("token=([0-9a-f-]{36})", route.request.post_data).group(1))
        if len(tokens) == 1:
            route.abort()
        else:
            route.continue_()

    page.route("**/approval/*", refuse)
    page.keyboard.press("a")
    expect(page.locator("#notices")).to_contain_text(NOT_CERTAIN)
    page.evaluate(
        "() => { document.querySelector('#desk-token').value = crypto.randomUUID(); }"
    )  # as an answer does
    page.keyboard.press("a")
    expect(page.locator("#tray")).to_contain_text("Approved")
    assert tokens[0] == tokens[1]
    page.keyboard.press("u")


def test_a_question_stays_open_and_says_why(ana, stock):
    row = stock.take(kind="image")
    page = ana.go(f"/review/{row['id']}/")
    page.locator(".review-post:not([hidden])").get_by_role("link", name="Regenerate all").click()
    dialog = page.locator("#ask")
    page.route("**/regeneration/", lambda route: route.abort())
    dialog.get_by_role("button", name="Regenerate").click()
    expect(dialog).to_contain_text(f"No connection. {NOT_CERTAIN}")
    page.unroute("**/regeneration/")
    expect(dialog).to_be_visible()
