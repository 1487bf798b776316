"""Whatever happens in whatever order, what was asked for happens once or is shown as not known."""

import tempfile
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reviewqueue import gateway
from reviewqueue.clock import now
from reviewqueue.models import Operation, RateBudget, UpstreamKey
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import generating, operations, reconciling, resolving, restoring, reviewing
from tests.campaign import books
from tests.world import World, check_counts, committing, token

EXAMPLES, EXAMPLES_IN_FULL = 10, 300
FAULTS = (
    "drop_before",
    "drop_after",
    "500",
    "502_after",
    "malformed",
    "truncate",
    "429",
    "422",
    "404",
    "late",
)
LOST_SECONDS = 1800  # at least, between the last thing that a backup knows and its being put back


class Killed(BaseException):
    """The worker is no more; nothing catches it."""


@contextmanager
def killed(place: str, *, after: bool):
    """The next worker dies at `place`: before it, or having done it."""
    real = getattr(operations, place)

    def dying(*arguments, **options):
        if after:
            real(*arguments, **options)
        raise Killed

    setattr(operations, place, dying)
    try:
        yield
    except Killed:
        pass
    finally:
        setattr(operations, place, real)


class Moved(datetime):
    """The real time, and what has passed in the machine: for everything that asks Django."""

    later = timedelta()

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.later


