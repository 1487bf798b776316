"""One operation with all that was said on the wire."""

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Event
from reviewqueue.services import operations, resolving
from tests.factories import make_member, make_operation

HTMX = {"HX-Request": "true"}
KEY = "rm_test_key_of_a_fake_workspace"  # of the factories


@pytest.fixture
def operation(ana, post):
    found = make_operation(post, "regenerate_item", by=ana, state="failed", reason="The service refused: no")
    found.exchanges.create(
        number=0,
        at=now(),
        seconds=0.1,
        method="GET",
        path="/v1/generated-media-items/abc",
        status=200,
        answer='{"data":{"id":"abc"}}',
        headers={"content-type": "application/json"},
    )
    found.exchanges.create(
        number=1,
        at=now(),
        seconds=0.42,
        method="POST",
        path="/v1/generate/media-item",
        request='{"generated_media_item_id":"abc"}',
        status=422,
        answer='{"error":"no"}',
    )
    return found


def blocked(post, by, cause="balance"):
    return make_operation(
        post,
        "regenerate_post",
        by=by,
        state="blocked",
        blocked_by=cause,
        reason="The balance ran out",
        estimated_cents=64,
    )


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_everybody_may_look(workspace, operation, signed_in, role):
    page = signed_in(make_member(workspace, "Some One", role)).get(f"/operations/{operation.pk}/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "The service refused: no. Nothing happened at the service." in text
    assert "/v1/generate/media-item" in text
    assert "422" in text
    assert "&quot;generated_media_item_id&quot;: &quot;abc&quot;" in text  # spread out
    assert "content-type" in text


def test_a_stranger_finds_nothing(otto, operation, signed_in):
    browser = signed_in(otto)
    assert browser.get(f"/operations/{operation.pk}/").status_code == 404
    assert browser.get(f"/live/operations/{operation.pk}/").status_code == 404
    assert browser.post(f"/operations/{operation.pk}/release/").status_code == 404


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("queued", "It is sent next"),
        ("sending", "the answer is awaited"),
        ("succeeded", "answered that it was done"),
        ("unknown", "no usable answer came. A new version may be on its way"),
        ("absent", "has not happened"),
        ("cancelled", "Taken back before it was sent"),
    ],
)
def test_every_state_is_said_in_plain_words(ana, post, signed_in, state, words):
    operation = make_operation(post, "regenerate_item", by=ana, state=state)
    assert words in signed_in(ana).get(f"/operations/{operation.pk}/").content.decode()


@pytest.mark.parametrize("role", ["editor", "admin"])
def test_what_the_balance_stopped_is_let_go_on(workspace, post, signed_in, role):
    member = make_member(workspace, "Some One", role)
    operation = blocked(post, member)
    browser = signed_in(member)
    assert "Let it go on" in browser.get(f"/operations/{operation.pk}/").content.decode()
    answer = browser.post(f"/operations/{operation.pk}/release/")
    assert answer.status_code == 302
    assert answer["Location"] == f"/operations/{operation.pk}/"
    operation.refresh_from_db()
    assert operation.state == "queued"
    assert operation.events.get().by_label == "Some One"
    assert Event.objects.filter(name="operation.released", operation=operation).exists()
    assert browser.post(f"/operations/{operation.pk}/release/").status_code == 409


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_whoever_may_not_spend_may_not_let_it_go_on(workspace, ana, post, signed_in, role):
    member = make_member(workspace, "Some One", role)
    operation = blocked(post, ana)
    browser = signed_in(member)
    assert 'aria-disabled="true"' in browser.get(f"/operations/{operation.pk}/").content.decode()
    assert browser.post(f"/operations/{operation.pk}/release/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == "blocked"


@pytest.mark.parametrize(("role", "status"), [("editor", 302), ("reviewer", 403)])
def test_what_is_blocked_is_withdrawn_by_whoever_may(workspace, ana, post, signed_in, role, status):
    operation = blocked(post, ana, cause="role")
    browser = signed_in(make_member(workspace, "Some One", role))
    assert (">Withdraw<" in browser.get(f"/operations/{operation.pk}/").content.decode()) == (status == 302)
    assert browser.post(f"/operations/{operation.pk}/withdrawal/").status_code == status
    operation.refresh_from_db()
    assert operation.state == ("cancelled" if status == 302 else "blocked")


def test_what_something_else_stopped_is_not_a_persons_to_free(ana, post, signed_in):
    operation = blocked(post, ana, cause="key")
    browser = signed_in(ana)
    assert "Let it go on" not in browser.get(f"/operations/{operation.pk}/").content.decode()
    assert browser.post(f"/operations/{operation.pk}/release/").status_code == 409


def test_a_poll_is_empty_until_it_moves_and_ends_with_it(ana, post, signed_in):
    operation = make_operation(post, "reject", by=ana)
    browser = signed_in(ana)
    page = browser.get(f"/operations/{operation.pk}/").content.decode()
    assert "data-poll" in page
    address = f"/live/operations/{operation.pk}/?v=queued.0.0.0"
    assert browser.get(address, headers=HTMX).status_code == 204
    operations.cancel(operation, by=ana)
    text = browser.get(address, headers=HTMX).content.decode()
    assert "Taken back" in text
    assert "data-poll" not in text


def test_no_key_stands_on_the_page(ana, operation, signed_in):
    text = signed_in(ana).get(f"/operations/{operation.pk}/").content.decode()
    assert KEY not in text
    assert "rm_" not in text


def test_hostile_answers_stand_there_as_text(ana, post, signed_in):
    operation = make_operation(post, "reject", by=ana, state="failed", reason="<b>bold</b>")
    operation.events.create(action="refuse", before="sending", after="failed", note="<i>\u202e\x07")
    operation.exchanges.create(
        number=1,
        at=now(),
        seconds=1,
        method="POST",
        path="/x/<script>",
        request="not json </pre><script>alert(1)</script>",
        status=500,
        answer='["</bdi>\u202eabc", "' + "x" * 3000 + '"]',
        headers={"x-request-id": "<script>\u202e"},
        error="\x07<img>",
    )
    text = signed_in(ana).get(f"/operations/{operation.pk}/").content.decode()
    for tag in ("<script>alert", "<script>\\", "<b>bold", "<img>", "/x/<script>"):
        assert tag not in text
    assert "\u202e" not in text
    assert "\\u202eabc" in text
    assert "<summary" in text  # a long answer is folded


def test_half_a_character_in_an_answer_stands_there_as_its_number(ana, post, signed_in):
    operation = make_operation(post, "reject", by=ana, state="failed")
    cut = r'{"error": {"code": "REFUSED", "message": "Not now \ud83d"}}'  # in the middle of an emoji
    operation.exchanges.create(
        number=1, at=now(), seconds=1, method="POST", path="/x", request="", status=409, answer=cut
    )
    text = signed_in(ana).get(f"/operations/{operation.pk}/").content.decode()
    assert "Not now \\ud83d" in text


def test_the_doubt_of_an_approval_names_the_accounts(ana, post):
    operation = make_operation(post, "approve", by=ana, state="unknown")
    assert "Look at @ines.calder before doing anything" in resolving.known(operation)
