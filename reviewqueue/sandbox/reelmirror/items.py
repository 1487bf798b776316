"""What is done to finished items and posts: deleting, showing in public, another voice."""

from __future__ import annotations

from datetime import UTC, datetime

from reviewqueue.sandbox.context import Call
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.pace import PUBLIC_LOCK_SECONDS, QUEUE, VOICE, draw, status_of
from reviewqueue.sandbox.rendering import voiced_recipe

from . import billing, generating, personas


def delete_post(call: Call) -> dict:
    post = generating.find(call, call.params["post_id"])
    call.rows.change("generated_posts", post["id"], deleted_at=call.now)
    call.effect("delete_post", post["id"])
    return {"status": "deleted"}


def delete_item(call: Call) -> dict:
    item = generating.find_item(call, call.params["item_id"])
    call.rows.change("generated_items", item["id"], deleted_at=call.now)
    call.rows.change("generated_posts", item["post_id"], updated_at=call.now)
    call.effect("delete_item", item["id"])
    return {"status": "deleted"}


def toggle_public(call: Call) -> dict:
    """Show or hide an item. A discounted one, once shown, stays so for 20 days."""
    body = call.body
    item = generating.find_item(call, body.uuid("generated_media_item_id"))
    wanted = body.flag("is_public")
    if status_of(item, call.now) != "completed":
        raise Problem(409, "Media item is not completed")
    if wanted != bool(item["is_public"]):
        if not wanted and item["discount_applied"]:
            check_lock(call, item["public_since"])
        call.rows.change(
            "generated_items", item["id"], is_public=wanted, public_since=call.now if wanted else None
        )
        call.rows.change("generated_posts", item["post_id"], updated_at=call.now)
        call.effect("set_public" if wanted else "set_private", item["id"])
    return {"generated_media_item_id": item["id"], "is_public": wanted}


def check_lock(call: Call, public_since: float) -> None:
    until = public_since + call.pace.rule(PUBLIC_LOCK_SECONDS)
    if call.now < until:
        day = datetime.fromtimestamp(until, UTC)
        raise Problem(
            409,
            f"Discounted items stay public for 20 days: until {day:%Y-%m-%d %H:%M} UTC",
            public_until=day.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )


def convert_voice(call: Call) -> dict:
    """Begin a voice conversion. Each call is a new one, and charged, whatever was asked for before."""
    item = generating.find_item(call, call.body.uuid("generated_media_item_id"))
    persona = personas.find(call, generating.find(call, item["post_id"])["persona_id"])
    if item["media_type"] != "video" or status_of(item, call.now) != "completed":
        raise Problem(400, "Voice conversion needs a completed video")
    if persona["voice_file"] is None:
        raise Problem(400, "Persona has no voice sample")
    cents = billing.voice_cents(item["duration_seconds"])
    billing.require(call, cents)
    begins_at = call.now + call.pace.work(draw(f"{item['id']} {call.now} queue", QUEUE))
    recipe = voiced_recipe(call.recipe(item["file"]), persona["look"], item["take"])
    call.rows.change(
        "generated_items",
        item["id"],
        voice_file=call.keep(recipe),
        voice_begins_at=begins_at,
        voice_ends_at=begins_at + call.pace.work(draw(f"{item['id']} {call.now} voice", VOICE)),
    )
    call.rows.change("generated_posts", item["post_id"], updated_at=call.now)
    description = f"Voice for {persona['name']}"
    billing.charge(call, cents, "voice_conversion", description, post_id=item["post_id"], item_id=item["id"])
    call.effect("voice_convert", item["id"])
    return {"status": "started", "generated_media_item_id": item["id"], "voice_conversion_status": "pending"}
