"""Generation: posts and items being made, made anew, or made again where they failed.

Words in the source's caption (or in the short code of a cloned link, or in the post's own caption when it is
regenerated) script trouble: `fail` (the last item fails, the first time), `failall` (all fail, always),
`slow` (three times the top of the range), `stuck` (the last item never ends).
"""

from __future__ import annotations

import json
import re

from reviewqueue.sandbox import captions, fields, samples
from reviewqueue.sandbox.context import Call, Context, Page
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.pace import (
    IMAGE,
    NEXT_ITEM_SECONDS,
    QUEUE,
    VIDEO,
    draw,
    post_status,
    status_of,
    voice_status,
)
from reviewqueue.sandbox.rendering import generated_recipe, thumb_recipe
from reviewqueue.sandbox.store import Row

from . import billing, deliveries, personas, sources

TROUBLE = ("fail", "failall", "slow", "stuck")
LINK = re.compile(
    r"https?://(?:www\.|m\.)?instagram\.com/(?:[A-Za-z0-9_.]+/)?(p|reel)/([A-Za-z0-9_-]{3,60})/?(?:[?#].*)?"
)
ERRORS = {"image": "The image model returned no picture", "video": "Video model returned no frames"}


# Finding


def find(context: Context, post_id: str) -> Row:
    row = context.rows.get("generated_posts", post_id)
    if row is None or row["deleted_at"] is not None:
        raise Problem(404, "Generated post not found")
    return row


def find_item(context: Context, item_id: str) -> Row:
    """A live item of a live post."""
    row = context.rows.get("generated_items", item_id)
    if row is None or row["deleted_at"] is not None:
        raise Problem(404, "Media item not found")
    post = context.rows.get("generated_posts", row["post_id"])
    if post["deleted_at"] is not None:
        raise Problem(404, "Media item not found")
    return row


def items_of(context: Context, post_id: str) -> list[Row]:
    return context.rows.all(
        "SELECT * FROM generated_items WHERE post_id = ? AND deleted_at IS NULL ORDER BY position", post_id
    )


# Starting


def generate(call: Call) -> dict:
    body = call.body
    source_post_id, persona_id = body.uuid("source_post_id"), body.uuid("persona_id")
    persona = personas.find(call, persona_id)
    post_id = start(call, persona, sources.find_post(call, source_post_id))
    call.effect("generate", source_post_id, post_id)
    return {"status": "started", "generated_post_id": post_id}


def clone_url(call: Call) -> dict:
    body = call.body
    url, persona = body.text("url", longest=500), personas.find(call, body.uuid("persona_id"))
    link = LINK.fullmatch(url.strip())
    if not link:
        raise Problem(400, "Not a link to an Instagram post", field="url")
    source_post = sources.post_by_link(call, link[2], is_reel=link[1] == "reel")
    call.rows.run("INSERT OR IGNORE INTO cloned VALUES (?, ?)", persona["id"], source_post["id"])
    post_id = start(call, persona, source_post)
    call.effect("clone", url, post_id)
    return {"status": "started", "generated_post_id": post_id}


def start(
    context: Context,
    persona: Row,
    source_post: Row,
    *,
    automatic: str = "",
    caption: str | None = None,
    trouble: frozenset[str] | None = None,
) -> str:
    """Begin a generated post and charge for each of its items. Refuses with 402 before anything is made."""
    media = sources.media_of(context, source_post["id"])
    discount = bool(persona["discount_mode"])
    prices = [billing.item_cents(m["media_type"], m["duration_seconds"], discount=discount) for m in media]
    billing.require(context, sum(prices))
    post_id = context.rows.add(
        "generated_posts",
        persona_id=persona["id"],
        source_post_id=source_post["id"],
        automatic=automatic,
        caption=caption or first_caption(context, persona, media),
        created_at=context.now,
        updated_at=context.now,
    )
    if trouble is None:
        trouble = trouble_in(source_post["caption"], source_post["short_code"])
    for position, source_media in enumerate(media):
        mine = trouble_at(position, len(media), trouble)
        make_item(context, persona, post_id, position, source_media, take=0, trouble=mine)
    ends = [item["ends_at"] for item in items_of(context, post_id)]
    if automatic == "auto_publish" and None not in ends:
        context.later(max(ends), "auto_publish", post_id)
    return post_id


