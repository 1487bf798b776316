"""Visits: what a person does in the service's own browser window. Begun by the API, ended on a page.

The kinds: `topup` (pay), `card` (save a card), `slots` (save a card and get account slots), `connect` (let
the service publish to an account).
"""

from __future__ import annotations

from .context import Context

PAGES = {"topup": "checkout", "slots": "checkout", "card": "card", "connect": "connect"}


def new_visit(context: Context, kind: str, **facts) -> str:
    return context.rows.add("visits", kind=kind, created_at=context.now, **facts)


def open_visit(context: Context, kind: str, **facts) -> str:
    """Begin a visit and return the address a person opens."""
    return f"{context.world.public_url}/sandbox/{PAGES[kind]}/{new_visit(context, kind, **facts)}/"
