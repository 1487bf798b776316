"""Flow 7: from the sandbox to a key and a published post, over a real socket to `manage.py sandbox`."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.axe import Eyes
from tests.browser.conftest import DESKTOP, WAYS, Visitor, escape, until
from tests.running import ROOT, Running, environment, free_port, prepare

HASTE = "6"  # of both sides: what takes a minute takes ten seconds


class Service:
    """The service as another process; `key` is the one it printed at its first start."""

    def __init__(self, folder, pictures):
        self.port, self.folder = free_port(), folder
        shutil.copytree(pictures, folder / "media")  # the same world needs the same clips
        bind = ("--bind", f"127.0.0.1:{self.port}")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "sandbox", *bind, "--folder", str(folder), "--speed", "10"],
            cwd=ROOT,
            env=environment(folder, self.port, LOUPE_TIME_SCALE=HASTE),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        said = "".join(self.process.stdout.readline() for _ in range(3))
        self.key = re.search(r"rm_\S+", said).group()
        self.settings = dict(re.findall(r"(LOUPE_\w+)=(\S+)", said)) | {"LOUPE_TIME_SCALE": HASTE}

    def take_scope(self, scope):
        with sqlite3.connect(self.folder / "sandbox.sqlite3", timeout=20) as memory:
            for prefix, scopes in memory.execute("SELECT prefix, scopes FROM tokens").fetchall():
                left = [name for name in json.loads(scopes) if name != scope]
                memory.execute("UPDATE tokens SET scopes = ? WHERE prefix = ?", (json.dumps(left), prefix))

    def forget_syncs(self):
        """Nothing was pulled lately, whoever asked for it."""
        with sqlite3.connect(self.folder / "sandbox.sqlite3", timeout=20) as memory:
            memory.execute("UPDATE sync_jobs SET created_at = created_at - 86400")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def service(filled, tmp_path_factory):
    found = Service(tmp_path_factory.mktemp("service"), filled[0] / "sandbox" / "media")
    yield found
    found.stop()


@pytest.fixture
def loupe(filled, service, tmp_path):
    running = Running(*filled, tmp_path / "data", **service.settings)
    yield running
    running.stop()


@pytest.fixture
def passes():
    return {}


@pytest.mark.parametrize("way", ["mouse", "phone-keys"])
def test_from_a_key_to_a_published_post_with_the_sandbox_beside_it(visit, service, way):
    service.forget_syncs()
    visitor = visit(**WAYS[way])
    press = visitor.press
    eyes = Eyes(visitor)
    page = visitor.go("/setup/")
    steps = page.locator("#steps")
    expect(steps).to_contain_text("0 of 6 done")
    press(steps.get_by_role("link", name="Add"))
    page.wait_for_url(re.compile("/settings/keys/"))

    # a wrong one
    enter = page.locator("#key-enter")
    with visitor.without_reload():
        typed = {"API key": "nonsense", "Name of the workspace": "Studio Berg", "Your name": "Nia Berg"}
        for label, text in {**typed, "Email": "nia@example.org"}.items():
            enter.get_by_label(label).fill(text)
        enter.get_by_label("Password").fill("four olives on a plate")
        press(enter.get_by_role("button", name="Open the workspace"))
        expect(enter.locator(".error")).to_contain_text("begins with rm_")
        expect(enter.get_by_label("Email")).to_have_value("nia@example.org")
    enter.get_by_label("API key").fill("rm_live_of_somebody_else_altogether")
    enter.get_by_label("Password").fill("four olives on a plate")
    press(enter.get_by_role("button", name="Open the workspace"))
    state = page.locator("#key-state")
    expect(state).to_contain_text("Rejected by the service", timeout=60_000)
    expect(state).to_contain_text("nothing is lost")
    expect(page.locator("#banners")).to_contain_text("rejects the API key ending in ther")

    # the right one, without a scope
    service.take_scope("billing:write")
    page.get_by_label("API key").fill(service.key)
    press(page.get_by_role("button", name="Save and try it"))
    expect(state).to_contain_text("Works", timeout=60_000)
    expect(state).to_contain_text(service.key[-4:])
    expect(page.locator("main")).not_to_contain_text(service.key)
    scopes = page.locator("#key-scopes li")
    missing = scopes.filter(has_text="missing")
    expect(missing).to_have_count(1)
    expect(missing).to_contain_text("billing:write missing. Topping up and auto-reload are switched off.")
    expect(page.locator("#banners")).not_to_contain_text("rejects")

    # a question that only a key has
    press(page.locator("[data-ask][href='/settings/keys/removal/']"))
    expect(page.get_by_role("dialog")).to_be_visible()
    eyes.look("removing the key")
    assert eyes.found == []
    escape(page)

    # the steps are done as far as the service's own account has them
    press(state.get_by_role("link", name="Go on setting up"))
    expect(steps).to_contain_text("11 of 12 scopes")
    expect(steps).to_contain_text("6 of 6 done", timeout=60_000)

    # sync
    visitor.go("/personas/")
    with visitor.without_reload():
        press(page.get_by_role("button", name=re.compile("Sync all")))
        expect(page.locator("#followed .spin, #followed .clock").first).to_be_visible(timeout=60_000)
        expect(page.locator("#followed tbody tr").first).to_contain_text(
            re.compile("new|Nothing new|Skipped|skipped"), timeout=60_000
        )

    # generate
    visitor.go("/sources/")
    picture = page.locator("#contact .frame").filter(has_text="Image").first
    expect(picture).to_be_visible()
    press(picture.locator(".frame-open"))
    page.wait_for_url(re.compile("/sources/[0-9a-f-]{36}/"))
    press(page.locator("[data-ask][href*='/generation/'], [formaction*='/generation/']").first)
    ask = page.locator("#ask")
    expect(ask).to_contain_text(re.compile(r"Charged now\s*\$0\.\d\d"))
    press(ask.get_by_role("button", name=re.compile("Generate")))
    link = page.locator("a[href^='/review/']").first
    expect(link).to_be_visible(timeout=60_000)
    address = link.get_attribute("href")

    # approve, and published
    visitor.go(address)
    post = page.locator(".review-post:not([hidden])")
    approve = post.locator(".btn-ok:not([aria-disabled=true])")
    with visitor.without_reload():
        expect(approve).to_be_visible(timeout=60_000)
        press(approve)
    visitor.go("/library" + address.removeprefix("/review").split("?")[0])
    expect(page.locator("#deliveries")).to_contain_text("Published", timeout=60_000)
    expect(page.locator("#decided")).to_contain_text("Nia Berg")

    # the sandbox stays beside it until it is removed
    press(page.locator(".topbar .drop > summary[aria-label*='account of']"))
    press(page.get_by_role("button", name="Go to Sandbox"))
    expect(page.locator("#banners")).to_contain_text("You are in the sandbox")
    expect(page.locator("#contact .frame").first).to_be_visible()
    visitor.go("/settings/keys/")
    press(page.get_by_role("link", name="Remove the sandbox"))
    press(ask.get_by_role("button", name="Remove the sandbox"))
    page.wait_for_url(re.compile("/setup/"))
    expect(page.locator("#notices")).to_contain_text("The sandbox was removed")
    expect(page.locator("#banners")).not_to_contain_text("sandbox")
    visitor.go("/library/?tab=published")
    expect(page.locator(f"#contact a[href*='{address.split('/')[2]}']").first).to_be_visible()


def test_a_key_in_the_environment_needs_no_setup(chromium, service, tmp_path):
    folder, port = tmp_path / "data", free_port()
    settings = {**service.settings, "LOUPE_REELMIRROR_KEY": service.key}
    prepare(folder, port, "--no-sandbox")
    running = Running(folder, port, None, "--no-sandbox", **settings)
    context = chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    try:
        visitor = Visitor(context, context.new_page(), running)
        page = visitor.page
        page.goto(running.link(""))
        page.get_by_role("button", name="Open the review queue").click()
        page.wait_for_url(re.compile(r":\d+/(setup/)?$"))
        ready = "from reviewqueue.models import *; print(GeneratedPost.objects.filter(desk='ready').count())"
        until(lambda: int(running.shell(ready)) > 0, seconds=60, every=1)
        visitor.go("/")
        expect(page.locator("#contact .frame").first).to_be_visible()
        expect(page.locator("#banners")).not_to_contain_text("sandbox")
        visitor.go("/settings/keys/")
        expect(page.locator("#key-state")).to_contain_text("Works")
        expect(page.locator("#key-state")).to_contain_text(service.key[-4:])
        assert not visitor.wrong
        assert "Traceback" not in running.log()
        assert service.key not in running.log()
    finally:
        context.close()
        running.stop()
