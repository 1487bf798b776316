"""The pages a person opens in the service's own window: each works once, and says that it is pretending."""

from __future__ import annotations

import re

import pytest


def path_of(url: str) -> str:
    assert url.startswith("http://sandbox.test/sandbox/")
    return url.removeprefix("http://sandbox.test")


@pytest.fixture
def checkout(api) -> str:
    return path_of(api.post("/v1/billing/topup", {"amount_cents": 2500})["data"]["url"])


@pytest.fixture
def consent(api) -> str:
    return path_of(api.get("/v1/publishing/accounts/connect?platform=instagram")["authUrl"])


def press(browser, path, choice="confirm", **fields):
    return browser.post(path, data={"choice": choice, **fields})


def test_a_page_is_plain_and_says_what_it_is(browser, checkout):
    page = browser.get(checkout)
    assert page.status_code == 200
    assert "Sandbox: pretend money" in page.text
    assert "Pay $25.00" in page.text
    assert "<script" not in page.text
    assert " style=" not in page.text
    style = re.search(r'href="(/sandbox/assets/[^"]+)"', page.text)[1]
    assert browser.get(style).headers["Content-Type"].startswith("text/css")


def test_paying_adds_to_the_balance_once(browser, desk, checkout):
    before = desk.balance()
    back = press(browser, checkout)
    assert back.status_code == 303
    assert back.headers["Location"] == "http://sandbox.test/billing/top-up/return/?outcome=done"
    assert desk.balance() == before + 2500
    assert (desk.transactions()[0]["operation_type"], desk.transactions()[0]["amount_cents"]) == (
        "deposit",
        2500,
    )
    assert press(browser, checkout).status_code == 200
    assert "already" in browser.get(checkout).text
    assert desk.balance() == before + 2500


def test_a_bare_post_pays_nothing(browser, desk, checkout):
    before = desk.balance()
    assert browser.post(checkout).status_code == 422
    assert desk.balance() == before


def test_cancelling_changes_nothing_and_ends_the_visit(browser, desk, checkout):
    before = desk.balance()
    assert press(browser, checkout, "cancel").headers["Location"].endswith("?outcome=cancelled")
    press(browser, checkout)
    assert desk.balance() == before


@pytest.mark.parametrize(
    ("wish", "where"),
    [
        ("/billing/", "http://sandbox.test/billing/?outcome=done"),
        ("/billing/?tab=2", "http://sandbox.test/billing/?tab=2&outcome=done"),
        ("http://sandbox.test/x/", "http://sandbox.test/x/?outcome=done"),
        ("https://elsewhere.example/", "http://sandbox.test/billing/top-up/return/?outcome=done"),
        ("//elsewhere.example/", "http://sandbox.test/billing/top-up/return/?outcome=done"),
        ("http://sandbox.test.elsewhere.example/", "http://sandbox.test/billing/top-up/return/?outcome=done"),
    ],
)
def test_the_way_back_stays_on_this_site(browser, checkout, wish, where):
    page = browser.get(checkout, params={"return": wish})
    action = re.search(r'action="([^"]+)"', page.text)[1].replace("&amp;", "&")
    assert press(browser, action).headers["Location"] == where


def test_the_first_card_brings_a_welcome(browser, sandbox, desk, api):
    with sandbox.moment() as context:
        context.rows.run("UPDATE account SET has_card = 0, welcomed = 0")
    before = desk.balance()
    settings = {"auto_reload": True, "reload_threshold_cents": 500, "reload_amount_cents": 1000}
    for expected in (500, 0):
        path = path_of(api.patch("/v1/billing/balance", settings)["data"]["setup_url"])
        assert ("brings" in browser.get(path).text) == bool(expected)
        press(browser, path)
        assert desk.balance() - before == expected
        sandbox.set_card(False)
        before = desk.balance()
    sandbox.set_card(True)
    assert api.patch("/v1/billing/balance", settings)["data"]["auto_reload"] is True


def test_connecting_an_account(browser, api, consent):
    before = {row["username"] for row in api.everything("/v1/publishing/accounts")}
    assert press(browser, consent, username="not a name!").status_code == 422
    assert press(browser, consent, username="@Kilo.North").status_code == 303
    added = [row for row in api.everything("/v1/publishing/accounts") if row["username"] not in before]
    assert [(row["username"], row["status"]) for row in added] == [("kilo.north", "active")]
    slots = api.get("/v1/publishing/accounts/slots")
    assert (slots["purchased"], slots["used"], slots["available"]) == (3, 4, 0)


def test_without_a_free_slot_no_account_is_connected(browser, api, consent):
    second = path_of(api.get("/v1/publishing/accounts/connect?platform=instagram")["authUrl"])
    press(browser, consent, username="kilo.north")
    assert "slot" in press(browser, second, username="kilo.second").text
    api.get("/v1/publishing/accounts/connect?platform=instagram", status=402)
    api.post("/v1/publishing/accounts/slots", {"slots": 4})
    assert press(browser, second, username="kilo.second").status_code == 303


def test_slots_without_a_card_are_paid_on_a_page(browser, sandbox, api):
    sandbox.set_card(False)
    reply = api.post("/v1/publishing/accounts/slots", {"slots": 5, "returnUrl": "/settings/"})["data"]
    path = path_of(reply["checkoutUrl"])
    assert "$15.00 a month" in browser.get(path).text
    assert press(browser, path).headers["Location"] == "http://sandbox.test/settings/?outcome=done"
    assert api.get("/v1/publishing/accounts/slots")["purchased"] == 5


def test_fewer_slots_than_accounts_are_refused(api):
    api.post("/v1/publishing/accounts/slots", {"slots": 1}, status=400)


def test_addresses_that_lead_nowhere(browser, seeded, checkout):
    assert browser.get(checkout.replace("/checkout/", "/card/")).status_code == 404
    assert browser.get("/sandbox/checkout/00000000-0000-4000-8000-000000000000/").status_code == 404
    assert browser.get("/sandbox/assets/../app.py").status_code == 404
    assert browser.put(checkout).status_code == 405
    assert "6 times" in browser.get("/sandbox/").text or "1 times" in browser.get("/sandbox/").text
