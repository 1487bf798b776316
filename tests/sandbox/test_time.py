"""State is read off age: nothing happens unless the clock says so, and it happens when it should."""

from __future__ import annotations

import pytest

from reviewqueue.sandbox.app import Sandbox
from reviewqueue.sandbox.pace import IMAGE, VIDEO, draw
from reviewqueue.sandbox.seed import fill


def test_a_picture_takes_its_documented_time(desk, clock, ines):
    post_id = desk.generate(ines, desk.source_post(ines)["id"])
    assert desk.post(post_id)["status"] == "pending"
    clock.advance(10)
    post = desk.post(post_id)
    assert (post["status"], post["media_items"][0]["url"]) == ("generating", None)
    begun = clock.now
    while desk.post(post_id)["status"] == "generating":
        clock.advance(1)
    assert IMAGE[0] - 10 <= clock.now - begun <= IMAGE[1]
    assert desk.post(post_id)["media_items"][0]["url"]


def test_a_video_takes_longer(desk, clock, ines):
    post_id = desk.generate(ines, desk.source_post(ines, media_type="video")["id"])
    clock.advance(VIDEO[0])
    assert desk.post(post_id)["status"] == "generating"
    clock.advance(VIDEO[1] - VIDEO[0] + 10)
    assert desk.post(post_id)["status"] == "completed"


def test_a_carousel_can_be_seen_half_done(desk, clock, ines):
    post_id = desk.generate(ines, desk.source_post(ines, items=5)["id"])
    seen = set()
    while (post := desk.post(post_id))["status"] != "completed":
        seen.add(sum(item["status"] == "completed" for item in post["media_items"]))
        clock.advance(2)
    assert seen >= {0, 1, 2, 3, 4}


def test_work_is_sped_up_and_rules_are_not(tmp_path, clock, caller):
    import httpx

    from tests.sandbox.conftest import Desk
    from tests.sandbox.contract import Api

    sandbox = Sandbox(tmp_path, clock=clock, speed=6)
    seeded = fill(sandbox, render=False)
    client = httpx.Client(transport=httpx.WSGITransport(app=sandbox), base_url="http://sandbox.test")
    desk = Desk(Api(client, seeded.api_key, clock.advance), clock)
    persona = seeded.personas["Kilo North"]
    post_id = desk.generate(persona, desk.source_post(persona)["id"])
    desk.api.post(f"/v1/personas/{persona}/sync")
    clock.advance(17)  # (9 + 90) / 6
    assert desk.post(post_id)["status"] == "completed"
    clock.advance(14 * 60)
    assert desk.api.post(f"/v1/personas/{persona}/sync")["estimated_cost_cents"] == 0
    clock.advance(60)
    assert desk.api.post(f"/v1/personas/{persona}/sync")["estimated_cost_cents"] == 27


def test_what_is_drawn_is_always_the_same():
    assert draw("an id", IMAGE) == draw("an id", IMAGE)
    assert draw("an id", IMAGE) != draw("another id", IMAGE)


@pytest.mark.parametrize(
    ("word", "statuses"), [("failall", {"failed"}), ("FAIL", {"failed"}), ("failure", {"completed"})]
)
def test_words_in_a_source_caption_script_trouble(sandbox, desk, clock, ines, word, statuses):
    source = desk.source_post(ines)
    sandbox.edit_source_caption(source["id"], f"Let it {word}, please. #slow #stuck")
    post_id = desk.generate(ines, source["id"])
    clock.advance(120)
    assert {item["status"] for item in desk.post(post_id)["media_items"]} == statuses


def test_a_scripted_failure_can_be_cured(sandbox, desk, api, clock, ines):
    link = {"url": "https://www.instagram.com/p/DExample-set-fail/", "persona_id": ines}
    post_id = api.post("/v1/clone-url", link)["generated_post_id"]
    clock.advance(150)
    assert desk.post(post_id)["status"] == "failed"
    body = {"generated_post_id": post_id, "failed_only": True}
    api.post("/v1/generate/regenerate-post", body, status=202)
    clock.advance(150)
    assert desk.post(post_id)["status"] == "completed"


def test_slow_takes_three_times_the_longest(desk, api, clock, ines):
    link = {"url": "https://www.instagram.com/p/DExample-slow/", "persona_id": ines}
    post_id = api.post("/v1/clone-url", link)["generated_post_id"]
    clock.advance(3 * IMAGE[1])
    assert desk.post(post_id)["status"] == "generating"
    clock.advance(10)
    assert desk.post(post_id)["status"] == "completed"


def test_stuck_never_ends_by_itself(desk, api, clock, sandbox, ines):
    link = {"url": "https://www.instagram.com/p/DExample-stuck/", "persona_id": ines}
    post_id = api.post("/v1/clone-url", link)["generated_post_id"]
    clock.advance(30 * 86_400)
    assert desk.post(post_id)["status"] == "generating"
    sandbox.finish(post_id)
    assert desk.post(post_id)["status"] == "completed"


def test_finishing_ends_everything_that_runs(sandbox, desk, api, ines, kilo):
    running = [post["id"] for who in (ines, kilo) for post in desk.posts(who, status="generating")]
    job_id = api.post(f"/v1/personas/{ines}/sync")["job_ids"][0]
    sandbox.finish()
    assert {desk.post(post_id)["status"] for post_id in running} == {"completed"}
    assert api.get(f"/v1/sync-jobs/{job_id}")["data"]["status"] == "completed"


def test_nothing_is_lost_when_nobody_looks_for_a_month(desk, api, clock, sandbox, oat):
    """A sync, what it found, what was made of that, and its publication: all dated as due."""
    start = clock.now
    api.post(f"/v1/personas/{oat}/sync")
    clock.advance(30 * 86_400)
    published = [
        each for each in desk.posts(oat, review_status="published") if each["created_at"] > "2026-06-21T00"
    ]
    assert len(published) == 2
    assert all(
        effect["at"] < start + 500
        for effect in sandbox.effects()
        if effect["key_prefix"] == "automation" and effect["kind"] != "publish"
    )
