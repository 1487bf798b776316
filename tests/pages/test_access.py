"""Coming in, and whose workspace one sees."""

import pytest
from django.core.cache import caches
from django.core.cache.backends import locmem
from django.test import Client

from reviewqueue.models import Member, SignInLink, User
from reviewqueue.services import accounts
from tests.factories import make_member, make_workspace


def test_the_link_signs_in_once_and_a_look_at_it_does_not_use_it_up(client, ana):
    secret = accounts.make_link(ana.user)
    assert client.get(f"/enter/{secret}/").status_code == 200
    assert client.post(f"/enter/{secret}/").status_code == 302
    assert client.get("/").status_code == 200
    client.logout()
    for spent in (client.get(f"/enter/{secret}/"), client.post(f"/enter/{secret}/")):
        assert spent.status_code == 409
        assert "used already" in spent.content.decode()
    assert secret not in str(list(SignInLink.objects.values()))


def test_signing_in_with_a_password(client, ana):
    wrong = client.post("/sign-in/", {"login": ana.user.email, "password": "wrong"})
    assert "not correct" in wrong.content.decode()
    assert ana.user.email in wrong.content.decode()  # what was typed stays
    right = client.post("/sign-in/", {"login": ana.user.email, "password": "correct horse battery"})
    assert right.status_code == 302
    assert client.get("/").status_code == 200


@pytest.fixture
def limits(settings):
    settings.ACCOUNT_RATE_LIMITS = {}  # as they come


def another_process() -> None:
    """It remembers nothing of what this one has in memory."""
    locmem._caches.clear()
    assert caches["default"]
    del caches["default"]


def sign_in(email: str, password="wrong", **came_from) -> str:
    """Tried at another web process each time: "in", or what the page says."""
    another_process()
    answer = Client(**came_from).post("/sign-in/", {"login": email, "password": password})
    return "in" if answer.status_code == 302 else answer.content.decode()


def test_an_account_is_closed_for_a_while_after_five_wrong_passwords(limits, ana, ben):
    for number in range(5):
        assert "not correct" in sign_in(ana.user.email, REMOTE_ADDR=f"192.0.2.{number}")
    assert "Too many failed" in sign_in(ana.user.email, "correct horse battery", REMOTE_ADDR="192.0.2.9")
    assert sign_in(ben.user.email, "correct horse battery", REMOTE_ADDR="192.0.2.0") == "in"


def test_an_address_is_closed_for_a_while_after_ten(limits, ana):
    for number in range(10):
        assert "not correct" in sign_in(f"{number}@example.com")
    assert "Too many failed" in sign_in(ana.user.email, "correct horse battery")
    assert sign_in(ana.user.email, "correct horse battery", REMOTE_ADDR="192.0.2.9") == "in"


def test_behind_a_proxy_each_has_an_address_of_their_own_that_nobody_can_make_up(limits, settings, ana):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    for number in range(10):
        assert "not correct" in sign_in(f"{number}@example.com", HTTP_X_FORWARDED_FOR=f"{number}, 192.0.2.1")
    right = ana.user.email, "correct horse battery"
    assert "Too many failed" in sign_in(*right, HTTP_X_FORWARDED_FOR="192.0.2.9, 192.0.2.1")
    assert sign_in(*right, HTTP_X_FORWARDED_FOR="192.0.2.2") == "in"


def test_without_a_proxy_what_is_said_of_an_address_counts_for_nothing(limits, settings, ana):
    assert settings.ALLAUTH_TRUSTED_PROXY_COUNT == 0
    for number in range(10):
        assert "not correct" in sign_in(f"{number}@example.com", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")
    assert "Too many failed" in sign_in(ana.user.email, "correct horse battery")


def test_nobody_signs_up(client, db):
    typed = {"email": "eve@example.com", "password1": "correct horse battery"}
    assert client.get("/sign-up/").status_code == 302
    assert client.post("/sign-up/", typed).status_code == 302
    assert not User.objects.exists()


def test_a_changed_password_ends_other_sessions(ana, signed_in):
    browser = signed_in(ana)
    ana.user.set_password("another one entirely")
    ana.user.save()
    assert browser.get("/").status_code == 302


def test_whoever_was_made_inactive_is_out_at_once(ana, signed_in):
    browser = signed_in(ana)
    ana.is_active = False
    ana.save()
    answer = browser.get("/")
    assert answer.status_code == 403
    assert "not a member of any workspace" in answer.content.decode()


def test_a_member_of_two_workspaces_sees_the_one_chosen(ana, post, signed_in):
    other = make_workspace("Second")
    Member.objects.create(workspace=other, user=ana.user, role="viewer")
    browser = signed_in(ana)
    assert browser.post(f"/workspaces/{other.pk}/entry/").status_code == 302
    assert browser.get(f"/review/{post.pk}/").status_code == 404
    browser.post(f"/workspaces/{ana.workspace_id}/entry/")
    assert browser.get(f"/review/{post.pk}/").status_code == 200


def test_nobody_enters_a_workspace_that_is_not_theirs(ana, otto, signed_in):
    assert signed_in(ana).post(f"/workspaces/{otto.workspace_id}/entry/").status_code == 404


def test_sign_in_as_exists_only_in_the_sandbox(db, signed_in):
    sandbox = make_workspace("Sandbox", is_sandbox=True)
    ana = make_member(sandbox, "Ana Ruiz", "admin", is_sample=True)
    vera = make_member(sandbox, "Vera Stone", "viewer", is_sample=True)
    browser = signed_in(ana)
    assert "Sign in as Vera Stone" in browser.get("/").content.decode()
    assert browser.post(f"/sign-in/as/{vera.pk}/").status_code == 302
    assert "Vera Stone" in browser.get("/").content.decode()

    real = make_workspace("Real")
    one, two = (
        make_member(real, "One", "viewer", is_sample=True),
        make_member(real, "Two", "admin", is_sample=True),
    )
    assert signed_in(one).post(f"/sign-in/as/{two.pk}/").status_code == 404
    assert browser.post(f"/sign-in/as/{two.pk}/").status_code == 404


def test_security_headers_stand_on_every_page(ana, signed_in):
    answer = signed_in(ana).get("/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


def test_the_deployment_check_is_content(settings):
    from django.core import checks

    settings.SECURE_SSL_REDIRECT = True  # a proxy does it
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 1
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    found = checks.run_checks(include_deployment_checks=True)
    ours = "async.E001"  # the browser tests set it for themselves
    assert not [str(each) for each in found if not each.is_silenced() and each.id != ours]


def test_a_look_that_a_sign_in_overtook_does_not_take_the_new_cookie_away(ana, signed_in, settings):
    """A page polls with the cookie of before, and is answered after the session has changed."""
    browser = signed_in(ana)
    browser.cookies[settings.SESSION_COOKIE_NAME] = "of-a-session-that-is-no-more-0000"
    for answer in (browser.get("/live/queue/"), browser.get("/")):
        assert answer.wsgi_request.member is None
        assert settings.SESSION_COOKIE_NAME not in answer.cookies
    browser = signed_in(ana)
    assert browser.post("/sign-out/").cookies[settings.SESSION_COOKIE_NAME].value == ""
