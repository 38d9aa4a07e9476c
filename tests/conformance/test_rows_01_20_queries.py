"""Rows 1 to 20: what a client's packet is answered with. The RCODE of each alone: tests/scenarios/test_hostile_clients.

Here is what stands beside the RCODE: that nothing goes upstream, what the header and the OPT look like, which bytes
travel on.
"""

from __future__ import annotations

import struct

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.conformance.lab import Lab, addresses, fresh, question, told
from tests.running import framed, receive, until
from tests.upstreams import ADDRESS

both = pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
QUESTION = b"\3odd\7example\3org\0\0\1\0\1"


def packet(flags: int = 0x0100, counts: tuple[int, ...] = (1, 0, 0, 0), body: bytes = QUESTION) -> bytes:
    return b"\xab\xcd" + struct.pack("!5H", flags, *counts) + body


def test_row_1_short_packets_leave_no_line_in_the_log(lab: Lab) -> None:
    lab.server.wait_log("filterd: policy ")  # the last line of a start
    before = len(lab.server.lines)
    with lab.server.udp() as sock:
        for size in range(12):
            sock.send(bytes(size))
        sock.send(packet(body=b"\5adult\7example\0\0\1\0\1"))
        assert sock.recv(4096)[:2] == b"\xab\xcd"
    assert len(lab.server.lines) == before


@both
def test_row_2_a_response_is_never_forwarded(lab: Lab, tcp: bool) -> None:
    name = fresh("response")
    data = bytearray(question(name).to_wire())
    data[2] |= 0x80
    if tcp:
        with lab.server.connect() as sock:
            sock.sendall(framed(bytes(data)) + framed(question("adult.example").to_wire()))
            receive(sock)
    else:
        with lab.server.udp() as sock:
            sock.send(bytes(data))
            sock.send(question("adult.example").to_wire())
            sock.recv(4096)
    assert lab.packets_up(name) == []


@both
def test_row_3_no_question_is_a_formerr_of_twelve_bytes(lab: Lab, tcp: bool) -> None:
    raw = lab.server.exchange(packet(counts=(0, 0, 0, 0), body=b""), tcp=tcp)
    assert len(raw) == 12
    assert raw[4:] == bytes(8)
    assert raw[3] & 15 == dns.rcode.FORMERR


