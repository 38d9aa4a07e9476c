"""Nobody is multiplied: what goes out over UDP for what came in, over a matrix of questions and options."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from dnslib import DNSRecord

from tests.running import OUTSIDE, PUPIL, SCHOOL, STRANGER, Server, write_school
from tests.upstreams import Question, Upstream

NOERROR, NXDOMAIN, REFUSED = 0, 3, 5
MAX_UDP_BYTES = 1232
ERROR_BYTES = 11  # an error may be so much longer than its query
ANY_BYTES = 60
needs_dig = pytest.mark.skipif(shutil.which("dig") is None, reason="dig (Debian: bind9-dnsutils) is not installed")


def name(*labels: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"


def asked(at: bytes, qtype: int = 1, qclass: int = 1) -> bytes:
    return at + struct.pack("!HH", qtype, qclass)


ADULT = name("adult", "example")
QUESTIONS = {
    "blocked": (0x0100, asked(ADULT)),
    "blocked HTTPS": (0x0100, asked(ADULT, 65)),
    "ANY": (0x0100, asked(ADULT, 255)),
    "special": (0x0100, asked(name("x", "invalid"))),
    "reverse": (0x0100, asked(name("1", "0", "0", "10", "in-addr", "arpa"), 12)),
    "no upstream": (0x0100, asked(name("www", "gone", "example"))),
    "no recursion": (0x0000, asked(ADULT)),
    "class CH": (0x0100, asked(name("version", "bind"), 16, 3)),
    "AXFR": (0x0100, asked(ADULT, 252)),
    "TSIG": (0x0100, asked(ADULT, 250)),
    "notify": (0x2000, asked(ADULT, 6)),
    "update": (0x2800, asked(ADULT, 6)),
    "a pointer": (0x0100, b"\xc0\x0c\0\1\0\1"),
    "the longest name": (0x0100, asked(name(*["a" * 63] * 3, "a" * 61))),
}


def option(code: int, data: bytes) -> bytes:
    return struct.pack("!HH", code, len(data)) + data


CLIENT_COOKIE = b"\1\2\3\4\5\6\7\x08"
COOKIE = option(10, CLIENT_COOKIE)
EDNS: dict[str, bytes | None] = {
    "no OPT": None,
    "OPT": b"",
    "a cookie": COOKIE,
    "a wrong server cookie": option(10, CLIENT_COOKIE + bytes(16)),
    "the longest cookie": option(10, CLIENT_COOKIE + bytes(32)),
    "a cookie of 7 bytes": option(10, bytes(7)),
    "NSID and client subnet": option(3, b"") + option(8, b"\0\1\x18\0\xc0\0\2"),
}


def packet(flags: int, body: bytes, options: bytes | None, version: int = 0, size: int = 65535) -> bytes:
    head = struct.pack("!HHHHHH", 0x1234, flags, 1, 0, 0, options is not None) + body
    if options is None:
        return head
    return head + b"\0\0\x29" + struct.pack("!HBBHH", size, 0, version, 0, len(options)) + options


MATRIX = [
    pytest.param(packet(*QUESTIONS[question], EDNS[edns]), id=f"{question}, {edns}")
    for question, edns in product(QUESTIONS, EDNS)
] + [pytest.param(packet(0x0100, asked(ADULT), EDNS[edns], version=1), id=f"EDNS 1, {edns}") for edns in EDNS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One without an upstream, which refuses devices in no class."""
    school = SCHOOL.replace("unknown_client: {tier: tieu-hoc}", "unknown_client: refuse")
    config, state = write_school(tmp_path_factory.mktemp("amplification"), school=school)
    with Server(config, state) as found:
        for i in range(3):
            found.ask(f"n{i}.gone.example")
        found.wait_metric("filterd_dns_upstream_up", lambda n: n == 0)
        yield found


def code_of(reply: bytes) -> int:
    record = DNSRecord.parse(reply)
    return int(record.header.rcode) + sum((each.ttl >> 24) << 4 for each in record.ar if each.rtype == 41)


