"""HTTP headers of DNS over HTTPS, held against the hpack library."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.dns.upstream import heads
from filterd.dns.upstream.framing import StreamError
from filterd.dns.upstream.heads import Heads, question_head

TYPE = (b"content-type", b"application/dns-message")
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.encode)
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([b"server", b"date", b"age", b"x-some-header", b"cache-control"]), TEXTS),
        st.just(TYPE),
        st.just((b"content-type", b"text/html")),
    ),
    max_size=8,
)


def test_a_question_has_the_headers_of_a_post() -> None:
    decoded = hpack.Decoder().decode(question_head("dns.example", "/dns-query", 128), raw=True)
    assert list(map(tuple, decoded)) == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"dns.example"),
        (b":path", b"/dns-query"),
        (b"accept", b"application/dns-message"),
        (b"content-type", b"application/dns-message"),
        (b"content-length", b"128"),
    ]


@pytest.mark.parametrize("length", [126, 127, 128, 254, 255, 256, 5000])
def test_long_paths_are_written_right(length: int) -> None:
    path = "/" * length
    assert (b":path", path.encode()) in map(
        tuple, hpack.Decoder().decode(question_head("dns.example", path, 128), raw=True)
    )


@given(
    st.lists(st.tuples(st.integers(100, 599), HEADERS), min_size=1, max_size=12),
    st.booleans(),
    st.sampled_from([None, 0, 100, 4096]),
)
def test_every_answer_is_read_as_the_library_wrote_it(
    answers: list[tuple[int, list[tuple[bytes, bytes]]]], huffman: bool, table_bytes: int | None
) -> None:
    encoder, reader = hpack.Encoder(), Heads()
    if table_bytes is not None:
        encoder.header_table_size = table_bytes
    for status, headers in answers:
        block = encoder.encode([(b":status", b"%d" % status), *headers], huffman=huffman)
        types = [value for name, value in headers if name == b"content-type"]
        assert reader.read(block) == (status, types[-1:] == [TYPE[1]])


@pytest.mark.parametrize(
    ("value", "is_dns"),
    [("application/dns-message", True), ("Application/DNS-Message", True), ("application/dns-message; x=1", True),
     ("application/dns-messages", False), ("application/dns-json", False), ("", False)],
)  # fmt: skip
@pytest.mark.parametrize("huffman", [True, False])
def test_the_type_must_be_that_of_dns(value: str, is_dns: bool, huffman: bool) -> None:
    block = hpack.Encoder().encode([(b":status", b"200"), (b"content-type", value.encode())], huffman=huffman)
    assert Heads().read(block) == (200, is_dns)


@pytest.mark.parametrize(
    "block",
    [b"\x80", b"\xff\xff\xff\xff\xff\xff", b"\xbe", b"\x0f", b"\x00\x05abc", b"\x7e\x01a", b"\x00\x01a\xff\xff\xff\x7f",
     b"\x3f\xe2\x1f", b"\x88" * 300, b"\x41\x82\xff\xff"],
    ids=["entry 0", "endless number", "entry of an empty table", "half a number", "short name", "unknown name",
         "huge value", "a table of 4097 bytes", "300 headers", "no Huffman code"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(block: bytes) -> None:
    with pytest.raises(StreamError):
        Heads().read(block)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_raise_anything_else_or_outgrow_the_table(blocks: list[bytes]) -> None:
    reader = Heads()
    try:
        for block in blocks:
            reader.read(block)
    except StreamError:
        pass
    assert 0 <= reader._bytes <= heads.TABLE_BYTES
