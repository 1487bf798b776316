"""What the service generated: posts, their items, and each item's earlier versions."""

from django.db import models
from django.db.models.expressions import RawSQL
from django.utils import timezone

from reviewqueue.models.base import Mirror
from reviewqueue.models.media import MediaFile
from reviewqueue.models.persona import Persona
from reviewqueue.models.source import SourcePost
from reviewqueue.models.workspace import Workspace
from reviewqueue.rules.states import DESK_TABS, GENERATION_ENDED

KINDS = [("image", "Image"), ("carousel", "Carousel"), ("video", "Video")]

# Conditions of `posts_in_flight` and `posts_open`, written out: SQLite compares no list of values with them.
IN_FLIGHT = RawSQL("desk IN ('pending', 'generating')", (), models.BooleanField())
OPEN = RawSQL("desk IN ('attention', 'held', 'sending', 'publishing')", (), models.BooleanField())


GIVEN_UP = {"desk": "attention", "trouble": "stuck", "review_status": "pending_review"}


class GeneratedPostQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id, deleted_at=None)

    def on_tab(self, tab):
        return self.filter(desk__in=DESK_TABS[tab])

    def in_flight(self):
        return self.filter(IN_FLIGHT)

    def open(self):
        """What lies with people or is on its way out."""
        return self.filter(OPEN)

    def in_line(self):
        """Asked for and not begun, whoever was asked for first in front."""
        return self.filter(desk="pending").order_by("asked_at", "id")

    def being_made(self):
        """In flight, or so long about it that it lies with people: it may still be finished."""
        return self.filter(models.Q(desk__in=DESK_TABS["generating"]) | models.Q(**GIVEN_UP))

    def stuck(self):
        """The second of these."""
        return self.filter(OPEN, **GIVEN_UP)

    def oldest_first(self):
        return self.order_by("made_at", "id")

    def newest_first(self):
        return self.order_by("-made_at", "-id")


