"""The contract suite: every operation over raw HTTP, every answer held against the written contract.

It runs against the sandbox, and against any real address when `LOUPE_CONTRACT_URL` (ending in `/api`) and
`LOUPE_CONTRACT_KEY` are set: then only reads that cost nothing, unless `LOUPE_CONTRACT_SPEND=1` is set too.
"""

from __future__ import annotations

import os

import httpx
import pytest

from reviewqueue.sandbox.app import Sandbox
from reviewqueue.sandbox.seed import fill
from tests.sandbox.conftest import Clock, Desk
from tests.sandbox.contract import Api, check, operations, sleep, wrapped

LIVE_URL, LIVE_KEY = os.environ.get("LOUPE_CONTRACT_URL", ""), os.environ.get("LOUPE_CONTRACT_KEY", "")
LIVE = bool(LIVE_URL and LIVE_KEY)
MAY_SPEND = not LIVE or os.environ.get("LOUPE_CONTRACT_SPEND") == "1"

spends = pytest.mark.skipif(
    not MAY_SPEND, reason="spends money or changes things; set LOUPE_CONTRACT_SPEND=1"
)
sandbox_only = pytest.mark.skipif(LIVE, reason="needs the sandbox's clock or its prepared world")


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def app(tmp_path_factory, clock) -> Sandbox:
    return Sandbox(
        tmp_path_factory.mktemp("contract"), public_url="http://sandbox.test", speed=1, clock=clock
    )


@pytest.fixture(scope="module")
def api(app, clock):
    """One caller for the whole module, so that the last test can say what was never called."""
    if LIVE:
        with httpx.Client(base_url=LIVE_URL.removesuffix("/").removesuffix("/api"), timeout=30) as client:
            yield Api(client, LIVE_KEY, sleep)
    else:
        key = fill(app, render=False).api_key
        transport = httpx.WSGITransport(app=app)
        yield Api(httpx.Client(transport=transport, base_url="http://sandbox.test"), key, clock.advance)


@pytest.fixture(scope="module")
def desk(api, clock) -> Desk:
    return Desk(api, clock)


@pytest.fixture(scope="module")
def persona(api) -> dict:
    """The first persona there is."""
    return api.get("/v1/personas?limit=1")["data"][0]


NOBODY = "00000000-0000-4000-8000-000000000000"


# Reads


@pytest.mark.parametrize(
    "path",
    [
        "/v1/api-keys",
        "/v1/personas",
        "/v1/publishing/accounts",
        "/v1/publishing/accounts/slots",
        "/v1/publishing/posts",
        "/v1/billing/balance",
        "/v1/billing/transactions",
        "/v1/profile",
        "/v1/feedback",
    ],
)
def test_what_can_be_read(api, path):
    api.get(path, status=200)


@pytest.mark.parametrize("part", ["", "/sources", "/source-posts", "/generated-posts", "/publishing-targets"])
def test_what_can_be_read_of_a_persona(api, persona, part):
    api.get(f"/v1/personas/{persona['id']}{part}", status=200)
    api.get(f"/v1/personas/{NOBODY}{part}", status=404)


def test_posts_and_items_of_a_persona(api, persona):
    for post in api.get(f"/v1/personas/{persona['id']}/generated-posts?limit=3")["data"]:
        assert wrapped(api.get(f"/v1/generated-posts/{post['id']}"))["id"] == post["id"]
        for item in post["media_items"]:
            assert wrapped(api.get(f"/v1/generated-media-items/{item['id']}"))["status"] == item["status"]


def test_one_outgoing_post_and_one_ticket(api):
    for row in api.get("/v1/publishing/posts?limit=2")["data"]:
        assert wrapped(api.get(f"/v1/publishing/posts/{row['id']}"))["id"] == row["id"]
    for row in api.get("/v1/feedback?limit=1")["data"]:
        api.get(f"/v1/feedback/{row['id']}")


