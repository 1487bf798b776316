"""Billing: the balance and its age, paying, automatic reload, transactions, the download."""

import csv
import io
import uuid
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Charge, Checkout, Operation
from reviewqueue.services import scopes
from tests.factories import make_charge, make_member, make_operation, make_persona, make_post
from tests.world import token

HTMX = {"HX-Request": "true"}


def text_of(answer) -> str:
    return answer.content.decode()


def lines(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))


def poll_address(text: str) -> str:
    return text.partition('id="poller" data-poll hx-get="')[2].partition('"')[0].replace("&amp;", "&")


def make_page(workspace, kind="topup", **facts) -> Checkout:
    facts.setdefault("url", "https://pay.example/session")
    return Checkout.objects.create(workspace=workspace, kind=kind, **facts)


def make_wish(workspace, kind, **facts) -> Operation:
    values = {"state": "succeeded", "finished_at": now(), "lock_group": "topup", "by_label": "Ana Ruiz"}
    return Operation.objects.create(
        workspace=workspace, kind=kind, target=str(workspace.pk), token=token(), label=kind, **values | facts
    )


# ---- who and what --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor"])
def test_only_admins_see_and_move_money(workspace, signed_in, role):
    browser = signed_in(make_member(workspace, "Some One", role))
    for address in ("", "transactions.csv", "top-up/return/", "card/return/"):
        answer = browser.get(f"/billing/{address}")
        assert answer.status_code == 403, address
        assert "It takes admin: ask an admin" in text_of(answer)
    for address in ("top-up/", "auto-reload/", "reading/"):
        assert browser.post(f"/billing/{address}", {"amount": "2500", "on": "on"}).status_code == 403
    assert 'href="/billing/"' not in text_of(browser.get("/"))
    assert "$41.20" in text_of(browser.get("/"))  # the balance is for everybody
    assert not Operation.objects.exists()


def test_another_workspaces_money_is_not_there(otto, workspace, signed_in):
    make_charge(workspace, -777, description="Ours alone")
    browser = signed_in(otto)
    assert "Ours alone" not in text_of(browser.get("/billing/"))
    assert len(lines(browser.get("/billing/transactions.csv"))) == 1


def test_the_balance_says_how_old_it_is_and_how_long_it_lasts(ana, workspace, signed_in):
    browser = signed_in(ana)
    workspace.balance_seen_at = now() - timedelta(minutes=12)
    workspace.save()
    text = text_of(browser.get("/billing/"))
    assert "$41.20" in text
    assert "12 min ago" in text
    assert "Nothing was spent in the last seven days." in text
    make_charge(workspace, -1400)
    text = text_of(browser.get("/billing/"))
    assert "about <strong>20 days</strong> at this week’s rate of $2.00 a day" in text
    workspace.balance_cents = 0
    workspace.save()
    assert "Generating is paused." in text_of(browser.get("/billing/"))
    workspace.balance_cents = workspace.balance_seen_at = None
    workspace.save()
    assert "The service has not said it yet." in text_of(browser.get("/billing/"))


def test_the_balance_can_be_read_again(ana, workspace, signed_in):
    browser = signed_in(ana)
    answer = browser.post(
        "/billing/reading/", headers={"Referer": "http://testserver/billing/top-up/return/"}
    )
    assert answer["Location"] == "/billing/top-up/return/"
    assert "The balance is being read again" in text_of(browser.get("/billing/"))
    assert workspace.watches.get(kind="balance").hinted_at


def test_what_it_would_cost_is_worked_out_and_nonsense_is_nothing(ana, signed_in):
    browser = signed_in(ana)
    query = "?images=10&video=20&voice=100&accounts=3"
    for headers in ({}, HTMX):
        text = text_of(browser.get(f"/billing/{query}", headers=headers))
        assert "$6.97" in text  # 3.20 + 3.00 + 0.50 + 0.27
        assert "$5.73" in text  # a fifth off what is generated
        assert 'value="10"' in text
    text = text_of(browser.get("/billing/?images=-5&video=many&voice=&accounts=99999", headers=HTMX))
    assert '<dd class="total">$0.00</dd>' in text


def test_each_personas_discount_is_named(ana, workspace, signed_in):
    persona = make_persona(workspace, discount_mode=True, accounts=())
    text = text_of(signed_in(ana).get("/billing/"))
    assert f'href="/personas/{persona.pk}/"' in text
    assert '<span class="tag is-ok">On</span>' in text


