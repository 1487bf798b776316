"""The last look before sending: what was decided on is compared with what is there, byte for byte."""

import logging
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Event, MediaFile, Operation, Persona, UpstreamKey
from reviewqueue.rules.vocabulary import EVENTS
from reviewqueue.services import (
    billing,
    generating,
    media,
    operations,
    polling,
    rates,
    resolving,
    reviewing,
    watches,
)
from reviewqueue.upstream import errors
from tests import factories, scripted
from tests.scripted import picture
from tests.world import check_counts, committing, token


@pytest.fixture
def ben(service):
    return factories.make_member(scripted.workspace_of(service), "Ben Adler", "admin")


@pytest.fixture
def post(service, ben):
    """Ready, its picture read through the wire; the service knows it and answers what is asked of it."""
    persona = factories.make_persona(ben.workspace, accounts=("ines.calder",))
    service.files |= {"a.jpg": picture(), "same.jpg": picture(), "other.jpg": picture("blue")}
    post = factories.make_post(persona, status="generating")
    address = f"/v1/generated-posts/{post.upstream_id}"
    item = post.items.get()
    told = {"id": item.upstream_id, "status": "completed", "media_type": "image"}
    told["url"] = service.link("a.jpg")
    body = {"id": post.upstream_id, "status": "completed", "caption": post.caption}
    body |= {"review_status": "pending_review", "media_items": [told]}
    service.says |= {
        address: body,
        f"/v1/generated-media-items/{item.upstream_id}": told,
        f"/v1/generated-media-items/{item.upstream_id}/reject": {
            "status": "rejected",
            "post_auto_rejected": False,
        },
        f"{address}/approve": {"outgoing_post_id": "out-1", "status": "publishing"},
        f"{address}/reject": {"status": "rejected"},
        "/v1/generate/toggle-public": {"id": item.upstream_id, "is_public": True},
        "/v1/generate/media-item": {"id": item.upstream_id},
        f"/v1/personas/{persona.upstream_id}": {"id": persona.upstream_id, "name": persona.name},
        f"/v1/personas/{persona.upstream_id}/publishing-targets": [
            {"id": target.upstream_id, "connected_account_id": target.account.upstream_id}
            for target in persona.targets.all()
        ],
    }
    scripted.look(ben.workspace, "post", post.pk)
    with committing():
        media.fetch(post.items.get().file_id)
    post.refresh_from_db()
    assert post.desk == "ready"
    return post


def told_item(service, post) -> dict:
    return service.says[f"/v1/generated-media-items/{post.items.current().get().upstream_id}"]


def send(operation: Operation, *, late: timedelta = timedelta()) -> Operation:
    Operation.objects.filter(pk=operation.pk, state="queued").update(not_before=now() - late)
    with committing():
        operations.send(operation.pk)
    operation.refresh_from_db()
    return operation


def approved(post, by) -> Operation:
    return reviewing.approve(post, by=by, fingerprint=post.fingerprint, token=token()).operation


def asked_to(service, ending: str) -> int:
    return sum(path.endswith(ending) for path in service.asked)


# ---- a post ------------------------------------------------------------------------------------------


def test_the_same_picture_under_another_link_is_the_same(service, post, ben):
    operation = approved(post, ben)
    told_item(service, post)["url"] = service.link("same.jpg")
    assert send(operation).state == "succeeded"
    assert asked_to(service, "/approve") == 1


def test_another_picture_is_not_what_was_approved(service, post, ben):
    operation = approved(post, ben)
    told_item(service, post)["url"] = service.link("other.jpg")
    operation = send(operation)
    assert (operation.state, "changed since you saw it" in operation.reason) == ("failed", True)
    assert asked_to(service, "/approve") == 0
    post.refresh_from_db()
    assert (post.desk, post.trouble) == ("ready", "changed")
    check_counts(post.workspace)


