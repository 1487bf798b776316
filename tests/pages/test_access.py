"""Coming in, and whose workspace one sees."""

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
