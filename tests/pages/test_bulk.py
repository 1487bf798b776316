"""Many posts at once: one hold, a reason, a bill before money, and each refusal in its place."""

import uuid

import pytest

from reviewqueue.models import Decision, Hold, Operation
from tests.factories import make_persona, make_post

SCRIPT = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


def named(*posts) -> list[str]:
    return [f"{post.pk}:{post.fingerprint}" for post in posts]


@pytest.fixture
def half(persona):
    """Four items, one of which failed."""
    return make_post(persona, item_statuses=["completed", "completed", "completed", "failed"])


@pytest.fixture
def broken(persona):
    return make_post(persona, items=2, status="failed")


def test_rejecting_several_asks_for_a_reason_on_a_page_without_a_script(ben, persona, signed_in):
    posts, browser = [make_post(persona) for _ in range(3)], signed_in(ben)
    picked = named(*posts)
    page = browser.post("/review/rejections/", {"post": picked, "ask": "1", "query": "?age=day"})
    text = page.content.decode()
    assert "Reject 3 posts" in text
    assert 'value="Low quality"' in text
    assert all(f'value="{one}"' in text for one in picked)
    assert not Decision.objects.exists()
    form = {"post": picked, "reason": "Low quality", "words": "too dark", "query": "?age=day"}
    after = browser.post("/review/rejections/", form)
    assert after["Location"] == "/?age=day"
    assert {one.reason for one in Decision.objects.all()} == {"Low quality: too dark"}
    hold = Hold.objects.get()
    assert (hold.what, hold.count) == ("Rejected 3", 3)


def test_a_double_press_is_one_hold(ben, persona, signed_in):
    posts, browser = [make_post(persona) for _ in range(2)], signed_in(ben)
    form = {"post": named(*posts), "token": str(uuid.uuid4())}
    for _ in range(2):
        browser.post("/review/rejections/", form, headers=SCRIPT)
    assert Decision.objects.count() == 2
    assert Hold.objects.filter(state="held").get().count == 2


def test_each_refused_row_says_why_in_its_place(ana, ben, persona, workspace, signed_in):
    fine, gone, bare = make_post(persona), make_post(persona), make_post(make_persona(workspace, accounts=()))
    signed_in(ben).post(f"/review/{gone.pk}/rejection/", {"fingerprint": gone.fingerprint})
    answer = (
        signed_in(ana)
        .post("/review/approvals/", {"post": named(fine, gone, bare)}, headers=SCRIPT)
        .content.decode()
    )
    assert "1 decided, 2 not." in answer
    for post, why in ((gone, "Ben Adler rejected this"), (bare, "publishing account")):
        told = answer.split(f'data-of="f-{post.pk}"')[1].split("</p>")[0]
        assert why in told
    assert f'data-of="f-{fine.pk}"' not in answer
    plain = signed_in(ana).post("/review/approvals/", {"post": named(gone)}, follow=True)
    assert f"{gone.number}: Ben Adler rejected this" in plain.content.decode()


def test_more_than_can_be_decided_at_once_are_not_lost_in_silence(ben, post, signed_in):
    picks = [*named(post), *(f"{uuid.uuid4()}:x" for _ in range(204))]
    answer = signed_in(ben).post("/review/rejections/", {"post": picks}, headers=SCRIPT)
    assert "200 at once at most: 5 left as they were" in answer.content.decode()


# ---- money ---------------------------------------------------------------------------------------


def test_the_bill_stands_before_the_yes_and_the_cheaper_way_first(edda, half, broken, post, signed_in):
    browser = signed_in(edda)
    asked = {"post": named(half, broken, post), "ask": "1"}
    text = browser.post("/review/regenerations/", asked, headers=SCRIPT).content.decode()
    assert "Make 3 posts anew?" in text
    assert "Only 3 of 8 items failed" in text
    assert text.index("Retry 3 <span") < text.index("Charged now")
    assert "8 images at $0.32" in text
    assert "$2.56" in text
    assert "$38.64" in text  # of 41.20
    assert not Operation.objects.exists()
    failed = browser.post("/review/regenerations/", asked | {"scope": "failed"}).content.decode()
    assert "Retry what failed in 2 posts?" in failed
    assert "1 of those you picked is left out" in failed
    assert "Nothing failed in this post" in failed
    assert "$0.96" in failed


