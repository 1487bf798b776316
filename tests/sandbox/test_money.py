"""Prices, charges and refunds: every cent is a transaction, and the balance is their sum."""

from __future__ import annotations

import math

import pytest

from reviewqueue.sandbox.reelmirror import billing


def test_the_balance_is_the_sum_of_the_transactions(desk):
    assert desk.balance() == sum(each["amount_cents"] for each in desk.transactions())


@pytest.mark.parametrize(
    ("kind", "seconds", "discount", "cents"),
    [
        ("image", None, False, 32),
        ("image", None, True, 26),
        ("video", 30, False, 450),
        ("video", 4.39, False, 66),
        ("video", 5, True, 60),
        ("video", 4.2, False, 63),
    ],
)
def test_prices(kind, seconds, discount, cents):
    assert billing.item_cents(kind, seconds, discount=discount) == cents


def test_a_voice_costs_half_a_cent_a_second():
    assert [billing.voice_cents(seconds) for seconds in (1, 2, 5, 30)] == [1, 1, 3, 15]


def test_each_item_is_charged_once_by_name(desk, ines):
    post_id = desk.generate(ines, desk.source_post(ines, items=3)["id"])
    post = desk.post(post_id)
    charges = [each for each in desk.transactions() if each["generated_post_id"] == post_id]
    assert {each["generated_media_item_id"] for each in charges} == {
        item["id"] for item in post["media_items"]
    }
    assert [each["amount_cents"] for each in charges] == [-32] * 3
    assert {each["operation_type"] for each in charges} == {"generation"}
    assert post["total_cost_cents"] == 96


def test_discount_mode_is_cheaper_and_marked(desk, api, ines):
    api.patch(f"/v1/personas/{ines}", {"discount_mode": True})
    before = desk.balance()
    post = desk.post(desk.generate(ines, desk.source_post(ines)["id"]))
    assert before - desk.balance() == 26
    assert post["media_items"][0]["discount_applied"] is True


def test_a_video_is_charged_by_the_second(desk, ines):
    source = desk.source_post(ines, media_type="video")
    before = desk.balance()
    desk.generate(ines, source["id"])
    assert before - desk.balance() == math.ceil(15 * source["media_items"][0]["duration_seconds"])


def test_too_little_money_makes_nothing(sandbox, desk, api, ines):
    source = desk.source_post(ines, items=3)
    sandbox.set_balance(95)
    before = len(desk.posts(ines))
    body = {"source_post_id": source["id"], "persona_id": ines}
    error = api.post("/v1/generate", body, status=402)["error"]
    assert error["code"] == "INSUFFICIENT_BALANCE"
    assert error["details"] == {"required_cents": 96, "balance_cents": 95}
    assert (desk.balance(), len(desk.posts(ines))) == (95, before)
    assert sandbox.effects("generate") == []
    sandbox.set_balance(96)
    desk.generate(ines, source["id"])
    assert desk.balance() == 0


def test_every_paid_call_refuses_without_money(sandbox, desk, api, ines):
    ready, video = desk.ready(ines), desk.ready(ines, media_type="video")
    failed = desk.posts(ines, status="failed")[0]
    sandbox.set_balance(0)
    item = {"generated_media_item_id": ready["media_items"][0]["id"]}
    api.post("/v1/generate/media-item", item, status=402)
    api.post("/v1/generate/regenerate-post", {"generated_post_id": ready["id"]}, status=402)
    retry = {"generated_post_id": failed["id"], "failed_only": True}
    api.post("/v1/generate/regenerate-post", retry, status=402)
    voice = {"generated_media_item_id": video["media_items"][0]["id"]}
    api.post("/v1/generate/voice-convert", voice, status=402)
    api.post(f"/v1/personas/{ines}/sync", status=402)
    link = {"url": "https://www.instagram.com/p/DExampleMoney/", "persona_id": ines}
    api.post("/v1/clone-url", link, status=402)
    assert desk.item(item["generated_media_item_id"])["status"] == "completed"
    assert sandbox.effects() == []


def test_a_failed_item_is_refunded_when_it_fails(sandbox, desk, clock, ines):
    source = desk.source_post(ines, items=3)
    sandbox.edit_source_caption(source["id"], "This one will fail.")
    before = desk.balance()
    post_id = desk.generate(ines, source["id"])
    assert desk.balance() == before - 96
    clock.advance(200)
    post = desk.post(post_id)
    assert [item["status"] for item in post["media_items"]] == ["completed", "completed", "failed"]
    assert post["status"] == "failed"
    assert post["media_items"][2]["error_message"] == post["error_message"]
    assert desk.balance() == before - 64
    refund = desk.transactions()[0]
    charge = next(each for each in desk.transactions() if each["id"] == refund["refund_of_id"])
    assert (refund["operation_type"], refund["amount_cents"]) == ("refund", 32)
    assert (
        charge["generated_media_item_id"] == refund["generated_media_item_id"] == post["media_items"][2]["id"]
    )
    assert refund["created_at"] < post["updated_at"] or refund["created_at"] == post["updated_at"]


def test_a_keys_monthly_limit(caller, sandbox, desk, seeded, clock, ines):
    limited = caller(sandbox.new_key("Example, limited", monthly_limit_cents=100))
    body = {"source_post_id": desk.source_post(ines)["id"], "persona_id": ines}
    for _ in range(3):
        limited.post("/v1/generate", body, status=202)
    error = limited.post("/v1/generate", body, status=402)["error"]
    assert error["details"]["monthly_limit_cents"] == 100
    assert error["details"]["spent_this_month_cents"] == 96
    desk.generate(ines, body["source_post_id"])  # another key is not limited by it
    clock.advance(31 * 86_400)
    limited.post("/v1/generate", body, status=202)


def test_automatic_reload(sandbox, desk, api, ines):
    sandbox.set_balance(520)
    settings = {"auto_reload": True, "reload_threshold_cents": 500, "reload_amount_cents": 2500}
    assert api.patch("/v1/billing/balance", settings)["data"]["auto_reload"] is True
    desk.generate(ines, desk.source_post(ines)["id"])
    assert desk.balance() == 520 - 32 + 2500
    assert (desk.transactions()[0]["operation_type"], desk.transactions()[0]["amount_cents"]) == (
        "deposit",
        2500,
    )


@pytest.mark.parametrize(
    "wishes",
    [
        {"reload_threshold_cents": 5001},
        {"reload_threshold_cents": -1},
        {"reload_amount_cents": 99},
        {"reload_amount_cents": 5001},
        {"auto_reload": "yes"},
        {"auto_reload": True},
        {},
    ],
)
def test_reload_settings_that_cannot_be(api, wishes):
    api.patch("/v1/billing/balance", wishes, status=400)


def test_only_some_amounts_are_offered(desk, api):
    before = desk.balance()
    for amount in (1000, 2500, 5000, 10_000):
        assert "/sandbox/checkout/" in api.post("/v1/billing/topup", {"amount_cents": amount})["data"]["url"]
    assert api.post("/v1/billing/topup", {"amount_cents": 1500}, status=400)["error"]["details"][
        "allowed_cents"
    ]
    assert desk.balance() == before
