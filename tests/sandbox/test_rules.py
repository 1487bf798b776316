"""The fourteen rules of the contract's README, one or more tests each."""

from __future__ import annotations

from tests.sandbox.contract import wrapped

DAY = 86_400


# 1. Generation is not idempotent


def test_generating_twice_makes_two_posts_and_two_charges(desk, ines):
    source = desk.source_post(ines)
    before = desk.balance()
    first, second = desk.generate(ines, source["id"]), desk.generate(ines, source["id"])
    assert first != second
    assert desk.balance() == before - 64


def test_cloning_a_link_twice_makes_two_posts_of_one_source_post(desk, api, ines):
    body = {"url": "https://www.instagram.com/p/DExample01/", "persona_id": ines}
    first = desk.post(api.post("/v1/clone-url", body)["generated_post_id"])
    second = desk.post(api.post("/v1/clone-url", body)["generated_post_id"])
    assert first["id"] != second["id"]
    assert first["source_post_id"] == second["source_post_id"]
    urls = [row["url"] for row in api.everything(f"/v1/personas/{ines}/source-posts")]
    assert urls.count(body["url"]) == 1


def test_a_link_to_something_else_is_refused(api, ines):
    for url in ("https://example.com/p/abcdef/", "https://www.instagram.com/somebody/", "nonsense"):
        error = api.post("/v1/clone-url", {"url": url, "persona_id": ines}, status=400)["error"]
        assert error["code"] == "VALIDATION_ERROR"


def test_a_reel_link_gives_a_video_and_a_set_gives_a_carousel(desk, api, ines):
    def media(url):
        post_id = api.post("/v1/clone-url", {"url": url, "persona_id": ines})["generated_post_id"]
        return [item["media_type"] for item in desk.post(post_id)["media_items"]]

    assert media("https://www.instagram.com/reel/DExample02/?igsh=1") == ["video"]
    assert media("https://instagram.com/p/example-set-3/") == ["image"] * 3


# 2. Full regeneration


def test_regenerating_keeps_the_post_and_replaces_its_items(desk, api, clock, ines):
    post = desk.ready(ines, items=3)
    before = desk.balance()
    api.post("/v1/generate/regenerate-post", {"generated_post_id": post["id"]}, status=202)
    again = desk.post(post["id"])
    old, new = ({item["id"] for item in each["media_items"]} for each in (post, again))
    assert again["status"] == "pending"
    assert len(new) == 3
    assert not old & new
    assert again["caption"] != post["caption"]
    assert desk.balance() == before - 96
    for item_id in old:
        api.get(f"/v1/generated-media-items/{item_id}", status=404)
    clock.advance(200)
    paths = [
        {item["url"].partition("?")[0] for item in each["media_items"]}
        for each in (post, desk.post(post["id"]))
    ]
    assert not paths[0] & paths[1]


def test_regenerating_a_rejected_post_puts_it_up_for_review_again(desk, api, ines):
    post = desk.posts(ines, review_status="rejected")[0]
    api.post("/v1/generate/regenerate-post", {"generated_post_id": post["id"]}, status=202)
    assert desk.post(post["id"])["review_status"] == "pending_review"


def test_what_is_published_cannot_be_regenerated(desk, api, ines):
    post = desk.posts(ines, review_status="published")[0]
    api.post("/v1/generate/regenerate-post", {"generated_post_id": post["id"]}, status=400)
    item_id = post["media_items"][0]["id"]
    api.post("/v1/generate/media-item", {"generated_media_item_id": item_id}, status=400)


# 3. Retrying what failed


def test_retrying_takes_only_the_failed_items_and_keeps_the_rest(desk, api, clock, ines):
    post = next(p for p in desk.posts(ines, status="failed") if len(p["media_items"]) == 4)
    failed = [item["id"] for item in post["media_items"] if item["status"] == "failed"]
    before = desk.balance()
    body = {"generated_post_id": post["id"], "failed_only": True}
    reply = api.post("/v1/generate/regenerate-post", body, status=202)
    assert [each["original_item_id"] for each in reply["retried_items"]] == failed
    assert reply["total_cost_cents"] == before - desk.balance() == 32
    clock.advance(120)
    again = desk.post(post["id"])
    assert again["status"] == "completed"
    assert again["caption"] == post["caption"]
    kept = {item["id"] for item in post["media_items"]} - set(failed)
    assert {item["id"] for item in again["media_items"]} == kept | {reply["retried_items"][0]["new_item_id"]}


