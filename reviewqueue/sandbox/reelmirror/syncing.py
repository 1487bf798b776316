"""Sync jobs: pulling new posts from the accounts a persona follows."""

from __future__ import annotations

import random

from reviewqueue.sandbox import fields
from reviewqueue.sandbox.context import Call, Context
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.pace import QUEUE, SYNC, SYNC_COOLDOWN_SECONDS, draw, sync_status
from reviewqueue.sandbox.store import Row

from . import billing, generating, personas, sources

POST_SPACING_SECONDS = 5 * 3600


def trigger(call: Call) -> dict:
    """One job for each tracked account; those pulled within the last 15 minutes are skipped, and free."""
    persona = personas.find(call, call.params["persona_id"])
    tracked = call.rows.all(
        "SELECT creators.* FROM sources JOIN creators ON creators.id = creator_id"
        " WHERE persona_id = ? AND deleted_at IS NULL ORDER BY sources.created_at, sources.rowid",
        persona["id"],
    )
    due = {creator["id"] for creator in tracked if not pulled_lately(call, creator["id"])}
    billing.require(call, billing.sync_cents() * len(due))
    jobs = [begin(call, persona, creator, skip=creator["id"] not in due) for creator in tracked]
    call.effect("sync", persona["id"])
    return {"job_ids": jobs, "estimated_cost_cents": billing.sync_cents() * len(due)}


def pulled_lately(context: Context, creator_id: str) -> bool:
    """Whether the account is being pulled, or was within the cooldown. Failed jobs do not count."""
    latest = context.rows.value(
        "SELECT MAX(created_at) FROM sync_jobs WHERE creator_id = ? AND outcome = 'completed'", creator_id
    )
    return latest is not None and context.now - latest < context.pace.rule(SYNC_COOLDOWN_SECONDS)


def begin(context: Context, persona: Row, creator: Row, *, skip: bool = False) -> str:
    job_id = context.rows.new_id()
    begins_at = ends_at = context.now
    outcome, error = "skipped" if skip else "completed", None
    if not skip:
        begins_at += context.pace.work(draw(f"{job_id} queue", QUEUE))
        ends_at = begins_at + context.pace.work(draw(f"{job_id} sync", SYNC))
        billing.charge(context, billing.sync_cents(), "sync", f"Sync of @{creator['handle']}")
        context.later(ends_at, "sync_ends", job_id)
        if "private" in creator["handle"]:
            outcome, error = "failed", "This account is private"
    return context.rows.add(
        "sync_jobs",
        id=job_id,
        persona_id=persona["id"],
        creator_id=creator["id"],
        outcome=outcome,
        error_message=error,
        created_at=context.now,
        begins_at=begins_at,
        ends_at=ends_at,
    )


def ends(context: Context, job_id: str) -> None:
    """What a finished job leaves behind: new posts, and what automation makes of them."""
    job = context.rows.get("sync_jobs", job_id)
    creator = context.rows.get("creators", job["creator_id"])
    if job["outcome"] == "failed":
        context.rows.change("creators", creator["id"], status="error")
        return
    sources.stock(context, creator)
    waiting = context.rows.all(
        "SELECT * FROM source_posts WHERE creator_id = ? AND created_at IS NULL ORDER BY rowid", creator["id"]
    )
    for number, post in enumerate(waiting):
        chance = random.Random(post["id"])  # noqa: S311 – a posting time
        age = (number + chance.random()) * POST_SPACING_SECONDS
        context.rows.change("source_posts", post["id"], created_at=context.now, posted_at=context.now - age)
    context.rows.change("creators", creator["id"], status="active", last_synced_at=context.now)
    context.rows.change("sync_jobs", job_id, new_posts_count=len(waiting))
    for post in waiting:
        automate(context, creator["id"], post["id"])


def automate(context: Context, creator_id: str, source_post_id: str) -> None:
    """Generate from a new post for every persona that follows its account with an automatic mode."""
    automatic = context.rows.all(
        "SELECT sources.persona_id, automation_mode FROM sources JOIN personas ON personas.id = persona_id"
        " WHERE creator_id = ? AND automation_mode != 'sync_only'"
        " AND sources.deleted_at IS NULL AND personas.deleted_at IS NULL",
        creator_id,
    )
    for source in automatic:
        persona = personas.find(context, source["persona_id"])
        post = sources.find_post(context, source_post_id)
        try:
            post_id = generating.start(context, persona, post, automatic=source["automation_mode"])
        except Problem:  # the balance does not cover it: automation passes the post over
            continue
        context.effect("generate", source_post_id, post_id)


def read_job(call: Call) -> dict:
    row = call.rows.get("sync_jobs", call.params["job_id"])
    if row is None:
        raise Problem(404, "Sync job not found")
    status = sync_status(row, call.now)
    over = status in ("completed", "failed", "skipped")
    return {
        "id": row["id"],
        "persona_id": row["persona_id"],
        "creator_id": row["creator_id"],
        "status": status,
        "error_message": row["error_message"] if status == "failed" else None,
        "new_posts_count": row["new_posts_count"],
        "created_at": fields.stamp(row["created_at"]),
        "started_at": fields.stamp(row["begins_at"]) if status != "pending" else None,
        "completed_at": fields.stamp(row["ends_at"]) if over else None,
    }
