"""Personas, and the pictures and voices uploaded for them."""

from __future__ import annotations

import hashlib
import io
import random
import warnings

from PIL import Image

from reviewqueue.sandbox import fields, samples
from reviewqueue.sandbox.context import Call, Context, Page
from reviewqueue.sandbox.fields import Fields
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.looks import SPARE_LOOKS
from reviewqueue.sandbox.rendering import Recipe
from reviewqueue.sandbox.store import Row

LONGEST_NAME = 120
UPLOAD_LIMIT_BYTES = 20 * 1024 * 1024
FOLDERS = {"avatar": "avatars", "voice": "voices"}
PICTURE_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


def find(context: Context, persona_id: str) -> Row:
    row = context.rows.get("personas", persona_id)
    if row is None or row["deleted_at"] is not None:
        raise Problem(404, "Persona not found")
    return row


def show(context: Context, row: Row) -> dict:
    count = context.rows.value(
        "SELECT COUNT(*) FROM sources WHERE persona_id = ? AND deleted_at IS NULL", row["id"]
    )
    return {
        "id": row["id"],
        "name": row["name"],
        "writing_style": row["writing_style"],
        "discount_mode": bool(row["discount_mode"]),
        "avatar_url": context.link(row["avatar_file"]),
        "voice_sample_url": context.link(row["voice_file"]),
        "source_count": count,
        "created_at": fields.stamp(row["created_at"]),
        "updated_at": fields.stamp(row["updated_at"]),
    }


def list_personas(call: Call) -> Page:
    limit, offset = fields.page(call.query)
    rows = call.rows.all(
        "SELECT * FROM personas WHERE deleted_at IS NULL ORDER BY created_at, rowid LIMIT ? OFFSET ?",
        limit,
        offset,
    )
    count = call.rows.value("SELECT COUNT(*) FROM personas WHERE deleted_at IS NULL")
    return Page([show(call, row) for row in rows], count)


def read_persona(call: Call) -> dict:
    return show(call, find(call, call.params["persona_id"]))


def create_persona(call: Call) -> dict:
    body = call.body
    persona_id = make(
        call,
        body.text("name", longest=LONGEST_NAME, blank=False),
        writing_style=body.text("writing_style") if "writing_style" in body else None,
        discount_mode=body.flag("discount_mode") if "discount_mode" in body else False,
    )
    call.effect("create_persona", persona_id)
    return show(call, find(call, persona_id))


def make(context: Context, name: str, *, look: str | None = None, **columns) -> str:
    """A new persona. One made by a caller gets one of the spare looks, drawn by its id."""
    persona_id = context.rows.new_id()
    look = look or random.Random(persona_id).choice(SPARE_LOOKS)  # noqa: S311 – a look, not a secret
    return context.rows.add(
        "personas",
        id=persona_id,
        name=name,
        look=look,
        created_at=context.now,
        updated_at=context.now,
        **columns,
    )


def change_persona(call: Call) -> dict:
    row, body = find(call, call.params["persona_id"]), call.body
    body.at_least_one("name", "writing_style", "discount_mode")
    wanted = {}
    if "name" in body:
        wanted["name"] = body.text("name", longest=LONGEST_NAME, blank=False)
    if "writing_style" in body:
        wanted["writing_style"] = body.text("writing_style")
    if "discount_mode" in body:
        wanted["discount_mode"] = body.flag("discount_mode")
    if any(row[name] != value for name, value in wanted.items()):
        call.rows.change("personas", row["id"], **wanted, updated_at=call.now)
        call.effect("change_persona", row["id"])
    return show(call, find(call, row["id"]))


def delete_persona(call: Call) -> dict:
    row = find(call, call.params["persona_id"])
    call.rows.change("personas", row["id"], deleted_at=call.now)
    call.effect("delete_persona", row["id"])
    return {"status": "deleted"}


# Uploads


def upload(call: Call) -> dict:
    """Store an avatar or a voice sample, sent as a form or named by an address."""
    form = call.request.content_type.startswith("multipart/")
    body = Fields(call.request.form()) if form else call.body
    category = body.choice("category", FOLDERS)
    persona = find(call, body.uuid("persona_id"))
    if form:
        recipe = store_upload(call, body, category)
    else:
        recipe = stand_in(body.text("url", longest=2000), category)
    name = call.keep(recipe)
    call.rows.change("personas", persona["id"], **{f"{category}_file": name}, updated_at=call.now)
    call.effect(f"upload_{category}", persona["id"], name)
    return {
        "key": f"{FOLDERS[category]}/{persona['id'][:8]}/{name}",
        "url": call.link(name),
        "category": category,
        "persona_id": persona["id"],
    }


def store_upload(call: Call, body: Fields, category: str) -> Recipe:
    content = body.values.get("file")
    if not isinstance(content, bytes) or not content or len(content) > UPLOAD_LIMIT_BYTES:
        raise body.wrong("file", f"a file of 1 to {UPLOAD_LIMIT_BYTES} bytes")
    ending = picture_ending(content) if category == "avatar" else sound_ending(content)
    if ending is None:
        wanted = (
            "a JPEG, PNG or WebP picture" if category == "avatar" else "a WAV, MP3, M4A, OGG or FLAC file"
        )
        raise body.wrong("file", wanted)
    folder = call.world.studio.folder
    folder.mkdir(parents=True, exist_ok=True)
    file = "up" + hashlib.sha256(content).hexdigest()[:14] + ending
    (folder / file).write_bytes(content)
    return {"kind": "upload", "file": file}


def picture_ending(content: bytes) -> str | None:
    """The ending for a picture that opens, judged by its bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=list(PICTURE_ENDINGS)) as picture:
                picture.load()
                return PICTURE_ENDINGS[picture.format]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning):
        return None


def sound_ending(content: bytes) -> str | None:
    """The ending for a sound file, judged by its first bytes."""
    head = content[:12]
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return ".wav"
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
        return ".mp3"
    if head[4:8] == b"ftyp":
        return ".m4a"
    return {b"OggS": ".ogg", b"fLaC": ".flac"}.get(head[:4])


def stand_in(url: str, category: str) -> Recipe:
    """What an address stands for. The sandbox fetches nothing: one of its own files, drawn by the address."""
    if not url.startswith(("https://", "http://")) or " " in url:
        raise Problem(400, "Invalid request body: url must be an address to fetch", field="url")
    if category == "voice":
        return {"kind": "hum", "seed": url}
    account = random.Random(url).choice(samples.accounts())  # noqa: S311 – a picture, not a secret
    return {"kind": "avatar", "file": samples.sources(account, "image")[0].file, "box": [0, 0, 1, 1]}