def test_pages_of_a_list_do_not_overlap(api, persona):
    path = f"/v1/personas/{persona['id']}/source-posts"
    first, second = api.get(f"{path}?limit=4"), api.get(f"{path}?limit=4&offset=4")
    assert first["count"] == second["count"]
    ids = [row["id"] for row in first["data"] + second["data"]]
    assert len(ids) == len(set(ids))
    assert len(api.get(path)["data"]) == min(20, first["count"])


@sandbox_only
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "offset=-1", "limit=", "offset=1.5", "offset=" + "0" * 9 + "9" * 30],
)
def test_a_page_that_cannot_be_is_400(api, query):
    assert api.get(f"/v1/personas?{query}", status=400)["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "path", ["/v1/sync-jobs/", "/v1/generated-posts/", "/v1/generated-media-items/", "/v1/publishing/posts/"]
)
def test_what_is_not_there_is_404(api, path):
    assert api.get(path + NOBODY, status=404)["error"]["code"] == "NOT_FOUND"


def test_no_token_is_401(api):
    response = api.client.get("/api/v1/personas")
    check(response, "/v1/personas")
    assert response.status_code == 401


# Forms of reply


@sandbox_only
@pytest.mark.parametrize("form", ["enveloped", "bare", "post_keyed", "older_bare"])
def test_every_form_of_reply_is_one_the_contract_knows(api, persona, form):
    prefer = {"Prefer": f"example={form}"}
    outgoing = api.get("/v1/publishing/posts?limit=1")["data"][0]
    balance = api.get("/v1/billing/balance", headers=prefer)
    post = api.get(f"/v1/publishing/posts/{outgoing['id']}", headers=prefer)
    assert wrapped(post)["id"] == outgoing["id"]
    assert ("post" in post) == (form == "post_keyed")
    assert ("auto_reload_enabled" in balance) == (form == "older_bare")
    kinds = api.get("/v1/billing/transactions", headers=prefer)["data"]
    assert ("type" in kinds[0]) == (form == "older_bare")
    assert ("data" in api.get("/v1/profile", headers=prefer)) == (form in ("enveloped", "post_keyed"))
    assert ("data" in api.get("/v1/publishing/accounts/slots", headers=prefer)) == (form == "enveloped")


@sandbox_only
def test_a_form_can_be_set_for_everybody(app, api, persona):
    app.answer_in("bare")
    assert api.get(f"/v1/personas/{persona['id']}")["name"]
    app.answer_in(None)
    assert api.get(f"/v1/personas/{persona['id']}")["data"]["name"]


# A whole life


