"""The tolerant reader: every form the pages disagree on, and every value a hostile service could send."""

import inspect
import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reviewqueue.upstream.errors import Unreadable
from reviewqueue.upstream.reelmirror import parsing, types
from reviewqueue.upstream.reelmirror.fields import (
    flag,
    identifier,
    link,
    moment,
    seconds,
    text,
    whole,
    word,
)
from reviewqueue.upstream.reelmirror.parsing import one, page
from tests.upstream.stage import ITEM_ID, NEW_ITEM_ID, OUTGOING_ID, PERSONA_ID, POST_ID, client

ITEM = {"id": ITEM_ID, "status": "completed", "media_type": "image"}
POST = {"id": POST_ID, "status": "completed", "media_items": [ITEM]}
OUTGOING = {"id": OUTGOING_ID, "status": "draft", "deliveries": []}
CENTS = {"balance_cents": 1050}


# -- the contract's table "Disagreements between pages"


@pytest.mark.parametrize("body", [POST, {"data": POST}, {"data": POST, "success": True}])
def test_single_objects_come_bare_or_under_data(body):
    assert client(body).posts.get(POST_ID).id == POST_ID


@pytest.mark.parametrize("body", [OUTGOING, {"data": OUTGOING}, {"post": OUTGOING}])
def test_an_outgoing_post_comes_bare_or_under_data_or_under_post(body):
    for answer in (
        client(body).outgoing.get(OUTGOING_ID),
        client(body).outgoing.create([types.OutgoingItem(ITEM_ID)]),
        client(body).outgoing.publish(OUTGOING_ID),
        client(body).outgoing.update(OUTGOING_ID, caption="x"),
        client(body).outgoing.schedule(OUTGOING_ID, datetime.now(UTC)),
    ):
        assert answer == types.OutgoingPost(OUTGOING_ID, "draft", ())


def test_a_field_called_post_is_no_envelope_elsewhere():
    """An item may carry its post; its own id and status are the ones outside."""
    assert client({**ITEM, "post": {"id": "other", "status": "failed"}}).items.get(ITEM_ID).id == ITEM_ID


@pytest.mark.parametrize("name", ["handle", "username"])
def test_the_name_of_a_source_is_handle_or_username(name):
    row = {"id": "s1", "platform": "instagram", name: "@natgeo"}
    assert client({"data": [row]}).sources.list(PERSONA_ID).items[0].handle == "natgeo"


@pytest.mark.parametrize(
    "body",
    [
        {
            "data": {
                **CENTS,
                "balance_dollars": "10.50",
                "auto_reload": True,
                "reload_threshold_cents": 500,
                "reload_amount_cents": 2500,
            }
        },
        {
            **CENTS,
            "balance_dollars": 10.50,
            "auto_reload_enabled": True,
            "auto_reload_threshold_cents": 500,
            "auto_reload_amount_cents": 2500,
        },
        {**CENTS, "autoReload": True, "reloadThresholdCents": "500", "reloadAmountCents": 2500.0},
    ],
)
def test_the_balance_comes_under_two_sets_of_names(body):
    assert client(body).billing.balance() == types.Balance(1050, True, 500, 2500, None)


@pytest.mark.parametrize("dollars", ["10.50", 10.5, None, "lots", {}])
def test_the_balance_in_dollars_is_never_used(dollars):
    assert client({**CENTS, "balance_dollars": dollars}).billing.balance().balance_cents == 1050
    with pytest.raises(Unreadable):
        client({"balance_dollars": dollars}).billing.balance()


@pytest.mark.parametrize(
    "body",
    [
        {"setup_url": "https://checkout.example.com/s"},
        {"data": {"setup_url": "https://checkout.example.com/s"}},
        {"data": {}, "setup_url": "https://checkout.example.com/s"},
        {"data": {"setupUrl": "https://checkout.example.com/s"}},
    ],
)
def test_the_address_to_save_a_card_at_may_sit_inside_or_outside(body):
    balance = client(body).billing.set_auto_reload(True, 500, 2500)
    assert balance.setup_url == "https://checkout.example.com/s"
    assert balance.balance_cents is None


