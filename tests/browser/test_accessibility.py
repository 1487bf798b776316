"""axe-core on every page a person can open: light and dark, at three widths, with dialogs and menus open."""

import json
import re
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import NoReverseMatch, resolve, reverse
from playwright.sync_api import expect

from reviewqueue.urls import urlpatterns
from reviewqueue.views import refusals
from tests.browser.axe import Eyes
from tests.browser.conftest import escape

TAMPER = """() => {
    const form = document.querySelector("#desk");
    form.querySelector("[name=csrfmiddlewaretoken]").value = "of another session";
    form.action = "/settings/";
    form.submit();
}"""

IDS = """
import json
from reviewqueue.models import *
posts, out = GeneratedPost.objects.filter(workspace__is_sandbox=True).order_by("number"), {}
for kind in ("image", "carousel", "video"):
    out[kind] = posts.filter(desk="ready", kind=kind).first()
out["failed"] = posts.filter(trouble="partly_failed").first()
for place in ("rejected", "published"):
    out[place] = posts.filter(review_status=place).first()
out["item"] = out["carousel"].items.current().first()
out["reduced"] = MediaItem.objects.current().filter(post__desk="ready", discount_applied=True).first()
cheap = MediaItem.objects.current().filter(post__desk="ready", discount_applied=True, is_public=False)
out["cheap"] = cheap.filter(position=0).first().post
out["unused"] = SourcePost.objects.filter(generated=None).first()
out["used"] = SourcePost.objects.exclude(generated=None).first()
out["target"] = PublishingTarget.objects.first()
out["persona"] = out["target"].persona
out["source"] = out["persona"].sources.first()
print(json.dumps({name: str(row.pk) for name, row in out.items()}))
"""


SUBJECTS = {"post_id": "carousel", "item_id": "item", "persona_id": "persona", "target_id": "target"}


@pytest.fixture(scope="module")
def ids(loupe):
    return json.loads(loupe.shell(IDS))


ADDRESSES = "all => all.map(one => one.getAttribute('href') ?? one.getAttribute('formaction'))"


ASKED: set[str] = set()
ASKED_ELSEWHERE = {"settings-key-removal"}  # takes a key that works: test_setup_flow


class Inspector(Eyes):
    """Somebody who opens pages one after the other."""

    def __init__(self, visitor, ids: dict):
        super().__init__(visitor)
        self.ids = ids

    def open(self, name: str, query: str = "", **args: str) -> None:
        address = reverse(name, kwargs={key: self.ids.get(value, value) for key, value in args.items()})
        self.visitor.go(address + query)
        self.look()

    def press(self, key: str, shown: str) -> None:
        """A dialog or a menu open over the page."""
        self.page.keyboard.press(key)
        expect(self.page.locator(shown)).to_be_visible()
        self.look(shown)
        escape(self.page)

    def ask(self, selector: str, shown: str = "#ask") -> None:
        """The question behind a link or a button, in its dialog."""
        self.page.locator(selector).first.click()
        expect(self.page.locator(shown)).to_be_visible()
        self.look(f"asking by {selector}")
        escape(self.page)

    def question(self, name: str) -> None:
        """The question of that name, from the page that leads to it."""
        asking = self.page.locator("[data-ask]:visible").evaluate_all(ADDRESSES)
        address = next(one for one in asking if resolve(one.split("?")[0]).url_name == name)
        self.ask(f"[data-ask]:is([href='{address}'], [formaction='{address}']):visible")
        ASKED.add(name)


@pytest.fixture
def inspect(visit, ids):
    opened: list[Inspector] = []

    def begin(name="ana", **options) -> Inspector:
        opened.append(Inspector(visit(name, **options), ids))
        return opened[-1]

    yield begin
    if found := [line for one in opened for line in one.found]:
        pytest.fail("\n".join(found), pytrace=False)


def test_the_queue(inspect):
    eyes = inspect()
    for tab in ("ready", "generating", "attention", "held", "decided"):
        eyes.open("queue", f"?tab={tab}")
    page = eyes.visitor.go("/?q=nothing-is-called-this")
    expect(page.get_by_role("heading", name="Nothing matches “nothing-is-called-this”")).to_be_visible()
    eyes.look("no match")
    eyes.open("queue", "?tab=attention&view=list")
    eyes.question("regeneration")
    eyes.open("views", "?age=day&type=video")
    eyes.open("queue", "?view=list&order=newest")
    page.keyboard.press("j")
    page.keyboard.press(" ")
    expect(page.locator(".bulk")).to_be_visible()
    eyes.look("one selected")
    eyes.ask(".bulk [data-bill-many]")
    eyes.ask(".bulk [data-reasons]", "#reasons")
    page.locator(".bulk").get_by_role("button", name="Clear").click()
    page.locator("details.views summary").click()
    expect(page.get_by_role("textbox", name="Keep these filters as")).to_be_visible()
    eyes.look("the menu of views")
    page.locator(".topbar details.drop summary").click()
    eyes.look("account menu")
    eyes.press("?", "#keys")


