"""From the click to the effect: decisions, their hold, and what the service then has."""

import pytest

from reviewqueue.models import Decision, Event, Operation
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import desk, holds, operations, reviewing
from reviewqueue.services.access import AlreadyOpen, NotPermitted, Stale
from tests import factories
from tests.world import token


@pytest.fixture
def oat(world):
    world.mirror("Oat & Ember")
    return world


def approve(post, by, **changes):
    facts = {"by": by, "fingerprint": post.fingerprint, "token": token(), **changes}
    return reviewing.approve(post, **facts)


def test_an_approval_is_held_and_then_published_once(oat):
    post = oat.ready()
    decision = approve(post, oat.ana)
    post.refresh_from_db()
    assert (post.desk, decision.operation.state) == ("held", "queued")
    assert oat.effects("approve") == []  # nothing leaves before the hold is over

    operation = oat.send(decision.operation)
    post.refresh_from_db()
    assert (operation.state, post.desk) == ("succeeded", "publishing")
    assert len(oat.effects("approve")) == 1
    assert operation.result["outgoing_post_id"] == post.outgoing_upstream_id

    oat.sandbox.finish()
    oat.look("outgoing", post.outgoing.get().pk)
    post.refresh_from_db()
    assert (post.desk, post.review_status) == ("published", "published")
    assert [delivery.status for delivery in post.outgoing.get().deliveries.all()] == ["published"]
    names = list(post.events.values_list("name", flat=True))
    assert "post.approved" in names
    assert "delivery.published" in names


def test_the_request_and_its_answer_are_kept_without_the_key(oat):
    operation = oat.send(approve(oat.ready(), oat.ana).operation)
    exchanges = list(operation.exchanges.values_list("method", "status", "path"))
    assert ("POST", 200, f"/v1/generated-posts/{operation.target}/approve") in exchanges
    assert any(method == "GET" for method, _, _ in exchanges)
    from reviewqueue import vault

    secret = vault.open_sealed(oat.key.secret)
    for exchange in operation.exchanges.all():
        assert secret not in f"{exchange.request}{exchange.answer}{exchange.headers}{exchange.error}"


def test_the_service_is_told_which_operation_asks(oat):
    operation = oat.send(approve(oat.ready(), oat.ana).operation)
    assert oat.effects("approve")[0]["request_id"] == f"{operation.pk}/1"


def test_undo_within_the_hold_sends_nothing(oat):
    post = oat.ready()
    decision = approve(post, oat.ana)
    holds.undo(decision.hold, by=oat.ana)
    operation = oat.send(decision.operation)
    decision.refresh_from_db()
    post.refresh_from_db()
    assert (operation.state, decision.stands, decision.ended, post.desk) == (
        "cancelled",
        False,
        "undone",
        "ready",
    )
    assert oat.effects("approve") == []
    approve(post, oat.ana)  # and it can be decided again


def test_undo_after_it_was_sent_says_when(oat):
    decision = approve(oat.ready(), oat.ana)
    oat.send(decision.operation)
    decision.hold.refresh_from_db()
    with pytest.raises(holds.TooLate, match=r"Too late to undo. It was sent at \d\d:\d\d:\d\d"):
        holds.undo(decision.hold, by=oat.ana)


def test_only_ones_own_hold_can_be_undone(oat):
    decision = approve(oat.ready(), oat.ana)
    with pytest.raises(NotPermitted):
        holds.undo(decision.hold, by=oat.ben)


def test_a_paused_hold_waits_for_its_person(oat):
    decision = approve(oat.ready(), oat.ana)
    holds.pause(decision.hold, by=oat.ana)
    decision.operation.refresh_from_db()
    assert decision.operation.not_before is None
    assert not Operation.objects.due(factories.now()).exists()
    holds.send(decision.hold, by=oat.ana)
    assert Operation.objects.due(factories.now()).exists()


def test_until_i_send_is_a_hold_without_an_end(oat):
    oat.ana.user.hold_seconds = None
    decision = approve(oat.ready(), oat.ana)
    assert decision.hold.send_at is None
    assert decision.operation.not_before is None


def test_two_people_at_once_one_decision(oat):
    post = oat.ready()
    approve(post, oat.ben)
    with pytest.raises(AlreadyOpen, match=r"Ben Adler approved this just now. Your reject was not sent."):
        reviewing.reject(post, by=oat.ana, fingerprint=post.fingerprint, token=token())
    assert Decision.objects.filter(post=post).count() == 1
    assert Operation.objects.filter(post=post).count() == 1


def test_a_double_press_is_one_decision(oat):
    post, same = oat.ready(), token()
    first = approve(post, oat.ana, token=same)
    second = approve(post, oat.ana, token=same)
    assert first == second
    assert Operation.objects.filter(post=post).count() == 1


