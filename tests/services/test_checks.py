"""The preflight of real rows: what it reads, what it costs, and that only a stop keeps from approving."""

import pytest

from reviewqueue.clock import now
from reviewqueue.models import ConnectedAccount, MediaFile
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import desk, reviewing
from reviewqueue.services.checks import checks
from tests import factories
from tests.factories import make_account, make_file, make_operation, make_persona, make_post, make_target
from tests.services.test_pictures import PHASH, made, published
from tests.world import token


def line(post, code):
    return next(check for check in checks(post) if check.code == code)


def levels(post):
    return {check.code: check.level for check in checks(post)}


def read_again(post):
    return desk.refresh(post.pk, touched=True)


def measure(post, position=0, **facts):
    MediaFile.objects.filter(pk=post.items.get(position=position).file_id).update(**facts)


def approve(post, by):
    return reviewing.approve(post, by=by, fingerprint=post.fingerprint, token=token())


def test_a_ready_post_passes(post):
    assert set(levels(post).values()) == {"ok"}
    assert line(post, "shape").text == "2 items in 4:5, as Instagram takes it"
    assert line(post, "type").text.startswith("WebP, which the service has to turn into JPEG")
    assert line(post, "money").text == "Approving costs nothing. Balance $41.20"


def test_what_is_not_ready_stops(persona):
    failed = make_post(persona, item_statuses=["completed", "failed"])
    assert line(failed, "items").level == "stop"
    assert line(failed, "items").cure == "retry"
    assert levels(make_post(persona, status="generating"))["items"] == "stop"


def test_a_refused_file_stops_with_its_reason(post):
    measure(post, state="refused", reason="it is an SVG")
    assert line(post, "media").text == "A file was refused: it is an SVG"


def test_the_type_of_a_copy_is_that_of_its_bytes(persona):
    post = make_post(persona, media_type="video")
    assert line(post, "type").text == "MP4, as Instagram takes it"
    measure(post, content_type="video/webm")
    assert (line(post, "type").level, line(post, "type").cure) == ("warning", "item")
    measure(post, state="wanted")  # not here: nothing is known of it
    assert "type" not in levels(post)


# ---- accounts --------------------------------------------------------------------------------------------


def test_the_accounts_own_row_is_believed_before_the_list(post):
    ConnectedAccount.objects.update(status="expired")
    assert line(post, "accounts").level == "stop"
    assert line(post, "accounts").text == "@ines.calder must be signed in again"


def test_one_account_that_sleeps_beside_one_that_does_not(post, persona):
    make_target(persona, make_account(persona.workspace, "ines.elsewhere", status="expired"))
    assert line(post, "accounts").text == "Publishes to @ines.calder"
    assert line(post, "asleep").level == "warning"


def test_the_same_name_on_two_platforms(post, persona):
    make_target(persona, make_account(persona.workspace, "ines.calder", platform="tiktok"))
    assert line(post, "unsupported").text.startswith("TikTok is not supported")
    assert line(post, "accounts").text == "Publishes to @ines.calder, @ines.calder"


def test_a_persona_without_accounts_and_a_post_without_persona(workspace, persona):
    lonely = make_post(make_persona(workspace, "Kilo North", accounts=()))
    assert line(lonely, "accounts").text == "Kilo North has no publishing account"
    orphan = make_post(persona)
    orphan.persona = None
    assert line(orphan, "accounts").text == "No publishing account"


# ---- files -----------------------------------------------------------------------------------------------


def test_shape_and_length_are_those_of_the_copy(persona):
    post = make_post(persona, media_type="video")
    measure(post, width=1080, height=1920, duration_seconds=2.0)
    assert line(post, "duration").text == "It is 2 s long; Instagram takes 3 s to 15 min"
    measure(post, duration_seconds=4.5)
    assert line(post, "shape").text == "9:16, 4.5 s, as Instagram takes it"


