"""Messages behind their lengths, and questions filled up to one size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import wire
from filterd.dns.upstream.framing import LengthPrefixed, StreamError, padded

HEADER = bytes(12)


def prefixed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@given(st.lists(st.binary(min_size=12, max_size=300), max_size=5), st.lists(st.integers(1, 40)))
def test_messages_come_out_as_they_went_in_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    framing = LengthPrefixed(padding=False)
    data = b"".join(map(prefixed, messages))
    found = []
    for size in cuts:
        found += framing.feed(data[:size])
        data = data[size:]
    found += framing.feed(data)
    assert found == [(message[:2], message) for message in messages]


def test_the_largest_message_is_65535_bytes_and_no_more_is_kept() -> None:
    framing = LengthPrefixed(padding=False)
    assert framing.feed(prefixed(bytes(65535))[:-1]) == []
    assert len(framing._buffer) == 65536
    assert framing.feed(bytes(1)) == [(b"\0\0", bytes(65535))]
    assert not framing._buffer


@pytest.mark.parametrize("size", [0, 1, 11])
def test_what_is_too_short_for_a_header_is_not_dns(size: int) -> None:
    with pytest.raises(StreamError):
        LengthPrefixed(padding=False).feed(prefixed(bytes(size)))


def question(length: int, opt: bytes) -> bytes:
    name = b"".join(bytes((min(63, left),)) + b"a" * min(63, left) for left in range(length, 0, -64)) + b"\0"
    return HEADER[:11] + bytes((len(opt) > 0,)) + name + b"\0\1\0\1" + opt


@pytest.mark.parametrize("length", range(1, 250, 3))
@pytest.mark.parametrize("do", [False, True])
def test_a_question_is_filled_up_to_a_multiple_of_128(length: int, do: bool) -> None:
    packet = question(length, wire.opt(do))
    filled = b"id" + padded(packet)
    assert len(filled) % 128 == 0
    assert len(filled) - len(packet) < 128 + 4
    assert filled.startswith(b"id" + packet[2:-2])
    rest = filled[len(packet) - 2 :]
    size = int.from_bytes(rest[:2], "big")
    assert (len(rest), rest[2:4]) == (size + 2, b"\0\x0c"), "one option in an OPT as long as it says"
    assert (int.from_bytes(rest[4:6], "big"), rest[6:]) == (size - 4, bytes(size - 4))


def test_a_question_without_an_opt_stays_as_it_is() -> None:
    packet = question(5, b"")
    assert padded(packet) == packet[2:]


@pytest.mark.parametrize("padding", [True, False])
def test_a_question_goes_behind_its_length_under_its_id(padding: bool) -> None:
    packet = question(5, wire.opt(False))
    key, data = LengthPrefixed(padding).put(b"id", packet)
    assert key == b"id"
    assert data == prefixed(b"id" + (padded(packet) if padding else packet[2:]))
