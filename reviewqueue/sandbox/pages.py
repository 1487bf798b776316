"""The pages a person sees in the service's own window: checkout, card, consent. Plain forms, no scripts.

Each ends a visit that the API began (see `visits.py`), once. Where it leads then is given by `?return=` (this
site's own addresses only), by what the API call named, or by the kind's own page.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import quote, urlencode

from .context import Context, World
from .fields import is_uuid
from .http import Problem, Reply, Request
from .reelmirror import billing, publishing
from .reelmirror.sources import HANDLE
from .store import Row

ASSETS = Path(__file__).parent / "assets"
ADDRESS = re.compile(r"/sandbox/(checkout|card|connect)/([0-9a-f-]{36})/")
KINDS = {"checkout": ("topup", "slots"), "card": ("card",), "connect": ("connect",)}
TOPUP_RETURN = "/billing/top-up/return/"

SHELL = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · ReelMirror sandbox</title>
<link rel="stylesheet" href="/sandbox/assets/sandbox.css">
</head>
<body>
<header class="ribbon">Sandbox: pretend money, pretend accounts. Nothing here leaves this computer.</header>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def answer(world: World, request: Request, now: float) -> Reply:
    if request.path == "/sandbox/assets/sandbox.css" and request.method in ("GET", "HEAD"):
        style = (ASSETS / "sandbox.css").read_bytes()
        return Reply(200, {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=3600"}, style)
    if request.path == "/sandbox/":
        return home(world)
    address = ADDRESS.fullmatch(request.path)
    if not address or not is_uuid(address[2]):
        return page(404, "Not found", "<p>There is nothing at this address.</p>")
    if request.method not in ("GET", "POST"):
        raise Problem(405, "Method not allowed", {"Allow": "GET, POST"})
    with world.store.writing() as rows:
        context = Context(world, rows, now)
        visit = rows.get("visits", address[2])
        if visit is None or visit["kind"] not in KINDS[address[1]]:
            return page(404, "Not found", "<p>There is nothing at this address.</p>")
        return settle(context, visit, request) if request.method == "POST" else show(context, visit, request)


def page(status: int, title: str, body: str) -> Reply:
    return Reply.html(status, SHELL.format(title=html.escape(title), body=body))


def home(world: World) -> Reply:
    speed = world.pace.speed * world.pace.time_scale
    return page(
        200,
        "ReelMirror sandbox",
        "<p>A stand-in for the hosted service. It keeps to the documented interface and uses no model:"
        " its pictures and clips are re-lit from files that came with it.</p>"
        f"<p>Work runs {speed:g} times as fast as documented. The API is under <code>/api/v1/</code>.</p>",
    )


def dollars(cents: int) -> str:
    return f"${cents / 100:,.2f}"


# Showing


def show(context: Context, visit: Row, request: Request, error: str = "") -> Reply:
    if visit["state"] != "open":
        word = {"done": "done", "cancelled": "cancelled"}[visit["state"]]
        back = html.escape(return_address(context, visit, request), quote=True)
        body = f'<p>This is {word} already; nothing more happens here.</p><p><a href="{back}">Go back</a></p>'
        return page(200, "Nothing left to do", body)
    title, text, fields, button = FORMS[visit["kind"]](context, visit)
    target = quote(request.path) + (f"?{request.environ['QUERY_STRING']}" if request.query else "")
    warning = f'<p class="error" role="alert">{html.escape(error)}</p>' if error else ""
    body = (
        f'{text}{warning}<form method="post" action="{html.escape(target, quote=True)}">{fields}'
        f'<button name="choice" value="confirm">{button}</button>'
        '<button name="choice" value="cancel" class="quiet" formnovalidate>Cancel</button></form>'
    )
    return page(422 if error else 200, title, body)


def topup_form(context: Context, visit: Row) -> tuple[str, str, str, str]:
    amount = dollars(visit["amount_cents"])
    balance = dollars(billing.account(context)["balance_cents"])
    text = f'<p class="amount">{amount}</p><p>Added to your balance of {balance}.</p>'
    return "Add to your balance", text, "", f"Pay {amount}"


def card_form(context: Context, visit: Row) -> tuple[str, str, str, str]:
    text = "<p>A pretend card is kept for automatic reloads and account slots.</p>"
    if not billing.account(context)["welcomed"]:
        text += f"<p>Your first card brings {dollars(billing.WELCOME_CENTS)} of credit.</p>"
    return "Save a card", text, "", "Save card"


def slots_form(context: Context, visit: Row) -> tuple[str, str, str, str]:
    monthly = dollars(300 * visit["slots"])
    text = f'<p class="amount">{monthly} a month</p>'
    text += f"<p>{visit['slots']} paid account slots. A card is saved too.</p>"
    return "Account slots", text, "", f"Pay {monthly}"


def connect_form(context: Context, visit: Row) -> tuple[str, str, str, str]:
    name = {"instagram": "Instagram", "tiktok": "TikTok"}[visit["platform"]]
    text = f"<p>ReelMirror would like to publish posts to your {name} account.</p>"
    field = (
        '<label for="username">Account name</label>'
        '<input id="username" name="username" required maxlength="30" autocapitalize="none">'
    )
    return f"Connect {name}", text, field, "Allow"


FORMS = {"topup": topup_form, "card": card_form, "slots": slots_form, "connect": connect_form}


# Settling


def settle(context: Context, visit: Row, request: Request) -> Reply:
    """Confirm or cancel, once; then back to where the person came from, with its `outcome` in the query."""
    if visit["state"] != "open":
        return show(context, visit, request)
    form = request.form()
    if form.get("choice") not in ("confirm", "cancel"):
        return show(context, visit, request, "Choose one of the two")
    state = "cancelled"
    if form["choice"] == "confirm":
        try:
            DEEDS[visit["kind"]](context, visit, form)
        except Problem as problem:
            return show(context, visit, request, problem.message)
        state = "done"
    context.rows.change("visits", visit["id"], state=state, settled_at=context.now)
    back = return_address(context, visit, request)
    return Reply.redirect(f"{back}{'&' if '?' in back else '?'}{urlencode({'outcome': state})}")


def pay(context: Context, visit: Row, form: dict) -> None:
    billing.enter(context, visit["amount_cents"], "deposit", "Top-up by card", token_id=None)
    context.effect("topup", visit["id"])


def keep_card(context: Context, visit: Row, form: dict) -> None:
    billing.save_card(context)
    context.effect("save_card", visit["id"])


def buy_slots(context: Context, visit: Row, form: dict) -> None:
    publishing.set_slots(context, visit["slots"])
    keep_card(context, visit, form)
    context.effect("set_slots", visit["id"])


def allow(context: Context, visit: Row, form: dict) -> None:
    username = str(form.get("username", "")).strip().removeprefix("@").lower()
    if not HANDLE.fullmatch(username):
        raise Problem(400, "That is not the name of an account")
    known = "SELECT 1 FROM accounts WHERE platform = ? AND username = ?"
    if not context.rows.value(known, visit["platform"], username):
        publishing.check_slot(context)
    account_id = publishing.connect(context, visit["platform"], username)
    context.effect("connect_account", visit["id"], account_id)


DEEDS = {"topup": pay, "card": keep_card, "slots": buy_slots, "connect": allow}


def return_address(context: Context, visit: Row, request: Request) -> str:
    """Where to go afterwards: an address of this site, never another's."""
    base = context.world.public_url
    for wish in (request.query.get("return"), visit["return_to"]):
        if wish and wish.startswith(base + "/"):
            return wish
        if wish and re.fullmatch(r"/(?![/\\])[\x21-\x7e]*", wish):
            return base + wish
    return base + (TOPUP_RETURN if visit["kind"] == "topup" else "/sandbox/")
