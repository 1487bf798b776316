"""What people decided. Append-only: a decision that was taken back says so, it does not vanish."""

from django.db import models
from django.utils import timezone

from reviewqueue.models.base import Row
from reviewqueue.models.content import GeneratedPost, MediaItem
from reviewqueue.models.operation import Hold, Operation
from reviewqueue.models.workspace import Member, Workspace


class Decision(Row):
    """One person's verdict on a post or an item, on what was on their screen."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"
        COMPOSE = "compose", "To compose"
        REJECT_ITEM = "reject_item", "Item rejected"

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="decisions")
    post = models.ForeignKey(GeneratedPost, models.CASCADE, related_name="decisions")
    item = models.ForeignKey(MediaItem, models.CASCADE, null=True, related_name="decisions")
    verdict = models.CharField(max_length=12, choices=Verdict)
    reason = models.CharField(max_length=300, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="decisions")
    by_label = models.CharField(max_length=120)
    at = models.DateTimeField(default=timezone.now)
    operation = models.ForeignKey(Operation, models.SET_NULL, null=True, related_name="decisions")
    hold = models.ForeignKey(Hold, models.SET_NULL, null=True, related_name="decisions")
    is_first = models.BooleanField(default=False)  # the first of two approvals: sends nothing
    stands = models.BooleanField(default=True)  # false once undone, lapsed, or overtaken by a regeneration
    ended = models.CharField(max_length=10, blank=True)  # undone, lapsed, refused, overtaken

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["post"],
                condition=models.Q(stands=True, item=None, is_first=False),
                name="one_standing_decision",
            ),
            models.UniqueConstraint(
                fields=["item"],
                condition=models.Q(stands=True) & ~models.Q(item=None),
                name="one_standing_item_decision",
            ),
        ]
        indexes = [
            models.Index(fields=["post", "-at"], name="decisions_of_post"),
            models.Index(fields=["by", "-at"], name="decisions_of_member"),
        ]

    def __str__(self):
        return f"{self.verdict} by {self.by_label}"
