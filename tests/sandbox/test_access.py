"""Who may call, how often, and what a caller without the right is told."""

from __future__ import annotations

import pytest

from reviewqueue.sandbox.app import Sandbox
from reviewqueue.sandbox.seed import fill
from tests.sandbox.contract import document, operations
from tests.sandbox.test_contract import NOBODY


def test_a_missing_scope_is_named(caller, sandbox, seeded, ines):
    api = caller(sandbox.new_key("Example, read only", ["content:read"]))
    error = api.post(f"/v1/generated-posts/{NOBODY}/approve", status=403)["error"]
    assert error["code"] == "FORBIDDEN"
    assert "content:write" in error["message"]
    assert error["details"]["required_scope"] == "content:write"


@pytest.mark.parametrize("operation_id", sorted(operations()))
def test_every_operation_asks_for_the_scope_the_contract_names(operation_id):
    from reviewqueue.sandbox import routes

    _, method, operation = operations()[operation_id]
    path = next(
        path for path, methods in document()["paths"].items() if operation is methods.get(method.lower())
    )
    route = next(r for r in routes.ROUTES if (r.method, r.template) == (method, path))
    assert [route.scope] == (operation["x-required-scopes"] or [None])


def test_a_key_without_scopes_reaches_nothing_that_needs_one(caller, sandbox, seeded):
    api = caller(sandbox.new_key("Example, nothing", []))
    api.get("/v1/api-keys", status=200)
    for path in ("/v1/personas", "/v1/billing/balance", "/v1/profile"):
        api.get(path, status=403)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer rm_example", "Basic rm_example", "rm_example"])
def test_without_a_good_token_nobody_gets_in(browser, seeded, header):
    response = browser.get("/api/v1/personas", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "UNAUTHORIZED"


def test_a_revoked_key_stops_at_once(api, sandbox, seeded):
    api.get("/v1/personas", status=200)
    sandbox.revoke_key(seeded.api_key)
    api.get("/v1/personas", status=401)


def test_keys_are_kept_as_hashes_only(sandbox, seeded):
    for file in sandbox.world.store.path.parent.glob("sandbox.sqlite3*"):
        content = file.read_bytes()
        assert seeded.api_key.encode() not in content
        assert seeded.session_token.encode() not in content


def test_sixty_requests_a_minute_and_no_more(browser, seeded, clock):
    headers = {"Authorization": f"Bearer {seeded.api_key}"}
    start = clock.now
    for left in range(59, -1, -1):
        response = browser.get("/api/v1/profile", headers=headers)
        assert response.status_code == 200
        assert response.headers["X-RateLimit-Remaining"] == str(left)
    response = browser.get("/api/v1/profile", headers=headers)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "RATE_LIMITED"
    assert int(response.headers["X-RateLimit-Reset"]) == start + 60
    clock.advance(59)
    assert browser.get("/api/v1/profile", headers=headers).status_code == 429
    clock.advance(1)
    assert browser.get("/api/v1/profile", headers=headers).status_code == 200


def test_a_session_has_all_scopes_and_twice_the_requests(caller, seeded):
    api = caller(seeded.session_token)
    api.get("/v1/billing/balance", status=200)
    assert api.last.headers["X-RateLimit-Limit"] == "120"


def test_one_callers_minute_is_not_anothers(browser, seeded, sandbox):
    for _ in range(61):
        browser.get("/api/v1/profile", headers={"Authorization": f"Bearer {seeded.api_key}"})
    other = sandbox.new_key("Example, other")
    response = browser.get("/api/v1/profile", headers={"Authorization": f"Bearer {other}"})
    assert response.status_code == 200


def test_the_minute_is_scaled_with_time(tmp_path, clock, caller):
    import httpx

    sandbox = Sandbox(tmp_path, clock=clock, time_scale=60)
    key = fill(sandbox, render=False).api_key
    client = httpx.Client(transport=httpx.WSGITransport(app=sandbox), base_url="http://sandbox.test")
    headers = {"Authorization": f"Bearer {key}"}
    statuses = [client.get("/api/v1/profile", headers=headers).status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    clock.advance(1)
    assert client.get("/api/v1/profile", headers=headers).status_code == 200


def test_unknown_addresses_and_methods(browser, seeded):
    headers = {"Authorization": f"Bearer {seeded.api_key}"}
    assert browser.get("/api/v1/nothing", headers=headers).status_code == 404
    assert browser.get("/api/v2/personas", headers=headers).status_code == 404
    assert browser.get("/api/v1/personas/not-a-uuid", headers=headers).status_code == 404
    response = browser.put("/api/v1/personas", headers=headers)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"name": 1}',
        b'{"name": "  "}',
        b'{"name": "a\\u0000b"}',
        b"\xff",
    ],
)
def test_bodies_that_cannot_be_are_400(browser, seeded, body):
    headers = {"Authorization": f"Bearer {seeded.api_key}", "Content-Type": "application/json"}
    response = browser.post("/api/v1/personas", headers=headers, content=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "VALIDATION_ERROR"


def test_a_lone_surrogate_is_400_and_not_a_crash(browser, seeded):
    headers = {"Authorization": f"Bearer {seeded.api_key}", "Content-Type": "application/json"}
    response = browser.post("/api/v1/personas", headers=headers, content=b'{"name": "\\ud800"}')
    assert response.status_code == 400
