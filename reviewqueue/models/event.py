"""Who did what, when, at what price. Append-only; labels are copied, so history outlives its subjects."""

from django.db import models
from django.utils import timezone

from reviewqueue.models.base import Row
from reviewqueue.models.content import GeneratedPost
from reviewqueue.models.operation import Operation
from reviewqueue.models.persona import Persona
from reviewqueue.models.workspace import Member, Workspace
from reviewqueue.rules.vocabulary import word_of


class EventQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id)


class Event(Row):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    name = models.CharField(max_length=40)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    by_label = models.CharField(max_length=120)  # a person, "The service", "Loupe"
    subject_label = models.CharField(max_length=200, blank=True)
    facts = models.JSONField(default=dict)
    cents = models.IntegerField(null=True)
    persona = models.ForeignKey(Persona, models.SET_NULL, null=True, related_name="+")
    post = models.ForeignKey(GeneratedPost, models.SET_NULL, null=True, related_name="events")
    operation = models.ForeignKey(Operation, models.SET_NULL, null=True, related_name="+")

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-at", "-id"], name="events_newest"),
            models.Index(fields=["post", "-at", "-id"], name="events_of_post"),
            models.Index(fields=["persona", "-at", "-id"], name="events_of_persona"),
        ]

    def __str__(self):
        return self.name

    @property
    def label(self) -> str:
        return word_of(self.name).label

    @property
    def sentence(self) -> str:
        return word_of(self.name).sentence.format(subject=self.subject_label, **self.facts)