class GeneratedPost(Mirror):
    """Mirror of a generated post, and where it lies on the desk.

    `desk`, `face`, `fingerprint`, the counts and `version` are worked out from the mirror and the open
    operations by services/desk.py, in the transaction that changed them; nothing else writes them.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="posts")
    persona = models.ForeignKey(Persona, models.SET_NULL, null=True, related_name="posts")
    source_post = models.ForeignKey(SourcePost, models.SET_NULL, null=True, related_name="generated")
    number = models.PositiveIntegerField()  # in the workspace, for people

    # as the service says it
    status = models.CharField(max_length=20, default="pending")
    review_status = models.CharField(max_length=20, default="pending_review")
    caption = models.TextField(blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    total_cost_cents = models.IntegerField(null=True)
    outgoing_upstream_id = models.CharField(max_length=128, blank=True)
    made_at = models.DateTimeField()  # created at the service, else first seen
    asked_at = models.DateTimeField()  # start of the generation that runs or ran last
    looked_at = models.DateTimeField(null=True)  # the service was last asked about it
    told_at = models.DateTimeField(null=True)  # it last answered that something of ours was done
    mark = models.CharField(max_length=32, blank=True)  # hash of what the service said, to see change cheaply
    changed_at = models.DateTimeField(null=True)  # the service's own updated_at
    deleted_at = models.DateTimeField(null=True)

    # worked out
    desk = models.CharField(max_length=10, default="pending")
    counted = models.CharField(max_length=10, blank=True)  # the place under which the scopes count it
    trouble = models.CharField(max_length=20, blank=True)  # why it needs attention
    kind = models.CharField(max_length=8, choices=KINDS, default="image")
    handle = models.CharField(max_length=200, blank=True)  # of its source, to filter by
    ready_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    version = models.PositiveIntegerField(default=1)
    staged_in = models.PositiveIntegerField(default=1)  # the version in which its set of items changed
    face = models.JSONField(default=dict)  # all that its frame shows
    changed_here_at = models.DateTimeField(default=timezone.now)

    objects = GeneratedPostQuerySet.as_manager()

    class Meta:
        constraints = [
            # Blank while the answer to a generate call is out: the post was asked for, its id is not known.
            models.UniqueConstraint(
                fields=["workspace", "upstream", "upstream_id"],
                condition=~models.Q(upstream_id=""),
                name="one_post_row",
            ),
            models.UniqueConstraint(fields=["workspace", "number"], name="one_number_a_post"),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "made_at", "id"],
                condition=models.Q(desk="ready", deleted_at=None),
                name="posts_ready",
            ),
            models.Index(
                fields=["persona", "made_at", "id"],
                condition=models.Q(desk="ready", deleted_at=None),
                name="posts_ready_by_persona",
            ),
            models.Index(
                fields=["workspace", "asked_at", "id"],
                condition=models.Q(desk__in=("pending", "generating"), deleted_at=None),
                name="posts_in_flight",
            ),
            models.Index(
                fields=["workspace", "asked_at", "id"],
                condition=models.Q(desk="pending", deleted_at=None),
                name="posts_in_line",
            ),
            models.Index(
                fields=["workspace", "desk", "made_at", "id"],
                condition=models.Q(desk__in=("attention", "held", "sending", "publishing"), deleted_at=None),
                name="posts_open",
            ),
            models.Index(fields=["workspace", "-decided_at", "-id"], name="posts_decided"),
            models.Index(
                fields=["workspace", "ready_at"],
                condition=models.Q(desk="ready", deleted_at=None),
                name="posts_ready_since",
            ),
            models.Index(fields=["workspace", "changed_here_at"], name="posts_changed"),
            models.Index(fields=["workspace", "-made_at", "-id"], name="posts_newest"),
            models.Index(fields=["persona", "-made_at", "-id"], name="posts_of_persona"),
            models.Index(fields=["source_post"], name="posts_of_source"),
        ]

    def __str__(self):
        return f"post {self.number}"

    @property
    def seen_as(self) -> str:
        """What a row of a list tells of the fingerprint: enough to know whether the post changed since."""
        return self.fingerprint[:32]

    @property
    def is_ended(self) -> bool:
        return self.status in GENERATION_ENDED


class MediaItemQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(post__workspace_id=member.workspace_id, post__deleted_at=None)

    def current(self):
        return self.filter(is_current=True)


class MediaItem(Mirror):
    """Mirror of one media item. Regeneration replaces items at the service; here the old version stays."""

    post = models.ForeignKey(GeneratedPost, models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField(default=0)
    take = models.PositiveSmallIntegerField(default=1)  # 1 is version A
    is_current = models.BooleanField(default=True)

    media_type = models.CharField(max_length=10, default="image")
    status = models.CharField(max_length=20, default="pending")
    review_status = models.CharField(max_length=20, blank=True)
    is_public = models.BooleanField(default=False)
    public_at = models.DateTimeField(null=True)  # when we saw it become public
    discount_applied = models.BooleanField(default=False)
    voice_conversion_status = models.CharField(max_length=20, blank=True)
    voice_asked_at = models.DateTimeField(null=True)
    duration_seconds = models.FloatField(null=True)
    error_message = models.CharField(max_length=500, blank=True)
    cost_cents = models.IntegerField(null=True)  # from the transactions, once seen
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    file = models.ForeignKey(MediaFile, models.SET_NULL, null=True, related_name="+")
    voice_file = models.ForeignKey(MediaFile, models.SET_NULL, null=True, related_name="+")
    # The same under another link, until its copy is here.
    next_file = models.ForeignKey(MediaFile, models.SET_NULL, null=True, related_name="+")
    changed_in = models.PositiveIntegerField(default=1)  # the post's version in which this item last moved
    pictured_in = models.PositiveIntegerField(default=1)  # … in which its picture did

    objects = MediaItemQuerySet.as_manager()

    class Meta:
        ordering = ["position", "take"]
        constraints = [
            models.UniqueConstraint(
                fields=["post", "upstream", "upstream_id", "take"], name="one_item_version"
            )
        ]
        indexes = [models.Index(fields=["upstream_id"], name="items_by_upstream")]

    def __str__(self):
        return f"item {self.label}"

    @property
    def label(self) -> str:
        """Edge print: item number and version letter, "3B"."""
        return f"{self.position + 1}{self.letter}"

    @property
    def letter(self) -> str:
        return chr(ord("A") + min(self.take, 26) - 1)

    @property
    def is_ended(self) -> bool:
        return self.status in GENERATION_ENDED

    @property
    def is_complete(self) -> bool:
        return self.status == "completed"

    @property
    def is_rejected(self) -> bool:
        return self.review_status == "rejected"
