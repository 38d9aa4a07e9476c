"""Where this resolver can be had encrypted, as answers (RFC 9462): `_dns.resolver.arpa`, and its own name.

Made from the policy when a snapshot is built, read by the forwarder. Names below `resolver.arpa` that are not here have
no data (`core.special`).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from filterd.core import names, replies, wire
from filterd.core.policy import Encrypted
from filterd.core.wire import Query

TTL_S: Final = 300
DISCOVERY: Final = "_dns.resolver.arpa"  # RFC 9462 section 4
ALPN, PORT, IPV4HINT, IPV6HINT, DOHPATH = 1, 3, 4, 6, 7  # SvcParamKeys (RFC 9460 section 14.3.2, RFC 9461 section 5)


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
            records = self._services if query.qtype == wire.SVCB else ()
        elif key == self._name:
            records = _addresses(query.qtype, self._ipv4, self._ipv6)
        else:
            return None
        if records:
            return replies.reply(query, wire.AA, (len(records), 0, 0), b"".join(records))
        return replies.reply(query, wire.AA, (0, 1, 0), wire.soa(TTL_S))


def _addresses(qtype: int, ipv4: list[bytes], ipv6: list[bytes]) -> tuple[bytes, ...]:
    found = ipv4 if qtype == wire.A else ipv6 if qtype == wire.AAAA else []
    return tuple(wire.record(qtype, TTL_S, packed) for packed in found)


def _services(encrypted: Encrypted) -> tuple[bytes, ...]:
    """One SVCB record for each protocol and port; DNS over TLS first, which costs both sides less."""
    target = names.wire_of_text(encrypted.name)
    path = encrypted.path.encode() + b"{?dns}"
    kinds = (
        (encrypted.dot, _param(ALPN, _strings(b"dot")), b""),
        (encrypted.doh, _param(ALPN, _strings(b"h2", b"http/1.1")), _param(DOHPATH, path)),
    )
    found = []
    for priority, (listen, alpn, last) in enumerate(kinds, 1):
        for port in sorted({_port(text) for text in listen}):
            ipv4, ipv6 = _packed(text for text in listen if _port(text) == port)
            params = alpn + _param(PORT, port.to_bytes(2, "big"))
            params += _param(IPV4HINT, b"".join(ipv4)) if ipv4 else b""
            params += _param(IPV6HINT, b"".join(ipv6)) if ipv6 else b""
            found.append(wire.record(wire.SVCB, TTL_S, priority.to_bytes(2, "big") + target + params + last))
    return tuple(found)


def _param(key: int, value: bytes) -> bytes:
    return key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def _strings(*values: bytes) -> bytes:
    return b"".join(bytes((len(value),)) + value for value in values)


def _port(text: str) -> int:
    return int(text.rpartition(":")[2])


def _packed(listen: Iterable[str]) -> tuple[list[bytes], list[bytes]]:
    """The IPv4 and the IPv6 addresses of `ADDRESS:PORT` texts, each once, without "all addresses"."""
    hosts = dict.fromkeys(text.rpartition(":")[0].strip("[]").partition("%")[0] for text in listen)
    found = [address for address in map(ip_address, hosts) if not address.is_unspecified]
    return [a.packed for a in found if a.version == 4], [a.packed for a in found if a.version == 6]
