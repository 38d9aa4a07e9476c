"""DNS over HTTPS without HTTP: what a request asks, and how long its reply may be kept."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import doh, replies, wire
from tests import schools

PATH = b"/dns-query"
QUERY = schools.query()
TEXT = base64.urlsafe_b64encode(QUERY).rstrip(b"=")
TYPE = b"application/dns-message"


@pytest.mark.parametrize(
    "request_",
    [
        (b"GET", PATH + b"?dns=" + TEXT, b"", b""),
        (b"GET", PATH + b"?dns=" + base64.urlsafe_b64encode(QUERY), b"", b""),
        (b"GET", PATH + b"?x=1&dns=" + TEXT + b"&y", b"", b""),
        (b"POST", PATH, TYPE, QUERY),
        (b"POST", PATH, b"Application/DNS-Message; charset=x", QUERY),
        (b"POST", PATH + b"?x", TYPE, QUERY),
    ],
    ids=["get", "get-with-padding", "other-parameters", "post", "type-with-parameter", "post-with-query"],
)
def test_a_question_is_read(request_: tuple[bytes, bytes, bytes, bytes]) -> None:
    method, target, content_type, body = request_
    assert doh.read_request(PATH, method, target, content_type, body) == QUERY


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ((b"GET", b"/", b"", b""), 404),
        ((b"GET", PATH + b"/?dns=" + TEXT, b"", b""), 404),
        ((b"GET", b"", b"", b""), 404),
        ((b"CONNECT", b"example.org:443", b"", b""), 404),
        ((b"HEAD", PATH, b"", b""), 405),
        ((b"PUT", PATH, TYPE, QUERY), 405),
        ((b"POST", PATH, b"", QUERY), 415),
        ((b"POST", PATH, b"application/json", QUERY), 415),
        ((b"POST", PATH, TYPE, b""), 400),
        ((b"POST", PATH, TYPE, QUERY[:11]), 400),
        ((b"POST", PATH, TYPE, QUERY[:2] + b"\x81" + QUERY[3:]), 400),
        ((b"POST", PATH, TYPE, QUERY + bytes(5000)), 413),
        ((b"GET", PATH, b"", b""), 400),
        ((b"GET", PATH + b"?dns=", b"", b""), 400),
        ((b"GET", PATH + b"?dns=" + TEXT + b"%3D", b"", b""), 400),
        ((b"GET", PATH + b"?dns=" + TEXT[:-1] + b"+", b"", b""), 400),
        ((b"GET", PATH + b"?dns=" + b"A" * 41, b"", b""), 400),
        ((b"GET", PATH + b"?DNS=" + TEXT, b"", b""), 400),
    ],
    ids=["elsewhere", "below", "no-path", "connect", "head", "put", "no-type", "json", "empty", "short", "response",
         "large", "no-parameter", "empty-parameter", "escaped", "plain-base64", "odd-length", "case"],
)  # fmt: skip
def test_what_is_no_question_has_its_status(request_: tuple[bytes, bytes, bytes, bytes], status: int) -> None:
    method, target, content_type, body = request_
    assert doh.read_request(PATH, method, target, content_type, body) == status


@given(st.binary(max_size=80), st.binary(max_size=30))
def test_any_target_and_type_are_read_without_error(tail: bytes, content_type: bytes) -> None:
    assert doh.read_request(PATH, b"GET", PATH + b"?dns=" + tail, content_type, b"") is not None
    assert doh.read_request(PATH, b"POST", tail, content_type, tail) is not None


def _reply(rcode: int, *sections: list[bytes]) -> bytes:
    return schools.reply(schools.question("www.example.org"), *sections, rcode=rcode)


@pytest.mark.parametrize(
    ("reply", "age_s"),
    [
        (_reply(0, [schools.address(300), schools.address(60)]), 60),
        (_reply(3, [], [schools.soa(600, 120)]), 120),
        (_reply(0, [], [schools.soa(60, 120)]), 60),
        (_reply(0), 0),
        (_reply(2), 0),
        (_reply(5, [schools.address(300)]), 0),
        (_reply(0, [schools.address(300)])[:-2], 0),
        (wire.header_only(1, wire.RD, wire.FORMERR), 0),
        (replies.error(wire.read_query(QUERY), wire.SERVFAIL), 0),
    ],
    ids=["least", "nxdomain", "nodata", "nothing", "servfail", "refused", "cut", "header", "error"],
)
def test_a_reply_may_be_kept_as_long_as_its_ttls_allow(reply: bytes, age_s: int) -> None:
    assert doh.max_age_s(reply) == age_s