def test_until_a_picture_under_a_new_link_was_fetched_nothing_is_sent(service, post, ben):
    """It may be another one; in the end it is told or given up."""
    operation = approved(post, ben)
    told_item(service, post)["url"] = service.link("late.jpg")
    operation = send(operation)
    assert (operation.state, operation.attempts) == ("queued", 0)
    assert "could not be fetched yet" in operation.reason
    assert operation.not_before > now() + timedelta(seconds=5)
    assert asked_to(service, "/approve") == 0
    assert UpstreamKey.objects.get().failures == 0  # the service itself is well

    service.files["late.jpg"] = picture()
    MediaFile.objects.filter(state="wanted").update(fetch_at=now())
    assert send(operation).state == "succeeded"
    assert asked_to(service, "/approve") == 1


def test_a_picture_that_is_no_picture_any_more_is_not_what_was_approved(service, post, ben):
    operation = approved(post, ben)
    service.files["bad.jpg"] = b"<svg/>"
    told_item(service, post)["url"] = service.link("bad.jpg")
    assert send(operation).state == "failed"
    assert asked_to(service, "/approve") == 0


@pytest.mark.parametrize("name", ["looked_at", "told_at"])
def test_a_clock_that_was_an_hour_ahead_does_not_hide_a_change(service, post, ben, name):
    operation = approved(post, ben)
    type(post).objects.filter(pk=post.pk).update(**{name: now() + timedelta(hours=1)})
    service.says[f"/v1/generated-posts/{post.upstream_id}"]["caption"] = "Somebody else's words"
    send(operation)
    assert (operation.state, operation.reason) == ("failed", "it changed since you saw it")
    assert asked_to(service, "/approve") == 0


@pytest.mark.parametrize("verb", [reviewing.APPROVE, reviewing.REJECT])
def test_what_somebody_approved_outside_meanwhile_is_not_decided_again(service, post, ben, verb):
    """The post waits for review until its first delivery; only its outgoing post shows that it goes out."""
    facts = {"by": ben, "fingerprint": post.fingerprint, "token": token()}
    operation = reviewing.decide(post, verb, **facts).operation
    service.says[f"/v1/generated-posts/{post.upstream_id}"]["outgoing_post_id"] = "out-0"
    send(operation)
    assert (operation.state, operation.reason) == ("failed", "it is going out already")
    assert asked_to(service, f"/{verb.verdict}") == 0
    post.refresh_from_db()
    assert post.desk == "publishing"


@pytest.mark.parametrize("is_earlier", [True, False])
def test_what_no_longer_goes_out_is_decided_anew(service, post, ben, is_earlier):
    """All its deliveries failed, or it was made anew since."""
    facts = {"asked_at": post.asked_at - timedelta(hours=1)} if is_earlier else {"settled_at": now()}
    facts = {"asked_at": now(), "seen_at": now(), "status": "publishing", **facts}
    post.outgoing.create(workspace=post.workspace, upstream_id="out-0", **facts)
    service.says[f"/v1/generated-posts/{post.upstream_id}"]["outgoing_post_id"] = "out-0"
    assert send(approved(post, ben)).state == "succeeded"


def test_where_it_would_go_is_read_again_when_that_is_a_while_ago(service, post, ben):
    operation = approved(post, ben)
    asked = asked_to(service, "/publishing-targets")
    Persona.objects.update(targets_seen_at=now() - timedelta(minutes=2))
    service.says[f"/v1/personas/{post.persona.upstream_id}/publishing-targets"] = [
        {"id": "t-9", "connected_account_id": "a-9", "username": "somebody.else"}
    ]
    operation = send(operation)
    assert asked_to(service, "/publishing-targets") == asked + 1
    assert (operation.state, asked_to(service, "/approve")) == ("failed", 0)


@pytest.mark.parametrize(
    ("answer", "state", "cause", "words"),
    [
        (scripted.problem(401), "blocked", "key", "rejected the API key"),
        (scripted.problem(403), "failed", "", "The API key lacks “content:write”"),
        (scripted.problem(404), "failed", "", "no longer there at the service"),
        ((429, {"Retry-After": "9"}, b"{}"), "queued", "", "Too many requests"),
        (scripted.problem(503), "queued", "", "It said 503"),
        (TimeoutError(), "queued", "", "no answer came in time"),
    ],
)
def test_without_the_last_look_nothing_is_sent(service, post, ben, answer, state, cause, words):
    operation = approved(post, ben)
    service.instead = answer
    operation = send(operation)
    assert (operation.state, operation.blocked_by, operation.attempts) == (state, cause, 0)
    assert words in operation.reason
    assert asked_to(service, "/approve") == 0


