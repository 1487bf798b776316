import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewqueue.rules import cadence
from reviewqueue.rules.cadence import (
    ENOUGH,
    SPANS,
    Pending,
    debt,
    lateness,
    learned,
    pause_when_late,
    worth_looking,
)

IMAGE, VIDEO = SPANS["image"], SPANS["video"]


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


def test_looks_begin_closely_and_grow_rare_and_come_every_four_seconds_when_watched():
    """Whatever is owed, and however dear a look is."""

    def is_due(age, since, span=VIDEO, **facts):
        return bool(worth_looking([Pending(span, age, max(0, age - since), **facts)], used_share=1))

    assert (is_due(70, 70), is_due(72, 72)) == (False, True)  # ten seconds from when it can be ready
    assert (is_due(120, 16), is_due(120, 18)) == (False, True)
    assert (is_due(250, 32), is_due(250, 34)) == (False, True)
    assert (is_due(63, 63, watched=True), is_due(64.5, 64.5, watched=True)) == (False, True)
    assert (is_due(250, 3, watched=True), is_due(250, 4, watched=True)) == (False, True)
    known = learned(VIDEO, [200 + number % 90 for number in range(ENOUGH)])
    assert (is_due(180, 21, known), is_due(180, 22, known)) == (False, True)


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


@pytest.mark.parametrize("span", [IMAGE, IMAGE.faster(6)])
def test_a_phase_is_told_from_when_it_is_true(span):
    """Each look finds it as late as it is then; told is how far apart the looks lie from that age on."""
    age, looks = span.limit, []
    while (pause := pause_when_late(span, age)) is not None:
        age += pause or 1
        looks.append((age, pause))
    for begins, told in cadence.late_phases(span):
        after = [pause for at, pause in looks if at > begins + (told or 0)]
        assert after[:1] == ([told] if told else [])
    (_, minute), (hourly, _), _ = cadence.late_phases(span)
    assert {pause for at, pause in looks if span.limit + minute < at <= hourly} == {minute}


@pytest.mark.parametrize(
    ("pause", "words"),
    [(60, "every minute"), (3600, "every hour"), (10, "every 10 s"), (600, "every 10 minutes")],
)
def test_how_often_is_said_in_words(pause, words):
    assert cadence.checking(pause) == f"Still checking {words}"
    assert cadence.checking(pause, at_least=True) == f"Still checking at least {words}"
    assert cadence.checking(0) == "Still checking"
    assert cadence.checking(None) == "No longer checked by itself"


def test_what_goes_faster_than_documented_is_late_sooner_and_looked_at_sooner():
    quick = IMAGE.faster(6)
    assert (quick.low, quick.high, quick.limit) == (IMAGE.low / 6, IMAGE.high / 6, IMAGE.limit / 6)
    assert pause_when_late(quick, 51) == 10
    assert pause_when_late(quick, 101) == 600


# ---- learned from the past -----------------------------------------------------------------------------

SLOW = [65 + number % 20 for number in range(2 * ENOUGH)]  # images that were seen after 65 to 84 seconds


def test_too_little_of_the_past_says_nothing():
    assert learned(IMAGE, SLOW[: ENOUGH - 1]) == IMAGE
    nothing = [0.0, -5.0, IMAGE.limit + 1, 40_000.0]  # over when first seen, or only seen after a night off
    assert learned(IMAGE, [*SLOW[: ENOUGH - 1], *nothing]) == IMAGE
    assert learned(IMAGE, SLOW[:ENOUGH]) != IMAGE


def test_looking_begins_shortly_before_what_took_least():
    """Before, and not with it: else what became faster would never be found to be so."""
    slow = learned(IMAGE, SLOW)
    assert slow.earliest == pytest.approx(0.8 * 60)  # seen five seconds after it was done
    assert not worth_looking([Pending(slow, age=47, looked_age=0, watched=True)], used_share=0)
    assert worth_looking([Pending(slow, age=62, looked_age=0, watched=True)], used_share=0)
    assert worth_looking([Pending(IMAGE, age=47, looked_age=0)], used_share=0)


def test_half_of_the_past_is_done_by_its_middle_and_some_runs_over():
    slow = learned(IMAGE, SLOW)
    assert slow.done_by(70) == pytest.approx(0.5, abs=0.05)
    assert 0.95 <= slow.done_by(80) < slow.done_by(200) < 1


@given(st.lists(st.floats(0.01, 300), min_size=ENOUGH, max_size=200), st.floats(0, 900), st.floats(0, 900))
def test_whatever_the_past_was_the_chance_only_grows(durations, one, other):
    span = learned(IMAGE, durations)
    younger, older = sorted((one, other))
    assert 0 <= span.done_by(younger) <= span.done_by(older) < 1


def test_what_is_late_stays_so_by_the_documents():
    slow = learned(IMAGE, SLOW)
    assert (slow.low, slow.high, slow.limit) == (IMAGE.low, IMAGE.high, IMAGE.limit)
    assert pause_when_late(slow, IMAGE.limit + 1) == 60


def test_a_past_goes_faster_with_its_service():
    assert learned(IMAGE, SLOW).faster(6).earliest == pytest.approx(8)
