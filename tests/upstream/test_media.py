"""Fetching files from addresses a stranger wrote: nothing inside our own network is ever asked."""

import socket
import time

import httpx
import pytest

from reviewqueue.upstream import errors
from reviewqueue.upstream.addresses import all_public, is_public
from reviewqueue.upstream.media import Download, download
from tests.upstream.stage import Script, server

URL = "https://media.example.com/generated/2e7d4b1a.jpg?sig=abc"
ALLOWED = ["example.com"]


class Pot(bytearray):
    def write(self, data):
        self += data


def fetch(url=URL, *answers, **options):
    """Fetch from a scripted host; returns (pot, download, requests)."""
    script, pot = Script(*(answers or [httpx.Response(200, content=b"pixels")])), Pot()
    options = {"max_bytes": 1000, "allowed_hosts": ALLOWED, "transport": script, **options}
    return pot, download(url, sink=pot, **options), script.requests


def refuse(url=URL, **options):
    """The reason why `url` is refused, before anybody was asked."""
    asked = []

    def resolve(host, port, seconds):
        asked.append(host)
        return [(socket.AF_INET, ("93.184.216.34", port))]

    with pytest.raises(errors.MediaRefused) as raised:
        download(url, sink=Pot(), max_bytes=10, **{"allowed_hosts": ALLOWED, "resolve": resolve, **options})
    assert asked == []
    return raised.value.reason


def test_a_file_is_written_to_the_sink():
    answer = httpx.Response(200, content=b"pixels", headers={"Content-Type": "Image/JPEG; charset=x"})
    pot, result, (request,) = fetch(URL, answer)
    assert (bytes(pot), result) == (b"pixels", Download("image/jpeg", 6))
    assert str(request.url) == URL
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers
    assert request.headers["host"] == "media.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a",
        "https://media.example.com/a",
        "https://a.b.media.EXAMPLE.com/a",
        "https://media.example.com./a",
        "https://media.example.com:443/a",
        "https://media.example.com/ü b.jpg".replace(" ", "%20"),
    ],
)
def test_hosts_under_an_allowed_suffix(url):
    _, _, (request,) = fetch(url)
    assert request.url.host.endswith("example.com")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/a",
        "https://evilexample.com/a",
        "https://example.com.evil.test/a",
        "https://127.0.0.1/a",
        "https://2130706433/a",
        "https://0x7f.1/a",
        "https://localhost/a",
    ],
)
def test_other_hosts(url):
    assert refuse(url) == "its host is not on the list of allowed hosts"


def test_no_list_allows_nothing():
    for nothing in ([], [""], ["."], ["/"]):
        assert "not on the list" in refuse(allowed_hosts=nothing)


@pytest.mark.parametrize("url", ["http://media.example.com/a", "https://media.example.com:8443/a"])
def test_only_https_on_its_port(url):
    assert refuse(url) == "only https on its usual port is allowed"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://media.example.com/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//media.example.com/a",
        "media.example.com/a",
        "",
        "https:///a",
        "https://user:pw@media.example.com/a",
        "https://evil.test@media.example.com/a",
        "https://evil.test\\@media.example.com/a",
        "https://media.example.com\\.evil.test/a",
        "https://media.example.com:99999/a",
        "https://media.example.com:x/a",
        "https://[::1]/a",
        "https://[::1/a",
        "https://mediä.example.com/a",
        "https://media.example.com/a b",
        "https://media.example.com/\r\nX-Evil: 1",
        "https://media.example.com\t/a",
        "https://media.example.com/\x00",
        "https://media.example.com/\ud800",
        "https://-.example.com/a",
        "https://media.example.com/" + "x" * 5000,
    ],
)
def test_malformed_addresses(url):
    assert refuse(url)


def test_a_whole_origin_is_trusted_as_it_is():
    origin = "http://127.0.0.1:8765"
    _, result, _ = fetch(f"{origin}/sandbox/a.mp4", allowed_hosts=[origin])
    assert result.size_bytes == 6
    for other in ("http://127.0.0.1:8766/a", "https://127.0.0.1:8765/a", "http://127.0.0.1/a"):
        assert "not on the list" in refuse(other, allowed_hosts=[origin])


