"""Whatever happens in whatever order, what was asked for happens once or is shown as not known."""

import os
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
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
from reviewqueue.models import Operation, RateBudget
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import generating, operations, reconciling, resolving, restoring, reviewing
from reviewqueue.services.kinds import KINDS
from tests.world import World, check_counts, committing, token

EXAMPLES = int(os.environ.get("LOUPE_TEST_EXAMPLES", "12"))
HAPPENED_NOT = ("failed", "absent", "cancelled")
FAULTS = ("drop_before", "drop_after", "500", "502_after", "malformed", "truncate", "429", "422", "404")


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


class Desk(RuleBasedStateMachine):
    """A workspace, its people, a worker that may die, and a service that may lie."""

    prepared = None  # the filled sandbox, set by the test

    @initialize()
    def begin(self):
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(self.prepared[0], Path(self.folder.name) / "sandbox", self.prepared[1])
        self.world.mirror("Oat & Ember")
        self.posts = [self.world.ready("image"), self.world.ready("carousel")]
        self.later = 0.0
        self.real_now, reconciling.now = reconciling.now, lambda: now() + timedelta(seconds=self.later)

    def teardown(self):
        if hasattr(self, "world"):
            reconciling.now = self.real_now
            gateway.bring(None)
            transaction.set_rollback(True)
            self.rollback.__exit__(None, None, None)
            self.folder.cleanup()

    def breathe(self) -> None:
        """A minute later, as far as either side counts requests."""
        RateBudget.objects.all().delete()
        self.world.clock.advance(61)

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
            self.world.sandbox.edit_caption(post.upstream_id, f"Changed at {self.later}")

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
        self.later += seconds
        self.breathe()
        with committing():
            reconciling.look(self.world.wire(), self.world.workspace)

    @rule()
    def a_backup_is_restored_and_let_go_on(self):
        restoring.after_restore()
        self.later += 700
        for _ in range(2):
            self.later += 70
            self.breathe()
            with committing():
                reconciling.look(self.world.wire(), self.world.workspace)
        for operation in Operation.objects.filter(state="blocked"):
            if resolving.can_release(operation):
                resolving.release(operation, by=self.world.ana)

    # ---- what must hold ------------------------------------------------------------------------------

    @invariant()
    def nothing_happened_twice_or_unseen(self):
        if not hasattr(self, "world"):
            return
        done, open_, never = Counter(), Counter(), set()
        for kind, target, state in Operation.objects.values_list("kind", "target", "state"):
            if state == "succeeded":
                done[kind, target] += 1
            elif state in ("unknown", "sending"):
                open_[kind, target] += 1
            elif state in HAPPENED_NOT:
                never.add((kind, target))
        effects = Counter((row["kind"], row["target"]) for row in self.world.effects(None))
        for key in set(done) | set(open_) | set(effects):
            if KINDS[key[0]].absolute:
                continue
            assert done[key] <= effects[key] <= done[key] + open_[key], (key, done, open_, effects)

    @invariant()
    def one_decision_stands_and_every_count_is_right(self):
        if not hasattr(self, "world"):
            return
        for post in self.posts:
            assert post.decisions.filter(stands=True, item=None, is_first=False).count() <= 1
        check_counts(self.world.workspace)


@pytest.mark.django_db
def test_the_life_of_posts_and_operations(prepared):
    Desk.prepared = prepared
    run_state_machine_as_test(
        Desk,
        settings=settings(
            max_examples=EXAMPLES,
            phases=(Phase.generate,),
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=EXAMPLES <= 50,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert connection.in_atomic_block
