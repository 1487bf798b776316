"""The desk's bench, small: what can be counted. The times are a command (README.md)."""

import pytest

from tests.bench import desk
from tests.browser.traffic import without_live
from tests.missing import missing

DECISIONS = 4


@pytest.fixture(scope="module")
def found():
    """(cold, warm, decisions) of one visit to a small desk."""
    if not desk.chromium_path():
        missing("Chromium")
    with desk.desk(50) as (web, made), desk.chromium() as browser:
        person = desk.Person(browser, web)
        cold, warm = person.weigh(cold=True), person.weigh(cold=False)
        return cold, warm, person.decide(desk.Way("slow line", delay=100), next(made), DECISIONS, pace=1.5)


def test_the_queue_page_is_light_and_the_browser_keeps_its_pictures(found):
    cold, warm, _ = found
    assert cold.requests <= 8
    assert cold.bytes <= 60_000
    assert cold.elements <= 1200
    assert cold.media >= 24
    assert (warm.requests, warm.media) == (1, 0)
    assert warm.bytes <= 11_000


def test_each_decision_is_marked_and_leads_on(found):
    *_, decisions = found
    assert len(decisions.decisions) == DECISIONS
    assert len({one["post"] for one in decisions.decisions}) == DECISIONS
    for one, following in zip(decisions.decisions, decisions.decisions[1:], strict=False):
        assert one["to"] == following["post"]
    assert min(decisions.marks) >= desk.LEAST
    assert min(decisions.nexts) >= desk.PAUSE
    assert all(one["shown"] > one["key"] for one in decisions.decisions)


def test_what_the_browser_says_of_the_screen_counts_before_what_the_page_thinks():
    seen = [{"key": 100.04, "next": 400.0, "shown": 420.0}, {"key": 900.0, "next": 1300.0}]
    told = [("keydown", 100.0, 24), ("keyup", 900.0, 96)]
    events = [{"name": name, "at": at, "duration": duration} for name, at, duration in told]
    found = desk.Found(desk.WAYS[0], seen, events, [], desk.Traffic())
    assert found.marks == [24, desk.LEAST]
    assert [round(value) for value in found.nexts] == [320, 400]


def test_a_decision_is_two_requests_and_nothing_moves(found):
    *_, decisions = found
    rows = without_live(decisions.traffic.rows)
    assert sum(row["method"] == "POST" for row in rows) == DECISIONS
    assert decisions.requests <= 2
    assert decisions.bytes <= 8_000
    assert decisions.shift == 0, "\n".join(map(desk.told, decisions.shifts))


def test_the_next_post_comes_with_all_its_pictures(found):
    *_, decisions = found
    assert all(one["pictures"] for one in decisions.decisions)
    assert decisions.share("there") == 1


def test_the_lines_name_every_bar(found):
    cold, warm, decisions = found
    lines = desk.lines_of([decisions, decisions], cold, warm)
    assert {line.name.partition(": ")[2] or line.name for line in lines} >= {
        "key to mark, 95 %, ms",
        "pause to next, 95 %, ms",
        "layout shift",
        "a decision, requests",
        "queue page cold, bytes",
        "pause to next, 100 ms delay ÷ none",
    }
    assert desk.Line("", 5, 5, 4).reached == "pass"
    assert desk.Line("", 0.9, 0.95, 1, more_is_better=True).reached == "FAIL"
    assert desk.row_of(decisions).startswith("slow line")