def test_a_trusted_origin_is_fetched_over_the_wire():
    def talk(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\npic")

    with server(talk) as origin:
        pot = Pot()
        result = download(f"{origin}/a.png", sink=pot, max_bytes=10, allowed_hosts=[f"{origin}/"])
    assert (bytes(pot), result) == (b"pic", Download("image/png", 3))


# -- addresses


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "1.1.1.1",
        "2606:4700:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ],
)
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "100::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "",
        "localhost",
        "127.1",
        "2130706433",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.1.1.1", "169.254.169.254", "::1", "64:ff9b::7f00:1"])
def test_one_address_inside_is_enough_to_refuse(inside):
    family = socket.AF_INET6 if ":" in inside else socket.AF_INET
    answers = [(socket.AF_INET, ("93.184.216.34", 443)), (family, (inside, 443))]
    with pytest.raises(errors.MediaRefused, match="not public"):
        download(URL, sink=Pot(), max_bytes=10, allowed_hosts=ALLOWED, resolve=lambda *asked: answers)
    assert not all_public(answers)
    assert not all_public([])


def test_the_name_is_looked_up_once_and_the_checked_address_is_used(monkeypatch):
    """Or a second answer, from a server that changes its mind, would lead inside."""
    asked, connected = [], []

    def resolve(host, port, seconds):
        asked.append((host, port))
        return [(socket.AF_INET, ("93.184.216.34", port))]

    class Closed(socket.socket):
        def connect(self, address):
            connected.append(address)
            raise ConnectionRefusedError("refused")

    def never(*asked):
        raise AssertionError("asked again")

    monkeypatch.setattr(socket, "socket", Closed)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    with pytest.raises(errors.NotSent):
        download(URL, sink=Pot(), max_bytes=10, allowed_hosts=ALLOWED, resolve=resolve)
    assert asked == [("media.example.com", 443)]
    assert connected == [("93.184.216.34", 443)]


def test_a_name_that_cannot_be_looked_up_can_be_tried_again():
    def resolve(host, port, seconds):
        raise OSError("no such host")

    with pytest.raises(errors.NotSent, match="no such host"):
        download(URL, sink=Pot(), max_bytes=10, allowed_hosts=ALLOWED, resolve=resolve)


# -- answers


def test_a_redirect_is_not_followed():
    with pytest.raises(errors.Redirected):
        fetch(URL, httpx.Response(302, headers={"Location": "http://169.254.169.254/"}))


def test_a_file_larger_than_the_cap():
    with pytest.raises(errors.MediaRefused) as raised:
        fetch(URL, httpx.Response(200, content=b"x" * 1001))
    assert raised.value.reason == "the file is larger than 1000 bytes"
    assert fetch(URL, httpx.Response(200, content=b"x" * 1000))[1].size_bytes == 1000


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (410, errors.NotFound),
        (416, errors.Refused),
        (429, errors.Throttled),
        (503, errors.GatewayFailure),
        (204, errors.Unreadable),
        (206, errors.Unreadable),
    ],
)
def test_a_host_that_gives_no_file(status, kind):
    with pytest.raises(kind) as raised:
        fetch(URL, httpx.Response(status, html="<h1>Expired</h1>"))
    assert raised.value.status == status


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ConnectError("refused"), errors.NotSent),
        (httpx.ReadError("reset"), errors.Broken),
        (httpx.ReadTimeout("slow"), errors.DeadlinePassed),
    ],
)
def test_a_wire_that_fails(failure, kind):
    with pytest.raises(kind):
        fetch(URL, failure)


def test_a_file_that_comes_only_in_part():
    def body():
        yield b"pix"
        raise httpx.ReadError("reset")

    with pytest.raises(errors.Unreadable, match="only in part"):
        fetch(URL, httpx.Response(200, content=body()))
    short = httpx.Response(200, stream=httpx.ByteStream(b"pix"), headers={"content-length": "6"})
    with pytest.raises(errors.Unreadable, match="only in part"):
        fetch(URL, short)


def test_a_file_that_drips_is_given_up_in_time():
    def drip(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    with server(drip) as origin, pytest.raises(errors.Unreadable):
        download(f"{origin}/a", sink=Pot(), max_bytes=10_000, allowed_hosts=[origin], total_seconds=0.3)
