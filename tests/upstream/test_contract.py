"""The client against the contract: every operation, every example, every request it makes."""

import inspect
import json
import re
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
import yaml
from openapi_schema_validator import OAS31Validator

from reviewqueue.upstream import errors
from reviewqueue.upstream.reelmirror import ALL_SCOPES, OPERATIONS, SCOPES, types
from tests.upstream.stage import ITEM_ID, OUTGOING_ID, PERSONA_ID, POST_ID, client, error

CONTRACT = yaml.load(  # the C loader reads these 250 kB in a tenth of the time
    (Path(__file__).parents[1] / "contracts" / "reelmirror.openapi.yaml").read_text(), yaml.CSafeLoader
)
METHODS = ("get", "post", "patch", "delete", "put")
LISTING = {"limit", "offset"}

DRAFT_ITEMS = [types.OutgoingItem(ITEM_ID), types.OutgoingItem(POST_ID, 1, use_voice_converted=True)]
NOON = datetime(2026, 2, 11, 17, tzinfo=UTC)

# name → (the call, what it returns)
CALLS = {
    "auth.sign_up": (lambda api: api.auth.sign_up("a@example.com", "correct-horse"), types.Signup),
    "keys.list": (lambda api: api.keys.list(), types.ApiKey),
    "keys.create": (lambda api: api.keys.create("Desk", ["content:read"], 50000), types.NewApiKey),
    "keys.revoke": (lambda api: api.keys.revoke("k1"), types.Deleted),
    "personas.list": (lambda api: api.personas.list(), types.Persona),
    "personas.create": (lambda api: api.personas.create("Mira", "Dry", True), types.Persona),
    "personas.get": (lambda api: api.personas.get(PERSONA_ID), types.Persona),
    "personas.update": (
        lambda api: api.personas.update(PERSONA_ID, name="Mira", writing_style="", discount_mode=False),
        types.Persona,
    ),
    "personas.delete": (lambda api: api.personas.delete(PERSONA_ID), types.Deleted),
    "sources.list": (lambda api: api.sources.list(PERSONA_ID), types.Source),
    "sources.add": (
        lambda api: api.sources.add(PERSONA_ID, "instagram", "natgeo", "sync_only"),
        types.Source,
    ),
    "sources.update": (lambda api: api.sources.update(PERSONA_ID, "s1", "auto_clone"), types.Source),
    "sources.remove": (lambda api: api.sources.remove(PERSONA_ID, "s1"), types.Deleted),
    "syncs.start": (lambda api: api.syncs.start(PERSONA_ID), types.SyncStarted),
    "syncs.get": (lambda api: api.syncs.get("j1"), types.SyncJob),
    "source_posts.list": (lambda api: api.source_posts.list(PERSONA_ID), types.SourcePost),
    "generation.start": (lambda api: api.generation.start("sp1", PERSONA_ID), types.GenerationStarted),
    "generation.clone": (
        lambda api: api.generation.clone("https://www.instagram.com/p/ABC123/", PERSONA_ID),
        types.GenerationStarted,
    ),
    "generation.regenerate_post": (
        lambda api: api.generation.regenerate_post(POST_ID, failed_only=True),
        types.RegenerationStarted,
    ),
    "generation.regenerate_item": (lambda api: api.generation.regenerate_item(ITEM_ID), types.ItemStarted),
    "generation.convert_voice": (lambda api: api.generation.convert_voice(ITEM_ID), types.VoiceStarted),
    "generation.set_public": (lambda api: api.generation.set_public(ITEM_ID, True), types.Visibility),
    "posts.list": (lambda api: api.posts.list(PERSONA_ID), types.GeneratedPost),
    "posts.get": (lambda api: api.posts.get(POST_ID), types.GeneratedPost),
    "posts.delete": (lambda api: api.posts.delete(POST_ID), types.Deleted),
    "posts.approve": (lambda api: api.posts.approve(POST_ID), types.ApprovalStarted),
    "posts.reject": (lambda api: api.posts.reject(POST_ID), types.Rejection),
    "posts.send_to_compose": (lambda api: api.posts.send_to_compose(POST_ID), types.DraftMade),
    "items.get": (lambda api: api.items.get(ITEM_ID), types.MediaItem),
    "items.delete": (lambda api: api.items.delete(ITEM_ID), types.Deleted),
    "items.reject": (lambda api: api.items.reject(ITEM_ID), types.ItemRejection),
    "accounts.list": (lambda api: api.accounts.list(), types.ConnectedAccount),
    "accounts.connect_link": (lambda api: api.accounts.connect_link("instagram"), types.ConnectLink),
    "accounts.slots": (lambda api: api.accounts.slots(), types.Slots),
    "accounts.set_slots": (lambda api: api.accounts.set_slots(3, "/settings"), types.SlotsChanged),
    "targets.list": (lambda api: api.targets.list(PERSONA_ID), types.PublishingTarget),
    "targets.add": (lambda api: api.targets.add(PERSONA_ID, "a1"), types.PublishingTarget),
    "targets.remove": (lambda api: api.targets.remove(PERSONA_ID, "t1"), types.Deleted),
    "outgoing.list": (lambda api: api.outgoing.list(), types.OutgoingPost),
    "outgoing.create": (
        lambda api: api.outgoing.create(
            DRAFT_ITEMS,
            persona_id=PERSONA_ID,
            caption="Light",
            target_account_ids=["a1"],
            platform_settings={"instagram": {}},
        ),
        types.OutgoingPost,
    ),
    "outgoing.get": (lambda api: api.outgoing.get(OUTGOING_ID), types.OutgoingPost),
    "outgoing.update": (
        lambda api: api.outgoing.update(OUTGOING_ID, caption="New", items=DRAFT_ITEMS, unschedule=True),
        types.OutgoingPost,
    ),
    "outgoing.delete": (lambda api: api.outgoing.delete(OUTGOING_ID), types.Deleted),
    "outgoing.publish": (lambda api: api.outgoing.publish(OUTGOING_ID), types.OutgoingPost),
    "outgoing.schedule": (lambda api: api.outgoing.schedule(OUTGOING_ID, NOON), types.OutgoingPost),
    "billing.balance": (lambda api: api.billing.balance(), types.Balance),
    "billing.set_auto_reload": (lambda api: api.billing.set_auto_reload(True, 500, 2500), types.Balance),
    "billing.transactions": (lambda api: api.billing.transactions(), types.Transaction),
    "billing.top_up": (lambda api: api.billing.top_up(2500), types.CheckoutLink),
    "billing.setup_intent": (lambda api: api.billing.setup_intent(), types.CardSetup),
    "uploads.from_file": (
        lambda api: api.uploads.from_file(PERSONA_ID, "avatar", b"\x89PNG", "me.png", "image/png"),
        types.Upload,
    ),
    "uploads.from_url": (
        lambda api: api.uploads.from_url(PERSONA_ID, "voice", "https://files.example.com/v.mp3"),
        types.Upload,
    ),
    "profile.get": (lambda api: api.profile.get(), types.Profile),
    "profile.update": (lambda api: api.profile.update("Review team"), types.Profile),
    "feedback.list": (lambda api: api.feedback.list(), types.Ticket),
    "feedback.open": (lambda api: api.feedback.open("It is cut off.", "Caption"), types.Ticket),
    "feedback.get": (lambda api: api.feedback.get("f1"), types.Ticket),
    "feedback.reply": (lambda api: api.feedback.reply("f1", "More."), types.Ticket),
}


