"""What each answer proves, and that nothing is sent twice because nobody knew."""

import sqlite3
import uuid
from datetime import timedelta
from threading import Timer

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from reviewqueue.clock import now, wait
from reviewqueue.models import Decision, Hold, Operation, OperationEvent, RateBudget, UpstreamKey
from reviewqueue.rules.cadence import SETTLING
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import gate, generating, holds, operations, resolving, reviewing, wire
from reviewqueue.services.access import AlreadyOpen
from reviewqueue.services.kinds import KINDS
from tests import factories
from tests.asking import ASK, look
from tests.world import (
    copy_of_database,
    in_place_of_ours,
    nothing_written,
    only_postgresql,
    only_sqlite,
    token,
)


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


# ---- refused, as it is done already ---------------------------------------------------------------

SEEN_AT_ONCE = (
    "approve",
    "reject",
    "reject_item",
    "set_public",
    "generate",
    "regenerate_item",
    "create_persona",
)


@pytest.mark.parametrize("kind", SEEN_AT_ONCE)
def test_a_conflict_with_what_is_there_already_is_a_success_and_not_by_us(world, kind):
    """Somebody else did it between the last look and the sending."""
    world.mirror("Oat & Ember", "Ines Calder")
    operation = ASK[kind](world)
    world.sandbox.misbehave("409_after", match="POST *")
    operation = world.send(operation)
    assert operation.state == "succeeded", operation.reason
    assert "already when it was sent, by somebody else" in operation.reason
    assert len(world.effects(kind)) == operation.attempts == 1


@pytest.mark.parametrize("kind", ["generate", "sync"])
def test_a_conflict_with_nothing_to_be_seen_failed_in_the_services_words(world, kind):
    world.mirror("Oat & Ember", "Ines Calder")
    operation = ASK[kind](world)
    world.sandbox.misbehave("409", match="POST *")
    operation = world.send(operation)
    assert (operation.state, world.effects(kind)) == ("failed", [])
    assert "told to answer like this" in operation.reason


def test_a_conflict_that_cannot_be_looked_into_stays_unknown(oat):
    operation, line, deadline = claimed(oat)
    oat.sandbox.misbehave("409", match=APPROVE)
    oat.sandbox.misbehave("403", match="GET *", times=9)
    operations.carry(operation, line, deadline)
    assert operation.state == "unknown"
    assert "told to answer like this" in operation.reason


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


# ---- what was lost once ------------------------------------------------------------------------


@pytest.fixture
def item(oat):
    """One that may be shown and hidden at will."""
    oat.mirror("Ines Calder")
    return oat.item(oat.ready(persona="Ines Calder"))


def shown(world, item, *faults: str) -> Operation:
    """Made public, with these faults one after the other."""
    operation = generating.set_public(item, True, by=world.ana, token=token())
    for fault in (*faults, ""):
        if fault:
            world.sandbox.misbehave(fault, match="POST *")
        world.send(operation)
        world.sandbox.behave()
        if operation.state != "queued":
            break
    item.refresh_from_db()
    return operation


def test_the_opposite_waits_until_a_lost_wish_cannot_arrive_any_more(oat, item):
    """Its repeat got through; the first one may still arrive, and after a later wish it would undo it."""
    assert shown(oat, item, "drop_before").state == "succeeded"
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="may still take effect until"):
        generating.set_public(item, False, by=oat.ben, token=token())
    OperationEvent.objects.filter(action="lose").update(at=now() - wait(SETTLING + 1))
    assert oat.send(generating.set_public(item, False, by=oat.ben, token=token())).state == "succeeded"


@pytest.mark.parametrize("happened", [True, False])
def test_it_waits_too_when_somebody_has_looked_themselves(oat, item, happened):
    operation = shown(oat, item, "drop_before", "500", "502")
    assert operation.state == "unknown"
    item.is_public = True
    item.save()
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="Made public by Ana Ruiz"):
        generating.set_public(item, False, by=oat.ben, token=token())
    resolving.tell(operation, happened=happened, note="I saw", by=oat.ana)
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="Made public by Ana Ruiz"):
        generating.set_public(item, False, by=oat.ben, token=token())


