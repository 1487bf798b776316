"""The service away, slow, or refusing: pages answer from the mirror, say how old it is and what to do."""

import re
import uuid
from datetime import timedelta

import pytest

from reviewqueue import gateway
from reviewqueue.clock import now
from reviewqueue.models import Operation, RateBudget, Scope, UpstreamKey, Watch, Workspace
from reviewqueue.rules import roles
from reviewqueue.services import generating, personas, polling, scopes, syncing, watches
from tests.pages.addresses import TABLE, Stage, people_of
from tests.pages.test_every_page import address_of, asked
from tests.world import committing, token

AWAY = (
    "The service does not answer",
    "Decisions are kept and sent in order when it is back. Trying again <span data-until=",
    ">Try now</button>",
)
BANNERS = {
    "401": ["The service rejects the API key ending in", "Decisions are kept and wait"],
    "403": ["The API key lacks billing:read", "Shown as last seen: the balance"],
    "429": ["The service asked us to slow down", "Statuses refresh again at", "Your decisions are kept"],
    "500": [*AWAY],
    "504": [*AWAY],
    "drop_before": [*AWAY],
    "redirect": [
        "Somebody else answers in the service’s place",
        "LOUPE_REELMIRROR_URL",
        "Decisions are kept",
    ],
    "hang": [*AWAY],
}
WITH_AGE = set(BANNERS) - {"403"}


@pytest.fixture
def cut_off(monkeypatch):
    """Nobody may reach for the service; what was reached for is kept."""
    reached = []

    def reach(*args, **kwargs):
        reached.append(args)
        raise AssertionError("a page reached for the service")

    for name in ("client_for", "client_with", "download"):
        monkeypatch.setattr(gateway, name, reach)
    return reached


@pytest.fixture
def stage(workspace):
    return Stage(workspace, people=people_of(workspace))


def pages_of(world) -> list[str]:
    post = world.workspace.posts.exclude(upstream_id="").first()
    source = world.workspace.source_posts.first()
    persona = world.persona("Ines Calder")
    return [
        "/",
        f"/review/{post.pk}/",
        "/library/",
        f"/library/{post.pk}/",
        "/sources/",
        f"/sources/{source.pk}/",
        f"/personas/{persona.pk}/",
        "/activity/",
        "/billing/",
        "/settings/keys/",
        "/setup/",
    ]


@pytest.mark.parametrize("fault", BANNERS)
def test_every_page_answers_from_the_mirror_and_says_so(world, signed_in, monkeypatch, fault):
    world.mirror("Ines Calder")
    UpstreamKey.objects.update(answered_at=now() - timedelta(minutes=7))
    world.sandbox.misbehave(fault, match="*", times=99)
    for _ in range(5):
        world.look("balance")
    monkeypatch.setattr(gateway, "client_for", None)  # from here on a call would be an error
    browser, banner = signed_in(world.ana), BANNERS[fault]
    for address in pages_of(world):
        answer = browser.get(address)
        text = answer.content.decode()
        assert answer.status_code == 200, address
        for words in banner:
            assert words in text, (address, words)
        assert ("Showing what was seen 7 min ago" in text) == (fault in WITH_AGE), address
    assert "Enter a key" not in signed_in(world.ben).get("/").content.decode()


def test_no_page_reaches_for_the_service(stage, signed_in, cut_off):
    """Not by looking, and not by pressing a button either: that is the worker's to send."""
    member = stage.people["admin"]
    browser = signed_in(member)
    for name, row in TABLE.items():
        address = address_of(name, row, stage, member)
        for method, may in (("get", row.get), ("post", row.post)):
            if may and roles.may("admin", may.grant):
                asked(browser, method, address, method == "post" and may.form(stage))
    assert cut_off == []


def test_a_decision_is_taken_while_the_service_is_away(ana, post, signed_in, cut_off):
    UpstreamKey.objects.update(opened_at=now(), failures=9)
    form = {"token": str(uuid.uuid4()), "fingerprint": post.fingerprint}
    assert signed_in(ana).post(f"/review/{post.pk}/approval/", form).status_code == 302
    assert Operation.objects.get().state == "queued"