def test_a_rejected_item_is_not_judged(post):
    measure(post, 1, width=1080, height=1920)
    assert line(post, "shape").level == "warning"
    post.items.filter(position=1).update(review_status="rejected")
    assert line(post, "shape").text == "4:5, as Instagram takes it"


def test_a_post_that_was_not_worked_out_anew_is_stopped(post):
    post.caption = "Something else"
    post.save()
    assert line(post, "fingerprint").level == "stop"
    assert line(read_again(post), "fingerprint").level == "ok"


def test_a_file_under_a_new_link_warns(post):
    post.items.filter(position=1).update(next_file=make_file(post.workspace, state="wanted"))
    assert line(post, "fingerprint").level == "warning"
    assert line(post, "fingerprint").text.startswith("Item 2 lies under a new link")


# ---- twins -----------------------------------------------------------------------------------------------


def test_a_near_duplicate_of_something_published(persona):
    other = published(persona)
    said = line(made(persona), "duplicate")
    assert (said.level, said.at) == ("warning", str(other.pk))
    assert said.text == f"Looks like Ines Calder {other.number}, published"


def test_a_second_approval_warns_for_the_same_account_only(persona, ana):
    other, post = made(persona), made(persona)
    elsewhere = made(make_persona(persona.workspace, "Oat & Ember", accounts=("oat.and.ember",)))
    approve(other, ana)
    said = line(post, "twice")
    assert said.text == f"Looks like Ines Calder {other.number}, approved and held for @ines.calder"
    assert levels(elsewhere)["duplicate"] == "ok"


def test_a_deleted_twin_has_nothing_to_show(persona):
    other = published(persona)
    other.deleted_at = now()
    other.save()
    assert line(made(persona), "duplicate").cure == ""


# ---- money -----------------------------------------------------------------------------------------------


def test_what_another_try_costs_is_compared_with_what_is_left(persona, workspace):
    post = make_post(persona, item_statuses=["completed", "failed"])
    assert levels(post)["money"] == "ok"
    workspace.balance_cents = 10
    workspace.save()
    post = read_again(post)
    assert line(post, "money").level == "warning"
    assert line(post, "money").cure == "top_up"


@pytest.mark.parametrize(("cause", "cure"), [("balance", "top_up"), ("cap", "billing")])
def test_an_operation_that_waits_for_money_is_told_of(persona, cause, cure):
    make_operation(make_post(persona), "regenerate_post", state="blocked", blocked_by=cause)
    assert line(make_post(persona), "money").cure == cure


# ---- the click -------------------------------------------------------------------------------------------


def test_a_warning_never_keeps_a_post_from_being_approved(persona, ana):
    published(persona)
    post = made(persona, caption="Thanks @salt.rooms #a #b #c #d #e #f")
    measure(post, width=1080, height=1920)
    assert "warning" in levels(post).values()
    assert approve(post, ana).verdict == "approve"


def test_a_stop_does_and_says_why(post, ana):
    post.caption = "x" * 2201
    post.save()
    post = read_again(post)
    with pytest.raises(NotAllowed, match=r"2,201 of 2,200 characters.*Instagram refuses it"):
        approve(post, ana)


# ---- what it costs ---------------------------------------------------------------------------------------


def test_as_many_queries_for_ten_items_among_many_posts(persona, django_assert_max_num_queries):
    few = made(persona)
    with django_assert_max_num_queries(5) as first:
        checks(few)
    for number in range(12):
        make_target(persona, make_account(persona.workspace, f"account.{number}"))
        published(persona, f"{int(PHASH, 16) ^ number:016x}")
    many = made(persona, *[f"{int(PHASH, 16) ^ (number << 20):016x}" for number in range(10)])
    with django_assert_max_num_queries(len(first) + 2):  # the near ones, and where they were published
        assert line(many, "duplicate").level == "warning"


def test_hostile_words_stay_words(workspace):
    words = '<script>alert("x")</script>'
    persona = factories.make_persona(workspace, words, accounts=(words[:40],))
    assert "<script>" in line(make_post(persona), "accounts").text
