"""Did anything happen? Every answer ends in a Reply or in exactly the error that it proves."""

import gzip
import json
import time

import httpx
import pytest

from reviewqueue.upstream import errors
from reviewqueue.upstream.decipher import parse_json
from reviewqueue.upstream.exchange import read_rate, seconds_until_reset
from reviewqueue.upstream.reelmirror import ReelMirror
from tests.upstream.stage import ITEM_ID, PERSONA_ID, POST_ID, client, error, wire

APPROVED = {"status": "publishing", "outgoing_post_id": "out-1"}


def approve(*answers, **options):
    api = client(*answers, **options)
    try:
        return api.posts.approve(POST_ID)
    finally:
        assert len(api.script.requests) == 1  # a write is sent once, whatever comes back


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.KeyRejected),
        (402, errors.InsufficientBalance),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (405, errors.BadRequest),
        (409, errors.Conflict),
        (413, errors.BadRequest),
        (415, errors.BadRequest),
        (422, errors.Unprocessable),
    ],
)
def test_an_envelope_with_a_known_status_proves_that_nothing_happened(status, kind):
    with pytest.raises(errors.Refused) as raised:
        approve(error(status, "SOME_CODE", "In plain words", details={"field": "slots"}))
    refusal = raised.value
    assert type(refusal) is kind
    assert (refusal.status, refusal.code, refusal.message) == (status, "SOME_CODE", "In plain words")
    assert refusal.details == {"field": "slots"}
    assert str(refusal) == "In plain words"
    assert refusal.exchange.status == status


NO_ENVELOPES = {
    "empty": {"content": b""},
    "html": {"html": "<h1>Blocked by the firewall</h1>"},
    "text": {"text": "no"},
    "error is text": {"json": {"error": "not found"}},
    "no code": {"json": {"error": {"message": "m"}}},
    "empty code": {"json": {"error": {"code": "", "message": "m"}}},
    "no message": {"json": {"error": {"code": "C"}}},
    "message is a number": {"json": {"error": {"code": "C", "message": 5}}},
    "a list": {"json": [{"error": {"code": "C", "message": "m"}}]},
    "null": {"json": None},
    "cut off": {"content": b'{"error": {"code": "C", "message": "m"'},
}


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 413, 415, 422])
@pytest.mark.parametrize("body", NO_ENVELOPES.values(), ids=NO_ENVELOPES)
def test_a_4xx_without_a_well_formed_envelope_proves_nothing(status, body):
    with pytest.raises(errors.OutcomeUnknown) as raised:
        approve(httpx.Response(status, **body))
    assert raised.value.status == status
    assert raised.value.accepted is False


@pytest.mark.parametrize("status", [406, 408, 410, 418, 425, 451, 499])
def test_an_envelope_with_any_other_4xx_proves_nothing(status):
    with pytest.raises(errors.OutcomeUnknown) as raised:
        approve(error(status, "C", "Words"))
    assert (raised.value.status, raised.value.code, raised.value.message) == (status, "C", "Words")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599])
def test_a_5xx_is_unknown_with_and_without_an_envelope(status):
    with pytest.raises(errors.GatewayFailure) as raised:
        approve(error(status, "UPSTREAM_ERROR", "Instagram is down"))
    assert (raised.value.code, raised.value.message) == ("UPSTREAM_ERROR", "Instagram is down")
    with pytest.raises(errors.GatewayFailure) as raised:
        approve(httpx.Response(status, html="<h1>Bad gateway</h1>"))
    assert (raised.value.status, raised.value.code) == (status, "")
    assert raised.value.accepted is False


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status):
    answer = httpx.Response(status, headers={"Location": "https://evil.example/api?token=abc"})
    with pytest.raises(errors.Redirected) as raised:
        approve(answer)
    assert raised.value.status == status
    assert "https://evil.example/api?[redacted]" in raised.value.message


