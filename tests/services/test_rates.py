"""One minute of sixty requests, shared by everybody who uses the key."""

import time
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import RateBudget, UpstreamKey
from reviewqueue.services import rates
from tests.factories import make_workspace
from tests.world import from_threads, only_postgresql

KEY = "k" * 32
AT = 1_800_000_000.0

pytestmark = pytest.mark.django_db


def fill(count: int, at: float = AT) -> None:
    rates.grant(KEY, count, "decide", at=at)


def test_a_minute_holds_sixty(settings):
    assert all(rates.grant(KEY, 1, "decide", at=AT).given for _ in range(60))
    refused = rates.grant(KEY, 1, "decide", at=AT)
    assert not refused.given
    assert refused.wait_seconds == pytest.approx(rates.MINUTE)
    assert refused.used_share == 1.0


def test_the_minute_slides():
    for second in range(60):
        assert rates.grant(KEY, 1, "decide", at=AT + second).given
    assert not rates.grant(KEY, 1, "decide", at=AT + 59).given
    later = rates.grant(KEY, 1, "decide", at=AT + rates.MINUTE + 0.01)
    assert later.given  # the first one has left
    assert not rates.grant(KEY, 1, "decide", at=AT + rates.MINUTE + 0.01).given


def test_in_any_sixty_seconds_there_are_at_most_sixty():
    """The service's own window may begin anywhere."""
    given = []
    for tenth in range(0, 3000):
        at = AT + tenth / 10
        if rates.grant(KEY, 1, "decide", at=at).given:
            given.append(at)
    assert len(given) >= 240
    for start in given:
        assert sum(start <= at < start + 60 for at in given) <= 60


def test_the_wait_is_until_there_is_room():
    fill(30)
    fill(30, AT + 10)
    assert rates.grant(KEY, 31, "decide", at=AT + 20).wait_seconds == pytest.approx(50.5)
    assert rates.grant(KEY, 1, "decide", at=AT + 20).wait_seconds == pytest.approx(40.5)


def test_what_was_refused_counts_for_nothing():
    fill(60)
    rates.grant(KEY, 5, "poll", at=AT)
    assert len(RateBudget.objects.get().stamps) == 60


@pytest.mark.parametrize(
    ("klass", "most"),
    [("decide", 60), ("wait", 55), ("reconcile", 51), ("poll", 55), ("poll_beside_people", 48)],
)
def test_each_class_leaves_room_for_those_before_it(klass, most):
    given = 0
    while rates.grant(KEY, 1, klass, at=AT).given:
        given += 1
    assert given == most


def test_polls_never_keep_a_decision_waiting():
    while rates.grant(KEY, 1, "poll", at=AT).given:
        pass
    assert rates.grant(KEY, 2, "decide", at=AT).given


def test_an_answer_corrects_the_count_by_what_others_used():
    fill(10)
    rates.learn(KEY, 60, 25, at=AT)  # thirty-five are used, ten of them by us
    assert rates.used_share(KEY, at=AT) == pytest.approx(35 / 60)
    rates.learn(KEY, 60, 59, at=AT)  # the service's window began anew: ours stays the careful one
    assert rates.used_share(KEY, at=AT) == pytest.approx(35 / 60)


def test_what_others_used_is_not_hidden_by_what_we_used_before_the_service_began_to_count_anew():
    fill(40, AT - 45)
    fill(5)
    rates.learn(KEY, 60, 35, 30, at=AT)  # since thirty seconds ago: five by us and twenty by others
    assert rates.used_share(KEY, at=AT) == pytest.approx(65 / 60)


def test_polls_spread_over_the_minute():
    """Used up at once it would show nothing until it is over."""
    room = rates.room(KEY, "poll", at=AT)
    assert (room.used_share, room.requests) == (0, 11)
    fill(11)
    assert rates.room(KEY, "poll", at=AT).requests == 0
    assert rates.room(KEY, "poll", at=AT + rates.STRETCH + 0.1).requests == 11
    for turn in range(1, 5):
        fill(11, AT + turn * rates.STRETCH + 0.1 * turn)
    assert rates.room(KEY, "poll", at=AT + 60).requests == 0  # the whole of it
    rates.block(KEY, 5, at=AT + 100)
    assert (rates.room(KEY, "poll", at=AT + 101)) == rates.Room(1.0, 0)


def test_what_others_used_lies_between_the_request_before_and_now():
    """Counted as of one moment it would leave the minute at one moment, and hold up everything till then."""
    fill(1, AT - 10)
    rates.learn(KEY, 60, 49, 30, at=AT)  # eleven since thirty seconds ago: one by us and ten by others
    stamps = RateBudget.objects.get().stamps
    assert [round(AT - stamp) for stamp in stamps] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert rates.room(KEY, "poll", at=AT).requests == 0
    assert rates.room(KEY, "poll", at=AT + 6).requests == 5  # as one lump: none until twelve seconds later


def test_a_higher_limit_is_used():
    fill(60)
    rates.learn(KEY, 120, 60, at=AT)
    assert rates.grant(KEY, 60, "decide", at=AT).given
    assert not rates.grant(KEY, 1, "decide", at=AT).given


@pytest.mark.parametrize("headers", [(None, 5), (60, None), (0, 0), (-1, 0), (2**31, 2**31)])
def test_headers_that_say_nothing_change_little(headers):
    fill(3)
    rates.learn(KEY, *headers, at=AT)
    assert len(RateBudget.objects.get().stamps) == 3


