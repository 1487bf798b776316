"""What SQLite's planner knows of the posts: without being told, it walks past all that was decided."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewqueue.models import GeneratedPost, Operation
from reviewqueue.services import statistics
from reviewqueue.views import rows
from tests import factories

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL gathers its own")


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}", [])
        return "\n".join(row[-1] for row in cursor.fetchall())


def listing(browser, address: str) -> str:
    """How the page's posts are found."""
    rows.frames.rows.clear()
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(address).status_code == 200
    [sql] = [
        one["sql"] for one in asked if "LIMIT 25" in one["sql"] and "reviewqueue_generatedpost" in one["sql"]
    ]
    return plan_of(sql)


@pytest.mark.parametrize(
    ("address", "index"),
    [
        ("/", "posts_ready"),
        ("/?order=newest", "posts_ready"),
        ("/?type=video", "posts_ready"),
        ("/?source=some.body&order=newest", "posts_ready"),
        ("/?age=day", "posts_ready"),
        ("/?persona={persona}", "posts_ready_by_persona"),
        ("/?persona={persona}&order=newest", "posts_ready_by_persona"),
        ("/?tab=attention", "posts_open"),
        ("/?tab=held", "posts_open"),
        ("/?tab=generating", "posts_in_flight"),
        ("/?tab=decided", "posts_decided"),
        ("/library/", "posts_newest"),
    ],
)
def test_each_list_is_found_through_its_index(ana, post, signed_in, address, index):
    statistics.tell()
    plan = listing(signed_in(ana), address.format(persona=post.persona_id))
    assert f"INDEX {index} " in plan, plan
    assert "SCAN" not in plan, plan


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (lambda ana: Operation.objects.visible_to(ana).loose()[:50], "operations_loose"),
        (
            lambda ana: Operation.objects.not_done().filter(workspace=ana.workspace, kind="a", target="b"),
            "operations_not_done",
        ),
    ],
)
def test_what_needs_attention_is_found_through_its_index(ana, asked, index):
    statistics.tell()
    with CaptureQueriesContext(connection) as queries:
        list(asked(ana))
    plan = plan_of(queries[0]["sql"])
    assert f"INDEX {index} " in plan, plan


def test_the_figures_name_every_index_of_the_posts_and_no_other(db):
    statistics.tell()
    statistics.tell()  # again at every start
    with connection.cursor() as cursor:
        cursor.execute("SELECT tbl, idx FROM sqlite_stat1")
        told = cursor.fetchall()
        constraints = connection.introspection.get_constraints(cursor, GeneratedPost._meta.db_table)
    named = {index.name for index in GeneratedPost._meta.indexes}
    assert {table for table, _ in told} == {GeneratedPost._meta.db_table}
    assert len(told) == len({name for _, name in told})
    assert named < {name for _, name in told}
    assert {name for name, facts in constraints.items() if facts["index"]} <= {name for _, name in told}


def test_telling_reads_no_post(ana, persona):
    """A full ANALYZE would keep writers waiting for as long as it reads."""
    with CaptureQueriesContext(connection) as few:
        statistics.tell()
    for _ in range(3):
        factories.make_post(persona)
    with CaptureQueriesContext(connection) as more:
        statistics.tell()
    assert len(more) == len(few)
    assert not any("FROM reviewqueue" in query["sql"].replace('"', "") for query in more)
    assert {query["sql"] for query in more if "ANALYZE" in query["sql"]} == {"ANALYZE sqlite_master"}
