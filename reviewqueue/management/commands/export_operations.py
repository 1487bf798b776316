"""Every operation as one line of JSON, for whoever checks the books."""

import json

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from reviewqueue.models import Operation

FIELDS = (
    "id",
    "kind",
    "target",
    "state",
    "attempts",
    "created_at",
    "sent_at",
    "finished_at",
    "retry_of",
    "estimated_cents",
    "actual_cents",
)


class Command(BaseCommand):
    help = "Prints one JSON object a line for each operation, oldest first; times are UTC, money is cents."

    def add_arguments(self, parser):
        parser.add_argument("--jsonl", action="store_true", help="one object a line (the only form there is)")
        parser.add_argument("--workspace", help="only this one, by its name")

    def handle(self, *args, workspace=None, **options):
        rows = Operation.objects.order_by("created_at", "id")
        if workspace:
            rows = rows.filter(workspace__name=workspace)
        for row in rows.values(*FIELDS).iterator():
            self.stdout.write(json.dumps(row, cls=DjangoJSONEncoder))
