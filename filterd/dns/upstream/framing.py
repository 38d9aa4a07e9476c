"""How DNS messages lie on a stream: each behind its length in two bytes (RFC 1035 section 4.2.2, RFC 7766 section 8).
No socket here: bytes in, messages out. `dns.upstream.http2` is the other way to lay them.
"""

from __future__ import annotations

from typing import Final, Protocol

from filterd.core.stream_options import PADDING_OPTION
from filterd.core.wire import HEADER_BYTES

BLOCK: Final = 128  # queries are padded to a multiple of it (RFC 8467 section 4.1)
OPTION_BYTES: Final = 4
AGAIN: Final = b""


class StreamError(Exception):
    """The other end does not keep to the protocol; `dns.upstream.connection` closes on it."""


class Framing(Protocol):
    """One connection's way to lay messages. `once`: a key has one answer, be it right or wrong."""

    once: bool

    def opening(self) -> bytes:
        """What is sent before anything else."""

    def room(self) -> int:
        """How many more questions may go out now, as far as the protocol is concerned."""

    def put(self, ident: bytes, packet: bytes, /) -> tuple[bytes, bytes]:
        """A question with an id that is free here: the key that its answer will come under, and what to send."""

    def feed(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        """Take what was received; gives whole answers by their keys, None where the server failed to give one, AGAIN
        where it did not look at the question.
        """

    def control(self) -> bytes:
        """What is to be sent beside questions, once."""

    def closing(self) -> bool:
        """Whether the other end takes no more questions here."""

    def expect(self, waiting: set[bytes]) -> None:
        """Nothing but these keys is waited for any more."""


def _pad(length: int) -> bytes:
    """What stands in place of an empty OPT's RDLENGTH so that a message of so many bytes fills its block."""
    padding = -(length + OPTION_BYTES) % BLOCK
    head = (OPTION_BYTES + padding, PADDING_OPTION, padding)
    return b"".join(number.to_bytes(2, "big") for number in head) + bytes(padding)


_PADS: Final = tuple(_pad(length) for length in range(BLOCK))


def padded(packet: bytes) -> bytes:
    """A question of ours without its id, padded where it ends in an OPT; there is no option in that (see `core`)."""
    if packet[11]:
        return packet[2:-2] + _PADS[len(packet) % BLOCK]
    return packet[2:]


class LengthPrefixed:
    """TCP and DNS over TLS. `padding`: fill questions up (RFC 8467), which means nothing where all can read them."""

    def __init__(self, padding: bool) -> None:
        self.once = False  # a guess, or an old answer, may come before the right one
        self._padding = padding
        self._buffer = bytearray()

    def opening(self) -> bytes:
        return b""

    def room(self) -> int:
        return 1 << 16

    def put(self, ident: bytes, packet: bytes, /) -> tuple[bytes, bytes]:
        rest = padded(packet) if self._padding else packet[2:]
        return ident, (len(rest) + 2).to_bytes(2, "big") + ident + rest

    def feed(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        """At most one message is kept beside what came in: 64 KiB, as the length has two bytes."""
        buffer = self._buffer
        buffer += data
        found: list[tuple[bytes, bytes | None]] = []
        at, end = 0, len(buffer)
        while end - at >= 2:
            size = buffer[at] << 8 | buffer[at + 1]
            if size < HEADER_BYTES:
                raise StreamError(f"a message of {size} bytes")
            if end - at - 2 < size:
                break
            message = bytes(buffer[at + 2 : at + 2 + size])
            found.append((message[:2], message))
            at += 2 + size
        del buffer[:at]
        return found

    def control(self) -> bytes:
        return b""

    def closing(self) -> bool:
        return False

    def expect(self, waiting: set[bytes]) -> None:
        pass
