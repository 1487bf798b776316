"""Pulling new posts: what it needs, how long it takes, and what one that hangs must not keep from it."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Event, Source, SyncJob
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import pricing, syncing
from reviewqueue.services.access import AlreadyOpen, NotPermitted
from tests import factories
from tests.world import nothing_written, token


@pytest.fixture
def ines(world):
    world.mirror("Ines Calder")
    Source.objects.update(last_synced_at=now() - timedelta(hours=2))
    return world


def start(world, *, name="Ines Calder", by=None):
    return syncing.start(world.persona(name), by=by or world.ana, token=token())


def test_a_sync_brings_the_new_posts_of_every_source(ines):
    before = ines.workspace.source_posts.count()
    operation = ines.send(start(ines))
    assert (operation.state, operation.estimated_cents) == ("succeeded", 36)
    jobs = ines.workspace.personas.get(name="Ines Calder").sync_jobs
    assert jobs.count() == 4
    assert len(ines.effects("sync")) == 1

    ines.clock.advance(400)
    for job in jobs.all():
        ines.look("sync", job.pk)
    ended = [job for job in jobs.all() if job.status == "completed"]
    assert len(ended) + jobs.filter(status="skipped").count() == 4
    assert not jobs.filter(ended_at=None).exists()
    ines.look("persona", ines.persona().pk)
    ines.look("source_posts", ines.persona().pk)
    found = ines.workspace.source_posts.count() - before
    assert found == sum(job.new_posts_count for job in ended) > 0
    assert Event.objects.filter(name="sync.ended").count() == 4
    assert not ines.workspace.watches.filter(kind="sync").exists()


def test_a_second_sync_within_fifteen_minutes_is_skipped_and_says_so(ines):
    ines.send(start(ines))
    ines.clock.advance(400)
    first = list(ines.persona().sync_jobs.all())
    for job in first:
        ines.look("sync", job.pk)
    ines.send(start(ines))
    second = ines.persona().sync_jobs.exclude(pk__in=[job.pk for job in first])
    for job in second:
        ines.look("sync", job.pk)
    assert [job.status for job in second.all()] == ["skipped"] * 4
    assert "less than 15 minutes before" in Event.objects.filter(name="sync.ended").latest("at").sentence


def test_when_a_sync_is_no_longer_skipped():
    assert syncing.next_possible(None) is None
    assert syncing.next_possible(now() - timedelta(minutes=15, seconds=1)) is None
    recent = now() - timedelta(minutes=10)
    assert syncing.next_possible(recent) == recent + timedelta(minutes=15)


def test_a_failed_sync_says_what_the_service_said(world):
    world.mirror()
    with world.sandbox.moment() as context:
        context.rows.run("UPDATE creators SET handle = 'private.house' WHERE handle = 'littoral.house'")
    world.look("catalogue")
    world.send(start(world, name="Marlow Street"))
    job = world.persona("Marlow Street").sync_jobs.get()
    world.clock.advance(400)
    world.look("sync", job.pk)
    job.refresh_from_db()
    assert (job.status, job.error_message) == ("failed", "This account is private")
    assert "This account is private" in Event.objects.get(name="sync.ended").sentence


def test_without_a_source_there_is_nothing_to_pull(ana, persona):
    with nothing_written(ana.workspace), pytest.raises(NotAllowed, match="follows no account yet"):
        syncing.start(persona, by=ana, token=token())


def test_one_at_a_time(ines):
    operation = start(ines)
    with nothing_written(ines.workspace), pytest.raises(AlreadyOpen, match="Sync by Ana Ruiz"):
        start(ines)
    ines.send(operation)
    assert syncing.running(ines.workspace.pk) == {ines.persona().pk}
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="A sync is running"):
        start(ines)


def test_a_job_that_never_ends_does_not_keep_everybody_from_syncing(ines):
    ines.send(start(ines))
    SyncJob.objects.update(asked_at=now() - timedelta(minutes=20, seconds=1))
    assert syncing.running(ines.workspace.pk) == set()
    assert start(ines).state == "queued"


def test_a_double_press_is_one_sync(ines):
    same = token()
    first = syncing.start(ines.persona(), by=ines.ana, token=same)
    assert syncing.start(ines.persona(), by=ines.ana, token=same) == first
    ines.send(first)
    assert syncing.start(ines.persona(), by=ines.ana, token=same) == first


def test_a_sync_that_the_balance_does_not_cover_is_not_asked_for(ana, persona):
    factories.make_source(persona)
    ana.workspace.balance_cents = 8
    ana.workspace.save()
    with nothing_written(ana.workspace), pytest.raises(pricing.TooExpensive, match=r"costs \$0.09"):
        syncing.start(persona, by=ana, token=token())


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_it_takes_an_editor(workspace, persona, role):
    factories.make_source(persona)
    member = factories.make_member(workspace, "Vera Stone", role)
    with nothing_written(workspace), pytest.raises(NotPermitted, match="It takes editor"):
        syncing.start(persona, by=member, token=token())
    assert syncing.why_not(persona, by=member, followed=1, is_running=False)


def test_an_editor_may(edda, persona):
    factories.make_source(persona)
    assert syncing.start(persona, by=edda, token=token()).by == edda
