"""What people and workspaces choose: profile, policy, reasons, prices, the key, the sandbox's end."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from reviewqueue import vault
from reviewqueue.clock import now
from reviewqueue.models import Event, Member, PriceList, UpstreamKey, User, Workspace
from reviewqueue.services import polling, pricing, watches
from tests.factories import make_key, make_member, make_operation, make_post, make_workspace

HTMX = {"HX-Request": "true"}
PROFILE = {"name": "Ana R.", "hold": "20", "theme": "dark", "time_zone": "Europe/Lisbon", "single_keys": "on"}
WORKSPACE = {"name": "Northern", "time_zone": "Asia/Tokyo", "approvers": "2", "own_work_allowed": "on"}
SECRET = "rm_live_0123456789abcdef"


def text_of(answer) -> str:
    return answer.content.decode()


def error_at(text: str, field: str) -> str:
    return text.partition(f'id="{field}_error"')[2].partition("</span>")[0]


def poll_address(text: str) -> str:
    return text.partition('id="poller" data-poll hx-get="')[2].partition('"')[0].replace("&amp;", "&")


# ---- one's own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_everybody_chooses_for_themselves(workspace, signed_in, role):
    member = make_member(workspace, "Some One", role)
    browser = signed_in(member)
    assert "Some One" in text_of(browser.get("/settings/"))
    assert browser.post("/settings/", PROFILE)["Location"] == "/settings/"
    user = User.objects.get(pk=member.user_id)
    assert (user.name, user.hold_seconds, user.theme) == ("Ana R.", 20, "dark")
    assert (user.time_zone, user.single_keys) == ("Europe/Lisbon", True)
    page = text_of(browser.get("/settings/"))
    assert 'data-theme="dark"' in page
    assert "Saved" in page
    tabs = page.partition('aria-label="Settings"')[2].partition("</nav>")[0]
    assert ("/settings/keys/" in tabs) == (role == "admin")


def test_what_changed_is_on_the_record_and_what_did_not_is_not(ana, signed_in):
    browser = signed_in(ana)
    for _ in range(2):
        browser.post("/settings/", PROFILE, headers=HTMX)
    changed = Event.objects.get(name="settings.changed")
    assert changed.sentence == "Changed their own settings: hold time, name, theme, time zone"


def test_the_hold_can_last_until_one_sends(ana, post, signed_in):
    browser = signed_in(ana)
    browser.post("/settings/", PROFILE | {"hold": "hold"})
    assert User.objects.get(pk=ana.user_id).hold_seconds is None
    browser.post(f"/review/{post.pk}/approval/", {"fingerprint": post.fingerprint})
    assert "∞" in text_of(browser.get("/"))
    assert ana.holds.get().send_at is None


def test_times_are_shown_in_ones_own_zone(ana, workspace, signed_in):
    Event.objects.create(
        workspace=workspace, name="signed_in", by=ana, by_label="Ana", at=now().replace(hour=23, minute=17)
    )
    browser = signed_in(ana)
    assert "23:17" in text_of(browser.get("/activity/"))
    browser.post("/settings/", PROFILE | {"time_zone": "Asia/Kolkata"})
    text = text_of(browser.get("/activity/"))
    assert "04:47" in text
    assert "23:17" not in text


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_is_wrong_with_the_profile_stands_at_the_field(ana, signed_in, headers):
    browser = signed_in(ana)
    for field, typed, words in (
        ("name", "", "Write your name."),
        ("name", "n" * 81, "at most 80"),
        ("hold", "7", "valid choice"),
        ("hold", "", "required"),
        ("theme", "pink", "valid choice"),
        ("time_zone", "Mars/Base", "valid choice"),
    ):
        kept = PROFILE | {"name": "Kept Name"}
        answer = browser.post("/settings/", kept | {field: typed}, headers=headers)
        text = text_of(answer)
        assert answer.status_code == 422, (field, typed)
        assert words in error_at(text, f"id_{field}"), (field, typed)
        if field != "name":
            assert 'value="Kept Name"' in text
        if field != "time_zone":
            assert '<option value="Europe/Lisbon" selected>' in text
        assert ("<html" in text) == (headers == {})
    assert User.objects.get(pk=ana.user_id).name == "Ana Ruiz"


def test_theme_and_keys_have_switches_of_their_own(ana, signed_in):
    browser = signed_in(ana)
    assert browser.post("/settings/theme/", {"theme": "toggle"}, headers=HTMX).status_code == 204
    assert User.objects.get(pk=ana.user_id).theme == "dark"
    back = browser.post(
        "/settings/theme/", {"theme": "toggle"}, headers={"Referer": "http://testserver/library/"}
    )
    assert back["Location"] == "http://testserver/library/"
    away = browser.post("/settings/theme/", {"theme": "light"}, headers={"Referer": "https://evil.example/"})
    assert away["Location"] == "/"
    browser.post("/settings/theme/", {"theme": "pink"})
    assert User.objects.get(pk=ana.user_id).theme == "light"
    browser.post("/settings/keyboard/", {"keys": "0"}, headers=HTMX)
    assert not User.objects.get(pk=ana.user_id).single_keys
    assert 'data-keys="off"' in text_of(browser.get("/"))
    browser.post("/settings/keyboard/", {"keys": "nonsense"}, headers=HTMX)
    assert not User.objects.get(pk=ana.user_id).single_keys
    assert not Event.objects.exists()  # how a page looks is on nobody's record


def test_pictures_are_blurred_or_grey_for_one_person_on_every_page(ana, ben, post, signed_in):
    browser, other = signed_in(ana), signed_in(ben)
    for address in ("/", "/library/", f"/review/{post.pk}/"):
        assert "data-blur" not in text_of(browser.get(address))
    assert browser.post("/settings/looking/", {"blur": "1"}, headers=HTMX).status_code == 204
    back = browser.post(
        "/settings/looking/", {"grey": "1"}, headers={"Referer": f"http://testserver/review/{post.pk}/"}
    )
    assert back["Location"] == f"http://testserver/review/{post.pk}/"
    for address in ("/", "/library/", f"/review/{post.pk}/"):
        assert 'data-blur="on" data-grey="on"' in text_of(browser.get(address)).partition(">\n<head>")[0]
        assert 'data-blur="on"' not in text_of(other.get(address))
    page = text_of(browser.get(f"/review/{post.pk}/"))
    assert 'name="blur" value="0" aria-pressed="true"' in page
    browser.post("/settings/looking/", {"blur": "nonsense", "grey": "0"}, headers=HTMX)
    assert User.objects.get(pk=ana.user_id).greys_media  # nonsense changes nothing
    browser.post("/settings/looking/", {"grey": "0"}, headers=HTMX)
    assert not User.objects.get(pk=ana.user_id).greys_media
    assert not Event.objects.filter(name="settings.changed").exists()


def test_blur_and_grey_stand_in_the_profile_too(ana, signed_in):
    browser = signed_in(ana)
    answer = browser.post("/settings/", PROFILE | {"blurs_media": "on"}, headers=HTMX)
    assert 'data-worn="dark on on off"' in text_of(answer)
    user = User.objects.get(pk=ana.user_id)
    assert (user.blurs_media, user.greys_media) == (True, False)
    assert 'name="blurs_media" checked' in text_of(browser.get("/settings/"))
    browser.post("/settings/", PROFILE)
    assert not User.objects.get(pk=ana.user_id).blurs_media


# ---- the workspace ---------------------------------------------------------------------------------------


def test_name_zone_and_policy_are_set_and_recorded(ana, workspace, signed_in):
    browser = signed_in(ana)
    answer = browser.post("/settings/workspace/", WORKSPACE, headers=HTMX)
    assert "Saved" in text_of(answer)
    workspace.refresh_from_db()
    assert (workspace.name, workspace.time_zone) == ("Northern", "Asia/Tokyo")
    assert (workspace.approvers, workspace.own_work_allowed) == (2, True)
    browser.post("/settings/workspace/", WORKSPACE | {"own_work_allowed": ""})
    told = " ".join(event.sentence for event in Event.objects.filter(name="settings.changed"))
    for words in ("name to Northern", "time zone to Asia/Tokyo", "two people approve", "made themselves"):
        assert words in told, words


def test_an_older_page_does_not_set_back_what_another_admin_has_changed(ana, workspace, signed_in):
    browser = signed_in(ana)
    shown = re.search(r'name="shown" value="([^"]*)"', text_of(browser.get("/settings/workspace/")))[1]
    workspace.approvers = 2
    workspace.own_work_allowed = False
    workspace.save()
    was = {"time_zone": "UTC", "approvers": "1", "own_work_allowed": "on", "shown": shown}
    answer = browser.post("/settings/workspace/", was | {"name": "Northern"}, headers=HTMX)
    workspace.refresh_from_db()
    assert (workspace.name, workspace.approvers, workspace.own_work_allowed) == ("Northern", 2, False)
    assert 'value="2" checked' in text_of(answer)  # as it stands now


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_is_wrong_with_the_workspace_stands_at_the_field(ana, workspace, signed_in, headers):
    browser = signed_in(ana)
    for field, typed, words in (
        ("name", "", "Write a name."),
        ("time_zone", "Mars/Base", "valid choice"),
        ("approvers", "3", "valid choice"),
    ):
        answer = browser.post("/settings/workspace/", WORKSPACE | {field: typed}, headers=headers)
        text = text_of(answer)
        assert answer.status_code == 422
        assert words in error_at(text, f"id_{field}")
        if field != "name":
            assert 'value="Northern"' in text
        assert ("<html" in text) == (headers == {})
    workspace.refresh_from_db()
    assert workspace.name == "Northlight"


def test_the_reasons_are_put_in_order_and_shown_under_reject(ana, ben, post, signed_in):
    browser = signed_in(ana)
    text = text_of(browser.get("/settings/workspace/"))
    assert 'value="Wrong look"' in text
    form = {"text-0": "Too dark", "place-0": "3", "text-1": "  Off   topic ", "place-1": "1"}
    form |= {
        "text-2": "",
        "place-2": "2",
        "text-3": "Too dark",
        "place-3": "1",
        "text-8": "Last",
        "place-8": "",
    }
    assert "Saved" in text_of(browser.post("/settings/reasons/", form, headers=HTMX))
    texts = list(ana.workspace.reasons.values_list("text", flat=True))
    assert texts == ["Off topic", "Too dark", "Last"]
    page = text_of(signed_in(ben).get(f"/review/{post.pk}/rejection/"))
    assert page.index("Off topic") < page.index("Too dark") < page.index("Last")
    assert Event.objects.filter(name="settings.changed").count() == 1
    browser.post("/settings/reasons/", form)
    assert Event.objects.filter(name="settings.changed").count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_is_wrong_with_a_reason_stands_at_its_line(ana, signed_in, headers):
    form = {"text-0": "n" * 81, "place-0": "1", "text-1": "Kept words", "place-1": "0"}
    answer = signed_in(ana).post("/settings/reasons/", form, headers=headers)
    text = text_of(answer)
    assert answer.status_code == 422
    assert "at most 80" in error_at(text, "id_text-0")
    assert "greater than or equal to 1" in error_at(text, "id_place-1")
    assert 'value="Kept words"' in text
    assert f'value="{"n" * 81}"' in text
    assert ana.workspace.reasons.count() == 3


# ---- prices ----------------------------------------------------------------------------------------------

PRICES = {
    "image_mills": "0.50",
    "video_second_mills": "$0.2",
    "voice_second_mills": "0.005",
    "sync_creator_mills": "1",
    "discount_percent": "25",
}


def test_a_new_price_list_is_on_the_buttons_from_its_day_on(ana, workspace, signed_in):
    browser, today = signed_in(ana), timezone.localdate()
    later = today + timedelta(days=7)
    browser.post("/settings/prices/", PRICES | {"starts_on": later.isoformat()})
    assert pricing.prices(workspace).image_mills == 320  # not yet
    answer = browser.post("/settings/prices/", PRICES | {"starts_on": today.isoformat()}, headers=HTMX)
    assert "Saved" in text_of(answer)
    price = pricing.prices(workspace)
    assert (price.image_mills, price.video_second_mills, price.voice_second_mills) == (500, 200, 5)
    assert (price.sync_creator_mills, price.discount_percent) == (1000, 25)
    page = text_of(browser.get("/settings/prices/"))
    assert "$0.50" in page
    assert f"{later:%-d %b %Y}" in page
    assert PriceList.objects.count() == 2
    assert "the price list, from" in Event.objects.latest("at").sentence


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_is_wrong_with_a_price_stands_at_the_field(ana, signed_in, headers):
    browser, right = signed_in(ana), PRICES | {"starts_on": timezone.localdate().isoformat()}
    for field, typed, words in (
        ("image_mills", "free", "Write a price in dollars"),
        ("image_mills", "-1", "Write a price in dollars"),
        ("video_second_mills", "0.1234", "Write a price in dollars"),
        ("voice_second_mills", "", "required"),
        ("sync_creator_mills", "99999", "Write a price in dollars"),
        ("discount_percent", "91", "less than or equal to 90"),
        ("starts_on", "2001-01-31", "begins today or later"),
        ("starts_on", "soon", "Write a date such as"),
        ("starts_on", "9999-12-31", "Write a year up to 2999."),
    ):
        answer = browser.post("/settings/prices/", right | {field: typed}, headers=headers)
        text = text_of(answer)
        assert answer.status_code == 422, (field, typed)
        assert words in error_at(text, f"id_{field}"), (field, typed)
        assert f'value="{typed}"' in text or not typed, (field, typed)
        assert ("<html" in text) == (headers == {})
    assert not PriceList.objects.exists()


# ---- the key ---------------------------------------------------------------------------------------------

BAD_KEYS = (
    "",
    "   ",
    "sk_live_0123456789",
    "rm_",
    "rm_abc",
    "rm_with space",
    "rm_" + "x" * 198,
    "rm_ключ123",
)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_is_no_key_is_refused_at_the_field_and_never_echoed(ana, workspace, signed_in, headers):
    browser, before = signed_in(ana), workspace.keys.get().secret
    for secret in BAD_KEYS:
        answer = browser.post("/settings/keys/", {"secret": secret}, headers=headers)
        text = text_of(answer)
        assert answer.status_code == 422, secret
        assert error_at(text, "id_secret"), secret
        assert len(secret) < 8 or secret not in text, secret  # a mistyped key may be most of a real one
    assert workspace.keys.get().secret == before
    assert not Event.objects.exists()


def test_a_new_key_is_kept_encrypted_tried_and_frees_what_waits(ana, workspace, post, signed_in):
    waiting = make_operation(post, state="blocked", blocked_by="key", by=ana)
    UpstreamKey.objects.update(state="rejected")
    browser = signed_in(ana)
    answer = browser.post("/settings/keys/", {"secret": f"  {SECRET} "}, headers=HTMX)
    assert answer["HX-Redirect"] == "/settings/keys/"
    key = workspace.keys.get()
    assert vault.open_sealed(key.secret) == SECRET
    assert SECRET not in str(UpstreamKey.objects.values())
    assert (key.last_four, key.state) == ("cdef", "unchecked")
    assert workspace.watches.get(kind="key").hinted_at
    waiting.refresh_from_db()
    assert waiting.state == "queued"
    page = text_of(browser.get("/settings/keys/"))
    assert "rm_…cdef" in page
    assert SECRET not in page
    assert "Being tried" in page
    poll = poll_address(page)
    assert browser.get(poll, headers=HTMX).status_code == 204
    UpstreamKey.objects.update(state="working", checked_at=now(), scopes=["personas:read", "content:read"])
    told = text_of(browser.get(poll, headers=HTMX))
    assert "Works" in told
    assert "<code>content:write</code> <strong>missing.</strong> Nothing can be generated" in told
    assert "<code>personas:read</code> <strong>" not in told
    assert Event.objects.filter(name="key.added").count() == 1


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"state": "rejected", "checked_at": now(), "trouble": "no such key"},
            (
                "Rejected by the service",
                "no such key",
                "It is tried again by itself",
                "Enter another key below",
            ),
        ),
        ({"state": "unchecked", "trouble": "timed out"}, ("Could not be tried yet", "timed out")),
        ({"state": "working", "scopes": None}, ("The service would not say", "Go on setting up")),
    ],
)
def test_each_state_of_a_key_says_what_to_do(ana, signed_in, facts, words):
    UpstreamKey.objects.update(**facts)
    text = text_of(signed_in(ana).get("/settings/keys/"))
    for each in words:
        assert each in text


def test_the_service_tells_of_a_key_what_it_may_do(world, signed_in):
    """Against the sandbox: a good key, one without all scopes, one that is unknown."""
    own = make_workspace("Own", key=False, is_sandbox=True)
    ana = make_member(own, "Ana Ruiz", "admin")
    browser = signed_in(ana)
    lacking = world.sandbox.new_key("Reader", ["personas:read", "content:read"])
    for secret, state, words in (
        (lacking, "working", "<code>billing:read</code> <strong>missing.</strong>"),
        ("rm_nobody_knows_this_one", "rejected", "Rejected by the service"),
        (world.sandbox.new_key("Whole"), "working", "Works"),
    ):
        key = own.keys.first() or make_key(own, secret)
        key.secret, key.last_four, key.fingerprint = (
            vault.seal(secret),
            secret[-4:],
            vault.fingerprint(secret),
        )
        key.save()
        was_rejected = key.state == "rejected"
        for _ in range(1 + was_rejected):  # first whether it works again, then what it may do
            polling.look(watches.add(own.pk, "key", soon=True).pk)
        key.refresh_from_db()
        assert key.state == state
        text = text_of(browser.get("/settings/keys/"))
        assert words in text
    assert "missing.</strong>" not in text


def test_removing_the_key_asks_first_and_keeps_what_is_here(ana, workspace, persona, signed_in):
    post = make_post(persona)
    browser = signed_in(ana)
    for headers in ({}, HTMX):
        asks = text_of(browser.get("/settings/keys/removal/", headers=headers))
        assert "Remove the key ending in" in asks
    assert workspace.keys.exists()
    answer = browser.post("/settings/keys/removal/", follow=True)
    assert "The key was removed" in text_of(answer)
    assert not workspace.keys.exists()
    assert "There is no API key." in text_of(browser.get("/library/"))
    assert f'id="f-{post.pk}"' in text_of(browser.get("/library/"))
    again = browser.post("/settings/keys/removal/")
    assert again.status_code == 409
    assert "There is no key to remove." in text_of(again)
    assert "There is none." in text_of(browser.get("/settings/keys/"))


# ---- out of the sandbox ----------------------------------------------------------------------------------


@pytest.fixture
def sandbox(db):
    return make_workspace("Sandbox", is_sandbox=True)


@pytest.fixture
def sample(sandbox):
    """One of the sandbox's cast, who is nobody yet."""
    return make_member(sandbox, "Ana Ruiz", "admin", password=None, is_sample=True)


