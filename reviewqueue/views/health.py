"""Is the process alive, and can Loupe do its work?"""

from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from reviewqueue.clock import now
from reviewqueue.models import Heartbeat, Operation, UpstreamKey

BEAT_MAX_AGE = timedelta(seconds=60)
QUEUE_MAX_AGE = timedelta(seconds=60)


@never_cache
@require_safe
def healthz(request):
    """This process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request):
    """Database, migrations, the heartbeats of worker and poller, what waits too long, the keys."""
    try:
        report = readiness()
    except DatabaseError:
        report = {"database": "away"}
    is_ready = all(
        value in ("ok", "unchecked", "rejected") or isinstance(value, int) for value in report.values()
    )
    return JsonResponse(report, status=200 if is_ready else 503)


def readiness() -> dict:
    at = now()
    beats = dict(Heartbeat.objects.values_list("name", "at"))
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    late = Operation.objects.filter(state="queued", not_before__lt=at - QUEUE_MAX_AGE).count()
    return {
        "database": "ok",
        "migrations": "behind" if plan else "ok",
        "worker": beat(beats.get("worker"), at),
        "poller": beat(beats.get("poller"), at),
        "late_operations": late,
        **{
            f"key_{key.pk.hex[:8]}": key.state if key.state != "working" else "ok"
            for key in UpstreamKey.objects.all()
        },
    }


def beat(last, at) -> str:
    if last is None:
        return "never seen"
    return "ok" if at - last < BEAT_MAX_AGE else f"silent for {int((at - last).total_seconds())} s"