def test_a_balance_beside_the_address_is_read_too():
    body = {"data": CENTS, "setup_url": "https://checkout.example.com/s"}
    assert client(body).billing.set_auto_reload(True).balance_cents == 1050


@pytest.mark.parametrize("name", ["operation_type", "type", "operationType"])
def test_the_kind_of_a_transaction_has_two_names(name):
    row = {"id": "t1", "amount_cents": -32, "created_at": "2026-02-10T09:15:00Z", name: "brand_new_kind"}
    (transaction,) = client({"data": [row], "count": 1}).billing.transactions().items
    assert (transaction.kind, transaction.amount_cents) == ("brand_new_kind", -32)


@pytest.mark.parametrize(
    "body", [{"status": "started", "generated_post_id": "g1"}, {"generated_post_id": "g1"}]
)
def test_generation_needs_only_the_id(body):
    for answer in (body, {"data": body}):
        assert client(answer).generation.start("sp1", "p1").generated_post_id == "g1"
        assert (
            client(answer).generation.clone("https://www.instagram.com/p/A/", "p1").generated_post_id == "g1"
        )


def test_the_discount_is_set_on_the_persona_and_never_with_a_generation():
    api = client({"generated_post_id": "g1"})
    api.generation.start("sp1", "p1")
    assert api.script.bodies == [{"source_post_id": "sp1", "persona_id": "p1"}]
    api = client({"id": "p1", "name": "Mira", "discount_mode": True})
    assert api.personas.update("p1", discount_mode=True).discount_mode is True
    assert api.script.bodies == [{"discount_mode": True}]


def test_slots_without_a_card_lead_to_a_checkout():
    for name in ("checkoutUrl", "checkout_url"):
        body = {"data": {"purchased": 1, "subscriptionId": None, name: "https://checkout.example.com/c"}}
        changed = client(body).accounts.set_slots(3, "/settings")
        assert changed == types.SlotsChanged(1, None, "https://checkout.example.com/c")
    with pytest.raises(Unreadable):
        client({"data": {}}).accounts.set_slots(3)


@pytest.mark.parametrize(
    "body",
    [
        {"authUrl": "https://auth.example.com/o"},
        {"auth_url": "https://auth.example.com/o"},
        {"data": {"url": "https://auth.example.com/o"}},
    ],
)
def test_letter_case_does_not_matter(body):
    assert client(body).accounts.connect_link("instagram").url == "https://auth.example.com/o"
    slots = {"purchased": 1, "used": 1, "available": 0}
    for name in ("subscriptionId", "subscription_id"):
        assert client({**slots, name: "sub_1"}).accounts.slots() == types.Slots(1, 1, 0, "sub_1")
    camel = {"id": POST_ID, "status": "failed", "mediaItems": [], "reviewStatus": "pending_review"}
    assert client(camel).posts.get(POST_ID).review_status == "pending_review"


def test_the_address_to_come_back_to_is_sent_as_the_page_shows_it():
    api = client({"purchased": 3})
    api.accounts.set_slots(3, "/settings")
    assert api.script.bodies == [{"slots": 3, "returnUrl": "/settings"}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"generated_media_item_id": NEW_ITEM_ID}, NEW_ITEM_ID),
        ({"new_item_id": NEW_ITEM_ID}, NEW_ITEM_ID),
        ({"id": NEW_ITEM_ID}, NEW_ITEM_ID),
        ({"data": {"newItemId": NEW_ITEM_ID}}, NEW_ITEM_ID),
        ({"generated_media_item_id": ITEM_ID, "new_item_id": NEW_ITEM_ID}, NEW_ITEM_ID),
        ({"status": "started"}, None),
        ({"id": 17}, None),
    ],
)
def test_a_regenerated_item_is_told_by_any_id(body, expected):
    assert client(body).generation.regenerate_item(ITEM_ID).item_id == expected