def make_item(
    context: Context,
    persona: Row,
    post_id: str,
    position: int,
    source_media: Row,
    *,
    take: int,
    trouble: frozenset[str],
) -> str:
    """Begin one item and charge for it. Items of a carousel begin one after the other."""
    item_id = context.rows.new_id()
    kind, discount = source_media["media_type"], bool(persona["discount_mode"])
    recipe = generated_recipe(json.loads(source_media["recipe"]), persona["look"], take, soft=discount)
    begins_at = context.now + context.pace.work(
        draw(f"{item_id} queue", QUEUE) + position * NEXT_ITEM_SECONDS
    )
    spread = VIDEO if kind == "video" else IMAGE
    seconds = 3 * spread[1] if "slow" in trouble else draw(f"{item_id} work", spread)
    ends_at = None if "stuck" in trouble else begins_at + context.pace.work(seconds)
    failing = bool(trouble & {"fail", "failall"})
    cents = billing.item_cents(kind, source_media["duration_seconds"], discount=discount)
    context.rows.add(
        "generated_items",
        id=item_id,
        post_id=post_id,
        position=position,
        take=take,
        source_media_id=source_media["id"],
        media_type=kind,
        duration_seconds=source_media["duration_seconds"],
        file=context.keep(recipe),
        thumb=context.keep(thumb_recipe(recipe)),
        discount_applied=discount,
        cost_cents=cents,
        created_at=context.now,
        begins_at=begins_at,
        ends_at=ends_at,
        outcome="failed" if failing else "completed",
        error_message=ERRORS[kind] if failing else None,
    )
    if failing and ends_at is not None:
        context.later(ends_at, "item_fails", item_id)
    description = f"{kind.capitalize()} for {persona['name']}"
    billing.charge(context, cents, "generation", description, post_id=post_id, item_id=item_id)
    return item_id


def item_fails(context: Context, item_id: str) -> None:
    """A failed item is refunded at the moment it fails, unless it was given up before."""
    item = context.rows.get("generated_items", item_id)
    if item["deleted_at"] is None and item["outcome"] == "failed":
        billing.refund(context, item)


def trouble_in(*texts: str | None) -> frozenset[str]:
    words = set(re.findall(r"[a-z]+", re.sub(r"#\S+", " ", " ".join(text or "" for text in texts).lower())))
    return frozenset(words & set(TROUBLE))


def trouble_at(position: int, count: int, trouble: frozenset[str]) -> frozenset[str]:
    """`fail` and `stuck` hit the last item only."""
    return trouble if position == count - 1 else trouble - {"fail", "stuck"}


def first_caption(context: Context, persona: Row, media: list[Row]) -> str:
    """The shipped caption where the pack has a version of this one picture, else one written for it."""
    recipe = json.loads(media[0]["recipe"])
    ready = samples.version(recipe["file"], persona["look"]) if recipe["kind"] == "shipped" else None
    return ready.caption if ready and len(media) == 1 else new_caption(context, persona, media, 0)


def new_caption(context: Context, persona: Row, media: list[Row], attempt: int) -> str:
    """A caption unlike those of the persona's latest posts; each attempt at one post gives another."""
    before = context.rows.value("SELECT COUNT(*) FROM generated_posts WHERE persona_id = ?", persona["id"])
    scene = samples.everything()[json.loads(media[0]["recipe"])["file"]].scene
    return captions.write(persona["look"], scene, seed=persona["id"], number=before + attempt)


# Starting again


