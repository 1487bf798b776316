"""What we ask of the service. The row is the queue; a task only carries its id."""

from django.db import models
from django.db.models.expressions import RawSQL
from django.utils import timezone

from reviewqueue.models.base import Row
from reviewqueue.models.content import GeneratedPost, MediaItem
from reviewqueue.models.persona import Persona
from reviewqueue.models.source import Source, SourcePost
from reviewqueue.models.workspace import Member, Workspace
from reviewqueue.rules.states import NEEDING_ATTENTION, OPEN_OPERATION, OPERATION


class Hold(Row):
    """A decision, or several made at once, that waits before it is sent. The hold is the undo."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="holds")
    member = models.ForeignKey(Member, models.CASCADE, related_name="holds")
    what = models.CharField(max_length=120)  # "Approved", "Regenerate for $0.32"
    which = models.CharField(max_length=200, blank=True)  # "Ines Calder 214", "3A"
    count = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, default="held")
    seconds = models.PositiveSmallIntegerField(null=True)  # null: until I send
    send_at = models.DateTimeField(null=True)  # null: paused, or until I send
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["member", "-created_at"], condition=models.Q(state="held"), name="holds_of_member"
            )
        ]

    def __str__(self):
        return self.what


# Condition of `operations_loose`, written out: SQLite compares no list of values with it.
LOOSE = RawSQL("not_done OR state IN ('unknown', 'blocked')", (), models.BooleanField())


class OperationQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id)

    def open(self):
        return self.filter(state__in=OPEN_OPERATION)

    def due(self, now):
        return self.filter(state="queued", not_before__lte=now)

    def not_done(self):
        """What did not happen and needs a person's word. In no order: SQLite would walk all for it."""
        return self.filter(not_done=True)

    def loose(self):
        """What needs attention and has no post that could say so, the newest first."""
        return self.filter(LOOSE, post=None).order_by("-created_at", "-id")

    def lapsed(self, now):
        return self.filter(state="sending", lease_until__lt=now)


