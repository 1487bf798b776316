"""What a person is told of an operation, and what they can let go on."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Decision, GeneratedPost, Member, Operation
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import holds, operations, reconciling, resolving, reviewing
from reviewqueue.services.access import NotPermitted
from tests import factories
from tests.world import nothing_written, token


def blocked(post, ana, cause="balance") -> Operation:
    return factories.make_operation(
        post, by=ana, state="blocked", blocked_by=cause, reason="The balance ran out. Top up"
    )


def test_what_waited_for_the_balance_goes_on_at_a_persons_word(edda, ana, post):
    operation = blocked(post, ana)
    resolving.release(operation, by=edda)
    operation.refresh_from_db()
    assert (operation.state, operation.blocked_by, operation.reason) == ("queued", "", "")
    assert operation.not_before <= now()
    assert operation.events.get(action="release").by_label == "Edda Holm"
    event = post.events.get(name="operation.released")
    assert (event.by, event.sentence) == (edda, f"Let go on: Approved: {operation.label}")


def test_a_lost_role_is_put_right_once_it_is_given_back(oat):
    operation = oat.approve(oat.ready(), by=oat.ben).operation
    give(oat.ben, "viewer")
    assert (oat.send(operation).state, operation.blocked_by) == ("blocked", "role")
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="Ben Adler may still not do this"):
        resolving.release(operation, by=oat.ana)  # nor does whoever lets it go on stand in for him
    assert "Once an admin gives the role back" in resolving.known(operation)
    give(oat.ben, "reviewer")
    operation = Operation.objects.get(pk=operation.pk)
    assert "gives the role back" not in resolving.known(operation)
    with nothing_written(oat.workspace), pytest.raises(NotPermitted):
        resolving.release(operation, by=oat.ben)
    resolving.release(operation, by=oat.ana)
    give(oat.ben, "viewer")
    assert oat.send(operation).state == "blocked"  # asked again before it is sent
    give(oat.ben, "reviewer")
    resolving.release(Operation.objects.get(pk=operation.pk), by=oat.ana)
    assert oat.send(operation).state == "succeeded", operation.reason
    assert (operation.by, len(oat.effects("approve"))) == (oat.ben, 1)


def test_nobody_stands_in_for_somebody_who_left(oat):
    operation = oat.approve(oat.ready(), by=oat.ben).operation
    Member.objects.filter(pk=oat.ben.pk).update(is_active=False)
    assert oat.send(operation).blocked_by == "role"
    with pytest.raises(NotAllowed):
        resolving.release(operation, by=oat.ana)
    resolving.withdraw(operation, by=oat.ana)
    fresh = GeneratedPost.objects.get(pk=operation.post_id)
    assert oat.send(oat.approve(fresh).operation).state == "succeeded"


def give(member, role) -> None:
    Member.objects.filter(pk=member.pk).update(role=role)


def test_what_waits_for_something_else_does_not(ana, post):
    operation = blocked(post, ana, "key")
    assert not resolving.can_release(operation)
    with nothing_written(ana.workspace), pytest.raises(NotAllowed, match="does not wait for anybody"):
        resolving.release(operation, by=ana)


def test_of_two_one_lets_it_go_on(edda, ana, post):
    first = blocked(post, ana)
    second = Operation.objects.get(pk=first.pk)
    resolving.release(first, by=ana)
    with pytest.raises(NotAllowed):
        resolving.release(second, by=edda)
    assert first.events.filter(action="release").count() == 1


@pytest.mark.parametrize("cause", ["balance", "key", "role"])
def test_what_is_blocked_can_be_withdrawn_and_its_post_is_free(edda, ben, ana, post, cause):
    operation = blocked(post, ana, cause)
    facts = {"workspace": ana.workspace, "verdict": "approve", "by": ana, "by_label": "Ana Ruiz"}
    decision = Decision.objects.create(post=post, operation=operation, **facts)
    with nothing_written(ana.workspace), pytest.raises(NotPermitted):
        resolving.withdraw(operation, by=ben)
    resolving.withdraw(operation, by=edda)
    operation.refresh_from_db()
    decision.refresh_from_db()
    assert operation.state == "cancelled"
    assert operation.events.get(action="cancel").by_label == "Edda Holm"
    assert (decision.stands, decision.ended) == (False, "undone")
    assert post.events.get(name="operation.withdrawn").by == edda
    fresh = GeneratedPost.objects.get(pk=post.pk)
    assert reviewing.approve(fresh, by=ana, fingerprint=fresh.fingerprint, token=token()).operation
    with nothing_written(ana.workspace), pytest.raises(NotAllowed, match="cannot be withdrawn"):
        resolving.withdraw(operation, by=edda)


@pytest.mark.parametrize("state", ["queued", "sending", "unknown"])
def test_what_is_not_blocked_cannot(ana, post, state):
    operation = factories.make_operation(post, by=ana, state=state)
    with nothing_written(ana.workspace), pytest.raises(NotAllowed, match="cannot be withdrawn"):
        resolving.withdraw(operation, by=ana)


def test_what_is_withdrawn_does_not_count_towards_the_day(ana, post):
    facts = {"by": ana, "fingerprint": post.fingerprint, "token": token()}
    operation = reviewing.reject(post, **facts).operation
    operations.block(operation, operations.Blocked("late", "It was due before."))
    assert ana.workspace.tallies.get().decided == 1
    resolving.withdraw(operation, by=ana)
    assert ana.workspace.tallies.get().decided == 0


def test_what_may_have_happened_cannot_be_withdrawn(ana, post):
    operation = blocked(post, ana, "restore")
    assert not resolving.can_withdraw(operation)
    operation.reason = reconciling.FREE_TO_GO
    assert resolving.can_withdraw(operation)
    operation.events.create(action="lose", before="sending", after="unknown")
    assert not resolving.can_withdraw(operation)


def test_a_post_that_was_never_made_goes_with_what_would_have_made_it(oat):
    operation = oat.generate()
    oat.workspace.keys.all().delete()
    assert oat.send(operation).state == "blocked"
    resolving.withdraw(operation, by=oat.ana)
    operation.post.refresh_from_db()
    assert operation.post.deleted_at


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"state": "queued", "reason": ""}, "It is sent next."),
        ({"state": "queued", "reason": "Waiting for the service’s request limit."}, "request limit"),
        ({"state": "blocked", "reason": "No key"}, "No key. It is kept and has not been sent."),
        (
            {
                "state": "blocked",
                "blocked_by": "restore",
                "reason": "A backup was restored",
                "look_at": now(),
            },
            "A backup was restored. It is being looked for.",
        ),
        ({"state": "sending"}, "the answer is awaited"),
        ({"state": "succeeded"}, "answered that it was done"),
        ({"state": "succeeded", "reason": "It was so already."}, "It was so already."),
        ({"state": "failed", "reason": "No account?"}, "No account? Nothing happened at the service."),
        ({"state": "unknown"}, "no usable answer came. This post may be published. Look at @ines.calder"),
        ({"state": "absent"}, "looked for at the service and has not happened"),
        ({"state": "cancelled"}, "Taken back before it was sent"),
    ],
)
def test_where_it_stands_is_a_sentence(ana, post, facts, words):
    assert words in resolving.known(factories.make_operation(post, by=ana, **facts))


def test_a_held_one_says_until_when(ana, post):
    hold = holds.begin(ana, "Approved", "")
    at = now() + timedelta(seconds=9)
    operation = factories.make_operation(post, by=ana, hold=hold, not_before=at)
    assert resolving.known(operation).startswith(f"Held until {at:%H:%M:%S}")
    operation.not_before = None
    assert resolving.known(operation).startswith("Held until Ana Ruiz sends it")
