"""Who has what on the screen."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Look
from reviewqueue.services import looks


@pytest.fixture(autouse=True)
def _nothing_noted():
    looks._written.clear()


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
    assert looks.others(ana, post) == ["Ben Adler"]


def test_what_is_remembered_does_not_grow_for_ever(ana, post):
    looks._written.update(dict.fromkeys(range(10_001), 0.0))
    looks.note(ana, post)
    assert len(looks._written) == 1