def test_retrying_where_nothing_failed_is_422(desk, api, ines):
    body = {"generated_post_id": desk.ready(ines)["id"], "failed_only": True}
    before = desk.balance()
    assert "No failed items" in api.post("/v1/generate/regenerate-post", body, status=422)["error"]["message"]
    assert desk.balance() == before


def test_one_item_made_anew_has_a_new_id_in_the_same_place(desk, api, clock, ines):
    post = desk.ready(ines, items=5)
    second = post["media_items"][1]
    reply = api.post("/v1/generate/media-item", {"generated_media_item_id": second["id"]}, status=202)
    new_id = reply["generated_media_item_id"]
    assert new_id != second["id"]
    api.get(f"/v1/generated-media-items/{second['id']}", status=404)
    clock.advance(120)
    again = desk.post(post["id"])
    assert [item["id"] for item in again["media_items"]][1] == new_id
    assert again["media_items"][1]["position"] == 1
    assert again["media_items"][1]["url"].partition("?")[0] != second["url"].partition("?")[0]
    assert again["caption"] == post["caption"]


# 4. Review only what is complete, and once


def test_nothing_is_decided_before_everything_is_complete(desk, api, ines):
    running = desk.posts(ines, status="generating")[0]
    for action in ("approve", "reject", "send-to-compose"):
        error = api.post(f"/v1/generated-posts/{running['id']}/{action}", status=409)["error"]
        assert error["code"] == "CONFLICT"
    api.post(f"/v1/generated-media-items/{running['media_items'][0]['id']}/reject", status=400)
    assert desk.post(running["id"])["review_status"] == "pending_review"


def test_a_partly_failed_post_cannot_be_approved(desk, api, ines):
    post = desk.posts(ines, status="failed")[0]
    api.post(f"/v1/generated-posts/{post['id']}/approve", status=409)


def test_a_second_decision_is_a_conflict(desk, api, ines):
    for first in ("approve", "reject", "send-to-compose"):
        post = desk.ready(ines)
        api.post(f"/v1/generated-posts/{post['id']}/{first}")
        for second in ("approve", "reject", "send-to-compose"):
            api.post(f"/v1/generated-posts/{post['id']}/{second}", status=409)


# 5. Approve


def test_approving_publishes_to_the_linked_accounts(desk, api, clock, ines):
    post = desk.ready(ines)
    reply = api.post(f"/v1/generated-posts/{post['id']}/approve", status=200)
    assert reply["status"] == "publishing"
    outgoing_path = f"/v1/publishing/posts/{reply['outgoing_post_id']}"
    outgoing = api.get(outgoing_path)["data"]
    assert outgoing["status"] == "publishing"
    assert {each["username"] for each in outgoing["deliveries"]} == {"ines.calder", "ines.elsewhere"}
    assert desk.post(post["id"])["review_status"] == "pending_review"
    clock.advance(61)
    assert desk.post(post["id"])["review_status"] == "published"
    outgoing = api.get(outgoing_path)["data"]
    assert outgoing["status"] == "published"
    assert all(each["platform_post_id"] and each["published_at"] for each in outgoing["deliveries"])


def test_the_first_delivery_makes_the_post_published(sandbox, desk, api, clock, ines):
    post = desk.ready(ines)
    outgoing_id = api.post(f"/v1/generated-posts/{post['id']}/approve")["outgoing_post_id"]
    while desk.post(post["id"])["review_status"] != "published":
        clock.advance(1)
    states = [each["status"] for each in api.get(f"/v1/publishing/posts/{outgoing_id}")["data"]["deliveries"]]
    assert sorted(states) == ["published", "publishing"]


