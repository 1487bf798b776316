"""Whom posts are made for, and where theirs go."""

from django.db import models

from reviewqueue.models.base import Mirror
from reviewqueue.models.workspace import Workspace


class PersonaQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id, gone_at=None)


class Persona(Mirror):
    """Mirror of a ReelMirror persona."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="personas")
    name = models.CharField(max_length=200)
    writing_style = models.TextField(blank=True)
    discount_mode = models.BooleanField(default=False)
    has_voice = models.BooleanField(default=False)
    voice_name = models.CharField(max_length=200, blank=True)  # the sample's file name
    created_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)  # deleted at the service
    accounts = models.JSONField(default=list)  # usernames it would publish to now, active ones only
    targets_seen_at = models.DateTimeField(null=True)
    posts_seen_at = models.DateTimeField(null=True)  # the list of its generated posts was last read
    posts_walked_at = models.DateTimeField(null=True)  # … to its very end
    source_posts_seen_at = models.DateTimeField(null=True)

    objects = PersonaQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "upstream", "upstream_id"], name="one_persona_row")
        ]

    def __str__(self):
        return self.name


class ConnectedAccount(Mirror):
    """Mirror of a social account that posts can go to."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="accounts")
    platform = models.CharField(max_length=20, default="instagram")
    username = models.CharField(max_length=200)
    status = models.CharField(max_length=40, default="active")
    connected_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["username", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "upstream", "upstream_id"], name="one_account_row")
        ]

    def __str__(self):
        return f"@{self.username}"

    @property
    def is_active(self) -> bool:
        return self.status == "active"


class PublishingTarget(Mirror):
    """Mirror of the link between a persona and an account."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    persona = models.ForeignKey(Persona, models.CASCADE, related_name="targets")
    account = models.ForeignKey(ConnectedAccount, models.CASCADE, related_name="targets")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["persona", "account"], name="one_target_row")]

    def __str__(self):
        return str(self.account)