def test_a_retry_of_what_failed_names_old_and_new_items():
    retried = {"original_item_id": ITEM_ID, "new_item_id": NEW_ITEM_ID, "media_type": "video"}
    body = {"generated_post_id": POST_ID, "retried_items": [retried, {"bad": 1}], "total_cost_cents": 25}
    started = client(body).generation.regenerate_post(POST_ID, failed_only=True)
    assert started.retried_items == (types.RetriedItem(ITEM_ID, NEW_ITEM_ID, "video", ""),)
    assert started.total_cost_cents == 25


def test_the_estimate_of_a_sync_is_what_the_reply_says():
    started = client({"job_ids": ["j1", "j2"], "estimated_cost_cents": 4}).syncs.start(PERSONA_ID)
    assert (started.job_ids, started.estimated_cost_cents) == (("j1", "j2"), 4)


@pytest.mark.parametrize("status", ["pending", "generating", "completed", "failed", "paused_by_moon", "ÜBER"])
def test_states_stay_the_words_of_the_service(status):
    post = client({**POST, "status": status, "review_status": status}).posts.get(POST_ID)
    assert (post.status, post.review_status) == (status, status)


def test_a_list_may_be_bare_and_may_not_say_how_many_there_are():
    assert client([{"id": "p1", "name": "A"}]).personas.list().count is None
    assert client({"data": [], "count": "3"}).personas.list() == types.Page((), 3, 0)
    assert client({"data": [], "count": -1}).personas.list().count is None


def test_a_page_is_asked_for_by_limit_and_offset():
    api = client({"data": [], "count": 0})
    api.posts.list(PERSONA_ID, limit=50, offset=150)
    assert dict(api.script.requests[0].url.params) == {"limit": "50", "offset": "150"}
    api.posts.list(PERSONA_ID)
    assert dict(api.script.requests[1].url.params) == {"limit": "100", "offset": "0"}


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}, {"count": 3}, {"data": "x"}, 5])
def test_a_list_that_is_none_is_unreadable(body):
    with pytest.raises(Unreadable):
        client(httpx.Response(200, json=body)).personas.list()


# -- rows that cannot be read


HOSTILE_ROWS = [None, 1, "x", [], {}, {"id": ""}, {"id": "a b", "name": "n"}, {"id": "x" * 200, "name": "n"}]


def test_a_row_that_cannot_be_read_stops_no_other():
    rows = [{"id": "p1", "name": "A"}, *HOSTILE_ROWS, {"id": "p2", "name": "B"}]
    found = client({"data": rows, "count": len(rows)}).personas.list()
    assert [persona.id for persona in found.items] == ["p1", "p2"]
    assert found.unreadable == len(HOSTILE_ROWS)
    assert found.count == len(rows)


@pytest.mark.parametrize("hostile", HOSTILE_ROWS, ids=repr)
def test_a_post_is_never_shown_without_one_of_its_items(hostile):
    """A reviewer would approve what he did not see."""
    with pytest.raises(Unreadable):
        client({**POST, "media_items": [ITEM, hostile]}).posts.get(POST_ID)
    rows = [{**POST, "media_items": [hostile]}, POST]
    assert client({"data": rows}).posts.list(PERSONA_ID).unreadable == 1


@pytest.mark.parametrize("hostile", [None, {}, {"id": "d1"}, {"status": "failed"}])
def test_an_outgoing_post_is_never_shown_without_one_of_its_deliveries(hostile):
    with pytest.raises(Unreadable):
        client({**OUTGOING, "deliveries": [hostile]}).outgoing.get(OUTGOING_ID)


