"""Serving the files behind media links, made on first use."""

from __future__ import annotations

import hmac
import json

from .context import World, sign
from .http import Problem, Reply, Request, file_reply

TYPES = {
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".mp4": "video/mp4",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
}


def answer(world: World, request: Request, now: float) -> Reply:
    """A file by its signed link: 403 when the link is wrong or an hour old, 404 when there is no such one."""
    if request.method not in ("GET", "HEAD"):
        raise Problem(405, "Method not allowed", {"Allow": "GET, HEAD"})
    name = request.path.removeprefix("/sandbox/media/")
    expires, signature = request.query.get("expires", ""), request.query.get("sig", "")
    with world.store.reading() as rows:
        secret = rows.note("secret")
        recipe = rows.value("SELECT recipe FROM files WHERE name = ?", name)
    valid = expires.isascii() and expires.isdecimal() and len(expires) < 16
    if not valid or not hmac.compare_digest(sign(secret, name, int(expires)).encode(), signature.encode()):
        raise Problem(403, "Media link is not signed")
    if now >= int(expires):
        raise Problem(403, "Media link has expired")
    if recipe is None:
        raise Problem(404, "No such file")
    path = world.studio.file(json.loads(recipe))
    return file_reply(path, TYPES[path.suffix], request)
