"""A small school as values: policy, table and packets, without a file. Tests of the core bend it with `replace`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from struct import pack
from typing import Any

import marisa_trie

from filterd.core import names
from filterd.core.forwarder import Forwarder
from filterd.core.matrix import Row
from filterd.core.overrides import Override, Overrides
from filterd.core.policy import (
    BlockAnswer,
    Category,
    Floor,
    Limits,
    Place,
    Policy,
    Profile,
    Rules,
    SchoolName,
    Service,
    Text,
    Tier,
    Upstream,
)
from filterd.core.servers import Plan
from filterd.core.snapshot import Snapshot
from filterd.core.table import Table, TableSource

NOW = 1_800_000_000.0  # Unix seconds
BOX = "loc.filterd.internal"
CATEGORIES = ("malware", "adult", "games", "streaming")


def text(word: str) -> Text:
    return Text(word, word)


POLICY = Policy(
    school_name=text("Test School"),
    school_code="thu-01",
    time_zone="Asia/Ho_Chi_Minh",
    listen=("127.0.0.1:5300",),
    metrics=None,
    workers=1,
    networks=("127.0.0.0/8", "10.0.0.0/8", "fd00::/16"),
    unknown_client_tier="tieu-hoc",
    upstreams=(Upstream("udp://127.0.0.1:5399"), Upstream("udp://127.0.0.2:5399")),
    source_ports="auto",
    block_answer=BlockAnswer("gateway", "10.0.0.1", "fd00::1", BOX),
    limits=Limits(),
    categories=(
        Category("malware", text("Malware"), text("Bad."), "nxdomain"),
        Category("adult", text("Adult"), text("Not for pupils."), "zero"),
        Category("games", text("Games"), text("Not in class.")),
        Category("streaming", text("Streaming"), text("Not in class.")),
    ),
    tiers=(
        Tier("tieu-hoc", text("Primary"), ("adult", "games", "streaming")),
        Tier("thcs", text("Secondary"), ("adult", "games")),
        Tier("staff", text("Staff"), ("adult",), pupils=False),
    ),
    profiles=(
        Profile("learning", text("Learning")),
        Profile("video", text("Video"), allow=Rules(services=("youtube",))),
        Profile("free", text("Free"), allow=Rules(categories=("games",))),
        Profile("exam", text("Exam"), allow=Rules(services=("olm",), names=("thi.example",)), allow_list_only=True),
    ),
    services=(
        Service("youtube", text("YouTube"), ("youtube.com", "ytimg.com"), "streaming"),
        Service("olm", text("OLM"), ("olm.vn",)),
    ),
    places=(
        Place("3a", "3A", "tieu-hoc", "learning", ("127.0.31.0/24",)),
        Place("7-3", "7/3", "thcs", "video", ("127.0.73.0/24", "fd00:73::/64")),
        Place("9b", "9B", "thcs", "exam", ("127.0.92.0/24",)),
        Place("staff-room", "Staff room", "staff", "learning", ("127.0.200.0/24",), ("eth0.200",), "room"),
    ),
    names=(SchoolName("vi-du.edu.vn", True, tiers=("thcs",)), SchoolName("tro-choi.example", False)),
    floor=Floor(("malware",), ("moet.gov.vn", "=time.example")),
)
LISTED = {"malware": ["bad.example"], "adult": ["adult.example"], "games": ["games.example"]}


def table(listed: Mapping[str, Iterable[str]] = LISTED) -> Table:
    """A table with one source for each category; `=x.example` is an exact entry."""
    sets: dict[bytes, tuple[int, ...]] = {}
    sources = []
    for at, (category, entries) in enumerate(listed.items()):
        sources.append(TableSource(f"list-{category}", category, 1, int(NOW)))
        for name in entries:
            exact = name.startswith("=")
            key = names.key_of_text(name.removeprefix("=")) + (names.EXACT if exact else b"")
            sets[key] = (*sets.get(key, ()), at << 3 | exact)
    trie = marisa_trie.BinaryTrie(sorted(sets))
    interned = [(), *sorted(set(sets.values()))]
    ids = [0] * len(trie)
    for key, elements in sets.items():
        ids[trie.key_id(key)] = interned.index(elements)
    return Table(trie, ids, interned, tuple(sources), generation="test", built_at=int(NOW), names=len(sets))


def snapshot(
    policy: Policy = POLICY,
    listed: Mapping[str, Iterable[str]] = LISTED,
    overrides: Iterable[Override] = (),
    now: float = NOW,
) -> Snapshot:
    return Snapshot(policy, table(listed), Overrides(tuple(overrides)), now)


def plan(count: int) -> Plan:
    """So many upstreams for everything, none with names in random case."""
    servers = tuple(Upstream(f"udp://127.0.0.1:{5300 + i}") for i in range(count))
    return Plan(servers, {b"": tuple(range(count))}, (False,) * count)


def forwarder(of: Snapshot, upstreams: int = 1, wall: Callable[[], float] = lambda: NOW) -> Forwarder:
    return Forwarder(of, plan(upstreams), wall, os.urandom)


def no_probes(of: Forwarder) -> None:
    """Put off the probes that every upstream gets at the start, for stories about something else."""
    for upstream in of.upstreams.all:
        upstream.probe_at = 1e18


def row(of: Snapshot, place: str | None) -> Row:
    """The row of a class's id; of unknown clients for None."""
    at = None if place is None else [p.id for p in of.policy.places].index(place)
    found = of.row_of_place(at)
    assert found is not None
    return found


