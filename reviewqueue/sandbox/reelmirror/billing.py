"""Prices, charges, refunds, the balance and its automatic reload.

Prices are those of https://reelmirror.com/docs/guides/billing (newer copy), in cents; a charge is rounded up
to a whole cent.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from reviewqueue.sandbox import fields, visits
from reviewqueue.sandbox.context import Call, Context, Page
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.store import Row

IMAGE_CENTS, DISCOUNT_IMAGE_CENTS = 32, 26
VIDEO_SECOND_CENTS, DISCOUNT_VIDEO_SECOND_CENTS = 15, 12
VOICE_SECOND_CENTS = 0.5
SYNC_REQUEST_CENTS, SYNC_REQUESTS_PER_CREATOR = 3, 3
WELCOME_CENTS = 500

#: Stands for the key that is calling, to which a charge is counted.
CALLER = "caller"

#: No page lists the fixed set of amounts; these are ours.
TOPUP_CENTS = (1000, 2500, 5000, 10_000)


# Prices


def item_cents(media_type: str, duration_seconds: float | None, *, discount: bool) -> int:
    if media_type == "image":
        return DISCOUNT_IMAGE_CENTS if discount else IMAGE_CENTS
    second = DISCOUNT_VIDEO_SECOND_CENTS if discount else VIDEO_SECOND_CENTS
    return math.ceil(round(second * duration_seconds, 6))


def voice_cents(duration_seconds: float) -> int:
    return math.ceil(round(VOICE_SECOND_CENTS * duration_seconds, 6))


def sync_cents() -> int:
    return SYNC_REQUEST_CENTS * SYNC_REQUESTS_PER_CREATOR


# Charges. Callers first `require` the whole sum, then `charge` each part of it.


def account(context: Context) -> Row:
    return context.rows.one("SELECT * FROM account")


def require(context: Context, cents: int) -> None:
    """Refuse with 402 what the balance, or the key's monthly limit, does not cover."""
    balance = account(context)["balance_cents"]
    token = context.rows.get("tokens", context.origin.token_id) if context.origin.token_id else None
    if token and token["monthly_limit_cents"] is not None:
        spent = spent_this_month(context, token["id"])
        if spent + cents > token["monthly_limit_cents"]:
            raise Problem(
                402,
                "Monthly limit of this key reached",
                required_cents=cents,
                balance_cents=balance,
                monthly_limit_cents=token["monthly_limit_cents"],
                spent_this_month_cents=spent,
            )
    if cents > balance:
        raise Problem(402, "Insufficient balance", required_cents=cents, balance_cents=balance)


def spent_this_month(context: Context, token_id: str) -> int:
    """What a key spent, less refunds, since the month began (UTC)."""
    now = datetime.fromtimestamp(context.now, UTC)
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    query = "SELECT -COALESCE(SUM(amount_cents), 0) FROM transactions WHERE token_id = ? AND created_at >= ?"
    return context.rows.value(query, token_id, start)


def charge(
    context: Context,
    cents: int,
    operation_type: str,
    description: str,
    *,
    post_id: str | None = None,
    item_id: str | None = None,
) -> None:
    """Take money for an operation, and reload by card if that leaves too little."""
    enter(context, -cents, operation_type, description, post_id=post_id, item_id=item_id)
    after = account(context)
    if (
        after["auto_reload"]
        and after["has_card"]
        and after["balance_cents"] < after["reload_threshold_cents"]
    ):
        enter(context, after["reload_amount_cents"], "deposit", "Automatic reload", token_id=None)
        context.effect("auto_reload", after["id"])


def refund(context: Context, item: Row) -> None:
    """Give back what a failed item cost."""
    charged = context.rows.one(
        "SELECT * FROM transactions WHERE generated_media_item_id = ? AND operation_type = 'generation'",
        item["id"],
    )
    enter(
        context,
        -charged["amount_cents"],
        "refund",
        f"Refund: {charged['description']}",
        post_id=item["post_id"],
        item_id=item["id"],
        refund_of_id=charged["id"],
        token_id=charged["token_id"],
    )


