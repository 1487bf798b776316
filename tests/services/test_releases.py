"""Two releases at once, as during a deploy: what the newer one writes the older shows and leaves alone."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from reviewqueue.clock import now
from reviewqueue.models import Event, GeneratedPost, Operation, Scope, Watch
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import clockwork, desk, operations, polling, reconciling, resolving, restoring
from reviewqueue.services.access import AlreadyOpen
from tests import factories
from tests.world import token


@pytest.fixture
def widened(db):
    """The database as the newer release has migrated it: it takes states that this one does not know."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            yield
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
        else:
            cursor.execute("ALTER TABLE reviewqueue_operation DROP CONSTRAINT known_operation_state")
            yield


@pytest.fixture
def paused(widened, post, ana) -> Operation:
    """In a state that only the newer release knows."""
    operation = factories.make_operation(post, by=ana)
    Operation.objects.filter(pk=operation.pk).update(state="paused")
    operation.refresh_from_db()
    desk.refresh(post.pk, touched=True)
    return operation


def scheduled(post, ana, **facts) -> Operation:
    """Of a kind that only the newer release knows."""
    return factories.make_operation(post, "schedule", by=ana, lock_group="schedule", **facts)


def pages_of(post, *found: Operation) -> list[str]:
    places = ["/", "/?tab=attention", "/?tab=held", "/library/", "/activity/", "/billing/"]
    places += [f"/review/{post.pk}/", f"/library/{post.pk}/", f"/live/posts/{post.pk}/?v=0"]
    return [*places, *(f"/{live}operations/{one.pk}/" for one in found for live in ("", "live/"))]


def check_pages(browser, post, *found: Operation) -> None:
    for place in pages_of(post, *found):
        headers = {"HX-Request": "true"} if "/live/" in place else {}
        assert browser.get(place, headers=headers).status_code in (200, 204), place
    told = StringIO()
    call_command("export_operations", "--jsonl", stdout=told)
    assert told.getvalue().count("\n") == Operation.objects.count()


def test_a_state_that_is_not_known_is_shown(paused, post, ana, signed_in):
    check_pages(signed_in(ana), post, paused)
    page = signed_in(ana).get(f"/operations/{paused.pk}/").content.decode()
    assert "Paused" in page


def test_a_state_that_is_not_known_is_left_alone(paused, ana):
    before = Operation.objects.filter(pk=paused.pk).values().get()
    assert not operations.send(paused.pk)
    assert not operations.cancel(paused, by=ana)
    for command in (resolving.release, resolving.withdraw, resolving.check_now):
        with pytest.raises(NotAllowed), transaction.atomic():
            command(paused, by=ana)
    operations.sweep(at=now() + timedelta(hours=1))
    restoring.after_restore()
    assert Operation.objects.filter(pk=paused.pk).values().get() == before


def test_a_kind_that_is_not_known_is_shown(post, ana, signed_in):
    states = ("queued", "unknown", "failed", "succeeded")
    found = [scheduled(post, ana, target=state, state=state) for state in states]
    check_pages(signed_in(ana), post, *found)
    assert "Schedule" in signed_in(ana).get(f"/operations/{found[0].pk}/").content.decode()


def test_a_kind_that_is_not_known_is_neither_sent_nor_looked_for(post, ana, workspace):
    due = scheduled(post, ana)
    lost = scheduled(post, ana, target="lost", state="unknown", look_at=now(), sent_at=now())
    assert not clockwork.is_anything_due(now())
    assert not operations.send(due.pk)
    assert reconciling.due(workspace) == []
    assert set(Operation.objects.values_list("pk", "state", "fence")) == {
        (due.pk, "queued", 0),
        (lost.pk, "unknown", 0),
    }
    with pytest.raises(AlreadyOpen, match="Schedule by"):
        operations.queue(
            "approve", by=ana, target=due.target, label="", token=token(), lock="schedule", post=post
        )


def test_one_that_cannot_be_sent_from_here_holds_up_no_other_whose_sender_died(post, ana):
    long_ago = now() - timedelta(hours=1)
    for kind in ("schedule", "approve"):
        factories.make_operation(
            post, kind, by=ana, lock_group=kind, state="sending", sent_at=long_ago, lease_until=long_ago
        )
    assert operations.sweep() == 2
    assert set(Operation.objects.values_list("state", flat=True)) == {"unknown"}


def test_an_event_that_is_not_known_is_shown(post, ana, signed_in):
    facts = {"subject_label": "Ines Calder 1", "by_label": "Loupe", "facts": {"at": "noon"}, "post": post}
    Event.objects.create(workspace=post.workspace, name="post.scheduled", **facts)
    check_pages(signed_in(ana), post)
    assert "Ines Calder 1: post scheduled" in signed_in(ana).get("/activity/").content.decode()


def test_a_watch_that_is_not_known_is_not_looked_at(workspace):
    watch = Watch.objects.create(workspace=workspace, kind="schedules", poll_at=now() - timedelta(hours=1))
    assert polling.plan() == []
    assert not clockwork.is_anything_due(now())
    assert not polling.look(watch.pk)
    watch.refresh_from_db()
    assert watch.claimed_until is None


def test_a_place_on_the_desk_that_is_not_known_is_shown_and_left(post, ana, signed_in):
    GeneratedPost.objects.filter(pk=post.pk).update(desk="scheduled", counted="scheduled")
    check_pages(signed_in(ana), post)
    before = Scope.objects.get(workspace=post.workspace, key="desk").ready
    assert desk.refresh(post.pk).desk == "ready"
    assert Scope.objects.get(workspace=post.workspace, key="desk").ready == before + 1
