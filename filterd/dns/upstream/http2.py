"""DNS over HTTPS: messages as bodies of HTTP/2 requests (RFC 8484, RFC 9113). No socket: bytes in, answers out.

The little of HTTP/2 that a client needs who only ever POSTs. Bounded whatever a server does: a header block of at most
MAX_BLOCK bytes, unfinished bodies of at most MAX_HELD in all, MAX_IDLE frames that lead to no answer.
"""

from __future__ import annotations

from typing import Final

from filterd.dns.upstream.framing import AGAIN, StreamError, padded
from filterd.dns.upstream.heads import Heads, question_head

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES: Final = 9
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE = 2, 3, 4, 6
CANCEL: Final = 8

MAX_FRAME: Final = 16 << 10  # of the payload; we never allow more
MAX_BLOCK: Final = 8 << 10
MAX_HELD: Final = 256 << 10
MAX_MESSAGE: Final = 0xFFFF  # of DNS, and the window every stream begins with
WINDOW: Final = 1 << 20  # of the connection, given back when half of it is used
FIRST_WINDOW: Final = 0xFFFF
MAX_WINDOW: Final = 0x7FFFFFFF
MAX_IDLE: Final = 1000
MAX_STREAM: Final = 1 << 30  # then another connection is opened
STREAMS: Final = 100  # at a time, until the server names its limit
BODY_BYTES: Final = 512  # more than any question has


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113 section 4.1)."""
    return b"".join((
        len(payload).to_bytes(3, "big"), bytes((kind, flags)), stream.to_bytes(4, "big"), payload,
    ))  # fmt: skip


def setting(key: int, value: int) -> bytes:
    return key.to_bytes(2, "big") + value.to_bytes(4, "big")


_SETTINGS: Final = setting(ENABLE_PUSH, 0) + setting(MAX_HEADER_LIST_SIZE, MAX_BLOCK)
_OPENING: Final = (
    PREFACE + frame(SETTINGS, 0, 0, _SETTINGS) + frame(WINDOW_UPDATE, 0, 0, (WINDOW - FIRST_WINDOW).to_bytes(4, "big"))
)


class Reply:
    """What has come on one stream so far."""

    __slots__ = ("body", "has_head", "is_dns")

    def __init__(self) -> None:
        self.has_head = False
        self.is_dns = False
        self.body = b""


class Http2:
    """One connection. The key of an answer is its stream, as four bytes."""

    def __init__(self, authority: str, path: str) -> None:
        self.once = True
        self._authority = authority
        self._path = path
        self._heads: dict[int, tuple[bytes, bytes]] = {}  # by body length: frames before and behind the stream
        self._answer_heads = Heads()
        self._buffer = bytearray()
        self._control = bytearray()
        self._replies: dict[bytes, Reply] = {}
        self._ghosts: set[bytes] = set()  # nobody waited for them at the last look
        self._next = 1
        self._limit = STREAMS
        self._window = FIRST_WINDOW  # what may be sent
        self._used = 0  # of the window we gave
        self._held = 0
        self._idle = 0
        self._going = False
        self._greeted = False
        self._block: bytearray | None = None  # of headers that are to be continued, on this stream:
        self._block_key = b""
        self._block_flags = 0
        self._found: list[tuple[bytes, bytes | None]] = []

    def opening(self) -> bytes:
        return _OPENING

    def room(self) -> int:
        if self._going or self._next > MAX_STREAM:
            return 0
        return min(self._limit - len(self._replies), self._window // BODY_BYTES)

    def closing(self) -> bool:
        return self._going or self._next > MAX_STREAM

    def put(self, _: bytes, packet: bytes, /) -> tuple[bytes, bytes]:
        """No id is used: on the wire it is 0 (RFC 8484 section 4.1)."""
        body = padded(packet)
        frames = self._heads.get(len(body))
        if frames is None:
            frames = self._heads[len(body)] = self._head(len(body) + 2)
        key = self._next.to_bytes(4, "big")
        self._next += 2
        self._window -= len(body) + 2
        self._replies[key] = Reply()
        return key, b"".join((frames[0], key, frames[1], key, b"\0\0", body))

    def _head(self, length: int) -> tuple[bytes, bytes]:
        block = question_head(self._authority, self._path, length)
        first = len(block).to_bytes(3, "big") + bytes((HEADERS, END_HEADERS))
        return first, block + length.to_bytes(3, "big") + bytes((DATA, END_STREAM))

    def control(self) -> bytes:
        data = bytes(self._control)
        self._control.clear()
        return data

    def expect(self, waiting: set[bytes]) -> None:
        """Cancel what nobody has waited for at two looks in a row; until then the stream counts as open."""
        ghosts = self._replies.keys() - waiting
        for key in ghosts & self._ghosts:
            self._forget(key)
            self._control += frame(RST_STREAM, 0, int.from_bytes(key, "big"), CANCEL.to_bytes(4, "big"))
        self._ghosts = ghosts

    def feed(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        while end - at >= FRAME_BYTES:
            length = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
            if length > MAX_FRAME:
                raise StreamError(f"a frame of {length} bytes")
            behind = at + FRAME_BYTES + length
            if behind > end:
                break
            key = bytes(buffer[at + 5 : at + FRAME_BYTES])
            if key[0] & 0x80:  # a bit without meaning
                key = bytes((key[0] & 0x7F,)) + key[1:]
            self._frame(buffer[at + 3], buffer[at + 4], key, bytes(buffer[at + FRAME_BYTES : behind]))
            at = behind
        del buffer[:at]
        if self._used > WINDOW // 2:
            self._control += frame(WINDOW_UPDATE, 0, 0, self._used.to_bytes(4, "big"))
            self._used = 0
        found, self._found = self._found, []
        return found

    def _frame(self, kind: int, flags: int, key: bytes, payload: bytes) -> None:
        self._idle += 1
        if self._idle > MAX_IDLE:
            raise StreamError("frames without end and no answer")
        if not self._greeted:
            if kind != SETTINGS or flags & ACK:
                raise StreamError("it does not begin with SETTINGS")
            self._greeted = True
        if self._block is not None and kind != CONTINUATION:
            raise StreamError("headers that were not continued")
        if kind == DATA:
            self._data(flags, key, payload)
        elif kind == HEADERS:
            self._headers(flags, key, payload)
        elif kind == CONTINUATION:
            self._continued(flags, key, payload)
        elif kind == RST_STREAM:
            self._reset(key, payload)
        elif kind in (SETTINGS, PING, GOAWAY, WINDOW_UPDATE, PUSH_PROMISE):
            self._about_connection(kind, flags, key, payload)
        # PRIORITY and what is unknown: ignored (RFC 9113 sections 5.3.2 and 5.5)

    # -- about one answer -----------------------------------------------------------------------------------------

    def _known(self, key: bytes) -> Reply | None:
        """The reply on a stream; None for one that was given up. Raises StreamError for one that never was."""
        reply = self._replies.get(key)
        if reply is None:
            stream = int.from_bytes(key, "big")
            if not stream & 1 or stream >= self._next:
                raise StreamError(f"stream {stream} was never opened")
        return reply

    def _data(self, flags: int, key: bytes, payload: bytes) -> None:
        self._used += len(payload)
        if self._used > WINDOW:
            raise StreamError("more than the window allows")
        reply = self._known(key)
        if reply is None:
            return
        if not reply.has_head:
            raise StreamError("a body without headers")
        body = _unpadded(payload) if flags & PADDED else payload
        if flags & END_STREAM and not reply.body:
            self._finish(key, reply, body)
            return
        self._held += len(body)
        reply.body += body
        if self._held > MAX_HELD or len(reply.body) > MAX_MESSAGE:
            raise StreamError("a body that is too long")
        if flags & END_STREAM:
            self._finish(key, reply, reply.body)

    def _headers(self, flags: int, key: bytes, payload: bytes) -> None:
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & WITH_PRIORITY:
            payload = payload[5:]
        if len(payload) > MAX_BLOCK:
            raise StreamError("headers without end")
        if flags & END_HEADERS:
            self._head_of(flags, key, payload)
        else:
            self._block, self._block_key, self._block_flags = bytearray(payload), key, flags

    def _continued(self, flags: int, key: bytes, payload: bytes) -> None:
        block = self._block
        if block is None or key != self._block_key:
            raise StreamError("headers continued that were not begun")
        block += payload
        if len(block) > MAX_BLOCK:
            raise StreamError("headers without end")
        if flags & END_HEADERS:
            self._block = None
            self._head_of(self._block_flags, key, bytes(block))

    def _head_of(self, flags: int, key: bytes, block: bytes) -> None:
        reply = self._known(key)
        status, is_dns = self._answer_heads.read(block)  # also of a reply that nobody wants: it changes the table
        if reply is None:
            return
        if not reply.has_head:  # else trailers
            if 100 <= status < 200 and not flags & END_STREAM:  # the real one follows
                return
            reply.has_head = True
            reply.is_dns = is_dns and status == 200
        elif not flags & END_STREAM:
            raise StreamError("headers after headers")
        if flags & END_STREAM:
            self._finish(key, reply, reply.body)

    def _finish(self, key: bytes, reply: Reply, body: bytes) -> None:
        self._forget(key)
        self._idle = 0
        self._found.append((key, body if reply.is_dns and len(body) >= 12 else None))

    def _forget(self, key: bytes) -> None:
        reply = self._replies.pop(key)
        self._held -= len(reply.body)

    def _reset(self, key: bytes, payload: bytes) -> None:
        if len(payload) != 4:
            raise StreamError("a wrong RST_STREAM")
        if self._known(key) is not None:
            self._forget(key)
            self._found.append((key, AGAIN))

    # -- about the connection -------------------------------------------------------------------------------------

    def _about_connection(self, kind: int, flags: int, key: bytes, payload: bytes) -> None:
        if kind == SETTINGS:
            if not flags & ACK:
                self._settings(payload)
        elif kind == PING:
            if len(payload) != 8:
                raise StreamError("a wrong PING")
            if not flags & ACK:
                self._control += frame(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            self._go_away(payload)
        elif kind == WINDOW_UPDATE:
            self._window_update(key, payload)
        else:
            raise StreamError("a push that was forbidden")

    def _settings(self, payload: bytes) -> None:
        if len(payload) % 6:
            raise StreamError("wrong SETTINGS")
        for at in range(0, len(payload), 6):
            key = int.from_bytes(payload[at : at + 2], "big")
            value = int.from_bytes(payload[at + 2 : at + 6], "big")
            if key == MAX_CONCURRENT_STREAMS:
                self._limit = value
            elif key == INITIAL_WINDOW_SIZE and value < BODY_BYTES:
                raise StreamError(f"a window of {value} bytes")
        self._control += frame(SETTINGS, ACK, 0)

    def _go_away(self, payload: bytes) -> None:
        """No new questions; what is above its last stream was not looked at (RFC 9113 section 6.8)."""
        if len(payload) < 8:
            raise StreamError("a wrong GOAWAY")
        self._going = True
        last = int.from_bytes(payload[:4], "big") & MAX_WINDOW
        for key in [key for key in self._replies if int.from_bytes(key, "big") > last]:
            self._forget(key)
            self._found.append((key, AGAIN))

    def _window_update(self, key: bytes, payload: bytes) -> None:
        if len(payload) != 4:
            raise StreamError("a wrong WINDOW_UPDATE")
        more = int.from_bytes(payload, "big") & MAX_WINDOW
        if key == b"\0\0\0\0":
            self._window += more
            if not more or self._window > MAX_WINDOW:
                raise StreamError("a window out of bounds")


def _unpadded(payload: bytes) -> bytes:
    """RFC 9113 section 6.1."""
    if not payload or payload[0] >= len(payload):
        raise StreamError("more padding than frame")
    return payload[1 : len(payload) - payload[0]]
