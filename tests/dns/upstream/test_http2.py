"""HTTP/2 as a DNS client needs it, held against the h2 library and against servers that keep to nothing."""

from __future__ import annotations

import hpack
import pytest
from h2 import config, connection, events
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import wire
from filterd.dns.upstream import http2 as module
from filterd.dns.upstream.framing import AGAIN, StreamError
from filterd.dns.upstream.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Http2,
    frame,
    setting,
)  # fmt: skip

PACKET = bytes(11) + b"\1" + b"\7example\3com\0\0\1\0\1" + wire.opt(False)
ANSWER = b"\0\0\x81\x80\0\1\0\1\0\0\0\0" + b"\7example\3com\0\0\1\0\1"
HELLO = frame(SETTINGS, 0, 0)
FIRST, SECOND = b"\0\0\0\1", b"\0\0\0\3"


def head(status: str = "200", kind: str = "application/dns-message") -> bytes:
    """A header block that refers to no table, so that it may be used twice."""
    return b"".join(
        b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
        for name, value in ((b":status", status.encode()), (b"content-type", kind.encode()))
    )


def asked(questions: int = 1) -> Http2:
    """A connection that the server has greeted and some questions were sent over."""
    client = Http2("dns.example", "/dns-query")
    assert client.feed(HELLO) == []
    for _ in range(questions):
        client.put(b"id", PACKET)
    client.control()
    return client


def server() -> connection.H2Connection:
    made = connection.H2Connection(config.H2Configuration(client_side=False, header_encoding="ascii"))
    made.initiate_connection()
    return made


def test_the_library_reads_what_is_sent_and_its_answers_are_read() -> None:
    client, state = Http2("dns.example", "/dns-query"), server()
    got = [*state.receive_data(client.opening())]
    for turn in range(200):
        key, data = client.put(b"id", PACKET)
        got = [*state.receive_data(data)]
        (request,) = (event for event in got if isinstance(event, events.RequestReceived))
        assert dict(request.headers)[":path"] == "/dns-query"
        (body,) = (event.data for event in got if isinstance(event, events.DataReceived))
        assert body[:2] == b"\0\0"
        assert len(body) == 128
        assert any(isinstance(event, events.StreamEnded) for event in got)
        state.acknowledge_received_data(len(body), request.stream_id)
        headers = [(":status", "200"), ("content-type", "application/dns-message"), ("x-turn", str(turn // 3))]
        state.send_headers(request.stream_id, headers)
        state.send_data(request.stream_id, ANSWER, end_stream=True)
        assert client.feed(state.data_to_send()) == [(key, ANSWER)]
        state.receive_data(client.control())


def test_large_answers_are_given_room_again() -> None:
    client, state = Http2("dns.example", "/dns-query"), server()
    state.receive_data(client.opening())
    large = ANSWER + bytes(65535 - len(ANSWER))
    for _ in range(60):
        key, data = client.put(b"id", PACKET)
        state.receive_data(data)
        stream = int.from_bytes(key, "big")
        state.send_headers(stream, [(":status", "200"), ("content-type", "application/dns-message")])
        for at in range(0, len(large), 16384):
            state.send_data(stream, large[at : at + 16384], end_stream=at + 16384 >= len(large))
        found = client.feed(state.data_to_send())
        assert found == [(key, large)]
        state.receive_data(client.control())
    assert client._held == 0


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def continued() -> bytes:
    block = head()
    return (
        frame(HEADERS, 0, 1, block[:3]) + frame(CONTINUATION, 0, 1, block[3:9])
        + frame(CONTINUATION, END_HEADERS, 1, block[9:]) + frame(DATA, END_STREAM, 1, ANSWER)
    )  # fmt: skip


RIGHT = {
    "plain": frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, END_STREAM, 1, ANSWER),
    "body in pieces": frame(HEADERS, END_HEADERS, 1, head())
    + b"".join(frame(DATA, 0, 1, piece) for piece in cut(ANSWER, 5)) + frame(DATA, END_STREAM, 1),
    "padded": frame(HEADERS, END_HEADERS | PADDED, 1, b"\2" + head() + bytes(2))
    + frame(DATA, END_STREAM | PADDED, 1, b"\7" + ANSWER + bytes(7)),
    "with a priority": frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, bytes(5) + head())
    + frame(DATA, END_STREAM, 1, ANSWER),
    "headers continued": continued(),
    "early hints": frame(HEADERS, END_HEADERS, 1, head("103")) + frame(HEADERS, END_HEADERS, 1, head())
    + frame(DATA, END_STREAM, 1, ANSWER),
    "trailers": frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1, ANSWER)
    + frame(HEADERS, END_HEADERS | END_STREAM, 1, head()),
    "frames nobody knows": frame(0xAA, 255, 1, b"?") + frame(PRIORITY, 0, 1, bytes(5))
    + frame(HEADERS, END_HEADERS, 1, head()) + frame(0xBB, 0, 0) + frame(DATA, END_STREAM, 1, ANSWER),
    "a reserved bit": frame(HEADERS, END_HEADERS, 0x80000001, head()) + frame(DATA, END_STREAM, 0x80000001, ANSWER),
    "a reset after the end": frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, END_STREAM, 1, ANSWER)
    + frame(RST_STREAM, 0, 1, bytes(4)),
}  # fmt: skip


