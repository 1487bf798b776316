"""Media links: real files, signed, good for an hour, in whole or in part."""

from __future__ import annotations

import io

import pytest
from PIL import Image

JUST_UNDER, OVER = 3600 - 301, 3601


@pytest.fixture
def item_id(desk, ines) -> str:
    return desk.ready(ines)["media_items"][0]["id"]


@pytest.fixture
def picture(desk, item_id) -> str:
    return desk.item(item_id)["url"]


def test_a_link_is_good_for_an_hour_and_its_path_stays(browser, desk, clock, item_id, picture):
    assert browser.get(picture).status_code == 200
    clock.advance(JUST_UNDER)
    assert browser.get(picture).status_code == 200
    clock.advance(OVER - JUST_UNDER)
    expired = browser.get(picture)
    assert expired.status_code == 403
    assert "expired" in expired.json()["error"]["message"]
    fresh = desk.item(item_id)["url"]
    assert fresh != picture
    assert fresh.partition("?")[0] == picture.partition("?")[0]
    assert browser.get(fresh).status_code == 200


def test_links_made_close_together_are_the_same(desk, clock, item_id, picture):
    clock.advance(5)
    assert desk.item(item_id)["url"] == picture


@pytest.mark.parametrize("spoil", [("sig=", "sig=0"), ("expires=1", "expires=2"), ("expires=1", "expires=x")])
def test_a_link_cannot_be_made_up(browser, picture, spoil):
    assert browser.get(picture.replace(*spoil)).status_code == 403
    assert browser.get(picture.partition("?")[0]).status_code == 403
    assert browser.get("/sandbox/media/..%2fsandbox.sqlite3").status_code == 403


def test_head_and_ranges(browser, picture):
    whole = browser.get(picture)
    size = len(whole.content)
    assert whole.headers["Content-Type"] == "image/webp"
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    head = browser.head(picture)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(size))

    def part(wanted):
        return browser.get(picture, headers={"Range": wanted})

    first = part("bytes=0-99")
    assert (first.status_code, first.content) == (206, whole.content[:100])
    assert first.headers["Content-Range"] == f"bytes 0-99/{size}"
    assert part("bytes=100-").content == whole.content[100:]
    assert part("bytes=-50").content == whole.content[-50:]
    assert part(f"bytes=0-{size * 2}").content == whole.content
    for beyond in (f"bytes={size}-", "bytes=9-1", "bytes=-0"):
        response = part(beyond)
        assert (response.status_code, response.headers["Content-Range"]) == (416, f"bytes */{size}")
    for nonsense in ("bytes=a-b", "lines=1-2", "bytes=0-1,5-6"):
        assert part(nonsense).status_code == 200


def test_what_did_not_change_is_not_sent_again(browser, picture):
    tag = browser.get(picture).headers["ETag"]
    unchanged = browser.get(picture, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    stale = browser.get(picture, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert stale.status_code == 200


def test_only_reading(browser, picture):
    assert browser.post(picture).status_code == 405


def test_nothing_unfinished_has_a_link(desk, ines):
    for post in desk.posts(ines):
        for item in post["media_items"]:
            linked = item["status"] == "completed"
            assert bool(item["url"]) == bool(item["thumbnail_url"]) == linked


def upload(browser, seeded, persona_id, category, content, name="file.bin"):
    return browser.post(
        "/api/v1/uploads",
        headers={"Authorization": f"Bearer {seeded.api_key}"},
        data={"category": category, "persona_id": persona_id},
        files={"file": (name, content, "application/octet-stream")},
    )


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, "PNG")
    return buffer.getvalue()


WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)


def test_uploading_an_avatar(browser, api, seeded, kilo):
    reply = upload(browser, seeded, kilo, "avatar", png())
    assert reply.status_code == 201
    data = reply.json()["data"]
    assert data["category"] == "avatar"
    stored = browser.get(data["url"])
    assert (stored.headers["Content-Type"], stored.content) == ("image/png", png())
    assert api.get(f"/v1/personas/{kilo}")["data"]["avatar_url"] == data["url"]


def test_uploading_a_voice_makes_conversion_possible(browser, api, desk, seeded, kilo):
    item = desk.ready(kilo, media_type="video")["media_items"][0]
    body = {"generated_media_item_id": item["id"]}
    api.post("/v1/generate/voice-convert", body, status=400)
    assert upload(browser, seeded, kilo, "voice", WAV).status_code == 201
    assert api.get(f"/v1/personas/{kilo}")["data"]["voice_sample_url"]
    api.post("/v1/generate/voice-convert", body, status=202)


@pytest.mark.parametrize(
    ("category", "content"),
    [("avatar", WAV), ("voice", png()), ("avatar", b""), ("poster", png()), ("avatar", b"<svg/>")],
)
def test_uploads_are_judged_by_their_bytes(browser, seeded, kilo, category, content):
    assert upload(browser, seeded, kilo, category, content, "face.png").status_code == 400


def test_uploading_by_address(browser, api, kilo):
    for category, kind in (("avatar", "image/webp"), ("voice", "audio/wav")):
        body = {"url": "https://media.example.com/file", "category": category, "persona_id": kilo}
        reply = api.post("/v1/uploads", body, status=201)["data"]
        assert browser.get(reply["url"]).headers["Content-Type"] == kind
    body = {"url": "file:///etc/passwd", "category": "avatar", "persona_id": kilo}
    api.post("/v1/uploads", body, status=400)