def test_approving_without_an_account_is_400(desk, api, kilo):
    post = desk.ready(kilo)
    error = api.post(f"/v1/generated-posts/{post['id']}/approve", status=400)["error"]
    assert error["message"] == "Persona has no active publishing account"
    assert desk.post(post["id"])["outgoing_post_id"] is None


def test_approving_needs_an_active_account(sandbox, desk, api, oat):
    sandbox.set_account_status("oat.and.ember", "expired")
    api.post(f"/v1/generated-posts/{desk.ready(oat)['id']}/approve", status=400)


def test_an_expired_account_fails_its_delivery_and_leaves_the_post_open(sandbox, desk, api, clock, kilo):
    with sandbox.moment() as context:
        from reviewqueue.sandbox.reelmirror import publishing

        account_id = publishing.connect(context, "instagram", "kilo.expired")
    api.post(f"/v1/personas/{kilo}/publishing-targets", {"connected_account_id": account_id}, status=201)
    post = desk.ready(kilo)
    outgoing_id = api.post(f"/v1/generated-posts/{post['id']}/approve")["outgoing_post_id"]
    clock.advance(61)
    outgoing = api.get(f"/v1/publishing/posts/{outgoing_id}")["data"]
    assert outgoing["status"] == "failed"
    assert outgoing["deliveries"][0]["error_message"]
    assert desk.post(post["id"])["review_status"] == "pending_review"
    assert api.post(f"/v1/generated-posts/{post['id']}/reject")["status"] == "rejected"


def test_compose_makes_a_draft_and_is_the_only_way_to_approved(desk, api, kilo):
    post = desk.ready(kilo)
    reply = api.post(f"/v1/generated-posts/{post['id']}/send-to-compose", status=200)
    draft = api.get(f"/v1/publishing/posts/{reply['outgoing_post_id']}")["data"]
    assert draft["status"] == "draft"
    assert draft["caption"] == post["caption"]
    assert desk.post(post["id"])["review_status"] == "approved"


def test_a_draft_thrown_away_gives_the_post_back_to_review(desk, api, kilo):
    post = desk.ready(kilo)
    draft = api.post(f"/v1/generated-posts/{post['id']}/send-to-compose")["outgoing_post_id"]
    api.delete(f"/v1/publishing/posts/{draft}")
    api.get(f"/v1/publishing/posts/{draft}", status=404)
    again = desk.post(post["id"])
    assert (again["review_status"], again["outgoing_post_id"]) == ("pending_review", None)


# 6. Rejecting item by item


def test_rejecting_the_last_item_rejects_the_post(desk, api, ines):
    post = desk.ready(ines, items=5)
    replies = [api.post(f"/v1/generated-media-items/{item['id']}/reject") for item in post["media_items"]]
    assert [reply["post_auto_rejected"] for reply in replies] == [False] * 4 + [True]
    assert desk.post(post["id"])["review_status"] == "rejected"


def test_a_rejected_item_stays_out_of_what_is_published(desk, api, ines):
    post = desk.ready(ines, items=5)
    api.post(f"/v1/generated-media-items/{post['media_items'][2]['id']}/reject")
    outgoing_id = api.post(f"/v1/generated-posts/{post['id']}/approve")["outgoing_post_id"]
    items = api.get(f"/v1/publishing/posts/{outgoing_id}")["data"]["items"]
    assert [item["generated_media_item_id"] for item in items] == [
        item["id"] for item in post["media_items"] if item["position"] != 2
    ]


# 7. The 20 days


def test_a_discounted_item_stays_public_for_twenty_days(desk, api, clock, oat):
    item = desk.ready(oat)["media_items"][0]
    assert item["discount_applied"]
    body = {"generated_media_item_id": item["id"], "is_public": True}
    assert api.post("/v1/generate/toggle-public", body, status=200)["is_public"] is True
    hide = {**body, "is_public": False}
    error = api.post("/v1/generate/toggle-public", hide, status=409)["error"]
    assert "20 days" in error["message"]
    assert error["details"]["public_until"]
    clock.advance(20 * DAY - 1)
    api.post("/v1/generate/toggle-public", hide, status=409)
    clock.advance(1)
    assert api.post("/v1/generate/toggle-public", hide, status=200)["is_public"] is False


