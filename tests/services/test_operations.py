"""What each answer proves, and that nothing is sent twice because nobody knew."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction

from reviewqueue.clock import now
from reviewqueue.models import Operation, RateBudget
from reviewqueue.services import generating, operations, reviewing
from reviewqueue.services.access import AlreadyOpen
from tests import factories
from tests.world import token


@pytest.fixture
def oat(world):
    world.mirror("Oat & Ember")
    return world


def approval(world, **changes):
    post = world.ready(**changes)
    decided = reviewing.approve(post, by=world.ana, fingerprint=post.fingerprint, token=token())
    return decided.operation


def generation(world):
    persona = world.persona("Oat & Ember")
    source = world.workspace.source_posts.of_persona(persona).filter(made=0, kind="image").first()
    return generating.generate(source, persona, by=world.ana, token=token())


APPROVE, GENERATE = "POST /api/v1/generated-posts/{id}/approve", "POST /api/v1/generate"

# What happens on the wire, and what it proves of an approval.
PROVES_NOTHING_HAPPENED = {
    "400": "failed",
    "402": "failed",
    "403": "failed",
    "404": "failed",
    "409": "failed",
    "422": "failed",
    "401": "blocked",
    "429": "queued",
}
PROVES_NOTHING = ("500", "502", "503", "504", "redirect", "drop_before")
HAPPENED_UNSEEN = (
    "drop_after",
    "truncate",
    "malformed",
    "empty",
    "html",
    "huge",
    "hang",
    "500_after",
    "502_after",
)


@pytest.mark.parametrize(("fault", "state"), PROVES_NOTHING_HAPPENED.items())
def test_a_proven_refusal_is_not_sent_again(oat, fault, state):
    operation = approval(oat)
    oat.sandbox.misbehave(fault, match=APPROVE)
    assert oat.send(operation).state == state
    assert oat.effects("approve") == []
    assert operation.reason


@pytest.mark.parametrize("fault", PROVES_NOTHING)
def test_what_proves_nothing_is_unknown_and_never_sent_again(oat, fault):
    operation = approval(oat)
    oat.sandbox.misbehave(fault, match=APPROVE)
    assert oat.send(operation).state == "unknown"
    for _ in range(3):
        oat.send(operation)
    assert operation.attempts == 1
    assert oat.effects("approve") == []
    post = operation.post
    post.refresh_from_db()
    assert (post.desk, post.trouble) == ("attention", "unknown")


@pytest.mark.parametrize("fault", HAPPENED_UNSEEN)
def test_what_happened_unseen_is_unknown_and_happened_once(oat, fault):
    operation = approval(oat)
    oat.sandbox.misbehave(fault, match=APPROVE)
    assert oat.send(operation).state == "unknown"
    oat.send(operation)
    assert len(oat.effects("approve")) == 1


def test_a_usable_success_behind_a_broken_body_is_marked_as_accepted(oat):
    operation = approval(oat)
    oat.sandbox.misbehave("malformed", match=APPROVE)
    assert oat.send(operation).accepted


def test_an_unknown_approval_locks_the_post(oat):
    operation = approval(oat)
    oat.sandbox.misbehave("drop_after", match=APPROVE)
    oat.send(operation)
    post = operation.post
    post.refresh_from_db()
    with pytest.raises(AlreadyOpen):
        reviewing.reject(post, by=oat.ana, fingerprint=post.fingerprint, token=token())
    assert "@oat.and.ember" in operations.doubt(operation)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500", "504", "malformed"])
def test_an_absolute_wish_is_repeated_until_it_is_known(oat, fault):
    """A rejection twice is one rejection."""
    post = oat.ready()
    decision = reviewing.reject(post, by=oat.ana, fingerprint=post.fingerprint, token=token())
    oat.sandbox.misbehave(fault, match="POST /api/v1/generated-posts/{id}/reject")
    operation = oat.send(decision.operation)
    assert operation.state == "queued"
    assert "sent again" in operation.events.last().note
    assert oat.send(operation).state == "succeeded"
    assert len(oat.effects("reject")) == 1


def test_an_absolute_wish_is_repeated_three_times_at_most(oat):
    post = oat.ready()
    decision = reviewing.reject(post, by=oat.ana, fingerprint=post.fingerprint, token=token())
    oat.sandbox.misbehave("500", match="POST /api/v1/generated-posts/{id}/reject", times=9)
    for _ in range(5):
        operation = oat.send(decision.operation)
        oat.key.__class__.objects.update(opened_at=None, failures=0)
    assert (operation.state, operation.attempts) == ("unknown", 3)


def test_not_reached_is_not_sent_and_tried_again(oat, settings):
    operation = approval(oat)
    settings.REELMIRROR_URL = "http://127.0.0.1:9/api"
    oat.workspace.is_sandbox = False
    oat.workspace.save()
    operation = oat.send(operation)
    assert operation.state == "queued"
    assert operation.not_before > now()
    assert operation.attempts == 0  # the read before it did not get through either
    assert oat.effects("approve") == []


def test_slowing_down_is_no_attempt(oat):
    operation = approval(oat)
    oat.sandbox.misbehave("429", match=APPROVE)
    operation = oat.send(operation)
    assert (operation.state, operation.attempts) == ("queued", 0)
    assert operation.not_before > now()
    assert RateBudget.objects.get(pk=oat.key.fingerprint).blocked_until > now().timestamp()


# ---- crashes -----------------------------------------------------------------------------------


def test_a_sender_that_died_leaves_an_unknown_never_a_queued(oat):
    operation = approval(oat)
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    picked = operations.pick(operation.pk)
    assert operations.claim(picked)  # … and here it dies
    assert operations.sweep() == 0
    assert operations.sweep(at=now() + timedelta(minutes=5)) == 1
    operation.refresh_from_db()
    assert operation.state == "unknown"
    oat.send(operation)
    assert oat.effects("approve") == []


def test_one_that_died_while_preparing_is_taken_by_another(oat):
    operation = approval(oat)
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    assert operations.pick(operation.pk)  # … and here it dies
    assert not operations.send(operation.pk)
    assert operations.send(operation.pk, at=now() + timedelta(minutes=2))
    assert len(oat.effects("approve")) == 1


def test_of_two_senders_one_claims(oat):
    operation = approval(oat)
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    first = operations.pick(operation.pk)
    second = operations.pick(operation.pk, at=now() + timedelta(minutes=2))
    assert operations.claim(second)
    assert operations.claim(first) is None  # its fence is old


def test_the_late_answer_of_a_lapsed_sender_still_counts(oat):
    operation = approval(oat)
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    picked = operations.pick(operation.pk)
    line = oat.wire()
    deadline = operations.claim(picked)
    operations.sweep(at=now() + timedelta(minutes=5))
    operations.carry(picked, line, deadline)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert len(oat.effects("approve")) == 1


def test_a_frozen_sender_does_not_send_after_its_time(oat):
    operation = approval(oat)
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    picked = operations.pick(operation.pk)
    line = oat.wire()
    deadline = operations.claim(picked)
    operations.carry(picked, line, deadline - 10_000)  # woken much later
    operation.refresh_from_db()
    assert operation.state == "queued"
    assert oat.effects("approve") == []


def test_a_task_that_comes_twice_sends_once(oat):
    from reviewqueue import tasks

    operation = approval(oat)
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    tasks.send_operation(str(operation.pk))
    tasks.send_operation(str(operation.pk))
    assert len(oat.effects("approve")) == 1


# ---- money -------------------------------------------------------------------------------------


def test_no_answer_to_a_generation_is_unknown_and_charged_at_most_once(oat):
    operation = generation(oat)
    oat.sandbox.misbehave("drop_after", match=GENERATE)
    assert oat.send(operation).state == "unknown"
    oat.send(operation)
    assert len(oat.effects("generate")) == 1
    post = operation.post
    post.refresh_from_db()
    assert (post.desk, post.trouble, post.upstream_id) == ("attention", "unknown", "")


def test_a_balance_that_runs_out_stops_the_rest_of_the_batch(oat):
    persona = oat.persona("Oat & Ember")
    sources = oat.workspace.source_posts.of_persona(persona).filter(made=0, kind="image")[:3]
    batch = uuid.uuid4()
    asked = [generating.generate(one, persona, by=oat.ana, token=token(), batch=batch) for one in sources]
    oat.sandbox.set_balance(1)
    oat.send(asked[0])
    states = list(
        Operation.objects.filter(batch=batch).order_by("created_at").values_list("state", "blocked_by")
    )
    assert states == [("failed", ""), ("blocked", "balance"), ("blocked", "balance")]
    assert "Not enough balance" in asked[0].reason
    oat.sandbox.set_balance(5000)
    released = Operation.objects.filter(batch=batch, state="blocked")
    assert operations.release(list(released), by_label="Ana Ruiz") == 2
    for operation in asked[1:]:
        assert oat.send(operation).state == "succeeded"
    assert len(oat.effects("generate")) == 2


def test_a_missing_scope_is_named(oat):
    operation = approval(oat)
    oat.sandbox.misbehave("403", match=APPROVE)
    assert "content:write" in oat.send(operation).reason


# ---- the key ------------------------------------------------------------------------------------


def test_a_rejected_key_blocks_and_a_working_one_releases(oat):
    operation = approval(oat)
    secret = "rm_test_another_fake_key"
    from reviewqueue import vault

    kept = oat.key.secret
    oat.key.__class__.objects.update(secret=vault.seal(secret))
    assert oat.send(operation).blocked_by == "key"
    assert oat.key.state == "rejected"
    assert oat.effects("approve") == []
    oat.key.__class__.objects.update(secret=kept)
    oat.look("key")
    operation.refresh_from_db()
    assert (operation.state, oat.key.state) == ("queued", "working")
    assert oat.send(operation).state == "succeeded"


def test_without_a_key_it_waits(oat):
    operation = approval(oat)
    oat.workspace.keys.all().delete()
    operation = oat.send(operation)
    assert (operation.state, operation.blocked_by) == ("blocked", "key")


# ---- the table of rows ---------------------------------------------------------------------------


def test_one_open_operation_of_a_group_on_a_target(ana, post):
    facts = {"by": ana, "target": post.upstream_id, "label": "post", "post": post}
    with transaction.atomic():
        operations.queue("approve", token=token(), **facts)
    with pytest.raises(AlreadyOpen, match="Approved by Ana Ruiz"), transaction.atomic():
        operations.queue("reject", token=token(), **facts)


def test_another_workspaces_operation_is_not_named(ana, otto, post):
    with transaction.atomic():
        operations.queue("approve", by=ana, target=post.upstream_id, label="x", token=token(), post=post)
    with pytest.raises(AlreadyOpen) as error, transaction.atomic():
        operations.queue("approve", by=otto, target=post.upstream_id, label="x", token=token())
    assert "Ana" not in str(error.value)


def test_every_move_is_written_with_its_cause(oat):
    operation = oat.send(approval(oat))
    assert [(move.before, move.action, move.after) for move in operation.events.all()] == [
        ("queued", "claim", "sending"),
        ("sending", "finish", "succeeded"),
    ]


def test_requests_are_counted_before_they_are_made(oat):
    operation = approval(oat)
    budget = RateBudget.objects.get(pk=oat.key.fingerprint)
    RateBudget.objects.filter(pk=budget.pk).update(stamps=[now().timestamp()] * 60)
    operation = oat.send(operation)
    assert operation.state == "queued"
    assert operation.not_before > now() + timedelta(seconds=30)
    assert factories.now()
