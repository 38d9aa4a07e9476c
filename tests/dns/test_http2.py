"""HTTP/2 without sockets: requests, answers larger than the client's window, and what costs and asks nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from h2 import events
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import ContinuationFrame, HeadersFrame

from filterd.dns import http2
from filterd.dns.http2 import Http2
from filterd.dns.https import MAX_FRUITLESS_BYTES, BadPeerError, Request

HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":authority", b"a"),
    (b":path", b"/q"),
    (b"content-type", b"t/u"),
]


class Pair:
    """A client and the codec."""

    def __init__(self, window: int | None = None) -> None:
        self.client, self.codec = H2Connection(), Http2()
        self.requests: list[Request] = []
        self.heard: list[events.Event] = []
        self.client.initiate_connection()
        if window is not None:
            self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
            self.turn()

    def turn(self) -> None:
        """What each has to say to the other, until neither has."""
        while data := self.client.data_to_send():
            self.requests += self.codec.receive(data)
            self.heard += self.client.receive_data(self.codec.take())

    def ask(self, body: bytes = b"question", end: bool = True) -> int:
        number = self.client.get_next_available_stream_id()
        self.client.send_headers(number, HEAD, end_stream=end and not body)
        if body:
            self.client.send_data(number, body, end_stream=end)
        self.turn()
        return number

    def body(self) -> bytes:
        return b"".join(event.data for event in self.heard if isinstance(event, events.DataReceived))


def test_many_requests_at_once_are_answered_in_any_order() -> None:
    pair = Pair()
    numbers = [pair.ask(b"q%d" % i) for i in range(5)]
    assert pair.requests == [Request(n, b"POST", b"/q", b"t/u", b"q%d" % i) for i, n in enumerate(numbers)]
    for number in reversed(numbers):
        pair.codec.respond(number, 200, [(b"content-length", b"2")], b"ok")
    pair.heard += pair.client.receive_data(pair.codec.take())
    ended = [event.stream_id for event in pair.heard if isinstance(event, events.StreamEnded)]
    assert ended == numbers[::-1]
    assert not pair.codec.halfway


def test_a_request_that_is_not_whole_is_halfway() -> None:
    pair = Pair()
    number = pair.ask(end=False)
    assert pair.codec.halfway
    pair.client.end_stream(number)
    pair.turn()
    assert not pair.codec.halfway
    frame = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)  # a ping
    pair.codec.receive(frame[:5])
    assert pair.codec.halfway


def test_an_answer_waits_for_the_clients_window() -> None:
    pair = Pair(window=10)
    first, second = pair.ask(), pair.ask()
    pair.codec.respond(first, 200, [], b"a" * 25)
    pair.codec.respond(second, 200, [], b"b" * 5)
    pair.heard += pair.client.receive_data(pair.codec.take())
    assert sorted(pair.body()) == sorted(b"a" * 10 + b"b" * 5)
    assert pair.codec.unsent == 15
    pair.client.increment_flow_control_window(10, first)
    pair.turn()
    assert pair.codec.unsent == 5
    pair.client.increment_flow_control_window(100, first)
    pair.turn()
    assert pair.codec.unsent == 0
    assert pair.body().count(b"a") == 25
    assert any(isinstance(event, events.StreamEnded) and event.stream_id == first for event in pair.heard)


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    pair = Pair(window=0)
    number = pair.ask()
    pair.codec.respond(number, 200, [], b"a" * 25)
    pair.client.reset_stream(number)
    pair.turn()
    assert pair.codec.unsent == 0
    other = pair.ask()
    pair.client.reset_stream(other)
    pair.turn()
    pair.codec.respond(other, 200, [], b"late")
    assert pair.codec.unsent == 0


def test_a_large_body_has_its_status_and_the_others_live() -> None:
    pair = Pair()
    pair.ask(b"a" * 5000)
    pair.ask()
    assert [request.body for request in pair.requests] == [b"question"]
    (answer,) = [event for event in pair.heard if isinstance(event, events.ResponseReceived)]
    assert dict(answer.headers)[b":status"] == b"413"


def resets(pair: Pair) -> None:
    for _ in range(http2.MAX_RESETS + 1):
        pair.client.reset_stream(pair.ask())
        pair.turn()


def pings(pair: Pair) -> None:
    for _ in range(http2.FREE_FRAMES + 1):
        pair.client.ping(b"12345678")
        pair.turn()


def settings(pair: Pair) -> None:
    for i in range(http2.FREE_FRAMES + 1):
        pair.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000 + i})
        pair.turn()


def windows(pair: Pair) -> None:
    for _ in range(http2.FREE_FRAMES + 1):
        pair.client.increment_flow_control_window(1)
        pair.turn()


def empty_data(pair: Pair) -> None:
    number = pair.ask(end=False)
    for _ in range(http2.FREE_FRAMES + 1):
        pair.client.send_data(number, b"")
        pair.turn()


def long_header(pair: Pair) -> None:
    pair.client.send_headers(1, [*HEAD, *[(b"x%d" % i, b"v" * 900) for i in range(20)]])
    pair.turn()


def continuations(pair: Pair) -> None:
    pair.turn()
    head = HeadersFrame(1, data=b"\x82")
    pair.codec.receive(head.serialize())
    for _ in range(MAX_FRUITLESS_BYTES // 4000 + 1):
        pair.codec.receive(ContinuationFrame(1, data=b"\0\1x" + bytes(4000)).serialize())


def too_many_streams(pair: Pair) -> None:
    pair.turn()
    pair.client.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
    pair.client.remote_settings.acknowledge()
    for _ in range(http2.MAX_STREAMS + 1):
        pair.ask(end=False)


@pytest.mark.parametrize(
    "abuse",
    [resets, pings, settings, windows, empty_data, long_header, continuations, too_many_streams],
)
def test_what_costs_and_asks_nothing_ends_the_connection(abuse: Callable[[Pair], None]) -> None:
    pair = Pair()
    with pytest.raises(BadPeerError):
        abuse(pair)
    goodbye = pair.codec.take()
    assert goodbye[-17:][3:4] == b"\x07" or b"\0\0\x08\x07" in goodbye, "GOAWAY"


def test_what_is_not_http2_is_no_request() -> None:
    with pytest.raises(BadPeerError):
        Http2().receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def test_resets_are_answered_with_the_right_word() -> None:
    pair = Pair()
    with pytest.raises(BadPeerError):
        resets(pair)
    (end,) = [e for e in pair.client.receive_data(pair.codec.take()) if isinstance(e, events.ConnectionTerminated)]
    assert end.error_code == ErrorCodes.ENHANCE_YOUR_CALM


def test_a_client_that_asks_may_ping_too() -> None:
    pair = Pair()
    for _ in range(500):
        number = pair.ask()
        pair.client.ping(b"12345678")
        pair.codec.respond(number, 200, [], b"ok")
        pair.turn()
    assert len(pair.requests) == 500


def test_goodbye_names_the_last_request_that_was_answered() -> None:
    pair = Pair()
    first, _ = pair.ask(), pair.ask()
    pair.codec.respond(first, 200, [], b"ok")
    pair.codec.goodbye()
    (end,) = [e for e in pair.client.receive_data(pair.codec.take()) if isinstance(e, events.ConnectionTerminated)]
    assert (end.error_code, end.last_stream_id) == (ErrorCodes.NO_ERROR, first)


def test_a_client_that_goes_away_is_heard() -> None:
    pair = Pair()
    pair.turn()
    pair.client.close_connection()
    pair.turn()
    assert pair.codec.over
