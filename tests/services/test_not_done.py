"""What did not happen is told of until somebody has seen to it: asked again, let be, or overtaken."""

from importlib import import_module

import pytest
from django.apps import apps

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, Operation
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import desk, generating, holds, operations, personas, resolving, reviewing, scopes
from reviewqueue.services.access import NotPermitted
from tests import factories
from tests.asking import ASK, lost
from tests.world import check_counts, nothing_written, token

WITHOUT_POST = [
    *("sync", "add_source", "remove_source", "set_automation", "create_persona", "update_persona"),
    *("add_target", "remove_target", "set_reload"),
]
OF_A_POST = [kind for kind in ASK if kind not in (*WITHOUT_POST, *desk.DECIDING, "generate", "clone")]


def in_vain(oat, kind) -> Operation:
    """Sent, lost, and found not to have happened."""
    operation = lost(oat, kind, "drop_before")
    resolving.tell(operation, happened=False, note="Nothing there", by=oat.ana)
    return fresh_operation(operation)


def fresh(post) -> GeneratedPost:
    return GeneratedPost.objects.get(pk=post.pk)


def fresh_operation(operation) -> Operation:
    return Operation.objects.get(pk=operation.pk)


def where(post) -> tuple[str, str]:
    post = fresh(post)
    return post.desk, post.trouble


def loose(workspace) -> int:
    return scopes.desk(workspace).loose


def refused(post, kind, item=None, **facts) -> Operation:
    group = "item" if item else "decide"
    target = item.upstream_id if item else post.upstream_id
    told = {"state": "failed", "reason": "No.", "lock_group": group, "target": target, **facts}
    return factories.make_operation(post, kind, item=item, **told)


# ---- of a post -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OF_A_POST)
def test_what_did_not_happen_to_a_post_is_its_trouble_until_it_has_happened(oat, kind):
    operation = in_vain(oat, kind)
    post = fresh(operation.post)
    assert (post.desk, post.trouble) == ("attention", "not_done")
    assert (post.face["operation"], post.face["tried"]) == (str(operation.pk), kind)
    assert "Nothing there" in post.face["reason"]
    check_counts(oat.workspace)
    again = resolving.send_again(operation, by=oat.ana, token=token())
    assert again.retry_of == operation
    assert where(post)[1] != "not_done"
    assert oat.send(again).state == "succeeded", again.reason
    assert fresh(post).trouble != "not_done"
    assert not Operation.objects.filter(not_done=True).exists()
    check_counts(oat.workspace)


@pytest.mark.parametrize("kind", ["regenerate_item", "reject_item", "set_public"])
def test_what_the_service_refused_is_told_likewise_and_let_be_by_whoever_may_ask_for_it(oat, kind):
    operation = ASK[kind](oat)
    oat.sandbox.misbehave("403", match="POST *")
    assert oat.send(operation).state == "failed"
    post = operation.post
    assert where(post) == ("attention", "not_done")
    with nothing_written(oat.workspace), pytest.raises(NotPermitted):
        resolving.let_be(operation, by=oat.member("viewer"))
    resolving.let_be(operation, by=oat.ana)
    assert where(post) == ("ready", "")
    assert post.events.get(name="operation.let_be").by == oat.ana
    check_counts(oat.workspace)
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="seen to it"):
        resolving.let_be(operation, by=oat.ana)


@pytest.mark.parametrize("kind", desk.DECIDING)
def test_a_decision_that_was_not_sent_can_be_let_be(ana, post, kind):
    operation = refused(post, kind)
    assert where(post) == ("attention", "not_sent")
    resolving.let_be(operation, by=ana)
    assert where(post) == ("ready", "")
    check_counts(ana.workspace)


