"""The hold is the undo: what can be taken back, by whom, until when, and what it leaves behind."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Decision, Hold, Operation, Workspace
from reviewqueue.services import generating, holds, operations, reviewing
from tests.factories import make_post
from tests.world import check_counts, nothing_written, only_postgresql, token


@pytest.fixture
def oat(world):
    world.mirror("Oat & Ember")
    return world


@pytest.fixture
def pair(oat):
    """Two people have to approve."""
    oat.workspace.approvers = 2
    oat.workspace.save()
    return oat


def fresh(row):
    row.refresh_from_db()
    return row


def due(operation: Operation) -> bool:
    Operation.objects.filter(pk=operation.pk, state="queued").update(not_before=now())
    return Operation.objects.due(now()).filter(pk=operation.pk).exists()


# ---- taking back ---------------------------------------------------------------------------------


def test_a_decision_that_waits_for_balance_or_key_can_still_be_taken_back(oat):
    """Blocked before it was sent: nothing has left."""
    post = oat.ready()
    decision = oat.approve(post)
    hold = decision.hold
    oat.workspace.keys.all().delete()
    assert oat.send(decision.operation).state == "blocked"
    assert not HELD_STILL(hold)
    assert operations.cancel(decision.operation, by=oat.ana)


def HELD_STILL(hold: Hold) -> bool:
    return fresh(hold).state == "held"


def test_what_was_taken_back_cannot_be_taken_back_again(oat):
    decision = oat.approve(oat.ready())
    holds.undo(decision.hold, by=oat.ana)
    with nothing_written(oat.workspace), pytest.raises(holds.TooLate, match="Too late to undo"):
        holds.undo(fresh(decision.hold), by=oat.ana)
    with pytest.raises(holds.TooLate):
        holds.send(decision.hold, by=oat.ana)


def test_undo_of_many_takes_back_what_was_not_sent_yet(oat):
    first, second = oat.ready(), oat.ready(besides=[oat.ready()])
    seen = {post.pk: post.fingerprint for post in (first, second)}
    outcomes = reviewing.decide_many(
        [first, second], reviewing.REJECT, by=oat.ana, seen=seen, token=token(), reason="Low quality"
    )
    oat.send(outcomes[0].decision.operation)
    hold = outcomes[0].decision.hold
    caught = holds.undo(hold, by=oat.ana)
    assert [operation.post for operation in caught] == [second]
    standing = Decision.objects.filter(hold=hold, stands=True)
    assert [decision.post for decision in standing] == [first]
    assert (fresh(first).desk, fresh(second).desk) == ("rejected", "ready")
    assert oat.workspace.tallies.get().rejected == 1
    check_counts(oat.workspace)


def test_undo_stands_in_the_history(oat):
    post = oat.ready()
    holds.undo(oat.approve(post).hold, by=oat.ana)
    event = post.events.get(name="decision.undone")
    assert event.sentence == f"Took back: Approved {post.persona.name} {post.number}"
    assert event.by == oat.ana


def test_a_decision_is_taken_back_though_its_day_is_another_one_since(ana, post, workspace):
    Workspace.objects.update(time_zone="Pacific/Kiritimati")
    decision = reviewing.reject(post, by=ana, fingerprint=post.fingerprint, token=token())
    Workspace.objects.update(time_zone="Pacific/Pago_Pago")  # 25 hours behind
    holds.undo(Hold.objects.get(pk=decision.hold_id), by=ana)
    assert fresh(post).desk == "ready"
    assert [tally.rejected for tally in workspace.tallies.order_by("day")] == [0, 1]


def test_a_first_approval_is_taken_back_and_the_tally_stays(pair):
    post = pair.ready()
    first = pair.approve(post)
    holds.undo(first.hold, by=pair.ana)
    assert (fresh(first).stands, first.ended) == (False, "undone")
    assert not pair.workspace.tallies.exists()
    assert pair.approve(post, by=pair.ben).is_first


def test_a_second_approval_is_not_sent_once_the_first_was_taken_back(pair):
    post = pair.ready()
    first = pair.approve(post)
    second = pair.approve(post, by=pair.ben)
    holds.undo(first.hold, by=pair.ana)
    operation = pair.send(second.operation)
    assert operation.state == "failed"
    assert "approval of two people, and only one stands" in operation.reason
    assert (fresh(second).ended, fresh(post).desk) == ("lapsed", "ready")
    assert pair.effects("approve") == []


def test_two_standing_approvals_are_sent(pair):
    post = pair.ready()
    pair.approve(post)
    second = pair.approve(post, by=pair.ben)
    assert pair.send(second.operation).state == "succeeded"


def test_an_approval_of_one_is_not_sent_once_the_policy_wants_two(oat):
    decision = oat.approve(oat.ready())
    oat.workspace.approvers = 2
    oat.workspace.save()
    assert oat.send(decision.operation).state == "failed"
    assert oat.effects("approve") == []


# ---- waiting -------------------------------------------------------------------------------------


def test_a_hold_lasts_as_long_as_its_person_wants(oat):
    oat.ana.user.hold_seconds = 60
    hold = oat.approve(oat.ready()).hold
    assert now() + timedelta(seconds=58) < hold.send_at <= now() + timedelta(seconds=60)
    assert hold.operations.get().not_before == hold.send_at


def test_pausing_starts_the_whole_time_anew(oat):
    hold = oat.approve(oat.ready()).hold
    holds.pause(hold, by=oat.ana)
    assert fresh(hold).send_at is None
    holds.pause(hold, by=oat.ana, on=False)
    assert fresh(hold).send_at > now() + timedelta(seconds=9)
    assert hold.operations.get().not_before == hold.send_at


def test_who_leaves_the_tray_has_the_whole_time_again_also_where_it_had_no_end(ana, post):
    ana.user.hold_seconds = None
    hold = reviewing.reject(post, by=ana, fingerprint=post.fingerprint, token=token()).hold
    holds.pause(hold, by=ana, on=False)  # its clock runs from now on
    holds.linger(ana)
    holds.linger(ana, on=False)
    assert now() + timedelta(seconds=9) < fresh(hold).send_at <= now() + timedelta(seconds=10)


def test_what_is_paused_while_somebody_prepares_to_send_it_is_not_sent(oat):
    operation = oat.approve(oat.ready()).operation
    assert due(operation)
    picked = operations.pick(operation.pk)
    holds.pause(operation.hold, by=oat.ana)
    assert operations.claim(picked) is None
    assert fresh(operation).state == "queued"
    assert oat.effects("approve") == []


def test_a_held_regeneration_is_paused_and_its_page_says_so(oat):
    """Its hold has no decision, and its post is drawn anew all the same."""
    post = oat.ready()
    operation = generating.regenerate_item(oat.item(post), by=oat.ana, token=token())
    version = oat.workspace.scopes.get(key="desk").version
    holds.pause(operation.hold, by=oat.ana)
    assert fresh(operation).not_before is None
    assert oat.workspace.scopes.get(key="desk").version > version


def test_send_now_is_due_now(oat):
    decision = oat.approve(oat.ready())
    holds.send(decision.hold, by=oat.ana)
    assert Operation.objects.due(now()).filter(pk=decision.operation.pk).exists()


def test_the_tray_shows_ones_own_holds_that_wait(oat):
    first, second = oat.ready(), oat.ready(besides=[oat.ready()])
    waits, soon = oat.approve(first).hold, oat.approve(second).hold
    oat.approve(oat.ready(besides=[first, second]), by=oat.ben)
    Hold.objects.filter(pk=soon.pk).update(send_at=now() - timedelta(seconds=1))
    assert holds.of(oat.ana) == [waits]
    holds.pause(waits, by=oat.ana)
    assert holds.of(oat.ana) == [waits]


# ---- its end -------------------------------------------------------------------------------------


def test_a_hold_ends_with_its_last_operation(oat):
    first, second = oat.ready(), oat.ready(besides=[oat.ready()])
    seen = {post.pk: post.fingerprint for post in (first, second)}
    outcomes = reviewing.decide_many([first, second], reviewing.APPROVE, by=oat.ana, seen=seen, token=token())
    hold = outcomes[0].decision.hold
    oat.send(outcomes[0].decision.operation)
    assert HELD_STILL(hold)
    oat.send(outcomes[1].decision.operation)
    assert fresh(hold).state == "released"
    assert hold.ended_at


def test_a_hold_without_operations_is_swept_when_its_time_is_over(pair):
    hold = pair.approve(pair.ready()).hold
    assert holds.sweep() == 0
    assert holds.sweep(at=now() + timedelta(minutes=1)) == 1
    with pytest.raises(holds.TooLate):
        holds.undo(fresh(hold), by=pair.ana)


def test_a_hold_that_still_has_something_to_send_is_not_swept(oat):
    oat.approve(oat.ready())
    assert holds.sweep(at=now() + timedelta(minutes=1)) == 0


# ---- several personas ----------------------------------------------------------------------------


@only_postgresql
def test_a_hold_over_several_personas_takes_all_their_scopes_before_the_desk(
    world, django_assert_num_queries
):
    """In everybody's order, so that nobody waits for anybody in a circle."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    world.mirror("Oat & Ember", "Ines Calder")
    posts = [world.ready(), world.ready(persona="Ines Calder")]
    seen = {post.pk: post.fingerprint for post in posts}
    outcomes = reviewing.decide_many(posts, reviewing.APPROVE, by=world.ana, seen=seen, token=token())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        holds.undo(outcomes[0].decision.hold, by=world.ana)
    locks = [query["sql"] for query in queries if "FOR NO KEY UPDATE" in query["sql"]]
    assert "reviewqueue_hold" in locks[2]
    assert "reviewqueue_scope" in locks[3]
    bumped = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "reviewqueue_scope"')]
    assert bumped