def test_a_429_blocks_everybody_until_then():
    rates.block(KEY, 20, at=AT)
    refused = rates.grant(KEY, 1, "decide", at=AT + 5)
    assert (refused.given, refused.wait_seconds, refused.used_share) == (False, 15.0, 1.0)
    assert rates.used_share(KEY, at=AT + 5) == 1.0
    assert rates.grant(KEY, 1, "decide", at=AT + 20.1).given


def test_a_shorter_block_does_not_end_a_longer_one():
    rates.block(KEY, 60, at=AT)
    rates.block(KEY, 5, at=AT)
    assert not rates.grant(KEY, 1, "decide", at=AT + 30).given


def test_the_page_can_say_until_when():
    keys = UpstreamKey.objects.annotate(until=rates.blocked_until())
    key = make_workspace().keys.get()
    assert keys.get(pk=key.pk).until is None
    rates.block(key.fingerprint, 60)
    assert 55 < keys.get(pk=key.pk).until - time.time() <= 60


def test_under_a_time_scale_the_minute_is_shorter(settings):
    settings.TIME_SCALE = 10
    fill(60)
    assert rates.grant(KEY, 1, "decide", at=AT + 6.06).given


def test_each_key_has_a_minute_of_its_own():
    fill(60)
    assert rates.grant("another", 1, "decide", at=AT).given


# ---- the breaker -----------------------------------------------------------------------------------


@pytest.fixture
def key(workspace):
    return workspace.keys.get()


def come(key: UpstreamKey, outcomes: str) -> list[bool]:
    """One outcome a letter: `f` for a failure. Whether the breaker was open after each."""
    seen = []
    for letter in outcomes:
        rates.failed(key, "503") if letter == "f" else rates.answered(key)
        seen.append(rates.is_open(key))
    return seen


def half_a_minute_later(key: UpstreamKey) -> None:
    UpstreamKey.objects.filter(pk=key.pk).update(opened_at=now() - timedelta(seconds=31))
    key.refresh_from_db()


def test_five_in_a_row_open_the_breaker(key):
    assert come(key, "affff") == [False] * 5
    assert come(key, "a" * 9 + "fffff")[-2:] == [False, True]


def test_half_of_ten_in_a_minute_open_the_breaker(key):
    """However they are strewn among the answers."""
    assert come(key, "afafafafa") == [False] * 9  # nine are too few
    assert come(key, "f") == [True]
    key.refresh_from_db()
    assert (key.failures, key.opened_at is not None) == (1, True)


def test_less_than_half_of_them_do_not(key):
    assert not any(come(key, "aaf" * 10))


@pytest.mark.parametrize("scale", [1, 20])
def test_what_is_longer_ago_than_a_minute_does_not_count(key, settings, scale):
    settings.TIME_SCALE = scale
    come(key, "afafafafa")
    UpstreamKey.objects.update(outcomes=[[at - 61 / scale, fails] for at, fails in key.outcomes])
    assert come(key, "f") == [False]
    key.refresh_from_db()
    assert len(key.outcomes) == 1


def test_what_was_under_way_does_not_close_it(key):
    come(key, "fffff")
    assert come(key, "a") == [True]
    key.refresh_from_db()
    assert key.trouble == "503"


def test_one_answer_after_half_a_minute_closes_it_and_it_counts_anew(key):
    come(key, "afafafafaf")
    half_a_minute_later(key)
    assert rates.is_half_open(key)
    assert rates.answered(key)
    key.refresh_from_db()
    assert (key.opened_at, key.outcomes, key.trouble) == (None, [], "")
    assert come(key, "affff") == [False] * 5


def test_one_failure_after_half_a_minute_opens_it_again(key):
    come(key, "afafafafaf")
    half_a_minute_later(key)
    UpstreamKey.objects.update(outcomes=[])  # those before it are more than a minute ago
    assert not rates.failed(key, "504")  # it is no news
    assert rates.is_open(key)


def test_a_key_that_was_taken_away_meanwhile_is_no_trouble(key):
    UpstreamKey.objects.all().delete()
    rates.failed(key, "503")
    rates.answered(key)
    assert not UpstreamKey.objects.exists()


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_no_outcome_is_lost_among_many_processes(workspace):
    key = workspace.keys.get()
    opened = from_threads(8, lambda _: rates.failed(UpstreamKey.objects.get(pk=key.pk), "503"))
    key.refresh_from_db()
    assert (key.failures, len(key.outcomes)) == (8, 8)
    assert opened.count(True) == 1


# ---- several processes -----------------------------------------------------------------------------


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_than_sixty_are_let_through():
    """Compare-and-set: two that read the same row cannot both take the last place."""

    def take(_):
        return sum(rates.grant(KEY, 1, "decide", at=AT).given for _ in range(10))

    assert sum(from_threads(8, take)) == 60
    assert len(RateBudget.objects.get().stamps) == 60


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_429_is_not_lost_among_grants():
    def take(number):
        if number == 3:
            rates.block(KEY, 60, at=AT)
            return 0
        return sum(rates.grant(KEY, 1, "decide", at=AT).given for _ in range(5))

    from_threads(8, take)
    assert RateBudget.objects.get().blocked_until == AT + 60