@pytest.mark.parametrize("status", [100, 101, 199, 304, 600, 999])
def test_an_odd_status_is_unknown(status):
    with pytest.raises(errors.OutcomeUnknown):
        approve(httpx.Response(status))


UNUSABLE = {
    "empty": {"content": b""},
    "blank": {"content": b" \n"},
    "html": {"html": "<html>welcome</html>"},
    "cut off": {"content": b'{"status": "publishing", "outgoing_post_'},
    "null": {"json": None},
    "a number": {"json": 3},
    "a list": {"json": [APPROVED]},
    "text": {"json": "ok"},
    "an empty object": {"json": {}},
    "no id": {"json": {"status": "publishing"}},
    "a null id": {"json": {"outgoing_post_id": None}},
    "a numeric id": {"json": {"outgoing_post_id": 7}},
    "an id with a slash": {"json": {"outgoing_post_id": "../me"}},
    "an id too long": {"json": {"outgoing_post_id": "a" * 129}},
    "data is null": {"json": {"data": None}},
    "an error inside": {"json": {"error": {"code": "C", "message": "m"}}},
    "deeply nested": {"content": b"[" * 200_000},
    "packed unasked": {"stream": httpx.ByteStream(b"x"), "headers": {"content-encoding": "br"}},
    "not what it says": {"stream": httpx.ByteStream(b"{}"), "headers": {"content-encoding": "gzip"}},
    "shorter than told": {
        "stream": httpx.ByteStream(json.dumps(APPROVED).encode()),
        "headers": {"content-length": "500"},
    },
    "too large": {"json": {**APPROVED, "more": "x" * (2 * 1024 * 1024)}},
}


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
def test_a_2xx_with_an_unusable_body_was_accepted(status, body):
    with pytest.raises(errors.Unreadable) as raised:
        approve(httpx.Response(status, **body))
    assert (raised.value.accepted, raised.value.status) == (True, status)
    assert raised.value.exchange.status == status


def test_any_2xx_is_a_success():
    for status in (200, 201, 202, 203, 226):
        assert approve(httpx.Response(status, json=APPROVED)).outgoing_post_id == "out-1"


def test_the_label_of_the_body_does_not_matter():
    answer = httpx.Response(200, text=json.dumps(APPROVED))
    assert approve(answer).outgoing_post_id == "out-1"


def test_a_packed_body_is_unpacked():
    packed = httpx.ByteStream(gzip.compress(json.dumps(APPROVED).encode()))
    answer = httpx.Response(200, stream=packed, headers={"content-encoding": "gzip"})
    assert approve(answer).outgoing_post_id == "out-1"


def test_a_bomb_is_unpacked_no_further_than_the_cap():
    bomb = httpx.ByteStream(gzip.compress(b" " * 50_000_000))
    transport = wire(httpx.Response(200, stream=bomb, headers={"content-encoding": "gzip"}), max_bytes=1000)
    with pytest.raises(errors.Unreadable, match="larger than 1000 bytes"):
        transport.request("POST", "/v1/generate", json={})


def test_a_packed_body_that_is_cut_off_is_unusable():
    packed = gzip.compress(json.dumps({**APPROVED, "more": list(range(1000))}).encode())
    answer = httpx.Response(200, stream=httpx.ByteStream(packed[:-20]), headers={"content-encoding": "gzip"})
    with pytest.raises(errors.Unreadable):
        approve(answer)


def test_a_body_of_exactly_the_cap_is_read():
    body = json.dumps(APPROVED).encode()
    assert wire(httpx.Response(200, content=body), max_bytes=len(body)).request("GET", "/v1/x").body
    with pytest.raises(errors.Unreadable):
        wire(httpx.Response(200, content=body), max_bytes=len(body) - 1).request("GET", "/v1/x")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(204),
        httpx.Response(200),
        httpx.Response(200, text="gone"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"status": "deleted"}),
        httpx.Response(202, json={"data": {"status": "deleted"}}),
    ],
)
def test_a_delete_is_done_with_any_2xx(answer):
    assert client(answer).posts.delete(POST_ID).status in ("", "deleted")


