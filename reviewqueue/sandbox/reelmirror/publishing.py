"""Connected accounts, their slots, and which persona publishes to which of them."""

from __future__ import annotations

import random

from reviewqueue.sandbox import fields, samples, visits
from reviewqueue.sandbox.context import Call, Context, Page
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.store import Row

from . import billing, personas, sources

FREE_SLOTS = 1
MOST_SLOTS = 100


# Accounts


def list_accounts(call: Call) -> Page:
    limit, offset = fields.page(call.query)
    rows = call.rows.all(
        "SELECT * FROM accounts ORDER BY connected_at, rowid LIMIT ? OFFSET ?", limit, offset
    )
    return Page([show_account(call, row) for row in rows], call.rows.value("SELECT COUNT(*) FROM accounts"))


def show_account(context: Context, row: Row) -> dict:
    return {
        "id": row["id"],
        "platform": row["platform"],
        "username": row["username"],
        "status": row["status"],
        "avatar_url": context.link(row["avatar_file"]),
        "connected_at": fields.stamp(row["connected_at"]),
    }


def begin_connecting(call: Call) -> dict:
    """The address of a consent page. Without a free slot there is none to be had: 402."""
    platform = call.query.get("platform")
    if platform not in sources.PLATFORMS:
        raise Problem(400, "Invalid query: platform must be instagram or tiktok", field="platform")
    check_slot(call)
    return {"authUrl": visits.open_visit(call, "connect", platform=platform)}


def check_slot(context: Context) -> None:
    slots = count_slots(context)
    if slots["available"] < 1:
        raise Problem(
            402, "No free account slot: buy one first", purchased=slots["purchased"], used=slots["used"]
        )


def connect(context: Context, platform: str, username: str, *, avatar_box: list[float] | None = None) -> str:
    """Connect an account, as the consent page does. One that is there already becomes active again."""
    known = context.rows.value(
        "SELECT id FROM accounts WHERE platform = ? AND username = ?", platform, username
    )
    if known:
        context.rows.change("accounts", known, status="active", connected_at=context.now)
        return known
    account = random.Random(username).choice(samples.accounts())  # noqa: S311 – a picture, not a secret
    still = samples.sources(account, "image")[-1].file
    return context.rows.add(
        "accounts",
        platform=platform,
        username=username,
        status="active",
        avatar_file=context.keep({"kind": "avatar", "file": still, "box": avatar_box or [0, 0, 1, 1]}),
        connected_at=context.now,
    )


# Slots: the first is free, each further one 300 cents a month, paid by card and not from the balance.


def count_slots(context: Context) -> dict:
    account = billing.account(context)
    used = context.rows.value("SELECT COUNT(*) FROM accounts")
    return {
        "purchased": account["slots_purchased"],
        "used": used,
        "available": max(0, FREE_SLOTS + account["slots_purchased"] - used),
        "subscriptionId": account["subscription_id"],
    }


def read_slots(call: Call) -> dict:
    return count_slots(call)


def purchase_slots(call: Call) -> dict:
    """Set the number of paid slots. Without a card nothing changes: the reply names a page to save one on."""
    body = call.body
    wanted = body.integer("slots", 0, MOST_SLOTS)
    return_to = body.text("returnUrl", longest=500) if "returnUrl" in body else None
    account = billing.account(call)
    if not account["has_card"]:
        url = visits.open_visit(call, "slots", slots=wanted, return_to=return_to)
        return {
            "purchased": account["slots_purchased"],
            "subscriptionId": account["subscription_id"],
            "checkoutUrl": url,
        }
    if wanted != account["slots_purchased"]:
        set_slots(call, wanted)
        call.effect("set_slots", account["id"])
    after = billing.account(call)
    return {
        "purchased": after["slots_purchased"],
        "subscriptionId": after["subscription_id"],
        "checkoutUrl": None,
    }


def set_slots(context: Context, wanted: int) -> None:
    if FREE_SLOTS + wanted < context.rows.value("SELECT COUNT(*) FROM accounts"):
        raise Problem(400, "More accounts are connected than that", field="slots")
    account = billing.account(context)
    subscription = (account["subscription_id"] or f"sub_{account['id'][:8]}Sandbox") if wanted else None
    context.rows.change("account", account["id"], slots_purchased=wanted, subscription_id=subscription)


# Targets


def linked_accounts(context: Context, persona_id: str) -> list[str]:
    """Ids of the active accounts linked to a persona."""
    rows = context.rows.all(
        "SELECT accounts.id FROM targets JOIN accounts ON accounts.id = account_id"
        " WHERE persona_id = ? AND deleted_at IS NULL AND status = 'active' ORDER BY targets.rowid",
        persona_id,
    )
    return [row["id"] for row in rows]


LINKED = "FROM targets JOIN accounts ON accounts.id = account_id WHERE persona_id = ? AND deleted_at IS NULL"


def list_targets(call: Call) -> Page:
    persona = personas.find(call, call.params["persona_id"])
    rows = call.rows.all(
        f"SELECT targets.*, platform, username {LINKED} ORDER BY targets.rowid", persona["id"]
    )
    return Page([show_target(row) for row in rows], len(rows))


def show_target(row: Row) -> dict:
    return {
        "id": row["id"],
        "persona_id": row["persona_id"],
        "connected_account_id": row["account_id"],
        "platform": row["platform"],
        "username": row["username"],
        "created_at": fields.stamp(row["created_at"]),
    }


def add_target(call: Call) -> dict:
    persona = personas.find(call, call.params["persona_id"])
    account = call.rows.get("accounts", call.body.uuid("connected_account_id"))
    if account is None:
        raise Problem(404, "Connected account not found")
    if call.rows.value(f"SELECT 1 {LINKED} AND account_id = ?", persona["id"], account["id"]):
        raise Problem(409, "Account is linked to this persona already")
    target_id = link(call, persona["id"], account["id"])
    call.effect("link_account", persona["id"], target_id)
    row = call.rows.one(
        f"SELECT targets.*, platform, username {LINKED} AND targets.id = ?", persona["id"], target_id
    )
    return show_target(row)


def link(context: Context, persona_id: str, account_id: str) -> str:
    return context.rows.add("targets", persona_id=persona_id, account_id=account_id, created_at=context.now)


def remove_target(call: Call) -> dict:
    row = call.rows.get("targets", call.params["target_id"])
    if row is None or row["persona_id"] != call.params["persona_id"] or row["deleted_at"] is not None:
        raise Problem(404, "Publishing target not found")
    call.rows.change("targets", row["id"], deleted_at=call.now)
    call.effect("unlink_account", row["id"])
    return {"status": "deleted"}
