"""API keys, session tokens, and signing up.

A key is `rm_` and 32 random characters; the store keeps its SHA-256 only. Session tokens stand for a person
in the service's own pages: all scopes, twice the requests.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets

from reviewqueue.sandbox import fields
from reviewqueue.sandbox.context import Call, Context, Page
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.pace import SIGNUP_WINDOW_SECONDS
from reviewqueue.sandbox.store import Row

SCOPES = (
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
DEFAULT_SCOPES = tuple(scope for scope in SCOPES if not scope.startswith(("billing:", "feedback:")))
REQUESTS_A_MINUTE = {"key": 60, "session": 120}
SIGNUPS_PER_ADDRESS = 5
PREFIX_LENGTH = 7


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def issue(
    context: Context,
    name: str,
    scopes: tuple[str, ...] | list[str] = SCOPES,
    *,
    kind: str = "key",
    monthly_limit_cents: int | None = None,
) -> tuple[Row, str]:
    """Make a key or session token. Its secret is returned here and never again."""
    secret = ("rm_" if kind == "key" else "jwt_sandbox_") + secrets.token_hex(16)
    token_id = context.rows.add(
        "tokens",
        kind=kind,
        name=name,
        hash=digest(secret),
        prefix=secret[:PREFIX_LENGTH],
        scopes=json.dumps(list(scopes)),
        monthly_limit_cents=monthly_limit_cents,
        created_at=context.now,
    )
    return context.rows.get("tokens", token_id), secret


def show(row: Row) -> dict:
    return {
        "id": row["id"],
        "name": row["name"],
        "scopes": json.loads(row["scopes"]),
        "monthly_limit_cents": row["monthly_limit_cents"],
        "created_at": fields.stamp(row["created_at"]),
        "key_prefix": row["prefix"],
        "last_used_at": fields.stamp(row["last_used_at"]),
    }


def list_keys(call: Call) -> Page:
    limit, offset = fields.page(call.query)
    live = "FROM tokens WHERE kind = 'key' AND revoked_at IS NULL"
    rows = call.rows.all(
        f"SELECT * {live} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?", limit, offset
    )
    return Page([show(row) for row in rows], call.rows.value(f"SELECT COUNT(*) {live}"))


def create_key(call: Call) -> dict:
    body = call.body
    name = body.text("name", longest=200, blank=False)
    scopes = list(DEFAULT_SCOPES)
    if "scopes" in body:
        wanted = body.values["scopes"]
        if not isinstance(wanted, list) or not all(isinstance(s, str) and s in SCOPES for s in wanted):
            raise body.wrong("scopes", "a list of " + ", ".join(SCOPES))
        scopes = list(dict.fromkeys(wanted))
    limit = None
    if body.values.get("monthly_limit_cents") is not None:
        limit = body.integer("monthly_limit_cents", 100, 1_000_000)
    row, secret = issue(call, name, scopes, monthly_limit_cents=limit)
    call.effect("create_key", row["id"])
    shown = show(row)
    return {
        "id": shown["id"],
        "name": shown["name"],
        "key": secret,
        "scopes": shown["scopes"],
        "created_at": shown["created_at"],
        "monthly_limit_cents": limit,
    }


def revoke_key(call: Call) -> dict:
    row = call.rows.get("tokens", call.params["key_id"])
    if row is None or row["kind"] != "key" or row["revoked_at"] is not None:
        raise Problem(404, "API key not found")
    call.rows.change("tokens", row["id"], revoked_at=call.now)
    call.effect("revoke_key", row["id"])
    return {"status": "deleted"}


def sign_up(call: Call) -> dict:
    """Begin an account of its own. The mailed link is never sent, so it stays unconfirmed."""
    body = call.body
    email = body.text("email", longest=254)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", email):
        raise body.wrong("email", "an e-mail address")
    if len(body.text("password")) < 8:
        raise body.wrong("password", "at least 8 characters long")
    count_signup(call)
    if call.rows.value("SELECT 1 FROM signups WHERE email = ?", email.lower()):
        raise Problem(409, "An account with this e-mail exists already")
    user_id = call.rows.new_id()
    call.rows.run("INSERT INTO signups VALUES (?, ?, ?)", user_id, email.lower(), call.now)
    call.effect("sign_up", user_id)
    return {"status": "pending_confirmation", "user_id": user_id}


def count_signup(call: Call) -> None:
    window = call.pace.rule(SIGNUP_WINDOW_SECONDS)
    used, ends_at = count(call, f"signup {call.request.address}", SIGNUPS_PER_ADDRESS, window)
    if used > SIGNUPS_PER_ADDRESS:
        raise Problem(
            429, "Too many sign-ups from this address", {"X-RateLimit-Reset": str(int(ends_at) + 1)}
        )


# Who is calling, and how often


def caller(context: Context, authorization: str) -> Row | None:
    """The live token a request carries, or None."""
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        return None
    return context.rows.one(
        "SELECT * FROM tokens WHERE hash = ? AND revoked_at IS NULL", digest(secret.strip())
    )


def check_scope(token: Row, scope: str | None) -> None:
    if scope and scope not in json.loads(token["scopes"]):
        raise Problem(
            403, f"Missing scope: {scope}", required_scope=scope, scopes=json.loads(token["scopes"])
        )


def count(context: Context, who: str, allowed: int, window_seconds: float) -> tuple[int, float]:
    """Count one request in the caller's window, up to one above what is allowed. Returns used and the end."""
    row = context.rows.one("SELECT * FROM windows WHERE caller = ?", who)
    fresh = row is None or context.now >= row["ends_at"]
    used = 1 if fresh else min(row["used"], allowed) + 1
    ends_at = context.now + window_seconds if fresh else row["ends_at"]
    context.rows.run("INSERT OR REPLACE INTO windows VALUES (?, ?, ?)", who, ends_at, used)
    return used, ends_at