def test_a_full_price_item_can_be_hidden_at_once(desk, api, ines):
    item_id = desk.ready(ines)["media_items"][0]["id"]
    for wanted in (True, True, False, True):
        body = {"generated_media_item_id": item_id, "is_public": wanted}
        assert api.post("/v1/generate/toggle-public", body)["is_public"] is wanted
    assert desk.item(item_id)["is_public"] is True


# 8. Voice


def test_a_voice_is_converted_within_two_minutes(desk, api, clock, ines):
    item = desk.generated(ines, media_type="video")["media_items"][0]
    body = {"generated_media_item_id": item["id"]}
    assert api.post("/v1/generate/voice-convert", body, status=202)["voice_conversion_status"] == "pending"
    assert desk.item(item["id"])["voice_conversion_status"] == "pending"
    clock.advance(20)
    assert desk.item(item["id"])["voice_conversion_status"] == "processing"
    clock.advance(110)
    after = desk.item(item["id"])
    assert after["voice_conversion_status"] == "completed"
    assert after["url"].partition("?")[0] == item["url"].partition("?")[0]
    assert after["voice_converted_url"].partition("?")[0] != item["url"].partition("?")[0]


def test_voice_needs_a_completed_video_and_a_sample(desk, api, ines, kilo):
    def refused(item):
        body = {"generated_media_item_id": item["id"]}
        return api.post("/v1/generate/voice-convert", body, status=400)["error"]["message"]

    assert "completed video" in refused(desk.ready(ines)["media_items"][0])
    running = next(
        p for p in desk.posts(kilo, status="generating") if p["media_items"][0]["media_type"] == "video"
    )
    assert "completed video" in refused(running["media_items"][0])
    assert "voice sample" in refused(desk.ready(kilo, media_type="video")["media_items"][0])


# 9. Sync


def test_a_sync_finds_what_is_new_and_then_nothing(desk, api, clock, ines):
    before = api.get(f"/v1/personas/{ines}/source-posts")["count"]

    def sync():
        reply = api.post(f"/v1/personas/{ines}/sync", status=202)
        clock.advance(310)
        jobs = [api.get(f"/v1/sync-jobs/{job_id}")["data"] for job_id in reply["job_ids"]]
        assert {job["status"] for job in jobs} == {"completed"}
        return reply, sum(job["new_posts_count"] for job in jobs)

    reply, found = sync()
    assert reply["estimated_cost_cents"] == 4 * 9
    assert found == 4
    assert api.get(f"/v1/personas/{ines}/source-posts")["count"] == before + found
    clock.advance(15 * 60)
    assert sync()[1] == 0


def test_a_sync_within_fifteen_minutes_is_skipped_and_free(desk, api, clock, ines):
    first = api.post(f"/v1/personas/{ines}/sync")
    statuses = {api.get(f"/v1/sync-jobs/{job_id}")["data"]["status"] for job_id in first["job_ids"]}
    assert statuses == {"pending"}
    clock.advance(12)
    assert api.get(f"/v1/sync-jobs/{first['job_ids'][0]}")["data"]["status"] == "running"
    clock.advance(14 * 60)
    before = desk.balance()
    again = api.post(f"/v1/personas/{ines}/sync")
    assert again["estimated_cost_cents"] == 0
    jobs = [api.get(f"/v1/sync-jobs/{job_id}")["data"] for job_id in again["job_ids"]]
    assert {job["status"] for job in jobs} == {"skipped"}
    assert desk.balance() == before


def test_a_private_account_fails_its_job(api, clock, ines):
    api.post(
        f"/v1/personas/{ines}/sources", {"platform": "instagram", "handle": "some.private.place"}, status=201
    )
    job_id = api.post(f"/v1/personas/{ines}/sync")["job_ids"][-1]
    clock.advance(310)
    job = api.get(f"/v1/sync-jobs/{job_id}")["data"]
    assert job["status"] == "failed"
    assert "private" in job["error_message"]
    source = api.everything(f"/v1/personas/{ines}/sources")[-1]
    assert source["status"] == "error"


