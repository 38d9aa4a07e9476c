"""`policies/school.yaml`: the box, its networks and its limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from filterd.config import units
from filterd.config.schema import (
    Answer,
    Bilingual,
    Domain,
    EmptiableMap,
    Endpoint,
    Id,
    IPv4,
    IPv6,
    Line,
    Network,
    Strict,
    TimeZone,
    between,
)
from filterd.config.schema_dns import EncryptedModel, NewlySeenModel, RebindingModel, Upstreams, Zone
from filterd.core.policy import Limits

DEFAULTS = Limits()
MAX_WORKERS = 16


def _workers(value: Any) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_WORKERS:
        return value
    raise ValueError(f"{units.shown(value)} is not a number of workers; write auto, or 1 to {MAX_WORKERS}")


def _refuse_is_none(value: Any) -> Any:
    if value == "refuse":
        return None
    if isinstance(value, dict):
        return value
    raise ValueError(f"{units.shown(value)} is not a choice; write refuse, or {{tier: ID}}")


class UnknownClient(Strict):
    """A client inside the school's networks that no classroom or room claims."""

    tier: Id
    """The tier it is treated as."""


class BlockAnswer(Strict):
    """What a blocked name answers."""

    mode: Answer = "zero"
    """`gateway`: the addresses below, `zero`: 0.0.0.0 and ::, `nxdomain`: no such name. Default: zero."""
    ipv4: IPv4 | None = None
    """The box's IPv4 address for `gateway` and for its own name. Default: none."""
    ipv6: IPv6 | None = None
    """The box's IPv6 address, likewise. Default: none."""
    box_name: Domain | None = "loc.filterd.internal"
    """The name under which the box itself is reached. Default: loc.filterd.internal."""


class LimitsModel(Strict):
    """Bounds per client, per worker and per answer."""

    queries_per_second: int = Field(default=DEFAULTS.queries_per_second, ge=1, le=1_000_000)
    """Questions a client address may ask each second; more get silence. Default: 200."""
    burst: int = Field(default=DEFAULTS.burst, ge=1, le=10_000_000)
    """Questions a client may save up. Default: 1000."""
    prefix_queries_per_second: int = Field(default=DEFAULTS.prefix_queries_per_second, ge=1, le=10_000_000)
    """The same for all clients of an IPv4 /24 or IPv6 /56 together. Default: ten times as many as one client."""
    prefix_burst: int = Field(default=DEFAULTS.prefix_burst, ge=1, le=100_000_000)
    """Questions they may save up together. Default: ten times as many as one client."""
    slip: int = Field(default=DEFAULTS.slip, ge=0, le=100)
    """Every so many-th question over a limit is told to come back by TCP; 0: none is. Default: 2."""
    memo: Annotated[int, between(units.size, "0B", "1GiB")] = DEFAULTS.memo_bytes
    """Memory for finished replies, per worker. Default: 16MiB."""
    cache: Annotated[int, between(units.size, "0B", "4GiB")] = DEFAULTS.cache_bytes
    """Memory for answers of upstreams, per worker. Default: 24MiB."""
    min_ttl: Annotated[int, between(units.duration, "0s", "1h")] = DEFAULTS.min_ttl_s
    """Answers are kept at least this long. Default: 0s."""
    max_ttl: Annotated[int, between(units.duration, "1s", "7d")] = DEFAULTS.max_ttl_s
    """Answers are kept at most this long. Default: 24h."""
    max_negative_ttl: Annotated[int, between(units.duration, "1s", "3h")] = DEFAULTS.max_negative_ttl_s
    """"No such name" is kept at most this long (RFC 2308). Default: 1h."""
    stale: Annotated[int, between(units.duration, "0s", "7d")] = DEFAULTS.stale_s
    """How long past its end an answer may still serve while no upstream answers (RFC 8767). Default: 24h."""
    pending: int = Field(default=DEFAULTS.pending, ge=1, le=60_000)
    """Questions waiting for upstreams, per worker. Default: 8192."""
    clients: int = Field(default=DEFAULTS.clients, ge=1, le=1_000_000)
    """Client addresses remembered, per worker. Default: 4096."""
    tcp_connections: int = Field(default=DEFAULTS.tcp_connections, ge=1, le=60_000)
    """Open TCP connections in all. Default: 2048."""
    tcp_connections_per_client: int = Field(default=DEFAULTS.tcp_connections_per_client, ge=1, le=60_000)
    """Open TCP connections of one client address. Default: 20."""
    tcp_idle: Annotated[int, between(units.duration, "1s", "1h")] = DEFAULTS.tcp_idle_s
    """A TCP connection that says nothing is closed after this (RFC 7766). Default: 10s."""


