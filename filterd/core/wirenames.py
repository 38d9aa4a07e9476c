"""Names in packets: the one reader of labels and compression pointers (RFC 1035 section 4.1.4, RFC 9267).

Part of `wire`: bounds-checked, raises nothing but WireError, and does a bounded amount of work whatever the bytes.
"""

from __future__ import annotations

from typing import Final

from filterd.errors import WireError

MAX_HOPS: Final = 127  # as many pointers as a name can have labels
_FIRST: Final = 12  # behind the header


def skip_name(packet: bytes, at: int) -> int:
    """Offset behind the name at `at`. A pointer must point strictly backwards (RFC 9267 section 3)."""
    start = at
    try:
        while True:
            length = packet[at]
            if length == 0:
                return at + 1
            if length < 64:
                at += length + 1
                if at - start > 254:
                    raise WireError("name longer than 255 bytes")
            elif length >= 192:
                target = (length & 63) << 8 | packet[at + 1]
                if not _FIRST <= target < start:
                    raise WireError("compression pointer does not point backwards")
                return at + 2
            else:
                raise WireError("unknown label type")
    except IndexError:
        raise WireError("name runs over the end") from None


def read_name(packet: bytes, at: int) -> bytes:
    """The uncompressed wire name at `at`, at most 255 bytes; pointers strictly backwards, and no more than labels."""
    parts = []
    total = 1
    hops = 0
    limit = at
    try:
        while True:
            length = packet[at]
            if length == 0:
                parts.append(b"\0")
                return b"".join(parts)
            if length < 64:
                label = packet[at : at + length + 1]
                if len(label) != length + 1:
                    raise WireError("name runs over the end")
                total += length + 1
                if total > 255:
                    raise WireError("name longer than 255 bytes")
                parts.append(label)
                at += length + 1
            elif length >= 192:
                target = (length & 63) << 8 | packet[at + 1]
                if not _FIRST <= target < limit:
                    raise WireError("compression pointer does not point backwards")
                hops += 1
                if hops > MAX_HOPS:
                    raise WireError("too many compression pointers")
                at = limit = target
            else:
                raise WireError("unknown label type")
    except IndexError:
        raise WireError("name runs over the end") from None
