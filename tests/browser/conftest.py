"""Chromium against the running program. A logged error or a breach of the content policy fails the test."""

import shutil
import time
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import Error, Locator, Page, expect, sync_playwright

from tests.missing import missing
from tests.once import made_once, rendered
from tests.running import Running, Stock, begin, free_port, prepare

CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# A page of a test lives for seconds: compilers that optimise what runs long take more work than they save.
PLAIN_SCRIPTS = "--js-flags=--no-maglev,--no-opt"
# A refusal is an answer; and the browser rejects a promise of its own when a page is left in its transition.
EXPECTED = ("the server responded with a status of 4", "Transition was aborted", "Transition was skipped")
PATIENCE = 30_000  # milliseconds; a machine with two cores runs two browsers and two programs
expect.set_options(timeout=PATIENCE)
DESKTOP, TABLET, PHONE = (1440, 900), (820, 1180), (390, 844)
NARROW = (320, 640)  # 1,280 pixels, enlarged four times
WAYS = {
    "keys": {"size": DESKTOP, "hand": "keys"},
    "mouse": {"size": DESKTOP, "hand": "mouse"},
    "phone-keys": {"size": PHONE, "hand": "keys"},
    "phone-touch": {"size": PHONE, "hand": "touch"},
}


@pytest.fixture(scope="session")
def chromium():
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*ARGUMENTS, PLAIN_SCRIPTS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A data folder with the sandbox in it, made once for all processes, and a port to serve it on."""
    with made_once(tmp_path_factory, "filled") as folder:
        if not folder.exists():
            (folder / "sandbox").mkdir(parents=True)
            with rendered(tmp_path_factory) as drawn:
                (folder / "sandbox" / "media").symlink_to(drawn)
                prepare(folder, port := free_port())
                begin(folder, port)
    return folder, free_port()


@pytest.fixture(scope="module")
def loupe(filled, tmp_path_factory, request):
    """The running program; the tests of one file share it, and its `SETTINGS` if it has any."""
    changes = getattr(request.module, "SETTINGS", {})
    running = Running(*filled, tmp_path_factory.mktemp("running") / "data", **changes)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def stock(loupe):
    return Stock(loupe)


def until(true, seconds: float = 30, every: float = 0.1) -> None:
    """Wait for something that no locator tells. (The page's policy forbids Playwright's own predicate.)"""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(every)


def escape(page: Page) -> None:
    """Close the dialog. The browser does so a moment after the key; until then the keys are the dialog's."""
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


class Visitor:
    """Somebody in a browser of their own. `page.wrong` collects what must stay empty."""

    def __init__(self, context, page, loupe, hand="mouse"):
        self.context, self.page, self.loupe, self.hand = context, page, loupe, hand
        self.wrong: list[str] = []
        self.has_left = False
        page.on("console", lambda message: self.note(message.type, message.text))
        page.on("pageerror", lambda error: self.note("error", f"script error: {error}"))

    def note(self, kind: str, text: str) -> None:
        if kind == "error" and not self.has_left and not any(words in text for words in EXPECTED):
            self.wrong.append(text)

    def go(self, path: str) -> Page:
        self.page.goto(self.loupe.address + path)
        return self.page

    def press(self, *targets: Locator, key: str = "Enter") -> None:
        """Press each with the hand this visitor has; the keyboard's needs something that takes the focus."""
        for target in targets:
            if self.hand == "keys":
                target.focus()
                expect(target).to_be_focused()
                self.page.keyboard.press(key)
            elif self.hand == "touch":
                target.tap()
            else:
                target.click()

    def leave(self) -> None:
        """Close the browser's window, at rest: one that is on its way somewhere Chromium may never close."""
        self.has_left = True
        for page in self.context.pages:
            while page.url != "about:blank":
                with suppress(Error):  # interrupted by where it was going
                    page.goto("about:blank")
            page.wait_for_load_state()
        self.context.close()

    @contextmanager
    def without_reload(self):
        """What happens within happens on the same page."""
        self.page.evaluate("() => { document.isTheSame = true; }")
        yield
        assert self.page.evaluate("() => document.isTheSame"), f"the page was loaded anew: {self.page.url}"


@pytest.fixture(scope="module")
def passes():
    """The cookies of those who have signed in to the running program: one link a person is enough."""
    return {}


@pytest.fixture
def visit(chromium, loupe, passes):
    """`visit("ana", size=PHONE, scheme="dark", js=False)` is Ana, signed in, on no page as yet."""
    opened: list[Visitor] = []

    def arrive(
        name="ana", *, size=DESKTOP, hand="mouse", scheme="light", js=True, signed_in=True, **options
    ) -> Visitor:
        options.setdefault("reduced_motion", "reduce")  # drawing what turns is most of the work
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            java_script_enabled=js,
            has_touch=size[0] < 500,
            **options,
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        visitor = Visitor(context, page, loupe, hand)
        opened.append(visitor)
        if signed_in and name in passes:
            context.add_cookies(passes[name])
        elif signed_in:
            page.goto(loupe.link(f"{name}@sandbox.invalid"))
            page.get_by_role("button", name="Open the review queue").click()
            page.wait_for_url(f"{loupe.address}/")
            passes[name] = context.cookies()
        return visitor

    yield arrive
    for visitor in opened:
        visitor.leave()
    assert not [line for visitor in opened for line in visitor.wrong]
    assert "Traceback" not in loupe.log(), loupe.log()[-6000:]
