"""Names to addresses, in bounded time, and which addresses are out on the public internet."""

import ipaddress
import queue
import socket
import threading
from collections.abc import Sequence

Address = tuple[int, tuple]  # socket family, and what connect() takes

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is handed out to networks
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """Look `host` up once. Raises OSError when it has no address, TimeoutError after `seconds`.

    getaddrinfo knows no timeout, so it runs beside us and is left behind when it takes too long.
    """
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True, name="resolve").start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the name of the host could not be looked up in time") from None
    if isinstance(found, Exception):
        raise OSError(f"the name of the host could not be looked up: {found}")
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def all_public(addresses: Sequence[Address]) -> bool:
    """True if there is an address and every one is public."""
    return bool(addresses) and all(is_public(address[0]) for _family, address in addresses)


def is_public(text: str) -> bool:
    """Can `text`, an IP address, only be a host out on the internet?

    Addresses that carry an IPv4 address (mapped, NAT64, 6to4) count as that one; Teredo is never public.
    `is_private` alone would let 100.64.0.0/10 pass, and `is_global` alone 64:ff9b::7f00:1 and 224.0.0.1.
    """
    try:
        address = _unwrapped(ipaddress.ip_address(text))
    except ValueError:
        return False
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _unwrapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address):
    if address.version == 4:
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