def test_each_trouble_is_told_to_whoever_can_do_something(ana, ben, workspace, signed_in):
    def told(member):
        return signed_in(member).get("/activity/").content.decode()

    key = UpstreamKey.objects.filter(workspace=workspace)
    key.update(state="rejected")
    assert "Ask <bdi>Ana Ruiz</bdi> to enter a new one" in told(ben)
    assert "Enter a key" in told(ana)
    key.delete()
    assert "There is no API key" in told(ben)
    assert "Ask <bdi>Ana Ruiz</bdi>." in told(ben)
    assert 'href="/settings/keys/"' not in told(ben)
    assert "Enter a key" in told(ana)
    workspace.balance_cents = 0
    workspace.save()
    key.create(workspace=workspace, secret="x", last_four="abcd", fingerprint="f", state="working")
    assert "Generating is paused" in told(ben)
    assert "Ask <bdi>Ana Ruiz</bdi> to top up" in told(ben)
    assert "Top up</a>" in told(ana)
    workspace.members.filter(role="admin").update(role="editor")
    assert "Ask <bdi>an admin</bdi> to top up" in told(ben)


def test_focus_mode_is_told_too(ana, post, workspace, signed_in):
    browser = signed_in(ana)

    def look_again(text):
        seen = re.search(r'name="d" value="(\d+)"', text).group(1)
        live = {"v": post.version, "d": seen}
        return browser.get(f"/live/posts/{post.pk}/", live, headers={"HX-Request": "true"})

    text = browser.get(f"/review/{post.pk}/").content.decode()
    assert look_again(text).status_code == 204
    for cents in (0, 500):
        Workspace.objects.filter(pk=workspace.pk).update(balance_cents=cents)
        scopes.bump(workspace.pk)
        answer = look_again(text)
        text = answer.content.decode()
        assert ("Generating is paused" in text) == (cents == 0)
        assert 'id="banners" hx-swap-oob' in text
        assert look_again(text).status_code == 204


def test_what_a_key_lacks_is_named_as_far_as_it_is_known(ana, ben, workspace, signed_in):
    Watch.objects.create(workspace=workspace, kind="catalogue", trouble=watches.LACKS_SCOPE)
    told = signed_in(ben).get("/activity/").content.decode()
    assert "The API key lacks personas:read or sources:read or publishing:read." in told
    assert "Ask <bdi>Ana Ruiz</bdi> to add the scope" in told
    workspace.keys.update(scopes=["personas:read", "publishing:read"])
    told = signed_in(ben).get("/activity/").content.decode()
    assert "The API key lacks sources:read." in told
    assert "Shown as last seen: personas, sources and accounts" in told


def test_whoever_does_not_want_to_wait_has_the_service_asked_at_once(world, signed_in):
    world.look("balance")
    world.sandbox.misbehave("500", match="*", times=99)
    for _ in range(5):
        world.look("balance")
    browser = signed_in(world.ben)
    assert polling.plan() == []
    before = Scope.objects.get(workspace=world.workspace, key=scopes.DESK).version
    answer = browser.post("/settings/keys/trial/", headers={"HX-Request": "true"})
    assert "Trying again <span" in answer.content.decode()
    assert "The service is being asked" in answer.content.decode()
    assert len(polling.plan()) == 1
    world.look("balance")  # not back yet: it waits anew, and open pages are told until when
    assert polling.plan() == []
    assert Scope.objects.get(workspace=world.workspace, key=scopes.DESK).version > before
    world.sandbox.behave()
    browser.post("/settings/keys/trial/")
    world.look("balance")
    assert "service does not answer" not in browser.get("/activity/").content.decode()
    assert (
        "Nothing waits for the service" in browser.post("/settings/keys/trial/", follow=True).content.decode()
    )


def test_nobody_hurries_the_key_to_somebody_else(world, signed_in):
    world.look("balance")
    world.sandbox.misbehave("redirect", match="*", times=99)
    world.look("balance")
    opened = UpstreamKey.objects.get().opened_at
    assert opened
    assert "settings/keys/trial" not in signed_in(world.ana).get("/activity/").content.decode()
    signed_in(world.ana).post("/settings/keys/trial/")
    assert UpstreamKey.objects.get().opened_at == opened


def test_a_banner_goes_when_the_service_is_back(world, signed_in):
    world.look("balance")
    world.sandbox.misbehave("500", match="*", times=99)
    for _ in range(5):
        world.look("balance")
    world.sandbox.behave()
    browser = signed_in(world.ana)
    assert "service does not answer" in browser.get("/activity/").content.decode()
    UpstreamKey.objects.update(opened_at=now() - timedelta(minutes=1))
    world.look("balance")
    assert "service does not answer" not in browser.get("/activity/").content.decode()
    world.sandbox.misbehave("403", match="*", times=1)
    world.look("balance")
    assert "lacks billing:read" in browser.get("/activity/").content.decode()
    world.look("balance")
    assert "lacks" not in browser.get("/activity/").content.decode()


