"""Which addresses no outside name may lead to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import private

_PRIVATE_TEXT = """
    0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 169.254.0.0
    169.254.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255
    :: ::1 ::7f00:1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 fc00:: fdff:ffff::1 fe80::1 febf::1 fec0::1 64:ff9b::192.168.0.1
    64:ff9b::127.0.0.1 2002:a00:1:: 2002:c0a8:101::1 2002:7f00:1::
"""
_PUBLIC_TEXT = """
    1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0
    172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 203.113.131.1 255.255.255.255
    2001:4860:4860::8888 2606:4700::1111 2002:808:808::1 64:ff9b::8.8.8.8 64:ff9b:1::1 ff02::1 fe00::1 fbff::1
    ::1:0:0:0 2400::1 1::1
"""
PRIVATE = _PRIVATE_TEXT.split()
PUBLIC = _PUBLIC_TEXT.split()


@pytest.mark.parametrize("text", PRIVATE)
def test_private_and_local_addresses_are_private(text):
    assert private.is_private(ip_address(text).packed)


@pytest.mark.parametrize("text", PUBLIC)
def test_others_are_not(text):
    assert not private.is_private(ip_address(text).packed)


@given(
    st.one_of(st.binary(min_size=4, max_size=4), st.sampled_from(PRIVATE + PUBLIC).map(lambda t: ip_address(t).packed))
)
def test_an_ipv4_address_is_private_in_every_form(packed):
    if len(packed) != 4:
        return
    assert private.is_private(packed) == any(IPv4Address(packed) in net for net in private.RANGES_V4)
    for form in (bytes.fromhex("0064ff9b") + bytes(8) + packed, b"\x20\x02" + packed + bytes(10)):
        assert private.is_private(form) == private.is_private(packed)
        assert private.embedded_v4(form) == packed
    assert private.is_private(bytes(10) + b"\xff\xff" + packed)


@given(
    st.binary(min_size=16, max_size=16)
    | st.tuples(
        st.sampled_from(
            ["00", "20", "2001", "2002", "fc", "fd", "fe", "fe80", "0064ff9b" + "00" * 8, "00" * 10 + "ffff"]
        ),
        st.binary(min_size=16, max_size=16),
    ).map(lambda parts: (bytes.fromhex(parts[0]) + parts[1])[:16])
)
def test_the_quick_look_agrees_with_the_ranges(packed):
    assert private.is_private(packed) == any(IPv6Address(packed) in net for net in private.RANGES_V6)
    if packed.startswith(private.MOSTLY) or not private.FIRST_V6[packed[0]]:
        assert not private.is_private(packed)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("64:ff9b::8.8.8.8", "8.8.8.8"),
        ("2002:808:808::1", "8.8.8.8"),
        ("2001:db8::1", None),
        ("8.8.8.8", None),
    ],
)
def test_an_ipv6_address_may_lead_to_an_ipv4_one(text, inside):
    assert private.embedded_v4(ip_address(text).packed) == (inside and ip_address(inside).packed)