def test_an_enormous_number_in_one_row_costs_no_other():
    row = '{"id": "t%d", "amount_cents": %s}'
    rows = ", ".join(
        [row % (1, -32), row % (2, "9" * 5000), row % (3, "NaN"), row % (4, "1e999"), row % (5, 25)]
    )
    found = client(httpx.Response(200, content=f'{{"data": [{rows}]}}')).billing.transactions()
    assert [transaction.amount_cents for transaction in found.items] == [-32, 25]
    assert found.unreadable == 3


@pytest.mark.parametrize(
    "body",
    [
        {"status": "completed", "media_items": []},
        {"id": POST_ID, "media_items": []},
        {"id": POST_ID, "status": "completed"},
        {"id": POST_ID, "status": "", "media_items": []},
        {"id": POST_ID, "status": 5, "media_items": []},
        {"id": POST_ID, "status": "completed", "media_items": None},
        {"id": POST_ID, "status": "completed", "media_items": {}},
        {"id": ["x"], "status": "completed", "media_items": []},
    ],
)
def test_a_required_field_that_cannot_be_used_makes_the_object_unreadable(body):
    with pytest.raises(Unreadable) as raised:
        client(body).posts.get(POST_ID)
    assert raised.value.status == 200


STRANGE = [None, True, -1, 10**30, 1.5, float("nan"), "", "x" * 5000, [], [[]], {}, {"a": 1}, "\x00\ud800"]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:20])
def test_a_strange_value_in_an_optional_field_becomes_its_default(value):
    names = {field.name for field in fields(types.MediaItem)} - {"id", "status"}
    item = parsing.parse_media_item({"id": ITEM_ID, "status": "completed", **dict.fromkeys(names, value)})
    for field in fields(types.MediaItem):
        found = getattr(item, field.name)
        assert found is None or isinstance(found, str | bool | int | float | datetime)
        json.dumps(found, default=str).encode("utf-8")


# -- single fields


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (32, 32),
        (-32, -32),
        ("32", 32),
        ("-32", -32),
        (32.0, 32),
        (0, 0),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        (10**400, None),
        (32.5, None),
        ("32.5", None),
        ("", None),
        ("3 2", None),
        ("9" * 5000, None),
        ("٣", None),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_integers(value, expected):
    assert whole(value) == expected
    assert type(whole(value)) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (14.2, 14.2),
        ("14.2", 14.2),
        (14, 14.0),
        (-1, None),
        (float("nan"), None),
        (10**400, None),
        (True, None),
    ],
)
def test_seconds(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("true", True),
        ("FALSE", False),
        (2, None),
        ("", None),
    ],
)
def test_flags(value, expected):
    assert flag(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-02-10T09:15:00Z", datetime(2026, 2, 10, 9, 15, tzinfo=UTC)),
        ("2026-02-10T09:15:00.123456+02:00", datetime(2026, 2, 10, 7, 15, 0, 123456, tzinfo=UTC)),
        ("2026-02-10T09:15:00", datetime(2026, 2, 10, 9, 15, tzinfo=UTC)),
        ("2026-02-10 09:15:00", datetime(2026, 2, 10, 9, 15, tzinfo=UTC)),
        ("2026-02-10", datetime(2026, 2, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("1066-10-14T09:00:00Z", None),
        ("yesterday", None),
        ("\ud800" * 10, None),
        ("", None),
        (1770715200, None),
        (None, None),
    ],
)
def test_times_are_aware_and_in_utc(value, expected):
    assert moment(value) == expected
    assert expected is None or moment(value).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        "https://media.example.com/a.jpg?sig=1&x=2#t=3",
        "HTTP://media.example.com",
        "http://127.0.0.1:8765/sandbox/a.mp4",
        "https://media.example.com/ü/日本.jpg",
    ],
)
def test_links(value):
    assert link(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//media.example.com/a",
        "/a.jpg",
        "ftp://a.example/x",
        "https://",
        "https:///a",
        "https://a.example/a b",
        "https://a.example/\u00a0",
        "https://a.example/\n",
        'https://a.example/"onload=x',
        "https://a.example/<script>",
        "https://[::1",
        "https://a.example/\x00",
        "https://a.example/\ud800",
        "https://a.example/" + "x" * 5000,
        " https://a.example/",
        "",
        None,
        5,
    ],
)
def test_what_is_no_link_is_none(value):
    assert link(value) is None


