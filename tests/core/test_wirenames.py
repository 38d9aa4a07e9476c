"""Names in packets: any bytes give a name or a WireError, after a bounded amount of work."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import wirenames
from filterd.errors import WireError

HEADER = bytes(12)


def pointers(count: int) -> bytes:
    """The root, then pointers that each point at the one before."""
    return b"\0" + b"".join(pack("!H", 0xC000 | (11 + 2 * i if i else 12)) for i in range(count))


@given(st.binary(max_size=300), st.integers(0, 320))
def test_any_name_at_any_offset_is_a_name_or_a_wire_error(packet, at):
    for reader in (wirenames.skip_name, wirenames.read_name):
        try:
            found = reader(packet, at)
        except WireError:
            continue
        assert isinstance(found, bytes) or at < found <= len(packet)
        assert not isinstance(found, bytes) or len(found) <= 255


def test_a_name_may_have_as_many_pointers_as_labels():
    packet = HEADER + pointers(127)
    assert wirenames.read_name(packet, len(packet) - 2) == b"\0"
    with pytest.raises(WireError, match="too many"):
        wirenames.read_name(HEADER + pointers(128), 12 + 1 + 2 * 127)


@pytest.mark.parametrize(
    ("tail", "at", "name", "end"),
    [
        pytest.param(b"\0", 12, b"\0", 13, id="the root"),
        pytest.param(b"\1a\2BC\0", 12, b"\1a\2BC\0", 18, id="labels, case kept"),
        pytest.param(b"\1a\0\1b\xc0\x0c", 15, b"\1b\1a\0", 19, id="a pointer"),
        pytest.param(b"\1a\0\xc0\x0c\xc0\x0f", 17, b"\1a\0", 19, id="a pointer to a pointer"),
    ],
)
def test_a_name_is_read_whole_and_skipped_where_it_stands(tail, at, name, end):
    assert wirenames.read_name(HEADER + tail, at) == name
    assert wirenames.skip_name(HEADER + tail, at) == end


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        pytest.param(b"\xc0\x0c", "backwards", id="a pointer to itself"),
        pytest.param(b"\xc0\x00", "backwards", id="a pointer into the header"),
        pytest.param(b"\xc0\x0e\0", "backwards", id="a pointer forwards"),
        pytest.param(b"\x40a\0", "label type", id="a label of type 0x40"),
        pytest.param(b"\x80a\0", "label type", id="a label of type 0x80"),
        pytest.param(b"\5ab", "over the end", id="a label over the end"),
        pytest.param(b"\xc0", "over the end", id="half a pointer"),
        pytest.param(b"", "over the end", id="nothing"),
        pytest.param((b"\x3f" + b"a" * 63) * 4 + b"\0", "longer than 255", id="257 bytes"),
    ],
)
def test_what_is_no_name_is_a_wire_error(tail, why):
    for reader in (wirenames.skip_name, wirenames.read_name):
        with pytest.raises(WireError, match=why):
            reader(HEADER + tail, 12)
