"""The worker: django-q2's cluster, which begins nothing more once it was told to end.

By itself it would still do all that it has fetched, and each of these may take as long as a request.
"""

from django.core.management.base import BaseCommand
from django_q.cluster import Cluster

from reviewqueue import ending

# What the tasks call is loaded once, before the processes that run them are forked.
from reviewqueue.services import media, operations, polling, restoring  # noqa: F401


class Worker(Cluster):
    def start(self) -> int:
        pid = super().start()
        if ending.told.value:  # perhaps before there was anything to stop
            super().stop()
        return pid

    def stop(self) -> bool:
        """Once: told again while it is being told, the cluster would wait for its own lock."""
        if ending.told.value:
            return False
        ending.tell()
        return self.sentinel is not None and super().stop()


class Command(BaseCommand):
    help = "Runs the worker. On SIGTERM it finishes what is under way, begins nothing more, then ends."
    requires_system_checks = ()  # `prepare` has run them, and they load every page

    def handle(self, *args, **options):
        Worker().start()