@both
@pytest.mark.parametrize(
    ("counts", "body"),
    [
        pytest.param((2, 0, 0, 0), QUESTION * 2, id="two questions"),
        pytest.param((1, 65535, 0, 0), QUESTION, id="65535 answers"),
        pytest.param((1, 1, 0, 0), QUESTION + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2\3\4", id="one answer"),
    ],
)
def test_row_4_counts_that_cannot_be_are_not_echoed(lab: Lab, counts: tuple[int, ...], body: bytes, tcp: bool) -> None:
    raw = lab.server.exchange(packet(counts=counts, body=body), tcp=tcp)
    assert raw[3] & 15 == dns.rcode.FORMERR
    assert raw[6:12] == bytes(6)
    assert not lab.packets_up("odd.example.org")


@both
@pytest.mark.parametrize("opcode", [1, 3, 4, 5, 6, 15])
def test_rows_5_and_6_another_opcode_is_notimp_with_no_other_flag(lab: Lab, opcode: int, tcp: bool) -> None:
    raw = lab.server.exchange(packet(flags=opcode << 11 | 0x0130 | 0x0040), tcp=tcp)
    assert raw[2:4] == bytes((0x80 | opcode << 3, dns.rcode.NOTIMP)), "QR and the opcode; RD, RA, Z, AD, CD clear"
    assert not lab.packets_up("odd.example.org")


def test_row_6_notify_of_a_tool_is_answered_notimp(lab: Lab) -> None:
    text = lab.dig("+opcode=NOTIFY", "example.org", "SOA")
    assert "status: NOTIMP" in text or "status: REFUSED" in text, text


@both
def test_row_7_edns_version_1_is_badvers_even_for_what_the_cache_knows(lab: Lab, tcp: bool) -> None:
    name = fresh("known")
    assert addresses(lab.ask(name)) == [ADDRESS]
    reply = lab.ask(name, use_edns=1, tcp=tcp)
    assert reply.rcode() == dns.rcode.BADVERS
    assert reply.edns == 0
    assert not reply.answer


@both
def test_row_8_unknown_options_and_flags_are_neither_echoed_nor_forwarded(lab: Lab, tcp: bool) -> None:
    name = fresh("option")
    reply = lab.ask(name, tcp=tcp, options=[dns.edns.GenericOption(65001, b"secret")], ednsflags=0x7FFF)
    assert addresses(reply) == [ADDRESS]
    assert reply.options == ()
    assert reply.ednsflags & 0x7FFF == 0
    (up,) = lab.packets_up(name)
    assert b"secret" not in up


@both
@pytest.mark.parametrize(
    ("counts", "body"),
    [
        pytest.param((1, 0, 0, 2), QUESTION + OPT * 2, id="two"),
        pytest.param((1, 0, 1, 0), QUESTION + OPT, id="in authority"),
        pytest.param((1, 0, 0, 1), QUESTION + b"\1x" + OPT, id="with an owner"),
        pytest.param((1, 0, 0, 1), QUESTION + OPT[:-2] + b"\0\5\0\x0a", id="over the end"),
    ],
)
def test_row_9_a_misplaced_opt_is_formerr_and_goes_nowhere(
    lab: Lab, counts: tuple[int, ...], body: bytes, tcp: bool
) -> None:
    raw = lab.server.exchange(packet(counts=counts, body=body), tcp=tcp)
    assert raw[3] & 15 == dns.rcode.FORMERR
    assert not lab.packets_up("odd.example.org")


@pytest.mark.parametrize("payload", [0, 1, 100, 511])
def test_row_10_an_edns_size_below_512_means_512(lab: Lab, payload: int) -> None:
    lab.upstream.script = told(*(f"{{name}} 60 IN A 192.0.2.{i}" for i in range(1, 25)))
    small = lab.ask(fresh("small"), payload=payload)
    assert len(small.answer[0]) == 24, "424 bytes fit into 512"
    lab.upstream.script = told(*(f"{{name}} 60 IN A 192.0.2.{i}" for i in range(1, 40)))
    assert lab.ask(fresh("larger"), payload=payload).flags & dns.flags.TC


@both
def test_row_11_junk_behind_the_question_is_answered_and_not_forwarded(lab: Lab, tcp: bool) -> None:
    name = fresh("junk")
    raw = lab.server.exchange(question(name).to_wire() + b"JUNKJUNK", tcp=tcp)
    assert addresses(dns.message.from_wire(raw)) == [ADDRESS]
    (up,) = lab.packets_up(name)
    assert b"JUNK" not in up


@both
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(b"\xc0\x0c", id="to itself"),
        pytest.param(b"\1a\xc0\x0c", id="a loop"),
        pytest.param(b"\xc0\x00", id="into the header"),
        pytest.param(b"\xc0\x20\0", id="forwards"),
        pytest.param(b"\x41\x01\0", id="label type 0x40"),
        pytest.param(b"\x80a\0", id="label type 0x80"),
        pytest.param(b"\x3f" + b"a" * 20, id="a label over the end"),
    ],
)
def test_row_12_a_name_that_cannot_be_read_is_formerr(lab: Lab, name: bytes, tcp: bool) -> None:
    raw = lab.server.exchange(packet(body=name + b"\0\1\0\1"), tcp=tcp)
    assert len(raw) <= 12 + len(name) + 4
    assert raw[3] & 15 == dns.rcode.FORMERR


@both
def test_row_13_a_name_of_255_bytes_travels_and_one_of_256_does_not(lab: Lab, tcp: bool) -> None:
    three = ".".join(["a" * 63] * 3)
    name = f"{three}.{'bc'[tcp] * 59}.x"
    assert len(name) + 2 == 255
    assert addresses(lab.ask(name, tcp=tcp)) == [ADDRESS]
    assert len(lab.packets_up(name)) == 1
    over = b"".join(bytes((63,)) + b"a" * 63 for _ in range(3)) + bytes((60,)) + b"b" * 60 + b"\1x\0"
    assert len(over) == 256
    raw = lab.server.exchange(packet(body=over + b"\0\1\0\1"), tcp=tcp)
    assert raw[3] & 15 == dns.rcode.FORMERR


