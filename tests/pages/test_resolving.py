"""What a person can do with an operation that nobody knows the outcome of, on its page and in the queue."""

import uuid

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Event, Operation, Watch
from reviewqueue.services import desk
from tests.factories import make_member, make_operation

HTMX = {"HX-Request": "true"}


@pytest.fixture
def unknown(ana, post):
    operation = make_operation(
        post, "regenerate_item", by=ana, state="unknown", sent_at=now(), look_at=now(), estimated_cents=32
    )
    Operation.objects.filter(pk=operation.pk).update(item=post.items.get(position=0))
    desk.refresh(post.pk, touched=True)
    return Operation.objects.get(pk=operation.pk)


def page_of(browser, operation) -> str:
    return browser.get(f"/operations/{operation.pk}/").content.decode()


def test_the_page_offers_to_look_and_to_say_what_was_seen(ana, unknown, signed_in):
    page = page_of(signed_in(ana), unknown)
    assert "Check now" in page
    assert "Looked for again at" in page
    assert "I looked myself" in page
    assert "Send again" not in page


def test_when_the_looking_is_over_the_page_asks_for_a_person(ana, unknown, signed_in):
    Operation.objects.update(look_at=None, looks=8)
    page = page_of(signed_in(ana), unknown)
    assert "Looked for 8 times" in page
    assert "not looked for any more by itself" in page


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_everybody_may_ask_for_a_look_and_few_may_settle_it(workspace, unknown, signed_in, role):
    browser = signed_in(make_member(workspace, "Some One", role))
    assert browser.post(f"/operations/{unknown.pk}/check/").status_code == 302
    assert Watch.objects.get(kind="unknown").hinted_at
    may = role in ("editor", "admin")
    assert ("I looked myself" in page_of(browser, unknown)) == may
    words = {"note": "Not on the account", "happened": "0"}
    answer = browser.post(f"/operations/{unknown.pk}/resolution/", words)
    assert answer.status_code == (302 if may else 403)
    unknown.refresh_from_db()
    assert unknown.state == ("absent" if may else "unknown")


def test_a_word_without_a_note_is_asked_for_at_the_field_and_loses_nothing(ana, unknown, signed_in):
    browser, address = signed_in(ana), f"/operations/{unknown.pk}/resolution/"
    answer = browser.post(address, {"note": " ", "happened": "1"}, headers=HTMX)
    assert answer.status_code == 422
    assert "Say what you saw, and where." in answer.content.decode()
    answer = browser.post(address, {"note": "Look <b>here</b>"}, headers=HTMX)
    assert answer.status_code == 422
    assert "Say whether it happened." in answer.content.decode()
    assert "Look &lt;b&gt;here&lt;/b&gt;</textarea>" in answer.content.decode()
    assert browser.post(address, {"note": "x" * 301, "happened": "1"}, headers=HTMX).status_code == 422
    unknown.refresh_from_db()
    assert unknown.state == "unknown"
    assert not Event.objects.filter(name="operation.resolved").exists()


def test_what_is_known_by_now_is_not_settled_again(ana, unknown, signed_in):
    Operation.objects.update(state="succeeded")
    browser = signed_in(ana)
    words = {"note": "Not there", "happened": "0"}
    assert browser.post(f"/operations/{unknown.pk}/resolution/", words).status_code == 409
    assert browser.post(f"/operations/{unknown.pk}/check/").status_code == 409
    unknown.refresh_from_db()
    assert unknown.state == "succeeded"


@pytest.mark.parametrize("state", ["failed", "absent"])
def test_what_did_not_happen_is_sent_again_with_its_price_once(ana, unknown, signed_in, state):
    Operation.objects.update(state=state, reason="no")
    browser = signed_in(ana)
    page = page_of(browser, unknown)
    assert "Send again" in page
    assert "about $0.32" in page
    form = {"token": str(uuid.uuid4())}
    first = browser.post(f"/operations/{unknown.pk}/repetition/", form)
    assert first.status_code == 302
    assert browser.post(f"/operations/{unknown.pk}/repetition/", form)["Location"] == first["Location"]
    again = Operation.objects.get(retry_of=unknown)
    assert first["Location"] == f"/operations/{again.pk}/"
    assert "Send again" not in page_of(browser, unknown)
    assert "Sent again as" in page_of(browser, unknown)
    answer = browser.post(f"/operations/{unknown.pk}/repetition/", {"token": str(uuid.uuid4())})
    assert answer.status_code == 409


def test_whoever_may_not_spend_is_told_whom_to_ask(ben, unknown, signed_in):
    Operation.objects.update(state="absent", reason="no")
    browser = signed_in(ben)
    assert "Sending it again takes an editor" in page_of(browser, unknown)
    assert browser.post(f"/operations/{unknown.pk}/repetition/").status_code == 403


def test_a_stranger_finds_nothing(otto, unknown, signed_in):
    browser = signed_in(otto)
    for what in ("check", "resolution", "repetition"):
        assert browser.post(f"/operations/{unknown.pk}/{what}/").status_code == 404


def test_the_queue_offers_it_too(ana, unknown, signed_in):
    browser = signed_in(ana)
    page = browser.get("/?tab=attention").content.decode()
    assert f"/operations/{unknown.pk}/check/" in page
    here = HTMX | {"HX-Current-URL": "http://testserver/?tab=attention"}
    answer = browser.post(f"/operations/{unknown.pk}/check/", headers=here)
    assert answer.status_code == 200
    assert 'id="known"' not in answer.content.decode()
    assert "It is being looked for" in answer.content.decode()
