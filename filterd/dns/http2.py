"""HTTP/2 for `dns.https`, by h2: many requests at once, each a stream of its own (RFC 9113).

Bounded: streams open at once, the size of headers and bodies, replies the client makes no room for, and everything that
costs us and asks nothing (resets, CVE-2023-44487; continuations, pings, settings, window updates, empty data).
"""

from __future__ import annotations

from typing import Final

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from filterd.core import doh
from filterd.dns.https import MAX_FRUITLESS_BYTES, MAX_HEADER_BYTES, BadPeerError, Headers, Request

MAX_STREAMS: Final = 100
MAX_RESETS: Final = 100  # requests that a client takes back
FREE_FRAMES: Final = 200  # frames that ask nothing
FREE_FRAMES_EACH: Final = 10  # and so many more for each request


class _Begun:
    """A request that is not whole yet."""

    __slots__ = ("body", "content_type", "method", "target")

    def __init__(self, headers: Headers) -> None:
        fields = dict(reversed(headers))  # the first of a name counts
        self.method = fields.get(b":method", b"")
        self.target = fields.get(b":path", b"")
        self.content_type = fields.get(b"content-type", b"")
        self.body = bytearray()


class Http2:
    """One connection."""

    def __init__(self) -> None:
        self._connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        limits = {
            SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
        }
        self._connection.local_settings = Settings(client=False, initial_values=limits)
        self._connection.decoder.max_header_list_size = MAX_HEADER_BYTES  # at once, not when the client has agreed
        self._connection.initiate_connection()
        self._begun: dict[int, _Begun] = {}
        self._unsent: dict[int, bytes] = {}  # replies, or their ends, that the client has made no room for
        self._requests = self._frames = self._resets = 0
        self._fruitless = 0  # bytes since a request was whole
        self._answered = 0  # the last stream that was
        self._partial = False
        self.unsent = 0
        self.over = False

    @property
    def halfway(self) -> bool:
        return bool(self._begun) or self._partial

    def receive(self, data: bytes) -> list[Request]:
        if not data:
            return []
        self._fruitless += len(data)
        try:
            found = self._connection.receive_data(data)
        except ProtocolError as error:  # h2 has put a GOAWAY into what is to be sent
            raise BadPeerError(str(error)) from None
        self._partial = not found
        requests = []
        for event in found:
            if not isinstance(event, events.StreamEnded):
                self._look(event)
            elif event.stream_id in self._begun:
                begun = self._begun.pop(event.stream_id)
                self._requests += 1
                self._fruitless = 0
                body = bytes(begun.body)
                requests.append(Request(event.stream_id, begun.method, begun.target, begun.content_type, body))
        self._check_abuse()
        return requests

    def _look(self, event: events.Event) -> None:
        """Everything but the end of a request."""
        if isinstance(event, events.RequestReceived):
            self._begun[event.stream_id] = _Begun([(bytes(name), bytes(value)) for name, value in event.headers])
        elif isinstance(event, events.DataReceived):
            self._data(event.stream_id, event.data, event.flow_controlled_length)
        elif isinstance(event, events.StreamReset):
            self._resets += 1
            self._begun.pop(event.stream_id, None)
            self.unsent -= len(self._unsent.pop(event.stream_id, b""))
        elif isinstance(event, events.ConnectionTerminated):
            self.over = True
        else:
            self._frames += 1
            if isinstance(event, (events.WindowUpdated, events.RemoteSettingsChanged)):
                self._send_unsent()

    def _data(self, number: int, data: bytes, size: int) -> None:
        begun = self._begun.get(number)
        if not data:
            self._frames += 1
        if size:
            self._connection.acknowledge_received_data(size, number)
        if begun is None:
            return
        begun.body += data
        if len(begun.body) > doh.MAX_QUERY_BYTES:
            del self._begun[number]
            self._fruitless = 0
            self.respond(number, doh.CONTENT_TOO_LARGE, [(b"content-length", b"0")], b"")

    def _check_abuse(self) -> None:
        free = FREE_FRAMES + FREE_FRAMES_EACH * self._requests
        if self._resets > MAX_RESETS or self._frames > free or self._fruitless > MAX_FRUITLESS_BYTES:
            self._connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, last_stream_id=self._answered)
            raise BadPeerError("much work for no question")

    def respond(self, number: int, status: int, headers: Headers, body: bytes) -> None:
        try:
            self._connection.send_headers(number, [(b":status", b"%d" % status), *headers], end_stream=not body)
            rest = self._send(number, body)
        except ProtocolError:  # taken back meanwhile
            return
        self._answered = max(self._answered, number)
        if rest:
            self._unsent[number] = rest
            self.unsent += len(rest)

    def _send(self, number: int, body: bytes) -> bytes:
        """Send what the client has room for; gives the rest."""
        connection = self._connection
        while body:
            size = min(connection.local_flow_control_window(number), connection.max_outbound_frame_size)
            if size <= 0:
                break
            connection.send_data(number, body[:size], end_stream=size >= len(body))
            body = body[size:]
        return body

    def _send_unsent(self) -> None:
        for number, body in list(self._unsent.items()):
            try:
                rest = self._send(number, body)
            except ProtocolError:
                rest = b""
            self.unsent -= len(body) - len(rest)
            if rest:
                self._unsent[number] = rest
            else:
                del self._unsent[number]

    def goodbye(self) -> None:
        self._connection.close_connection(last_stream_id=self._answered)

    def take(self) -> bytes:
        return bytes(self._connection.data_to_send() or b"")
