"""The bars of the polling budget, by the real planner on a virtual clock; the whole table is a command."""

import random

import pytest

from tests.bench import polling, upstream
from tests.bench.polling import Scenario

pytestmark = pytest.mark.django_db
SEED = 7
RUNS = polling.RUNS["small"]


def measured(scenario: Scenario, runs: int) -> dict[str, polling.Figure]:
    ours, theirs = polling.compare(scenario, seed=SEED, runs=runs, steady=0)
    assert len(ours.late) == ours.posts == len(theirs.late)
    return polling.figures(scenario, ours, theirs)


def failing(found: dict[str, polling.Figure]) -> dict[str, polling.Figure]:
    return {name: one for name, one in found.items() if not one.holds}


@pytest.mark.parametrize("size", [1, 10, 100])
def test_fewer_calls_and_less_waiting_than_the_documented_loop(size):
    found = measured(Scenario(size), RUNS[size])
    assert {"calls a post ÷ loop", "done to seen ÷ loop", "429s", "decision waits, p95 s"} <= set(found)
    assert failing(found) == {}


def test_what_somebody_looks_at_is_on_their_page_within_seconds():
    """Their page is the real one, at its own pace."""
    found = measured(Scenario(1, all_watched=True), 2)
    assert {"looked at: done to seen, mean s", "looked at: done to shown, mean s"} <= set(found)
    assert failing(found) == {}


def test_what_is_faster_than_documented_is_learned_from_the_past():
    assert failing(measured(Scenario(10, durations="40 % faster", has_past=True), 1)) == {}


@pytest.mark.parametrize("size", [10, 100])
def test_no_429_and_no_decision_waits_with_a_second_client_on_the_key(size):
    found = measured(Scenario(size, others=20), 1)
    assert found["429s"].holds
    assert found["decision waits, p95 s"].holds


def test_what_the_loop_never_sees_counts_as_late():
    jobs = upstream.make_jobs(random.Random(SEED), 300, steady=0, durations="documented", watched=20)
    until = max(job.done for job in jobs) + 60
    out = upstream.documented_loop(upstream.Service(jobs, random.Random(SEED)), [], until)
    assert len(out.late) == len(jobs)
    assert out.refused > 0
    assert max(out.late) == pytest.approx(until - min(job.done for job in jobs), abs=until / 3)


def test_below_what_no_planner_gets():
    """One page read every six seconds: three. Two pages that are looked at share the requests."""
    one = upstream.Job(0.0, 0, "video", (100.0,), watched=True, id="a")
    assert polling.least_waits([one], 10) == [3.0]
    later = upstream.Job(0.0, 1, "video", (200.0,), watched=True, id="b")
    assert polling.least_waits([one, later], 10) == [6.0, 3.0]
    unwatched = upstream.Job(0.0, 2, "video", (300.0,), watched=False, id="c")
    assert polling.least_waits([one, unwatched], 10) == [3.0]


def test_a_thousand_in_flight_cannot_be_seen_within_the_bar():
    """Twelve list pages and a few dozen requests a minute: the bar for what is looked at is out of reach."""
    jobs = upstream.make_jobs(random.Random(SEED), 1000, steady=0, durations="documented", watched=20)
    least = polling.least_waits(jobs, polling.left_for_polls(upstream.LIMIT, Scenario(1000)))
    assert upstream.mean(least) > 5 > polling.WATCHED[0]


def test_a_figure_fails_above_its_bar_and_reaches_its_goal():
    reached = [polling.Figure(measured, bar=4, goal=2).reached for measured in (2, 4, 4.1)]
    assert reached == ["goal", "pass", "FAIL"]