@pytest.mark.parametrize("kind", desk.DECIDING)
def test_a_decision_is_taken_anew_and_linked_to_the_one_that_did_not_happen(oat, kind):
    operation = in_vain(oat, kind)
    assert not resolving.can_send_again(operation)
    assert resolving.can_decide_anew(operation)
    post = fresh(operation.post)
    verb = next(
        verb for verb in (reviewing.APPROVE, reviewing.REJECT, reviewing.COMPOSE) if verb.kind == kind
    )
    again = reviewing.decide(post, verb, by=oat.ana, fingerprint=post.fingerprint, token=token()).operation
    assert again.retry_of == operation
    assert where(post)[0] == "held"
    assert oat.send(again).state == "succeeded", again.reason
    assert len(oat.effects(kind)) == 1
    assert not resolving.can_decide_anew(fresh_operation(operation))
    unrelated = reviewing.reject(
        other := oat.ready(), by=oat.ana, fingerprint=other.fingerprint, token=token()
    )
    assert unrelated.operation.retry_of is None


def test_what_may_have_happened_is_linked_to_nothing(oat):
    operation = lost(oat, "sync", "drop_before")
    Operation.objects.filter(pk=operation.pk).update(state="succeeded")
    assert ASK["sync"](oat).retry_of is None


def test_a_post_that_was_never_made_leaves_the_desk_with_it(oat):
    operation = in_vain(oat, "generate")
    assert where(operation.post) == ("attention", "not_made")
    resolving.let_be(operation, by=oat.ana)
    assert fresh(operation.post).deleted_at
    check_counts(oat.workspace)


def test_taken_back_before_it_was_sent_again_it_is_told_again(oat):
    operation = in_vain(oat, "regenerate_item")
    again = resolving.send_again(operation, by=oat.ana, token=token())
    assert where(operation.post) == ("ready", "")
    holds.undo(again.hold, by=oat.ana)
    assert where(operation.post) == ("attention", "not_done")
    operation.refresh_from_db()
    assert resolving.can_send_again(operation)


def test_of_several_the_newest_speaks_and_then_the_one_before(ana, persona):
    post = factories.make_post(persona, items=3)
    first, second, _ = post.items.order_by("position")
    operations_ = [refused(post, "reject_item", item) for item in (first, second)]
    for operation in reversed(operations_):
        assert fresh(post).face["operation"] == str(operation.pk)
        resolving.let_be(operation, by=ana)
    assert where(post) == ("ready", "")


def test_what_came_after_it_has_overtaken_it(ana, persona):
    post = factories.make_post(persona, items=2)
    item = post.items.order_by("position")[0]
    refused(post, "approve")
    refused(post, "set_public", item)
    assert where(post) == ("attention", "not_done")
    refused(post, "set_private", item, state="succeeded", reason="")
    assert where(post) == ("attention", "not_sent")  # that one stands as it did
    refused(post, "regenerate_item", item, state="succeeded", reason="")
    assert where(post) == ("ready", "")  # what was to be approved is another picture now
    assert not post.operations.filter(not_done=True).exists()


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("reject_item", {"review_status": "rejected"}),
        ("set_public", {"is_public": True}),
        ("set_private", {"is_public": False}),
        ("voice_convert", {"is_current": False}),
    ],
)
def test_what_came_about_elsewhere_or_has_no_object_any_more_is_over(persona, kind, facts):
    post = factories.make_post(persona, items=2)
    item = post.items.order_by("position")[0]
    post.items.filter(pk=item.pk).update(is_public=kind == "set_private")
    refused(post, kind, item)
    assert where(post) == ("attention", "not_done")
    post.items.filter(pk=item.pk).update(**facts)
    desk.refresh(post.pk)
    assert where(post) == ("ready", "")
    assert not post.operations.get().not_done


def test_what_is_on_its_way_is_waited_for_first(persona):
    states = ["completed", "generating"]
    post = factories.make_post(persona, item_statuses=states, status="generating", made_at=now())
    refused(post, "set_public", post.items.get(position=0))
    assert where(post) == ("generating", "")
    post.items.update(status="failed")
    desk.refresh(post.pk)
    assert where(post) == ("attention", "not_done")