# ---- automatic reload ------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_the_bounds_of_auto_reload_are_checked_at_the_field(ana, signed_in, headers):
    browser = signed_in(ana)
    for below, add, field, words in (
        ("50.01", "25", "id_below", "The service takes $0.00 to $50.00."),
        ("-1", "25", "id_below", "Write an amount in dollars"),
        ("five", "25", "id_below", "Write an amount in dollars"),
        ("", "25", "id_below", "Write an amount in dollars"),
        ("5", "0.99", "id_add", "The service takes $1.00 to $50.00."),
        ("5", "50.01", "id_add", "The service takes $1.00 to $50.00."),
        ("5", "1e3", "id_add", "Write an amount in dollars"),
        ("5", "", "id_add", "Write an amount in dollars"),
        ("5", "9" * 30, "id_add", "at most 20 characters"),
    ):
        answer = browser.post(
            "/billing/auto-reload/", {"on": "on", "below": below, "add": add}, headers=headers
        )
        text = text_of(answer)
        assert answer.status_code == 422, (below, add)
        assert words in text.partition(f'id="{field}_error"')[2].partition("</span>")[0], (below, add)
        assert f'value="{below}"' in text
        assert f'value="{add}"' in text
        assert ("<html" in text) == (headers == {})
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("below", "add", "asked"),
    [("0", "1", (0, 100)), ("50", "$50.00", (5000, 5000)), ("5.5", "25", (550, 2500))],
)
def test_what_lies_within_the_bounds_is_asked_for(ana, signed_in, below, add, asked):
    browser = signed_in(ana)
    answer = browser.post("/billing/auto-reload/", {"on": "on", "below": below, "add": add}, headers=HTMX)
    params = Operation.objects.get().params
    assert params["auto_reload"] is True
    assert (params["reload_threshold_cents"], params["reload_amount_cents"]) == asked
    assert 'id="auto-reload"' in text_of(answer)
    assert "Saving" in text_of(answer)


def test_switching_off_keeps_the_amounts_whatever_was_typed(ana, workspace, signed_in):
    workspace.auto_reload, workspace.reload_threshold_cents, workspace.reload_amount_cents = True, 700, 3000
    workspace.save()
    browser = signed_in(ana)
    text = text_of(browser.get("/billing/"))
    assert 'value="7.00"' in text
    assert 'value="30.00"' in text
    browser.post("/billing/auto-reload/", {"below": "nonsense", "add": ""})
    params = Operation.objects.get().params
    assert params == {"auto_reload": False, "reload_threshold_cents": 700, "reload_amount_cents": 3000}


def test_without_a_card_the_services_page_for_one_is_offered(world, signed_in):
    world.sandbox.set_card(False)
    browser = signed_in(world.ana)
    browser.post("/billing/auto-reload/", {"on": "on", "below": "5", "add": "25"})
    operation = world.send()
    assert operation.state == "succeeded"
    assert operation.result["needs_card"]
    text = text_of(browser.get("/billing/"))
    assert "There is no card yet, so nothing was changed." in text
    page = world.workspace.checkouts.get(kind="card")
    assert f'href="{page.url}?return=/billing/card/return/"' in text
    back = text_of(browser.get("/billing/card/return/"))
    assert "when below $5.00, add $25.00" in back
    assert 'name="below" value="5.00"' in back
    page.refresh_from_db()
    assert page.returned_at
    assert "No card was saved" in text_of(browser.get("/billing/card/return/?outcome=cancelled"))


def test_a_page_for_the_card_that_is_code_is_not_offered(ana, workspace, signed_in):
    make_page(workspace, "card", url="javascript:alert(1)")
    make_page(workspace, "topup", url="javascript:alert(1)", amount_cents=2500)
    make_wish(workspace, "set_reload", result={"needs_card": True})
    text = text_of(signed_in(ana).get("/billing/"))
    assert "javascript:" not in text
    assert "There is no card yet" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("succeeded", "by <bdi>Ana Ruiz</bdi>"),
        ("failed", "card declined"),
        ("queued", "Saving"),
        ("unknown", "What is known"),
    ],
)
def test_what_became_of_the_switch_is_told(ana, workspace, signed_in, state, words):
    make_wish(workspace, "set_reload", state=state, reason="card declined", lock_group="reload")
    assert words in text_of(signed_in(ana).get("/billing/"))