GENERATE = """
import uuid
from reviewqueue.models import *
from reviewqueue.services import generating
ana, ines = Member.objects.get(user__email="ana@sandbox.invalid"), Persona.objects.get(name="Ines Calder")
source = SourcePost.objects.of_persona(ines).filter(kind="video").first()
print(generating.generate(source, ines, by=ana, token=uuid.uuid4()).post.pk)
"""


def test_focus_mode_with_its_questions(inspect, loupe):
    eyes = inspect()
    page = eyes.page
    eyes.ids["generating"] = loupe.shell(GENERATE)
    eyes.open("review", post_id="generating")
    for post in ("cheap", "video", "failed", "rejected"):
        eyes.open("review", post_id=post)
        if post == "cheap":
            eyes.question("item-visibility")
    eyes.open("review", post_id="image")
    eyes.press("x", "#reasons:has([data-reasons-note]:not([hidden]))")
    eyes.open("review", post_id="carousel")
    eyes.press("r", "#reasons")
    eyes.press("?", "#keys")
    eyes.question("regeneration")
    eyes.question("deletion")
    page.keyboard.press("h")
    page.keyboard.press("x")
    page.keyboard.press("1")
    expect(page.locator("#tray")).to_contain_text("Item rejected")
    eyes.look("an item is rejected, the history open")
    page.keyboard.press("u")


def test_the_same_questions_as_pages(inspect):
    eyes = inspect()
    for name in ("rejection", "regeneration", "deletion"):
        eyes.open(name, post_id="carousel")
    eyes.open("item-rejection", item_id="item")
    eyes.open("item-deletion", item_id="item")
    eyes.open("item-visibility", item_id="reduced")
    eyes.open("generation", f"?post={eyes.ids['unused']}&post={eyes.ids['used']}")


def test_sources_and_the_library(inspect):
    eyes = inspect()
    page = eyes.page
    eyes.open("sources", "?used=all")
    page.locator("#sync summary").click()
    eyes.look("the menu of syncs")
    page.locator("#sync summary").click()
    eyes.question("generation")
    page.locator(".frame-pick input").first.check()
    expect(page.locator(".bulk")).to_be_visible()
    eyes.look("one selected")
    eyes.ask(".bulk [formaction='/sources/generation/']")
    eyes.open("source-post", source_id="unused")
    eyes.question("generation")
    eyes.open("source-post", source_id="used")
    for tab in ("", "?tab=published"):
        eyes.open("library", tab)
    for post in ("video", "failed", "published", "carousel"):
        eyes.open("library-post", post_id=post)
    for name in ("regeneration", "deletion", "item-deletion"):
        eyes.question(name)


def test_personas(inspect):
    eyes = inspect()
    for name in (
        "persona",
        "persona-posts",
        "persona-settings",
        "persona-history",
        "writing-style",
        "followed",
        "linked",
    ):
        eyes.open(name, persona_id="persona")
    for name in ("automation", "source-removal"):
        eyes.open(name, persona_id="persona", source_id="source")
    eyes.open("target-removal", persona_id="persona", target_id="target")
    eyes.open("persona-new")
    page = eyes.visitor.go(f"/personas/{eyes.ids['persona']}/")
    for name in ("followed", "linked", "writing-style", "source-removal", "target-removal", "persona-new"):
        eyes.question(name)
    page.get_by_role("combobox", name=re.compile("^Automation for")).first.select_option("auto_publish")
    eyes.question("automation")


def test_activity_billing_and_the_pages_of_the_service(inspect):
    eyes = inspect()
    page = eyes.page
    eyes.open("activity")
    eyes.open("activity", "?kind=nothing&by=service&since=2031-01-01")
    eyes.open("billing")
    eyes.open("billing", "?kind=credits")
    page.get_by_role("switch").check()
    page.get_by_label("When below").fill("70")
    page.locator("#auto-reload").get_by_role("button", name="Save").click()
    expect(page.locator("#auto-reload .error")).to_be_visible()
    page.get_by_role("button", name="Pay by card").click()
    pay = page.get_by_role("link", name="Continue to payment")
    expect(pay).to_be_visible(timeout=60_000)
    eyes.look("a refusal, and the way to the payment")
    pay.click()
    eyes.look()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#told")).to_contain_text("cancelled")
    eyes.look()
    eyes.open("billing-top-up-return", "?outcome=cancelled")
    eyes.open("billing-card-return")
    eyes.visitor.go("/activity/")
    page.locator("#lines a[href^='/operations/']").first.click()
    expect(page.locator("#exchanges article")).to_be_visible()
    eyes.look()
    eyes.open("sandbox", path="/")


def test_settings_and_setup(inspect):
    eyes = inspect()
    page = eyes.page
    for name in (
        "settings",
        "settings-workspace",
        "settings-prices",
        "settings-keys",
        "setup",
        "more",
        "keys",
    ):
        eyes.open(name)
    eyes.open("account_set_password")
    eyes.visitor.go("/settings/keys/")
    page.get_by_label("API key").fill("nonsense")
    page.get_by_role("button", name="Open the workspace").click()
    expect(page.locator("#key-enter .error").first).to_be_visible()
    eyes.look("refused")


