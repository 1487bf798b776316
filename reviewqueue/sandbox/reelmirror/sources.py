"""Sources: the accounts a persona follows, and the posts pulled from them."""

from __future__ import annotations

import json
import random
import re

from reviewqueue.sandbox import captions, fields, samples
from reviewqueue.sandbox.context import Call, Context, Page
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.rendering import Recipe, source_recipe, thumb_recipe
from reviewqueue.sandbox.store import Row

from . import personas

PLATFORMS = ("instagram", "tiktok")
AUTOMATION_MODES = ("sync_only", "auto_clone", "auto_publish")
HANDLE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.]{0,28}[A-Za-z0-9_])?")

#: Parts of a still that make pictures of their own, in shares of its sides.
DETAILS = (
    [0.04, 0.06, 0.62, 0.64],
    [0.38, 0.36, 0.96, 0.94],
    [0.20, 0.22, 0.80, 0.82],
    [0.30, 0.04, 0.90, 0.64],
)
POSTS_OF_AN_UNKNOWN_ACCOUNT = 6


# Sources


def find(context: Context, persona_id: str, source_id: str) -> Row:
    row = context.rows.get("sources", source_id)
    if row is None or row["persona_id"] != persona_id or row["deleted_at"] is not None:
        raise Problem(404, "Source not found")
    return row


def show(context: Context, row: Row) -> dict:
    creator = context.rows.get("creators", row["creator_id"])
    pulled = "SELECT COUNT(*) FROM source_posts WHERE creator_id = ? AND created_at IS NOT NULL"
    return {
        "id": row["id"],
        "creator_id": creator["id"],
        "platform": creator["platform"],
        "handle": creator["handle"],
        "automation_mode": row["automation_mode"],
        "status": creator["status"],
        "last_synced_at": fields.stamp(creator["last_synced_at"]),
        "content_count": context.rows.value(pulled, creator["id"]),
        "created_at": fields.stamp(row["created_at"]),
    }


def list_sources(call: Call) -> Page:
    persona = personas.find(call, call.params["persona_id"])
    limit, offset = fields.page(call.query)
    live = "FROM sources WHERE persona_id = ? AND deleted_at IS NULL"
    rows = call.rows.all(
        f"SELECT * {live} ORDER BY created_at, rowid LIMIT ? OFFSET ?", persona["id"], limit, offset
    )
    return Page([show(call, row) for row in rows], call.rows.value(f"SELECT COUNT(*) {live}", persona["id"]))


def add_source(call: Call) -> dict:
    persona, body = personas.find(call, call.params["persona_id"]), call.body
    platform = body.choice("platform", PLATFORMS)
    handle = body.text("handle" if "handle" in body else "username", longest=200).strip().removeprefix("@")
    if not HANDLE.fullmatch(handle):
        raise body.wrong("handle", "the name of an account")
    mode = body.choice("automation_mode", AUTOMATION_MODES) if "automation_mode" in body else "sync_only"
    if platform == "tiktok":
        raise Problem(400, "Tracking TikTok accounts is not supported yet", field="platform")
    check_mode(call, persona["id"], mode)
    creator_id = creator(call, platform, handle.lower())
    if call.rows.value(
        "SELECT 1 FROM sources WHERE persona_id = ? AND creator_id = ? AND deleted_at IS NULL",
        persona["id"],
        creator_id,
    ):
        raise Problem(409, "Source already added", handle=handle)
    source_id = track(call, persona["id"], creator_id, mode)
    call.effect("add_source", persona["id"], source_id)
    return show(call, find(call, persona["id"], source_id))


def check_mode(context: Context, persona_id: str, mode: str) -> None:
    """auto_publish needs somewhere to publish."""
    linked = "SELECT 1 FROM targets WHERE persona_id = ? AND deleted_at IS NULL"
    if mode == "auto_publish" and not context.rows.value(linked, persona_id):
        raise Problem(400, "auto_publish needs publishing targets on the persona", field="automation_mode")


def track(context: Context, persona_id: str, creator_id: str, mode: str) -> str:
    return context.rows.add(
        "sources", persona_id=persona_id, creator_id=creator_id, automation_mode=mode, created_at=context.now
    )


def creator(context: Context, platform: str, handle: str) -> str:
    """The id of an account on a platform, shared by all who follow it."""
    known = context.rows.value("SELECT id FROM creators WHERE platform = ? AND handle = ?", platform, handle)
    return known or context.rows.add("creators", platform=platform, handle=handle)


def change_source(call: Call) -> dict:
    row = find(call, call.params["persona_id"], call.params["source_id"])
    mode = call.body.choice("automation_mode", AUTOMATION_MODES)
    check_mode(call, row["persona_id"], mode)
    if mode != row["automation_mode"]:
        call.rows.change("sources", row["id"], automation_mode=mode)
        call.effect("set_automation_mode", row["id"])
    return show(call, find(call, row["persona_id"], row["id"]))


def remove_source(call: Call) -> dict:
    row = find(call, call.params["persona_id"], call.params["source_id"])
    call.rows.change("sources", row["id"], deleted_at=call.now)
    call.effect("remove_source", row["id"])
    return {"status": "deleted"}


# Source posts


