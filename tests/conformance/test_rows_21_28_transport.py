"""Rows 21 to 28: sizes, truncation and TCP. Pipelining, idle and trickling connections: tests/scenarios."""

from __future__ import annotations

import socket
import time
from statistics import quantiles

import dns.flags
import dns.rcode
import pytest

from tests.conformance.lab import Lab, addresses, fresh, pipelined, question, told
from tests.running import STAFF
from tests.upstreams import Question

MANY = tuple(f"{{name}} 60 IN A 192.0.2.{i}" for i in range(1, 201))
IDLE = 500


def texts(size: int) -> tuple[str, ...]:
    """TXT records of about so many bytes together, each of 250."""
    return tuple(f'{{name}} 60 IN TXT "{i:03d}{"x" * 235}"' for i in range(size // 250))


@pytest.mark.parametrize(("payload", "most"), [(None, 512), (512, 512), (1232, 1232), (4096, 1232), (65535, 1232)])
def test_row_21_what_does_not_fit_is_an_empty_reply_with_tc(lab: Lab, payload: int | None, most: int) -> None:
    lab.upstream.script = told(*MANY)
    edns = {"use_edns": False} if payload is None else {"payload": payload}
    name = fresh("big")
    reply = lab.ask(name, **edns)
    assert dns.flags.to_text(reply.flags) == "QR TC RD RA"
    assert not reply.answer
    assert not reply.authority
    assert len(reply.to_wire()) <= most
    assert len(lab.ask(name, tcp=True).answer[0]) == 200


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_row_21_tools_come_back_over_tcp_by_themselves(lab: Lab, tool: str) -> None:
    lab.upstream.script = told(*MANY)
    text = lab.dig(fresh("tool"), "+bufsize=4096", tool=tool)
    assert text.count("192.0.2.") == 200, text


def test_row_22_a_truncated_reply_is_asked_again_over_tcp_and_never_kept(lab: Lab) -> None:
    def cut(asked: Question) -> list[bytes]:
        if asked.transport == "tcp":
            return told("{name} 60 IN A 192.0.2.1", "{name} 60 IN A 192.0.2.2")(asked)
        return told("{name} 60 IN A 192.0.2.66", flags="QR TC RD RA")(asked)

    lab.upstream.script = cut
    name = fresh("cut")
    for _ in range(2):
        assert sorted(addresses(lab.ask(name, payload=1232))) == ["192.0.2.1", "192.0.2.2"]
    assert [asked.transport for asked in lab.upstream.asked(name)] == ["udp", "tcp"]


@pytest.mark.parametrize("size", [20_000, 61_000])
def test_row_23_large_answers_pass_over_tcp_whole(lab: Lab, size: int) -> None:
    lines = texts(size)
    lab.upstream.script = told(*lines)
    name = fresh("large")
    (rrset,) = lab.ask(name, "TXT", tcp=True).answer
    assert len(rrset) == len(lines)
    assert lab.dig(name, "TXT", "+tcp").count('xxxx"') == len(lines)


def test_row_24_a_hundred_questions_at_once_on_one_connection(lab: Lab) -> None:
    names = [fresh("pipe") for _ in range(100)]
    queries = [question(name) for name in names]
    with lab.server.connect() as sock:
        replies = pipelined(sock, [query.to_wire() for query in queries], 100)
    assert {reply[:2] for reply in replies} == {query.to_wire()[:2] for query in queries}
    assert {reply[3] & 15 for reply in replies} == {dns.rcode.NOERROR}


def test_row_27_five_hundred_idle_connections_of_one_client_cost_others_nothing(lab: Lab) -> None:
    held = [lab.server.connect("127.0.31.50") for _ in range(IDLE)]
    try:
        waits = []
        for _ in range(300):
            started = time.monotonic()
            assert addresses(lab.ask("adult.example", source="127.0.31.51")) == ["0.0.0.0"]
            waits.append(time.monotonic() - started)
        assert quantiles(waits, n=100)[98] < 0.05
        assert addresses(lab.ask("adult.example", source="127.0.31.50")) == ["0.0.0.0"], "nor its own UDP"
        assert addresses(lab.ask("adult.example", source=STAFF, tcp=True)) == ["0.0.0.0"]
        lab.server.wait_metric("filterd_dns_tcp_connections", lambda n: 0 < n <= 20)
    finally:
        for sock in held:
            sock.close()


@pytest.mark.parametrize("data", [b"\0\0", b"\0\x0b" + bytes(11), b"\0\x20abc"], ids=["length 0", "11 bytes", "half"])
def test_row_28_what_cannot_be_a_message_ends_the_connection_silently(lab: Lab, data: bytes) -> None:
    before = len(lab.server.lines)
    with lab.server.connect(within_s=10) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    assert len(lab.server.lines) == before
