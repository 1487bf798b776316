"""Balance, what it went to, topping up, automatic reload. For admins."""

from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.views.decorators.http import require_POST, require_safe

from reviewqueue.clock import now, pace
from reviewqueue.forms.billing import (
    DEFAULT_AMOUNT_CENTS,
    DEFAULT_THRESHOLD_CENTS,
    ChargeFilter,
    EstimateForm,
    ReloadForm,
    TopUpForm,
)
from reviewqueue.models import Charge, Checkout, Member, Operation, Persona, Workspace
from reviewqueue.models.base import after_row
from reviewqueue.rules import money
from reviewqueue.services import billing as commands
from reviewqueue.services import pricing
from reviewqueue.services.access import require
from reviewqueue.views import fragments, links, paging, sheets

LINES, NEW_AT_MOST = 25, 50
DAYS = 30
KEPT = timedelta(minutes=commands.KEPT_MINUTES)
RELOAD_TOLD = timedelta(days=90)  # how long “saved by” is told
HEAD = ("When (UTC)", "What", "Kind", "By", "Post", "Amount (USD)")


@require_safe
def billing(request):
    require(request.member, "billing.view")
    filters = ChargeFilter(request.GET).values()
    if filters["after"] and fragments.is_fragment(request):
        context = transactions_of(request.member, filters)
        return fragments.page(request, "reviewqueue/billing.html", context, part="next")
    estimate = EstimateForm(request.GET if "images" in request.GET else None)
    if estimate.is_bound and fragments.is_fragment(request):
        context = estimate_of(request.member.workspace, estimate)
        return fragments.page(request, "reviewqueue/billing.html", context, part="estimate")
    return fragments.page(request, "reviewqueue/billing.html", page_of(request.member, filters, estimate))


def page_of(member: Member, filters: dict, estimate: EstimateForm | None = None) -> dict:
    workspace = member.workspace
    return {
        "section": "billing",
        "days": commands.spent_by_day(workspace, DAYS, ZoneInfo(workspace.time_zone)),
        "top_up_form": TopUpForm(initial={"amount": commands.TOP_UPS[1]}),
        "reload_form": reload_form(workspace),
        "personas": Persona.objects.visible_to(member).order_by("name"),
        **transactions_of(member, filters),
        **standing(member, filters),
        **estimate_of(workspace, estimate or EstimateForm()),
    }


@require_safe
def live_billing(request):
    """What a poll may bring: the balance, the payment page, the outcome of a switch, new transactions."""
    member = request.member
    require(member, "billing.view")
    if request.GET.get("v") == stamp(member, member.desk_version):
        return fragments.unchanged()
    filters = ChargeFilter(request.GET).values()
    newest = request.GET.get("newest", "")
    context = standing(member, filters) | {"fresh": fresh_since(member, filters, newest)}
    if context["fresh"]:
        newest = paging.cursor(context["fresh"][0], "at")
    return fragments.answer(
        request, "/billing/", "reviewqueue/billing.html#live", context=context | {"newest": newest}
    )


def stamp(member: Member, version: int) -> str:
    """What a poll compares: anything that moved in the workspace, and when the balance was read."""
    seen_at = member.workspace.balance_seen_at
    return f"{version}.{int(seen_at.timestamp()) if seen_at else 0}"


def standing(member: Member, filters: dict) -> dict:
    workspace = member.workspace
    rate = commands.rate_of_spending(workspace)
    balance = workspace.balance_cents
    reload = commands.latest(workspace, "set_reload", RELOAD_TOLD)
    pages = commands.open_pages(workspace)
    return {
        "filters": filters,
        "rate": round(rate),
        "days_left": int(balance / rate) if rate > 0 and balance is not None and balance > 0 else None,
        "reloads_a_month": reloads_a_month(workspace, rate),
        "top_up": commands.latest(workspace, "top_up", KEPT),
        "payment_page": payable(pages.get("topup")),
        "reload": reload,
        "card_address": card_address(pages.get("card")),
        "needs_card": needs_card(reload),
        "stamp": stamp(member, member.desk_version),
        "every": max(0.5, pace(2.0)),
    }


def payable(page: Checkout | None) -> Checkout | None:
    """The service's payment page, if a browser may go there."""
    return page if page and links.safe(page.url) else None


