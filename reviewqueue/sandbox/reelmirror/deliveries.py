"""Deliveries: an outgoing post on its way to each of its accounts, and what that says of the post."""

from __future__ import annotations

import random

from reviewqueue.sandbox import fields
from reviewqueue.sandbox.context import Context
from reviewqueue.sandbox.pace import DELIVERY, delivery_status, draw
from reviewqueue.sandbox.store import Row


def of(context: Context, outgoing_post_id: str) -> list[Row]:
    return context.rows.all(
        "SELECT deliveries.*, username, platform, accounts.status AS account_status"
        " FROM deliveries JOIN accounts ON accounts.id = account_id"
        " WHERE outgoing_post_id = ? ORDER BY deliveries.rowid",
        outgoing_post_id,
    )


def post_status(context: Context, row: Row) -> str:
    """Draft and scheduled are said; from publishing on the deliveries tell."""
    if row["state"] != "publishing":
        return row["state"]
    deliveries = [delivery_status(each, context.now) for each in of(context, row["id"])]
    if any(each in ("pending", "publishing") for each in deliveries):
        return "publishing"
    return "published" if "published" in deliveries else "failed"


def is_alive(context: Context, outgoing_post_id: str | None) -> bool:
    """Whether an outgoing post still counts: drafted, under way or out, not thrown away or failed."""
    row = context.rows.get("outgoing_posts", outgoing_post_id) if outgoing_post_id else None
    return row is not None and row["deleted_at"] is None and post_status(context, row) != "failed"


def published_among(context: Context, outgoing_post_ids: list[str | None]) -> set[str]:
    """Those of the outgoing posts that reached at least one account."""
    query = (
        "SELECT DISTINCT outgoing_post_id, ends_at FROM deliveries"
        " WHERE outgoing_post_id IN (?) AND outcome = 'published'"
    )
    rows = context.rows.among(query, [each for each in outgoing_post_ids if each])
    return {row["outgoing_post_id"] for row in rows if row["ends_at"] <= context.now}


def release(context: Context, outgoing_post_id: str) -> None:
    """Send a draft out: its deliveries begin. An account that is not active, or named `expired`, refuses."""
    context.rows.change("outgoing_posts", outgoing_post_id, state="publishing", updated_at=context.now)
    for delivery in of(context, outgoing_post_id):
        refused = "expired" in delivery["username"] or delivery["account_status"] != "active"
        chance = random.Random(delivery["id"])  # noqa: S311 – a made-up identifier
        context.rows.change(
            "deliveries",
            delivery["id"],
            begins_at=context.now + context.pace.work(2),
            ends_at=context.now + context.pace.work(draw(delivery["id"], DELIVERY)),
            outcome="failed" if refused else "published",
            error_message="The account's permission has expired: connect it again" if refused else None,
            platform_post_id=None
            if refused
            else str(chance.randrange(17_900_000_000_000_000, 18_100_000_000_000_000)),
        )


def show(context: Context, row: Row) -> dict:
    status = delivery_status(row, context.now)
    return {
        "id": row["id"],
        "connected_account_id": row["account_id"],
        "platform": row["platform"],
        "username": row["username"],
        "status": status,
        "platform_post_id": row["platform_post_id"] if status == "published" else None,
        "error_message": row["error_message"] if status == "failed" else None,
        "published_at": fields.stamp(row["ends_at"]) if status == "published" else None,
    }
