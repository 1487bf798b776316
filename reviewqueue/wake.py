"""Tell the worker, after the commit, that there is something to do. A hint that may be lost.

Tasks are named by their dotted path, so that services never import them.
"""

from contextlib import contextmanager
from contextvars import ContextVar

from django.db import transaction
from django_q.tasks import async_task

_quiet = ContextVar("quiet", default=False)


def send_operation(operation) -> None:
    _later("send_operation", operation.pk)


def fetch_media(file) -> None:
    _later("fetch_media", file.pk)


def look(watch) -> None:
    _later("look", watch.pk)


@contextmanager
def quietly():
    """No hints meanwhile: whoever works through the rows themselves needs none."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def _later(task: str, pk) -> None:
    if not _quiet.get():
        transaction.on_commit(lambda: async_task(f"reviewqueue.tasks.{task}", str(pk)))
