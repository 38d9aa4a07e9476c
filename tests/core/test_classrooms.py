from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.classrooms import Classrooms, Prefixes, client_address
from filterd.core.policy import Place

PLACES = (
    Place("school", "School", "thcs", "learning", ("10.0.0.0/8", "fd00::/16")),
    Place("3a", "3A", "thcs", "learning", ("10.3.0.0/16", "fd00:3::/32")),
    Place("lab", "Lab", "thcs", "learning", ("10.3.7.0/24",), ("eth0.7",)),
    Place("desk", "Desk", "thcs", "learning", ("10.3.7.9/32", "fd00:3::9/128")),
)
CLASSROOMS = Classrooms(PLACES, ("10.0.0.0/8", "fd00::/16", "192.0.2.0/24"))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        pytest.param("10.200.0.1", "school", id="only the widest"),
        pytest.param("10.3.0.1", "3a", id="longer prefix wins"),
        pytest.param("10.3.7.1", "lab", id="longest prefix wins"),
        pytest.param("10.3.7.9", "desk", id="a single address wins over all"),
        pytest.param("10.4.0.0", "school", id="just behind a nested subnet"),
        pytest.param("10.2.255.255", "school", id="just before a nested subnet"),
        pytest.param("fd00:3::1", "3a", id="IPv6"),
        pytest.param("fd00:3::9", "desk", id="IPv6, single address"),
        pytest.param("::ffff:10.3.7.1", "lab", id="IPv4-mapped IPv6 is IPv4"),
        pytest.param("::10.3.7.1", None, id="IPv4-compatible IPv6 is not"),
        pytest.param("192.0.2.1", None, id="in the networks, in no place"),
        pytest.param("fe80::1%eth0.7", "lab", id="link-local by interface"),
        pytest.param("fe80::1%eth0.8", None, id="link-local on another interface"),
        pytest.param("fe80::1", None, id="link-local without one"),
        pytest.param("10.3.0.1%eth0.7", "3a", id="a routed address keeps its subnet whatever the interface"),
    ],
)
def test_a_client_is_in_the_place_of_its_longest_prefix(address, place):
    interface = address.partition("%")[2] or None
    found = CLASSROOMS.find(client_address(address), interface)
    assert (None if found is None else PLACES[found].id) == place


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        pytest.param("10.255.255.255", True, id="inside"),
        pytest.param("11.0.0.0", False, id="one behind"),
        pytest.param("9.255.255.255", False, id="one before"),
        pytest.param("::ffff:10.0.0.1", True, id="IPv4-mapped"),
        pytest.param("fd00:ffff::1", True, id="IPv6 inside"),
        pytest.param("fd01::1", False, id="IPv6 outside"),
        pytest.param("fe80::1%eth9", True, id="link-local is on the school's own wire"),
        pytest.param("169.254.1.1", False, id="IPv4 link-local is not, unless listed"),
        pytest.param("127.0.0.1", False, id="loopback only if listed"),
    ],
)
def test_only_the_schools_networks_may_ask(address, allowed):
    assert CLASSROOMS.may_ask(client_address(address)) is allowed


@pytest.mark.parametrize("text", ["", "example.com", "10.0.0", "10.0.0.256", "::g", "%eth0"])
def test_an_address_that_is_none_is_a_value_error(text):
    with pytest.raises(ValueError, match="does not appear"):
        client_address(text)


networks = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda n: ip_network(n, strict=False))


@given(st.lists(networks, max_size=12, unique=True), st.integers(0, 2**32 - 1))
def test_longest_prefix_agrees_with_looking_at_every_network(nets, number):
    address = ip_address(number)
    holding = [(net.prefixlen, at) for at, net in enumerate(nets) if address in net]
    expected = max(holding)[1] if holding else None
    assert Prefixes((net, at) for at, net in enumerate(nets)).find(address) == expected


def test_ipv4_and_ipv6_prefixes_with_the_same_bits_are_different():
    prefixes = Prefixes([(ip_network("0.0.0.1/32"), 4), (ip_network("::1/128"), 6)])
    assert prefixes.find(ip_address("0.0.0.1")) == 4
    assert prefixes.find(ip_address("::1")) == 6