def dereferenced(node):
    while "$ref" in node:
        target = CONTRACT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def described(name):
    operation = OPERATIONS[name]
    return CONTRACT["paths"][operation.path][operation.method.lower()]


def success_examples():
    """Every example of every success reply: (operation, name of the example, status, body)."""
    for name in OPERATIONS:
        for status, response in described(name)["responses"].items():
            content = dereferenced(response).get("content", {}).get("application/json", {})
            for example, value in content.get("examples", {}).items():
                if status.startswith("2"):
                    yield pytest.param(
                        name, int(status), dereferenced(value)["value"], id=f"{name}-{status}-{example}"
                    )


def error_examples():
    for name in OPERATIONS:
        for status, response in described(name)["responses"].items():
            if not status.startswith("2"):
                yield pytest.param(name, int(status), response, id=f"{name}-{status}")


def assert_valid(value, schema):
    OAS31Validator({**schema, "components": CONTRACT["components"]}).validate(value)


def method_of(name):
    noun, method = name.split(".")
    return getattr(getattr(client({}), noun), method)


def test_no_operation_of_the_contract_is_missing():
    described = {
        (method.upper(), path): facts
        for path, item in CONTRACT["paths"].items()
        for method, facts in item.items()
        if method in METHODS
    }
    ours = {(operation.method, operation.path) for operation in OPERATIONS.values()}
    assert ours == set(described)
    assert len(described) == 57
    assert set(CALLS) == set(OPERATIONS) == set(SCOPES)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_the_table_says_what_the_contract_says(name):
    operation, facts = OPERATIONS[name], described(name)
    assert operation.documented == (facts["x-source"] == "documented")
    assert [operation.scope] == (facts["x-required-scopes"] or [""])
    assert (operation.effect == "read") == (operation.method == "GET")