def list_source_posts(call: Call) -> Page:
    """What was pulled from the accounts a persona follows or cloned for it by link; newest first."""
    persona = personas.find(call, call.params["persona_id"])
    limit, offset = fields.page(call.query)
    seen = """FROM source_posts WHERE created_at IS NOT NULL AND (
        creator_id IN (SELECT creator_id FROM sources WHERE persona_id = ?1 AND deleted_at IS NULL)
        OR id IN (SELECT source_post_id FROM cloned WHERE persona_id = ?1))"""
    rows = call.rows.all(
        f"SELECT * {seen} ORDER BY posted_at DESC, rowid LIMIT ?2 OFFSET ?3", persona["id"], limit, offset
    )
    return Page(show_posts(call, rows), call.rows.value(f"SELECT COUNT(*) {seen}", persona["id"]))


def show_posts(context: Context, rows: list[Row]) -> list[dict]:
    media: dict[str, list[Row]] = {row["id"]: [] for row in rows}
    query = "SELECT * FROM source_media WHERE source_post_id IN (?) ORDER BY position"
    for item in context.rows.among(query, list(media)):
        media[item["source_post_id"]].append(item)
    return [
        {
            "id": row["id"],
            "creator_id": row["creator_id"],
            "platform": row["platform"],
            "platform_post_id": row["platform_post_id"],
            "caption": row["caption"],
            "url": permalink(row),
            "thumbnail_url": context.link(media[row["id"]][0]["thumb"]),
            "media_items": [
                {
                    "id": item["id"],
                    "media_type": item["media_type"],
                    "url": context.link(item["file"]),
                    "duration_seconds": item["duration_seconds"],
                }
                for item in media[row["id"]]
            ],
            "posted_at": fields.stamp(row["posted_at"]),
            "created_at": fields.stamp(row["created_at"]),
        }
        for row in rows
    ]


def permalink(row: Row) -> str:
    return f"https://www.instagram.com/{'reel' if row['is_reel'] else 'p'}/{row['short_code']}/"


def find_post(context: Context, source_post_id: str) -> Row:
    row = context.rows.get("source_posts", source_post_id)
    if row is None or row["created_at"] is None:
        raise Problem(404, "Source post not found")
    return row


def media_of(context: Context, source_post_id: str) -> list[Row]:
    return context.rows.all(
        "SELECT * FROM source_media WHERE source_post_id = ? ORDER BY position", source_post_id
    )


def make_post(
    context: Context,
    creator_id: str,
    recipes: list[Recipe],
    caption: str,
    *,
    posted_at: float | None,
    pulled_at: float | None,
    short_code: str | None = None,
) -> str:
    """A post on the platform. With `pulled_at` None it waits there for the next sync."""
    post_id = context.rows.new_id()
    chance = random.Random(post_id)  # noqa: S311 – made-up identifiers
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    is_reel = samples.everything()[recipes[0]["file"]].media_type == "video"
    context.rows.add(
        "source_posts",
        id=post_id,
        creator_id=creator_id,
        platform="instagram",
        platform_post_id=str(chance.randrange(3 * 10**18, 4 * 10**18)),
        caption=caption,
        short_code=short_code or "D" + "".join(chance.choices(letters, k=10)),
        is_reel=is_reel,
        posted_at=posted_at,
        created_at=pulled_at,
    )
    for position, recipe in enumerate(recipes):
        sample = samples.everything()[recipe["file"]]
        context.rows.add(
            "source_media",
            source_post_id=post_id,
            position=position,
            media_type=sample.media_type,
            recipe=json.dumps(recipe),
            file=context.keep(recipe),
            thumb=context.keep(thumb_recipe(recipe)),
            duration_seconds=sample.duration_seconds,
        )
    return post_id


# Accounts and links nobody prepared: their posts are made up from the shipped files, drawn by name.


def stock(context: Context, creator_row: Row) -> None:
    """Give an account that the seed does not know some posts for its first sync to find."""
    if creator_row["stocked"] or creator_row["handle"] in samples.accounts():
        return
    context.rows.change("creators", creator_row["id"], stocked=1)
    chance = random.Random(creator_row["handle"])  # noqa: S311 – pictures, not secrets
    stills = samples.sources(chance.choice(samples.accounts()), "image")
    for number in range(POSTS_OF_AN_UNKNOWN_ACCOUNT):
        still = stills[number % len(stills)]
        recipes = [source_recipe(still.file, DETAILS[number % len(DETAILS)])]
        if number % 3 == 2:
            recipes.append(source_recipe(still.file))
        caption = captions.source_caption(still.scene, chance)
        make_post(context, creator_row["id"], recipes, caption, posted_at=None, pulled_at=None)


def post_by_link(context: Context, short_code: str, *, is_reel: bool) -> Row:
    """The post behind a link, made up if it is not one of ours. `set` in its code makes a carousel."""
    known = context.rows.one("SELECT * FROM source_posts WHERE short_code = ?", short_code)
    if known:
        if known["created_at"] is None:
            context.rows.change(
                "source_posts", known["id"], created_at=context.now, posted_at=context.now - 86_400
            )
        return context.rows.get("source_posts", known["id"])
    chance = random.Random(short_code)  # noqa: S311 – pictures, not secrets
    with_clips = [name for name in samples.accounts() if samples.sources(name, "video")]
    account = chance.choice(with_clips if is_reel else samples.accounts())
    sample = chance.choice(samples.sources(account, "video" if is_reel else "image"))
    recipes = [source_recipe(sample.file)]
    if "set" in re.split(r"[^a-z]+", short_code.lower()) and not is_reel:
        recipes += [source_recipe(sample.file, box) for box in DETAILS[:2]]
    post_id = make_post(
        context,
        creator(context, "instagram", account),
        recipes,
        captions.source_caption(sample.scene, chance),
        posted_at=context.now - chance.uniform(2, 20) * 86_400,
        pulled_at=context.now,
        short_code=short_code,
    )
    return context.rows.get("source_posts", post_id)
