"""The health check of a container without a port: how long ago was the last sign of life?"""

from django.core.management.base import BaseCommand, CommandError

from reviewqueue.clock import now
from reviewqueue.management.commands.up import HUNG_SECONDS
from reviewqueue.models import Heartbeat


class Command(BaseCommand):
    help = "Succeeds unless the worker or the poller has been silent for as long as `up` would bear."
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("name", choices=("worker", "poller"))

    def handle(self, *args, name, **options):
        beat = Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()
        if beat is None:
            raise CommandError(f"The {name} was never seen.")
        silent = (now() - beat).total_seconds()
        if silent > HUNG_SECONDS:
            raise CommandError(f"The {name} has been silent for {silent:.0f} s.")