def test_a_delete_that_answers_an_error_with_200_is_not_done():
    with pytest.raises(errors.Unreadable):
        client(httpx.Response(200, json={"error": {"code": "C", "message": "m"}})).posts.delete(POST_ID)


def test_204_is_enough_where_nothing_has_to_be_told():
    assert client(httpx.Response(204)).posts.reject(POST_ID).status == ""
    assert client(httpx.Response(204)).generation.set_public(ITEM_ID, True).is_public is None
    with pytest.raises(errors.Unreadable):
        client(httpx.Response(204)).posts.approve(POST_ID)


# -- the wire, by scripted exceptions (test_wire.py has the real sockets)


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_without_a_connection_nothing_was_sent(failure):
    with pytest.raises(errors.NotSent) as raised:
        approve(failure("no route to host"))
    assert raised.value.wait > 0
    assert raised.value.exchange.sent is False
    assert raised.value.exchange.status is None


@pytest.mark.parametrize(
    "failure",
    [httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.CloseError, ValueError, KeyError],
)
def test_a_line_that_breaks_leaves_it_open(failure):
    with pytest.raises(errors.Broken) as raised:
        approve(failure("gone"))
    assert raised.value.exchange.sent is True
    assert "gone" in raised.value.exchange.error


@pytest.mark.parametrize("failure", [httpx.ReadTimeout, httpx.WriteTimeout, TimeoutError])
def test_an_answer_that_does_not_come_leaves_it_open(failure):
    with pytest.raises(errors.DeadlinePassed) as raised:
        approve(failure("too slow"))
    assert raised.value.exchange.sent is True


def test_an_application_that_fails_in_this_process_is_a_broken_line():
    def application(environ, start_response):
        raise RuntimeError("bug in the sandbox")

    api = client(lambda request: httpx.WSGITransport(application).handle_request(request))
    with pytest.raises(errors.Broken, match="bug in the sandbox"):
        api.posts.approve(POST_ID)


def test_the_answer_of_an_application_in_this_process_is_read():
    def application(environ, start_response):
        assert environ["PATH_INFO"] == f"/api/v1/generated-posts/{POST_ID}/approve"
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"outgoing_post_id":', b'"out-1"}']

    api = client(lambda request: httpx.WSGITransport(application).handle_request(request))
    assert api.posts.approve(POST_ID).outgoing_post_id == "out-1"


def test_an_answer_after_the_total_time_came_too_late():
    def slowly(request):
        time.sleep(0.05)
        return httpx.Response(200, json=APPROVED)

    with pytest.raises(errors.DeadlinePassed):
        approve(slowly, total_seconds=0.02)


def test_a_body_that_breaks_off_after_a_2xx_was_accepted():
    def body():
        yield b'{"outgoing_'
        raise httpx.ReadError("reset")

    with pytest.raises(errors.Unreadable) as raised:
        approve(httpx.Response(200, content=body()))
    assert raised.value.accepted is True


def test_a_body_that_breaks_off_after_a_4xx_is_no_envelope():
    def body():
        yield b'{"error": {"code": "C", "message": "m"}}'
        raise httpx.ReadError("reset")

    with pytest.raises(errors.OutcomeUnknown) as raised:
        approve(httpx.Response(409, content=body()))
    assert not isinstance(raised.value, errors.Unreadable)


def test_our_own_deadline_is_looked_at_before_sending():
    api = client(APPROVED)
    with pytest.raises(errors.NotSent) as raised:
        api.posts.approve(POST_ID, deadline=0.0)
    assert api.script.requests == []
    assert raised.value.exchange.sent is False


# -- 429