@spends
def test_from_a_persona_to_a_published_post(api, desk):
    """Persona, source, sync, generate, regenerate, review, publish: what a client does, in its order."""
    body = {"name": "Contract example", "writing_style": "Plain."}
    persona = wrapped(api.post("/v1/personas", body, status=201))
    path = f"/v1/personas/{persona['id']}"
    assert wrapped(api.patch(path, {"discount_mode": True}))["discount_mode"] is True
    api.patch(path, {"discount_mode": False, "name": "Contract example, renamed"})

    source = wrapped(
        api.post(f"{path}/sources", {"platform": "instagram", "handle": "@slow.table"}, status=201)
    )
    assert (source["handle"], source["automation_mode"]) == ("slow.table", "sync_only")
    api.post(f"{path}/sources", {"platform": "instagram", "handle": "slow.table"}, status=409)
    api.patch(f"{path}/sources/{source['id']}", {"automation_mode": "auto_clone"})
    api.patch(f"{path}/sources/{source['id']}", {"automation_mode": "sync_only"})

    sync = wrapped(api.post(f"{path}/sync"))
    job = api.until(
        lambda: is_over(wrapped(api.get(f"/v1/sync-jobs/{sync['job_ids'][0]}"))), every=15, at_most=600
    )
    assert job["status"] in ("completed", "skipped")

    posts = api.everything(f"{path}/source-posts")
    still = next(post for post in posts if [m["media_type"] for m in post["media_items"]] == ["image"])
    started = wrapped(
        api.post("/v1/generate", {"source_post_id": still["id"], "persona_id": persona["id"]}, status=202)
    )
    post_id = started["generated_post_id"]
    api.post(f"/v1/generated-posts/{post_id}/approve", status=409)
    post = api.until(lambda: is_over(desk.post(post_id)), every=10, at_most=300)
    assert [item["status"] for item in post["media_items"]] == ["completed"]
    assert post["caption"]

    item_id = post["media_items"][0]["id"]
    for wanted in (True, False):
        api.post("/v1/generate/toggle-public", {"generated_media_item_id": item_id, "is_public": wanted})
    again = wrapped(api.post("/v1/generate/media-item", {"generated_media_item_id": item_id}, status=202))
    assert again["generated_media_item_id"] != item_id
    api.post("/v1/generate/regenerate-post", {"generated_post_id": post_id}, status=202)
    api.until(lambda: is_over(desk.post(post_id)), every=10, at_most=300)
    body = {"generated_post_id": post_id, "failed_only": True}
    api.post("/v1/generate/regenerate-post", body, status=422)

    api.post(f"/v1/generated-posts/{post_id}/approve", status=400)  # nothing to publish to yet
    account = api.get("/v1/publishing/accounts")["data"][0]
    body = {"connected_account_id": account["id"]}
    target = wrapped(api.post(f"{path}/publishing-targets", body, status=201))
    api.post(f"{path}/publishing-targets", body, status=409)
    assert [t["id"] for t in api.get(f"{path}/publishing-targets")["data"]] == [target["id"]]

    reply = wrapped(api.post(f"/v1/generated-posts/{post_id}/approve", status=200))
    outgoing_path = f"/v1/publishing/posts/{reply['outgoing_post_id']}"
    outgoing = api.until(lambda: is_over(wrapped(api.get(outgoing_path))), every=10, at_most=180)
    assert [delivery["status"] for delivery in outgoing["deliveries"]] == ["published"]
    assert desk.post(post_id)["review_status"] == "published"

    api.delete(f"{path}/publishing-targets/{target['id']}")
    api.delete(f"{path}/sources/{source['id']}")
    api.delete(f"/v1/generated-posts/{post_id}")
    api.delete(path)
    api.get(path, status=404)


def is_over(value: dict) -> dict | None:
    over = ("completed", "failed", "skipped", "published")
    return value if value["status"] in over else None


@spends
def test_the_other_decisions(api, desk, persona):
    link = {"url": "https://www.instagram.com/p/DContract-set/", "persona_id": persona["id"]}
    post_id = wrapped(api.post("/v1/clone-url", link, status=202))["generated_post_id"]
    post = api.until(lambda: is_over(desk.post(post_id)), every=10, at_most=400)
    first, *others = post["media_items"]
    assert wrapped(api.post(f"/v1/generated-media-items/{first['id']}/reject"))["post_auto_rejected"] is False
    api.delete(f"/v1/generated-media-items/{others[0]['id']}")
    draft = wrapped(api.post(f"/v1/generated-posts/{post_id}/send-to-compose"))["outgoing_post_id"]
    path = f"/v1/publishing/posts/{draft}"
    assert wrapped(api.patch(path, {"caption": "Edited by a contract test."}))["status"] == "draft"
    moment = "2031-05-01T09:00:00+02:00"
    assert wrapped(api.post(f"{path}/schedule", {"scheduled_for": moment}))["status"] == "scheduled"
    api.post(f"{path}/publish", status=202)
    own = {
        "items": [{"generated_media_item_id": others[1]["id"], "position": 0}],
        "persona_id": persona["id"],
    }
    made = wrapped(api.post("/v1/publishing/posts", own, status=201))
    api.delete(f"/v1/publishing/posts/{made['id']}")

    link["url"] = "https://www.instagram.com/p/DContractOther/"
    post_id = wrapped(api.post("/v1/clone-url", link, status=202))["generated_post_id"]
    api.until(lambda: is_over(desk.post(post_id)), every=10, at_most=300)
    assert wrapped(api.post(f"/v1/generated-posts/{post_id}/reject"))["status"] == "rejected"


