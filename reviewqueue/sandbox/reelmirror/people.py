"""The profile, and feedback tickets."""

from __future__ import annotations

from reviewqueue.sandbox import fields
from reviewqueue.sandbox.context import Call, Page
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.store import Row

from . import billing


def read_profile(call: Call) -> dict:
    row = billing.account(call)
    return {
        "id": row["id"],
        "email": row["email"],
        "display_name": row["display_name"],
        "created_at": fields.stamp(row["created_at"]),
    }


def change_profile(call: Call) -> dict:
    call.body.at_least_one("display_name")
    name = call.body.text("display_name", longest=200)
    row = billing.account(call)
    if name != row["display_name"]:
        call.rows.change("account", row["id"], display_name=name)
        call.effect("change_profile", row["id"])
    return read_profile(call)


def find_ticket(call: Call) -> Row:
    row = call.rows.get("tickets", call.params["ticket_id"])
    if row is None:
        raise Problem(404, "Ticket not found")
    return row


def show_ticket(call: Call, row: Row) -> dict:
    replies = call.rows.all("SELECT * FROM replies WHERE ticket_id = ? ORDER BY rowid", row["id"])
    return {
        "id": row["id"],
        "subject": row["subject"],
        "message": row["message"],
        "status": "open",
        "replies": [
            {"id": reply["id"], "message": reply["message"], "created_at": fields.stamp(reply["created_at"])}
            for reply in replies
        ],
        "created_at": fields.stamp(row["created_at"]),
    }


def list_tickets(call: Call) -> Page:
    limit, offset = fields.page(call.query)
    rows = call.rows.all(
        "SELECT * FROM tickets ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?", limit, offset
    )
    return Page([show_ticket(call, row) for row in rows], call.rows.value("SELECT COUNT(*) FROM tickets"))


def read_ticket(call: Call) -> dict:
    return show_ticket(call, find_ticket(call))


def open_ticket(call: Call) -> dict:
    message = call.body.text("message", blank=False)
    subject = call.body.text("subject", longest=200) if "subject" in call.body else message.strip()[:60]
    ticket_id = call.rows.add("tickets", subject=subject, message=message, created_at=call.now)
    call.effect("open_ticket", ticket_id, ticket_id)
    return show_ticket(call, call.rows.get("tickets", ticket_id))


def reply_to_ticket(call: Call) -> dict:
    ticket = find_ticket(call)
    message = call.body.text("message", blank=False)
    reply_id = call.rows.add("replies", ticket_id=ticket["id"], message=message, created_at=call.now)
    call.effect("reply_to_ticket", ticket["id"], reply_id)
    return show_ticket(call, ticket)