def test_an_unknown_account_has_posts_to_find(api, clock, kilo):
    body = {"platform": "instagram", "username": "@Some.Gardener"}
    source = api.post(f"/v1/personas/{kilo}/sources", body, status=201)["data"]
    assert (source["handle"], source["status"], source["content_count"]) == ("some.gardener", "pending", 0)
    api.post(f"/v1/personas/{kilo}/sync")
    clock.advance(310)
    source = api.everything(f"/v1/personas/{kilo}/sources")[-1]
    assert (source["status"], source["content_count"]) == ("active", 6)


# 10. The same source twice


def test_the_same_source_twice_is_a_conflict(api, ines):
    body = {"platform": "instagram", "handle": "@whitewall.daily"}
    assert api.post(f"/v1/personas/{ines}/sources", body, status=409)["error"]["code"] == "CONFLICT"


def test_a_removed_source_can_be_added_again(api, ines):
    source = api.everything(f"/v1/personas/{ines}/sources")[0]
    api.delete(f"/v1/personas/{ines}/sources/{source['id']}")
    body = {"platform": "instagram", "handle": source["handle"]}
    assert (
        api.post(f"/v1/personas/{ines}/sources", body, status=201)["data"]["creator_id"]
        == source["creator_id"]
    )


# 11. Automation


def test_auto_publish_needs_targets(api, kilo, oat):
    source = api.everything(f"/v1/personas/{kilo}/sources")[0]
    body = {"automation_mode": "auto_publish"}
    api.patch(f"/v1/personas/{kilo}/sources/{source['id']}", body, status=400)
    new = {"platform": "instagram", "handle": "somebody.else", **body}
    api.post(f"/v1/personas/{kilo}/sources", new, status=400)
    source = api.everything(f"/v1/personas/{oat}/sources")[1]
    assert (
        api.patch(f"/v1/personas/{oat}/sources/{source['id']}", body)["data"]["automation_mode"]
        == "auto_publish"
    )


def test_auto_clone_generates_from_what_a_sync_finds(desk, api, clock, sandbox, kilo):
    before = {post["id"] for post in desk.posts(kilo)}
    balance = desk.balance()
    api.post(f"/v1/personas/{kilo}/sync")
    clock.advance(310)
    made = [post for post in desk.posts(kilo) if post["id"] not in before]
    assert len(made) == 2  # both of high.pass; its other accounts are sync_only
    assert {effect["key_prefix"] for effect in sandbox.effects("generate")} == {"automation"}
    assert desk.balance() == balance - 27 - 3 * 32
    clock.advance(120)
    assert {desk.post(post["id"])["review_status"] for post in made} == {"pending_review"}


def test_auto_publish_publishes_without_a_review(desk, api, clock, sandbox, oat):
    before = {post["id"] for post in desk.posts(oat)}
    api.post(f"/v1/personas/{oat}/sync")
    clock.advance(310)
    clock.advance(120)
    clock.advance(61)
    made = [post for post in desk.posts(oat) if post["id"] not in before]
    assert sorted(post["review_status"] for post in made) == ["pending_review", "published", "published"]
    assert {effect["key_prefix"] for effect in sandbox.effects("approve")} == {"automation"}


def test_automation_passes_over_what_the_balance_does_not_cover(desk, api, clock, sandbox, kilo):
    sandbox.set_balance(27 + 40)
    api.post(f"/v1/personas/{kilo}/sync")
    clock.advance(310)
    assert len(sandbox.effects("generate")) == 1
    assert desk.balance() >= 0


# 12. Deletes are soft


