"""Signing in and out, passwords and their reset, and nothing that tells who has an account."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client

from reviewqueue.clock import now
from reviewqueue.models import Member, SignInLink, User
from reviewqueue.services import accounts
from tests.factories import make_member, make_workspace

OLD, NEW = "correct horse battery", "a fresh long password"
TWICE = {"password1": NEW, "password2": NEW}


def text_of(answer) -> str:
    return answer.content.decode()


def error_at(text: str, field: str) -> str:
    return text.partition(f'id="{field}_error"')[2].partition("</span>")[0]


def without_tokens(text: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)


def can_sign_in(email: str, password: str) -> bool:
    browser = Client()
    browser.post("/sign-in/", {"login": email, "password": password})
    return browser.get("/").status_code == 200


def link_in_the_mail() -> str:
    return re.search(r"http://testserver(/reset/\S+)", mail.outbox[-1].body).group(1)


# ---- in and out ----------------------------------------------------------------------------------------


def test_signing_in_leads_where_one_wanted_to_go_and_nowhere_else(client, ana, post):
    wanted = f"/review/{post.pk}/"
    page = client.get(wanted, follow=True)
    assert f'name="next" value="{wanted}"' in text_of(page)
    form = {"login": ana.user.email, "password": OLD}
    assert client.post("/sign-in/", form | {"next": wanted})["Location"] == wanted
    for outside in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example"):
        answer = Client().post("/sign-in/", form | {"next": outside})
        assert answer.status_code == 302
        assert answer["Location"] == "/", outside


def test_a_wrong_address_and_a_wrong_password_are_told_the_same(client, ana):
    def told(email, password):
        answer = client.post("/sign-in/", {"login": email, "password": password})
        assert answer.status_code == 200
        return without_tokens(text_of(answer)).replace(email, "…")

    nobody = told("nobody@example.com", "wrong password")
    assert "not correct" in nobody
    assert told(ana.user.email, "wrong password") == nobody
    ana.user.is_active = False
    ana.user.save()
    assert told(ana.user.email, "wrong password") == nobody


def test_what_is_missing_stands_at_the_field_and_the_address_stays(client, ana):
    text = text_of(client.post("/sign-in/", {"login": "ana@example.com", "password": ""}))
    assert 'value="ana@example.com"' in text
    assert 'id="pw-e"' in text
    text = text_of(client.post("/sign-in/", {"login": "", "password": "x"}))
    assert 'id="email-e"' in text
    text = text_of(client.post("/sign-in/", {"login": "no address", "password": "typed secret"}))
    assert 'value="no address"' in text
    assert "typed secret" not in text


def test_signing_in_by_an_address_written_otherwise(client, ana):
    answer = client.post("/sign-in/", {"login": ana.user.email.upper(), "password": OLD})
    assert answer.status_code == 302


def test_signing_out_takes_a_press(ana, signed_in):
    browser = signed_in(ana)
    asks = browser.get("/sign-out/")
    assert asks.status_code == 200
    assert browser.get("/").status_code == 200  # a link to it signs nobody out
    assert browser.post("/sign-out/")["Location"] == "/sign-in/"
    assert browser.get("/")["Location"].startswith("/sign-in/")


def test_the_session_lasts_the_visit_unless_one_asks_to_be_kept(client, ana):
    form = {"login": ana.user.email, "password": OLD}
    client.post("/sign-in/", form)
    assert client.session.get_expire_at_browser_close()
    kept = Client()
    kept.post("/sign-in/", form | {"remember": "on"})
    assert not kept.session.get_expire_at_browser_close()


def test_a_form_older_than_the_session_says_so(ana, post):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ana.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = browser.post(f"/review/{post.pk}/approval/", {"fingerprint": post.fingerprint})
    assert answer.status_code == 403
    assert "This page is too old" in text_of(answer)
    assert not ana.holds.exists()


# ---- one-time links --------------------------------------------------------------------------------------


def test_a_link_is_for_half_an_hour_and_for_people_who_are_still_here(client, ana, ben):
    old, gone = accounts.make_link(ana.user), accounts.make_link(ben.user)
    SignInLink.objects.filter(user=ana.user).update(created_at=now() - timedelta(minutes=31))
    User.objects.filter(pk=ben.user_id).update(is_active=False)
    for secret in (old, gone, "never-made"):
        answer = client.post(f"/enter/{secret}/")
        assert answer.status_code == 409
        assert "This link is spent" in text_of(answer)
        assert client.get("/").status_code == 302


def test_signing_in_by_link_is_on_the_record(client, ana):
    client.post(f"/enter/{accounts.make_link(ana.user)}/")
    assert "Signed in" in text_of(client.get("/activity/"))


# ---- a forgotten password --------------------------------------------------------------------------------


def test_asking_for_a_reset_tells_nobody_who_has_an_account(client, ana):
    def told(email):
        answer = client.post("/reset/", {"email": email}, follow=True)
        return answer.redirect_chain, without_tokens(text_of(answer))

    chain, page = told("nobody@example.com")
    assert chain == [("/reset/sent/", 302)]
    assert "If there is an account with that address" in page
    assert "There is no account with it." in mail.outbox[-1].body  # known to the owner of the address only
    assert "http" not in mail.outbox[-1].body
    assert told(ana.user.email) == (chain, page)
    assert mail.outbox[-1].to == [ana.user.email]
    assert link_in_the_mail()


def test_what_is_no_address_is_told_at_the_field(client, ana):
    text = text_of(client.post("/reset/", {"email": "no address"}))
    assert error_at(text, "id_email")
    assert 'value="no address"' in text
    assert not mail.outbox


def test_the_link_in_the_mail_sets_a_password_once_and_ends_other_sessions(client, ana, signed_in):
    elsewhere = signed_in(ana)
    client.post("/reset/", {"email": ana.user.email})
    link = link_in_the_mail()
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0]  # the secret leaves the address bar
    assert "A new password" in text_of(form)
    assert link.rpartition("-")[2].strip("/") not in address
    answer = client.post(address, TWICE, follow=True)
    assert "Password changed" in text_of(answer)
    assert elsewhere.get("/").status_code == 302
    assert can_sign_in(ana.user.email, NEW)
    assert not can_sign_in(ana.user.email, OLD)
    spent = Client().get(link, follow=True)
    assert "This link is spent" in text_of(spent)
    assert "Have another one sent" in text_of(spent)


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"password1": "", "password2": ""}, "id_password1", "required"),
        ({"password1": "short", "password2": "short"}, "id_password1", "too short"),
        ({"password1": "password123", "password2": "password123"}, "id_password1", "too common"),
        ({"password1": NEW, "password2": "another long one"}, "id_password2", "same password"),
    ],
)
def test_a_weak_or_mistyped_password_is_told_at_the_field(client, ana, signed_in, typed, field, words):
    client.post("/reset/", {"email": ana.user.email})
    address = client.get(link_in_the_mail(), follow=True).redirect_chain[-1][0]
    text = text_of(client.post(address, typed))
    assert words in error_at(text, field)
    change = text_of(signed_in(ana).post("/account/password/", typed | {"oldpassword": OLD}))
    assert words in error_at(change, field)
    assert can_sign_in(ana.user.email, OLD)


@pytest.mark.parametrize("link", ["/reset/1-abc/", "/reset/zzzz-set-password/", "/reset/0-0-0/"])
def test_a_link_that_was_never_sent_is_spent(client, db, link):
    answer = client.get(link)
    assert answer.status_code == 200
    assert "This link is spent" in text_of(answer)


# ---- changing it -----------------------------------------------------------------------------------------


def test_changing_the_password_needs_the_old_one_and_ends_other_sessions(ana, signed_in):
    here, elsewhere = signed_in(ana), signed_in(ana)
    wrong = here.post("/account/password/", TWICE | {"oldpassword": "not it at all"})
    assert error_at(text_of(wrong), "id_oldpassword")
    assert "not it at all" not in text_of(wrong)
    assert can_sign_in(ana.user.email, OLD)
    answer = here.post("/account/password/", TWICE | {"oldpassword": OLD})
    assert answer.status_code == 302
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert can_sign_in(ana.user.email, NEW)


def test_who_came_by_a_link_chooses_a_first_password(workspace, signed_in):
    member = make_member(workspace, "New Person", password=None)
    browser = signed_in(member)
    assert 'href="/account/password/new/"' in text_of(browser.get("/settings/"))
    assert browser.get("/account/password/")["Location"] == "/account/password/new/"
    assert browser.post("/account/password/new/", TWICE).status_code == 302
    assert can_sign_in(member.user.email, NEW)


# ---- as somebody else, and elsewhere ---------------------------------------------------------------------


def test_being_somebody_else_is_for_the_sandboxs_cast_only(client, workspace, ana, signed_in):
    sandbox = make_workspace("Sandbox", is_sandbox=True)
    sample = make_member(sandbox, "Ana Ruiz", "admin", is_sample=True)
    vera = make_member(sandbox, "Vera Stone", "viewer", is_sample=True)
    real = make_member(sandbox, "Noor Haddad", "admin")
    left = make_member(sandbox, "Left Long", "admin", is_sample=True)
    Member.objects.filter(pk=left.pk).update(is_active=False)
    browser = signed_in(sample)
    menu = text_of(browser.get("/"))
    assert "Sign in as Vera Stone" in menu
    assert "Sign in as Noor Haddad" not in menu
    for other in (real, left, ana):
        assert browser.post(f"/sign-in/as/{other.pk}/").status_code == 404
    assert browser.post(f"/sign-in/as/{vera.pk}/").status_code == 302
    assert 'data-role="viewer"' in text_of(browser.get("/"))
    assert browser.get("/settings/keys/").status_code == 403
    assert signed_in(ana).post(f"/sign-in/as/{vera.pk}/").status_code == 404  # from a real workspace
    assert "Sign in as" not in text_of(signed_in(ana).get("/"))
    assert client.post(f"/sign-in/as/{vera.pk}/")["Location"].startswith("/sign-in/?next=")


def test_somebody_in_two_workspaces_has_a_role_in_each(ana, workspace, post, signed_in):
    second = make_workspace("Second")
    Member.objects.create(workspace=second, user=ana.user, role="viewer")
    browser = signed_in(ana)
    assert "Go to <bdi>Second</bdi>" in text_of(browser.get("/"))
    assert browser.get("/billing/").status_code == 200
    browser.post(f"/workspaces/{second.pk}/entry/")
    page = text_of(browser.get("/"))
    assert 'data-role="viewer"' in page
    assert "Go to <bdi>Northlight</bdi>" in page
    assert browser.get("/billing/").status_code == 403
    assert browser.get(f"/library/{post.pk}/").status_code == 404
    assert f'id="f-{post.pk}"' not in text_of(browser.get("/library/"))
    Member.objects.filter(workspace=second).update(is_active=False)
    assert browser.get(f"/library/{post.pk}/").status_code == 200  # back where one still is
