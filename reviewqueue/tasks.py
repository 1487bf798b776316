"""What the worker runs. A task carries an id, makes one service call, and may run twice or never."""

from functools import cache, wraps

from reviewqueue import ending
from reviewqueue.clock import now
from reviewqueue.models import Heartbeat
from reviewqueue.services import media, operations, polling, restoring

look_back = cache(restoring.keep_watch)  # once a process, before it sends anything


def unless_ending(task):
    """What was fetched and not begun when the worker was told to end is left: its row is found again."""

    @wraps(task)
    def begin(*args):
        if not ending.told.value:
            task(*args)

    return begin


@unless_ending
def send_operation(operation_id: str) -> None:
    look_back()
    operations.send(operation_id)


@unless_ending
def fetch_media(file_id: str) -> None:
    media.fetch(file_id)


@unless_ending
def look(watch_id: str) -> None:
    polling.look(watch_id, hinted=True)


def beat() -> None:
    """Nothing to do: what counts is to come through."""


def beaten(task) -> None:
    """Called by the monitor, the last process on a task's way: the supervisor and /readyz read what it says.

    A cluster whose monitor hangs goes on working, but no task is ever taken off its queue again.
    """
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": now()})
