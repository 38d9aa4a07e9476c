"""Where this resolver can be had encrypted, as answers (RFC 9462): `_dns.resolver.arpa`, and its own name.

Made from the policy when a snapshot is built, read by the forwarder. Names below `resolver.arpa` that are not here have
no data (`core.special`).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from filterd.core import names, replies, svcparams, wire
from filterd.core.policy import Encrypted
from filterd.core.wire import Query

TTL_S: Final = 300
DISCOVERY: Final = "_dns.resolver.arpa"  # RFC 9462 section 4


class Ddr:
    """The encrypted services of one policy. Services that listen on every address of the box carry no address hint, and
    then the name has no address here: it is whatever the upstream or the school's own records say.
    """

    def __init__(self, encrypted: Encrypted) -> None:
        owner = names.key_of_text(encrypted.name)
        self._ipv4, self._ipv6 = _packed((*encrypted.dot, *encrypted.doh))
        self._services = _services(encrypted)
        self._name = owner if self._ipv4 or self._ipv6 else None
        # By the name of the network's resolver, or by its own name (RFC 9462 section 5): both lead to the same records.
        self._discovery = frozenset({names.key_of_text(DISCOVERY), owner + b"_dns."} if encrypted.ddr else ())
        keys = self._discovery | ({self._name} if self._name else frozenset())
        self.heads = frozenset(map(names.head, keys))

    def covers(self, key: bytes) -> bool:
        """Whether a name is one of these."""
        return key in self._discovery or key == self._name

    def reply(self, query: Query, key: bytes) -> bytes | None:
        """The whole reply to a question for one of these names; None for all others."""
        if key in self._discovery:
            found: Iterable[bytes] = self._services if query.qtype == wire.SVCB else ()
        elif key == self._name:
            found = self._ipv4 if query.qtype == wire.A else self._ipv6 if query.qtype == wire.AAAA else ()
        else:
            return None
        return replies.records(query, TTL_S, found, wire.AA)


def _services(encrypted: Encrypted) -> tuple[bytes, ...]:
    """The data of one SVCB record for each protocol and port; DNS over TLS first, which costs both sides less."""
    target = names.wire_of_text(encrypted.name)
    path = encrypted.path.encode() + b"{?dns}"
    kinds = (
        (encrypted.dot, (b"dot",), None),
        (encrypted.doh, (b"h2", b"http/1.1"), path),
    )
    found = []
    for priority, (listen, protocols, doh_path) in enumerate(kinds, 1):
        for port in sorted({_port(text) for text in listen}):
            ipv4, ipv6 = _packed(text for text in listen if _port(text) == port)
            alpn = b"".join(bytes((len(name),)) + name for name in protocols)
            params = [(svcparams.ALPN, alpn), (svcparams.PORT, port.to_bytes(2, "big"))]
            params += [(svcparams.IPV4HINT, b"".join(ipv4))] if ipv4 else []
            params += [(svcparams.IPV6HINT, b"".join(ipv6))] if ipv6 else []
            params += [(svcparams.DOHPATH, doh_path)] if doh_path is not None else []
            found.append(svcparams.write(priority, target, params))
    return tuple(found)


def _port(text: str) -> int:
    return int(text.rpartition(":")[2])


def _packed(listen: Iterable[str]) -> tuple[list[bytes], list[bytes]]:
    """The IPv4 and the IPv6 addresses of `ADDRESS:PORT` texts, each once, without "all addresses"."""
    hosts = dict.fromkeys(text.rpartition(":")[0].strip("[]").partition("%")[0] for text in listen)
    found = [address for address in map(ip_address, hosts) if not address.is_unspecified]
    return [a.packed for a in found if a.version == 4], [a.packed for a in found if a.version == 6]
