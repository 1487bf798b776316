"""The poller's turn: it tells the worker what is due, and does itself what is left lying."""

from datetime import timedelta

import pytest
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from reviewqueue import tasks
from reviewqueue.clock import now
from reviewqueue.models import Heartbeat, Hold, MediaFile, Operation, Watch
from reviewqueue.services import clockwork, media, operations, watches
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


# ---- the lease ---------------------------------------------------------------------------------------


def test_one_poller_leads_until_its_lease_lapses(db):
    at = now()
    assert clockwork.lead("poller", "a", at=at)
    assert clockwork.lead("poller", "a", at=at + timedelta(seconds=5))
    assert not clockwork.lead("poller", "b", at=at + timedelta(seconds=19))
    assert clockwork.lead("poller", "b", at=at + timedelta(seconds=21))
    assert not clockwork.lead("poller", "a", at=at + timedelta(seconds=22))  # it was frozen, and stands by


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