def test_all_that_is_held_is_counted_and_sent_however_much_it_is(ana, workspace, signed_in):
    for number in range(60):
        holds.begin(ana, "Approved", f"post {number}")
    Hold.objects.update(send_at=None)
    page = signed_in(ana).get("/").content.decode()
    assert "60 held" in page
    assert "post 59" in page
    assert holds.linger(ana) == 0  # none of them has a clock
    assert holds.send_all(ana) == 60
    assert "Undo <kbd>" not in signed_in(ana).get("/").content.decode()


class Meanwhile(list):
    """Posts that are decided together; before the second of them something else happens."""

    def __init__(self, posts, then):
        super().__init__(posts)
        self.then = then

    def __iter__(self):
        first, *others = list.__iter__(self)
        yield first
        self.then(Hold.objects.get())
        yield from others


def reject_together(posts, by, then):
    seen = {post.pk: post.fingerprint for post in posts}
    return reviewing.decide_many(Meanwhile(posts, then), reviewing.REJECT, by=by, seen=seen, token=token())


@pytest.fixture
def three(persona):
    return [make_post(persona) for _ in range(3)]


def test_what_is_taken_back_while_more_is_decided_with_it_stays_taken_back(ana, three):
    outcomes = reject_together(three, ana, lambda hold: holds.undo(hold, by=ana))
    assert "taken back or sent meanwhile" in outcomes[1].reason
    assert not Operation.objects.filter(state="queued").exists()
    assert not Decision.objects.filter(stands=True).exists()


