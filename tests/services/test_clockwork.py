"""The poller's turn: it tells the worker what is due, and does itself what is left lying."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from reviewqueue import tasks
from reviewqueue.clock import now
from reviewqueue.models import Heartbeat, Hold, Look, MediaFile, Operation, OutgoingPost, SyncJob, Watch
from reviewqueue.services import clockwork, looks, media, operations, polling, watches
from tests import factories, scripted
from tests.world import from_threads, only_postgresql


@pytest.fixture
def workspace(service):
    workspace = scripted.workspace_of(service)
    workspace.watches.all().delete()
    return workspace


@pytest.fixture
def post(workspace):
    return factories.make_post(factories.make_persona(workspace))


def hinted() -> list[tuple[str, str]]:
    """What lies in the worker's queue, oldest first."""
    packages = [SignedPackage.loads(row.payload) for row in OrmQ.objects.order_by("id")]
    return [(package["func"].removeprefix("reviewqueue.tasks."), *package["args"]) for package in packages]


def turn(at=None) -> list:
    """One turn; gives what the poller would do itself."""
    spared = []
    clockwork.turn(spare=spared.append, at=at or now())
    return spared


def due_operation(post, **facts) -> Operation:
    member = factories.make_member(post.workspace)
    return factories.make_operation(post, by=member, not_before=now() - timedelta(seconds=1), **facts)


def test_what_is_due_is_hinted_once_decisions_first(workspace, post):
    file = factories.make_file(workspace, state="wanted")
    watch = watches.add(workspace.pk, "balance")
    operation = due_operation(post)
    assert turn() == []
    assert hinted() == [
        ("send_operation", str(operation.pk)),
        ("look", str(watch.pk)),
        ("fetch_media", str(file.pk)),
    ]
    assert turn() == []
    assert len(hinted()) == 3


def test_what_is_not_due_is_left_alone(workspace, post):
    factories.make_operation(post, not_before=None)  # held until its person sends it
    factories.make_file(workspace, state="wanted", fetch_at=now() + timedelta(minutes=1))
    factories.make_file(workspace, state="refused")
    Watch.objects.create(workspace=workspace, kind="balance", poll_at=now() + timedelta(minutes=1))
    Watch.objects.create(workspace=workspace, kind="catalogue", claimed_until=now() + timedelta(minutes=1))
    assert turn() == []
    assert hinted() == []


def test_what_the_worker_leaves_lying_is_done_here(service, workspace, post):
    """A worker that hangs slows Loupe and never stops it."""
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    service.files["a.jpg"] = b"<svg/>"
    file = media.want(workspace, service.link("a.jpg"))
    watches.add(workspace.pk, "balance")
    MediaFile.objects.update(hinted_at=None)
    at = now()
    assert turn(at) == []
    assert turn(at + timedelta(seconds=clockwork.UNCLAIMED_SECONDS)) == []
    calls = turn(at + timedelta(seconds=clockwork.UNCLAIMED_SECONDS, milliseconds=1))
    assert len(calls) == 2
    for call in calls:
        assert call()
    workspace.refresh_from_db()
    file.refresh_from_db()
    assert (workspace.balance_cents, file.state) == (777, "refused")
    for call in calls:
        assert not call()  # the worker wakes up and does them, too


def test_an_operation_whose_task_was_lost_is_sent_from_here(workspace, post):
    """Committed with its hint, and then no task was there: the process died between the two."""
    at = now()
    operation = due_operation(post, hinted_at=at)
    assert turn(at + timedelta(seconds=clockwork.UNCLAIMED_SECONDS)) == []
    [call] = turn(at + timedelta(seconds=clockwork.UNCLAIMED_SECONDS, milliseconds=1))
    assert hinted() == []
    assert call()
    operation.refresh_from_db()
    assert operation.fence == 1  # it was prepared


def test_a_hint_and_the_poller_together_do_it_once(service, workspace):
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    watch = watches.add(workspace.pk, "balance")
    at = now()
    turn(at)
    [call] = turn(at + timedelta(seconds=3))
    tasks.look(str(watch.pk))
    call()
    assert service.asked == ["/v1/billing/balance"]


def test_a_task_about_what_is_gone_does_nothing(db):
    nobody = "00000000-0000-4000-8000-000000000000"
    tasks.send_operation(nobody)
    tasks.fetch_media(nobody)
    tasks.look("0")