# ---- topping up --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["", "1", "2501", "lots", "-1000"])
def test_only_the_amounts_on_the_page_can_be_asked_for(ana, signed_in, amount):
    for headers in ({}, HTMX):
        answer = signed_in(ana).post("/billing/top-up/", {"amount": amount}, headers=headers)
        assert answer.status_code == 422
        assert "Choose" in text_of(answer).partition('id="id_amount_error"')[2].partition("</span>")[0]
    assert not Operation.objects.exists()


def test_a_top_up_leads_to_the_services_page_and_back(ana, workspace, signed_in):
    browser, pressed = signed_in(ana), str(uuid.uuid4())
    for _ in range(2):
        answer = browser.post("/billing/top-up/", {"amount": "5000", "token": pressed}, headers=HTMX)
    assert "Preparing the payment page" in text_of(answer)
    operation = Operation.objects.get()
    assert operation.params == {"amount_cents": 5000}
    Operation.objects.update(state="succeeded", finished_at=now())
    page = make_page(workspace, operation=operation, amount_cents=5000)
    text = text_of(browser.get("/billing/"))
    assert 'href="https://pay.example/session"' in text
    assert "Continue to payment" in text
    assert "$50.00 asked for" in text

    back = text_of(browser.get("/billing/top-up/return/"))
    assert "Reading the balance" in back
    assert "It was $41.20" in back
    assert "$50.00 was to be added" in back
    page.refresh_from_db()
    assert page.returned_at
    assert workspace.watches.get(kind="balance").hinted_at
    assert "Continue to payment" not in text_of(browser.get("/billing/"))
    poll = poll_address(back)
    assert browser.get(poll, headers=HTMX).status_code == 204
    workspace.balance_cents, workspace.balance_seen_at = 9120, now() + timedelta(seconds=1)
    workspace.save()
    arrived = text_of(browser.get(poll, headers=HTMX))
    assert "+$50.00 has arrived" in arrived
    assert "Before: $41.20." in arrived


def test_a_payment_that_is_cancelled_or_late_is_told_so(ana, workspace, signed_in):
    browser = signed_in(ana)
    assert "There was no top-up to come back from" in text_of(browser.get("/billing/top-up/return/"))
    page = make_page(workspace, amount_cents=2500)
    cancelled = text_of(browser.get("/billing/top-up/return/?outcome=cancelled"))
    assert "The payment was cancelled" in cancelled
    assert "Nothing was charged" in cancelled
    Checkout.objects.update(returned_at=now() - timedelta(minutes=3))
    workspace.balance_seen_at = now() - timedelta(minutes=9)
    workspace.save()
    late = text_of(browser.get("/billing/top-up/return/"))
    assert "The service takes longer than usual to answer" in late
    workspace.balance_seen_at = now()
    workspace.save()
    same = text_of(browser.get("/live/billing/top-up/?before=4120&v=0", headers=HTMX))
    assert "It has not arrived yet" in same
    nonsense = browser.get("/live/billing/top-up/?before=lots&v=0", headers=HTMX)
    assert nonsense.status_code == 200
    assert page.pk


@pytest.mark.parametrize("state", ["failed", "blocked"])
def test_a_payment_page_that_does_not_come_says_why(ana, workspace, signed_in, state):
    make_wish(workspace, "top_up", state=state, reason="The service refused: not now")
    assert "The service refused: not now" in text_of(signed_in(ana).get("/billing/"))


# ---- transactions --------------------------------------------------------------------------------------


def test_each_transaction_is_linked_to_what_it_was_for(ana, workspace, persona, signed_in):
    post = make_post(persona)
    operation = make_operation(post, "regenerate_post", by=ana, state="succeeded")
    make_charge(workspace, -32, post=post, operation=operation, description="Image for Ines")
    make_charge(workspace, 2500, kind="deposit")
    make_charge(workspace, 32, kind="refund", refund_of_upstream_id="x")
    text = text_of(signed_in(ana).get("/billing/"))
    for words in (
        "Image for Ines",
        "−$0.32",
        "+$25.00",
        "Top-up",
        "Card",
        "Refund",
        "The service",
        "Ana Ruiz",
    ):
        assert words in text, words
    assert f'href="/library/{post.pk}/"' in text
    assert f'href="/operations/{operation.pk}/"' in text