def _place_of_bundles(text: str) -> str:
    if text.startswith("/") or (text.startswith("https://") and not text.startswith("https:///")):
        return text
    raise ValueError(f"{text[:80]!r} is no place of a bundle: an https: URL or an absolute path, such as /media/stick")


class UpdateModel(Strict):
    """The nightly update of the lists."""

    keep: int = Field(default=3, ge=2, le=50)
    """Generations of the table kept for `filterd lists rollback`. Default: 3."""
    bundle: Annotated[Line, AfterValidator(_place_of_bundles)] | None = None
    """Where a district publishes its signed bundle, an https: URL or an absolute path; then lists are not fetched.
    Default: none.
    """
    top_sites: Line | None = None
    """A file of popular sites, one name or `rank,name` a line, for `filterd lists diff`. Default: none."""
    stale_days: int = Field(default=90, ge=1, le=3650)
    """A list whose content has not changed for so many days is reported. Default: 90."""


class School(Strict):
    """The whole file."""

    name: Bilingual
    """The school's name as people know it."""
    code: Id
    """A short code for metrics and districts."""
    time_zone: TimeZone = "Asia/Ho_Chi_Minh"
    """The zone of timetables and dates. Default: Asia/Ho_Chi_Minh."""
    listen: list[Endpoint] = Field(min_length=1, max_length=64)
    """Where questions are taken, each by UDP and TCP."""
    metrics: Endpoint | None = None
    """Where Prometheus metrics are served. Default: null, nowhere."""
    workers: Annotated[int | None, BeforeValidator(_workers)] = None
    """Worker processes. Default: auto, one for each CPU, at most 4."""
    networks: list[Network] = Field(min_length=1, max_length=1000)
    """Who may ask at all; everybody else gets silence."""
    unknown_client: Annotated[UnknownClient | None, BeforeValidator(_refuse_is_none)] = None
    """`{tier: ID}`, or `refuse`, for clients in no classroom or room. Default: refuse."""
    upstreams: Upstreams
    """The resolvers that are asked, in order of preference."""
    conditional: Annotated[dict[Zone, Upstreams], EmptiableMap] = Field(default_factory=dict, max_length=500)
    """Other resolvers for a zone and all below it; a network stands for its reverse zone. Default: none."""
    case_randomisation: bool = True
    """Names go upstream in random upper and lower case, which makes forging answers harder. Default: true."""
    source_ports: Literal["auto", "fresh", "pool"] = "auto"
    """`fresh`: a new port a question; `pool`: renewed ports; `auto`: pool for private upstreams. Default: auto."""
    state_dir: Line = "var"
    """Where the box keeps its own files, relative to the configuration directory. Default: var."""
    block_answer: BlockAnswer = BlockAnswer()
    """What a blocked name answers. Default: as each of its keys says."""
    rebinding: RebindingModel = RebindingModel()
    """Private addresses in answers from outside. Default: refused."""
    newly_seen: NewlySeenModel | None = None
    """Names this school never asked for before, as a category. Default: null, not watched."""
    encrypted: EncryptedModel | None = None
    """DNS over TLS and HTTPS for the school's devices. Default: null, off."""
    limits: LimitsModel = LimitsModel()
    """Bounds. Default: as each of its keys says."""
    update: UpdateModel = UpdateModel()
    """The nightly update. Default: as each of its keys says."""