def test_the_shell_says_how_old_what_it_shows_is(ana, workspace, persona, signed_in):
    workspace.balance_seen_at = now() - timedelta(hours=3)
    workspace.save()
    assert "3 h ago" in signed_in(ana).get("/billing/").content.decode()


# ---- 402 ------------------------------------------------------------------------------------------------


def spend(world, kind) -> Operation:
    """Ask for something that costs."""
    by = world.ana
    if kind == "generate":
        return world.generate()
    if kind == "clone":
        link = "https://instagram.com/p/C1a2b3c4d5e/"
        return generating.clone(link, world.persona("Oat & Ember"), by=by, token=token())
    if kind == "sync":
        return syncing.start(world.persona("Oat & Ember"), by=by, token=token())
    if kind == "regenerate_post":
        return generating.regenerate_post(world.ready(), by=by, token=token())
    if kind == "regenerate_item":
        return generating.regenerate_item(world.item(world.ready()), by=by, token=token())
    return generating.convert_voice(world.item(world.ready("video")), by=by, token=token())


@pytest.mark.parametrize(
    "kind", ["generate", "clone", "sync", "regenerate_post", "regenerate_item", "voice_convert"]
)
def test_not_enough_balance_says_what_it_costs_what_there_is_and_whom_to_ask(world, signed_in, kind):
    world.mirror("Oat & Ember")
    if kind == "voice_convert":
        world.workspace.personas.update(has_voice=True)
    with committing():
        operation = spend(world, kind)
    world.sandbox.misbehave("402", match="POST *", times=1)
    operation = world.send(operation)
    have = f"${world.workspace.balance_cents / 100:.2f}"
    assert operation.state == "failed"
    browser = signed_in(world.ben)
    places = [f"/operations/{operation.pk}/"]
    places += (
        [f"/library/{operation.post_id}/"] if operation.post_id else [f"/personas/{operation.persona_id}/"]
    )
    for address in places:
        text = browser.get(address).content.decode()
        assert "Not enough balance: this costs" in text, address
        if operation.estimated_cents:
            assert f"this costs ${operation.estimated_cents / 100:.2f}, you have {have}" in text, address
        assert "An admin can top up under Billing" in text, address


def test_no_account_slot_left_is_told_with_where_to_buy_one(world, signed_in):
    world.mirror("Oat & Ember")
    persona = world.persona("Oat & Ember")
    operation = personas.connect_account(by=world.ana, token=token(), persona=persona)
    world.sandbox.misbehave("402", match="GET /api/v1/publishing/accounts/connect", times=1)
    assert world.send(operation).state == "failed"
    text = signed_in(world.ana).get(f"/personas/{persona.pk}/").content.decode()
    assert "Account slots are bought at the service" in text


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/sources/generation/", {"post": "source_post"}),
        ("/sources/clone/", {"url": "instagram.com/p/C1a2b3c4d5e/", "persona": "persona"}),
        ("/personas/{persona}/sync/", {}),
        ("/review/{post}/regeneration/", {"scope": "all"}),
        ("/items/{item}/regeneration/", {}),
        ("/items/{video}/voice/", {}),
    ],
)
def test_what_the_balance_does_not_cover_is_not_even_asked_for(stage, signed_in, address, form):
    stage.workspace.balance_cents = 2
    stage.workspace.save()
    names = {name: getattr(stage, name).pk for name in ("persona", "post", "item", "video", "source_post")}
    before = Operation.objects.count()
    browser = signed_in(stage.people["editor"])
    filled = {name: names.get(value, value) for name, value in form.items()}
    answer = browser.post(address.format(**names), filled, follow=True)
    text = answer.content.decode()
    assert "Not enough balance: this costs $" in text
    assert "you have $0.0" in text
    assert "An admin can top up under Billing" in text
    assert Operation.objects.count() == before


def test_a_slow_down_is_over_by_itself(ana, workspace, signed_in):
    key = workspace.keys.get()
    RateBudget.objects.create(fingerprint=key.fingerprint, blocked_until=now().timestamp() - 1)
    assert "slow down" not in signed_in(ana).get("/activity/").content.decode()