@pytest.mark.parametrize("data", RIGHT.values(), ids=RIGHT)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_an_answer_may_come_in_many_ways(data: bytes, size: int) -> None:
    client = asked()
    assert [found for part in cut(data, size) for found in client.feed(part)] == [(FIRST, ANSWER)]
    assert client._held == 0


FAILED = {
    "status 500": (frame(HEADERS, END_HEADERS, 1, head("500")) + frame(DATA, END_STREAM, 1, ANSWER), None),
    "status 204": (frame(HEADERS, END_HEADERS | END_STREAM, 1, head("204")), None),
    "a web page": (frame(HEADERS, END_HEADERS, 1, head(kind="text/html")) + frame(DATA, END_STREAM, 1, ANSWER), None),
    "no body": (frame(HEADERS, END_HEADERS | END_STREAM, 1, head()), None),
    "a body too short": (frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, END_STREAM, 1, b"x"), None),
    "no status": (frame(HEADERS, END_HEADERS, 1, b"") + frame(DATA, END_STREAM, 1, ANSWER), None),
    "a reset": (frame(RST_STREAM, 0, 1, (7).to_bytes(4, "big")), AGAIN),
    "GOAWAY": (frame(GOAWAY, 0, 0, bytes(8)), AGAIN),
}


@pytest.mark.parametrize(("data", "outcome"), FAILED.values(), ids=FAILED)
def test_what_is_no_answer_ends_the_question(data: bytes, outcome: bytes | None) -> None:
    assert asked().feed(data) == [(FIRST, outcome)]


def test_after_goaway_what_was_taken_is_still_answered_and_nothing_new_goes_out() -> None:
    client = asked(2)
    assert client.feed(frame(GOAWAY, 0, 0, FIRST + bytes(4))) == [(SECOND, AGAIN)]
    assert client.closing()
    assert client.room() == 0
    assert client.feed(RIGHT["plain"]) == [(FIRST, ANSWER)]


BIG = bytes(module.MAX_FRAME)
WRONG = {
    "a frame too large": b"\xff\xff\xff" + bytes(6),
    "a push": frame(PUSH_PROMISE, END_HEADERS, 1, FIRST + head()),
    "a stream never opened": frame(HEADERS, END_HEADERS, 3, head()),
    "a stream of its own": frame(HEADERS, END_HEADERS, 2, head()),
    "stream 0": frame(DATA, 0, 0, ANSWER),
    "a body without headers": frame(DATA, END_STREAM, 1, ANSWER),
    "more padding than frame": frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, PADDED, 1, b"\5abc"),
    "no padding length": frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, PADDED, 1),
    "headers cut by another frame": frame(HEADERS, 0, 1, head()) + frame(PING, 0, 0, bytes(8)),
    "continued for another stream": frame(HEADERS, 0, 1, head()) + frame(CONTINUATION, END_HEADERS, 3, head()),
    "continued from nothing": frame(CONTINUATION, END_HEADERS, 1, head()),
    "headers without end": frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, BIG[:8000]) * 2,
    "headers too large": frame(HEADERS, END_HEADERS, 1, BIG),
    "continuations without end": frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 1001,
    "headers twice": frame(HEADERS, END_HEADERS, 1, head()) * 2,
    "a short PING": frame(PING, 0, 0, b"x"),
    "a short RST_STREAM": frame(RST_STREAM, 0, 1, b"x"),
    "a short GOAWAY": frame(GOAWAY, 0, 0, b"x"),
    "a short WINDOW_UPDATE": frame(WINDOW_UPDATE, 0, 0, b"x"),
    "a window update of nothing": frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "a window out of bounds": frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "half a setting": frame(SETTINGS, 0, 0, b"abc"),
    "no window at all": frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 0)),
    "pings without end": frame(PING, 0, 0, bytes(8)) * 1001,
    "settings without end": HELLO * 1001,
    "empty bodies without end": frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1) * 1001,
    "early hints without end": frame(HEADERS, END_HEADERS, 1, head("103")) * 1001,
    "a body too long": frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1, BIG) * 5,
}  # fmt: skip


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("size", [1000, 10_000_000])
def test_a_server_that_breaks_the_rules_is_left(data: bytes, size: int) -> None:
    client = asked()
    with pytest.raises(StreamError):
        for part in cut(data, size):
            client.feed(part)
            assert len(client._buffer) <= module.MAX_FRAME + module.FRAME_BYTES