def test_the_time_of_a_hold_begins_once_all_is_decided(ana, three):
    def later(hold):
        assert hold.send_at is None
        assert {one.not_before for one in hold.operations.all()} == {None}

    began = now()
    reject_together(three, ana, later)
    hold = Hold.objects.get()
    assert hold.send_at > began + timedelta(seconds=9)
    assert {one.not_before for one in hold.operations.all()} == {hold.send_at}
    assert {fresh(post).face["sends"] for post in three} == {int(hold.send_at.timestamp())}


def test_a_clock_that_was_set_while_more_is_decided_counts_for_all(ana, three):
    reject_together(three, ana, lambda hold: holds.pause(hold, by=ana, on=False))
    hold = Hold.objects.get()
    assert {one.not_before for one in hold.operations.all()} == {hold.send_at}


def test_how_many_of_them_were_caught_is_said(ana, three, signed_in):
    reject_together(three, ana, lambda hold: None)
    hold = Hold.objects.get()
    sent = hold.operations.order_by("created_at").first()
    operations.advance(sent, "claim")
    page = signed_in(ana).post(f"/holds/{hold.pk}/undo/", follow=True).content.decode()
    assert "Undone: Rejected 3, 2 of them" in page
    assert hold.workspace.events.latest("at").sentence == "Took back: Rejected 3, 2 of them"
    assert [fresh(post).desk for post in three] == ["sending", "ready", "ready"]