def test_a_decision_can_be_taken_all_the_same_and_ends_it(oat):
    operation = in_vain(oat, "set_public")
    post = fresh(operation.post)
    assert post.face["free"]
    assert oat.send(oat.approve(post).operation).state == "succeeded"
    assert where(post)[1] == ""
    operation.refresh_from_db()
    assert not operation.not_done


def test_of_a_decided_post_it_is_told_too(oat):
    post = oat.ready()
    oat.send(reviewing.reject(post, by=oat.ana, fingerprint=post.fingerprint, token=token()).operation)
    assert where(post) == ("rejected", "")
    operation = generating.regenerate_post(fresh(post), by=oat.ana, token=token())
    oat.sandbox.misbehave("403", match="POST *")
    assert oat.send(operation).state == "failed"
    assert where(post) == ("attention", "not_done")
    assert not fresh(post).face["free"]
    resolving.let_be(operation, by=oat.ana)
    assert where(post) == ("rejected", "")
    check_counts(oat.workspace)


# ---- without a post ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITHOUT_POST)
def test_what_has_no_post_is_counted_until_it_has_happened(oat, kind):
    operation = lost(oat, kind, "drop_before")
    assert loose(oat.workspace) == 1  # nobody knows
    check_counts(oat.workspace)
    resolving.tell(operation, happened=False, note="Nothing there", by=oat.ana)
    assert loose(oat.workspace) == 1  # nobody has seen to it
    operation = fresh_operation(operation)
    again = resolving.send_again(operation, by=oat.ana, token=token())
    assert again.retry_of == operation
    assert loose(oat.workspace) == 0
    assert oat.send(again).state == "succeeded", again.reason
    assert loose(oat.workspace) == 0
    check_counts(oat.workspace)


def test_what_waits_is_counted_until_it_goes_on(oat):
    operation = ASK["sync"](oat)
    operations.block(operation, operations.Blocked("balance", "No balance"))
    assert loose(oat.workspace) == 1
    resolving.release(operation, by=oat.ana)
    assert loose(oat.workspace) == 0
    check_counts(oat.workspace)


def test_let_be_it_is_counted_no_more_and_only_once(ana, persona):
    operation = factories.make_loose(ana.workspace, persona=persona)
    assert scopes.of_persona(ana.workspace_id, persona.pk).loose == 1
    resolving.let_be(operation, by=ana)
    with pytest.raises(NotAllowed):
        resolving.let_be(operation, by=ana)
    assert loose(ana.workspace) == 0
    check_counts(ana.workspace)


def test_a_persona_of_that_name_is_not_made_a_second_time(ana, persona):
    operation = factories.make_loose(ana.workspace, "create_persona", target=persona.name)
    assert not resolving.can_send_again(operation)


def test_another_field_of_a_persona_is_another_wish(ana, persona):
    first = factories.make_loose(ana.workspace, "update_persona", persona=persona, params={"name": "Nora"})
    style = personas.update(persona, by=ana, token=token(), writing_style="Dry.")
    assert style.retry_of is None
    Operation.objects.filter(pk=style.pk).update(state="succeeded")
    name = personas.update(persona, by=ana, token=token(), name="Nora V.")
    assert name.retry_of == first
    assert loose(ana.workspace) == 0
    first.refresh_from_db()
    assert not first.not_done


# ---- what was there before -------------------------------------------------------------------------


def test_what_a_release_before_has_left_is_told_of_and_counted(ana, post, persona):
    told = refused(post, "approve")
    old = factories.make_loose(ana.workspace, not_done=False, persona=persona)
    lost = factories.make_loose(ana.workspace, "create_persona", state="unknown")
    Operation.objects.update(not_done=False)
    ana.workspace.scopes.update(loose=0)
    import_module("reviewqueue.migrations.0005_not_done").take_over(apps, None)
    assert [one.not_done for one in (fresh_operation(told), fresh_operation(old))] == [True, False]
    assert list(Operation.objects.loose()) == [lost]
    check_counts(ana.workspace)
