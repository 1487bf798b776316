"""The font may come late: no text moves under the reader's eyes, and the next page has it."""

import time

import pytest

from tests.browser.conftest import DESKTOP, PHONE

LATE = 1.0  # seconds
PLACES = ("/", "/review/start/", "/sources/", "/personas/", "/billing/")
# The shifts from the moment the font is there, in the half second that a swap would take at most.
SHIFTS = """() => new Promise((done) => {
    const [font] = performance.getEntriesByType("resource").filter((one) => one.name.includes(".woff2"));
    const found = [];
    new PerformanceObserver((list) => list.getEntries().forEach((one) => {
        if (one.startTime > font.responseEnd && one.startTime < font.responseEnd + 500) found.push(one.value);
    })).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(found.reduce((sum, one) => sum + one, 0)), 800);
})"""
WIDTH = """() => document.fonts.ready.then(() => {
    const range = new Range();
    range.selectNodeContents(document.querySelector("h1"));
    return range.getBoundingClientRect().width;
})"""


def late(route):
    time.sleep(LATE)
    route.continue_()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_moves_when_the_font_comes_late(visit, size):
    visitor = visit(size=size)
    visitor.page.route("**/*.woff2", late)  # and nothing is kept from page to page
    for place in PLACES:
        page = visitor.go(place)
        assert page.evaluate(SHIFTS) < 0.0005, place  # what the service moves meanwhile may count in it


def test_the_font_is_asked_for_at_once_and_once_and_used_where_it_comes_in_time(visit):
    visitor = visit()
    page = visitor.page
    page.route("**/*.woff2", late)
    without = visitor.go("/personas/").evaluate(WIDTH)
    page.unroute("**/*.woff2")
    seen = []
    page.on("request", lambda request: seen.append(request) if ".woff2" in request.url else None)
    visitor.go("/personas/")
    assert [request.resource_type for request in seen] == ["font"]
    visitor.go("/personas/")  # it is in the cache by now
    assert abs(page.evaluate(WIDTH) - without) > 1
    preload = page.locator("link[rel=preload][as=font]")
    assert seen[0].url.endswith(preload.get_attribute("href"))
