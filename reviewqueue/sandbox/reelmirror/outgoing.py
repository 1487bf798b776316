"""Outgoing posts: drafts, their changes, schedules and publication."""

from __future__ import annotations

import json
from dataclasses import dataclass

from reviewqueue.sandbox import fields
from reviewqueue.sandbox.context import Call, Context, Page
from reviewqueue.sandbox.fields import Fields
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.pace import status_of, voice_status
from reviewqueue.sandbox.store import Row

from . import deliveries, generating, personas, publishing

EDITABLE = ("draft", "scheduled")


@dataclass(frozen=True)
class Item:
    """One media item of an outgoing post."""

    item_id: str
    use_voice_converted: bool


# Finding


def find(context: Context, outgoing_post_id: str) -> Row:
    row = context.rows.get("outgoing_posts", outgoing_post_id)
    if row is None or row["deleted_at"] is not None:
        raise Problem(404, "Outgoing post not found")
    return row


def find_editable(call: Call) -> Row:
    row = find(call, call.params["outgoing_post_id"])
    if row["state"] not in EDITABLE:
        raise Problem(
            409, "Outgoing post is being published or was", status=deliveries.post_status(call, row)
        )
    return row


# Making, changing, publishing


def make(
    context: Context,
    items: list[Item],
    account_ids: list[str],
    *,
    caption: str | None,
    persona_id: str | None,
    generated_post_id: str | None = None,
    platform_settings: dict | None = None,
) -> str:
    """A draft with its items and one pending delivery for each account."""
    outgoing_post_id = context.rows.add(
        "outgoing_posts",
        persona_id=persona_id,
        generated_post_id=generated_post_id,
        caption=caption,
        state="draft",
        platform_settings=json.dumps(platform_settings or {}),
        created_at=context.now,
        updated_at=context.now,
    )
    put_items(context, outgoing_post_id, items)
    put_targets(context, outgoing_post_id, account_ids)
    return outgoing_post_id


def put_items(context: Context, outgoing_post_id: str, items: list[Item]) -> None:
    context.rows.run("DELETE FROM outgoing_items WHERE outgoing_post_id = ?", outgoing_post_id)
    for position, item in enumerate(items):
        context.rows.add(
            "outgoing_items",
            outgoing_post_id=outgoing_post_id,
            item_id=item.item_id,
            position=position,
            use_voice_converted=item.use_voice_converted,
        )


def put_targets(context: Context, outgoing_post_id: str, account_ids: list[str]) -> None:
    context.rows.run("DELETE FROM deliveries WHERE outgoing_post_id = ?", outgoing_post_id)
    for account_id in account_ids:
        context.rows.add("deliveries", outgoing_post_id=outgoing_post_id, account_id=account_id)


def create(call: Call) -> dict:
    body = call.body
    persona_id = None
    if body.values.get("persona_id") is not None:
        persona_id = personas.find(call, body.uuid("persona_id"))["id"]
    items = read_items(call, body, persona_id)
    if "target_account_ids" in body:
        account_ids = read_targets(call, body)
    else:
        account_ids = publishing.linked_accounts(call, persona_id) if persona_id else []
    outgoing_post_id = make(
        call,
        items,
        account_ids,
        caption=body.text("caption") if "caption" in body else None,
        persona_id=persona_id,
        platform_settings=body.mapping("platform_settings") if "platform_settings" in body else None,
    )
    call.effect("create_draft", items[0].item_id, outgoing_post_id)
    return show(call, find(call, outgoing_post_id))


def read_items(call: Call, body: Fields, persona_id: str | None) -> list[Item]:
    """The items a caller names, in the order of their positions; they must be completed."""
    entries = body.objects("items")
    if not entries:
        raise body.wrong("items", "a list of at least one item")
    positions = [
        entry.integer("position", 0, 99) if "position" in entry else n for n, entry in enumerate(entries)
    ]
    chosen = []
    for entry in entries:
        item = generating.find_item(call, entry.uuid("generated_media_item_id"))
        if status_of(item, call.now) != "completed" or item["review_status"] == "rejected":
            raise Problem(400, "Media item is not completed, or was rejected", item_id=item["id"])
        if persona_id and generating.find(call, item["post_id"])["persona_id"] != persona_id:
            raise Problem(400, "Media item belongs to another persona", item_id=item["id"])
        converted = entry.flag("use_voice_converted") if "use_voice_converted" in entry else False
        if converted and voice_status(item, call.now) != "completed":
            raise Problem(400, "Media item has no converted voice", item_id=item["id"])
        chosen.append(Item(item["id"], converted))
    return [item for _, item in sorted(zip(positions, chosen, strict=True), key=lambda pair: pair[0])]


def read_targets(call: Call, body: Fields) -> list[str]:
    account_ids = body.uuids("target_account_ids")
    known = {row["id"] for row in call.rows.among("SELECT id FROM accounts WHERE id IN (?)", account_ids)}
    if unknown := [each for each in account_ids if each not in known]:
        raise Problem(400, "No such connected account", account_ids=unknown)
    return account_ids


