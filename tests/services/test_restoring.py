"""After a backup was put back: nothing is sent until it was looked for, and then by a person's word only."""

import json
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import transaction

from reviewqueue import tasks
from reviewqueue.models import Instance, Operation, SignInLink
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import (
    accounts,
    clockwork,
    generating,
    operations,
    reconciling,
    resolving,
    restoring,
)
from tests.asking import ASK, look, look_again, lost
from tests.world import committing, token

MAKING = ("generate", "regenerate_post", "regenerate_item", "voice_convert", "approve", "send_to_compose")


def done_in_the_lost_time(world, operation: Operation) -> None:
    """It was sent after the backup was made: the service knows, our rows do not."""
    before = Operation.objects.filter(pk=operation.pk).values().get()
    post = type(operation.post).objects.filter(pk=operation.post_id).values().get()
    assert world.send(operation).state == "succeeded"
    operation.events.all().delete()
    Operation.objects.filter(pk=operation.pk).update(**before)
    type(operation.post).objects.filter(pk=operation.post_id).update(**post)
    operation.post.items.filter(take__gt=1).delete()
    operation.post.items.update(is_current=True, status="completed", voice_conversion_status="")


@pytest.mark.parametrize("kind", MAKING)
def test_what_was_done_in_the_lost_time_is_found_and_not_sent_again(oat, later, kind):
    operation = ASK[kind](oat)
    done_in_the_lost_time(oat, operation)
    effects = len(oat.effects(kind))
    assert effects == 1
    call_command("after_restore", stdout=StringIO())
    operation.refresh_from_db()
    assert (operation.state, operation.blocked_by) == ("blocked", "restore")
    assert operation.was_restored
    assert oat.send(operation).state == "blocked"
    with pytest.raises(NotAllowed):
        resolving.release(operation, by=oat.ana)
    if operation.post_id:
        operation.post.refresh_from_db()
        assert not operation.post.face["may_go_on"]
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.reason
    assert len(oat.effects(kind)) == effects


def test_of_two_on_one_post_the_effect_of_the_first_is_not_taken_for_the_second(oat, later):
    first = ASK["regenerate_item"](oat)
    second = generating.regenerate_post(first.post, by=oat.ana, token=token())
    done_in_the_lost_time(oat, first)
    restoring.after_restore()
    look_again(oat, later, first, 20, 300, 700)
    second.refresh_from_db()
    assert (first.state, second.state) == ("succeeded", "blocked"), second.reason
    assert "nobody can tell" in second.reason
    assert not oat.effects("regenerate_post")


def test_an_item_made_anew_with_all_of_its_post_is_not_taken_for_one_made_by_itself(oat, later):
    first = ASK["regenerate_item"](oat)
    backup = transaction.savepoint()
    operations.cancel(first, by=oat.ana)
    assert oat.send(generating.regenerate_post(first.post, by=oat.ana, token=token())).state == "succeeded"
    transaction.savepoint_rollback(backup)
    restoring.after_restore()
    look_again(oat, later, first, 20, 300, 700)
    assert first.state == "blocked"
    assert "nobody can tell" in first.reason


@pytest.mark.parametrize("kind", MAKING)
def test_what_was_not_done_waits_for_a_person_and_is_sent_once(oat, later, kind):
    operation = ASK[kind](oat)
    restoring.after_restore()
    look_again(oat, later, operation, 20, 300, 700)
    assert operation.state == "blocked"
    assert "it may go on" in operation.reason
    assert oat.effects(kind) == []
    if operation.post_id:
        operation.post.refresh_from_db()
        assert operation.post.face["may_go_on"]  # its row offers it
    resolving.release(operation, by=oat.ana)
    assert oat.send(operation).state == "succeeded", operation.reason
    assert len(oat.effects(kind)) == 1


def test_a_persona_made_in_the_lost_time_is_found_though_a_poll_mirrored_it_first(oat, later):
    operation = ASK["create_persona"](oat)
    before = Operation.objects.filter(pk=operation.pk).values().get()
    assert oat.send(operation).state == "succeeded"
    operation.events.all().delete()
    Operation.objects.filter(pk=operation.pk).update(**before)
    oat.workspace.personas.filter(name="Nadir").delete()
    restoring.after_restore()
    oat.look("catalogue")
    assert oat.workspace.personas.filter(name="Nadir").exists()
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.reason
    assert len(oat.effects("create_persona")) == 1


def test_what_was_being_sent_is_not_known(oat):
    operation = ASK["approve"](oat)
    Operation.objects.filter(pk=operation.pk).update(state="sending", sent_at=reconciling.now())
    restoring.after_restore()
    operation.refresh_from_db()
    assert operation.state == "unknown"
    assert operation.look_at is not None


