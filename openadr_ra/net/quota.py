"""What a peer may still take of a server, asked before anything is spent on it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address
from typing import Protocol

NETWORK_BITS = 64
"""An IPv6 host has 2^64 addresses of its own; its network is what tells it from others."""


class Quota(Protocol):
    """Peers are told apart by where they come from and, under TLS, by their certificate.

    Whoever is refused learns nothing but when to come again; why is the quota's to log.
    """

    def connects(self, address: str, others: int) -> bool:
        """Is a connection from there taken, where `others` are open? Asked before the TLS handshake."""
        ...

    def asks(self, address: str, fingerprint: str | None, count: int) -> int | None:
        """None if a request is taken, of whose body `count` bytes are here; else after how many seconds, at least 1, the
        peer may come again."""
        ...

    def brings(self, address: str, fingerprint: str | None, count: int) -> int | None:
        """The same for the next `count` bytes of its body."""
        ...

    async def rest(self) -> None:
        """Return when whoever was refused may be told so: over one connection a flood is then none."""
        ...


class Unlimited:
    """For a server among friends."""

    def connects(self, address: str, others: int) -> bool:
        return True

    def asks(self, address: str, fingerprint: str | None, count: int) -> int | None:
        return None

    def brings(self, address: str, fingerprint: str | None, count: int) -> int | None:
        return None

    async def rest(self) -> None:
        """Nobody is refused."""


UNLIMITED = Unlimited()


@lru_cache(maxsize=4096)
def origin(address: str) -> str:
    """Which addresses count as one: an IPv4 address alone, an IPv6 address as its network."""
    if ":" not in address:
        return address
    parsed = IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    network = IPv6Address(int(parsed) >> NETWORK_BITS << NETWORK_BITS)
    return f"{network}/{NETWORK_BITS}"