def test_the_scopes_are_those_of_the_contract():
    assert set(ALL_SCOPES) == set(CONTRACT["components"]["schemas"]["Scope"]["enum"])
    assert set(SCOPES.values()) <= {*ALL_SCOPES, ""}


def test_what_spends_or_publishes_is_effectful():
    for name in ("generation.start", "generation.clone", "generation.regenerate_post", "posts.approve"):
        assert OPERATIONS[name].effect == "effectful"
    for name in ("generation.set_public", "posts.delete", "items.reject", "sources.update"):
        assert OPERATIONS[name].effect == "absolute"


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_method_says_what_it_does_and_which_page_it_follows(name):
    words = inspect.getdoc(method_of(name))
    pages = described(name).get("x-pages") or []
    assert ("Inferred" in words) == (not OPERATIONS[name].documented)
    assert any(page in words for page in pages) or not pages


@pytest.mark.parametrize(("name", "status", "body"), list(success_examples()))
def test_every_example_of_a_success_is_read(name, status, body):
    call, expected = CALLS[name]
    result = call(client(httpx.Response(status, json=body)))
    if isinstance(result, types.Page):
        assert len(result.items) == len(body["data"])
        assert (result.count, result.unreadable) == (body["count"], 0)
        assert all(isinstance(row, expected) for row in result.items)
    else:
        assert isinstance(result, expected)


def test_there_are_examples_for_every_operation():
    assert {param.values[0] for param in success_examples()} == set(OPERATIONS)


@pytest.mark.parametrize(("name", "status", "response"), list(error_examples()))
def test_every_example_of_an_error_is_raised_as_its_kind(name, status, response):
    body = next(iter(dereferenced(response)["content"]["application/json"]["examples"].values()))
    body = dereferenced(body)["value"]
    expected = errors.REFUSALS.get(status, errors.Throttled if status == 429 else errors.GatewayFailure)
    with pytest.raises(expected) as raised:
        CALLS[name][0](client(httpx.Response(status, json=body)))
    assert raised.value.status == status
    if status != 429:
        assert (raised.value.code, raised.value.message) == (body["error"]["code"], body["error"]["message"])


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_request_is_one_the_contract_allows(name):
    api = client(error(404))
    with pytest.raises(errors.NotFound):
        CALLS[name][0](api)
    facts = described(name)
    for request in api.script.requests:
        assert_valid_path(request, name)
        assert_valid_query(request, facts)
        assert_valid_body(request, facts)


def assert_valid_path(request, name):
    operation = OPERATIONS[name]
    pattern = re.sub(r"\{\w+\}", "[^/]+", "/api" + operation.path)
    assert re.fullmatch(pattern, request.url.path)
    assert request.method == operation.method


def assert_valid_query(request, facts):
    sent = parse_qs(request.url.query.decode())
    parameters = [dereferenced(parameter) for parameter in facts.get("parameters", [])]
    known = {parameter["name"]: parameter for parameter in parameters if parameter["in"] == "query"}
    if facts["operationId"] in ("listConnectedAccounts", "listPublishingTargets"):
        known |= dict.fromkeys(LISTING)  # not told for these two, but the contract's rule for all lists
    assert set(sent) <= set(known)
    for field, (value,) in sent.items():
        if known[field]:
            schema = known[field]["schema"]
            assert_valid(int(value) if schema.get("type") == "integer" else value, schema)
    for field, parameter in known.items():
        assert not (parameter or {}).get("required") or field in sent


def assert_valid_body(request, facts):
    content = facts.get("requestBody", {}).get("content", {})
    if not content:
        assert request.content == b""
        return
    kind = request.headers["content-type"].split(";")[0]
    schema = content[kind]["schema"]
    body = json.loads(request.content) if kind == "application/json" else form_fields(request)
    assert_valid(body, schema)
    assert set(body) <= set(dereferenced(schema)["properties"])


def form_fields(request):
    head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    parts = message_from_bytes(head + request.content).get_payload()
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode("latin-1")
        for part in parts
    }


def test_scheduling_can_be_a_change_of_the_draft():
    example = CONTRACT["components"]["examples"]["OutgoingPostEnveloped_scheduled"]["value"]
    api = client(example, schedule_with="patch")
    assert api.outgoing.schedule(OUTGOING_ID, NOON).status == "scheduled"
    (request,) = api.script.requests
    assert (request.method, request.url.path) == ("PATCH", f"/api/v1/publishing/posts/{OUTGOING_ID}")
    assert api.script.bodies == [{"scheduled_for": "2026-02-11T17:00:00Z"}]