@spends
def test_a_voice(api, desk, persona):
    link = {"url": "https://www.instagram.com/reel/DContractReel/", "persona_id": persona["id"]}
    post_id = wrapped(api.post("/v1/clone-url", link, status=202))["generated_post_id"]
    item = api.until(lambda: is_over(desk.post(post_id)), every=15, at_most=600)["media_items"][0]
    api.post("/v1/generate/voice-convert", {"generated_media_item_id": item["id"]}, status=202)
    api.until(lambda: desk.item(item["id"])["voice_conversion_status"] == "completed", every=10, at_most=300)


@spends
def test_money(api, app):
    assert wrapped(api.post("/v1/billing/topup", {"amount_cents": 2500}))["url"]
    api.post("/v1/billing/topup", {"amount_cents": 1}, status=400)
    assert wrapped(api.post("/v1/billing/setup-intent"))["client_secret"]
    settings = {"auto_reload": True, "reload_threshold_cents": 500, "reload_amount_cents": 2500}
    assert wrapped(api.patch("/v1/billing/balance", settings))["auto_reload"] is True
    api.patch("/v1/billing/balance", {"auto_reload": False})
    slots = wrapped(api.get("/v1/publishing/accounts/slots"))
    assert (
        wrapped(api.post("/v1/publishing/accounts/slots", {"slots": slots["purchased"]}))["checkoutUrl"]
        is None
    )
    assert wrapped(api.get("/v1/publishing/accounts/connect?platform=instagram"))["authUrl"]


@sandbox_only
def test_without_a_card_addresses_are_given_instead(api, app):
    app.set_card(False)
    settings = {"auto_reload": True, "reload_threshold_cents": 500, "reload_amount_cents": 2500}
    assert wrapped(api.patch("/v1/billing/balance", settings))["setup_url"].startswith("http://sandbox.test/")
    assert wrapped(api.get("/v1/billing/balance"))["auto_reload"] is False
    reply = wrapped(api.post("/v1/publishing/accounts/slots", {"slots": 9, "returnUrl": "/settings/"}))
    assert reply["checkoutUrl"].startswith("http://sandbox.test/sandbox/checkout/")
    assert reply["purchased"] == 3
    app.set_card(True)


@spends
def test_keys_people_and_uploads(api, persona):
    body = {"name": "Example key", "scopes": ["personas:read"], "monthly_limit_cents": 100}
    made = wrapped(api.post("/v1/api-keys", body, status=201))
    other = Api(api.client, made["key"], api.wait)
    other.get("/v1/personas", status=200)
    assert "billing:read" in other.get("/v1/billing/balance", status=403)["error"]["message"]
    api.delete(f"/v1/api-keys/{made['id']}")
    other.get("/v1/personas", status=401)

    name = wrapped(api.get("/v1/profile"))["display_name"]
    assert wrapped(api.patch("/v1/profile", {"display_name": "Contract"}))["display_name"] == "Contract"
    api.patch("/v1/profile", {"display_name": name})
    ticket = wrapped(api.post("/v1/feedback", {"message": "An example ticket."}, status=201))
    api.post(f"/v1/feedback/{ticket['id']}/replies", {"message": "An example reply."}, status=201)

    body = {"url": "https://media.example.com/face.jpg", "category": "avatar", "persona_id": persona["id"]}
    assert wrapped(api.post("/v1/uploads", body, status=201))["category"] == "avatar"


@sandbox_only
def test_signing_up(api):
    body = {"email": "someone@example.com", "password": "correct-horse"}
    assert wrapped(api.post("/v1/auth/signup", body, status=201))["status"] == "pending_confirmation"
    api.post("/v1/auth/signup", body, status=409)
    api.post("/v1/auth/signup", {"email": "nobody", "password": "correct-horse"}, status=400)
    for number in range(4):
        api.post("/v1/auth/signup", {**body, "email": f"someone{number}@example.com"}, status=201)
    api.post("/v1/auth/signup", {**body, "email": "someone9@example.com"}, status=429)


@sandbox_only
def test_every_operation_was_called(api):
    """Last: what the tests above left out. (conftest.py drops it where not all of them are run here.)"""
    assert set(operations()) - api.seen == set()
