"""Real sockets on 127.0.0.1: whatever a server does, an exchange ends in time and says what can be known."""

import re
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from reviewqueue import upstream
from reviewqueue.upstream import errors
from reviewqueue.upstream.addresses import resolve
from reviewqueue.upstream.transport import Line, LineStream, Transport, fetch
from tests.upstream.stage import KEY, server

BODY = b'{"generated_post_id": "p1"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


def test_one_file_knows_httpx_and_none_knows_django():
    folder = Path(upstream.__file__).parent
    imports = {
        path.name: set(re.findall(r"^(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE))
        for path in folder.rglob("*.py")
    }
    knowing = {name for name, modules in imports.items() if modules & {"httpx", "httpcore"}}
    assert knowing == {"transport.py"}
    for modules in imports.values():
        ours = {module for module in modules if module.startswith("reviewqueue")}
        assert all(module.startswith("reviewqueue.upstream") for module in ours)
        assert not any(module.startswith(("django", "dashboard")) for module in modules)


def post(base_url, **options):
    """Send one write; returns (reply or error, exchanges, seconds it took)."""
    seen = []
    transport = Transport(base_url, KEY, observe=seen.append, **{"total_seconds": 0.4, **options})
    began = time.monotonic()
    try:
        outcome = transport.request("POST", "/v1/generate", json={"source_post_id": "s1"})
    except errors.UpstreamError as error:
        outcome = error
    assert len(seen) == 1
    return outcome, seen[0], time.monotonic() - began


def drip(head):
    def talk(connection):
        connection.sendall(head)
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    return talk


def hang(connection):
    time.sleep(2)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_an_answer_is_read_over_a_connection_of_its_own():
    connections = []

    def talk(connection):
        connections.append(connection.getpeername())
        connection.sendall(GOOD)

    with server(talk) as base_url:
        for _ in range(3):
            outcome, exchange, _ = post(base_url)
            assert outcome.body == {"generated_post_id": "p1"}
            assert (exchange.sent, exchange.status, exchange.error) == (True, 200, "")
    assert len(set(connections)) == 3


def test_the_request_arrives_whole():
    received = []

    def talk(connection):
        data = b""
        while not data.endswith(b"}"):
            data += connection.recv(65536)
        received.append(data)
        connection.sendall(GOOD)

    with server(talk, read_request=False) as base_url:
        post(base_url)
    head, _, body = received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/generate HTTP/1.1\r\n")
    assert b"Authorization: Bearer " + KEY.encode() in head
    assert b"Connection: close" in head
    assert body == b'{"source_post_id": "s1"}'


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome, exchange, _ = post(f"http://127.0.0.1:{port}")
    assert isinstance(outcome, errors.NotSent)
    assert exchange.sent is False


def test_a_name_that_does_not_exist():
    outcome, exchange, _ = post("http://loupe.invalid", total_seconds=5)
    assert isinstance(outcome, errors.NotSent)
    assert exchange.sent is False


def test_a_server_without_tls():
    with server(lambda connection: connection.sendall(b"220 mail\r\n"), read_request=False) as base_url:
        outcome, exchange, _ = post(base_url.replace("http:", "https:"))
    assert isinstance(outcome, errors.NotSent)
    assert exchange.sent is False


def test_a_tls_handshake_that_never_ends():
    with server(hang, read_request=False) as base_url:
        outcome, exchange, seconds = post(base_url.replace("http:", "https:"), connect_seconds=0.2)
    assert isinstance(outcome, errors.NotSent)
    assert exchange.sent is False
    assert seconds < 1.8


@pytest.mark.parametrize(
    "talk",
    [hang, drip(b"HTTP/1.1 200 OK\r\nX-Slow:"), drip(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX:")],
    ids=["silent", "dripping headers", "dripping after 100"],
)
def test_an_answer_that_does_not_begin_in_time(talk):
    with server(talk) as base_url:
        outcome, exchange, seconds = post(base_url)
    assert isinstance(outcome, errors.DeadlinePassed)
    assert (exchange.sent, exchange.status) == (True, None)
    assert seconds < 1.8


@pytest.mark.parametrize(
    "head",
    [HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"\r\n"],
    ids=["with a length", "until the end"],
)
def test_a_body_that_drips_is_cut_off(head):
    with server(drip(head)) as base_url:
        outcome, exchange, seconds = post(base_url)
    assert isinstance(outcome, errors.Unreadable)
    assert (outcome.accepted, exchange.status) == (True, 200)
    assert seconds < 1.8


@pytest.mark.parametrize("talk", [reset, lambda connection: None], ids=["reset", "closed"])
def test_a_line_that_breaks_before_the_answer(talk):
    with server(talk) as base_url:
        outcome, exchange, _ = post(base_url)
    assert isinstance(outcome, errors.Broken)
    assert exchange.sent is True


def test_a_connection_that_is_dropped_at_once():
    with server(reset, read_request=False) as base_url:
        outcome, _, _ = post(base_url)
    assert isinstance(outcome, errors.Broken | errors.NotSent)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 500\r\n\r\n" + BODY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1b\r\n" + BODY + b"\r\n",
        HEAD + b"Content-Length: 0\r\n\r\n",
    ],
    ids=["length", "chunked", "empty"],
)
def test_a_2xx_that_is_cut_off(answer):
    with server(lambda connection: connection.sendall(answer)) as base_url:
        outcome, exchange, _ = post(base_url)
    assert isinstance(outcome, errors.Unreadable)
    assert exchange.status == 200


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"]
)
def test_an_answer_that_is_not_http(answer):
    with server(lambda connection: connection.sendall(answer)) as base_url:
        outcome, _, _ = post(base_url)
    assert isinstance(outcome, errors.Broken)


def test_headers_without_end():
    def talk(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: " + b"x" * 8000 + b"\r\n")

    with server(talk) as base_url:
        outcome, _, seconds = post(base_url, total_seconds=20)
    assert isinstance(outcome, errors.Broken)
    assert seconds < 10


def test_a_huge_body_is_never_held():
    def talk(connection):
        connection.sendall(HEAD + b"Content-Length: 1000000000\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with server(talk) as base_url:
        tracemalloc.start()
        outcome, exchange, _ = post(base_url, total_seconds=10)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(outcome, errors.Unreadable)
    assert "larger than" in outcome.message
    assert len(exchange.body) == 64 * 1024
    assert peak < 8 * 1024 * 1024


def test_a_refusal_that_comes_while_we_still_write_is_read():
    """A server may refuse by the headers alone; what it says proves that nothing happened."""
    body = b'{"error": {"code": "VALIDATION_ERROR", "message": "too large"}}'
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def talk(connection):
        connection.sendall(refusal)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with server(talk) as base_url, pytest.raises(errors.BadRequest, match="too large"):
        Transport(base_url, KEY, total_seconds=5).request(
            "POST", "/v1/uploads", form={}, files={"file": ("a.png", b"x" * 2_000_000, "image/png")}
        )


def test_a_server_that_does_not_read_is_given_up_in_time():
    """Writing is within the total time too, also when the other side takes a little now and then."""

    def talk(connection):
        for _ in range(200):
            time.sleep(0.02)
            connection.recv(1)

    with server(talk, read_request=False) as base_url:
        began = time.monotonic()
        with pytest.raises(errors.DeadlinePassed):
            Transport(base_url, KEY, total_seconds=0.4).request(
                "POST", "/v1/uploads", form={}, files={"file": ("a", b"x" * 30_000_000, "image/png")}
            )
        assert time.monotonic() - began < 1.5


def test_the_deadline_is_looked_at_once_more_after_connecting():
    """A process that was frozen while it connected must not send when it wakes."""
    received = []

    def talk(connection):
        received.append(connection.recv(1))

    with server(talk, read_request=False) as base_url:
        port = int(base_url.rsplit(":", 1)[1])
        line = Line(until=time.monotonic() + 5, start_by=time.monotonic() + 0.05)
        stream = line.connect_tcp("127.0.0.1", port)
        assert isinstance(stream, LineStream)
        time.sleep(0.1)
        with pytest.raises(Exception, match="had passed"):
            stream.write(b"POST / HTTP/1.1\r\n")
        assert line.sent is False
        stream.close()
        time.sleep(0.05)
    assert received == [b""]


def test_the_environment_names_no_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with server(lambda connection: connection.sendall(GOOD)) as base_url:
        outcome, _, _ = post(base_url)
    assert outcome.status == 200


def test_a_redirect_takes_the_key_nowhere():
    visitors = []
    with server(lambda connection: visitors.append(1)) as elsewhere:
        answer = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        with server(lambda connection: connection.sendall(answer.encode())) as base_url:
            outcome, _, _ = post(base_url)
    assert isinstance(outcome, errors.Redirected)
    assert visitors == []


def test_many_threads_share_one_transport():
    with server(lambda connection: connection.sendall(GOOD)) as base_url:
        transport = Transport(base_url, KEY)
        replies = []
        threads = [
            threading.Thread(target=lambda: replies.append(transport.request("POST", "/v1/x").status))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert replies == [200] * 20


def test_every_address_of_a_name_is_tried():
    with server(lambda connection: connection.sendall(GOOD)) as base_url:
        port = int(base_url.rsplit(":", 1)[1])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = listener.getsockname()[1]
        line = Line(
            until=time.monotonic() + 2,
            addresses=[
                (socket.AF_INET, ("127.0.0.1", closed)),
                (socket.AF_INET, ("127.0.0.1", port)),
            ],
        )
        line.connect_tcp("ignored.example", 1).close()


def test_looking_up_a_name_takes_no_longer_than_allowed(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(0.5))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        resolve("slow.example", 443, 0.05)
    assert time.monotonic() - began < 0.3


# -- connecting to an address that was checked, under the name that was asked for


class Pot(bytearray):
    def write(self, data):
        self += data


def test_a_fetch_connects_to_the_given_address_and_keeps_the_name():
    heads = []

    def talk(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\npic")

    def listening(connection):
        heads.append(connection.recv(65536))
        talk(connection)

    with server(listening, read_request=False) as base_url:
        port = int(base_url.rsplit(":", 1)[1])
        pot = Pot()
        answer = fetch(
            f"http://media.example.com:{port}/a.jpg",
            sink=pot,
            max_bytes=100,
            total_seconds=2,
            addresses=[(socket.AF_INET, ("127.0.0.1", port))],
        )
    assert (answer.status, bytes(pot), answer.trouble) == (200, b"pic", "")
    assert f"Host: media.example.com:{port}".encode() in heads[0]
    assert b"Authorization" not in heads[0]
    assert b"Cookie" not in heads[0]


def test_a_fetch_asks_for_the_certificate_of_the_name():
    names = []

    def talk(connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = lambda sock, name, context: names.append(name)
        with pytest.raises(OSError):  # it has no certificate, so the handshake ends here
            context.wrap_socket(connection, server_side=True)

    with server(talk, read_request=False) as base_url:
        port = int(base_url.rsplit(":", 1)[1])
        answer = fetch(
            f"https://media.example.com:{port}/a.jpg",
            sink=Pot(),
            max_bytes=100,
            total_seconds=2,
            addresses=[(socket.AF_INET, ("127.0.0.1", port))],
        )
    assert names == ["media.example.com"]
    assert (answer.sent, answer.status) == (False, None)


def test_a_sink_that_fails_is_not_taken_for_the_wire():
    class Full:
        def write(self, data):
            raise OSError("No space left on device")

    with (
        server(lambda connection: connection.sendall(GOOD)) as base_url,
        pytest.raises(OSError, match="No space left"),
    ):
        fetch(f"{base_url}/a.jpg", sink=Full(), max_bytes=100, total_seconds=2)