class Operation(Row):
    """One call that changes something at the service, from the click to its outcome.

    States and moves: rules/states.py. `not_before` null means: not before somebody says so.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="operations")
    upstream = models.CharField(max_length=20, default="reelmirror")
    kind = models.CharField(max_length=24)
    lock_group = models.CharField(max_length=12)
    target = models.CharField(max_length=160)  # the service's id that is acted on
    params = models.JSONField(default=dict)
    label = models.CharField(max_length=200)  # the subject in words; outlives the subject

    persona = models.ForeignKey(Persona, models.SET_NULL, null=True, related_name="operations")
    source = models.ForeignKey(Source, models.SET_NULL, null=True, related_name="operations")
    source_post = models.ForeignKey(SourcePost, models.SET_NULL, null=True, related_name="operations")
    post = models.ForeignKey(GeneratedPost, models.SET_NULL, null=True, related_name="operations")
    item = models.ForeignKey(MediaItem, models.SET_NULL, null=True, related_name="operations")

    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    by_label = models.CharField(max_length=120)
    token = models.UUIDField()  # minted with the page; a second press is the same operation
    batch = models.UUIDField(null=True)
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="retries")
    hold = models.ForeignKey(Hold, models.SET_NULL, null=True, related_name="operations")

    state = models.CharField(max_length=10, default="queued")
    blocked_by = models.CharField(max_length=20, blank=True)  # key, balance, cap, late, role, restore
    not_before = models.DateTimeField(null=True)
    picked_until = models.DateTimeField(null=True)  # somebody is preparing to send it
    hinted_at = models.DateTimeField(null=True)  # the worker was told
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # It did not happen; nobody has asked for it again or let it be, and nothing has overtaken it.
    not_done = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(default=timezone.now)

    key_fingerprint = models.CharField(max_length=32, blank=True)  # the key it was sent under
    fingerprint = models.CharField(max_length=64, blank=True)  # what the person saw
    baseline = models.JSONField(null=True)  # what the service showed just before sending
    estimated_cents = models.IntegerField(null=True)
    actual_cents = models.IntegerField(null=True)
    result = models.JSONField(null=True)
    reason = models.CharField(max_length=500, blank=True)  # why it failed, waits or is not known
    accepted = models.BooleanField(default=False)  # a 2xx came, with a body that told nothing
    look_at = models.DateTimeField(null=True)  # unknown: looked for at the service then; null: no more
    looks = models.PositiveSmallIntegerField(default=0)
    missed_at = models.DateTimeField(null=True)  # the first of the looks in a row that did not see it

    objects = OperationQuerySet.as_manager()

    RESTORED = 1_000_000  # a fence beyond any number that a sender of the lost time can hold

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["upstream", "lock_group", "target"],
                condition=models.Q(state__in=OPEN_OPERATION),
                name="one_open_operation",
            ),
            models.UniqueConstraint(fields=["token", "kind", "target"], name="one_operation_a_press"),
            models.CheckConstraint(
                condition=models.Q(state__in=tuple(OPERATION.moves)), name="known_operation_state"
            ),
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=models.Q(state="queued"), name="operations_due"),
            models.Index(
                fields=["lease_until"], condition=models.Q(state="sending"), name="operations_leased"
            ),
            models.Index(
                fields=["workspace", "look_at"],
                condition=models.Q(state="unknown"),
                name="operations_unknown",
            ),
            models.Index(
                fields=["workspace", "state"],
                condition=models.Q(state__in=OPEN_OPERATION),
                name="operations_open",
            ),
            models.Index(
                fields=["workspace", "kind", "target"],
                condition=models.Q(not_done=True),
                name="operations_not_done",
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"],
                condition=models.Q(
                    models.Q(not_done=True) | models.Q(state__in=NEEDING_ATTENTION), post=None
                ),
                name="operations_loose",
            ),
            models.Index(fields=["workspace", "-created_at", "-id"], name="operations_newest"),
            models.Index(fields=["post"], name="operations_of_post"),
        ]

    def __str__(self):
        return f"{self.kind} {self.label}"

    @property
    def was_restored(self) -> bool:
        return self.fence >= self.RESTORED

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_OPERATION

    @property
    def waits_for_word(self) -> bool:
        """Blocked until a person says that it may go on; after a restore once it was looked for."""
        if self.state != "blocked" or self.blocked_by == "restore":
            return self.state == "blocked" and self.look_at is None
        return self.blocked_by in ("balance", "late", "role")

    @property
    def needs_attention(self) -> bool:
        return self.not_done or self.state in NEEDING_ATTENTION


class OperationEvent(models.Model):
    """One move of an operation, written with it."""

    operation = models.ForeignKey(Operation, models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=12)
    before = models.CharField(max_length=10)
    after = models.CharField(max_length=10)
    note = models.CharField(max_length=500, blank=True)
    by_label = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return f"{self.before} → {self.after}"


class Attempt(models.Model):
    """One exchange with the service for an operation: what was sent (without the key) and what came."""

    operation = models.ForeignKey(Operation, models.CASCADE, related_name="exchanges")
    number = models.PositiveIntegerField()  # 0 for the reads before it
    at = models.DateTimeField()
    seconds = models.FloatField()
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=600)
    request = models.TextField(blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    answer = models.TextField(blank=True)  # the first 64 KiB
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return f"{self.method} {self.path}"


class Watch(models.Model):
    """Something upstream that we look at again: what, and when it was last looked at.

    The planner works from these rows, so a restart forgets nothing.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="watches")
    kind = models.CharField(max_length=16)  # catalogue, balance, posts, post, sync, outgoing, …
    subject = models.CharField(max_length=40, blank=True)  # our id of what is looked at
    poll_at = models.DateTimeField(default=timezone.now)  # not before
    looked_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    hinted_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)
    trouble = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "kind", "subject"], name="one_watch_a_subject")
        ]
        indexes = [models.Index(fields=["poll_at"], name="watches_due")]

    def __str__(self):
        return f"{self.kind} {self.subject}"


class Look(models.Model):
    """A member has this post, or without one the queue, on the screen; written at most every ten seconds."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="looks")
    member = models.ForeignKey(Member, models.CASCADE, related_name="+")
    post = models.ForeignKey(GeneratedPost, models.CASCADE, null=True, related_name="looks")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "post"], name="one_look_a_post"),
            models.UniqueConstraint(
                fields=["member"], condition=models.Q(post=None), name="one_look_at_the_queue"
            ),
        ]

    def __str__(self):
        return f"{self.member_id} at {self.post_id}"