def test_nothing_waits_where_every_answer_came(oat, item):
    assert shown(oat, item, "429").state == "queued"
    RateBudget.objects.update(blocked_until=0)
    assert oat.send().state == "succeeded"
    item.refresh_from_db()
    assert generating.set_public(item, False, by=oat.ana, token=token()).state == "queued"


def lost_once(world) -> Operation:
    """A rejection whose answer was lost: it is to be repeated, and will take effect half a minute later."""
    post = world.ready("carousel")
    decision = reviewing.reject(post, by=world.ana, fingerprint=post.fingerprint, token=token())
    world.sandbox.misbehave("late", match="POST *", seconds=30)
    operation = world.send(decision.operation)
    assert (operation.state, operation.attempts) == ("queued", 1)
    return operation


@pytest.mark.parametrize(
    ("fault", "match"),
    [("422", "POST *"), ("403", "POST *"), ("409", "POST *"), ("403", "GET *"), ("404", "GET *")],
)
def test_a_refused_repeat_proves_nothing_of_the_attempt_before_it(oat, fault, match):
    """Never a “failed” that in truth happened."""
    operation = lost_once(oat)
    oat.sandbox.misbehave(fault, match=match)
    assert oat.send(operation).state == "unknown"
    oat.sandbox.behave()
    oat.clock.advance(31)
    Operation.objects.update(look_at=now())
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert Decision.objects.get(operation=operation).stands


def test_a_repeat_whose_person_may_no_longer_do_it_is_looked_for(oat):
    operation = lost_once(oat)
    oat.ana.role = "viewer"
    oat.ana.save()
    assert oat.send(operation).state == "unknown"


def test_a_change_found_before_the_repeat_proves_nothing_either(oat):
    operation = lost_once(oat)
    with oat.sandbox.moment() as context:
        context.rows.change("generated_posts", operation.target, caption="Another one.")
    assert oat.send(operation).state == "unknown"
    assert Decision.objects.get(operation=operation).stands


def late_refusal(world, operation: Operation) -> str:
    """It is sent, its lease lapses, and then the service says no."""
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    picked = operations.pick(operation.pk)
    deadline, line = operations.claim(picked), world.wire()
    operations.sweep(at=now() + timedelta(minutes=5))
    world.sandbox.misbehave("422", match="POST *")
    operations.carry(picked, line, deadline)
    operation.refresh_from_db()
    return operation.state


def test_a_late_refusal_still_counts(oat):
    assert late_refusal(oat, approval(oat)) == "absent"


def test_a_late_refusal_proves_nothing_of_the_attempt_before_it(oat):
    operation = lost_once(oat)
    Operation.objects.filter(pk=operation.pk).update(attempts=operations.REPEATS - 1)
    assert late_refusal(oat, operation) == "unknown"


def test_what_may_have_happened_cannot_be_taken_back(oat):
    operation = lost_once(oat)
    assert not operations.cancel(operation, by=oat.ana)
    Hold.objects.update(state="held", ended_at=None)  # others of the same press wait yet
    with nothing_written(oat.workspace), pytest.raises(holds.TooLate):
        holds.undo(operation.hold, by=oat.ana)
    assert Decision.objects.get(operation=operation).stands


def test_a_lost_rejection_of_an_item_keeps_its_place(oat):
    post = oat.ready("carousel")
    rejection = reviewing.reject_item(
        oat.item(post), fingerprint=post.fingerprint, by=oat.ana, token=token()
    ).operation
    oat.sandbox.misbehave("drop_after", match="POST *")
    assert oat.send(rejection).state == "queued"
    with nothing_written(oat.workspace), pytest.raises(AlreadyOpen, match="Item rejected by Ana Ruiz"):
        generating.regenerate_item(oat.item(post), by=oat.ana, token=token())


# ---- the database is away when the answer is there ------------------------------------------------


class Away:
    """Stands before the database and lets nothing through, so many times."""

    def __init__(self, times: int):
        self.left = times

    def __call__(self, execute, sql, params, many, context):
        if self.left and "SAVEPOINT" not in sql:
            self.left -= 1
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)


def claimed(world, **changes) -> tuple[Operation, wire.Wire, float]:
    """An approval that is past the one-way door, and not sent yet."""
    operation, line = approval(world, **changes), world.wire()
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    picked = operations.pick(operation.pk)
    gate.check(picked, KINDS["approve"], line)
    return picked, line, operations.claim(picked)


