"""TC=1 for queries over the limit: for nothing but questions, and never in more bytes than were asked."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import replies, slip, wire
from tests.schools import OPT, address, query, question

WWW = question("www.example.org")
labels = st.lists(st.binary(min_size=1, max_size=63), max_size=6).filter(
    lambda parts: sum(map(len, parts)) + len(parts) < 255
)
heads = st.sampled_from([pack("!HHHHHH", 7, 0x0100, 1, 0, 0, more) for more in (0, 1)])
packets = st.binary(max_size=300) | st.tuples(heads, st.binary(max_size=200)).map(b"".join)


@given(packets)
def test_nobody_hears_more_bytes_than_were_asked(packet):
    reply = slip.cut(packet)
    assert reply is None or (len(reply) <= len(packet) and reply[:2] == packet[:2] and reply[2] & 0x82 == 0x82)


@given(labels, st.booleans(), st.booleans(), st.sampled_from([0, 0x0100, 0x0110, 0x0130, 0x07FF]))
def test_a_question_is_cut_as_a_reply_that_does_not_fit(parts, edns, do, flags):
    opt = (OPT[:7] + b"\x80" + OPT[8:] if do else OPT) if edns else b""
    name = b"".join(bytes((len(part),)) + part for part in parts) + b"\0"
    packet = pack("!HHHHHH", 7, flags, 1, 0, 0, edns) + name + b"\0\1\0\1" + opt
    assert slip.cut(packet) == replies.truncated(wire.read_query(packet))


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(query()[:11], id="half a header"),
        pytest.param(query(flags=0x8180), id="a response"),
        pytest.param(query(flags=0x2800), id="an update"),
        pytest.param(pack("!HHHHHH", 7, 0x0100, 0, 0, 0, 0), id="no question"),
        pytest.param(pack("!HHHHHH", 7, 0x0100, 2, 0, 0, 0) + WWW * 2, id="two questions"),
        pytest.param(pack("!HHHHHH", 7, 0x0100, 1, 1, 0, 0) + WWW + address(), id="an answer"),
        pytest.param(pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + WWW[:-1], id="half a class"),
        pytest.param(pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", id="a pointer to itself"),
        pytest.param(pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\1a\xc0\x0c\0\1\0\1", id="a loop"),
        pytest.param(pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x40a\0\0\1\0\1", id="label type 0x40"),
    ],
)
def test_what_is_no_question_hears_nothing(packet):
    assert slip.cut(packet) is None