@pytest.mark.parametrize("answer", [error(429, "RATE_LIMITED"), httpx.Response(429, text="slow down")])
def test_429_is_throttled_with_and_without_an_envelope(answer):
    with pytest.raises(errors.Throttled) as raised:
        approve(answer)
    assert raised.value.wait == 60


NOW = 1_770_715_170.0
DATE = "Tue, 10 Feb 2026 09:19:30 GMT"  # the same moment


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-ratelimit-reset": "1770715200"}, 30),
        ({"x-ratelimit-reset": "1770715200.5"}, 30.5),
        ({"x-ratelimit-reset": "1770715200000"}, 30),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-reset": " 30 "}, 30),
        ({"x-ratelimit-reset": "Tue, 10 Feb 2026 09:20:00 GMT"}, 30),
        ({"x-ratelimit-reset": "Tue, 10 Feb 2026 09:20:00 -0000"}, 30),
        ({"x-ratelimit-reset": "0"}, 1),
        ({"x-ratelimit-reset": "1770715000"}, 1),
        ({"x-ratelimit-reset": "86400"}, 120),
        ({"x-ratelimit-reset": "1999999999"}, 120),
        ({"retry-after": "12"}, 12),
        ({"x-ratelimit-reset": "7", "retry-after": "12"}, 7),
        ({}, None),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "nan"}, None),
        ({"x-ratelimit-reset": "inf"}, None),
        ({"x-ratelimit-reset": "-5"}, None),
        ({"x-ratelimit-reset": "9" * 400}, None),
        ({"x-ratelimit-reset": "٣٠"}, None),
    ],
)
def test_the_reset_is_read_in_every_form(headers, expected):
    assert seconds_until_reset(headers, NOW) == expected


def test_the_date_of_the_answer_makes_up_for_a_clock_that_is_wrong():
    headers = {"x-ratelimit-reset": "1770715200", "date": DATE}
    for our_clock in (NOW, NOW - 86_400, NOW + 86_400, 0.0):
        assert seconds_until_reset(headers, our_clock) == 30


def test_an_unreadable_date_is_ignored():
    for date in ("", "yesterday", "Tue, 99 Feb 2026 99:99:99 GMT"):
        assert seconds_until_reset({"x-ratelimit-reset": "1770715200", "date": date}, NOW) == 30


def test_the_wait_comes_from_the_reply():
    with pytest.raises(errors.Throttled) as raised:
        approve(error(429, headers={"X-RateLimit-Reset": "1770715200", "Date": DATE}))
    assert raised.value.wait == 30


def test_every_exchange_carries_the_reading_of_the_limits():
    seen = []
    headers = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "57", "X-RateLimit-Reset": "20"}
    client(httpx.Response(200, json=APPROVED, headers=headers), observe=seen.append).posts.approve(POST_ID)
    rate = seen[0].rate
    assert (rate.limit, rate.remaining, rate.reset_in_seconds) == (60, 57, 20)
    assert read_rate({}, NOW) is None
    partly = read_rate({"x-ratelimit-remaining": "0", "x-ratelimit-limit": "lots"}, NOW)
    assert (partly.limit, partly.remaining, partly.reset_in_seconds) == (None, 0, None)


# -- one write has a documented exception


def test_a_source_is_added_by_handle():
    api = client({"data": {"id": "s1", "platform": "instagram", "handle": "natgeo"}})
    assert api.sources.add(PERSONA_ID, "instagram", "natgeo").handle == "natgeo"
    assert api.script.bodies == [{"platform": "instagram", "handle": "natgeo"}]


def test_a_400_for_handle_is_tried_once_as_username():
    api = client(error(400), {"id": "s1", "platform": "instagram", "username": "natgeo"})
    source = api.sources.add(PERSONA_ID, "instagram", "natgeo", "auto_clone", request_id="op/1")
    assert source.handle == "natgeo"
    assert api.script.bodies[1] == {
        "platform": "instagram",
        "username": "natgeo",
        "automation_mode": "auto_clone",
    }
    assert [request.headers["x-request-id"] for request in api.script.requests] == ["op/1", "op/1"]