@pytest.mark.parametrize("source", [PUPIL, STRANGER], ids=["in a class", "in no class"])
@pytest.mark.parametrize("sent", MATRIX)
def test_an_error_is_hardly_longer_than_its_query(server: Server, sent: bytes, source: str) -> None:
    reply = server.exchange(sent, source)
    assert len(reply) <= MAX_UDP_BYTES
    if code_of(reply) not in (NOERROR, NXDOMAIN):
        assert len(reply) <= len(sent) + ERROR_BYTES
        assert reply[6:10] == bytes(4), "no answer, no authority"
    if sent[12:].startswith(asked(ADULT, 255)):
        assert len(reply) <= len(sent) + ANY_BYTES - len(packet(0x0100, b"", None)), "one small record, a cookie"


def test_who_shows_a_cookie_of_ours_gets_it_back_with_an_error(server: Server) -> None:
    def cookie(of: bytes) -> bytes:
        at = of.find(option(10, CLIENT_COOKIE + bytes(16))[:12])
        return of[at : at + 28] if at > 0 else b""

    made = cookie(server.exchange(packet(*QUESTIONS["blocked"], COOKIE)))
    assert len(made) == 28
    for question in ("no recursion", "class CH", "AXFR", "no upstream"):
        assert cookie(server.exchange(packet(*QUESTIONS[question], COOKIE))) == b"", "28 bytes for 12"
        reply = server.exchange(packet(*QUESTIONS[question], made))
        assert cookie(reply) == made
        assert len(reply) <= len(packet(*QUESTIONS[question], made)) + ERROR_BYTES


def test_over_tcp_an_error_says_why(server: Server) -> None:
    assert b"this device is in no class" in server.exchange(packet(*QUESTIONS["blocked"], b""), STRANGER, tcp=True)
    assert b"no upstream answers" in server.exchange(packet(*QUESTIONS["no upstream"], b""), tcp=True)


def test_from_outside_nothing_is_answered(server: Server) -> None:
    before = server.metrics()['filterd_dns_dropped_total{cause="outside"}']
    with server.udp(OUTSIDE, within_s=0.3) as sock:
        for each in MATRIX:
            (sent,) = each.values
            assert isinstance(sent, bytes)
            sock.send(sent)
        with pytest.raises(TimeoutError):
            sock.recv(4096)
    server.wait_metric('filterd_dns_dropped_total{cause="outside"}', lambda n: n == before + len(MATRIX))


def test_large_answers_are_cut_for_udp(tmp_path: Path) -> None:
    def large(question: Question) -> list[bytes]:
        text = b"\xff" + b"x" * 255
        records = [b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, len(text)) + text for _ in range(200)]
        head = question.packet[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
        body = question.packet[12:-11]
        whole = head + body + b"".join(records)
        cut = question.packet[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + body
        return [whole if question.transport == "tcp" else cut]

    config, state = write_school(tmp_path)
    with Upstream(large) as upstream, Server(config, state, upstreams=(upstream.url,)) as server:
        for options, qtype in product((None, b"", COOKIE), (16, 16)):
            sent = packet(0x0100, asked(name("large", "example", "org"), qtype), options)
            reply = server.exchange(sent)
            assert reply[2] & 2
            assert len(reply) <= len(sent) + 16, "a first cookie is 28 bytes for 12"
        assert len(server.exchange(sent, tcp=True)) > 50_000


@needs_dig
def test_dig_finds_the_cookies_good(server: Server) -> None:
    def dig(*options: str) -> str:
        command = ["dig", "-b", PUPIL, "@127.0.0.1", "-p", str(server.port), "+tries=1", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    first = re.search(r"COOKIE: ([0-9a-f]{48}) \(good\)", dig("+cookie=0102030405060708", "adult.example"))
    assert first is not None
    for options in (("adult.example",), ("adult.example", "+tcp"), ("+header-only",)):
        again = dig(f"+cookie={first[1]}", *options)
        assert f"COOKIE: {first[1]} (good)" in again
        assert "status: NOERROR" in again