def change(call: Call) -> dict:
    row, body = find_editable(call), call.body
    body.at_least_one("caption", "platform_settings", "target_account_ids", "items", "scheduled_for")
    wanted = {}
    if "caption" in body:
        wanted["caption"] = body.text("caption")
    if "platform_settings" in body:
        wanted["platform_settings"] = json.dumps(body.mapping("platform_settings"))
    if "scheduled_for" in body:
        moment = None if body.values["scheduled_for"] is None else future(call, body)
        wanted |= {"scheduled_for": moment, "state": "draft" if moment is None else "scheduled"}
    if "items" in body:
        put_items(call, row["id"], read_items(call, body, row["persona_id"]))
    if "target_account_ids" in body:
        put_targets(call, row["id"], read_targets(call, body))
    call.rows.change("outgoing_posts", row["id"], **wanted, updated_at=call.now)
    if wanted.get("scheduled_for"):
        check_publishable(call, row)
        call.later(wanted["scheduled_for"], "scheduled", row["id"])
    call.effect("change_draft", row["id"])
    return show(call, find(call, row["id"]))


def future(call: Call, body: Fields) -> float:
    at = body.moment("scheduled_for")
    if at <= call.now:
        raise body.wrong("scheduled_for", "a moment in the future")
    return at


def check_publishable(call: Call, row: Row) -> None:
    """Reviewed content, and an active account to send it to."""
    active = {each["id"] for each in call.rows.all("SELECT id FROM accounts WHERE status = 'active'")}
    if not any(each["account_id"] in active for each in deliveries.of(call, row["id"])):
        raise Problem(400, "Outgoing post has no active account to publish to")
    unreviewed = call.rows.all(
        "SELECT DISTINCT generated_posts.* FROM outgoing_items"
        " JOIN generated_items ON generated_items.id = item_id"
        " JOIN generated_posts ON generated_posts.id = post_id"
        " WHERE outgoing_items.outgoing_post_id = ? AND generated_posts.review_status != 'approved'",
        row["id"],
    )
    published = deliveries.published_among(call, [post["outgoing_post_id"] for post in unreviewed])
    if any(post["outgoing_post_id"] not in published for post in unreviewed):
        raise Problem(409, "Generated post has not passed review")


def publish(call: Call) -> dict:
    row = find_editable(call)
    check_publishable(call, row)
    deliveries.release(call, row["id"])
    call.effect("publish", row["id"])
    return show(call, find(call, row["id"]))


def schedule(call: Call) -> dict:
    row = find_editable(call)
    at = future(call, call.body)
    check_publishable(call, row)
    if (row["state"], row["scheduled_for"]) != ("scheduled", at):
        call.rows.change(
            "outgoing_posts", row["id"], state="scheduled", scheduled_for=at, updated_at=call.now
        )
        call.later(at, "scheduled", row["id"])
        call.effect("schedule", row["id"])
    return show(call, find(call, row["id"]))


def scheduled_time_comes(context: Context, outgoing_post_id: str) -> None:
    """Publish what is still scheduled for this moment; it may have been moved, or thrown away."""
    row = context.rows.get("outgoing_posts", outgoing_post_id)
    due = row["deleted_at"] is None and row["state"] == "scheduled" and row["scheduled_for"] == context.now
    if due:
        deliveries.release(context, outgoing_post_id)
        context.effect("publish", outgoing_post_id)


def delete(call: Call) -> dict:
    """Throw a draft away. The generated post it was made of waits for review again."""
    row = find_editable(call)
    call.rows.change("outgoing_posts", row["id"], deleted_at=call.now)
    if row["generated_post_id"]:
        call.rows.change(
            "generated_posts",
            row["generated_post_id"],
            review_status="pending_review",
            outgoing_post_id=None,
            updated_at=call.now,
        )
    call.effect("delete_draft", row["id"])
    return {"status": "deleted"}


# Answers


def list_outgoing(call: Call) -> Page:
    limit, offset = fields.page(call.query)
    live = "FROM outgoing_posts WHERE deleted_at IS NULL"
    rows = call.rows.all(
        f"SELECT * {live} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?", limit, offset
    )
    return Page([show(call, row) for row in rows], call.rows.value(f"SELECT COUNT(*) {live}"))


def read(call: Call) -> dict:
    return show(call, find(call, call.params["outgoing_post_id"]))


def show(context: Context, row: Row) -> dict:
    items = context.rows.all(
        "SELECT * FROM outgoing_items WHERE outgoing_post_id = ? ORDER BY position", row["id"]
    )
    sent = deliveries.of(context, row["id"])
    ended = [
        each["ends_at"] for each in sent if each["ends_at"] is not None and each["ends_at"] <= context.now
    ]
    return {
        "id": row["id"],
        "persona_id": row["persona_id"],
        "caption": row["caption"],
        "status": deliveries.post_status(context, row),
        "scheduled_for": fields.stamp(row["scheduled_for"]),
        "platform_settings": json.loads(row["platform_settings"]),
        "items": [
            {
                "id": item["id"],
                "generated_media_item_id": item["item_id"],
                "position": item["position"],
                "use_voice_converted": bool(item["use_voice_converted"]),
            }
            for item in items
        ],
        "deliveries": [deliveries.show(context, delivery) for delivery in sent],
        "created_at": fields.stamp(row["created_at"]),
        "updated_at": fields.stamp(max([row["updated_at"], *ended])),
    }