class Desk(RuleBasedStateMachine):
    """People, a worker that may die, a database that may be put back, and a service that may lie."""

    prepared = None  # the filled sandbox, set by the test

    @initialize()
    def begin(self):
        self.clocks = timezone.datetime, operations.database_now
        timezone.datetime, operations.database_now = Moved, now
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(self.prepared[0], Path(self.folder.name) / "sandbox", self.prepared[1])
        self.world.mirror("Oat & Ember")
        self.posts = [self.world.ready("image"), self.world.ready("carousel")]
        self.backup, self.forgotten = None, []

    def teardown(self):
        if not hasattr(self, "world"):
            return
        try:
            self.it_all_comes_to_an_end()
        finally:
            timezone.datetime, operations.database_now, Moved.later = *self.clocks, timedelta()
            gateway.bring(None)
            transaction.set_rollback(True)
            self.rollback.__exit__(None, None, None)
            self.folder.cleanup()

    def breathe(self, seconds: float = 61) -> None:
        """So much later on both sides: the minute has room again, and the service was seen to answer."""
        Moved.later += timedelta(seconds=seconds)
        self.world.clock.advance(seconds)
        RateBudget.objects.all().delete()
        UpstreamKey.objects.update(opened_at=None)

    # ---- people -------------------------------------------------------------------------------

    def try_to(self, command, *arguments, **options):
        try:
            return command(*arguments, token=token(), **options)
        except NotAllowed:
            return None

    def decide(self, verb, which: int, seen: bool):
        post = self.posts[which % len(self.posts)]
        fingerprint = post.fingerprint  # what was read when the page was opened
        if seen:
            post.refresh_from_db()
            fingerprint = post.fingerprint
        self.try_to(verb, post, by=self.world.ana, fingerprint=fingerprint)

    @rule(which=st.integers(0, 5), seen=st.booleans())
    def approve(self, which, seen):
        self.decide(reviewing.approve, which, seen)

    @rule(which=st.integers(0, 5), seen=st.booleans())
    def reject(self, which, seen):
        self.decide(reviewing.reject, which, seen)

    @rule(which=st.integers(0, 5))
    def regenerate(self, which):
        self.try_to(generating.regenerate_post, self.posts[which % len(self.posts)], by=self.world.ana)

    @rule(which=st.integers(0, 5), position=st.integers(0, 3))
    def regenerate_item(self, which, position):
        items = self.posts[which % len(self.posts)].items.current().order_by("position")
        item = items[position % items.count()] if items else None
        if item:
            self.try_to(generating.regenerate_item, item, by=self.world.ana)

    @rule(which=st.integers(0, 5))
    def delete(self, which):
        self.try_to(generating.delete_post, self.posts[which % len(self.posts)], by=self.world.ana)

    @precondition(lambda self: len(self.posts) < 5)
    @rule()
    def generate(self):
        source = self.world.unused()
        operation = self.try_to(
            generating.generate, source, self.world.persona("Oat & Ember"), by=self.world.ana
        )
        if operation:
            self.posts.append(operation.post)

    @rule()
    def undo(self):
        waiting = Operation.objects.filter(state="queued").exclude(hold=None).first()
        if waiting:
            operations.cancel(waiting, by=self.world.ana)

    @rule(which=st.integers(0, 5))
    def somebody_changes_it_outside(self, which):
        post = self.posts[which % len(self.posts)]
        post.refresh_from_db()
        if post.upstream_id and not post.deleted_at:
            self.world.sandbox.edit_caption(post.upstream_id, f"Changed at {Moved.later}")

    # ---- the worker and the wire --------------------------------------------------------------

    def next_due(self):
        return Operation.objects.filter(state="queued").order_by("created_at").first()

    @rule(fault=st.sampled_from((None, *FAULTS)), twice=st.booleans())
    def send(self, fault, twice):
        operation = self.next_due()
        if operation is None:
            return
        self.breathe()
        if fault:
            for method in ("POST", "DELETE"):
                self.world.sandbox.misbehave(fault, match=f"{method} *")
        self.world.send(operation)
        if twice:  # the task is delivered once more
            operations.send(operation.pk)
        self.world.sandbox.behave()

    @rule(place=st.sampled_from(("claim", "carry", "record")), after=st.booleans())
    def the_worker_dies(self, place, after):
        operation = self.next_due()
        if operation is None:
            return
        self.breathe()
        Operation.objects.filter(pk=operation.pk).update(not_before=now())
        with killed(place, after=after), committing():
            operations.send(operation.pk)
        operations.sweep(at=now() + timedelta(seconds=120))
        Operation.objects.filter(state="queued").update(picked_until=None)

    # ---- time -----------------------------------------------------------------------------------

    @rule()
    def everything_is_finished(self):
        self.breathe()
        self.world.sandbox.finish()
        self.world.look("posts", self.world.persona("Oat & Ember").pk)

    @rule(seconds=st.sampled_from((20, 70, 700)))
    def time_passes_and_it_is_looked_for(self, seconds):
        self.breathe(seconds)
        with committing():
            reconciling.look(self.world.wire(), self.world.workspace)

    # ---- a backup -------------------------------------------------------------------------------

    @rule()
    def a_backup_is_made(self):
        self.backup, self.posts_then = transaction.savepoint(), list(self.posts)

    @precondition(lambda self: self.backup)
    @rule()
    def it_is_put_back(self):
        """Every row is as it was; the service knows what it has done."""
        self.forgotten += in_books(done="untold")  # it may be found for one that is done once more
        transaction.savepoint_rollback(self.backup)
        self.posts = list(self.posts_then)
        self.breathe(LOST_SECONDS)
        restoring.after_restore()

    @rule()
    def what_was_stopped_is_let_go_on(self):
        for operation in Operation.objects.filter(state="blocked"):
            if resolving.can_release(operation):
                resolving.release(operation, by=self.world.ana)

    # ---- what must hold ------------------------------------------------------------------------------

    @invariant()
    def nothing_happened_twice_or_unseen(self):
        if not hasattr(self, "world"):
            return
        booked = books.over_both_lives(self.forgotten, in_books())
        effects = books.effects_in(self.world.sandbox.world.store.path)
        verdict = books.Verdict()
        books.check_sums(verdict, booked, effects)
        books.check_each(verdict, booked, effects)
        assert verdict, f"{verdict}"

    def it_all_comes_to_an_end(self):
        """With a service that answers, nothing is left to be sent, and what it shows is known."""
        for _ in range(5):
            for operation in Operation.objects.filter(state="queued").order_by("created_at"):
                self.breathe()
                self.world.send(operation)
            self.time_passes_and_it_is_looked_for(700)
            self.what_was_stopped_is_let_go_on()
        self.nothing_happened_twice_or_unseen()
        assert not Operation.objects.filter(state__in=("queued", "sending")).exists()

    @invariant()
    def one_decision_stands_and_every_count_is_right(self):
        if not hasattr(self, "world"):
            return
        for post in self.posts:
            assert post.decisions.filter(stands=True, item=None, is_first=False).count() <= 1
        check_counts(self.world.workspace)


def in_books(done: str = "succeeded") -> list[dict]:
    """As Loupe tells it. What waits to be repeated, or is just being sent, may have happened."""
    told = StringIO()
    call_command("export_operations", "--jsonl", stdout=told)
    operations = books.operations_in(told.getvalue())
    for one in operations:
        if one["state"] in ("queued", "sending") and one["attempts"]:
            one["state"] = "untold"
        elif one["state"] == "succeeded":
            one["state"] = done
    return operations


@pytest.mark.django_db
def test_the_life_of_posts_and_operations(prepared, is_full, request):
    Desk.prepared = prepared
    run_state_machine_as_test(
        seed(request.config.getoption("seed"))(Desk),
        settings=settings(
            max_examples=EXAMPLES_IN_FULL if is_full else EXAMPLES,
            phases=(Phase.generate, Phase.shrink) if is_full else (Phase.generate,),
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert connection.in_atomic_block
