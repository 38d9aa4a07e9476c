"""Messages between the parent and one worker: JSON values, one a line, over a Unix stream socket pair.

Parent to worker: what to serve. Worker to parent: `ready` and, once a second, what it counted. Never on the path of a
query: a worker whose parent is gone or slow goes on answering.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

MAX_LINE_BYTES = 64 << 20


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def receive_one(sock: socket.socket) -> dict[str, Any] | None:
    """Wait for one message on a blocking socket; None if the other end is gone. What follows it stays in the socket."""
    line = bytearray()
    while not line.endswith(b"\n"):
        ahead = sock.recv(65536, socket.MSG_PEEK)
        if not ahead:
            return None
        line += sock.recv(ahead.find(b"\n") + 1 or len(ahead))
    message: dict[str, Any] = json.loads(line)
    return message


class Channel(asyncio.Protocol):
    """One end in an event loop. `on_message` gets each value, `on_close` runs once."""

    def __init__(self, on_message: Callable[[dict[str, Any]], None], on_close: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_close = on_close
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if b"\n" in data:
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                self._on_message(json.loads(line))
        elif len(self._buffer) > MAX_LINE_BYTES:
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._on_close()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; dropped if the other end is gone or does not read."""
        if self._transport is not None and self._transport.get_write_buffer_size() < MAX_LINE_BYTES:
            self._transport.write(encode(message))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