@pytest.mark.django_db(transaction=True)
def test_an_answer_is_held_until_the_database_takes_it(oat, settings):
    """Whatever it says."""
    done = []
    for fault, state in (("", "succeeded"), ("422", "failed"), ("drop_after", "unknown")):
        settings.TIME_SCALE = 1
        operation, line, deadline = claimed(oat, besides=done)
        settings.TIME_SCALE = 100
        if fault:
            oat.sandbox.misbehave(fault, match=APPROVE)
        away = Away(5)
        with connection.execute_wrapper(away):
            operations.carry(operation, line, deadline)
        operation.refresh_from_db()
        assert (away.left, operation.state, operation.attempts) == (0, state, 1)
        done.append(operation.post)
    assert len(oat.effects("approve")) == 2


@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_away_leaves_it_to_be_found_out(oat, settings):
    operation, line, deadline = claimed(oat)
    settings.TIME_SCALE = 300
    with connection.execute_wrapper(Away(-1)), pytest.raises(OperationalError):
        operations.carry(operation, line, deadline)
    settings.TIME_SCALE = 1
    operation.refresh_from_db()
    assert operation.state == "sending"
    assert operations.sweep(at=now() + timedelta(minutes=5)) == 1
    Operation.objects.update(look_at=now())
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert len(oat.effects("approve")) == 1


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_an_answer_is_held_while_another_has_the_file(oat, settings, tmp_path):
    options = {**connection.settings_dict["OPTIONS"], "timeout": 0.05}
    with in_place_of_ours(NAME=str(copy_of_database(tmp_path)), OPTIONS=options) as file:
        operation, line, deadline = claimed(oat)
        settings.TIME_SCALE = 10
        other = sqlite3.connect(file.settings_dict["NAME"], check_same_thread=False, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        Timer(0.5, other.rollback).start()
        operations.carry(operation, line, deadline)
        assert not other.in_transaction  # it was waited for
        operation.refresh_from_db()
        assert operation.state == "succeeded"
        other.close()
    assert len(oat.effects("approve")) == 1


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_meanwhile_is_made_anew(world, settings):
    world.mirror("Oat & Ember")
    operation, line, deadline = claimed(world)
    settings.TIME_SCALE = 100
    facts = connection.get_connection_params()
    with psycopg.connect(**{name: facts[name] for name in ("dbname", "user", "host", "port")}) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    operations.carry(operation, line, deadline)
    operation.refresh_from_db()
    assert operation.state == "succeeded"


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


def test_a_batch_goes_a_few_at_a_time(oat):
    """Those that are being prepared count, too: of all that are picked at once the last sees the others."""
    persona, batch = oat.persona("Oat & Ember"), uuid.uuid4()
    sources = oat.workspace.source_posts.of_persona(persona).filter(made=0, kind="image")[:5]
    asked = [generating.generate(one, persona, by=oat.ana, token=token(), batch=batch) for one in sources]
    for operation in asked[:4]:
        assert operations.pick(operation.pk)
    assert oat.send(asked[4]).state == "queued"
    assert "others of its batch" in asked[4].reason
    alone = approval(oat)
    assert oat.send(alone).state == "succeeded"
    Operation.objects.filter(pk=asked[0].pk).update(state="succeeded")
    assert oat.send(asked[4]).state == "succeeded"


def test_a_missing_scope_is_named(oat):
    operation = approval(oat)
    oat.sandbox.misbehave("403", match=APPROVE)
    assert "content:write" in oat.send(operation).reason


def test_without_an_account_the_refusal_names_both_cures(oat):
    operation = approval(oat)
    oat.sandbox.misbehave("400", match=APPROVE)
    assert "Connect an account, or send the post to compose" in oat.send(operation).reason


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


def test_while_the_service_is_away_only_the_poller_looks_whether_it_is_back(oat):
    """Half a minute after the breaker opened, too: one look, not everything that waits."""
    operation = approval(oat)
    UpstreamKey.objects.update(opened_at=now() - timedelta(seconds=31), failures=5)
    assert oat.send(operation).state == "queued"
    assert "does not answer" in operation.reason
    assert not operation.exchanges.exists()
    oat.look("key")
    assert oat.key.opened_at is None
    assert oat.send(operation).state == "succeeded"


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