def test_the_kinds_of_transaction_can_be_told_apart(ana, workspace, signed_in):
    make_charge(workspace, -32, description="a charge")
    make_charge(workspace, 32, kind="refund", description="a refund")
    make_charge(workspace, 2500, kind="deposit", description="a top-up")
    browser = signed_in(ana)

    def shown(query):
        charges = browser.get(f"/billing/{query}").context["charges"]
        return {charge.description for charge in charges}

    assert shown("") == {"a charge", "a refund", "a top-up"}
    assert shown("?kind=charges") == {"a charge", "a refund"}
    assert shown("?kind=credits") == {"a top-up"}
    assert shown("?kind=nonsense&after=nonsense") == shown("")
    assert len(lines(browser.get("/billing/transactions.csv?kind=credits"))) == 2
    Charge.objects.all().delete()
    assert "Nothing was topped up yet." in text_of(browser.get("/billing/?kind=credits"))


def test_the_next_page_goes_on_where_the_first_ended(ana, workspace, signed_in):
    at = now()
    for number in range(60):
        make_charge(workspace, -1, description=f"number {number}.", at=at)
    browser = signed_in(ana)
    pages, address = [], "/billing/?kind=charges"
    while address and len(pages) < 5:
        pages.append(text_of(browser.get(address, headers=HTMX if pages else {})))
        more = pages[-1].partition('id="more"')[2].partition("</p>")[0]
        address = more.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
        assert "kind=charges" in address or not address
    assert len(pages) == 3
    assert "<html" not in pages[1]
    for number in range(60):
        assert sum(page.count(f"number {number}.<") for page in pages) == 1


def test_the_download_is_whole_and_no_formula(ana, workspace, persona, signed_in):
    post = make_post(persona)
    for words in ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", 'plain, "quoted"\nand broken'):
        make_charge(workspace, -32, description=words, kind=words[:40], post=post)
    for _ in range(30):
        make_charge(workspace, 100)
    answer = signed_in(ana).get("/billing/transactions.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="transactions.csv"'
    assert answer["Content-Type"].startswith("text/csv")
    head, *rows = lines(answer)
    assert head == ["When (UTC)", "What", "Kind", "By", "Post", "Amount (USD)"]
    assert len(rows) == 37
    for row in rows:
        for cell in row[1:5]:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), row
    assert {row[5] for row in rows} == {"-0.32", "1"}  # numbers stay numbers
    assert ['plain, "quoted"\nand broken', str(post.number)] in [[row[1], row[4]] for row in rows]


def test_the_chart_has_its_numbers_behind_it(ana, workspace, persona, signed_in):
    video = make_post(persona, media_type="video")
    make_charge(workspace, -64)
    make_charge(workspace, -75, post=video, item_upstream_id=video.items.get().upstream_id)
    make_charge(workspace, -9, kind="sync")
    text = text_of(signed_in(ana).get("/billing/"))
    table = text.partition("Show as a table")[2].partition("</table>")[0]
    for cents in ("$0.64", "$0.75", "$0.09", "$1.48"):
        assert cents in table


# ---- live ----------------------------------------------------------------------------------------------


def test_a_poll_is_empty_until_something_moves(ana, workspace, signed_in, django_assert_max_num_queries):
    old = make_charge(workspace, -1, description="old", at=now() - timedelta(days=1))
    browser = signed_in(ana)
    address = poll_address(text_of(browser.get("/billing/?kind=charges")))
    with django_assert_max_num_queries(2):
        assert browser.get(address, headers=HTMX).status_code == 204
    make_charge(workspace, -2, description="fresh charge")
    make_charge(workspace, 100, kind="deposit", description="not of this view")
    scopes.bump(workspace.pk)
    text = text_of(browser.get(address, headers=HTMX))
    assert "fresh charge" in text
    assert "not of this view" not in text
    assert f"{old.description}<" not in text
    assert 'id="balance-panel" aria-label="Balance" hx-swap-oob="true"' in text
    again = poll_address(text)
    assert browser.get(again, headers=HTMX).status_code == 204
    workspace.balance_seen_at = now() + timedelta(seconds=5)
    workspace.save()
    assert browser.get(again, headers=HTMX).status_code == 200
    assert "fresh charge" not in text_of(browser.get(again, headers=HTMX))