def test_a_press_that_was_taken_back_is_not_said_to_stand(ana, post):
    facts = {"by": ana, "fingerprint": post.fingerprint, "token": token()}
    holds.undo(reviewing.reject(post, **facts).hold, by=ana)
    with pytest.raises(Stale, match="Nothing was decided"):
        reviewing.reject(post, **facts)  # back to the page that it was pressed on
    assert not post.decisions.filter(stands=True).exists()
    item = post.items.first()
    holds.undo(reviewing.reject_item(item, by=ana, token=facts["token"]).hold, by=ana)
    with pytest.raises(Stale, match="Nothing was decided"):
        reviewing.reject_item(item, by=ana, token=facts["token"])
    reviewing.reject(post, **facts | {"token": token()})


def test_a_page_from_yesterday_decides_nothing(oat):
    post = oat.ready()
    with pytest.raises(Stale):
        approve(post, oat.ana, fingerprint="0" * 64)
    assert not Decision.objects.filter(post=post).exists()


def test_a_row_tells_what_was_seen_in_short_and_it_is_recorded_in_full(oat):
    post = oat.ready()
    for other in ("", post.seen_as[:-1], post.seen_as + "0", "0" * len(post.seen_as)):
        with pytest.raises(Stale):
            approve(post, oat.ana, fingerprint=other)
    decision = approve(post, oat.ana, fingerprint=post.seen_as)
    assert len(post.seen_as) == 32
    assert decision.fingerprint == decision.operation.fingerprint == post.fingerprint


def test_what_changed_after_the_click_is_not_sent(oat):
    post = oat.ready()
    decision = approve(post, oat.ana)
    oat.sandbox.edit_caption(post.upstream_id, "Somebody wrote something else")
    operation = oat.send(decision.operation)
    decision.refresh_from_db()
    post.refresh_from_db()
    assert (operation.state, decision.stands, decision.ended) == ("failed", False, "lapsed")
    assert (post.desk, post.trouble, post.caption) == ("ready", "changed", "Somebody wrote something else")
    assert oat.effects("approve") == []
    assert Event.objects.filter(name="decision.lapsed", post=post).exists()


def test_what_was_decided_outside_is_not_decided_again(oat):
    post = oat.ready()
    decision = approve(post, oat.ana)
    oat.sandbox.decide(post.upstream_id, "rejected")
    operation = oat.send(decision.operation)
    post.refresh_from_db()
    assert (operation.state, post.desk) == ("failed", "rejected")
    assert oat.effects("approve") == []


def test_a_rejection_found_done_is_done(oat):
    post = oat.ready()
    decision = reviewing.reject(
        post, by=oat.ana, fingerprint=post.fingerprint, token=token(), reason="Low quality"
    )
    oat.sandbox.decide(post.upstream_id, "rejected")
    operation = oat.send(decision.operation)
    post.refresh_from_db()
    assert (operation.state, operation.attempts, post.desk) == ("succeeded", 0, "rejected")


def test_a_rejection_with_its_reason(oat):
    post = oat.ready()
    decision = reviewing.reject(
        post, by=oat.ana, fingerprint=post.fingerprint, token=token(), reason="Wrong look"
    )
    operation = oat.send(decision.operation)
    post.refresh_from_db()
    assert (operation.state, post.desk, post.review_status) == ("succeeded", "rejected", "rejected")
    assert len(oat.effects("reject")) == 1
    assert post.face["reason"] == "Wrong look"


def test_to_compose_makes_a_draft(oat):
    post = oat.ready()
    decision = reviewing.send_to_compose(post, by=oat.ana, fingerprint=post.fingerprint, token=token())
    oat.send(decision.operation)
    post.refresh_from_db()
    assert (post.desk, post.review_status) == ("composing", "approved")
    assert len(oat.effects("send_to_compose")) == 1


def test_without_an_account_approving_is_stopped_and_composing_is_not(world):
    world.mirror("Kilo North")
    post = world.ready(persona="Kilo North")
    with pytest.raises(NotAllowed, match="Kilo North has no publishing account"):
        approve(post, world.ana)
    reviewing.send_to_compose(post, by=world.ana, fingerprint=post.fingerprint, token=token())


def test_a_viewer_decides_nothing(oat):
    vera = factories.make_member(oat.workspace, "Vera Stone", "viewer")
    post = oat.ready()
    with pytest.raises(NotPermitted):
        approve(post, vera)
    assert not Decision.objects.exists()


def test_whoever_lost_the_role_meanwhile_sends_nothing(oat):
    decision = approve(oat.ready(), oat.ben)
    oat.ben.role = "viewer"
    oat.ben.save()
    operation = oat.send(decision.operation)
    assert (operation.state, operation.blocked_by) == ("blocked", "role")
    assert oat.effects("approve") == []


# ---- the workspace's policy ---------------------------------------------------------------------