# ---- one item ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "state", "sent"),
    [("same.jpg", "succeeded", 1), ("other.jpg", "failed", 0), ("gone", "failed", 0)],
)
def test_an_item_command_goes_for_the_same_picture_and_for_no_other(service, post, ben, name, state, sent):
    operation = generating.regenerate_item(post.items.get(), by=ben, token=token())
    told_item(service, post)["url"] = service.link(name)
    operation = send(operation)
    assert operation.state == state
    assert sent or "the picture was replaced since you saw it" in operation.reason
    assert asked_to(service, "/generate/media-item") == sent


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        ({"is_public": True}, "succeeded", "It was so already."),
        ({"is_public": False}, "succeeded", ""),
    ],
)
def test_what_is_as_wished_is_not_asked_for(service, post, ben, facts, state, words):
    operation = generating.set_public(post.items.get(), True, by=ben, token=token())
    told_item(service, post).update(facts)
    operation = send(operation)
    assert (operation.state, operation.reason) == (state, words)
    assert asked_to(service, "/toggle-public") == (0 if words else 1)


def test_an_item_that_is_being_made_anew_is_not_made_again(service, post, ben):
    operation = generating.regenerate_item(post.items.get(), by=ben, token=token())
    told_item(service, post).update(status="generating", url=None)
    operation = send(operation)
    assert (operation.state, "being made anew" in operation.reason) == ("failed", True)
    assert asked_to(service, "/generate/media-item") == 0


# ---- answers that come late --------------------------------------------------------------------------


def lapsed(operation: Operation) -> tuple[Operation, int]:
    """It was sent, its lease ran out, and a sweeper wrote down that nobody knows."""
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    picked = operations.pick(operation.pk)
    assert operations.claim(picked)
    assert operations.sweep(at=now() + timedelta(minutes=5)) == 1
    return picked, picked.fence


def test_a_refusal_that_comes_late_proves_that_nothing_happened(service, post, ben):
    picked, fence = lapsed(approved(post, ben))
    operations.late(picked, None, errors.BadRequest("No account"), fence)
    picked.refresh_from_db()
    assert picked.state == "absent"
    assert not post.decisions.filter(stands=True).exists()
    post.refresh_from_db()
    assert (post.desk, post.trouble) == ("attention", "not_sent")


def test_an_answer_to_an_earlier_sending_says_nothing_of_a_later_one(service, post, ben):
    picked, fence = lapsed(approved(post, ben))
    operations.late(picked, None, errors.BadRequest("No account"), fence - 1)
    picked.refresh_from_db()
    assert picked.state == "unknown"


def test_an_answer_after_it_was_ruled_out_is_an_incident(service, post, ben, caplog):
    picked, fence = lapsed(approved(post, ben))
    Operation.objects.update(state="absent")
    with caplog.at_level(logging.CRITICAL, "loupe.operations"):
        operations.late(picked, object(), None, fence)
    assert "an answer came after it was ruled out" in caplog.text
    picked.refresh_from_db()
    assert picked.state == "absent"
    assert picked.workspace.events.filter(name="operation.unknown", operation=picked).exists()


def test_a_service_that_is_never_reached_is_given_up_and_nothing_happened(ben, settings):
    """The thirtieth attempt to connect."""
    settings.REELMIRROR_URL = "http://127.0.0.1:9/api"
    type(ben.workspace).objects.update(is_sandbox=False)
    operation = billing.top_up(amount_cents=1000, by=ben, token=token())
    assert send(operation).state == "queued"
    UpstreamKey.objects.update(opened_at=None, failures=0)
    Operation.objects.update(attempts=operations.NOT_SENT_LIMIT - 1, picked_until=None)
    operation = send(operation)
    assert operation.state == "failed"
    assert "could not be reached" in operation.reason