def test_ids_look_like_ids():
    for good in (POST_ID, "a", "sub_1Example", "A-b_9", "x" * 128):
        assert identifier(good) == good
    for bad in ("", "a b", "a/b", "../x", "a\n", "é", "x" * 129, 5, None, ["a"], "a\x00", "<b>"):
        assert identifier(bad) is None


def test_text_is_made_storable_and_keeps_its_direction():
    assert text("a\x00b\ud83dc\udc00") == "a\ufffdb\ufffdc\ufffd"
    assert text("\u202eevil\u202c 😀") == "\u202eevil\u202c 😀"
    assert text(5) is None
    assert word("  new state \x00") == "new state \ufffd"
    assert word("x" * 100) == "x" * 64
    post = client(httpx.Response(200, content=json.dumps({**POST, "caption": "\ud83d\ude00 \ud83d"})))
    assert post.posts.get(POST_ID).caption == "😀 \ufffd"


def test_settings_of_platforms_are_kept_as_they_are_but_storable():
    given = {"instagram": {"a\x00": ["\ud800", float("inf"), 1, None, True]}}
    outgoing = parsing.parse_outgoing_post({**OUTGOING, "platform_settings": given})
    assert outgoing.platform_settings == {"instagram": {"a\ufffd": ["\ufffd", None, 1, None, True]}}
    deep = value = {}
    for _ in range(500):
        value["x"] = value = {}
    json.dumps(parsing.parse_outgoing_post({**OUTGOING, "platform_settings": deep}).platform_settings)


# -- no JSON whatever makes a parser raise anything but Unreadable


PARSERS = {
    name: parser
    for name, parser in inspect.getmembers(parsing, inspect.isfunction)
    if name.startswith("parse_")
}
NAMES = sorted(
    {field.name for kind in vars(types).values() if is_dataclass(kind) for field in fields(kind)}
    | {"data", "post", "auth_url", "checkout_url", "username", "operation_type", "original_item_id"}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.sampled_from(
        ["id-1", "completed", "32", "2026-02-10T09:15:00Z", "https://a.example/x", "\ud800", "\x00"]
    ),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NAMES), inner, max_size=8)
    ),
    max_leaves=25,
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    database=None,
)
@given(value=JSON)
def test_a_parser_raises_nothing_but_unreadable(value):
    for parse in PARSERS.values():
        for read in (parse, one(parse), one(parse, "data", "post"), page(parse)):
            try:
                found = read(value)
            except Unreadable:
                continue
            assert_storable(found)


def assert_storable(value):
    """Everything a parser returns can go into a database and onto a page."""
    if is_dataclass(value):
        for field in fields(value):
            assert_storable(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for inner in value:
            assert_storable(inner)
    elif isinstance(value, dict):
        json.dumps(value, allow_nan=False)
    elif isinstance(value, str):
        assert "\x00" not in value
        value.encode("utf-8")
    elif isinstance(value, int):
        assert abs(value) < 2**31
    elif isinstance(value, datetime):
        assert value.utcoffset() == timedelta(0)
    else:
        assert value is None or value == value  # no NaN


def test_there_is_a_parser_for_every_type():
    made = {inspect.signature(parser).return_annotation for parser in PARSERS.values()}
    assert made == {kind for kind in vars(types).values() if is_dataclass(kind)} - {types.Page}


def test_types_are_frozen_and_slotted():
    for kind in (kind for kind in vars(types).values() if is_dataclass(kind)):
        assert "__slots__" in vars(kind)
        assert kind.__dataclass_params__.frozen
