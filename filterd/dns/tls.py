"""TLS between a socket and a connection of `dns.streams`: a protocol to the one, a transport to the other.

Made of `ssl.SSLObject` and two memory buffers. What asyncio offers itself takes 256 KiB for every connection, which is
more than a school's box has for its phones; this takes what OpenSSL needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any, Final

from filterd.dns.streams import READ_BYTES, Stream

HANDSHAKE_TOKENS: Final = 10  # queries of a client's rate that a handshake counts for: it costs us as much


class TlsConnection(asyncio.Transport, asyncio.BufferedProtocol):
    """One client's connection. `context` is None while there is no certificate: then it is closed at once."""

    def __init__(self, stream: Stream, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._stream = stream
        self._context = context
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None  # made when the first byte comes
        self._secured = self._paused = self._ended = False
        self._raw: asyncio.Transport | None = None

    # -- protocol of the socket -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        self._stream.connection_made(self)
        self._stream.message_since = self._stream.started  # a handshake is a message too
        if self._context is None:
            transport.abort()

    def get_buffer(self, _: int) -> memoryview:
        return self._stream.streams.buffer

    def buffer_updated(self, count: int) -> None:
        self._incoming.write(self._stream.streams.buffer[:count])
        if self._secured or self._handshake():
            self._read()
        self._flush()

    def eof_received(self) -> bool:
        return self._secured and self._stream.eof_received()

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._raw = None
        self._stream.connection_lost(error)

    def _handshake(self) -> bool:
        """Go on with the handshake; True once it is done."""
        stream, context = self._stream, self._context
        if self._tls is None:
            if context is None or stream.streams.charge(stream.key, HANDSHAKE_TOKENS, stream.last) is None:
                self.abort()
                return False
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            self._fail()
            return False
        self._secured = True
        stream.message_since = None
        stream.secured(self._tls.selected_alpn_protocol())
        return True

    def _read(self) -> None:
        tls = self._tls
        if tls is None:
            return
        try:
            while not self._paused and self._raw is not None:
                data = tls.read(READ_BYTES)
                if not data:  # close_notify
                    if not self._stream.eof_received():
                        self.close()
                    return
                self._stream.take(data)
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError:
            self._fail()

    def _read_on(self) -> None:
        self._read()
        self._flush()

    def _fail(self) -> None:
        """The client does not speak TLS as we do, or does not trust us: tell it why, then close."""
        if not self._secured:
            self._stream.streams.failed_handshakes += 1
        self._flush()
        if self._raw is not None:
            self._raw.close()

    def _flush(self) -> None:
        if self._outgoing.pending and self._raw is not None:
            data = self._outgoing.read()
            if not self._ended:
                self._raw.write(data)

    # -- transport of the stream ----------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        if self._tls is None or self._raw is None:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self.abort()
            return
        self._flush()

    def write_eof(self) -> None:
        """Say that nothing more comes (RFC 8446 section 6.1), and let the client close."""
        self._unwrap()
        self._ended = True
        if self._raw is not None:
            self._raw.write_eof()

    def close(self) -> None:
        self._unwrap()
        if self._raw is not None:
            self._raw.close()

    def abort(self) -> None:
        if self._raw is not None:
            self._raw.abort()

    def _unwrap(self) -> None:
        if self._tls is not None and self._secured:
            with contextlib.suppress(ssl.SSLError):  # the client's own close_notify has not come; nobody waits for it
                self._tls.unwrap()
            self._flush()

    def is_closing(self) -> bool:
        return self._raw is None or self._raw.is_closing()

    def pause_reading(self) -> None:
        self._paused = True
        if self._raw is not None:
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if self._raw is not None:
            self._raw.resume_reading()
            asyncio.get_running_loop().call_soon(self._read_on)  # what has been decrypted, or waits in the buffer

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default) if self._raw is not None else default
