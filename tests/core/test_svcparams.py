"""The data of SVCB and HTTPS records: read as dnspython reads it, and WireError for what RFC 9460 calls malformed."""

from __future__ import annotations

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import svcparams
from filterd.errors import WireError

CDN = b"\3cdn\7example\0"


def wire_of(text: str) -> bytes:
    return dns.rdata.from_text("IN", "HTTPS", text).to_wire()


def read(data: bytes) -> tuple[int, bytes, svcparams.Params]:
    return svcparams.read(b"#" + data + b"#", 1, 1 + len(data))


@pytest.mark.parametrize(
    "text",
    [
        "0 cdn.example.",
        "0 .",
        "1 .",
        "1 . alpn=h2,h3",
        "16 cdn.example. mandatory=alpn,ipv4hint alpn=h2 no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.2 "
        "ech=AATerb7v ipv6hint=2001:db8::1 key65000=x",
    ],
)
def test_records_by_dnspython_are_read_and_written_back(text):
    data = wire_of(text)
    assert svcparams.write(*read(data)) == data


def test_hints_are_packed_addresses():
    _, _, params = read(wire_of("1 . ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1"))
    assert [hint.hex() for hint in svcparams.hints(params)] == ["c0000201", "c0000202", "20010db8" + "0" * 23 + "1"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "over the end", id="nothing"),
        pytest.param(b"\0", "over the end", id="half a priority"),
        pytest.param(b"\0\1", "over the end", id="no target"),
        pytest.param(b"\0\1\3cdn", "over the end", id="a target without end"),
        pytest.param(b"\0\1\x3fabc", "over the end", id="a label over the end"),
        pytest.param(b"\0\1\xc0\x0c", "compressed", id="a compressed target"),
        pytest.param(b"\0\1\1a\xc0\x0c", "compressed", id="a compressed target behind a label"),
        pytest.param(b"\0\1\x40\0", "compressed", id="an unknown label type"),
        pytest.param(b"\0\1" + (b"\x3f" + b"a" * 63) * 4 + b"\0", "longer", id="a target of 257 bytes"),
        pytest.param(b"\0\1\0\0\1\0", "half", id="half a parameter"),
        pytest.param(b"\0\1\0\0\1\0\3\2h2\2", "order|half", id="bytes behind a parameter"),
        pytest.param(b"\0\1\0\0\1\0\4\2h2", "over the end", id="a value over the end"),
        pytest.param(b"\0\1\0\0\3\0\2\0\1\0\1\0\3\2h2", "order", id="keys in disorder"),
        pytest.param(b"\0\1\0\0\3\0\2\0\1\0\3\0\2\0\1", "order", id="a key twice"),
        pytest.param(b"\0\1\0\0\1\0\0", "protocols", id="no protocols"),
        pytest.param(b"\0\1\0\0\1\0\1\0", "protocols", id="an empty protocol"),
        pytest.param(b"\0\1\0\0\1\0\2\5h", "protocols", id="a protocol over the end"),
        pytest.param(b"\0\1\0\0\4\0\5\1\2\3\4\5", "hints", id="an address of 5 bytes"),
        pytest.param(b"\0\1\0\0\4\0\0", "hints", id="no address"),
        pytest.param(b"\0\1\0\0\6\0\4\1\2\3\4", "hints", id="an IPv6 address of 4 bytes"),
        pytest.param(b"\0\1\0\0\0\0\1\0", "keys", id="half a mandatory key"),
        pytest.param(b"\0\1\0\0\0\0\0", "keys", id="no mandatory key"),
    ],
)
def test_what_is_malformed_is_a_wire_error(data, why):
    with pytest.raises(WireError, match=why):
        read(data)


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: b"\0\1\0" + tail))
def test_any_bytes_are_a_record_or_a_wire_error(data):
    try:
        found = read(data)
    except WireError:
        return
    assert svcparams.write(*found) == data
    assert all(len(hint) in (4, 16) for hint in svcparams.hints(found[2]))
