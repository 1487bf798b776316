"""Who has what on the screen."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, Look
from reviewqueue.services import looks
from tests.factories import make_post


@pytest.fixture(autouse=True)
def _nothing_noted():
    looks._written.clear()
    looks._open.clear()


def test_a_look_is_written_once_in_ten_seconds(ana, post, django_assert_num_queries):
    looks.note(ana, post)
    with django_assert_num_queries(0):
        for _ in range(5):
            looks.note(ana, post)
    assert Look.objects.get().post == post


def test_a_later_look_moves_the_same_row(ana, post):
    looks.note(ana, post)
    Look.objects.update(at=now() - timedelta(minutes=1))
    looks._written.clear()
    looks.note(ana, post)
    assert Look.objects.get().at > now() - timedelta(seconds=5)


def test_the_queue_and_a_post_are_two_looks(ana, post):
    looks.note(ana)
    looks.note(ana, post)
    looks._written.clear()
    looks.note(ana)
    assert Look.objects.count() == 2


def test_others_are_named_who_look_now(ana, ben, vera, post):
    for member in (ana, ben, vera):
        looks.note(member, post)
    Look.objects.filter(member=vera).update(at=now() - timedelta(seconds=26))
    assert company(ana, post).here == "Ben Adler"


def test_what_is_remembered_does_not_grow_for_ever(ana, post):
    looks._written.update(dict.fromkeys(range(10_001), 0.0))
    looks.note(ana, post)
    assert len(looks._written) == 1


def company(member, post):
    """As a poll reads it: in the query for the post."""
    found = GeneratedPost.objects.annotate(around=looks.around(member)).get(pk=post.pk)
    return looks.Company(found.around, found)


def test_whoever_opens_the_next_post_leaves_the_last(ana, ben, persona, post):
    second = make_post(persona)
    looks.note(ana, post)
    assert looks.taken(ben) == {post.pk}
    looks.note(ana, second)
    assert looks.taken(ben) == {second.pk}
    looks.note(ana, post)  # back at once, within the ten seconds
    assert looks.taken(ben) == {post.pk}
    assert looks.taken(ana) == set()


def test_what_stands_in_two_windows_is_looked_at_in_both(ana, persona, post):
    """The poller asks for it sooner; only the lease is of one at a time."""
    second = make_post(persona)
    for one in (post, second):
        looks.note(ana, one)
    assert set(Look.objects.values_list("post_id", flat=True)) == {post.pk, second.pk}


def test_a_lease_lapses(ana, ben, post):
    looks.note(ana, post)
    Look.objects.update(at=now() - timedelta(seconds=looks.LEASE_SECONDS + 1))
    assert looks.taken(ben) == set()


def test_a_poll_learns_who_is_where_in_one_query(ana, ben, vera, persona, post, django_assert_num_queries):
    second = make_post(persona)
    assert (company(ana, post).mark, company(ana, post).taken, company(ana, post).here) == ("", {}, "")
    looks.note(ana, post)
    assert company(ana, post).mark == ""  # one is no company to oneself
    looks.note(ben, post)
    looks.note(vera, second)
    with django_assert_num_queries(1):
        found = company(ana, post)
        assert found.mark
    assert found.mark == looks.Company.of(ana, post).mark
    assert found.taken == {str(post.pk): "Ben Adler", str(second.pk): vera.user.name}
    assert found.here == "Ben Adler"
    looks.note(ben, second)
    assert company(ana, post).mark != found.mark
    assert company(ana, second).here in (f"Ben Adler and {vera.user.name}", f"{vera.user.name} and Ben Adler")


def test_nobody_of_another_workspace_is_company(ana, otto, post):
    looks.note(otto, post)  # no page would let him
    assert looks.taken(ana) == set()
    assert company(ana, post).mark == ""
