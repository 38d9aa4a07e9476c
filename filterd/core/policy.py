"""The compiled policy: everything the YAML says, checked and resolved, as plain values.

`config` makes it from YAML; the dns parent stores it as JSON; workers read that JSON and import neither pydantic nor
yaml. Names are in `names.normal` form; a leading `=` means exactly that name, otherwise the name and all below it.
Durations are whole seconds, sizes bytes, addresses text. Ids are ASCII `[a-z0-9-]`.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Self

from filterd.core.timetable import NO_TIMETABLE, Timetable

FORMAT = 3  # raise it whenever a field changes meaning; a policy of another format is compiled anew


@dataclass(frozen=True, slots=True)
class Text:
    """One text in the two languages of a school."""

    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Category:
    id: str
    name: Text
    text: Text  # one sentence for the pupil
    answer: str | None = None  # "gateway" | "zero" | "nxdomain"; None: the school's block answer


@dataclass(frozen=True, slots=True)
class SafeChoice:
    """One engine's mode in a tier; engines that are off are not listed."""

    engine: str
    mode: str


@dataclass(frozen=True, slots=True)
class Tier:
    id: str
    name: Text
    block: tuple[str, ...]  # category ids that are closed
    pupils: bool = True  # short TTLs, and fail-closed rules apply
    enforce: str = "block"  # "block" | "observe"
    observe_until: int | None = None  # Unix seconds; required with "observe"
    safe_search: tuple[SafeChoice, ...] = ()
    strip_ech: bool = False  # Encrypted Client Hello keys are taken out of HTTPS and SVCB answers
    refuse_quic: bool = False  # h3 is taken out of them