def enter(
    context: Context,
    cents: int,
    operation_type: str,
    description: str,
    *,
    post_id: str | None = None,
    item_id: str | None = None,
    refund_of_id: str | None = None,
    token_id: str | None = CALLER,
) -> str:
    """Write a transaction and move the balance with it, so that the two can never differ."""
    context.rows.run("UPDATE account SET balance_cents = balance_cents + ?", cents)
    return context.rows.add(
        "transactions",
        amount_cents=cents,
        operation_type=operation_type,
        description=description,
        created_at=context.now,
        generated_post_id=post_id,
        generated_media_item_id=item_id,
        refund_of_id=refund_of_id,
        token_id=context.origin.token_id if token_id == CALLER else token_id,
    )


def save_card(context: Context) -> None:
    """Keep a card. The first one ever brings the welcome credit."""
    if not account(context)["welcomed"]:
        enter(context, WELCOME_CENTS, "bonus", "Welcome credit", token_id=None)
    context.rows.run("UPDATE account SET has_card = 1, welcomed = 1")


# Answers


def show(row: Row) -> dict:
    return {
        "balance_cents": row["balance_cents"],
        "balance_dollars": f"{row['balance_cents'] / 100:.2f}",
        "auto_reload": bool(row["auto_reload"]),
        "reload_threshold_cents": row["reload_threshold_cents"],
        "reload_amount_cents": row["reload_amount_cents"],
    }


def read_balance(call: Call) -> dict:
    return show(account(call))


def change_auto_reload(call: Call) -> dict:
    body = call.body
    body.at_least_one("auto_reload", "reload_threshold_cents", "reload_amount_cents")
    wanted = {}
    if "auto_reload" in body:
        wanted["auto_reload"] = body.flag("auto_reload")
    if "reload_threshold_cents" in body:
        wanted["reload_threshold_cents"] = body.integer("reload_threshold_cents", 0, 5000)
    if "reload_amount_cents" in body:
        wanted["reload_amount_cents"] = body.integer("reload_amount_cents", 100, 5000)
    before = account(call)
    if not before["has_card"]:
        return {"setup_url": visits.open_visit(call, "card")}
    after = {**dict(before), **wanted}
    if after["auto_reload"] and None in (after["reload_threshold_cents"], after["reload_amount_cents"]):
        raise Problem(400, "Automatic reload needs a threshold and an amount", field="auto_reload")
    if any(before[name] != value for name, value in wanted.items()):
        call.rows.change("account", before["id"], **wanted)
        call.effect("set_auto_reload", before["id"])
    return show(account(call))


def list_transactions(call: Call) -> Page:
    limit, offset = fields.page(call.query)
    rows = call.rows.all(
        "SELECT * FROM transactions ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?", limit, offset
    )
    return Page([show_transaction(row) for row in rows], call.rows.value("SELECT COUNT(*) FROM transactions"))


def show_transaction(row: Row) -> dict:
    return {
        "id": row["id"],
        "amount_cents": row["amount_cents"],
        "operation_type": row["operation_type"],
        "description": row["description"],
        "created_at": fields.stamp(row["created_at"]),
        "generated_post_id": row["generated_post_id"],
        "generated_media_item_id": row["generated_media_item_id"],
        "refund_of_id": row["refund_of_id"],
    }


def start_topup(call: Call) -> dict:
    amount = call.body.integer("amount_cents", 1, 10**9)
    if amount not in TOPUP_CENTS:
        raise Problem(400, "Amount is not offered", field="amount_cents", allowed_cents=list(TOPUP_CENTS))
    return {"url": visits.open_visit(call, "topup", amount_cents=amount)}


def start_setup(call: Call) -> dict:
    """A secret for a card form. The sandbox has no such form: cards are saved on its card page."""
    visit_id = visits.new_visit(call, "card")
    return {"client_secret": f"seti_{visit_id.replace('-', '')}_secret_sandbox"}