def test_the_yes_queues_each_and_says_which_were_not(edda, half, broken, persona, signed_in):
    out = make_post(persona, review_status="published")
    form = {"post": named(half, broken, out), "scope": "all", "token": str(uuid.uuid4())}
    for _ in range(2):  # pressed twice
        answer = signed_in(edda).post("/review/regenerations/", form, headers=SCRIPT).content.decode()
        assert "2 queued, 1 not." in answer
        assert "what is out cannot be made anew" in answer.split(f'data-of="f-{out.pk}"')[1]
    made = Operation.objects.all()
    assert {one.post for one in made} == {half, broken}
    assert {(one.kind, one.state, one.estimated_cents) for one in made} == {
        ("regenerate_post", "queued", 128),
        ("regenerate_post", "queued", 64),
    }
    assert len({one.batch for one in made}) == 1


def test_what_failed_is_retried_at_its_own_price(edda, half, broken, signed_in):
    signed_in(edda).post("/review/regenerations/", {"post": named(half, broken), "scope": "failed"})
    made = {one.post: (one.kind, one.estimated_cents) for one in Operation.objects.all()}
    assert made == {half: ("retry_failed", 32), broken: ("retry_failed", 64)}


def test_a_balance_that_does_not_cover_it_is_said_before(edda, workspace, half, signed_in):
    workspace.balance_cents = 50
    workspace.save()
    asked = {"post": named(half), "ask": "1"}
    text = signed_in(edda).post("/review/regenerations/", asked, headers=SCRIPT).content.decode()
    assert "Not enough balance: this costs $1.28, you have $0.50." in text
    assert 'aria-disabled="true"' in text
    assert "Retry 1 <span" in text  # that much is covered


def test_what_was_made_anew_before_is_named(edda, post, signed_in):
    post.items.update(take=2)
    from reviewqueue.services import desk

    desk.refresh(post.pk, touched=True)
    asked = {"post": named(post), "ask": "1"}
    text = signed_in(edda).post("/review/regenerations/", asked, headers=SCRIPT).content.decode()
    assert "1 of them was made anew before." in text


def test_nothing_of_what_was_picked_can_be_made_anew(edda, persona, post, signed_in):
    out = make_post(persona, review_status="published")
    text = signed_in(edda).post("/review/regenerations/", {"post": named(out), "ask": "1"}).content.decode()
    assert "Nothing to make anew" in text
    assert "It is published" in text
    empty = signed_in(edda).post("/review/regenerations/", {"scope": "all"}).content.decode()
    assert "Pick posts on the contact sheet first" in empty


def test_spending_takes_an_editor_and_a_stranger_finds_nothing(ben, otto, half, signed_in):
    assert signed_in(ben).post("/review/regenerations/", {"post": named(half), "ask": "1"}).status_code == 403
    asked = {"post": named(half), "ask": "1"}
    assert "Nothing to make anew" in signed_in(otto).post("/review/regenerations/", asked).content.decode()
    signed_in(otto).post("/review/regenerations/", {"post": named(half), "scope": "all"})
    assert not Operation.objects.exists()


def test_the_bill_of_many_takes_as_many_queries_as_of_two(
    edda, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    browser = signed_in(edda)
    posts = [make_post(persona, items=2) for _ in range(12)]

    def ask(some):
        return browser.post("/review/regenerations/", {"post": named(*some), "ask": "1"}, headers=SCRIPT)

    ask(posts)
    with django_assert_max_num_queries(20) as few:
        ask(posts[:2])
    with django_assert_num_queries(len(few)):
        ask(posts)
