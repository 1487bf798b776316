"""A sandbox for each test, filled, with a clock that only tests move."""

from __future__ import annotations

import os
from collections.abc import Callable

import httpx
import pytest

from reviewqueue.sandbox.app import Sandbox
from reviewqueue.sandbox.seed import Seeded, fill
from tests.sandbox.contract import Api

NOON = 1_782_000_000.0


class Clock:
    """Stands still until told otherwise."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def pytest_collection_modifyitems(config, items):
    """Only a process that runs the whole contract suite can tell what the suite left out."""
    suite = [item for item in items if item.path.name == "test_contract.py"]
    last = [item for item in suite if item.originalname == "test_every_operation_was_called"]
    if not last:
        return
    defined = {name for name in vars(last[0].module) if name.startswith("test_")}
    if {item.originalname for item in suite} != defined or "PYTEST_XDIST_WORKER" in os.environ:
        items[:] = [item for item in items if item not in last]
        config.hook.pytest_deselected(items=last)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(tmp_path, clock) -> Sandbox:
    """At the documented speed, so that ages are the documented seconds."""
    return Sandbox(tmp_path, public_url="http://sandbox.test", speed=1, clock=clock, control=True)


@pytest.fixture
def seeded(sandbox) -> Seeded:
    return fill(sandbox, render=False)


@pytest.fixture
def browser(sandbox) -> httpx.Client:
    """Whoever opens pages and media, without a key."""
    return httpx.Client(transport=httpx.WSGITransport(app=sandbox), base_url="http://sandbox.test")


@pytest.fixture
def caller(browser, clock) -> Callable[[str], Api]:
    """A caller with a given key or session token."""
    return lambda key: Api(browser, key, clock.advance)


@pytest.fixture
def api(caller, seeded) -> Api:
    return caller(seeded.api_key)


@pytest.fixture
def ines(seeded) -> str:
    return seeded.personas["Ines Calder"]


@pytest.fixture
def kilo(seeded) -> str:
    return seeded.personas["Kilo North"]


@pytest.fixture
def oat(seeded) -> str:
    return seeded.personas["Oat & Ember"]


class Desk:
    """Finds and makes what tests need, through the API."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self.api, self.clock = api, clock

    def posts(self, persona_id: str, **wanted: str) -> list[dict]:
        rows = self.api.everything(f"/v1/personas/{persona_id}/generated-posts")
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    def post(self, post_id: str) -> dict:
        return self.api.get(f"/v1/generated-posts/{post_id}")["data"]

    def item(self, item_id: str) -> dict:
        return self.api.get(f"/v1/generated-media-items/{item_id}")["data"]

    def ready(self, persona_id: str, *, items: int = 1, media_type: str = "image") -> dict:
        """A post that waits for review."""
        return next(
            post
            for post in self.posts(persona_id, status="completed", review_status="pending_review")
            if len(post["media_items"]) == items
            and post["media_items"][0]["media_type"] == media_type
            and post["outgoing_post_id"] is None
        )

    def source_post(self, persona_id: str, *, items: int = 1, media_type: str = "image") -> dict:
        return next(
            post
            for post in self.api.everything(f"/v1/personas/{persona_id}/source-posts")
            if len(post["media_items"]) == items and post["media_items"][0]["media_type"] == media_type
        )

    def generate(self, persona_id: str, source_post_id: str) -> str:
        body = {"source_post_id": source_post_id, "persona_id": persona_id}
        return self.api.post("/v1/generate", body, status=202)["generated_post_id"]

    def generated(self, persona_id: str, **wanted) -> dict:
        """A post made from a source post, from start to end."""
        post_id = self.generate(persona_id, self.source_post(persona_id, **wanted)["id"])
        self.clock.advance(400)
        return self.post(post_id)

    def balance(self) -> int:
        return self.api.get("/v1/billing/balance")["data"]["balance_cents"]

    def transactions(self) -> list[dict]:
        return self.api.everything("/v1/billing/transactions")


@pytest.fixture
def desk(api, clock) -> Desk:
    return Desk(api, clock)