def test_two_different_people_approve_where_the_policy_says_so(oat):
    oat.workspace.approvers = 2
    oat.workspace.save()
    post = oat.ready()
    first = approve(post, oat.ana)
    assert first.is_first
    assert first.operation is None
    post.refresh_from_db()
    assert post.desk == "ready"
    with pytest.raises(NotAllowed, match="You gave the first approval"):
        approve(post, oat.ana)
    second = approve(post, oat.ben)
    assert second.operation is not None


def test_a_first_approval_of_something_else_does_not_count(oat):
    oat.workspace.approvers = 2
    oat.workspace.save()
    post = oat.ready()
    approve(post, oat.ana)
    oat.sandbox.edit_caption(post.upstream_id, "Other words")
    oat.look("post", post.pk)
    post.refresh_from_db()
    assert approve(post, oat.ben).is_first


def test_nobody_approves_what_they_made_where_the_policy_says_so(oat):
    oat.workspace.own_work_allowed = False
    oat.workspace.save()
    post = oat.ready()
    factories.make_operation(post, "regenerate_post", by=oat.ana, state="succeeded")
    with pytest.raises(NotAllowed, match="somebody else approves it"):
        approve(desk.lock(post.pk), oat.ana)
    assert approve(post, oat.ben).operation


# ---- one item --------------------------------------------------------------------------------------


def test_one_item_is_rejected_and_the_post_stays(world):
    world.mirror("Ines Calder")
    post = world.ready("carousel", persona="Ines Calder")
    item = post.items.current().order_by("position")[1]
    decision = reviewing.reject_item(item, by=world.ana, token=token(), reason="Too close to the source")
    operation = world.send(decision.operation)
    item.refresh_from_db()
    post.refresh_from_db()
    assert (operation.state, item.review_status, post.desk) == ("succeeded", "rejected", "ready")
    assert len(world.effects("reject_item")) == 1


def test_the_last_item_is_not_rejected_by_itself(world):
    world.mirror("Ines Calder")
    post = world.ready("carousel", persona="Ines Calder", items=3)
    for item in list(post.items.current())[:-1]:
        reviewing.reject_item(item, by=world.ana, token=token())
    with pytest.raises(NotAllowed, match="last item left"):
        reviewing.reject_item(post.items.current().last(), by=world.ana, token=token())


def test_an_approval_waits_for_the_rejection_of_an_item(world):
    world.mirror("Ines Calder")
    post = world.ready("carousel", persona="Ines Calder")
    rejection = reviewing.reject_item(post.items.current().first(), by=world.ana, token=token())
    post.refresh_from_db()
    approval = approve(post, world.ana)
    assert world.send(approval.operation).state == "queued"
    world.send(rejection.operation)
    assert world.send(approval.operation).state == "succeeded"
    order = [row["kind"] for row in world.sandbox.effects() if row["request_id"]]
    assert order.index("reject_item") < order.index("approve")


def test_many_at_once_are_one_hold_and_one_refusal_stops_nothing_else(oat):
    posts = []
    for _ in range(3):
        posts.append(oat.ready(besides=posts))
    seen = {post.pk: post.fingerprint for post in posts}
    seen[posts[1].pk] = "changed"
    outcomes = reviewing.decide_many(posts, reviewing.APPROVE, by=oat.ana, seen=seen, token=token())
    assert [outcome.decision is not None for outcome in outcomes] == [True, False, True]
    hold = outcomes[0].decision.hold
    hold.refresh_from_db()
    assert (hold.count, hold.what, hold.operations.count()) == (2, "Approved 2", 2)
    holds.undo(hold, by=oat.ana)
    assert {operation.state for operation in hold.operations.all()} == {"cancelled"}


def test_the_days_tally_counts_and_takes_back(oat):
    first = oat.ready()
    approve(first, oat.ana)
    second = approve(oat.ready(besides=[first]), oat.ana)
    tally = oat.workspace.tallies.get()
    assert tally.approved == 2
    holds.undo(second.hold, by=oat.ana)
    tally.refresh_from_db()
    assert (tally.approved, tally.decided) == (1, 1)


@pytest.mark.parametrize("end", ["lapse", "refuse"])
def test_the_days_tally_leaves_out_what_came_to_nothing(ana, post, end):
    for _ in range(2):
        post = desk.refresh(post.pk)
        decision = approve(post, ana)
        Operation.objects.filter(pk=decision.operation_id).update(state="sending")
        operation = Operation.objects.get(pk=decision.operation_id)
        getattr(operations, end)(operation, "it changed since you saw it")
        decision.refresh_from_db()
        assert not decision.stands
    assert ana.workspace.tallies.get().decided == 0


def test_rows_of_one_hold_say_how_many_are_taken_back_together(ana, persona):
    posts = [factories.make_post(persona) for _ in range(3)]
    seen = {post.pk: post.fingerprint for post in posts} | {posts[0].pk: "an old page"}
    reviewing.decide_many(posts, reviewing.REJECT, by=ana, seen=seen, token=token())
    for post in posts:
        post.refresh_from_db()
    assert [post.face.get("held") for post in posts] == [None, 2, 2]