def test_what_fell_due_while_loupe_was_down_waits_for_a_persons_word(service, post, ben):
    """A backlog is never published silently."""
    operation = approved(post, ben)
    Operation.objects.update(not_before=now() - timedelta(minutes=16))
    asked = len(service.asked)
    operation = send(operation, late=timedelta(minutes=16))
    assert (operation.state, operation.blocked_by) == ("blocked", "late")
    assert operation.reason == "It was 16 min late when it could be sent, so it was not sent."
    assert len(service.asked) == asked
    post.refresh_from_db()
    assert (post.desk, post.trouble) == ("attention", "blocked")
    resolving.release(operation, by=ben)
    assert send(operation).state == "succeeded"


def test_a_few_minutes_late_is_still_sent(service, post, ben):
    assert send(approved(post, ben), late=timedelta(minutes=14)).state == "succeeded"


def test_while_the_service_is_away_nothing_is_tried(service, post, ben):
    operation = approved(post, ben)
    UpstreamKey.objects.update(opened_at=now(), failures=5)
    asked = len(service.asked)
    operation = send(operation)
    assert (operation.state, operation.reason) == ("queued", "The service does not answer.")
    assert len(service.asked) == asked
    # Half a minute later it is one look of the poller's that tries; what waits goes on once it was answered.
    UpstreamKey.objects.update(opened_at=now() - timedelta(seconds=31))
    assert send(operation).state == "queued"
    assert len(service.asked) == asked
    rates.answered(UpstreamKey.objects.get())
    assert send(operation).state == "succeeded"


# ---- somebody else answers in the service's place ------------------------------------------------------

ELSEWHERE = (302, {"Location": "https://elsewhere.example/sign-in"}, b"")


def test_a_redirect_in_place_of_an_answer_is_unknown_and_an_alarm_of_its_own(service, post, ben):
    operation = approved(post, ben)
    service.says[f"/v1/generated-posts/{post.upstream_id}/approve"] = ELSEWHERE
    operation = send(operation)
    assert operation.state == "unknown"
    assert "to https://elsewhere.example/sign-in, which is never followed" in operation.reason
    alarm = Event.objects.get(name="service.elsewhere")
    assert operation.reason in alarm.facts["said"]
    assert "Check the address in LOUPE_REELMIRROR_URL" in EVENTS[alarm.name].sentence
    key = UpstreamKey.objects.get()
    # After one of them: each request there carries the key.
    assert rates.is_elsewhere(key.opened_at, key.trouble)
    assert rates.is_open(key)


def test_a_redirected_read_is_the_same_alarm_once_and_nothing_goes_there_after_it(service, post, ben):
    operation = approved(post, ben)
    service.instead = ELSEWHERE
    assert send(operation).state == "queued"
    asked = len(service.asked)
    operation = send(operation)
    assert (operation.state, operation.reason) == ("queued", "Somebody else answers in the service’s place.")
    assert len(service.asked) == asked
    UpstreamKey.objects.update(opened_at=now() - timedelta(seconds=31))
    watch = watches.add(ben.workspace_id, "key")
    polling.look(watch.pk)
    assert service.asked[asked:] == ["/v1/billing/balance"]
    assert rates.is_open(UpstreamKey.objects.get())
    assert Event.objects.filter(name="service.elsewhere").count() == 1
    service.instead = None
    service.says["/v1/billing/balance"] = {"balance_cents": 4000}
    UpstreamKey.objects.update(opened_at=now() - timedelta(seconds=31))
    polling.look(watches.add(ben.workspace_id, "key", soon=True).pk)
    key = UpstreamKey.objects.get()
    assert (key.opened_at, key.trouble) == (None, "")
    assert send(operation).state == "succeeded"
    service.instead = ELSEWHERE
    for minutes, alarms in ((0, 1), (61, 2)):  # told again when it is older than an hour
        UpstreamKey.objects.update(opened_at=None, trouble="")
        Event.objects.update(at=now() - timedelta(minutes=minutes))
        polling.look(watches.add(ben.workspace_id, "key", soon=True).pk)
        assert Event.objects.filter(name="service.elsewhere").count() == alarms
