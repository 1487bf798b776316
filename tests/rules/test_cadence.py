import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewqueue.rules import cadence
from reviewqueue.rules.cadence import SPANS, Pending, debt, lateness, pause_when_late, worth_looking

IMAGE = SPANS["image"]


def test_the_documented_ranges():
    told = {name: (span.low, span.high, span.limit) for name, span in SPANS.items()}
    assert told == {
        "image": (20, 90, 300),
        "video": (60, 300, 600),
        "voice": (30, 120, 300),
        "sync": (30, 300, 600),
        "delivery": (10, 60, 180),
    }


@given(st.floats(0, 5000), st.floats(0, 5000))
def test_the_chance_to_be_done_only_grows(one, other):
    younger, older = sorted((one, other))
    assert 0 <= IMAGE.done_by(younger) <= IMAGE.done_by(older) < 1


def test_before_it_can_be_ready_nothing_is_owed():
    assert debt(Pending(IMAGE, age=19, looked_age=0)) == 0
    assert not worth_looking([Pending(IMAGE, age=19, looked_age=0)], used_share=0)


def test_what_somebody_looks_at_weighs_ten_times():
    plain = Pending(IMAGE, age=40, looked_age=30)
    watched = Pending(IMAGE, age=40, looked_age=30, watched=True)
    assert debt(watched) == pytest.approx(10 * debt(plain))


def test_more_items_are_ready_later():
    assert debt(Pending(IMAGE, 60, 30, parts=5)) < debt(Pending(IMAGE, 60, 30, parts=1))


def test_a_full_budget_makes_looks_dear():
    assert cadence.price_of_a_look(0) == 1
    assert cadence.price_of_a_look(1) == 12
    assert cadence.price_of_a_look(0.5) == pytest.approx(3.75)


def test_one_look_for_many_pays_sooner():
    one = [Pending(IMAGE, 45, 40)]
    assert not worth_looking(one, used_share=0)
    assert worth_looking(one * 20, used_share=0)


def test_nothing_waits_longer_than_twenty_seconds_and_four_when_watched():
    late = Pending(IMAGE, age=120, looked_age=99)
    assert worth_looking([late], used_share=1)
    watched = Pending(IMAGE, age=25, looked_age=20.5, watched=True)
    assert worth_looking([watched], used_share=1)


def test_what_is_watched_and_overdue_goes_before_a_page_full_of_others():
    full = [Pending(IMAGE, age=60, looked_age=50)] * 20
    overdue = [Pending(SPANS["video"], age=100, looked_age=age, watched=True) for age in (96, 84)]
    short, long = (worth_looking([one], used_share=0.5) for one in overdue)
    assert short < worth_looking(full, used_share=0.5) < long


def test_a_faster_service_owes_sooner_but_its_requests_cost_the_same():
    fast = Pending(IMAGE.faster(6), age=8, looked_age=5)
    assert debt(fast) > debt(Pending(IMAGE, age=48, looked_age=45))
    assert not worth_looking([fast], used_share=1)


@pytest.mark.parametrize(
    ("age", "word", "pause"),
    [
        (80, "", 0),
        (91, "slow", 0),
        (301, "no_answer", 60),
        (601, "stuck", 3600),
        (86_401, "lost", None),
    ],
)
def test_late_things_are_looked_at_ever_more_rarely(age, word, pause):
    assert lateness(IMAGE, age) == word
    assert pause_when_late(IMAGE, age) == pause


def test_what_goes_faster_than_documented_is_late_sooner_and_looked_at_sooner():
    quick = IMAGE.faster(6)
    assert (quick.low, quick.high, quick.limit) == (IMAGE.low / 6, IMAGE.high / 6, IMAGE.limit / 6)
    assert pause_when_late(quick, 51) == 10
    assert pause_when_late(quick, 101) == 600
