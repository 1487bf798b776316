from datetime import timedelta

from reviewqueue.clock import now
from reviewqueue.models import Heartbeat
from tests.factories import make_operation


def test_the_process_answers_without_a_database(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_needs_both_hearts_to_beat(client, workspace):
    assert client.get("/readyz").status_code == 503
    for name in ("worker", "poller"):
        Heartbeat.objects.create(name=name, at=now())
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (200, "ok")
    Heartbeat.objects.filter(name="worker").update(at=now() - timedelta(minutes=3))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "silent" in answer.json()["worker"]


def test_what_waits_too_long_is_counted(client, post):
    make_operation(post, not_before=now() - timedelta(minutes=5))
    assert client.get("/readyz").json()["late_operations"] == 1
