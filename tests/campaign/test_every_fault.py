"""Every fault × every operation, in process: the right state, and exactly the allowed number of sends."""

import sqlite3
from contextlib import contextmanager

import pytest
from django.db import transaction

from reviewqueue.models import RateBudget, UpstreamKey
from reviewqueue.services.kinds import KINDS
from tests.asking import ASK

PROVEN = ("400", "402", "403", "404", "405", "409", "422")
SETTLED = dict.fromkeys(PROVEN, "failed") | {"401": "blocked", "429": "queued"}
UNSEEN_BEFORE = ("drop_before", "redirect", "500", "502", "503", "504")
UNSEEN_AFTER = ("drop_after", "hang", "500_after", "502_after", "503_after", "504_after")
UNUSABLE = ("truncate", "huge", "malformed", "empty", "html")  # a yes in a body that cannot be read
FAULTS = (*SETTLED, *UNSEEN_BEFORE, *UNSEEN_AFTER, *UNUSABLE)

# Where the kind's own rule differs: gone is gone, there is there.
REMOVES = ("delete_post", "delete_item", "remove_source", "remove_target")
ADDS = ("add_source", "add_target")
# The name has two documented fields: on a 400, which proves that nothing happened, the other one is tried.
TRIES = {("add_source", "400"): 2}
# The service's own names for the effects of some kinds.
CALLED = {
    "set_automation": "set_automation_mode",
    "update_persona": "change_persona",
    "add_target": "link_account",
}
CALLED |= {"remove_target": "unlink_account", "set_reload": "set_auto_reload"}


@pytest.fixture
def oat(world):
    world.mirror("Oat & Ember", "Ines Calder")
    return world


@contextmanager
def put_back(world, kept: sqlite3.Connection):
    """Whatever happens within is undone on both sides."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)
        kept.backup(world.sandbox.world.store._connection())


def expected(kind: str, fault: str) -> str:
    if fault in UNUSABLE and kind in REMOVES:
        return "succeeded"  # whatever a yes to a delete says besides
    if (fault == "404" and kind in REMOVES) or (fault == "409" and kind in ADDS):
        return "succeeded"
    return SETTLED.get(fault) or ("queued" if KINDS[kind].absolute else "unknown")


def changing(world) -> int:
    """How many requests were made that change something, by our own record of them."""
    return sum(
        operation.exchanges.exclude(method="GET").count() for operation in world.workspace.operations.all()
    )


@pytest.mark.parametrize("kind", list(ASK))
def test_every_fault_leads_to_the_right_state_with_the_allowed_sends(oat, kind):
    operation = ASK[kind](oat)
    kept = sqlite3.connect(":memory:")
    oat.sandbox.world.store._connection().backup(kept)
    wrong = []
    for fault in FAULTS:
        tries = TRIES.get((kind, fault), 1)
        with put_back(oat, kept):
            operation.refresh_from_db()
            for method in ("POST", "PATCH", "DELETE"):
                oat.sandbox.misbehave(fault, match=f"{method} *", times=tries)
            oat.send(operation)
            seen = operation.state, changing(oat)
            oat.sandbox.behave()
            happened = len(oat.effects(CALLED.get(kind, kind)))
            if seen != (expected(kind, fault), tries):
                wrong.append((fault, *seen, operation.reason))
            if happened != (fault in UNSEEN_AFTER + UNUSABLE):
                wrong.append((fault, f"{happened} effects"))
            RateBudget.objects.update(blocked_until=0)  # the minute that a 429 asked for is over
            UpstreamKey.objects.update(opened_at=None)  # and the pause after a redirect
            oat.send(operation)  # a hint that comes twice, or the repeat of an absolute kind
            repeats = operation.state == "succeeded" and seen[0] == "queued"
            if changing(oat) > tries + repeats or (seen[0] == "queued") != repeats:
                wrong.append((fault, f"{changing(oat)} sends in all, {operation.state}: {operation.reason}"))
            if len(oat.effects(CALLED.get(kind, kind))) > 1:
                wrong.append((fault, "two effects"))
    kept.close()
    assert not wrong
