"""The school's own names: records and zones of `policies/local.yaml`, and devices that a DHCP server knows.

`Policy.local` and the parent's leases come in, whole replies go out, all of them authoritative. A zone owns every name
below it; so does the domain of the leases. Outside zones a record owns its own name alone, and the names above and
below it are forwarded. The school's records win over leases, because a device chooses its name itself. For clients who
may not hear of other devices (`lan` false) no lease exists.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from filterd.core import names, replies, special, wire
from filterd.core.policy import Local
from filterd.core.wire import Query

PTR: Final = 12
EDE_OTHER: Final = 0  # RFC 8914 section 4.1
LEASE_TTL_S: Final = 60
NEGATIVE_TTL_S: Final = 60
MAX_CHAIN: Final = 8  # CNAMEs that lead from one name of the school to another

Leases = tuple[tuple[str, str], ...]  # (host label, address), as `lease_files` cleans them
Record = tuple[int, int, bytes]  # TYPE, TTL, RDATA
Nodes = dict[bytes, tuple[Record, ...]]  # by key; without records: an empty non-terminal
Rewrite = tuple[bytes, int]  # (wire name, TTL): the question is an alias of this name, which is not the school's


def build(local: Local, leases: Leases = (), before: LocalData | None = None) -> LocalData | None:
    """The data of a policy and these leases; `before` itself if it is of the same, None if there is nothing."""
    if before is not None and before.local == local and before.leases == leases:
        return before
    if not (local.zones or local.records or local.leases):
        return None
    return LocalData(local, leases)


class LocalData:
    """Immutable. `heads` holds the `names.head` of every key and zone: no other head leads to a name of the school."""

    __slots__ = ("_every", "_public", "_targets", "_zones", "heads", "leases", "local")

    def __init__(self, local: Local, leases: Leases = ()) -> None:
        """Raises ValueError for data that are no RDATA of their type."""
        self.local = local
        self.leases = leases
        domain = local.leases.domain if local.leases is not None else ""
        zones = (*local.zones, domain) if domain else local.zones
        self._zones = {names.key_of_text(zone): names.wire_of_text(zone) for zone in zones}
        self._targets: dict[bytes, bytes] = {}  # key of a name with a CNAME -> key of the CNAME's target
        self._public: Nodes = {}
        self._add_records(local)
        self._every = self._public
        if domain and leases:
            self._every = dict(self._public)
            self._add_leases(domain, leases)
        self.heads: frozenset[bytes] = frozenset(map(names.head, (*self._zones, *self._every)))

    def covers(self, key: bytes) -> bool:
        """Whether questions for this name are answered here."""
        return key in self._every or names.closest(key, self._zones) is not None

    def reply(self, query: Query, key: bytes, lan: bool) -> bytes | Rewrite:
        """The reply to a question for a name that is covered, by any type but ANY; where a CNAME of the name leads out
        of the school's own names, what has to be asked instead (its answer then is the answer of the question's name).
        """
        nodes = self._every if lan else self._public
        body = b""
        owner = b"\xc0\x0c"
        least = 1 << 31
        for count in range(MAX_CHAIN + 1):
            found = nodes.get(key)
            if found is None:
                return self._negative(query, key, wire.NXDOMAIN, count, body)
            wanted = [wire.record(kind, ttl_s, data, owner) for kind, ttl_s, data in found if kind == query.qtype]
            wanted = wanted or self._apex(key, query.qtype, owner)
            if wanted:
                return replies.reply(query, wire.AA, (count + len(wanted), 0, 0), body + b"".join(wanted))
            target = self._targets.get(key)
            if target is None:
                return self._negative(query, key, wire.NOERROR, count, body)
            (alias,) = [record for record in found if record[0] == wire.CNAME]
            body += wire.record(wire.CNAME, alias[1], alias[2], owner)
            least = min(least, alias[1])
            if not self.covers(target):
                return alias[2], least
            key, owner = target, alias[2]
        return replies.error(query, wire.SERVFAIL, EDE_OTHER, "filterd: a chain of local CNAMEs does not end")

    def _negative(self, query: Query, key: bytes, rcode: int, count: int, body: bytes) -> bytes:
        """No such name or no such data: with the SOA of the zone (RFC 2308 section 3), or one of the name's own."""
        zone = names.closest(key, self._zones)
        owner = self._zones[zone] if zone is not None else b"\xc0\x0c"
        return replies.reply(query, wire.AA | rcode, (count, 1, 0), body + wire.soa(NEGATIVE_TTL_S, owner))

    def _apex(self, key: bytes, qtype: int, owner: bytes) -> list[bytes]:
        """SOA and NS at the top of a zone for which local.yaml has none; the zone is its own server, as in RFC 6303."""
        zone = self._zones.get(key)
        if zone is not None and qtype == wire.SOA:
            return [wire.soa(NEGATIVE_TTL_S, owner)]
        if zone is not None and qtype == wire.NS:
            return [wire.record(wire.NS, NEGATIVE_TTL_S, zone, owner)]
        return []

    def _add_records(self, local: Local) -> None:
        nodes = self._public
        reverse: dict[bytes, Record] = {}
        for zone in self._zones:
            nodes[zone] = ()
        for record in local.records:
            key = names.key_of_text(record.name)
            data = bytes.fromhex(record.data)
            if record.qtype == wire.CNAME:
                if key in self._targets:
                    continue
                self._targets[key] = _key_of_data(data)
            _put(nodes, key, (record.qtype, record.ttl_s, data))
            if record.qtype in (wire.A, wire.AAAA):
                pointer = (PTR, record.ttl_s, names.wire_of_text(record.name))
                reverse.setdefault(reverse_key(data), pointer)  # the first name of an address is the host's
        for key, pointer in reverse.items():
            if key not in nodes:
                nodes[key] = (pointer,)
        self._fill(nodes)

    def _add_leases(self, domain: str, leases: Leases) -> None:
        below = names.key_of_text(domain)
        tail = names.wire_of_text(domain)
        fixed, nodes = self._public, self._every
        for label, address in leases:
            packed = ip_address(address).packed
            key = below + label.encode() + b"."
            if key in fixed:
                continue
            _put(nodes, key, (wire.A if len(packed) == 4 else wire.AAAA, LEASE_TTL_S, packed))
            back = reverse_key(packed)
            if not nodes.get(back):
                nodes[back] = ((PTR, LEASE_TTL_S, bytes((len(label),)) + label.encode() + tail),)
        self._fill(nodes)

    def _fill(self, nodes: Nodes) -> None:
        """Names between a record and the top of its zone exist without data (RFC 8020); other zones are not ours."""
        for key in list(nodes):
            above = key
            while True:
                above = above[: above.rfind(b".", 0, -1) + 1]
                if not above or above in nodes:
                    break
                if names.closest(above, self._zones) is None and special.special(above) is None:
                    break
                nodes[above] = ()


def reverse_key(packed: bytes) -> bytes:
    """Key of the name whose PTR leads from an address of 4 or 16 bytes (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    if len(packed) == 4:
        return b"arpa.in-addr.%d.%d.%d.%d." % tuple(packed)
    if len(packed) != 16:
        raise ValueError(f"an address of {len(packed)} bytes")
    return b"arpa.ip6." + b"".join([b"%c." % digit for digit in packed.hex().encode()])


def _put(nodes: Nodes, key: bytes, record: Record) -> None:
    present = nodes.get(key, ())
    if record not in present:
        nodes[key] = (*present, record)


def _key_of_data(data: bytes) -> bytes:
    try:
        return names.key_of_wire(data)
    except IndexError:
        raise ValueError(f"{data.hex()} is no name on the wire") from None
