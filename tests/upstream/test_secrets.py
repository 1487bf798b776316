"""Keys, passwords and payment addresses are in no error, no record and no printout."""

import json
import pickle
import time
import traceback
from dataclasses import replace

import httpx
import pytest

from reviewqueue.upstream import errors
from reviewqueue.upstream.redaction import redact
from reviewqueue.upstream.reelmirror import ReelMirror
from reviewqueue.upstream.reelmirror.types import CardSetup, NewApiKey
from reviewqueue.upstream.transport import Transport
from tests.upstream.stage import BASE, KEY, POST_ID, Script, client, error, server

OTHER_KEY = "rm_00112233445566778899aabbccddeeff"
PLAIN_KEY = "session.token-of/another=kind"


def everything(failure):
    """All the ways in which an error may come to be printed or kept, but for the frame of the test."""
    failure.__traceback__ = failure.__traceback__.tb_next
    printed = traceback.TracebackException.from_exception(failure, capture_locals=True)
    return "\n".join(
        [
            str(failure),
            repr(failure),
            repr(vars(failure)),
            repr(getattr(failure, "exchange", None)),
            "".join(traceback.format_exception(failure)),
            "".join(printed.format()),
            pickle.dumps(failure).decode("latin-1"),
        ]
    )


def leaking(key):
    """Services that put the key wherever it could come back from."""
    envelope = {"error": {"code": f"KEY_{key}", "message": f"Bad key {key}", "details": {key: [key]}}}
    yield httpx.Response(401, json=envelope, headers={"X-Request-Id": key, "X-RateLimit-Limit": key})
    yield httpx.Response(500, json=envelope)
    yield httpx.Response(500, text=f"Traceback: Authorization: Bearer {key}")
    yield httpx.Response(403, text=key)
    yield httpx.Response(429, json=envelope)
    yield httpx.Response(302, headers={"Location": f"https://evil.example/{key}?key={key}"})
    yield httpx.Response(200, text=key)
    yield httpx.Response(200, json={"echo": key})
    yield httpx.ConnectError(f"cannot connect with {key}")
    yield httpx.ReadError(f"broken {key}")
    yield RuntimeError({"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("key", [KEY, PLAIN_KEY], ids=["api key", "session token"])
@pytest.mark.parametrize("which", range(11))
def test_an_error_never_holds_the_key(key, which):
    answer = list(leaking(key))[which]
    seen = []
    api = ReelMirror(BASE, key, Script(answer), observe=seen.append)
    with pytest.raises(errors.UpstreamError) as raised:
        api.posts.approve(POST_ID, request_id="op/1")
    assert key not in everything(raised.value)
    assert key not in repr(seen)
    assert key not in pickle.dumps(seen).decode("latin-1")


def test_an_error_of_the_real_wire_never_holds_the_key():
    with (
        server(lambda connection: connection.sendall(b"nonsense\r\n\r\n")) as base_url,
        pytest.raises(errors.Broken) as raised,
    ):
        ReelMirror(base_url, KEY).posts.approve(POST_ID)
    assert KEY not in everything(raised.value)


def test_no_frame_of_the_http_library_hangs_on_an_error():
    """Debug pages and error trackers print the locals of every frame, and there the header lies open."""
    with pytest.raises(errors.Broken) as raised:
        client(httpx.ReadError("reset")).posts.approve(POST_ID)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    files = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert not any("httpx" in file or "httpcore" in file for file in files)


def test_clients_do_not_print_their_key_and_are_not_pickled():
    api = client({})
    transport = Transport(BASE, KEY)
    assert KEY not in repr(api) + repr(transport) + repr(vars(api))
    for holder in (api, transport):
        with pytest.raises(TypeError):
            pickle.dumps(holder)


@pytest.mark.parametrize("key", ["rm_ключ", "rm_a\r\nX-Evil: 1", "rm_a b"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key):
    with pytest.raises(ValueError) as raised:
        ReelMirror(BASE, key)
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    "base_url", ["ftp://a.example", "https://user:pw@a.example", "https://a.example/?x=1", "a.example", ""]
)
def test_a_base_url_is_an_address_and_no_more(base_url):
    with pytest.raises(ValueError):
        ReelMirror(base_url, KEY)


def test_a_new_key_is_returned_and_kept_nowhere_else():
    seen = []
    for key in (OTHER_KEY, "another-form-of-key-0123456789"):
        created = client(
            httpx.Response(201, json={"data": {"id": "k1", "name": "Desk", "key": key}}), observe=seen.append
        ).keys.create("Desk", ["content:read"])
        assert created.key == key
        assert key not in repr(created)
        assert key not in repr(seen[-1])
        assert '"name"' in seen[-1].body


def test_a_password_is_not_kept():
    seen = []
    password = 'correct "horse" \\battery'
    answer = {"status": "pending_confirmation", "user_id": "u1"}
    api = client(answer, observe=seen.append)
    api.auth.sign_up("a@example.com", password)
    assert api.script.bodies[0]["password"] == password
    assert json.loads(seen[0].request_body) == {"email": "a@example.com", "password": "[redacted]"}


def test_signing_up_needs_no_key_and_sends_none():
    api = client({"status": "pending_confirmation", "user_id": "u1"})
    api.auth.sign_up("a@example.com", "correct-horse")
    assert "authorization" not in api.script.requests[0].headers


def test_payment_addresses_and_card_secrets_are_not_kept():
    seen = []
    checkout = "https://checkout.example.com/c/pay/cs_test_a1b2c3d4#fidkdWxOYHwnPyd1"
    link = client({"data": {"url": checkout}}, observe=seen.append).billing.top_up(2500)
    assert link.url == checkout
    consent = "https://auth.example.com/oauth?state=s3cr3t&x=1"
    assert client({"authUrl": consent}, observe=seen.append).accounts.connect_link("instagram").url == consent
    card = client({"client_secret": "seti_123_secret_456"}, observe=seen.append).billing.setup_intent()
    assert card.client_secret == "seti_123_secret_456"
    kept = repr(seen) + repr(link) + repr(card)
    for secret in ("cs_test_a1b2c3d4", "fidkdWxO", "s3cr3t", "seti_123"):
        assert secret not in kept


def test_an_upload_is_kept_as_its_size():
    seen = []
    answer = {"url": "https://media.example.com/a.png?sig=1", "category": "avatar"}
    client(answer, observe=seen.append).uploads.from_file("p1", "avatar", b"\x89PNG", "me.png", "image/png")
    assert json.loads(seen[0].request_body) == {
        "category": "avatar",
        "persona_id": "p1",
        "file": {"name": "me.png", "type": "image/png", "bytes": 4},
    }


# -- exchanges


def test_an_exchange_says_what_went_over_the_wire():
    seen = []
    headers = {"Content-Type": "application/json", "Set-Cookie": "a=b", "X-Request-Id": "r1", "Server": "x"}
    answer = httpx.Response(202, json={"generated_post_id": "g1"}, headers=headers)
    client(answer, observe=seen.append).generation.start("sp1", "p1")
    (exchange,) = seen
    assert (exchange.method, exchange.path, exchange.query) == ("POST", "/v1/generate", {})
    assert json.loads(exchange.request_body) == {"source_post_id": "sp1", "persona_id": "p1"}
    assert (exchange.status, exchange.body) == (202, '{"generated_post_id":"g1"}')
    assert exchange.headers == {"content-type": "application/json", "x-request-id": "r1"}
    assert (exchange.sent, exchange.error, exchange.rate) == (True, "", None)
    assert exchange.started_at.utcoffset().total_seconds() == 0
    assert exchange.seconds >= 0
    assert pickle.loads(pickle.dumps(exchange)) == exchange


def test_every_attempt_is_observed_once_whatever_comes_of_it():
    seen = []
    api = client(
        httpx.Response(502), httpx.ReadError("x"), {"data": []}, observe=seen.append, read_attempts=3
    )
    api.personas.list(limit=50, offset=100)
    assert [exchange.status for exchange in seen] == [502, None, 200]
    assert seen[0].query == {"limit": "50", "offset": "100"}
    with pytest.raises(KeyboardInterrupt):
        client(interrupted, observe=seen.append).posts.approve(POST_ID)
    assert (seen[-1].error, seen[-1].sent, len(seen)) == ("interrupted", True, 4)


def interrupted(request):
    raise KeyboardInterrupt


@pytest.mark.parametrize("answer", [{"outgoing_post_id": "o1"}, error(402)])
def test_an_observer_that_fails_hides_nothing(answer, caplog):
    def observe(exchange):
        raise RuntimeError("the log is full")

    api = client(answer, observe=observe)
    if isinstance(answer, dict):
        assert api.posts.approve(POST_ID).outgoing_post_id == "o1"
    else:
        with pytest.raises(errors.InsufficientBalance):
            api.posts.approve(POST_ID)
    assert "observer" in caplog.text
    assert KEY not in caplog.text


def test_an_exchange_can_be_stored_whatever_came():
    seen = []
    body = b'{"caption": "a\x00b \\ud800 \xff", "error": 1}' + b"x" * 100_000
    with pytest.raises(errors.Unreadable):
        client(httpx.Response(200, content=body), observe=seen.append).posts.approve(POST_ID)
    seen[0].body.encode("utf-8")
    assert "\x00" not in seen[0].body
    assert len(seen[0].body) == 64 * 1024


def test_a_key_across_the_cut_is_not_cut_in_two():
    seen = []
    filler = "x" * (64 * 1024 - 20)
    with pytest.raises(errors.Unreadable):
        client(httpx.Response(200, text=f"{filler} {KEY}"), observe=seen.append).posts.approve(POST_ID)
    assert KEY[:12] not in seen[0].body


def test_an_unreadable_answer_keeps_its_exchange():
    with pytest.raises(errors.Unreadable) as raised:
        client({"data": {"id": 5}}).posts.get(POST_ID)
    assert raised.value.exchange.body == '{"data":{"id":5}}'


@pytest.mark.parametrize(
    "failure",
    [
        errors.NotSent("m", wait=7),
        errors.Throttled("m", wait=9),
        errors.InsufficientBalance("m", status=402, code="C", details={"a": [1]}),
        errors.GatewayFailure("m", status=502, code="C"),
        errors.Unreadable("m", status=200),
        errors.Broken("m"),
        errors.MediaRefused("m"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_errors_survive_pickling(failure):
    copy = pickle.loads(pickle.dumps(failure))
    assert (type(copy), str(copy), vars(copy)) == (type(failure), "m", vars(failure))
    assert getattr(copy, "accepted", False) is (type(failure) is errors.Unreadable)


# -- redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"key {KEY}, twice {KEY}", "key [redacted], twice [redacted]"),
        ("the prefix rm_abc1 may be shown", "the prefix rm_abc1 may be shown"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [redacted]"),
        ("authorization: opaque-token", "authorization: [redacted]"),
        ("x-api-key: 12345", "x-api-key: [redacted]"),
        ('{"client_secret": "seti_1", "a": 1}', '{"client_secret": "[redacted]", "a": 1}'),
        ('{"client_secret":"cut off', '{"client_secret":"[redacted]'),
        ("{'password': 'a b, c'}", "{'password': '[redacted]'}"),
        (r'{"password": "a \" b"}', '{"password": "[redacted]"}'),
        ("client_secret=seti_1&x=1", "client_secret=[redacted]&x=1"),
        ("seti_1A_secret_9Z", "[redacted]"),
        ("pay at https://c.example/pay/1?s=2#3 now", "pay at https://c.example/pay/1?[redacted] now"),
        (
            '{"url":"https:\\/\\/c.example\\/p?s=2\\u0026t=3"}',
            '{"url":"https:\\/\\/c.example\\/p?[redacted]"}',
        ),
        ("see https://a.example/b.", "see https://a.example/b."),
        ('{"key": "avatars/7b0f5c1e/avatar.jpg"}', '{"key": "avatars/7b0f5c1e/avatar.jpg"}'),
        ("nothing to hide", "nothing to hide"),
        ("", ""),
    ],
)
def test_redaction(text, expected):
    assert redact(text) == expected
    assert redact(expected) == expected


def test_further_secrets_are_named_by_the_caller():
    assert redact("the token is hunter2-hunter2", also=["hunter2-hunter2"]) == "the token is [redacted]"
    assert redact("a key too short to tell from a word", also=["key", ""]).startswith("a key")


@pytest.mark.parametrize(
    "piece", ["http://", "rm_", '"password": "\\', "seti_", "bearer ", "x-api-key", "authorization:   "]
)
def test_redaction_takes_no_time_over_hostile_text(piece):
    began = time.monotonic()
    redact(piece * 20_000)
    assert time.monotonic() - began < 2


def test_secrets_are_left_out_of_printed_types():
    created = NewApiKey(id="k1", key=OTHER_KEY)
    assert OTHER_KEY not in repr(created)
    assert OTHER_KEY not in repr(replace(created, name="Desk"))
    assert "seti" not in repr(CardSetup("seti_1_secret_2"))
