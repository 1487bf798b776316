"""Checking answers against the written contract, and a plain HTTP caller that checks every one of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml
from openapi_schema_validator import OAS31Validator, oas31_format_checker

CONTRACT = Path(__file__).parents[1] / "contracts" / "reelmirror.openapi.yaml"
LIMIT_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")

#: What the contract's lists of answers leave out, though its error envelope covers it: lists with a page that
#: does not exist, methods and addresses that do not, and answers a gateway gives.
UNLISTED = {400, 404, 405, 504}


@cache
def document() -> dict[str, Any]:
    return yaml.load(CONTRACT.read_text(), yaml.CSafeLoader)  # in C: a sixth of the work


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        target: Any = document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


@cache
def operations() -> dict[str, tuple[re.Pattern[str], str, dict[str, Any]]]:
    """By operation id: a pattern of its path, its method, and what the contract says of it."""
    found = {}
    for path, methods in document()["paths"].items():
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for method, operation in methods.items():
            found[operation["operationId"]] = (pattern, method.upper(), operation)
    return found


def operation_of(method: str, path: str) -> str:
    """The operation a request is for; plain paths win over those with ids in them."""
    matching = [
        (name, pattern)
        for name, (pattern, verb, _) in operations().items()
        if verb == method and pattern.fullmatch(path)
    ]
    assert matching, f"not in the contract: {method} {path}"
    return min(matching, key=lambda each: each[1].pattern.count("[^/]+"))[0]


@cache
def validator(operation_id: str, status: int) -> OAS31Validator:
    responses = operations()[operation_id][2]["responses"]
    response = resolved(responses.get(str(status)) or document()["components"]["responses"]["BadRequest"])
    schema = response["content"]["application/json"]["schema"]
    whole = {**schema, "components": document()["components"]}
    return OAS31Validator(whole, format_checker=oas31_format_checker)


def check(response: httpx.Response, path: str) -> str:
    """Assert that an answer is one the contract allows; returns the operation's id."""
    operation_id = operation_of(response.request.method, path)
    status = response.status_code
    listed = {int(code) for code in operations()[operation_id][2]["responses"]}
    assert status in listed | UNLISTED, f"{operation_id} answered {status}: {response.text}"
    assert response.headers["Content-Type"].split(";")[0] == "application/json"
    for header in LIMIT_HEADERS:
        assert response.headers[header].isdecimal(), header
    errors = list(validator(operation_id, status).iter_errors(response.json()))
    assert not errors, f"{operation_id} {status}: {errors[0].message} in {response.text[:500]}"
    return operation_id


class Api:
    """A caller of raw HTTP. Every answer is held against the contract; `wait` passes time."""

    def __init__(self, client: httpx.Client, key: str, wait: Callable[[float], None]) -> None:
        self.client, self.key, self.wait = client, key, wait
        self.seen: set[str] = set()

    def send(
        self, method: str, path: str, body: Any = None, *, status: int | None = None, **options: Any
    ) -> Any:
        """Send one request and return the answer's JSON. With `status`, that is what must come back."""
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        response = self.client.request(method, "/api" + path, headers=headers, **options)
        self.seen.add(check(response, path.partition("?")[0]))
        if status is None:
            assert response.is_success, f"{method} {path} answered {response.status_code}: {response.text}"
        else:
            assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        self.last = response
        if response.headers["X-RateLimit-Remaining"] == "0":
            self.wait(61)
        return response.json()

    def get(self, path: str, **options: Any) -> Any:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.send("POST", path, body, **options)

    def patch(self, path: str, body: Any, **options: Any) -> Any:
        return self.send("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.send("DELETE", path, **options)

    def everything(self, path: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(f"{path}?limit=100&offset={len(rows)}")
            rows += page["data"]
            if len(rows) >= page["count"] or not page["data"]:
                return rows

    def until(self, ready: Callable[[], Any], *, every: float, at_most: float) -> Any:
        """Poll until `ready` answers something, as a client would."""
        waited = 0.0
        while not (found := ready()):
            assert waited < at_most, "took longer than the contract allows"
            self.wait(every)
            waited += every
        return found


def wrapped(value: dict[str, Any]) -> dict[str, Any]:
    """An object out of its envelope, whichever it came in."""
    for name in ("data", "post"):
        if isinstance(value.get(name), dict):
            return value[name]
    return value


def sleep(seconds: float) -> None:
    time.sleep(seconds)
