"""What the worker runs. A task carries an id, makes one service call, and may run twice or never."""

from reviewqueue.clock import now
from reviewqueue.models import Heartbeat
from reviewqueue.services import media, operations, polling


def send_operation(operation_id: str) -> None:
    operations.send(operation_id)


def fetch_media(file_id: str) -> None:
    media.fetch(file_id)


def look(watch_id: str) -> None:
    polling.look(watch_id, hinted=True)


def beat() -> None:
    """Shows that the whole way through the worker works: the supervisor and /readyz read it."""
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": now()})
