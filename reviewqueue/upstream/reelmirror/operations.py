"""Every operation of the ReelMirror client as data: where it goes, which scope it needs, what a repeat is."""

from dataclasses import dataclass, field
from typing import Literal

from reviewqueue.upstream.reelmirror.inferred import FIELDS, INFERRED

# read: changes nothing. absolute: sets a value, deletes an id or rejects, so that a repeat changes nothing
# more. effectful: a repeat may charge, publish or make another one; it is never repeated blindly.
Effect = Literal["read", "absolute", "effectful"]

# All 16 scopes of the newer pages; the older ones know nine. Billing and feedback have to be asked for.
ALL_SCOPES = (
    "personas:read",
    "personas:write",
    "sources:read",
    "sources:write",
    "content:read",
    "content:write",
    "sync:write",
    "uploads:write",
    "billing:read",
    "billing:write",
    "publishing:read",
    "publishing:write",
    "profile:read",
    "profile:write",
    "feedback:read",
    "feedback:write",
)


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` is noun and method of the client, `scope` "" when none is needed.

    `fields`: our names of body fields → the service's, where they are guesses.
    """

    name: str
    method: str
    path: str
    scope: str
    effect: Effect
    documented: bool
    fields: dict[str, str] = field(default_factory=dict)


DOCUMENTED: dict[str, tuple[str, str, str, Effect]] = {
    "auth.sign_up": ("POST", "/v1/auth/signup", "", "effectful"),
    "keys.list": ("GET", "/v1/api-keys", "", "read"),
    "keys.create": ("POST", "/v1/api-keys", "", "effectful"),
    "keys.revoke": ("DELETE", "/v1/api-keys/{key_id}", "", "absolute"),
    "personas.create": ("POST", "/v1/personas", "personas:write", "effectful"),
    "personas.update": ("PATCH", "/v1/personas/{persona_id}", "personas:write", "absolute"),
    "sources.add": ("POST", "/v1/personas/{persona_id}/sources", "sources:write", "absolute"),
    "sources.update": (
        "PATCH",
        "/v1/personas/{persona_id}/sources/{source_id}",
        "sources:write",
        "absolute",
    ),
    "syncs.start": ("POST", "/v1/personas/{persona_id}/sync", "sync:write", "effectful"),
    "syncs.get": ("GET", "/v1/sync-jobs/{job_id}", "content:read", "read"),
    "source_posts.list": ("GET", "/v1/personas/{persona_id}/source-posts", "content:read", "read"),
    "generation.start": ("POST", "/v1/generate", "content:write", "effectful"),
    "generation.clone": ("POST", "/v1/clone-url", "content:write", "effectful"),
    "generation.regenerate_post": ("POST", "/v1/generate/regenerate-post", "content:write", "effectful"),
    "generation.regenerate_item": ("POST", "/v1/generate/media-item", "content:write", "effectful"),
    "generation.convert_voice": ("POST", "/v1/generate/voice-convert", "content:write", "effectful"),
    "generation.set_public": ("POST", "/v1/generate/toggle-public", "content:write", "absolute"),
    "posts.list": ("GET", "/v1/personas/{persona_id}/generated-posts", "content:read", "read"),
    "posts.get": ("GET", "/v1/generated-posts/{post_id}", "content:read", "read"),
    "posts.delete": ("DELETE", "/v1/generated-posts/{post_id}", "content:write", "absolute"),
    "posts.approve": ("POST", "/v1/generated-posts/{post_id}/approve", "content:write", "effectful"),
    "posts.reject": ("POST", "/v1/generated-posts/{post_id}/reject", "content:write", "absolute"),
    "posts.send_to_compose": (
        "POST",
        "/v1/generated-posts/{post_id}/send-to-compose",
        "content:write",
        "effectful",
    ),
    "items.get": ("GET", "/v1/generated-media-items/{item_id}", "content:read", "read"),
    "items.delete": ("DELETE", "/v1/generated-media-items/{item_id}", "content:write", "absolute"),
    "items.reject": ("POST", "/v1/generated-media-items/{item_id}/reject", "content:write", "absolute"),
    "accounts.list": ("GET", "/v1/publishing/accounts", "publishing:read", "read"),
    "accounts.connect_link": ("GET", "/v1/publishing/accounts/connect", "publishing:write", "read"),
    "accounts.slots": ("GET", "/v1/publishing/accounts/slots", "publishing:read", "read"),
    # a total, not an increment, but each slot costs by the month: repeat only after looking
    "accounts.set_slots": ("POST", "/v1/publishing/accounts/slots", "publishing:write", "effectful"),
    "targets.list": ("GET", "/v1/personas/{persona_id}/publishing-targets", "publishing:read", "read"),
    "targets.add": ("POST", "/v1/personas/{persona_id}/publishing-targets", "publishing:write", "absolute"),
    "outgoing.create": ("POST", "/v1/publishing/posts", "publishing:write", "effectful"),
    "outgoing.get": ("GET", "/v1/publishing/posts/{outgoing_post_id}", "publishing:read", "read"),
    "billing.balance": ("GET", "/v1/billing/balance", "billing:read", "read"),
    "billing.set_auto_reload": ("PATCH", "/v1/billing/balance", "billing:write", "absolute"),
    "billing.transactions": ("GET", "/v1/billing/transactions", "billing:read", "read"),
    # nothing happens until a person acts in the browser
    "billing.top_up": ("POST", "/v1/billing/topup", "billing:write", "absolute"),
    "billing.setup_intent": ("POST", "/v1/billing/setup-intent", "billing:write", "absolute"),
    # the new file takes the place of the old
    "uploads.from_file": ("POST", "/v1/uploads", "uploads:write", "absolute"),
    "uploads.from_url": ("POST", "/v1/uploads", "uploads:write", "absolute"),
}

OPERATIONS: dict[str, Operation] = {
    name: Operation(name, *facts, documented=name in DOCUMENTED, fields=FIELDS.get(name, {}))
    for name, facts in (DOCUMENTED | INFERRED).items()
}

SCOPES: dict[str, str] = {name: operation.scope for name, operation in OPERATIONS.items()}
