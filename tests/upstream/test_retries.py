"""Reads are tried again, at most four times and as a small share of what is read; writes never."""

import threading
import time

import httpx
import pytest

from reviewqueue.upstream import errors
from reviewqueue.upstream.reelmirror import ReelMirror
from reviewqueue.upstream.retries import RetryBudget
from tests.upstream.stage import POST_ID, client, error, server, wire

PAGE = {"data": [], "count": 0}


def cut_off():
    return httpx.Response(200, content=b'{"data": [', headers={"content-length": "4000"})


FAULTS = {
    "not connected": (httpx.ConnectError("refused"), errors.NotSent),
    "no connection in time": (httpx.ConnectTimeout("slow"), errors.NotSent),
    "reset": (httpx.ReadError("reset"), errors.Broken),
    "closed": (httpx.RemoteProtocolError("no answer"), errors.Broken),
    "500": (lambda _: error(500, "INTERNAL_ERROR"), errors.GatewayFailure),
    "502 of a gateway": (lambda _: httpx.Response(502, text="bad gateway"), errors.GatewayFailure),
    "503 of a gateway": (lambda _: httpx.Response(503), errors.GatewayFailure),
    "504": (lambda _: error(504), errors.GatewayFailure),
    "truncated": (lambda _: cut_off(), errors.Unreadable),
    "empty": (lambda _: httpx.Response(200), errors.Unreadable),
    "malformed": (lambda _: httpx.Response(200, text="<html>"), errors.Unreadable),
}
FINAL = {
    "no answer in time": (httpx.ReadTimeout("slow"), errors.DeadlinePassed),
    "429": (lambda _: error(429), errors.Throttled),
    "429, soon again": (lambda _: error(429, headers={"Retry-After": "1"}), errors.Throttled),
    "429 of a gateway": (lambda _: httpx.Response(429), errors.Throttled),
    "503 as documented": (lambda _: error(503, "SERVICE_UNAVAILABLE"), errors.GatewayFailure),
    "503 for long": (lambda _: httpx.Response(503, headers={"Retry-After": "21"}), errors.GatewayFailure),
    "huge": (lambda _: httpx.Response(200, content=b" " * 3_000_000), errors.TooLarge),
    "another shape": (lambda _: httpx.Response(200, json=[1]), errors.Unreadable),
    "redirect": (lambda _: httpx.Response(302, headers={"location": "/"}), errors.Redirected),
    "400": (lambda _: error(400), errors.BadRequest),
    "401": (lambda _: error(401), errors.KeyRejected),
    "404": (lambda _: error(404), errors.NotFound),
    "404 of a gateway": (lambda _: httpx.Response(404, text="?"), errors.OutcomeUnknown),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_read_is_tried_four_times(name):
    fault, kind = FAULTS[name]
    api = client(fault)
    with pytest.raises(kind):
        api.personas.list()
    assert len(api.script.requests) == 4


@pytest.mark.parametrize("name", FAULTS)
def test_a_read_that_gets_through_is_over(name):
    pauses = []
    api = client(FAULTS[name][0], FAULTS[name][0], PAGE, sleep=pauses.append)
    assert api.personas.list().count == 0
    assert (len(api.script.requests), len(pauses)) == (3, 2)


@pytest.mark.parametrize("name", FINAL)
def test_a_read_is_made_once_where_another_would_not_help(name):
    fault, kind = FINAL[name]
    api = client(fault)
    with pytest.raises(kind):
        api.posts.get(POST_ID)
    assert len(api.script.requests) == 1


@pytest.mark.parametrize("name", FAULTS | FINAL)
def test_a_write_is_sent_once_whatever_comes_of_it(name):
    api = client((FAULTS | FINAL)[name][0])
    with pytest.raises(errors.UpstreamError):
        api.posts.approve(POST_ID)
    assert len(api.script.requests) == 1


# -- how long between them


def pauses_of(answer, **options) -> list[float]:
    pauses = []
    api = client(answer, sleep=pauses.append, **options)
    with pytest.raises(errors.UpstreamError):
        api.personas.list()
    return pauses


def test_the_pauses_are_anywhere_up_to_a_bound_that_doubles():
    seen = [pauses_of(FAULTS["500"][0]) for _ in range(200)]
    for place, most in enumerate((0.5, 1.0, 2.0)):
        taken = [pauses[place] for pauses in seen]
        assert 0 <= min(taken) < 0.1 * most
        assert 0.9 * most < max(taken) <= most


def test_no_pause_is_longer_than_twenty_seconds():
    many = RetryBudget(reserve=50, most=50)
    pauses = pauses_of(FAULTS["500"][0], read_attempts=40, total_seconds=9999, retries=many)
    assert len(pauses) == 39
    assert 15 < max(pauses) <= 20


def test_what_the_service_asks_for_is_waited_at_least():
    asks = httpx.Response(503, headers={"Retry-After": "3"})
    for pause, most in zip(pauses_of(asks), (0.5, 1, 2), strict=True):
        assert 3 <= pause <= 3 + most


def test_under_a_time_scale_they_are_shorter():
    assert max(pause for _ in range(20) for pause in pauses_of(FAULTS["500"][0], faster=10)) <= 0.2


@pytest.mark.parametrize("options", [{"total_seconds": 0.0}, {"total_seconds": 2.0, "read_attempts": 50}])
def test_all_attempts_share_one_total_time(options):
    """No pause is begun that would end after it."""
    asks = httpx.Response(502, headers={"Retry-After": "2"})
    assert pauses_of(asks, **options) == []


def test_after_the_moment_it_was_to_be_sent_by_it_is_not_tried_again():
    transport = wire(httpx.Response(502, headers={"Retry-After": "2"}))
    with pytest.raises(errors.GatewayFailure):
        transport.request("GET", "/v1/personas", deadline=time.monotonic() + 1)
    assert len(transport.script.requests) == 1


def test_over_a_real_socket_each_attempt_has_a_connection_of_its_own():
    heard = []

    def talk(connection):
        heard.append(connection.getpeername())
        if len(heard) == 3:
            body = b'{"data": [], "count": 0}'
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with server(talk) as base:
        assert ReelMirror(base, "rm_test", sleep=lambda _: None).personas.list().count == 0
    assert len(set(heard)) == 3


# -- how often at all


def test_under_a_dead_service_the_budget_runs_dry():
    """Of a hundred reads one is tried four times, then one in ten is tried twice."""
    budget = RetryBudget()
    api = client(FAULTS["502 of a gateway"][0], retries=budget)
    sends = []
    for _ in range(100):
        before = len(api.script.requests)
        with pytest.raises(errors.GatewayFailure):
            api.personas.list()
        sends.append(len(api.script.requests) - before)
    assert sends[0] == 4
    assert max(sends[1:]) == 2
    assert 110 <= sum(sends) <= 113


def test_what_goes_well_saves_up_a_little():
    budget = RetryBudget()
    for _ in range(1000):
        budget.earn()
    assert [budget.take() for _ in range(12)] == [True] * 10 + [False] * 2


def test_threads_share_it():
    budget = RetryBudget(reserve=50, most=50)
    taken = []

    def take():
        taken.extend(budget.take() for _ in range(40))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 50


def test_another_attempt_is_asked_for_before_it_is_made():
    asked = []
    api = client(FAULTS["reset"][0], may_repeat=lambda: asked.append(1) or len(asked) < 3)
    with pytest.raises(errors.Broken):
        api.personas.list()
    assert (len(asked), len(api.script.requests)) == (3, 3)


def test_the_first_attempt_and_writes_ask_nobody():
    api = client(PAGE, may_repeat=lambda: pytest.fail("asked"))
    api.personas.list()
    api = client(FAULTS["reset"][0], may_repeat=lambda: pytest.fail("asked"))
    with pytest.raises(errors.Broken):
        api.posts.approve(POST_ID)