def regenerate_post(call: Call) -> dict:
    body = call.body
    post_id = body.uuid("generated_post_id")
    failed_only = body.flag("failed_only") if "failed_only" in body else False
    post = find(call, post_id)
    check_not_out(call, post)
    return retry_failed(call, post) if failed_only else make_anew(call, post)


def make_anew(call: Call, post: Row) -> dict:
    """All items again, at the full price, under the same post id; caption and review begin anew."""
    persona = personas.find(call, post["persona_id"])
    source_post = call.rows.get("source_posts", post["source_post_id"])
    media = sources.media_of(call, source_post["id"])
    discount = bool(persona["discount_mode"])
    prices = [billing.item_cents(m["media_type"], m["duration_seconds"], discount=discount) for m in media]
    billing.require(call, sum(prices))
    call.rows.run(
        "UPDATE generated_items SET deleted_at = ? WHERE post_id = ? AND deleted_at IS NULL",
        call.now,
        post["id"],
    )
    call.rows.change(
        "generated_posts",
        post["id"],
        round=post["round"] + 1,
        caption=new_caption(call, persona, media, post["round"] + 1),
        review_status="pending_review",
        outgoing_post_id=None,
        updated_at=call.now,
    )
    trouble = trouble_in(source_post["caption"], source_post["short_code"], post["caption"]) - {"fail"}
    for position, source_media in enumerate(media):
        mine = trouble_at(position, len(media), trouble)
        take = next_take(call, post["id"], position)
        make_item(call, persona, post["id"], position, source_media, take=take, trouble=mine)
    call.effect("regenerate_post", post["id"], post["id"])
    return {"status": "started", "generated_post_id": post["id"]}


def retry_failed(call: Call, post: Row) -> dict:
    """The failed items again; the completed ones and the caption stay."""
    failed = [item for item in items_of(call, post["id"]) if status_of(item, call.now) == "failed"]
    if not failed:
        raise Problem(422, "No failed items to retry")
    persona = personas.find(call, post["persona_id"])
    total = sum(price_again(persona, item) for item in failed)
    billing.require(call, total)
    retried = [
        {
            "original_item_id": item["id"],
            "new_item_id": replace(call, persona, post, item),
            "media_type": item["media_type"],
            "status": "pending",
        }
        for item in failed
    ]
    call.rows.change("generated_posts", post["id"], updated_at=call.now)
    call.effect("retry_failed", post["id"], post["id"])
    return {
        "status": "started",
        "generated_post_id": post["id"],
        "retried_items": retried,
        "total_cost_cents": total,
    }


def regenerate_item(call: Call) -> dict:
    """One item again, as a new item in the same place. The old id is gone; the reply names the new one."""
    item = find_item(call, call.body.uuid("generated_media_item_id"))
    post = find(call, item["post_id"])
    check_not_out(call, post)
    persona = personas.find(call, post["persona_id"])
    billing.require(call, price_again(persona, item))
    new_id = replace(call, persona, post, item)
    call.rows.change("generated_posts", post["id"], review_status="pending_review", updated_at=call.now)
    call.effect("regenerate_item", item["id"], new_id)
    return {"status": "started", "generated_media_item_id": new_id}


def replace(context: Context, persona: Row, post: Row, item: Row) -> str:
    """A new version of an item in its place; returns the new id."""
    context.rows.change("generated_items", item["id"], deleted_at=context.now)
    source_post = context.rows.get("source_posts", post["source_post_id"])
    trouble = trouble_in(source_post["caption"], source_post["short_code"], post["caption"]) - {"fail"}
    return make_item(
        context,
        persona,
        post["id"],
        item["position"],
        context.rows.get("source_media", item["source_media_id"]),
        take=next_take(context, post["id"], item["position"]),
        trouble=trouble,
    )


def price_again(persona: Row, item: Row) -> int:
    return billing.item_cents(
        item["media_type"], item["duration_seconds"], discount=bool(persona["discount_mode"])
    )


