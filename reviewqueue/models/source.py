"""The accounts a persona follows, and what was pulled from them."""

from django.db import models

from reviewqueue.models.base import Mirror
from reviewqueue.models.media import MediaFile
from reviewqueue.models.persona import Persona
from reviewqueue.models.workspace import Workspace


class SourceQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id)


class Source(Mirror):
    """Mirror of a tracked account; the same creator may be a source of several personas."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="sources")
    persona = models.ForeignKey(Persona, models.CASCADE, related_name="sources")
    creator_id = models.CharField(max_length=128, blank=True)  # the service's id of the account itself
    platform = models.CharField(max_length=20, default="instagram")
    handle = models.CharField(max_length=200)
    automation_mode = models.CharField(max_length=20, default="sync_only")
    status = models.CharField(max_length=40, blank=True)
    last_synced_at = models.DateTimeField(null=True)
    content_count = models.PositiveIntegerField(null=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["handle", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "upstream", "upstream_id"], name="one_source_row")
        ]
        indexes = [models.Index(fields=["workspace", "creator_id"], name="source_by_creator")]

    def __str__(self):
        return f"@{self.handle}"

    @property
    def skips_review(self) -> bool:
        return self.automation_mode == "auto_publish"


class SourcePostQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id)

    def of_persona(self, persona):
        followed = persona.sources.values("creator_id")
        return self.filter(creator_id__in=followed)


class SourcePost(Mirror):
    """Mirror of a pulled post. `face` holds what its frame shows, so a page of them is one query."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="source_posts")
    creator_id = models.CharField(max_length=128, blank=True)
    handle = models.CharField(max_length=200, blank=True)
    platform = models.CharField(max_length=20, default="instagram")
    platform_post_id = models.CharField(max_length=128, blank=True)
    caption = models.TextField(blank=True)
    url = models.CharField(max_length=600, blank=True)
    kind = models.CharField(max_length=8, default="image")  # image, carousel, video
    posted_at = models.DateTimeField()  # when it was posted, else when it was pulled
    made = models.PositiveIntegerField(default=0)  # generated posts made from it, deleted ones left out
    in_flight = models.BooleanField(default=False)  # one of them is being made
    version = models.PositiveIntegerField(default=1)
    face = models.JSONField(default=dict)

    objects = SourcePostQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "upstream", "upstream_id"], name="one_source_post_row"
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-posted_at", "-id"], name="source_posts_newest"),
            models.Index(
                fields=["workspace", "creator_id", "-posted_at", "-id"], name="source_posts_by_creator"
            ),
            models.Index(
                fields=["workspace", "-posted_at", "-id"],
                condition=models.Q(made=0),
                name="source_posts_unused",
            ),
        ]

    def __str__(self):
        return f"@{self.handle}"


class SourceMedia(models.Model):
    """One picture or video of a source post, in order."""

    post = models.ForeignKey(SourcePost, models.CASCADE, related_name="media")
    position = models.PositiveSmallIntegerField()
    media_type = models.CharField(max_length=10, default="image")
    duration_seconds = models.FloatField(null=True)
    file = models.ForeignKey(MediaFile, models.SET_NULL, null=True, related_name="+")
    # The same under another link, until its copy is here.
    next_file = models.ForeignKey(MediaFile, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["post", "position"], name="one_source_media_row")]

    def __str__(self):
        return f"{self.position + 1}"


class SyncJob(Mirror):
    """Mirror of one creator's sync. Which source it is for is known once the service says the creator."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    persona = models.ForeignKey(Persona, models.CASCADE, related_name="sync_jobs")
    creator_id = models.CharField(max_length=128, blank=True)
    operation = models.ForeignKey("Operation", models.SET_NULL, null=True, related_name="sync_jobs")
    status = models.CharField(max_length=20, default="pending")
    error_message = models.CharField(max_length=500, blank=True)
    new_posts_count = models.PositiveIntegerField(null=True)
    asked_at = models.DateTimeField()  # when we started it
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "upstream", "upstream_id"], name="one_sync_job_row")
        ]
        indexes = [
            models.Index(fields=["workspace"], condition=models.Q(ended_at=None), name="sync_jobs_running")
        ]

    def __str__(self):
        return self.status