def test_only_so_many_looks_are_hinted_in_a_turn(workspace):
    persona = factories.make_persona(workspace)
    for _ in range(clockwork.LOOKS_A_TURN + 3):
        watches.add(workspace.pk, "post", factories.make_post(persona).pk)
    turn()
    assert len(hinted()) == clockwork.LOOKS_A_TURN


def test_a_turn_sweeps_lapsed_leases_and_holds_that_are_over(workspace, post):
    operation = due_operation(post, state="sending", lease_until=now() - timedelta(seconds=1))
    member = operation.by
    hold = Hold.objects.create(
        workspace=workspace, member=member, what="Approved", send_at=now() - timedelta(seconds=1)
    )
    turn()
    operation.refresh_from_db()
    hold.refresh_from_db()
    assert operation.state == "unknown"
    assert (hold.state, bool(hold.ended_at)) == ("released", True)
    turn(now() + timedelta(hours=1))
    operation.refresh_from_db()
    assert operation.state == "unknown"  # and it is never sent again
    assert "send_operation" not in dict(hinted())


def test_an_operation_that_is_being_prepared_is_not_hinted_again(post):
    operation = due_operation(post)
    assert operations.pick(operation.pk)
    turn()
    assert hinted() == []


def test_what_was_looked_at_long_ago_is_not_kept(ana, ben, post):
    """Polls walk past all that is: it must not grow with every post that anybody ever opened."""
    looks.note(ana, post)
    looks.note(ben, post)
    Look.objects.filter(member=ana).update(at=now() - timedelta(hours=2))
    clockwork.refresh_late()
    assert [look.member for look in Look.objects.all()] == [ben]


def test_late_posts_move_without_a_word_from_the_service(workspace):
    persona = factories.make_persona(workspace)
    at = now() - timedelta(seconds=601)
    late = factories.make_post(persona, status="generating", made_at=at, asked_at=at)
    # As it lay there before its time was up.
    type(late).objects.update(desk="generating", trouble="", counted="generating")
    workspace.scopes.update(generating=1, attention=0)
    clockwork.refresh_late()
    late.refresh_from_db()
    assert (late.desk, late.trouble) == ("attention", "stuck")


# ---- with nothing to do ----------------------------------------------------------------------------------


@pytest.fixture
def idle(workspace, post):
    """Plenty of what is over, and watches that are not due yet."""
    at, later = now(), now() + timedelta(minutes=1)
    other = factories.make_workspace("Elsewhere")
    for one in (workspace, other):
        Watch.objects.create(workspace=one, kind="balance", poll_at=later)
        Watch.objects.create(workspace=one, kind="catalogue", poll_at=at, claimed_until=later)
    factories.make_operation(post, by=factories.make_member(workspace), state="succeeded")
    factories.make_operation(post, kind="reject", by=None, not_before=None)  # held
    factories.make_file(workspace, state="stored")
    factories.make_post(post.persona, status="generating", upstream_id="")  # not begun yet
    return workspace


