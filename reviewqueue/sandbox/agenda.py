"""What happens by itself: carried out, dated as due, by whoever comes next after the time.

Nothing ticks. Most states follow from the clock; only what leaves a row behind is put on the agenda.
"""

from __future__ import annotations

from . import faults
from .context import Context
from .reelmirror import generating, outgoing, review, syncing

DEEDS = {
    "item_fails": generating.item_fails,
    "sync_ends": syncing.ends,
    "auto_publish": review.approve_by_itself,
    "scheduled": outgoing.scheduled_time_comes,
    "late": faults.arrive,
}


def is_due(context: Context) -> bool:
    return bool(context.rows.value("SELECT 1 FROM agenda WHERE at <= ? LIMIT 1", context.now))


def catch_up(context: Context) -> None:
    """Do what is due, in its order; what that leads to may be due as well."""
    while deed := context.rows.one(
        "SELECT * FROM agenda WHERE at <= ? ORDER BY at, number LIMIT 1", context.now
    ):
        context.rows.run("DELETE FROM agenda WHERE number = ?", deed["number"])
        DEEDS[deed["kind"]](context.at(deed["at"]), deed["target"])
