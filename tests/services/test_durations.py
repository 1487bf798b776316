"""How long things take: as documented, until the workspace's own past says it better."""

from datetime import timedelta

import pytest
from django.core.cache import caches

from reviewqueue.clock import now
from reviewqueue.models import Event, SyncJob
from reviewqueue.rules import cadence
from reviewqueue.services import durations
from tests import factories

BEGAN = timedelta(hours=3)


@pytest.fixture(autouse=True)
def _nothing_kept():
    caches["process"].clear()


def made(persona, seconds: float, *, kind="generate", **facts):
    """A post that was asked for from here and was seen to be done so many seconds later."""
    post = factories.make_post(persona, made_at=now() - BEGAN, **facts)
    post.items.update(ended_at=post.asked_at + timedelta(seconds=seconds))
    if kind:
        factories.make_operation(post, kind, state="succeeded")
    return post


def published(persona, seconds: float, *, kind="approve", **facts):
    post = factories.make_post(persona)
    factories.make_operation(post, kind, state="succeeded")
    at = now() - BEGAN
    times = {"asked_at": at, "settled_at": at + timedelta(seconds=seconds), "seen_at": at}
    facts = {"workspace": persona.workspace, "status": "published", **times, **facts}
    return post.outgoing.create(upstream_id=factories.uid(), **facts)


def test_what_is_known_of_the_past_is_what_was_asked_for_from_here(workspace, persona):
    made(persona, 70)
    made(persona, 200, kind="clone", media_type="video")
    made(persona, 40, kind=None)  # found there: nobody knows for how long it had been done
    factories.make_operation(made(persona, 40, kind=None), "generate", state="failed")
    made(persona, -100)  # only its other items were made anew
    made(persona, 45, deleted_at=now())
    assert durations.durations(workspace) == {"image": [70], "video": [200]}


def test_a_carousel_tells_of_each_of_its_items(workspace, persona):
    made(persona, 50, items=3)
    assert durations.durations(workspace) == {"image": [50, 50, 50]}


def test_syncs_deliveries_and_voices_have_a_past_too(workspace, persona):
    post = made(persona, -1)
    job = {"workspace": workspace, "seen_at": now(), "asked_at": now() - BEGAN, "status": "completed"}
    for number, facts in enumerate(({}, {"operation": None}, {"status": "skipped"})):
        facts = {"operation": post.operations.get(), **job, **facts}
        ended_at = job["asked_at"] + timedelta(seconds=90 + number)
        SyncJob.objects.create(persona=persona, upstream_id=f"job-{number}", ended_at=ended_at, **facts)
    published(persona, 25)
    published(persona, 26, kind="send_to_compose")  # began with the draft
    published(persona, 27, scheduled_for=now())
    voiced_at = now() - BEGAN
    post.items.update(voice_conversion_status="completed", voice_asked_at=voiced_at)
    for seconds in (-10, 60, 500):  # of an earlier voice, of this one, and of a later one of another item
        at = voiced_at + timedelta(seconds=seconds)
        Event.objects.create(workspace=workspace, name="voice.ready", at=at, post=post)
    assert durations.durations(workspace) == {"sync": [90], "delivery": [25], "voice": [60]}


def test_another_workspace_has_another_past(workspace, persona):
    other = factories.make_persona(factories.make_workspace("Elsewhere"))
    made(other, 70)
    published(other, 20)
    assert durations.durations(workspace) == {}


def test_the_past_is_asked_in_as_many_queries_for_many_as_for_few(
    workspace, persona, django_assert_num_queries
):
    for _ in range(4):
        made(persona, 70)
        published(persona, 20)
    with django_assert_num_queries(4):
        durations.spans(workspace)
    with django_assert_num_queries(0):  # and then kept for a while
        durations.spans(workspace)


def test_only_the_newest_are_asked(workspace, persona, monkeypatch):
    monkeypatch.setattr(durations, "LOOKED_BACK", 2)
    for seconds in (80, 70, 60):
        made(persona, seconds)
    assert sorted(durations.durations(workspace)["image"]) == [60, 70]
    for seconds in (30, 20, 10):
        published(persona, seconds)
    assert durations.durations(workspace) == {"delivery": [10, 20]}


def test_a_young_workspace_goes_by_the_documents(workspace, persona):
    made(persona, 70)
    assert durations.spans(workspace) == cadence.SPANS


def test_enough_of_the_past_says_when_to_look(workspace, persona):
    workspace.speed = 2
    workspace.save()
    made(persona, 21, items=cadence.ENOUGH)
    spans = durations.spans(workspace)
    assert spans["image"].earliest == pytest.approx(0.8 * 16)
    assert spans["image"].done_by(17) == pytest.approx(0.95, abs=0.01)
    assert (spans["image"].limit, spans["video"]) == (150, cadence.SPANS["video"].faster(2))
