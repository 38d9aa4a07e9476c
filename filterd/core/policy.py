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

FORMAT = 1  # raise it whenever a field changes meaning; a policy of another format is compiled anew


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
class Tier:
    id: str
    name: Text
    block: tuple[str, ...]  # category ids that are closed
    pupils: bool = True  # short TTLs, and fail-closed rules apply
    enforce: str = "block"  # "block" | "observe"
    observe_until: int | None = None  # Unix seconds; required with "observe"


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
class Limits:
    queries_per_second: int = 200  # per client address
    burst: int = 1000
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
    upstreams: tuple[str, ...]  # "udp://9.9.9.9:53"
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
