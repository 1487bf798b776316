"""What the team keeps for itself on the desk: private notes, and views worth coming back to."""

from django.db import models
from django.utils import timezone

from reviewqueue.models.base import Row
from reviewqueue.models.content import GeneratedPost, MediaItem
from reviewqueue.models.workspace import Member, Workspace


class NoteQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id, deleted_at=None, post__deleted_at=None)


class Note(Row):
    """One remark of the team on a post or an item. Never published, never sent to the service.

    It may be pinned: `x` and `y` (shares of the picture's width and height, 0 to 1) name a point, with
    `width` and `height` a box; `at_seconds` a moment of the video.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="notes")
    post = models.ForeignKey(GeneratedPost, models.CASCADE, related_name="notes")
    item = models.ForeignKey(MediaItem, models.SET_NULL, null=True, related_name="notes")  # that version
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="notes")
    by_label = models.CharField(max_length=120)
    text = models.CharField(max_length=1000)
    x = models.FloatField(null=True)
    y = models.FloatField(null=True)
    width = models.FloatField(null=True)
    height = models.FloatField(null=True)
    at_seconds = models.FloatField(null=True)
    at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)  # taken back by whoever wrote it

    objects = NoteQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["post", "at"], name="notes_of_post")]

    def __str__(self):
        return f"note by {self.by_label}"


class Mention(Row):
    """Somebody named in a note; seen once they had the post open."""

    note = models.ForeignKey(Note, models.CASCADE, related_name="mentions")
    member = models.ForeignKey(Member, models.CASCADE, related_name="mentions")
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["note", "member"], name="one_mention_a_note_and_member")
        ]
        indexes = [
            models.Index(fields=["member"], condition=models.Q(seen_at=None), name="mentions_unseen"),
        ]

    def __str__(self):
        return f"mention of {self.member}"


class SavedViewQuerySet(models.QuerySet):
    def visible_to(self, member):
        """One's own, and what others of the workspace share."""
        mine_or_shared = models.Q(owner_id=member.pk) | models.Q(is_shared=True)
        return self.filter(mine_or_shared, workspace_id=member.workspace_id)


class SavedView(Row):
    """A filtered queue under a name. `query` is its query string, as the queue's own form reads it."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="saved_views")
    owner = models.ForeignKey(Member, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=40)
    query = models.CharField(max_length=500)
    is_shared = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_view_a_name_and_owner")]

    def __str__(self):
        return self.name