def next_take(context: Context, post_id: str, position: int) -> int:
    query = "SELECT MAX(take) + 1 FROM generated_items WHERE post_id = ? AND position = ?"
    return context.rows.value(query, post_id, position)


def check_not_out(context: Context, post: Row) -> None:
    """What is drafted, under way or published is not made anew."""
    if deliveries.is_alive(context, post["outgoing_post_id"]):
        raise Problem(
            400, "Post has been sent to compose or published", outgoing_post_id=post["outgoing_post_id"]
        )


# Answers


def list_posts(call: Call) -> Page:
    persona = personas.find(call, call.params["persona_id"])
    limit, offset = fields.page(call.query)
    live = "FROM generated_posts WHERE persona_id = ? AND deleted_at IS NULL"
    rows = call.rows.all(
        f"SELECT * {live} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?", persona["id"], limit, offset
    )
    return Page(show_posts(call, rows), call.rows.value(f"SELECT COUNT(*) {live}", persona["id"]))


def read_post(call: Call) -> dict:
    return show_posts(call, [find(call, call.params["post_id"])])[0]


def read_item(call: Call) -> dict:
    return show_item(call, find_item(call, call.params["item_id"]))


def show_posts(context: Context, rows: list[Row]) -> list[dict]:
    """Posts with their items, in a handful of queries however many they are."""
    items: dict[str, list[Row]] = {row["id"]: [] for row in rows}
    query = "SELECT * FROM generated_items WHERE post_id IN (?) AND deleted_at IS NULL ORDER BY position"
    for item in context.rows.among(query, list(items)):
        items[item["post_id"]].append(item)
    costs = dict(
        context.rows.among(
            "SELECT generated_post_id, -SUM(amount_cents) FROM transactions"
            " WHERE generated_post_id IN (?) GROUP BY generated_post_id",
            list(items),
        )
    )
    published = deliveries.published_among(context, [row["outgoing_post_id"] for row in rows])
    return [show_post(context, row, items[row["id"]], costs.get(row["id"]), published) for row in rows]


def show_post(context: Context, row: Row, items: list[Row], cost: int | None, published: set[str]) -> dict:
    statuses = [status_of(item, context.now) for item in items]
    ends = [at for item in items for at in (item["ends_at"], item["voice_ends_at"]) if at is not None]
    status = post_status(statuses)
    errors = [item["error_message"] for item, at in zip(items, statuses, strict=True) if at == "failed"]
    return {
        "id": row["id"],
        "persona_id": row["persona_id"],
        "source_post_id": row["source_post_id"],
        "status": status,
        "review_status": "published" if row["outgoing_post_id"] in published else row["review_status"],
        "caption": row["caption"],
        "media_items": [show_item(context, item) for item in items],
        "outgoing_post_id": row["outgoing_post_id"],
        "total_cost_cents": cost,
        "error_message": errors[0] if status == "failed" else None,
        "created_at": fields.stamp(row["created_at"]),
        "updated_at": fields.stamp(max([row["updated_at"], *(at for at in ends if at <= context.now)])),
    }


def show_item(context: Context, item: Row) -> dict:
    status, voice = status_of(item, context.now), voice_status(item, context.now)
    ready = status == "completed"
    return {
        "id": item["id"],
        "generated_post_id": item["post_id"],
        "media_type": item["media_type"],
        "status": status,
        "url": context.link(item["file"]) if ready else None,
        "is_public": bool(item["is_public"]),
        "discount_applied": bool(item["discount_applied"]),
        "voice_conversion_status": voice,
        "voice_converted_url": context.link(item["voice_file"]) if voice == "completed" else None,
        "thumbnail_url": context.link(item["thumb"]) if ready else None,
        "duration_seconds": item["duration_seconds"],
        "position": item["position"],
        "review_status": item["review_status"],
        "error_message": item["error_message"] if status == "failed" else None,
        "created_at": fields.stamp(item["created_at"]),
    }