@dataclass(frozen=True, slots=True)
class SafeMode:
    """What an engine's hosts answer in one mode: a CNAME to `target`, or these addresses themselves."""

    id: str  # "on"; for YouTube "strict" | "moderate"
    target: str | None = None
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SafeEngine:
    """A search engine with a safe mode behind DNS. `hosts` are exactly these names, nothing below them."""

    id: str
    name: Text
    hosts: tuple[str, ...]
    modes: tuple[SafeMode, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a profile or an override opens or closes: category ids, service ids, names."""

    categories: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    id: str
    name: Text
    allow: Rules = Rules()
    block: Rules = Rules()
    allow_list_only: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    id: str
    name: Text
    names: tuple[str, ...]
    category: str | None = None  # its names belong to this category too, lists or no lists


@dataclass(frozen=True, slots=True)
class Place:
    """A classroom, or a room that is no one's classroom: who asks from these subnets gets this tier and profile."""

    id: str
    name: str
    tier: str
    profile: str
    subnets: tuple[str, ...]  # "192.168.31.0/24", "fd00:31::/64"; never overlapping, checked by `config`
    interfaces: tuple[str, ...] = ()  # for link-local clients
    kind: str = "classroom"  # "classroom" | "room"
    enforce: str = "block"
    observe_until: int | None = None


@dataclass(frozen=True, slots=True)
class SchoolName:
    """One entry of names.yaml. Empty `tiers` and `classes`: the whole school."""

    name: str
    allow: bool
    tiers: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Floor:
    """What nobody in the school may lift, and what nothing may block."""

    categories: tuple[str, ...]
    must_allow: tuple[str, ...]  # from floor.yaml, contacts.yaml
    authority_block: tuple[str, ...] = ()  # verified names of floor.d/<authority>.yaml


@dataclass(frozen=True, slots=True)
class BlockAnswer:
    mode: str = "zero"  # "gateway" | "zero" | "nxdomain"
    ipv4: str | None = None  # the gateway's addresses; needed by "gateway"
    ipv6: str | None = None
    box_name: str | None = None  # the box's own name; answers with the addresses above


@dataclass(frozen=True, slots=True)
class Upstream:
    """A resolver: `udp://9.9.9.9:53`, `tcp://...`, `tls://dns.quad9.net:853`, `https://dns.quad9.net/dns-query`.

    `addresses` are where to connect when the URL holds a name, so that no resolver is needed to find the resolver;
    `ca` is a file of certificates to trust instead of the system's.
    """

    url: str
    addresses: tuple[str, ...] = ()
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Questions for a zone and all below it go to these upstreams instead; "" in `Policy.routes` does not occur."""

    zone: str
    upstreams: tuple[Upstream, ...]


@dataclass(frozen=True, slots=True)
class Rebinding:
    """Private addresses in answers from outside are refused, but below these names."""

    protect: bool = True
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalRecord:
    """One record of the school's own. `data` is the RDATA on the wire, uncompressed, in hex."""

    name: str
    qtype: int
    ttl_s: int
    data: str


@dataclass(frozen=True, slots=True)
class Leases:
    """Names of devices from a DHCP server's file, below `domain`, told only to clients of these tiers."""

    domain: str
    files: tuple[str, ...]
    tiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """What the school itself knows. Names below a zone that have no record do not exist."""

    zones: tuple[str, ...] = ()
    records: tuple[LocalRecord, ...] = ()
    leases: Leases | None = None


@dataclass(frozen=True, slots=True)
class NewlySeen:
    """Registrable domains that this school first asked for less than `days` ago belong to `category`."""

    category: str
    days: int


@dataclass(frozen=True, slots=True)
class Encrypted:
    """DNS over TLS and over HTTPS for clients. `name` is what the certificate is for; paths are files of the box."""

    name: str
    certificate: str
    key: str
    dot: tuple[str, ...] = ()  # "192.168.1.2:853"
    doh: tuple[str, ...] = ()  # "192.168.1.2:443"
    path: str = "/dns-query"
    ddr: bool = True  # told to clients that ask for _dns.resolver.arpa (RFC 9462)


@dataclass(frozen=True, slots=True)
class Limits:
    queries_per_second: int = 200  # per client address
    burst: int = 1000
    prefix_queries_per_second: int = 2000  # per IPv4 /24 or IPv6 /56
    prefix_burst: int = 10000
    slip: int = 2  # every so many-th question over the limit hears TC=1, so a real client can go on over TCP; 0: none
    memo_bytes: int = 16 << 20
    cache_bytes: int = 24 << 20
    min_ttl_s: int = 0
    max_ttl_s: int = 86400
    max_negative_ttl_s: int = 3600
    stale_s: int = 86400
    pending: int = 8192  # upstream questions in flight, per worker
    clients: int = 4096  # client addresses remembered, per worker
    tcp_connections: int = 2048
    tcp_connections_per_client: int = 20
    tcp_idle_s: int = 10


@dataclass(frozen=True, slots=True)
class Policy:
    school_name: Text
    school_code: str
    time_zone: str
    listen: tuple[str, ...]  # "127.0.0.1:5300", "[::1]:5300"
    metrics: str | None
    workers: int
    networks: tuple[str, ...]
    unknown_client_tier: str | None  # None: refuse
    upstreams: tuple[Upstream, ...]
    source_ports: str  # "auto" | "fresh" | "pool"
    block_answer: BlockAnswer
    limits: Limits
    categories: tuple[Category, ...]
    tiers: tuple[Tier, ...]
    profiles: tuple[Profile, ...]
    services: tuple[Service, ...]
    places: tuple[Place, ...]
    names: tuple[SchoolName, ...]
    floor: Floor
    routes: tuple[Route, ...] = ()
    rebinding: Rebinding = Rebinding()
    engines: tuple[SafeEngine, ...] = ()
    local: Local = Local()
    newly_seen: NewlySeen | None = None
    encrypted: Encrypted | None = None
    timetable: Timetable = NO_TIMETABLE
    case_randomisation: bool = True  # QNAMEs go upstream in random case where the upstream echoes it
    digest: str = ""  # SHA-256 of the YAML files it came from, hex
    format: int = field(default=FORMAT)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers, for `json.dumps`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError on another format or shape."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError("not a compiled policy of this version")
        try:
            return typing.cast(Self, _build(cls, data))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a compiled policy: {error}") from None


_hints = functools.cache(typing.get_type_hints)


def _build(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is tuple:
        item = typing.get_args(kind)[0]
        if not isinstance(value, list | tuple):
            raise TypeError(f"{value!r} is not a list")
        return tuple(_build(item, v) for v in value)
    if origin is types.UnionType:
        if value is None:
            return None
        return _build(next(a for a in typing.get_args(kind) if a is not type(None)), value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _build(hints[name], v) for name, v in value.items()})
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value
