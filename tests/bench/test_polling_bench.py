"""The bars of the polling budget, by the real planner on a virtual clock; the whole table is a command."""

import pytest

from tests.bench import polling
from tests.bench.polling import Scenario

pytestmark = pytest.mark.django_db
SEED = 1
RUNS = {1: 20, 10: 3, 100: 1}  # runs: a few posts say little


def reached(scenario: Scenario, runs: int) -> dict:
    ours, theirs = polling.compare(scenario, seed=SEED, runs=runs, steady=0)
    assert len(ours.late) == ours.posts == len(theirs.late)
    return polling.verdicts(scenario, ours, theirs)


@pytest.mark.parametrize("size", RUNS)
def test_fewer_calls_and_less_waiting_than_the_documented_loop(size):
    found = reached(Scenario(size), RUNS[size])
    assert {"calls", "done to seen", "429s", "decision waits"} <= set(found)
    assert not [name for name, (_, said) in found.items() if said == "MISSED"], found


def test_what_somebody_looks_at_is_on_their_page_within_seconds():
    found = reached(Scenario(1, all_watched=True), 2)
    assert found["looked at"][0] <= 4
    assert found["on an open page"][0] <= 6


@pytest.mark.parametrize("size", [10, 100])
def test_no_429_with_a_second_client_on_the_key(size):
    found = reached(Scenario(size, others=20), 1)
    assert found["429s"][0] == 0
    assert found["decision waits"][0] <= 1
