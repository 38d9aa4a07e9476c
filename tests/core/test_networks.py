"""Overlapping networks of many lists, and the set of lists that hold an address."""

from __future__ import annotations

import ipaddress
import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.networks import NONE, Bounds, Builder


def key_of(text: str) -> bytes:
    network = ipaddress.ip_network(text)
    return network.network_address.packed + bytes((network.prefixlen,))


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def built(*lists: list[str]) -> tuple[Bounds, list[tuple[int, ...]]]:
    """The boundaries of the lists, and the sets that their ids stand for."""
    sets: list[tuple[int, ...]] = [()]

    def interned(sources: tuple[int, ...]) -> int:
        if sources not in sets:
            sets.append(sources)
        return sets.index(sources)

    builder = Builder()
    for source, networks in enumerate(lists):
        builder.add(source, {key_of(text) for text in networks})
    return builder.bounds(interned), sets


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        pytest.param(["192.0.2.0/24"], ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"], id="a network"),
        pytest.param(["192.0.2.7"], ["192.0.2.7"], ["192.0.2.6", "192.0.2.8", "::c000:207"], id="an address"),
        pytest.param(["0.0.0.0/8"], ["0.0.0.0", "0.255.255.255"], ["1.0.0.0"], id="the first addresses"),
        pytest.param(["255.0.0.0/8"], ["255.255.255.255"], ["254.255.255.255", "0.0.0.0"], id="the last addresses"),
        pytest.param(["2001:db8::/32"], ["2001:db8::", "2001:db8:ffff::1"], ["2001:db9::", "2001:db7::"], id="IPv6"),
        pytest.param(["2001:db8::7"], ["2001:db8::7"], ["2001:db8::6", "2001:db8::8", "2001:db7::7"], id="IPv6 host"),
        pytest.param(
            ["2001:db8::/65", "2001:db8:0:1:8000::/65"],
            ["2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", "2001:db8:0:1:8000::"],
            ["2001:db8:0:0:8000::", "2001:db8:0:1::"],
            id="halves of a /64",
        ),
        pytest.param(["ffff::/16"], ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], ["fffe::"], id="the last of IPv6"),
    ],
)
def test_a_network_holds_its_addresses_and_no_others(networks, inside, outside):
    bounds, _ = built(networks)
    assert [bool(bounds.set_of(packed(text))) for text in inside + outside] == [True] * len(inside) + [False] * len(
        outside
    )


def test_overlapping_networks_are_flattened_and_neighbours_of_one_set_join():
    bounds, sets = built(
        ["192.0.2.0/24", "192.0.3.0/24", "192.0.2.128/25"], ["192.0.2.64/26", "192.0.2.0/24"], ["198.51.100.0/24"]
    )
    assert [str(ipaddress.ip_address(at)) for at in bounds.v4] == [
        "192.0.2.0",
        "192.0.3.0",
        "192.0.4.0",
        "198.51.100.0",
        "198.51.101.0",
    ]
    assert [sets[at] for at in bounds.sets] == [(0, 1), (0,), (), (2,), ()]


def test_no_network_is_no_boundary():
    assert built([])[0].sets.tolist() == []
    assert NONE.set_of(packed("192.0.2.1")) == NONE.set_of(packed("2001:db8::1")) == 0


V4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32))
V6 = st.tuples(st.integers(0, 2**128 - 1) | st.integers(0, 2**70), st.integers(0, 128))


@given(st.lists(st.lists(st.one_of(V4, V6), max_size=8), max_size=4), st.lists(st.integers(0, 2**128 - 1), max_size=4))
def test_the_sets_are_those_that_looking_at_every_network_gives(lists, more):
    networks = [
        [str(ipaddress.ip_network((at, bits), strict=False)) for at, bits in each if bits <= 32 or at >= 2**32]
        for each in lists
    ]
    bounds, sets = built(*networks)
    edges = {a for each in networks for text in each for net in [ipaddress.ip_network(text)] for a in (net[0], net[-1])}
    near = {type(a)(int(a) + d) for a in edges for d in (-1, 0, 1) if 0 <= int(a) + d < 1 << a.max_prefixlen}
    for address in near | {ipaddress.IPv6Address(at) for at in more} | {ipaddress.IPv4Address(at >> 96) for at in more}:
        expected = tuple(
            n for n, each in enumerate(networks) if any(address in ipaddress.ip_network(text) for text in each)
        )
        assert sets[bounds.set_of(address.packed)] == expected
        first, last = bounds.range_of(address.packed)
        assert first <= int(address) <= last
        ends = {sets[bounds.set_of(at.to_bytes(len(address.packed), "big"))] for at in (first, last)}
        assert ends == {expected}


def test_a_look_up_in_many_ranges_takes_microseconds():
    chance = Random(1)
    networks = [f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.0/24" for _ in range(5000)]
    bounds, _ = built(networks)
    asked = [chance.randbytes(4) for _ in range(10_000)]
    spent = []
    for _ in range(3):
        started = time.process_time()
        for address in asked:
            bounds.set_of(address)
        spent.append(time.process_time() - started)
    assert min(spent) / len(asked) < 10e-6