def test_a_turn_with_nothing_to_do_asks_once(idle, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert turn() == []


def making(workspace, **facts):
    at = now() - timedelta(seconds=facts.pop("age", 30))
    facts = {"status": "generating", "made_at": at, "asked_at": at, **facts}
    return factories.make_post(workspace.personas.get(), **facts)


def stuck(workspace, seconds: float, looked: float):
    """Given up, and looked at for the last time so long after it was begun."""
    post = making(workspace, age=seconds)
    type(post).objects.filter(pk=post.pk).update(
        desk="attention", trouble="stuck", looked_at=post.asked_at + timedelta(seconds=looked)
    )


def key_is(**facts):
    return lambda workspace: workspace.keys.update(**facts)


AGO, LATER = now() - timedelta(seconds=90), now() + timedelta(days=1)
SOMETHING = {
    "an operation": lambda w: due_operation(w.posts.first(), target="another"),
    "a lapsed lease": lambda w: due_operation(
        w.posts.first(), state="sending", lease_until=AGO, target="another"
    ),
    "a hold that is over": lambda w: Hold.objects.create(
        workspace=w, member=w.members.first(), what="Approved", send_at=AGO
    ),
    "a file": lambda w: factories.make_file(w, state="wanted"),
    "a look": lambda w: watches.add(w.pk, "transactions"),
    "a look that was dropped": lambda w: w.watches.filter(kind="catalogue").update(claimed_until=AGO),
    "a post": making,
    "a post that is stuck": lambda w: stuck(w, 7000, looked=3000),
    "a post that was forgotten for days": lambda w: stuck(w, 500_000, looked=3000),
    "a sync": lambda w: SyncJob.objects.create(
        workspace=w, persona=w.personas.get(), upstream_id="s1", asked_at=AGO, seen_at=AGO
    ),
    "a delivery": lambda w: OutgoingPost.objects.create(
        workspace=w, upstream_id="o1", status="publishing", asked_at=AGO, seen_at=AGO
    ),
    "a voice": lambda w: Watch.objects.create(workspace=w, kind="voice", subject="1", poll_at=LATER),
    "a rejected key": key_is(state="rejected", checked_at=AGO),
    "a rejected key that was never tried": key_is(state="rejected", checked_at=None),
    "a breaker half open": key_is(opened_at=AGO),
}
NOTHING = {
    "a post that is lost": lambda w: stuck(w, 500_000, looked=90_000),
    "a post of a persona that is gone": lambda w: (making(w), w.personas.update(gone_at=AGO)),
    "a rejected key, tried just now": key_is(state="rejected", checked_at=now() + timedelta(minutes=5)),
    "a breaker that is open": key_is(opened_at=now() + timedelta(minutes=5)),
}


@pytest.mark.parametrize("name", SOMETHING)
def test_a_turn_sees_whatever_there_is_to_do(idle, name):
    SOMETHING[name](idle)
    assert clockwork.is_anything_due(now())


@pytest.mark.parametrize("name", NOTHING)
def test_and_nothing_that_it_would_leave_lying(idle, name, django_assert_num_queries):
    NOTHING[name](idle)
    with django_assert_num_queries(1):
        assert turn() == []
    assert hinted() == []


def test_under_a_key_without_work_nothing_is_asked_beside_one_that_has_some(idle):
    """One query for all keys, and those of the one that is busy."""
    watches.add(idle.pk, "transactions")
    polling.plan()  # the key's minute has its row from now on
    with CaptureQueriesContext(connection) as alone:
        assert len(polling.plan()) == 1
    for _ in range(3):
        factories.make_workspace("Elsewhere")
    Watch.objects.exclude(workspace=idle).update(poll_at=LATER)
    with CaptureQueriesContext(connection) as beside_others:
        assert len(polling.plan()) == 1
    assert len(beside_others) == len(alone)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a few rows without an index")
def test_that_one_question_walks_no_table_of_posts(db):
    told = polling.worth_planning(now()).explain()
    assert "posts_in_flight" in told
    assert "posts_open" in told


# ---- the lease ---------------------------------------------------------------------------------------


def test_one_poller_leads_until_its_lease_lapses(db):
    at = now()
    assert clockwork.lead("poller", "a", at=at)
    assert clockwork.lead("poller", "a", at=at + timedelta(seconds=5))
    assert not clockwork.lead("poller", "b", at=at + timedelta(seconds=19))
    assert clockwork.lead("poller", "b", at=at + timedelta(seconds=21))
    assert not clockwork.lead("poller", "a", at=at + timedelta(seconds=22))  # it was frozen, and stands by


def test_a_clock_that_is_put_right_leaves_no_lease_behind(db):
    """The machine was an hour ahead when it went down."""
    assert clockwork.lead("poller", "before", at=now() + timedelta(hours=1))
    assert clockwork.lead("poller", "after", at=now())
    assert not clockwork.lead("poller", "before", at=now())


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_pollers_that_start_at_once_one_leads():
    assert sum(from_threads(6, lambda number: clockwork.lead("poller", f"host:{number}"))) == 1


def test_the_heartbeat_goes_the_whole_way_through_the_worker(db):
    clockwork.beat_through_worker()
    assert hinted() == [("beat",)]
    assert not Heartbeat.objects.filter(name="worker").exists()
    tasks.beat()
    assert not Heartbeat.objects.filter(name="worker").exists()  # the monitor has not seen it yet
    tasks.beaten(None)
    assert now() - Heartbeat.objects.get(name="worker").at < timedelta(seconds=5)
