"""What of the queue page's budget can be counted, small: the shape of what is measured, queries, indexes.

The times are a command (README.md); a test that measured them would fail beside other tests.
"""

import re

import pytest

from tests.__main__ import postgres_answers
from tests.bench import queue_page
from tests.bench.stages import KINDS, stages
from tests.missing import missing

SIZES = (1000, 5000)
PAGE = 4  # queries of the page, session and member included
POLL = 2  # … of an unchanged poll: the session, the member with the desk's version


@pytest.fixture(scope="module", params=KINDS)
def desks(request, django_db_blocker):
    """The addresses of two stages, one five times the other."""
    if request.param == "postgres" and not postgres_answers():
        missing("PostgreSQL")
    with django_db_blocker.unblock(), stages([request.param], SIZES) as made:
        yield queue_page.desks_of(made)


def test_the_stages_hold_what_is_measured(desks):
    from reviewqueue.models import GeneratedPost, Scope

    queue_page.check(desks)
    for desk in desks:
        with desk.stage:
            posts = GeneratedPost.objects.all()
            scope = Scope.objects.get(key="desk")
            assert posts.count() == desk.stage.size
            assert (
                posts.filter(desk="ready").count()
                == scope.ready
                == pytest.approx(desk.stage.size / 10, rel=0.3)
            )
            assert posts.filter(persona=desk.stage.rare).count() == pytest.approx(
                desk.stage.size / 100, rel=0.3
            )
            assert desk.depth == int(queue_page.DEEP * scope.ready)
            assert scope.pending + scope.generating == 14
            assert scope.attention == 42


def test_no_page_asks_more_of_more_posts_at_any_depth(desks):
    counts = []
    for desk in desks:
        pages = (desk.first, desk.deep)
        assert [page.ask().status for page in pages] == [200, 200]  # the rows are rendered then
        counts.append([len(page.queries()) for page in pages])
    assert counts == [[counts[0][0]] * 2] * 2
    assert counts[0][0] <= PAGE
    for desk in desks:
        assert len(desk.unrendered.queries()) <= PAGE + 2  # the rows of the sheet, and of the cards


def test_an_unchanged_poll_asks_only_who_it_is(desks):
    for desk in desks:
        assert desk.poll.ask().status == 204
        assert len(desk.poll.queries()) <= POLL


@pytest.mark.parametrize("which", ["first", "deep", "rare", "rare_deep"])
def test_a_page_walks_an_index_in_its_order_at_any_depth(desks, which):
    desk = desks[-1]
    page = getattr(desk, which)
    (statement,) = [
        sql for sql in page.queries() if f"LIMIT {queue_page.ROWS}" in sql and "caption" not in sql
    ]
    plan = queue_page.plan(desk.stage, statement)
    assert re.search(r"posts_ready(_by_persona)?\b", plan), plan
    assert not re.search(r"FOR ORDER BY|\bSort\b|(Seq Scan on|SCAN) reviewqueue_generatedpost", plan), plan
    if "deep" in which:
        assert re.search(r"\(made_at,id\)>\(|ROW\(made_at, id\) > ", plan), plan


@pytest.mark.parametrize("desks", ["postgres"], indirect=True)  # SQLite plans a statement once
def test_a_plan_for_any_value_walks_the_same_index(desks):
    """What PostgreSQL settles on once a statement was asked for often: it no longer looks at the values."""
    desk = desks[-1]
    for page in desk.pages:
        page.ask()
    with desk.stage, desk.stage.connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute("SET enable_sort = off")  # as if there were too many rows
        cursor.execute(
            "SELECT name, cardinality(parameter_types) FROM pg_prepared_statements WHERE statement LIKE %s",
            [f"%LIMIT {queue_page.ROWS})%"],
        )
        kept = cursor.fetchall()
        for name, places in kept:
            cursor.execute(f"EXPLAIN EXECUTE {name}({', '.join(['NULL'] * places)})")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert re.search(r"using posts_ready(_by_persona)?\b", plan), plan
            assert "Sort Key: reviewqueue_generatedpost" not in plan, plan
        cursor.execute("RESET plan_cache_mode; RESET enable_sort")
    assert len(kept) == len(desk.pages)


def test_a_burst_compares_one_right_after_the_other(desks):
    pairs = queue_page.pairs_of(desks)
    assert len({pair.name for pair in pairs}) == len(pairs)
    assert sum("÷ first page of 1,000" in pair.name for pair in pairs) == 4
    queue_page.measure(pairs, seed=1, rounds=1)
    for pair in pairs:
        assert len(pair.times) == queue_page.BURST - 1
        assert pair.ratio > 0
        assert pair.name in pair.line()


def test_a_ratio_holds_or_not():
    pair = queue_page.Pair("one", None, None, 10, 20, more_is_better=True)
    for factor, reached in ((25, "goal"), (12, "pass"), (9, "FAIL")):
        pair.times = [(queue_page.Cost(1, 1), queue_page.Cost(factor, factor))]
        assert pair.reached == reached
