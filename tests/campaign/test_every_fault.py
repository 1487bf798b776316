"""Every fault × every operation, in process: the right state, and exactly the allowed number of sends."""

import sqlite3
from contextlib import contextmanager

import pytest
from django.db import transaction

from reviewqueue import gateway
from reviewqueue.models import MediaItem, Persona, RateBudget, UpstreamKey
from reviewqueue.services import billing, generating
from reviewqueue.services.kinds import KINDS
from tests.asking import ASK, by
from tests.campaign import upstream

PROVEN = ("400", "402", "403", "404", "405", "409", "422")
SETTLED = dict.fromkeys(PROVEN, "failed") | {"401": "blocked", "429": "queued", "slow": "succeeded"}
UNSEEN_BEFORE = ("drop_before", "redirect", "500", "502", "503", "504", "late")
UNSEEN_AFTER = ("drop_after", "hang", "500_after", "502_after", "503_after", "504_after")
UNUSABLE = ("truncate", "huge", "malformed", "empty", "html")  # a yes in a body that cannot be read
FAULTS = (*SETTLED, *UNSEEN_BEFORE, *UNSEEN_AFTER, *UNUSABLE)
HAPPENS = (*UNSEEN_AFTER, *UNUSABLE, "slow")
SECONDS = {"slow": 0.02, "late": 30}

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
OPENED = ("top_up",)  # a page at the service, which nobody has been to
READS = {"connect_account"}  # a request that changes nothing


def set_private(world):
    item = world.item(world.ready(persona="Ines Calder"))  # of no discount, which would keep it public
    world.wire().api.generation.set_public(item.upstream_id, True)
    MediaItem.objects.filter(pk=item.pk).update(is_public=True)
    return generating.set_public(item, False, **by(world))


EVERY = ASK | {
    "set_private": set_private,
    "top_up": lambda world: billing.top_up(amount_cents=1000, **by(world)),
}


def test_every_kind_meets_every_fault_of_the_campaign():
    assert set(EVERY) == set(KINDS) - READS
    assert {fault.replace("reset", "drop") for fault in upstream.FAULTS} <= set(FAULTS)


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


def happened(world, kind: str) -> int:
    return len(world.effects(CALLED.get(kind, kind)))


def mend(world) -> None:
    """What a fault leaves behind for a while is over: the minute of a 429, the pause after a redirect."""
    world.sandbox.behave()
    RateBudget.objects.update(blocked_until=0)
    UpstreamKey.objects.update(opened_at=None)


@pytest.mark.parametrize("kind", list(EVERY))
def test_every_fault_leads_to_the_right_state_with_the_allowed_sends(oat, kind):
    operation = EVERY[kind](oat)
    kept = sqlite3.connect(":memory:")
    oat.sandbox.world.store._connection().backup(kept)
    wrong = []
    for fault in FAULTS:
        tries = TRIES.get((kind, fault), 1)
        with put_back(oat, kept):
            operation.refresh_from_db()
            for method in ("POST", "PATCH", "DELETE"):
                facts = {"match": f"{method} *", "times": tries, "seconds": SECONDS.get(fault, 0)}
                oat.sandbox.misbehave(fault, **facts)
            oat.send(operation)
            seen = operation.state, changing(oat)
            mend(oat)
            if seen != (expected(kind, fault), tries):
                wrong.append((fault, *seen, operation.reason))
            if happened(oat, kind) != (fault in HAPPENS and kind not in OPENED):
                wrong.append((fault, f"{happened(oat, kind)} effects"))
            oat.send(operation)  # a hint that comes twice, or the repeat of an absolute kind
            repeats = operation.state == "succeeded" and seen[0] == "queued"
            if changing(oat) > tries + repeats or (seen[0] == "queued") != repeats:
                wrong.append((fault, f"{changing(oat)} sends in all, {operation.state}: {operation.reason}"))
            oat.clock.advance(SECONDS["late"] if fault == "late" else 0)
            if happened(oat, kind) > 1 or (
                fault == "late" and not happened(oat, kind) and kind not in OPENED
            ):
                wrong.append((fault, f"{happened(oat, kind)} effects in the end"))
    kept.close()
    assert not wrong


READ_BEFORE = [(kind, "GET *") for kind in EVERY if KINDS[kind].fresh] + [
    ("approve", "GET *publishing-targets")
]
AFTER_READING = {"401": "blocked", "403": "failed", "404": "failed", "slow": "succeeded"}


@pytest.mark.parametrize(("kind", "reading"), READ_BEFORE)
def test_every_fault_of_the_look_before_it_keeps_it_from_being_sent(oat, kind, reading):
    operation = EVERY[kind](oat)
    kept = sqlite3.connect(":memory:")
    oat.sandbox.world.store._connection().backup(kept)
    wrong = []
    for fault in FAULTS:
        with put_back(oat, kept):
            operation.refresh_from_db()
            Persona.objects.update(targets_seen_at=None)
            while gateway.retries_under(oat.key.fingerprint).take():
                pass  # so that the read is tried again once at most
            oat.sandbox.misbehave(fault, match=reading, times=2, seconds=SECONDS.get(fault, 0))
            oat.send(operation)
            state = AFTER_READING.get(fault, "queued")
            is_sent = state == "succeeded"
            if (operation.state, changing(oat), happened(oat, kind)) != (state, is_sent, is_sent):
                wrong.append((fault, operation.state, changing(oat), happened(oat, kind), operation.reason))
            mend(oat)
            oat.send(operation)
            is_sent = state in ("queued", "succeeded")
            if (operation.state == "succeeded", changing(oat), happened(oat, kind)) != (is_sent,) * 3:
                wrong.append((fault, "then", operation.state, changing(oat), operation.reason))
    kept.close()
    assert not wrong
