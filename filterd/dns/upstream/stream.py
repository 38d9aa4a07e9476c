"""One connection to a server, TCP or TLS over it: bytes in, bytes out, non-blocking, served by the hot selector.

TLS runs between two memory buffers, so that both kinds read and write the socket alike: one system call takes all
records that are there, and all questions of a turn leave as one record.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from typing import Final, Protocol

from filterd.dns.upstream.places import Worker
from filterd.dns.upstream.tls import Tls

READ_BYTES: Final = 64 << 10
MAX_UNSENT_BYTES: Final = 256 << 10  # for a server that does not read
CONNECT_S: Final = 0.75  # to one address; then the next one is tried
READY_S: Final = 1.5  # with the handshake


class User(Protocol):
    """Whoever uses a stream. After `lost` it hears no more."""

    def opened(self) -> None:
        """The stream can be written to."""

    def received(self, data: bytes) -> None: ...

    def lost(self, error: OSError | None) -> None:
        """It is closed: by an error, or (None) by the other end in peace."""


class Stream:
    """Connects as soon as it is made. `address`: (host, port)."""

    def __init__(self, worker: Worker, address: tuple[str, int], tls: Tls | None, user: User) -> None:
        """Raises OSError where not even that can begin."""
        self.address = address
        self.is_open = False
        self._worker = worker
        self._user: User | None = user
        self._tls = tls
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = tls.wrap(self._incoming, self._outgoing) if tls is not None else None
        self._unsent = bytearray()
        self._hot = False  # whether reads are waited for
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            error = self._socket.connect_ex(address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
        except OSError:
            self._socket.close()
            raise
        self._fd = self._socket.fileno()
        worker.loop.add_writer(self._fd, self._connected)
        self._timer: asyncio.TimerHandle | None = worker.loop.call_later(CONNECT_S, self._late)
        worker.hot.interrupt()

    def write(self, data: bytes) -> None:
        """Send, or keep what cannot be sent yet. A failure comes later, as `lost`."""
        if self._ssl is not None:
            try:
                self._ssl.write(data)
            except ssl.SSLError as error:
                self._fail_later(error)
                return
            data = self._outgoing.read()
        self._put(data)

    def _put(self, data: bytes) -> None:
        if self._unsent:
            self._unsent += data
        else:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._fail_later(error)
                return
            if sent == len(data):
                return
            self._unsent += data[sent:]
            self._worker.loop.add_writer(self._fd, self._writable)
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self._fail_later(OSError("it does not read"))

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._worker.loop.remove_writer(self._fd)

    def _connected(self) -> None:
        loop = self._worker.loop
        loop.remove_writer(self._fd)
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(OSError(error, os.strerror(error)))
            return
        self._worker.hot.add(self._fd, self._readable)
        self._hot = True
        if self._ssl is None:
            self._ready()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = loop.call_later(READY_S - CONNECT_S, self._late)
        self._shake()

    def _shake(self) -> None:
        """Go on with the handshake."""
        assert self._ssl is not None
        assert self._tls is not None
        try:
            self._ssl.do_handshake()
            self._tls.agreed(self._ssl)
        except ssl.SSLWantReadError:
            self._flush()
            return
        except OSError as error:
            self._flush()  # the alert that says why
            self._tls.failed(error)
            self._fail(error)
            return
        self._flush()
        self._ready()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._put(self._outgoing.read())

    def _ready(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.is_open = True
        if self._user is not None:
            self._user.opened()

    def _readable(self, _: int) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        if not data:
            self._fail(None)
        elif self._ssl is None:
            if self._user is not None:
                self._user.received(data)
        else:
            self._incoming.write(data)
            self._decrypt(self._ssl)

    def _decrypt(self, tls: ssl.SSLObject) -> None:
        if not self.is_open:
            self._shake()
            if not self.is_open:
                return
        while self._incoming.pending and self._user is not None:
            try:
                data = tls.read(READ_BYTES)
            except ssl.SSLWantReadError:  # half a record, or something for TLS itself
                break
            except ssl.SSLError as error:
                self._fail(error)
                return
            if not data:
                self._fail(None)
                return
            self._user.received(data)
        if self._user is not None:
            self._flush()

    def remember(self) -> None:
        """Keep the TLS session for the next connection."""
        if self._ssl is not None and self._tls is not None:
            self._tls.remember(self._ssl)

    def _late(self) -> None:
        self._timer = None
        self._fail(TimeoutError(f"no connection to {self.address[0]} in time"))

    def _fail_later(self, error: OSError) -> None:
        """Not from inside `write`: its caller is in the middle of something."""
        self._worker.loop.call_soon(self._fail, error)
        self._worker.hot.interrupt()

    def _fail(self, error: OSError | None) -> None:
        user = self._user
        self.close()
        if user is not None:
            user.lost(error)

    def close(self) -> None:
        """Close without a word to the user; TLS says goodbye (RFC 8446 section 6.1)."""
        if self._socket.fileno() < 0:
            return
        if self._ssl is not None and self.is_open and not self._unsent:
            with contextlib.suppress(OSError, ValueError):
                self._ssl.unwrap()
            with contextlib.suppress(OSError):
                self._socket.send(self._outgoing.read())
        self.is_open = False
        self._user = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._worker.loop.remove_writer(self._fd)
        if self._hot:
            self._worker.hot.remove(self._fd)
        self._socket.close()
