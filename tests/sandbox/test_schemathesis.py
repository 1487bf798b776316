"""Many made-up requests for every operation: never a 5xx, and every answer as the contract says.

Ids are made up too, so half of the requests get ids of things that are there.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reviewqueue.sandbox.app import Sandbox
from reviewqueue.sandbox.seed import fill
from tests.sandbox.contract import document

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Ticking:
    """A clock that gives every request its share of the minute, so that none is one too many."""

    def __init__(self) -> None:
        self.now = 1_782_000_000.0

    def __call__(self) -> float:
        self.now += 1.1
        return self.now


class Stage:
    """The application under test: schemathesis is told of it before there is one."""

    sandbox: Sandbox

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.sandbox(environ, start_response)


def loosened() -> dict[str, Any]:
    """The contract with 400, 404 and 405 for every operation: its error envelope covers them."""
    contract = copy.deepcopy(document())
    for methods in contract["paths"].values():
        for operation in methods.values():
            responses = operation["responses"]
            responses.setdefault("400", {"$ref": "#/components/responses/BadRequest"})
            responses.setdefault("404", {"$ref": "#/components/responses/NotFound"})
            responses.setdefault("405", {"$ref": "#/components/responses/BadRequest"})
    contract["servers"] = [{"url": "http://sandbox.test/api"}]
    return contract


stage = Stage()
schema = schemathesis.openapi.from_dict(loosened())
schema.app = stage


@pytest.fixture
def key(tmp_path) -> str:
    stage.sandbox = Sandbox(tmp_path, public_url="http://sandbox.test", clock=Ticking())
    return fill(stage.sandbox, render=False).session_token


@pytest.fixture
def there(key) -> dict[str, Any]:
    """Ids of things that are there at the moment, by the names the contract has for them."""
    client = httpx.Client(
        transport=httpx.WSGITransport(app=stage),
        base_url="http://sandbox.test/api/v1",
        headers={"Authorization": f"Bearer {key}"},
    )

    def ids(path: str) -> list[str]:
        return [row["id"] for row in client.get(path, params={"limit": 100}).json()["data"]]

    persona = ids("/personas")[0]
    posts = client.get(f"/personas/{persona}/generated-posts", params={"limit": 100}).json()["data"]
    items = [item["id"] for post in posts for item in post["media_items"]]
    found = {
        "persona_id": [persona],
        "key_id": ids("/api-keys"),
        "source_id": ids(f"/personas/{persona}/sources"),
        "source_post_id": ids(f"/personas/{persona}/source-posts"),
        "post_id": [post["id"] for post in posts],
        "generated_post_id": [post["id"] for post in posts],
        "item_id": items,
        "generated_media_item_id": items,
        "outgoing_post_id": ids("/publishing/posts"),
        "target_id": ids(f"/personas/{persona}/publishing-targets"),
        "connected_account_id": ids("/publishing/accounts"),
        "ticket_id": ids("/feedback"),
    }
    return {name: itertools.cycle(values) for name, values in found.items() if values}


turn = itertools.count()


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_made_up_requests(case, key, there):
    if next(turn) % 2:
        for part in (case.path_parameters, case.body):
            for name in set(there) & set(part if isinstance(part, dict) else ()):
                if isinstance(part[name], str):
                    part[name] = next(there[name])
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)