def card_address(page: Checkout | None) -> str:
    """Where a card is saved. The sandbox's page is told where to go on; the service's knows by itself."""
    link = links.safe(page.url) if page else ""
    return f"{link}?return=/billing/card/return/" if link and page.workspace.is_sandbox else link


def needs_card(reload: Operation | None) -> bool:
    return bool(reload and reload.state == "succeeded" and (reload.result or {}).get("needs_card"))


def reloads_a_month(workspace: Workspace, rate: float) -> int | None:
    """How often the card would be charged at this week's rate; None while nothing is spent."""
    amount = workspace.reload_amount_cents or DEFAULT_AMOUNT_CENTS
    return max(1, round(rate * 30 / amount)) if rate > 0 else None


# ---- transactions ------------------------------------------------------------------------------------


def matching(member: Member, filters: dict):
    charges = Charge.objects.visible_to(member).select_related("post__persona", "operation")
    if filters["kind"] == "charges":
        return charges.spending()
    return charges.credits() if filters["kind"] == "credits" else charges


def transactions_of(member: Member, filters: dict) -> dict:
    listing = paging.shown(
        matching(member, filters), "at", newest_first=True, after=filters["after"], size=LINES
    )
    kept = {"kind": filters["kind"], "after": listing.after}
    return {
        "filters": filters,
        "charges": listing.rows,
        "newest": paging.cursor(listing.rows[0], "at") if listing.rows else "",
        "after_query": query_of(kept) if listing.after else "",
    }