OWN = """
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from reviewqueue.models import *
from reviewqueue.services import accounts, setup
nia = User.objects.create_user("nia@sandbox.invalid", "a-long-password-of-hers", name="Nia Berg")
mine = setup.make_workspace("Studio Berg")
for place in (Workspace.objects.get(is_sandbox=True), mine):
    Member.objects.create(workspace=place, user=nia, role="admin")
accounts.enter(nia, mine)
print(user_pk_to_url_str(nia), default_token_generator.make_token(nia))
"""


def test_a_workspace_of_ones_own_with_nothing_in_it(inspect, loupe):
    uid, key = loupe.shell(OWN).split()
    eyes = inspect(signed_in=False)
    page = eyes.page
    page.goto(loupe.link("nia@sandbox.invalid"))
    page.get_by_role("button", name="Open the review queue").click()
    page.wait_for_url(re.compile("/setup/"))
    expect(page.locator("#steps")).to_contain_text("Add the API key")
    eyes.look("first use")
    for name in ("sources", "library", "personas", "activity", "billing", "settings", "settings-keys"):
        eyes.open(name)
    eyes.question("settings-sandbox-removal")
    for name in (
        "settings-key-removal",
        "settings-sandbox-removal",
        "account_change_password",
        "account_reauthenticate",
    ):
        eyes.open(name)
    page.context.clear_cookies()
    eyes.open("account_reset_password_from_key", uidb36=uid, key=key)


def test_coming_in(inspect, loupe):
    eyes = inspect(signed_in=False)
    page = eyes.page
    for name in ("account_login", "account_signup", "account_reset_password", "account_reset_password_done"):
        eyes.open(name)
    eyes.open("account_reset_password_from_key", uidb36="z", key="gone")
    eyes.open("account_reset_password_from_key_done")
    eyes.open("account_inactive")
    eyes.visitor.go("/sign-in/")
    page.get_by_label("Email").fill("nobody@sandbox.invalid")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    eyes.look("refused")
    page.goto(loupe.link())
    eyes.look()
    eyes.open("enter", secret="spent")
    expect(page.get_by_role("heading", name="This link is spent")).to_be_visible()


def fulfil(route, body):
    """As if the program had answered so: it does only when something is wrong with it."""
    route.fulfill(content_type="text/html; charset=utf-8", body=body)


def test_what_others_see_and_refusals(inspect):
    eyes = inspect("vera")
    page = eyes.page
    eyes.open("queue")
    eyes.open("review", post_id="carousel")
    eyes.open("persona", persona_id="persona")
    eyes.visitor.go("/billing/")
    expect(page.get_by_role("heading")).to_have_text("Not for your role")
    eyes.look()
    eyes.visitor.go("/nowhere/")
    eyes.look()
    for number, answer in enumerate((refusals.unreadable(None), refusals.broken(None))):
        address = f"{eyes.visitor.loupe.address}/broken/{number}/"
        page.route(address, partial(fulfil, body=answer.content.decode()))
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        eyes.look()
    eyes.open("account_logout")
    eyes.visitor.go("/more/")
    page.evaluate(TAMPER)
    page.wait_for_url(re.compile("/settings/"))
    expect(page.get_by_role("heading")).to_have_text("This page is too old")
    eyes.look()


def test_no_page_is_left_out(visit, loupe, ids):
    """Whatever answers a plain GET with a page has its name somewhere above."""
    asked, here = visit().page.request, Path(__file__).read_text()
    forgotten, found = [], 0
    for pattern in urlpatterns:
        if getattr(pattern, "name", None) in (None, "sandbox", "account_reauthenticate"):
            continue  # the last one is for those who have a password
        parts = pattern.pattern.regex.groupindex
        subjects = SUBJECTS | {"source_id": "source" if "persona_id" in parts else "used"}
        args = {part: ids.get(subjects.get(part), ids["persona"]) for part in parts}
        try:
            address = reverse(pattern.name, kwargs=args)
        except NoReverseMatch:  # a file
            continue
        answer = asked.get(loupe.address + address, max_redirects=0)
        if answer.status == 200 and answer.headers["content-type"].startswith("text/html"):
            found += 1
            if f'"{pattern.name}"' not in here:
                forgotten.append(pattern.name)
    assert found > 30
    assert not forgotten


def test_no_question_is_left_out(request):
    """Whatever a template asks in a dialog was looked at there."""
    templates = Path(settings.BASE_DIR, "templates").rglob("*.html")
    tags = [
        tag for page in templates for tag in re.findall(r"<\w+\b[^>]*\bdata-ask\b[^>]*>", page.read_text())
    ]
    named = {name for tag in tags for name in re.findall(r"{% url '([\w-]+)'", tag)}
    assert len(named) > 10
    chosen = {item.name for item in request.session.items if item.path == request.path}
    if chosen >= {name for name in globals() if name.startswith("test_")}:  # else some were left to others
        assert named == ASKED | ASKED_ELSEWHERE