def test_row_14_bytes_inside_labels_are_kept(lab: Lab) -> None:
    odd = b"\5a\0b.c\3Q\xffQ\7example\3org\0"
    raw = lab.server.exchange(packet(body=odd + b"\0\1\0\1"))
    assert raw[12 : 12 + len(odd)] == odd, "the client's own bytes come back"
    assert addresses(dns.message.from_wire(raw)) == [ADDRESS]
    (up,) = [q.packet for q in lab.upstream.questions if b"\5a\0b.c" in q.packet]
    assert up[12 : 12 + len(odd)].lower() == odd.lower()
    assert "\0" not in lab.server.log


def test_row_15_any_is_one_small_record(lab: Lab) -> None:
    name = fresh("any")
    bare, with_edns = question(name, "ANY", use_edns=False).to_wire(), question(name, "ANY").to_wire()
    raw = lab.server.exchange(bare)
    assert len(raw) <= 60
    assert len(lab.server.exchange(with_edns)) <= len(with_edns) + 21, "the HINFO and nothing else"
    reply = dns.message.from_wire(raw)
    assert [rrset.rdtype for rrset in reply.answer] == [13]
    assert lab.packets_up(name) == []
    assert "HINFO" in lab.dig("+notcp", name, "ANY")


@pytest.mark.parametrize("kind", ["AXFR", "IXFR=1"])
def test_row_16_transfers_are_refused(lab: Lab, kind: str) -> None:
    text = lab.dig(fresh("zone"), kind)
    assert "Transfer failed" in text or "status: REFUSED" in text, text


@both
@pytest.mark.parametrize("kind", [41, 250, 249])
def test_row_17_a_meta_type_as_a_question_is_formerr(lab: Lab, kind: int, tcp: bool) -> None:
    raw = lab.server.exchange(packet(body=QUESTION[:-4] + struct.pack("!HH", kind, 1)), tcp=tcp)
    assert raw[3] & 15 == dns.rcode.FORMERR


@pytest.mark.parametrize(
    "arguments",
    [("-c", "CH", "version.bind", "TXT"), ("-c", "CH", "id.server", "TXT"), ("-c", "CLASS65280", "example.org", "A")],
    ids=["version.bind", "id.server", "class 65280"],
)
def test_row_18_another_class_is_refused(lab: Lab, arguments: tuple[str, ...]) -> None:
    assert "status: REFUSED" in lab.dig(*arguments)


@both
@pytest.mark.parametrize(
    ("kind", "data"),
    [("TYPE65400", r"\# 4 deadbeef"), ("SVCB", "1 svc.example.net. alpn=h2"), ("LOC", "21 1 0 N 105 50 0 E 10m")],
)
def test_row_19_types_of_any_kind_pass_unchanged(lab: Lab, kind: str, data: str, tcp: bool) -> None:
    lab.upstream.script = told(f"{{name}} 60 IN {kind} {data}")
    name = fresh("typed")
    (rrset,) = lab.ask(name, kind, tcp=tcp, source="127.0.200.7").answer
    expected = dns.rrset.from_text(f"{name}.", 60, "IN", kind, data)
    assert list(rrset) == list(expected)


@both
@pytest.mark.parametrize("known", [False, True], ids=["unknown", "cached"])
def test_row_20_without_rd_nothing_goes_up_and_nothing_is_told(lab: Lab, known: bool, tcp: bool) -> None:
    name = fresh("norecursion")
    if known:
        lab.ask(name)
        until(lambda: len(lab.packets_up(name)) == 1, "it went up")
    reply = lab.ask(name, flags="", tcp=tcp)
    assert reply.rcode() == dns.rcode.REFUSED
    assert not reply.answer
    assert len(lab.packets_up(name)) == int(known)