def query_of(filters: dict) -> str:
    kept = {name: value for name, value in filters.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


def fresh_since(member: Member, filters: dict, newest: str) -> list[Charge]:
    """The transactions that came after the newest one on the page, newest first."""
    place = paging.read_cursor(newest)
    if place is None:
        return []
    found = matching(member, filters).filter(after_row(("at", "id"), place, newest_first=False))
    return list(found.order_by("-at", "-id")[:NEW_AT_MOST])


@require_safe
def download(request):
    require(request.member, "billing.view")
    found = matching(request.member, ChargeFilter(request.GET).values()).order_by("-at", "-id")
    return sheets.sheet("transactions", HEAD, (row_of(charge) for charge in found.iterator(500)))


def row_of(charge: Charge) -> tuple:
    return (
        charge.at.strftime("%Y-%m-%d %H:%M:%S"),
        charge.description,
        charge.kind,
        charge.operation.by_label if charge.operation else "",
        charge.post.number if charge.post else "",
        Decimal(charge.amount_cents) / 100,
    )


# ---- estimates -----------------------------------------------------------------------------------------


def estimate_of(workspace: Workspace, form: EstimateForm) -> dict:
    price = pricing.prices(workspace)
    amounts = form.amounts()
    made = money.cents_of(price.image_mills) * amounts["images"] + money.cents_of(
        price.video_second_mills * amounts["video"]
    )
    rest = money.cents_of(price.voice_second_mills * amounts["voice"]) + money.cents_of(
        price.sync_creator_mills * amounts["accounts"]
    )
    lines = [
        ("image,images", amounts["images"], price.image_mills),
        ("second of video,seconds of video", amounts["video"], price.video_second_mills),
        ("second of voice,seconds of voice", amounts["voice"], price.voice_second_mills),
        ("account synced,accounts synced", amounts["accounts"], price.sync_creator_mills),
    ]
    reduced = money.cents_of(made * (100 - price.discount_percent) / 100 * money.MILLS)
    return {
        "estimate": amounts,
        "estimate_lines": [
            (count, words, mills, money.cents_of(mills * count)) for words, count, mills in lines if count
        ],
        "estimate_total": made + rest,
        "estimate_reduced": reduced + rest,
        "prices": price,
    }


# ---- paying --------------------------------------------------------------------------------------------


@require_POST
def top_up(request):
    """Ask for the service's payment page; the link to it comes by the poller."""
    form = TopUpForm(request.POST)
    require(request.member, "billing.change")
    if form.is_valid():
        commands.top_up(
            amount_cents=form.cleaned_data["amount"], by=request.member, token=form.cleaned_data["token"]
        )
    return answered(request, form, "top_up_form", "top_up", said="Preparing the payment page")


@require_POST
def auto_reload(request):
    form = ReloadForm(request.POST)
    require(request.member, "billing.change")
    workspace = request.member.workspace
    if form.is_valid():
        below, add = form.cleaned_data.get("below"), form.cleaned_data.get("add")
        kept = workspace.reload_threshold_cents, workspace.reload_amount_cents
        commands.set_reload(
            on=form.cleaned_data["on"],
            threshold_cents=below if below is not None else (kept[0] or DEFAULT_THRESHOLD_CENTS),
            amount_cents=add or kept[1] or DEFAULT_AMOUNT_CENTS,
            by=request.member,
            token=form.cleaned_data["token"],
        )
    return answered(request, form, "reload_form", "reload", said="Auto-reload is being saved")


def answered(request, form, name: str, part: str, *, said: str):
    """After a form: its own panel as it stands now, or with what was wrong and all that was typed."""
    filters = ChargeFilter({}).values()
    template = f"reviewqueue/billing.html#{part}"
    if form.is_valid():
        context = standing(request.member, filters) | {name: form}
        return fragments.answer(request, "/billing/", template, context=context, said=said)
    context = page_of(request.member, filters) | {name: form}
    return fragments.page(request, "reviewqueue/billing.html", context, part=part, status=422)


def reload_form(workspace: Workspace) -> ReloadForm:
    below, add = workspace.reload_threshold_cents, workspace.reload_amount_cents
    return ReloadForm(
        initial={
            "on": workspace.auto_reload,
            "below": typed(DEFAULT_THRESHOLD_CENTS if below is None else below),
            "add": typed(add or DEFAULT_AMOUNT_CENTS),
        }
    )


def typed(cents: int) -> str:
    return money.dollars(cents).removeprefix("$")


@require_POST
def reading(request):
    """Have the balance read again now."""
    commands.read_again(by=request.member)
    to = "/billing/top-up/return/" if "/return/" in request.headers.get("Referer", "") else "/billing/"
    return fragments.answer(request, to, said="The balance is being read again")


# ---- coming back from the service's pages -----------------------------------------------------------------


@require_safe
def top_up_return(request):
    """What the payment came to, as far as the balance tells: it is read again at once."""
    require(request.member, "billing.view")
    commands.came_back(request.member.workspace, "topup")
    context = {"section": "billing", **came_back(request, "topup")}
    return fragments.page(request, "reviewqueue/billing_return.html", context)


@require_safe
def live_return(request):
    require(request.member, "billing.view")
    context = came_back(request, "topup")
    if request.GET.get("v") == context["stamp"]:
        return fragments.unchanged()
    return fragments.answer(
        request, "/billing/top-up/return/", "reviewqueue/billing_return.html#live", context=context
    )


def came_back(request, kind: str) -> dict:
    """Before and after: `before` comes with the poller, as only the page knows what it showed first."""
    workspace = request.member.workspace
    page = workspace.checkouts.filter(kind=kind).exclude(returned_at=None).order_by("-returned_at").first()
    seen_at = workspace.balance_seen_at
    is_read = bool(page and seen_at and seen_at > page.returned_at)
    before = whole(request.GET.get("before", ""))
    if before is None and not is_read:
        before = workspace.balance_cents
    added = workspace.balance_cents - before if is_read and before is not None else None
    return {
        "page": page,
        "is_cancelled": request.GET.get("outcome") == "cancelled",
        "is_read": is_read,
        "is_late": bool(page and now() - page.returned_at > timedelta(seconds=pace(60))),
        "before": before,
        "added": added,
        "outcome": "cancelled" if request.GET.get("outcome") == "cancelled" else "",
        "stamp": f"{int(seen_at.timestamp()) if seen_at else 0}.{workspace.balance_cents}",
        "every": max(0.5, pace(2.0)),
    }


def whole(text: str) -> int | None:
    try:
        return int(text[:12])
    except ValueError:
        return None


@require_safe
def card_return(request):
    """Back from saving a card: auto-reload has to be asked for once more, now that it can be."""
    member = request.member
    require(member, "billing.view")
    commands.came_back(member.workspace, "card")
    wished = commands.latest(member.workspace, "set_reload", RELOAD_TOLD)
    context = {
        "section": "billing",
        "wished": wished if needs_card(wished) else None,
        "outcome": "cancelled" if request.GET.get("outcome") == "cancelled" else "",
    }
    return fragments.page(request, "reviewqueue/billing_card.html", context)
