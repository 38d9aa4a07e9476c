"""Header blocks of DNS over HTTPS (RFC 7541): the one a question has, and what has to be known of an answer's.

No table is kept: our SETTINGS forbid the server one, so every block stands for itself, and ours refer to nothing but
the static table. Of an answer only `:status` and `content-type` matter; the rest is stepped over. Huffman codes are not
decoded but compared, as a text has only one.
"""

from __future__ import annotations

from typing import Final

from filterd.dns.upstream.framing import StreamError

MEDIA_TYPE: Final = b"application/dns-message"
STATUS: Final = (200, 204, 206, 304, 400, 404, 500)  # entries 8 to 14 of the static table (RFC 7541 appendix A)
STATIC: Final = 61
CONTENT_TYPE: Final = 31
MAX_HEADERS: Final = 256
# The same texts in Huffman code (RFC 7541 appendix B).
_STATUS_CODE: Final = bytes.fromhex("b8848d36a3")
_TYPE_NAME_CODE: Final = bytes.fromhex("21ea496a4ac9f5597f")
_TYPE_CODE: Final = bytes.fromhex("1d75d0620d263d4c495216a4a840e62f")
_TYPE_CODE_WITH_MORE: Final = int.from_bytes(bytes.fromhex("1d75d0620d263d4c495216a4a840e62fdf"), "big") >> 3
_TYPE_CODE_WITH_MORE_BITS: Final = 133  # "application/dns-message;"


def question_head(authority: str, path: str, length: int) -> bytes:
    """The header block of a POST with a body of `length` bytes (RFC 8484 section 4.1)."""
    host, where = authority.encode("ascii"), path.encode("ascii")
    return b"".join((
        b"\x83\x87",  # :method POST, :scheme https
        _literal(1, host),
        _literal(4, where),
        _literal(19, MEDIA_TYPE),  # accept
        _literal(CONTENT_TYPE, MEDIA_TYPE),
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


def answer_head(block: bytes) -> tuple[int, bool]:
    """The status (0 where there is none) and whether the body is a DNS message. Raises StreamError."""
    status, is_dns = 0, False
    at, end = 0, len(block)
    try:
        for _ in range(MAX_HEADERS):
            if at >= end:
                return status, is_dns
            first = block[at]
            if first & 0x80:  # a whole entry of the table
                index, at = _integer(block, at, 7)
                if 8 <= index <= 14:
                    status = STATUS[index - 8]
                elif not 0 < index <= STATIC:
                    raise StreamError(f"header entry {index} of a table it was forbidden")
                continue
            if first & 0xE0 == 0x20:  # a new size of the table, which can only be none
                size, at = _integer(block, at, 5)
                if size:
                    raise StreamError("a header table it was forbidden")
                continue
            index, at = _integer(block, at, 6 if first & 0x40 else 4)
            if index == 0:
                name_huffman, name, at = _string(block, at)
                index = _index_of(name_huffman, name)
            elif index > STATIC:
                raise StreamError(f"header entry {index} of a table it was forbidden")
            huffman, value, at = _string(block, at)
            if 8 <= index <= 14:
                status = _number(huffman, value)
            elif index == CONTENT_TYPE:
                is_dns = _is_dns(huffman, value)
    except IndexError:
        raise StreamError("headers that end too early") from None
    raise StreamError("too many headers")


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
    raise StreamError("a number that is too large in the headers")


def _string(block: bytes, at: int) -> tuple[bool, bytes, int]:
    huffman = block[at] & 0x80 != 0
    length, at = _integer(block, at, 7)
    if at + length > len(block):
        raise StreamError("headers that end too early")
    return huffman, block[at : at + length], at + length


def _index_of(huffman: bool, name: bytes) -> int:
    """The index of a name that matters, 0 for all others."""
    if name == (_STATUS_CODE if huffman else b":status"):
        return 8
    return CONTENT_TYPE if name == (_TYPE_NAME_CODE if huffman else b"content-type") else 0


def _number(huffman: bool, value: bytes) -> int:
    """A status of three digits; in Huffman code 0 to 2 have five bits, 3 to 9 six."""
    if not huffman:
        return int(value) if len(value) == 3 and value.isdigit() else 0
    bits = int.from_bytes(value, "big")
    left = 8 * len(value)
    number = 0
    for _ in range(3):
        width = 5 if left >= 5 and bits >> (left - 5) & 31 < 3 else 6
        if left < width:
            return 0
        left -= width
        code = bits >> left & ((1 << width) - 1)
        digit = code if width == 5 else code - 0x16
        if not 0 <= digit <= 9:
            return 0
        number = 10 * number + digit
    return number if left < 8 else 0


def _is_dns(huffman: bool, value: bytes) -> bool:
    """Whether a media type is ours, with parameters or without."""
    if not huffman:
        return value.partition(b";")[0].strip().lower() == MEDIA_TYPE
    if value == _TYPE_CODE:
        return True
    more = 8 * len(value) - _TYPE_CODE_WITH_MORE_BITS
    return more >= 0 and int.from_bytes(value, "big") >> more == _TYPE_CODE_WITH_MORE