def test_an_answer_to_a_sender_of_the_lost_time_counts_for_nothing(oat):
    operation = lost(oat, "approve", "drop_before")
    fence = operation.fence
    restoring.after_restore()
    operation.refresh_from_db()
    operations.late(operation, None, None, fence)
    operation.refresh_from_db()
    assert operation.state == "unknown"


def test_everybody_signs_in_again(oat, client):
    client.force_login(oat.ana.user)
    accounts.make_link(oat.ana.user)
    assert restoring.after_restore()["signed_out"] == 1
    assert not Session.objects.exists()
    assert not SignInLink.objects.exists()


def test_the_poller_sends_nothing_of_it(oat):
    ASK["approve"](oat)
    Operation.objects.update(not_before=reconciling.now())
    restoring.after_restore()
    with committing():
        clockwork.turn(spare=lambda call: call())
        clockwork.turn(spare=lambda call: call())
    assert oat.effects("approve") == []


# ---- noticed by itself ---------------------------------------------------------------------------


@pytest.fixture
def folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    return settings.DATA_DIR


def watch(times: int = 0) -> bool:
    """A process starts; with `times` the leading poller takes that many marks."""
    with committing():
        seen = [restoring.keep_watch(counts=bool(times)) for _ in range(times or 1)]
    return any(seen)


def put_back(mark: int) -> None:
    """The row as it stands in an older backup."""
    Instance.objects.update(mark=mark)


def test_a_database_that_goes_on_is_left_alone(oat, folder):
    operation = ASK["approve"](oat)
    assert not watch()
    assert not watch(times=3)
    assert not watch()
    operation.refresh_from_db()
    assert (operation.state, Instance.objects.get().mark) == ("queued", 3)


def test_a_database_behind_what_the_folder_remembers_was_put_back(oat, folder, client):
    operation = ASK["approve"](oat)
    client.force_login(oat.ana.user)
    watch(times=5)
    put_back(4)
    assert watch()
    operation.refresh_from_db()
    assert (operation.state, operation.blocked_by) == ("blocked", "restore")
    assert not Session.objects.exists()
    assert not watch()  # once
    assert not watch(times=1)
    put_back(6)
    assert watch(times=1)  # an old one again, under the running poller


def test_the_worker_notices_before_it_sends(oat, folder):
    operation = ASK["approve"](oat)
    Operation.objects.update(not_before=reconciling.now())
    watch(times=5)
    put_back(2)
    tasks.look_back.cache_clear()
    with committing():
        tasks.send_operation(str(operation.pk))
    operation.refresh_from_db()
    assert (operation.state, operation.blocked_by) == ("blocked", "restore")
    assert oat.effects("approve") == []


def test_a_folder_that_remembers_nothing_proves_nothing(oat, folder):
    """A container's own, gone with each start; or a file that nobody can read."""
    operation = ASK["approve"](oat)
    watch(times=5)
    [memory] = folder.iterdir()
    put_back(3)
    memory.write_text("")
    assert not watch()
    put_back(1)
    memory.unlink()
    assert not watch()
    operation.refresh_from_db()
    assert operation.state == "queued"


def test_another_database_in_the_same_folder_is_another_matter(oat, folder):
    watch(times=5)
    first = Instance.objects.get()
    Instance.objects.all().delete()
    assert not watch(times=1)
    Instance.objects.update(name=first.name, mark=first.mark)
    assert not watch()  # and back to the first


def test_the_command_is_not_repeated_by_what_starts_after_it(oat, folder):
    operation = ASK["approve"](oat)
    watch(times=5)
    put_back(2)
    with committing():
        call_command("after_restore", stdout=StringIO())
    Operation.objects.filter(pk=operation.pk).update(state="queued", blocked_by="")
    assert not watch()
    operation.refresh_from_db()
    assert operation.state == "queued"


def test_a_folder_that_cannot_be_written_stops_nothing(oat, folder):
    folder.rmdir()
    assert not watch(times=2)
    assert Instance.objects.get().mark == 2


def test_operations_are_exported_a_line_each(oat):
    done = ASK["approve"](oat)
    oat.send(done)
    waiting = ASK["sync"](oat)
    printed = StringIO()
    call_command("export_operations", "--jsonl", stdout=printed)
    rows = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert [(row["id"], row["kind"], row["state"]) for row in rows] == [
        (str(done.pk), "approve", "succeeded"),
        (str(waiting.pk), "sync", "queued"),
    ]
    assert rows[0]["target"] == done.target
    assert rows[0]["attempts"] == 1
    assert set(rows[0]) == {
        *("id", "kind", "target", "state", "attempts", "created_at", "sent_at", "finished_at"),
        *("retry_of", "estimated_cents", "actual_cents"),
    }