FIRST = {
    "secret": SECRET,
    "workspace": "Northlight",
    "name": "Noor Haddad",
    "email": "Noor@Example.com",
    "password": "a fresh long password",
}


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("secret", "nonsense", "begins with rm_"),
        ("workspace", "", "Write a name."),
        ("name", "", "Write your name."),
        ("email", "", "Write your email address."),
        ("email", "not an address", "valid email address"),
        ("email", "taken@example.com", "There is an account with this address."),
        ("password", "", "Choose a password."),
        ("password", "short", "too short"),
        ("password", "password123", "too common"),
        ("password", "noor@example.com", "too similar"),
    ],
)
def test_who_leaves_the_sandbox_says_who_they_are(sample, sandbox, signed_in, field, typed, words):
    User.objects.create_user("taken@example.com", "x", name="Somebody")
    answer = signed_in(sample).post("/settings/keys/", FIRST | {field: typed})
    text = text_of(answer)
    assert answer.status_code == 422
    assert words in error_at(text, f"id_{field}")
    for name in {"workspace", "name", "email"} - {field}:
        assert f'value="{FIRST[name]}"' in text, name
    assert FIRST["password"] not in text
    assert Workspace.objects.count() == 1


def test_a_key_in_the_sandbox_opens_a_workspace_of_ones_own(sample, sandbox, signed_in):
    browser = signed_in(sample)
    answer = browser.post("/settings/keys/", FIRST, follow=True)
    assert answer.redirect_chain == [("/settings/keys/", 302)]
    own = Workspace.objects.get(is_sandbox=False)
    noor = Member.objects.get(workspace=own)
    assert (noor.role, noor.user.email, own.name) == ("admin", "noor@example.com", "Northlight")
    assert "Northlight" in text_of(answer)
    assert vault.open_sealed(own.keys.get().secret) == SECRET
    assert vault.open_sealed(sandbox.keys.get().secret) != SECRET
    fresh = signed_in(noor)
    assert (
        fresh.post("/sign-in/", {"login": "noor@example.com", "password": FIRST["password"]}).status_code
        == 302
    )
    assert "Noor Haddad" in text_of(browser.get("/settings/"))


def test_the_sandbox_is_removed_after_a_question_and_only_with_somewhere_to_go(sample, sandbox, signed_in):
    browser = signed_in(sample)
    assert browser.get("/settings/sandbox/removal/").status_code == 404
    assert browser.post("/settings/sandbox/removal/").status_code == 404
    browser.post("/settings/keys/", FIRST)
    assert "Remove the sandbox" in text_of(browser.get("/settings/workspace/"))
    assert "It cannot be taken back." in text_of(browser.get("/settings/sandbox/removal/"))
    assert Workspace.objects.filter(is_sandbox=True).exists()
    answer = browser.post("/settings/sandbox/removal/", follow=True)
    assert answer.redirect_chain == [("/setup/", 302)]
    assert not Workspace.objects.filter(is_sandbox=True).exists()
    assert not User.objects.filter(is_sample=True).exists()
    assert "You are in the sandbox" not in text_of(answer)
    assert "Removed the workspace Sandbox" in text_of(browser.get("/activity/"))


def test_the_sandboxes_own_key_stays(sample, sandbox, signed_in):
    answer = signed_in(sample).post("/settings/keys/removal/")
    assert answer.status_code == 409
    assert sandbox.keys.exists()
