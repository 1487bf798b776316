"""Our own copies of pictures and videos: links expire, and keys must not reach browsers."""

import secrets

from django.core.files.storage import default_storage
from django.db import models

from reviewqueue.models.base import Row
from reviewqueue.models.workspace import Workspace

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def short_name() -> str:
    """Short, because it stands on every page 48 times; random, so nobody guesses a neighbour's."""
    return "".join(secrets.choice(ALPHABET) for _ in range(10))


class MediaFileQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id)

    def due(self, now):
        return self.filter(state=MediaFile.State.WANTED, fetch_at__lte=now)


class MediaFile(Row):
    """One file of the service and its renditions here.

    `origin` is the link's address without its signature: the same for as long as the file is the same.
    """

    class State(models.TextChoices):
        WANTED = "wanted", "Being copied"
        STORED = "stored", "Here"
        REFUSED = "refused", "Refused"

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="files")
    name = models.CharField(max_length=12, unique=True, default=short_name)
    origin = models.CharField(max_length=800)
    link = models.TextField()  # the newest full link
    state = models.CharField(max_length=8, choices=State, default=State.WANTED)
    reason = models.CharField(max_length=300, blank=True)  # why it was refused, in plain words
    kind = models.CharField(max_length=5, default="image")  # image, video, audio
    content_type = models.CharField(max_length=40, blank=True)
    extension = models.CharField(max_length=5, blank=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    duration_seconds = models.FloatField(null=True)
    has_sound = models.BooleanField(default=False)
    byte_size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    phash = models.CharField(max_length=16, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    fetch_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    hinted_at = models.DateTimeField(null=True)
    stored_at = models.DateTimeField(null=True)

    objects = MediaFileQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "origin"], name="one_copy_per_file")]
        indexes = [
            models.Index(fields=["fetch_at"], condition=models.Q(state="wanted"), name="media_wanted"),
        ]

    def __str__(self):
        return self.name

    @property
    def is_here(self) -> bool:
        return self.state == self.State.STORED

    @property
    def aspect(self) -> str:
        """The nearest of the three shapes of the stage."""
        if not (self.width and self.height):
            return "4:5"
        ratio = self.width / self.height
        return min((("9:16", 9 / 16), ("4:5", 4 / 5), ("1:1", 1.0)), key=lambda shape: abs(shape[1] - ratio))[
            0
        ]

    def stored_as(self, rendition: str) -> str:
        """The storage name of a rendition: `original`, `screen`, `thumb` or `poster`."""
        ending = self.extension if rendition == "original" else "webp"
        return f"{self.workspace_id}/{self.name[:2]}/{self.name}.{rendition}.{ending}"

    def delete_files(self) -> None:
        for rendition in ("original", "screen", "thumb", "poster"):
            name = self.stored_as(rendition)
            if default_storage.exists(name):
                default_storage.delete(name)


class PictureBand(Row):
    """One eighth of the perceptual hash of a picture that went out, so that near ones are found by an index.

    `key` is the band's number times 256 plus its eight bits: pictures that differ in fewer than eight bits
    share at least one.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    file = models.ForeignKey(MediaFile, models.CASCADE, related_name="bands")
    key = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "key"], name="one_band_of_a_file")]
        indexes = [models.Index(fields=["workspace", "key"], name="bands_by_key")]

    def __str__(self):
        return f"band {self.key} of {self.file}"
