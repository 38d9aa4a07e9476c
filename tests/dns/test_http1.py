"""HTTP/1.1 without sockets: requests from bytes, and what is not one."""

from __future__ import annotations

import pytest

from filterd.dns.http1 import Http1
from filterd.dns.https import MAX_FRUITLESS_BYTES, BadPeerError, Request

GET = b"GET /dns-query?dns=x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (GET, Request(0, b"GET", b"/dns-query?dns=x", b"", b"")),
        (POST, Request(0, b"POST", b"/dns-query", b"a/b", b"body")),
        (CHUNKED, Request(0, b"POST", b"/", b"", b"body")),
    ],
    ids=["get", "post", "chunked"],
)
def test_a_request_is_whole_when_its_last_byte_has_come(data: bytes, request_: Request) -> None:
    codec = Http1()
    assert not codec.halfway
    for at in range(len(data) - 1):
        assert codec.receive(data[at : at + 1]) == []
        assert codec.halfway
    assert codec.receive(data[-1:]) == [request_]
    assert not codec.halfway


def test_the_next_request_waits_for_the_answer_to_the_first() -> None:
    codec = Http1()
    assert len(codec.receive(GET + POST)) == 1
    assert codec.receive(b"") == []
    codec.respond(0, 200, [(b"content-length", b"2")], b"ok")
    assert codec.take() == b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok"
    assert codec.receive(b"")[0].body == b"body"
    assert not codec.over


@pytest.mark.parametrize("head", [b"Connection: close", b"Connection: Close"])
def test_a_client_that_will_close_is_heard(head: bytes) -> None:
    codec = Http1()
    codec.receive(b"GET / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
    codec.respond(0, 404, [(b"content-length", b"0")], b"")
    assert codec.over


def test_http_1_0_has_one_request() -> None:
    codec = Http1()
    codec.receive(b"GET / HTTP/1.0\r\n\r\n")
    codec.respond(0, 404, [(b"content-length", b"0")], b"")
    assert codec.over


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (17 << 10), b"431"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n" + b"a" * 9999, b"413"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
    ],
    ids=["no-http", "no-host", "long-header", "two-lengths", "large-body", "gzip"],
)
def test_what_is_wrong_is_said_without_a_word_of_it(data: bytes, status: bytes) -> None:
    codec = Http1()
    with pytest.raises(BadPeerError):
        codec.receive(data)
    answer = codec.take()
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"\r\n") == 4
    assert b"aaa" not in answer


def test_an_endless_stream_of_small_headers_ends() -> None:
    codec = Http1()
    codec.receive(GET)
    with pytest.raises(BadPeerError):
        for _ in range(MAX_FRUITLESS_BYTES // len(GET) + 1):
            codec.receive(GET)
