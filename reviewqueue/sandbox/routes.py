"""Every operation of the contract: its address, its handler, the scope it needs, the form of its reply."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .context import Call, Page
from .fields import is_uuid
from .http import Problem
from .reelmirror import (
    billing,
    generating,
    items,
    keys,
    outgoing,
    people,
    personas,
    publishing,
    review,
    sources,
    syncing,
)

ENVELOPED, BARE = "enveloped", "bare"
#: Names of forms a caller may ask for with `Prefer: example=NAME`.
FORMS = (ENVELOPED, BARE, "post_keyed", "older_bare")


@dataclass(frozen=True)
class Route:
    """One operation. `form` is how a single object is wrapped when nobody asks for another form."""

    method: str
    template: str
    handler: Callable[[Call], dict | Page]
    scope: str | None = None
    status: int = 200
    form: str = ENVELOPED
    open_to_all: bool = False
    writes: bool = False

    @property
    def pattern(self) -> str:
        return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)


PERSONA = "/v1/personas/{persona_id}"
POST = "/v1/generated-posts/{post_id}"
ITEM = "/v1/generated-media-items/{item_id}"
OUTGOING = "/v1/publishing/posts/{outgoing_post_id}"

ROUTES = (
    Route("POST", "/v1/auth/signup", keys.sign_up, status=201, open_to_all=True),
    Route("GET", "/v1/api-keys", keys.list_keys),
    Route("POST", "/v1/api-keys", keys.create_key, status=201),
    Route("DELETE", "/v1/api-keys/{key_id}", keys.revoke_key, form=BARE),
    Route("GET", "/v1/personas", personas.list_personas, "personas:read"),
    Route("POST", "/v1/personas", personas.create_persona, "personas:write", 201),
    Route("GET", PERSONA, personas.read_persona, "personas:read"),
    Route("PATCH", PERSONA, personas.change_persona, "personas:write"),
    Route("DELETE", PERSONA, personas.delete_persona, "personas:write", form=BARE),
    Route("GET", PERSONA + "/sources", sources.list_sources, "sources:read"),
    Route("POST", PERSONA + "/sources", sources.add_source, "sources:write", 201),
    Route("PATCH", PERSONA + "/sources/{source_id}", sources.change_source, "sources:write"),
    Route("DELETE", PERSONA + "/sources/{source_id}", sources.remove_source, "sources:write", form=BARE),
    Route("POST", PERSONA + "/sync", syncing.trigger, "sync:write", 202, BARE),
    Route("GET", "/v1/sync-jobs/{job_id}", syncing.read_job, "content:read"),
    Route("GET", PERSONA + "/source-posts", sources.list_source_posts, "content:read"),
    Route("POST", "/v1/generate", generating.generate, "content:write", 202, BARE),
    Route("POST", "/v1/clone-url", generating.clone_url, "content:write", 202, BARE),
    Route("POST", "/v1/generate/regenerate-post", generating.regenerate_post, "content:write", 202, BARE),
    Route("POST", "/v1/generate/media-item", generating.regenerate_item, "content:write", 202, BARE),
    Route("POST", "/v1/generate/voice-convert", items.convert_voice, "content:write", 202, BARE),
    Route("POST", "/v1/generate/toggle-public", items.toggle_public, "content:write", form=BARE),
    Route("GET", PERSONA + "/generated-posts", generating.list_posts, "content:read"),
    Route("GET", POST, generating.read_post, "content:read"),
    Route("DELETE", POST, items.delete_post, "content:write", form=BARE),
    Route("GET", ITEM, generating.read_item, "content:read"),
    Route("DELETE", ITEM, items.delete_item, "content:write", form=BARE),
    Route("POST", POST + "/approve", review.approve, "content:write", form=BARE),
    Route("POST", POST + "/reject", review.reject, "content:write", form=BARE),
    Route("POST", POST + "/send-to-compose", review.send_to_compose, "content:write", form=BARE),
    Route("POST", ITEM + "/reject", review.reject_item, "content:write", form=BARE),
    Route("GET", "/v1/publishing/accounts", publishing.list_accounts, "publishing:read"),
    Route(
        "GET",
        "/v1/publishing/accounts/connect",
        publishing.begin_connecting,
        "publishing:write",
        form=BARE,
        writes=True,
    ),
    Route("GET", "/v1/publishing/accounts/slots", publishing.read_slots, "publishing:read", form=BARE),
    Route("POST", "/v1/publishing/accounts/slots", publishing.purchase_slots, "publishing:write"),
    Route("GET", PERSONA + "/publishing-targets", publishing.list_targets, "publishing:read"),
    Route("POST", PERSONA + "/publishing-targets", publishing.add_target, "publishing:write", 201),
    Route(
        "DELETE",
        PERSONA + "/publishing-targets/{target_id}",
        publishing.remove_target,
        "publishing:write",
        form=BARE,
    ),
    Route("GET", "/v1/publishing/posts", outgoing.list_outgoing, "publishing:read"),
    Route("POST", "/v1/publishing/posts", outgoing.create, "publishing:write", 201),
    Route("GET", OUTGOING, outgoing.read, "publishing:read"),
    Route("PATCH", OUTGOING, outgoing.change, "publishing:write"),
    Route("DELETE", OUTGOING, outgoing.delete, "publishing:write", form=BARE),
    Route("POST", OUTGOING + "/publish", outgoing.publish, "publishing:write", 202),
    Route("POST", OUTGOING + "/schedule", outgoing.schedule, "publishing:write"),
    Route("GET", "/v1/billing/balance", billing.read_balance, "billing:read"),
    Route("PATCH", "/v1/billing/balance", billing.change_auto_reload, "billing:write"),
    Route("GET", "/v1/billing/transactions", billing.list_transactions, "billing:read"),
    Route("POST", "/v1/billing/topup", billing.start_topup, "billing:write"),
    Route("POST", "/v1/billing/setup-intent", billing.start_setup, "billing:write", form=BARE),
    Route("POST", "/v1/uploads", personas.upload, "uploads:write", 201),
    Route("GET", "/v1/profile", people.read_profile, "profile:read"),
    Route("PATCH", "/v1/profile", people.change_profile, "profile:write"),
    Route("GET", "/v1/feedback", people.list_tickets, "feedback:read"),
    Route("POST", "/v1/feedback", people.open_ticket, "feedback:write", 201),
    Route("GET", "/v1/feedback/{ticket_id}", people.read_ticket, "feedback:read"),
    Route("POST", "/v1/feedback/{ticket_id}/replies", people.reply_to_ticket, "feedback:write", 201),
)

#: Addresses with and without parameters, the plain ones first: `/connect` is not an id.
BY_PATTERN: dict[str, list[Route]] = {}
for _route in sorted(ROUTES, key=lambda route: route.template.count("{")):
    BY_PATTERN.setdefault(_route.pattern, []).append(_route)
COMPILED = [(re.compile(pattern), routes) for pattern, routes in BY_PATTERN.items()]


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request under `/api`, and the ids in its path.

    Raises Problem 404 for an unknown address (an id that is no UUID is one), 405 for an unknown method.
    """
    for pattern, routes in COMPILED:
        match = pattern.fullmatch(path.removeprefix("/api"))
        if not match:
            continue
        for route in routes:
            if route.method == method:
                if not all(is_uuid(value) for value in match.groupdict().values()):
                    raise Problem(404, "Not found")
                return route, {name: value.lower() for name, value in match.groupdict().items()}
        raise Problem(405, "Method not allowed", {"Allow": ", ".join(route.method for route in routes)})
    raise Problem(404, "Not found")


def shaped(route: Route, result: dict | Page, form: str) -> dict:
    """A handler's result in the reply form asked for, or in the route's own."""
    if isinstance(result, Page):
        rows = result.data
        if form == "older_bare" and route.handler is billing.list_transactions:
            rows = [
                {("type" if name == "operation_type" else name): row[name] for name in row} for row in rows
            ]
        return {"data": rows, "count": result.count}
    is_outgoing = route.template.startswith("/v1/publishing/posts") and "deliveries" in result
    if form == "post_keyed" and is_outgoing:
        return {"post": result}
    if form == "older_bare":
        return older(result)
    if form == BARE or (form != ENVELOPED and route.form == BARE):
        return result
    return {"data": result}


def older(result: dict) -> dict:
    """The older copy's form: bare, and the balance with its older names and dollars as a number."""
    if "balance_dollars" not in result:
        return result
    return {
        "balance_cents": result["balance_cents"],
        "balance_dollars": result["balance_cents"] / 100,
        "auto_reload_enabled": result["auto_reload"],
        "auto_reload_amount_cents": result["reload_amount_cents"],
        "auto_reload_threshold_cents": result["reload_threshold_cents"],
    }