def with_limits(policy: Policy = POLICY, **limits: Any) -> Policy:
    return replace(policy, limits=replace(policy.limits, **limits))


# -- packets ----------------------------------------------------------------------------------------------------------

OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
HERE = b"\xc0\x0c"  # a pointer to the question's name
A, NS, CNAME, SOA, TXT, AAAA, HTTPS = 1, 2, 5, 6, 16, 28, 65


def question(name: str, qtype: int = A, qclass: int = 1) -> bytes:
    return names.wire_of_text(name) + pack("!HH", qtype, qclass)


def query(
    name: str = "www.example.org",
    qtype: int = A,
    *,
    ident: int = 0x1234,
    flags: int = 0x0100,
    edns: bytes | None = OPT,
    qclass: int = 1,
) -> bytes:
    """A client's packet; `edns` is its whole OPT record."""
    header = pack("!HHHHHH", ident, flags, 1, 0, 0, 0 if edns is None else 1)
    return header + question(name, qtype, qclass) + (edns or b"")


def record(kind: int, ttl_s: int, data: bytes, owner: bytes = HERE) -> bytes:
    return owner + pack("!HHIH", kind, 1, ttl_s, len(data)) + data


def address(ttl_s: int = 3600, data: bytes = b"\xc6\x33\x64\x07", owner: bytes = HERE) -> bytes:
    return record(A, ttl_s, data, owner)


def alias(target: str, ttl_s: int = 3600, owner: bytes = HERE) -> bytes:
    return record(CNAME, ttl_s, names.wire_of_text(target), owner)


def soa(ttl_s: int = 600, minimum_s: int = 300, owner: bytes = b"\0") -> bytes:
    return record(SOA, ttl_s, b"\0\0" + pack("!IIIII", 1, 2, 3, 4, minimum_s), owner)


def reply(
    asked: bytes,
    answers: Iterable[bytes] = (),
    authorities: Iterable[bytes] = (),
    additionals: Iterable[bytes] = (),
    *,
    rcode: int = 0,
    flags: int = 0x8180,
    ident: int = 0,
) -> bytes:
    """An upstream's packet for the question `asked`."""
    parts = [list(answers), list(authorities), list(additionals)]
    header = pack("!HHHHHH", ident, flags | rcode, 1, *map(len, parts))
    return header + asked + b"".join(b"".join(part) for part in parts)
