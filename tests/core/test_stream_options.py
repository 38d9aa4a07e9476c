"""Keepalive and padding: seen in questions, put into replies, and never a broken message."""

from __future__ import annotations

from struct import pack

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import replies, wire
from filterd.core.stream_options import BLOCK_BYTES, KEEPALIVE, PADDING, finished, wanted
from tests import schools


def option(code: int, data: bytes = b"") -> bytes:
    return pack("!HH", code, len(data)) + data


def opt(*options: bytes) -> bytes:
    data = b"".join(options)
    return b"\0" + pack("!HHIH", 41, 1232, 0, len(data)) + data


@pytest.mark.parametrize(
    ("edns", "expected"),
    [
        (None, 0),
        (opt(), 0),
        (opt(option(11)), KEEPALIVE),
        (opt(option(12)), PADDING),
        (opt(option(12, bytes(80))), PADDING),
        (opt(option(10, bytes(8)), option(11), option(12, bytes(3))), KEEPALIVE | PADDING),
        (opt(option(11, b"\0\0")), 0),
        (opt(option(10, b"\0\x0b\0\0\0\x0c\0\0")), 0),
        (opt(option(12, bytes(9)))[:-4], PADDING),
        (opt(*[option(65001)] * 40, option(12)), 0),
    ],
    ids=["no-opt", "no-options", "keepalive", "padding-empty", "padding", "both", "keepalive-of-a-server",
         "inside-another", "cut", "behind-too-many"],
)  # fmt: skip
def test_what_a_question_wants(edns: bytes | None, expected: int) -> None:
    assert wanted(schools.query(edns=edns)) == expected


@given(st.binary(min_size=12, max_size=300))
def test_any_bytes_will_do(packet: bytes) -> None:
    assert wanted(packet) in range(4)
    assert finished(packet, KEEPALIVE | PADDING, 10)[:10] == packet[:10]


def reply_to(edns: bytes | None, ede: bool = False) -> bytes:
    query = wire.read_query(schools.query(edns=edns))
    return replies.error(query, wire.SERVFAIL, replies.EDE_NETWORK if ede else None, "why")


@pytest.mark.parametrize("ede", [False, True], ids=["bare", "with-ede"])
def test_a_padded_reply_fills_whole_blocks_and_keeps_its_options(ede: bool) -> None:
    padded = finished(reply_to(opt(), ede), PADDING | KEEPALIVE, 10)
    assert len(padded) % BLOCK_BYTES == 0
    found = {option.otype: option for option in dns.message.from_wire(padded).options}
    assert found[dns.edns.OptionType(11)].to_wire() == b"\0\x64"
    assert set(found[dns.edns.OptionType.PADDING].to_wire()) == {0}
    assert (dns.edns.OptionType.EDE in found) is ede


def test_keepalive_alone_adds_six_bytes() -> None:
    reply = reply_to(opt())
    assert len(finished(reply, KEEPALIVE, 0)) == len(reply) + 6


@pytest.mark.parametrize("size", [468 - 4, 468 - 3, 467, 468, 469])
def test_padding_never_takes_a_block_too_many(size: int) -> None:
    edns = opt()
    name = "a" * 50 + ".example"
    query = wire.read_query(schools.query(name, edns=edns))
    body = wire.record(wire.TXT, 1, b"x" * (size - len(replies.reply(query, 0, (1, 0, 0), wire.record(16, 1, b"")))))
    reply = replies.reply(query, 0, (1, 0, 0), body)
    assert len(reply) == size
    padded = finished(reply, PADDING, 0)
    assert len(padded) == -(-(size + 4) // BLOCK_BYTES) * BLOCK_BYTES


def test_a_reply_without_opt_stays() -> None:
    reply = reply_to(None)
    assert finished(reply, PADDING, 10) is reply


def test_what_looks_like_an_opt_inside_the_reply_is_not_taken_for_one() -> None:
    query = wire.read_query(schools.query(edns=None))
    fake = replies.reply(query, 0, (1, 0, 0), wire.record(wire.TXT, 1, wire.opt(False) + b"more"))
    assert finished(fake, PADDING, 10) is fake


@pytest.mark.parametrize("size", [65535 - 3, 65535 - 4, 65535 - 60])
def test_a_reply_that_is_nearly_full_stays_within_64_kib(size: int) -> None:
    query = wire.read_query(schools.query(edns=opt()))
    empty = len(replies.reply(query, 0, (1, 0, 0), wire.record(wire.TXT, 1, b"")))
    reply = replies.reply(query, 0, (1, 0, 0), wire.record(wire.TXT, 1, bytes(size - empty)))
    padded = finished(reply, PADDING | KEEPALIVE, 10)
    assert len(padded) <= wire.MAX_BYTES
    assert dns.message.from_wire(padded).answer