def test_a_deleted_post_is_gone_but_paid_for_and_its_source_can_be_used_again(desk, api, ines):
    post = desk.ready(ines)
    charges = [t for t in desk.transactions() if t["generated_post_id"] == post["id"]]
    api.delete(f"/v1/generated-posts/{post['id']}")
    api.get(f"/v1/generated-posts/{post['id']}", status=404)
    api.get(f"/v1/generated-media-items/{post['media_items'][0]['id']}", status=404)
    api.delete(f"/v1/generated-posts/{post['id']}", status=404)
    assert post["id"] not in {each["id"] for each in desk.posts(ines)}
    assert [t for t in desk.transactions() if t["generated_post_id"] == post["id"]] == charges
    assert desk.generate(ines, post["source_post_id"])


def test_a_deleted_item_leaves_the_others(desk, api, ines):
    post = desk.ready(ines, items=5)
    api.delete(f"/v1/generated-media-items/{post['media_items'][0]['id']}")
    assert [item["position"] for item in desk.post(post["id"])["media_items"]] == [1, 2, 3, 4]


# 13. TikTok


def test_tiktok_cannot_be_tracked_but_can_be_connected(api, ines):
    api.post(f"/v1/personas/{ines}/sources", {"platform": "tiktok", "handle": "somebody"}, status=400)
    assert "/sandbox/connect/" in api.get("/v1/publishing/accounts/connect?platform=tiktok")["authUrl"]


# 14. Keys


def test_a_secret_is_shown_once_and_billing_must_be_asked_for(api):
    made = api.post("/v1/api-keys", {"name": "Example key of a test"}, status=201)["data"]
    assert made["key"].startswith("rm_")
    assert len(made["key"]) == 35
    assert len(made["scopes"]) == 12
    assert not [scope for scope in made["scopes"] if scope.startswith(("billing", "feedback"))]
    listed = api.get("/v1/api-keys")
    assert made["key"] not in api.last.text
    assert made["key"].startswith(listed["data"][0]["key_prefix"])


# Outgoing posts


def test_a_draft_is_edited_and_published(desk, api, clock, ines):
    draft = wrapped(api.get("/v1/publishing/posts"))
    draft = next(row for row in api.everything("/v1/publishing/posts") if row["status"] == "draft")
    path = f"/v1/publishing/posts/{draft['id']}"
    changed = api.patch(path, {"caption": "An edited caption.", "platform_settings": {"a": 1}})["data"]
    assert (changed["caption"], changed["platform_settings"]) == ("An edited caption.", {"a": 1})
    assert api.post(f"{path}/publish", status=202)["data"]["status"] == "publishing"
    api.patch(path, {"caption": "Too late."}, status=409)
    api.delete(path, status=409)
    clock.advance(61)
    assert api.get(path)["data"]["status"] == "published"


def test_a_scheduled_post_goes_out_by_itself(desk, api, clock, sandbox):
    scheduled = next(row for row in api.everything("/v1/publishing/posts") if row["status"] == "scheduled")
    clock.advance(2 * DAY)
    clock.advance(61)
    assert api.get(f"/v1/publishing/posts/{scheduled['id']}")["data"]["status"] == "published"


def test_a_schedule_can_be_moved_and_taken_off(desk, api, clock, ines):
    draft = next(row for row in api.everything("/v1/publishing/posts") if row["status"] == "draft")
    path = f"/v1/publishing/posts/{draft['id']}"
    past, soon = "2020-01-01T00:00:00Z", "2036-01-01T09:00:00+02:00"
    api.post(f"{path}/schedule", {"scheduled_for": past}, status=400)
    moved = api.post(f"{path}/schedule", {"scheduled_for": soon}, status=200)["data"]
    assert (moved["status"], moved["scheduled_for"]) == ("scheduled", "2036-01-01T07:00:00.000Z")
    off = api.patch(path, {"scheduled_for": None})["data"]
    assert (off["status"], off["scheduled_for"]) == ("draft", None)


def test_a_draft_of_unreviewed_content_cannot_be_published(desk, api, ines):
    post = desk.ready(ines)
    items = [{"generated_media_item_id": item["id"]} for item in post["media_items"]]
    draft = api.post("/v1/publishing/posts", {"persona_id": ines, "items": items}, status=201)["data"]
    assert len(draft["deliveries"]) == 2
    api.post(f"/v1/publishing/posts/{draft['id']}/publish", status=409)