def test_more_than_the_window_at_once_is_refused() -> None:
    client = asked()
    client.feed(frame(RST_STREAM, 0, 1, bytes(4)))
    with pytest.raises(StreamError, match="window"):
        client.feed(frame(DATA, 0, 1, BIG) * 65)


def test_unfinished_bodies_are_bounded_in_all() -> None:
    client = asked(100)
    with pytest.raises(StreamError, match="too long"):
        for stream in range(1, 200, 2):
            client.feed(frame(HEADERS, END_HEADERS, stream, head()) + frame(DATA, 0, stream, BIG) * 3)
            assert client._held <= module.MAX_HELD


def test_a_server_must_begin_with_settings() -> None:
    client = Http2("dns.example", "/dns-query")
    with pytest.raises(StreamError, match="SETTINGS"):
        client.feed(frame(PING, 0, 0, bytes(8)))


def test_pings_and_settings_are_acknowledged() -> None:
    client = asked()
    client.feed(frame(PING, 0, 0, b"12345678") + HELLO)
    assert client.control() == frame(PING, 1, 0, b"12345678") + frame(SETTINGS, 1, 0)
    assert client.control() == b""


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_no_more_streams_are_opened_than_the_server_allows(limit: int) -> None:
    client = Http2("dns.example", "/dns-query")
    assert client.room() == module.STREAMS
    client.feed(frame(SETTINGS, 0, 0, setting(MAX_CONCURRENT_STREAMS, limit)))
    for _ in range(limit):
        assert client.room() > 0
        client.put(b"id", PACKET)
    assert client.room() <= 0


def test_no_more_is_sent_than_the_servers_window_allows() -> None:
    client = Http2("dns.example", "/dns-query")
    client.feed(frame(SETTINGS, 0, 0, setting(MAX_CONCURRENT_STREAMS, 1 << 20)))
    sent = 0
    while client.room() > 0:
        client.put(b"id", PACKET)
        sent += 128
    assert sent <= module.FIRST_WINDOW
    client.feed(frame(WINDOW_UPDATE, 0, 0, (1000).to_bytes(4, "big")))
    assert client.room() > 0


def test_what_nobody_waits_for_any_more_is_cancelled_in_time_and_its_answer_ignored() -> None:
    client = asked(2)
    client.expect({SECOND})
    assert client.control() == b""
    client.expect({SECOND})
    assert client.control() == frame(RST_STREAM, 0, 1, (8).to_bytes(4, "big"))
    assert client.feed(RIGHT["plain"]) == []
    assert client.room() == module.STREAMS - 1


def test_the_header_table_is_kept_also_by_answers_nobody_wants() -> None:
    encoder = hpack.Encoder()
    headers = [(b":status", b"200"), (b"content-type", b"application/dns-message")]
    client = asked(2)
    client.expect({SECOND})
    client.expect({SECOND})
    for stream in (1, 3):
        data = frame(HEADERS, END_HEADERS, stream, encoder.encode(headers)) + frame(DATA, END_STREAM, stream, ANSWER)
        found = client.feed(data)
    assert found == [(SECOND, ANSWER)]


def test_a_connection_ends_before_its_stream_numbers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STREAM", 3)
    client = asked(2)
    assert client.closing()
    assert client.room() == 0


FRAMES = st.builds(
    frame, st.integers(0, 12), st.integers(0, 255), st.sampled_from([0, 1, 2, 3, 5, 1 << 31]), st.binary(max_size=60)
)


@settings(max_examples=300)
@given(st.lists(st.one_of(FRAMES, st.sampled_from([*RIGHT.values()]), st.binary(max_size=40)), max_size=20))
def test_no_bytes_of_a_server_raise_anything_else(parts: list[bytes]) -> None:
    client = asked(3)
    answered = []
    try:
        for part in parts:
            answered += client.feed(part)
            client.control()
    except StreamError:
        pass
    keys = [key for key, _ in answered]
    assert len(set(keys)) == len(keys), "one answer for each question"
    assert client._held >= 0