def test_if_both_names_are_refused_the_first_refusal_counts():
    api = client(error(400, message="TikTok is not supported"), error(400, message="handle is required"))
    with pytest.raises(errors.BadRequest, match="TikTok is not supported"):
        api.sources.add(PERSONA_ID, "tiktok", "natgeo")
    assert len(api.script.requests) == 2


@pytest.mark.parametrize("answer", [error(409), error(422), error(413), httpx.Response(400), error(500)])
def test_nothing_but_a_proven_400_is_tried_as_username(answer):
    api = client(answer)
    with pytest.raises(errors.UpstreamError):
        api.sources.add(PERSONA_ID, "instagram", "natgeo")
    assert len(api.script.requests) == 1


def test_what_becomes_of_the_second_name_is_told():
    with pytest.raises(errors.Conflict):
        client(error(400), error(409)).sources.add(PERSONA_ID, "instagram", "natgeo")
    with pytest.raises(errors.Broken):
        client(error(400), httpx.ReadError("reset")).sources.add(PERSONA_ID, "instagram", "natgeo")


# -- requests


def test_a_request_says_who_asks_and_for_what():
    api = client(APPROVED)
    api.posts.approve(POST_ID, request_id="5f3c/2")
    headers = api.script.requests[0].headers
    assert headers["authorization"].startswith("Bearer rm_")
    assert headers["x-request-id"] == "5f3c/2"
    assert headers["accept"] == "application/json"
    assert headers["user-agent"] == "Loupe"
    assert headers["host"] == "reelmirror.test"
    assert headers["content-length"] == "0"


def test_a_request_id_cannot_add_a_header():
    api = client(APPROVED)
    api.posts.approve(POST_ID, request_id="5f3c\r\nX-Evil: ü1")
    assert api.script.requests[0].headers["x-request-id"] == "5f3cX-Evil:1"


@pytest.mark.parametrize("hostile", ["../../admin", "a/b", "a?x=1", "a#b", "ü", "%2e%2e", "a b"])
def test_an_id_stays_one_segment_of_the_path(hostile):
    api = client(APPROVED)
    api.posts.approve(hostile)
    path = api.script.requests[0].url.raw_path.decode()
    assert path.startswith("/api/v1/generated-posts/")
    assert path.endswith("/approve")
    assert path.count("/") == 5


@pytest.mark.parametrize("missing", ["", ".", ".."])
def test_an_id_that_is_none_is_not_sent(missing):
    api = client(APPROVED)
    with pytest.raises(ValueError):
        api.posts.delete(missing)
    assert api.script.requests == []


def test_an_empty_set_of_changes_is_not_sent():
    api = client(APPROVED)
    with pytest.raises(ValueError):
        api.personas.update(PERSONA_ID)
    with pytest.raises(ValueError):
        api.outgoing.update("o1")
    assert api.script.requests == []


def test_words_with_lone_surrogates_can_be_sent():
    api = client({"id": "t1"})
    api.feedback.open("half a smile \ud83d")
    assert api.script.requests[0].content == b'{"message": "half a smile \\ud83d"}'


def test_json_of_a_stranger_loses_only_what_is_broken():
    raw = b'\xef\xbb\xbf{"a": NaN, "b": -Infinity, "c": ' + b"9" * 5000 + b', "d": "\xff", "e": "x\ny"}'
    assert parse_json(raw) == {"a": None, "b": None, "c": None, "d": "\ufffd", "e": "x\ny"}


def test_any_transport_of_httpx_will_do_and_a_key_is_not_needed():
    mock = httpx.MockTransport(lambda request: httpx.Response(200, json=APPROVED))
    assert ReelMirror("http://sandbox.test/api", "", mock).posts.approve("p1").status == "publishing"
