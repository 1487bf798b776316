"""Misbehaviour: whether the effect took place is in the effects log, whatever the answer looked like."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from reviewqueue.sandbox.app import Sandbox, server
from reviewqueue.sandbox.faults import AFTER, BEFORE, HUGE_BYTES
from reviewqueue.sandbox.seed import fill


@pytest.fixture
def generate(browser, seeded, desk, ines):
    """Send one generation and return the raw answer."""
    body = {"source_post_id": desk.source_post(ines)["id"], "persona_id": ines}
    headers = {"Authorization": f"Bearer {seeded.api_key}", "X-Request-Id": "operation/1"}
    return lambda: browser.post("/api/v1/generate", json=body, headers=headers)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 500, 502, 503, 504])
def test_an_error_before_the_effect(sandbox, generate, status):
    sandbox.misbehave(status)
    response = generate()
    assert response.status_code == status
    assert response.headers["X-RateLimit-Remaining"].isdecimal()
    assert sandbox.effects("generate") == []
    assert generate().status_code == 202


@pytest.mark.parametrize("kind", ["500_after", "502_after", "503_after", "504_after"])
def test_an_error_after_the_effect(sandbox, generate, kind):
    sandbox.misbehave(kind)
    assert generate().status_code == int(kind[:3])
    assert len(sandbox.effects("generate")) == 1


@pytest.mark.parametrize(("kind", "effects"), [("drop_before", 0), ("drop_after", 1)])
def test_a_broken_connection(sandbox, generate, kind, effects):
    sandbox.misbehave(kind)
    with pytest.raises(ConnectionResetError):
        generate()
    assert len(sandbox.effects("generate")) == effects


def test_silence_after_the_effect(sandbox, generate):
    sandbox.misbehave("hang")
    with pytest.raises(TimeoutError):
        generate()
    assert len(sandbox.effects("generate")) == 1


@pytest.mark.parametrize("kind", ["truncate", "malformed", "empty", "html"])
def test_an_answer_nobody_can_read(sandbox, generate, kind):
    sandbox.misbehave(kind)
    response = generate()
    assert response.is_success
    with pytest.raises(ValueError):
        response.json()
    assert len(sandbox.effects("generate")) == 1


def test_an_answer_nobody_wants_to_read(sandbox, generate):
    sandbox.misbehave("huge")
    response = generate()
    assert len(response.content) > HUGE_BYTES
    assert response.json()["status"] == "started"


def test_a_redirect_without_effect(sandbox, generate):
    sandbox.misbehave("redirect")
    assert generate().status_code == 302
    assert sandbox.effects("generate") == []


def test_an_effect_that_comes_late(sandbox, generate, clock, desk, ines):
    before = len(desk.posts(ines))
    sandbox.misbehave("late", seconds=90)
    assert generate().status_code == 504
    clock.advance(89)
    assert sandbox.effects("generate") == []
    assert len(desk.posts(ines)) == before
    clock.advance(1)
    (effect,) = sandbox.effects("generate")
    assert effect["request_id"] == "operation/1"
    assert len(desk.posts(ines)) == before + 1


def test_a_late_approval_which_has_no_body(sandbox, browser, seeded, clock, desk, ines):
    post = desk.ready(ines)
    path = f"/api/v1/generated-posts/{post['id']}/approve"
    sandbox.misbehave("late", match="POST /api/v1/generated-posts/{post_id}/approve", seconds=5)
    headers = {"Authorization": f"Bearer {seeded.api_key}"}
    assert browser.post(path, headers=headers).status_code == 504
    assert desk.post(post["id"])["outgoing_post_id"] is None
    clock.advance(5)
    assert desk.post(post["id"])["outgoing_post_id"]


def test_a_late_request_for_nothing_does_no_harm(sandbox, browser, seeded, clock, api):
    sandbox.misbehave("late", match="*")
    browser.post("/api/v1/nothing", headers={"Authorization": f"Bearer {seeded.api_key}"})
    api.get("/v1/profile", status=200)


def test_a_late_effect_that_is_refused_leaves_nothing(sandbox, generate, clock, desk):
    sandbox.misbehave("late", seconds=10)
    generate()
    sandbox.set_balance(0)
    clock.advance(10)
    assert sandbox.effects("generate") == []
    assert desk.balance() == 0


def test_slow_answers_all_the_same(sandbox, generate):
    sandbox.misbehave("slow", seconds=0.05)
    started = time.perf_counter()
    assert generate().status_code == 202
    assert time.perf_counter() - started >= 0.05


def test_faults_strike_what_they_match_and_as_often_as_told(sandbox, api, ines):
    sandbox.misbehave(503, match="GET /api/v1/personas/{persona_id}/sources", times=2)
    api.get("/v1/personas", status=200)
    for status in (503, 503, 200):
        api.get(f"/v1/personas/{ines}/sources", status=status)
    sandbox.misbehave(503, match="*", times=5)
    api.get("/v1/profile", status=503)
    sandbox.behave()
    api.get("/v1/profile", status=200)


def test_media_can_fail_too(sandbox, browser, desk, ines):
    url = desk.ready(ines)["media_items"][0]["url"]
    sandbox.misbehave(500, match="GET /sandbox/media/*")
    sandbox.misbehave("truncate", match="GET /sandbox/media/*")
    assert browser.get(url).status_code == 500
    assert int(browser.get(url).headers["Content-Length"]) > len(
        browser.get(url, headers={"Range": "bytes=0-9"}).content
    )


def test_an_unknown_fault_is_refused(sandbox):
    with pytest.raises(ValueError, match="No such fault"):
        sandbox.misbehave("explode")


def test_the_log_says_what_who_and_on_whose_behalf(sandbox, generate, seeded, desk, ines):
    post_id = generate().json()["generated_post_id"]
    (effect,) = sandbox.effects()
    assert effect["kind"] == "generate"
    assert effect["target"] == desk.source_post(ines)["id"]
    assert effect["made"] == post_id
    assert (effect["method"], effect["path"]) == ("POST", "/api/v1/generate")
    assert seeded.api_key.startswith(effect["key_prefix"])
    assert effect["request_id"] == "operation/1"


def test_setting_the_same_value_again_is_no_effect(sandbox, api, desk, ines):
    item_id = desk.ready(ines)["media_items"][0]["id"]
    for _ in range(2):
        api.post("/v1/generate/toggle-public", {"generated_media_item_id": item_id, "is_public": True})
        api.patch(f"/v1/personas/{ines}", {"discount_mode": True})
    assert [effect["kind"] for effect in sandbox.effects()] == ["set_public", "change_persona"]


def test_reads_have_no_effects(sandbox, api, ines):
    for path in ("/v1/personas", f"/v1/personas/{ines}/generated-posts", "/v1/billing/balance"):
        api.get(path)
    assert sandbox.effects() == []


def test_somebody_else_decides_meanwhile(sandbox, api, desk, ines):
    post = desk.ready(ines)
    sandbox.decide(post["id"], "rejected")
    assert desk.post(post["id"])["review_status"] == "rejected"
    api.post(f"/v1/generated-posts/{post['id']}/approve", status=409)


# From other processes


def test_control_over_http(browser, generate, desk, ines):
    def control(**wishes):
        return browser.post("/sandbox/control/", json=wishes)

    assert control(do="misbehave", kind="drop_after").status_code == 200
    with pytest.raises(ConnectionResetError):
        generate()
    assert [effect["kind"] for effect in control(do="effects").json()["result"]] == ["generate"]
    post = desk.ready(ines)
    control(do="edit_caption", post_id=post["id"], text="Changed outside.")
    assert desk.post(post["id"])["caption"] == "Changed outside."
    assert control(do="misbehave", kind="explode").status_code == 400
    assert control(do="nothing").status_code == 400
    assert browser.get("/sandbox/control/").status_code == 405


def test_control_is_shut_unless_asked_for(tmp_path):
    sandbox = Sandbox(tmp_path)
    client = httpx.Client(transport=httpx.WSGITransport(app=sandbox), base_url="http://sandbox.test")
    assert client.post("/sandbox/control/", json={"do": "reset"}).status_code == 404


# On a port


@pytest.fixture
def served(tmp_path):
    sandbox = Sandbox(tmp_path, time_scale=1000)
    key = fill(sandbox, render=False).api_key
    with server(sandbox, port=0) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        with httpx.Client(
            base_url=f"http://127.0.0.1:{listening.server_port}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=5,
        ) as client:
            yield sandbox, client
        listening.shutdown()


def test_a_served_sandbox_breaks_real_connections(served):
    sandbox, client = served
    assert client.get("/api/v1/profile").status_code == 200
    for kind in ("drop_before", "drop_after", "truncate"):
        sandbox.misbehave(kind, match="GET /api/v1/profile")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/api/v1/profile")
    sandbox.misbehave("hang", match="GET /api/v1/profile", seconds=3)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/api/v1/profile", timeout=0.2)
    assert client.get("/api/v1/profile").status_code == 200


def test_every_kind_is_tried_here():
    tried = {
        "drop_before",
        "drop_after",
        "hang",
        "truncate",
        "malformed",
        "empty",
        "html",
        "huge",
        "redirect",
        "late",
    }
    assert {kind for kind in BEFORE | AFTER if not kind[0].isdecimal()} == tried
