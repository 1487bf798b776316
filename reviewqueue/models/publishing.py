"""What goes out: outgoing posts, and one delivery per account."""

from django.db import models

from reviewqueue.models.base import Mirror
from reviewqueue.models.content import GeneratedPost
from reviewqueue.models.persona import ConnectedAccount
from reviewqueue.models.workspace import Workspace
from reviewqueue.rules.states import DELIVERY_ENDED


class OutgoingPost(Mirror):
    """Mirror of an outgoing post. Its outcome is judged by the deliveries, not by its own status."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="outgoing")
    post = models.ForeignKey(GeneratedPost, models.SET_NULL, null=True, related_name="outgoing")
    status = models.CharField(max_length=20, default="draft")
    caption = models.TextField(blank=True)
    scheduled_for = models.DateTimeField(null=True)
    asked_at = models.DateTimeField()  # when publishing began, as far as we know
    settled_at = models.DateTimeField(null=True)  # every delivery has ended
    differs = models.CharField(max_length=60, blank=True)  # in what it is not what was approved

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "upstream", "upstream_id"], name="one_outgoing_row")
        ]
        indexes = [
            models.Index(
                fields=["workspace"],
                condition=models.Q(status="publishing", settled_at=None),
                name="outgoing_running",
            )
        ]

    def __str__(self):
        return self.status


class Delivery(Mirror):
    """Mirror of one account's delivery."""

    outgoing = models.ForeignKey(OutgoingPost, models.CASCADE, related_name="deliveries")
    account = models.ForeignKey(ConnectedAccount, models.SET_NULL, null=True, related_name="+")
    platform = models.CharField(max_length=20, default="instagram")
    username = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=20, default="pending")
    error_message = models.CharField(max_length=500, blank=True)
    published_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["username", "id"]
        constraints = [models.UniqueConstraint(fields=["outgoing", "upstream_id"], name="one_delivery_row")]

    def __str__(self):
        return f"@{self.username}: {self.status}"

    @property
    def is_ended(self) -> bool:
        return self.status in DELIVERY_ENDED
