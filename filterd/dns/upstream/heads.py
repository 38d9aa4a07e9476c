"""Header blocks of DNS over HTTPS (RFC 7541): the one a question has, and what has to be known of an answer's.

Ours refer to nothing but the static table. Of an answer only `:status` and `content-type` matter: the table that its
server fills keeps what an entry means and how long it is, and texts that mean nothing are stepped over unread.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from filterd.dns.upstream.framing import StreamError

MEDIA_TYPE: Final = b"application/dns-message"
TABLE_BYTES: Final = 4096  # what a server may use until told otherwise (RFC 9113 section 6.5.2), which we do not do
ENTRY_BYTES: Final = 32  # beside its texts (RFC 7541 section 4.1)
MAX_HEADERS: Final = 256
NOTHING, STATUS, TYPE = range(3)


class Entry(NamedTuple):
    """What a header says: a status as a number, or (1) a type that is DNS; and the bytes of its name and value."""

    kind: int
    meaning: int
    name_bytes: int
    value_bytes: int


def question_head(authority: str, path: str, length: int) -> bytes:
    """The header block of a POST with a body of `length` bytes (RFC 8484 section 4.1)."""
    host, where = authority.encode("ascii"), path.encode("ascii")
    return b"".join((
        b"\x83\x87",  # :method POST, :scheme https
        _literal(1, host),
        _literal(4, where),
        _literal(19, MEDIA_TYPE),  # accept
        _literal(31, MEDIA_TYPE),  # content-type
        _literal(28, b"%d" % length),  # content-length
    ))  # fmt: skip


def _literal(name: int, value: bytes) -> bytes:
    """A header that is not for the table, its name taken from the static one (RFC 7541 section 6.2.2)."""
    return _packed(name, 4) + _packed(len(value), 7) + value


def _packed(value: int, bits: int) -> bytes:
    """An integer behind a prefix of zeroes (RFC 7541 section 5.1)."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((value,))
    out = bytearray((limit,))
    value -= limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _kind(name: bytes) -> int:
    return STATUS if name == b":status" else TYPE if name == b"content-type" else NOTHING


def _meaning(kind: int, value: bytes) -> int:
    if kind == STATUS:
        return int(value) if len(value) == 3 and value.isdigit() else 0
    return int(kind == TYPE and value.partition(b";")[0].strip().lower() == MEDIA_TYPE)


_STATIC: Final = tuple(
    Entry(_kind(name), _meaning(_kind(name), value), len(name), len(value)) for name, value in HeaderTable.STATIC_TABLE
)


class Heads:
    """The answers' headers of one connection, to be read in the order they came in."""

    def __init__(self) -> None:
        self._table: deque[Entry] = deque()  # the newest first
        self._bytes = 0
        self._limit = TABLE_BYTES

    def read(self, block: bytes) -> tuple[int, bool]:
        """The status (0 where there is none) and whether the body is a DNS message. Raises StreamError."""
        status, is_dns = 0, False
        at, end = 0, len(block)
        try:
            for _ in range(MAX_HEADERS):
                if at >= end:
                    return status, is_dns
                if block[at] & 0x80:  # an entry as it is
                    index, at = _integer(block, at, 7)
                    entry = self._entry(index)
                elif block[at] & 0xE0 == 0x20:
                    size, at = _integer(block, at, 5)
                    self._resize(size)
                    continue
                else:
                    entry, at = self._literal(block, at)
                if entry.kind == STATUS:
                    status = entry.meaning
                elif entry.kind == TYPE:
                    is_dns = entry.meaning == 1
        except (IndexError, HPACKDecodingError):
            raise StreamError("headers that cannot be read") from None
        raise StreamError("too many headers")

    def _entry(self, index: int) -> Entry:
        if index <= 0:
            raise IndexError
        return _STATIC[index - 1] if index <= len(_STATIC) else self._table[index - len(_STATIC) - 1]

    def _literal(self, block: bytes, at: int) -> tuple[Entry, int]:
        """A header in words, with a name of the table or not, to be remembered or not (RFC 7541 section 6.2)."""
        kept = block[at] & 0x40 != 0
        index, at = _integer(block, at, 6 if kept else 4)
        if index:
            named = self._entry(index)
            kind, name_bytes = named.kind, named.name_bytes
        else:
            huffman, text, at = _string(block, at)
            name = decode_huffman(text) if huffman else text
            kind, name_bytes = _kind(name), len(name)
        huffman, text, at = _string(block, at)
        if huffman and (kept or kind != NOTHING):
            text = decode_huffman(text)
        entry = Entry(kind, _meaning(kind, text), name_bytes, len(text))
        if kept:
            self._keep(entry)
        return entry, at

    def _keep(self, entry: Entry) -> None:
        """The oldest entries make room; one that is larger than the table empties it (RFC 7541 section 4.4)."""
        size = entry.name_bytes + entry.value_bytes + ENTRY_BYTES
        self._shrink(self._limit - size)
        if size <= self._limit:
            self._table.appendleft(entry)
            self._bytes += size

    def _resize(self, size: int) -> None:
        if size > TABLE_BYTES:
            raise StreamError(f"a header table of {size} bytes")
        self._limit = size
        self._shrink(size)

    def _shrink(self, limit: int) -> None:
        while self._table and self._bytes > limit:
            old = self._table.pop()
            self._bytes -= old.name_bytes + old.value_bytes + ENTRY_BYTES


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    limit = (1 << bits) - 1
    value = block[at] & limit
    at += 1
    if value < limit:
        return value, at
    for shift in (0, 7, 14):
        octet = block[at]
        at += 1
        value += (octet & 127) << shift
        if octet < 128:
            return value, at
    raise IndexError


def _string(block: bytes, at: int) -> tuple[bool, bytes, int]:
    """Whether it is in Huffman code, the bytes as they are, and where they end."""
    huffman = block[at] & 0x80 != 0
    length, at = _integer(block, at, 7)
    if at + length > len(block):
        raise IndexError
    return huffman, block[at : at + length], at + length
