"""Connections to checked addresses only: a source must not reach into the network of the server.

A name is resolved once, every address that it has is looked at, and the connection goes to one that was
looked at. So a name that resolves otherwise a moment later gains nothing.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from app.sources.errors import ItemRefused

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(ItemRefused):
    """A name leads to an address that a source may not ask."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(
            f"{host!r} leads to {address}, an address of this machine or of a network that is not public; "
            "set the source's option allow_private if it may be asked"
        )


class NameUnknown(OSError):
    """A name has no address, or no name server answered."""


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Every address of a host, after each of them was looked at.

    Raises:
        AddressRefused: If one of them is not public and may not be asked.
        NameUnknown: If it has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameUnknown(f"the name {host!r} can't be resolved: {error}; check how it is written") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not allow_private and not is_public(address):
            raise AddressRefused(host, address)
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and so is an IPv4 address that it stands for."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.is_site_local:
            return False
        parsed = _inner_address(parsed) or parsed
    return parsed.is_global and not parsed.is_multicast


def _inner_address(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a mapped, compatible, 6to4 or NAT64 address (RFC 6052) leads to."""
    low = int(address) & 0xFFFFFFFF
    if address in _NAT64 or (int(address) == low and low > 1):
        return ipaddress.IPv4Address(low)
    return address.ipv4_mapped or address.sixtofour


class _CheckedBackend(httpcore.NetworkBackend):
    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = resolve(host, port, allow_private=self._allow_private)
        except NameUnknown as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception | None = None
        for address in addresses:
            try:
                return self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure


class CheckedTransport(httpx.HTTPTransport):
    """HTTP over connections that `resolve` allowed; certificates are checked for the name, as ever."""

    def __init__(self, *, allow_private: bool) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            network_backend=_CheckedBackend(allow_private=allow_private),
        )
