"""What a page may weigh and ask for: counts and bytes, never times. The figures are the budget's bars."""

import re
from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import until
from tests.browser.traffic import Traffic, without_live

PAGES = ("/", "/sources/", "/library/", "/personas/", "/billing/", "/settings/keys/", "/setup/")


@pytest.fixture
def visitor(visit):
    return visit("tom")


def test_the_queue_page_cold_and_warm(visitor):
    page = visitor.page
    until(lambda: visitor.go("/").locator("#contact .frame").count() == 24, every=1)  # some are being made
    wire = page.context.new_cdp_session(page)
    wire.send("Network.clearBrowserCache")
    cold = Traffic.of(page)
    visitor.go("/")
    expect(page.locator("#contact .frame")).to_have_count(24)
    until(lambda: any(row["url"].endswith("/") for row in cold.rows))
    rows = without_live(cold.rows)
    assert len(rows) <= 8, cold.told()
    assert sum(row["bytes"] for row in rows) <= 60_000, cold.told()
    assert page.evaluate("() => document.querySelectorAll('*').length") <= 1200
    assert page.locator("[data-poll]").count() == 1

    warm = Traffic.of(page)
    visitor.go("/?tab=ready")
    expect(page.locator("#contact .frame")).to_have_count(24)
    until(lambda: warm.rows)
    rows = without_live(warm.rows)
    assert len(rows) == 1, warm.told()
    assert rows[0]["bytes"] <= 11_000, warm.told()


def test_every_page_polls_once_and_gets_204_while_nothing_moves(visit):
    visitor = visit("ana")
    page = visitor.page
    for address in PAGES:
        visitor.go(address)
        assert page.locator("[data-poll]").count() == 1, address

    def polled():
        with page.expect_response(lambda answer: "/live/" in answer.url) as answer:
            page.evaluate("() => document.dispatchEvent(new CustomEvent('loupe:look'))")
        return answer.value.status

    for address in ("/setup/", "/"):  # the sandbox goes on by itself now and then
        visitor.go(address)
        until(lambda: [polled() for _ in range(4)] == [204] * 4, seconds=60, every=1)


def test_a_decision_is_at_most_two_requests_and_eight_kilobytes(visitor, stock):
    row = stock.take(kind="image", accounts=lambda count: count)
    page = visitor.page
    visitor.go(f"/review/{row['id']}/")
    here = page.locator(".review-post:not([hidden])")
    expect(here).to_have_attribute("data-post", row["id"])
    page.wait_for_load_state("networkidle")
    traffic = Traffic.of(page)
    with visitor.without_reload():
        page.keyboard.press("a")
        expect(here).not_to_have_attribute("data-post", row["id"])
        expect(page.locator("#tray")).to_contain_text("Approved")
    until(lambda: [one for one in traffic.rows if one["method"] == "POST"])
    page.wait_for_load_state("networkidle")
    mine = without_live(traffic.rows)
    assert len(mine) <= 2, traffic.told()
    assert sum(one["bytes"] for one in mine) <= 8_000, traffic.told()
    assert Counter(one["method"] for one in mine)["POST"] == 1
    page.keyboard.press("u")
    expect(here).to_have_attribute("data-post", row["id"])


def test_nothing_comes_from_elsewhere_and_no_script_stands_in_a_page(visitor, loupe):
    page = visitor.page
    seen = []
    page.on("request", lambda request: seen.append(request.url))
    for address in ("/", "/library/", "/personas/"):
        visitor.go(address)
        assert page.locator("script:not([src]), style, [style]").count() == 0, address
    assert not [url for url in seen if not re.match(rf"{re.escape(loupe.address)}/|data:", url)]


@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip, br", "br"), ("gzip, br;q=0", "gzip"), ("gzip", "gzip"), ("", None)]
)
def test_pages_are_compressed_as_the_browser_likes(visitor, loupe, accepted, encoding):
    answer = visitor.page.request.get(f"{loupe.address}/", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == encoding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert "<h1>Review</h1>" in answer.text()
