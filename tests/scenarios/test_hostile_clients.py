"""What arrives at the sockets of a server that anybody in a school can reach: the right RCODE, or silence."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dnslib import QTYPE, DNSRecord

from tests.running import OUTSIDE, PUPIL, Server, addresses, framed, question, receive, until, write_school
from tests.upstreams import ADDRESS, Question, Upstream, honest

BLOCKED = ["0.0.0.0"]
FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 1, 2, 3, 4, 5
ADULT = b"\5adult\7example\0\0\1\0\1"
PLAIN = b"\0\1\0\0\0\0\0\0"
SILENCE = None
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Server]:
    config, state = write_school(tmp_path_factory.mktemp("hostile"))
    school = config / "policies/school.yaml"
    school.write_text(school.read_text() + "limits: {queries_per_second: 100000, burst: 1000000}\n")
    with Server(config, state, upstreams=(upstream.url,)) as found:
        yield found


def packet(flags: int = 0x0100, counts: bytes = PLAIN, body: bytes = ADULT, ident: bytes = b"\x12\x34") -> bytes:
    return ident + struct.pack(">H", flags) + counts + body


def edns(version: int = 0, size: int = 1232, flags: int = 0, options: bytes = b"") -> bytes:
    return b"\0\0\x29" + struct.pack(">HBBHH", size, 0, version, flags, len(options)) + options


def with_opt(record: bytes) -> bytes:
    return packet(counts=b"\0\1\0\0\0\0\0\1", body=ADULT + record)


LONG = b"\x3f" + b"a" * 63
ROWS = [
    pytest.param(b"", SILENCE, id="1 nothing at all"),
    pytest.param(b"\x12", SILENCE, id="1 one byte"),
    pytest.param(packet()[:11], SILENCE, id="1 eleven bytes"),
    pytest.param(packet(0x8180), SILENCE, id="2 a response"),
    pytest.param(packet(counts=bytes(8), body=b""), FORMERR, id="3 no question"),
    pytest.param(packet(counts=b"\0\2" + bytes(6), body=ADULT * 2), FORMERR, id="4 two questions"),
    pytest.param(packet(counts=b"\0\1\xff\xff\0\0\0\0"), FORMERR, id="4 65535 answers"),
    pytest.param(packet(0x0900), NOTIMP, id="5 opcode 1"),
    pytest.param(packet(0x2900), NOTIMP, id="5 opcode 5"),
    pytest.param(packet(0x3100), NOTIMP, id="5 opcode 6"),
    pytest.param(packet(0x7900), NOTIMP, id="5 opcode 15"),
    pytest.param(packet(0x2100), NOTIMP, id="6 notify"),
    pytest.param(with_opt(edns(version=1)), 16, id="7 edns version 1"),
    pytest.param(with_opt(edns(flags=0x7FFF, options=b"\xff\xf0\0\2hi")), 0, id="8 unknown option and flags"),
    pytest.param(packet(counts=b"\0\1\0\0\0\0\0\2", body=ADULT + OPT * 2), FORMERR, id="9 two OPT"),
    pytest.param(packet(counts=b"\0\1\0\1\0\0\0\0", body=ADULT + OPT), FORMERR, id="9 OPT among answers"),
    pytest.param(with_opt(b"\1a" + OPT), FORMERR, id="9 OPT with an owner"),
    pytest.param(with_opt(OPT[:-1] + b"\x20"), FORMERR, id="9 OPT over the end"),
    pytest.param(with_opt(edns(size=100)), 0, id="10 edns size 100"),
    pytest.param(packet() + b"junk" * 9, 0, id="11 trailing junk"),
    pytest.param(packet(body=b"\xc0\x0c\0\1\0\1"), FORMERR, id="12 a pointer to itself"),
    pytest.param(packet(body=b"\1a\xc0\x00\0\1\0\1"), FORMERR, id="12 a pointer into the header"),
    pytest.param(packet(body=b"\x40a\0\0\1\0\1"), FORMERR, id="12 label type 0x40"),
    pytest.param(packet(body=LONG * 3 + b"\x3d" + b"a" * 61 + b"\0\0\1\0\1"), 0, id="13 a name of 255 bytes"),
    pytest.param(packet(body=LONG * 4 + b"\0\0\1\0\1"), FORMERR, id="13 a name of 257 bytes"),
    pytest.param(packet(body=b"\5a\0b.c\7example\0\0\1\0\1"), 0, id="14 a zero byte and a dot in a label"),
    pytest.param(packet(body=ADULT[:-4] + b"\0\xff\0\1"), 0, id="15 ANY"),
    pytest.param(packet(body=ADULT[:-4] + b"\0\xfc\0\1"), REFUSED, id="16 AXFR"),
    pytest.param(packet(body=ADULT[:-4] + b"\0\xfb\0\1"), REFUSED, id="16 IXFR"),
    pytest.param(packet(body=ADULT[:-4] + b"\0\x29\0\1"), FORMERR, id="17 OPT as a question"),
    pytest.param(packet(body=ADULT[:-4] + b"\0\xfa\0\1"), FORMERR, id="17 TSIG as a question"),
    pytest.param(packet(body=ADULT[:-4] + b"\0\1\xff\0"), REFUSED, id="18 class 65280"),
    pytest.param(packet(body=b"\7version\4bind\0\0\x10\0\3"), REFUSED, id="18 version.bind CH"),
    pytest.param(packet(0x0000), REFUSED, id="20 no recursion wanted"),
    pytest.param(with_opt(edns(options=b"\0\x0a\0\7cookie!")), FORMERR, id="35 a cookie of 7 bytes"),
]


class TestRequiredAnswers:
    @pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
    @pytest.mark.parametrize(("sent", "rcode"), ROWS)
    def test_each_odd_packet_gets_its_rcode_or_silence(
        self, server: Server, sent: bytes, rcode: int | None, tcp: bool
    ) -> None:
        if rcode is SILENCE:
            _assert_silence(server, sent, tcp)
            return
        raw = server.exchange(sent, tcp=tcp)
        reply = DNSRecord.parse(raw)
        assert raw[:2] == sent[:2]
        assert raw[2] & 0x80, "it is a response"
        extended = sum((r.ttl >> 24) << 4 for r in reply.ar if r.rtype == QTYPE.OPT)
        assert reply.header.rcode + extended == rcode
        if rcode:
            assert not reply.rr
            assert len(raw) <= len(sent) + 11, "nobody is amplified"
        assert tcp or len(raw) <= 1232

    def test_unknown_options_and_flags_are_not_echoed(self, server: Server) -> None:
        raw = server.exchange(with_opt(edns(flags=0x7FFF, options=b"\xff\xf0\0\2hi")))
        (opt,) = [r for r in DNSRecord.parse(raw).ar if r.rtype == QTYPE.OPT]
        assert opt.ttl & 0x7FFF == 0
        assert all(option.code != 0xFFF0 for option in opt.rdata)

    def test_any_is_answered_with_one_small_record(self, server: Server) -> None:
        raw = server.exchange(packet(body=ADULT[:-4] + b"\0\xff\0\1"))
        assert len(raw) <= 60
        assert [r.rtype for r in DNSRecord.parse(raw).rr] == [QTYPE.HINFO]

    def test_a_label_with_a_dot_is_not_the_name_it_looks_like(self, server: Server) -> None:
        looks_blocked = packet(body=b"\x0dadult.example\0\0\1\0\1")
        assert addresses(DNSRecord.parse(server.exchange(looks_blocked))) == [ADDRESS]

    def test_the_case_of_the_question_comes_back(self, server: Server) -> None:
        for name in ("aDuLt.ExAmPlE", "WwW.example.ORG"):
            assert str(server.ask(name).q.qname) == f"{name}."

    def test_an_unknown_type_is_passed_on_unchanged(self, server: Server, upstream: Upstream) -> None:
        raw = server.exchange(packet(body=b"\7example\3org\0\xff\x78\0\1"))
        assert DNSRecord.parse(raw).header.rcode == 0
        assert any(q.packet.endswith(b"\xff\x78\0\1" + OPT) for q in upstream.asked("example.org"))

    @pytest.mark.parametrize(("size", "limit"), [(100, 512), (512, 512), (4096, 1232), (65535, 1232)])
    def test_what_is_larger_than_the_client_takes_is_truncated(
        self, server: Server, upstream: Upstream, size: int, limit: int
    ) -> None:
        def many(asked: Question) -> list[bytes]:
            reply = DNSRecord.parse(asked.packet).reply(ra=1)
            for i in range(90):
                reply.add_answer(*honest_record(asked.name, i))
            return [bytes(reply.pack())] if asked.transport == "tcp" else [_truncated(reply)]

        upstream.script = many
        try:
            reply = server.ask(f"large{size}.example.org", udp_bytes=size)
            assert reply.header.tc == 1
            assert len(reply.pack()) <= limit
            assert len(server.ask(f"large{size}.example.org", tcp=True).rr) == 90
        finally:
            upstream.script = honest


def honest_record(name: str, i: int) -> list[object]:
    from dnslib import RR

    return list(RR.fromZone(f"{name}. 60 A 198.51.100.{i}"))


def _truncated(reply: DNSRecord) -> bytes:
    reply.rr = []
    reply.header.tc = 1
    return bytes(reply.pack())


def _assert_silence(server: Server, sent: bytes, tcp: bool) -> None:
    """No reply to this packet: the next one's comes first, or the connection ends."""
    if tcp:
        with server.connect() as sock:
            sock.sendall(framed(sent) + framed(b"\x99\x99" + packet()[2:]))
            assert receive(sock)[:2] in (b"", b"\x99\x99")
        return
    with server.udp() as sock:
        sock.send(sent)
        sock.send(b"\x99\x99" + packet()[2:])
        assert sock.recv(4096)[:2] == b"\x99\x99"


class TestFuzz:
    """Random and bent packets; after every batch a control question must be answered, and no trace be in the log."""

    @staticmethod
    def bent(seeded: random.Random) -> bytes:
        kind = seeded.randrange(5)
        if kind == 0:
            return seeded.randbytes(seeded.randrange(0, 600))
        good = bytearray(packet(ident=seeded.randbytes(2)) if kind == 1 else with_opt(edns(options=b"\0\x0c\0\4abcd")))
        if kind == 2:
            good[2:12] = seeded.randbytes(10)
        elif kind == 3:
            del good[seeded.randrange(12, len(good)) :]
        for _ in range(seeded.randrange(1, 6)):
            good[seeded.randrange(2, len(good))] = seeded.randrange(256)
        return bytes(good)

    def control(self, server: Server) -> None:
        started = time.monotonic()
        assert addresses(server.ask("adult.example", source="127.0.31.99")) == BLOCKED
        assert time.monotonic() - started < 1.0

    @pytest.mark.parametrize("seed", range(5))
    def test_over_udp(self, server: Server, seed: int) -> None:
        seeded = random.Random(seed)
        with server.udp() as sock:
            for _ in range(10):
                for _ in range(200):
                    sock.send(self.bent(seeded))
                self.control(server)
        assert server.metrics()["filterd_dns_internal_errors_total"] == 0
        assert "Traceback" not in server.log

    @pytest.mark.parametrize("seed", range(5))
    def test_over_tcp(self, server: Server, seed: int) -> None:
        seeded = random.Random(seed)
        for _ in range(10):
            with server.connect() as sock:
                for _ in range(50):
                    data = self.bent(seeded)
                    try:
                        sock.sendall(framed(data) if seeded.random() < 0.9 else data)
                    except OSError:  # it had enough of this connection
                        break
            self.control(server)
        assert "Traceback" not in server.log

    @pytest.mark.parametrize("seed", range(3))
    def test_from_the_upstream(self, server: Server, upstream: Upstream, seed: int) -> None:
        seeded = random.Random(seed)

        def bent(asked: Question) -> list[bytes]:
            (right,) = honest(asked)
            wrong = bytearray(right)
            for _ in range(seeded.randrange(1, 8)):
                wrong[seeded.randrange(2, len(wrong))] = seeded.randrange(256)
            return [seeded.randbytes(seeded.randrange(40)), bytes(wrong[: seeded.randrange(2, len(wrong) + 1)]), right]

        upstream.script = bent
        try:
            with server.udp() as sock:
                for batch in range(5):
                    for i in range(20):
                        sock.send(question(f"f{seed}-{batch}-{i}.example.org").pack())
                    for _ in range(20):
                        assert sock.recv(4096)[2] & 0x80
                    self.control(server)
        finally:
            upstream.script = honest
        assert server.metrics()["filterd_dns_internal_errors_total"] == 0
        assert "Traceback" not in server.log


class TestLimits:
    @pytest.fixture
    def strict(self, tmp_path: Path, upstream: Upstream) -> Iterator[Server]:
        config, state = write_school(tmp_path)
        school = config / "policies/school.yaml"
        limits = "{queries_per_second: 20, burst: 40, tcp_connections: 12, tcp_connections_per_client: 5, tcp_idle: 2s}"
        school.write_text(school.read_text() + f"limits: {limits}\n")
        with Server(config, state, upstreams=(upstream.url,)) as found:
            yield found

    def test_one_client_over_its_rate_is_not_answered_and_others_do_not_feel_it(self, strict: Server) -> None:
        with strict.udp() as sock, strict.udp("127.0.31.8") as other:
            for i in range(100):
                sock.send(packet(ident=i.to_bytes(2, "big")))
            for i in range(20):
                other.send(packet(ident=i.to_bytes(2, "big")))
                assert other.recv(4096)[:2] == i.to_bytes(2, "big")
            sock.settimeout(0.5)
            heard = _drain(sock)
        slipped = sum(reply[2] & 2 > 0 for reply in heard)
        answered = len(heard) - slipped
        assert 40 <= answered < 80
        assert slipped == (100 - answered) // 2
        strict.wait_metric('filterd_dns_dropped_total{cause="rate_limit"}', lambda n: n == 100 - answered)
        strict.wait_metric("filterd_dns_slipped_queries_total", lambda n: n == slipped)

    def test_a_client_over_its_rate_is_served_again_soon(self, strict: Server) -> None:
        with strict.udp() as sock:
            for _ in range(100):
                sock.send(packet())
            sock.settimeout(0.3)
            _drain(sock)
        until(lambda: _answers(strict, PUPIL), "it is served again", within_s=3)

    def test_connections_of_one_client_are_bounded_and_its_udp_lives(self, strict: Server) -> None:
        held = [strict.connect() for _ in range(30)]
        try:
            alive = 0
            for sock in held:
                try:
                    sock.sendall(framed(packet()))
                    alive += bool(receive(sock))
                except OSError:
                    continue
            assert alive == 5
            assert addresses(strict.ask("adult.example")) == BLOCKED
            assert addresses(strict.ask("adult.example", source="127.0.31.8", tcp=True)) == BLOCKED
            strict.wait_metric('filterd_dns_dropped_total{cause="tcp_refused"}', lambda n: n == 25)
        finally:
            for sock in held:
                sock.close()
        until(lambda: strict.ask("adult.example", tcp=True), "a closed connection makes room")

    def test_all_connections_together_are_bounded(self, strict: Server) -> None:
        held = [strict.connect(f"127.0.31.{10 + i // 4}") for i in range(40)]
        try:
            strict.wait_metric("filterd_dns_tcp_connections", lambda n: n == 12)
            assert addresses(strict.ask("adult.example")) == BLOCKED
        finally:
            for sock in held:
                sock.close()
        strict.wait_metric("filterd_dns_tcp_connections", lambda n: n == 0)

    def test_an_idle_connection_ends(self, strict: Server) -> None:
        with strict.connect() as sock:
            sock.sendall(framed(packet()))
            assert receive(sock)
            started = time.monotonic()
            assert receive(sock) == b""
            assert 1.0 < time.monotonic() - started < 5.0

    def test_a_message_that_trickles_in_ends_the_connection(self, server: Server) -> None:
        data = framed(packet()) * 3
        started = time.monotonic()
        with server.connect(within_s=0.3) as sock:
            for i in range(len(data)):
                try:
                    sock.sendall(data[i : i + 1])
                    if sock.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
        assert time.monotonic() - started < 8.0

    @pytest.mark.parametrize("data", [b"\0\0", b"\0\5hello", b"\0"], ids=["length 0", "length 5", "half a length"])
    def test_lengths_that_cannot_be_end_the_connection(self, server: Server, data: bytes) -> None:
        with server.connect(within_s=10) as sock:
            sock.sendall(data)
            assert receive(sock) == b""

    def test_a_client_that_never_reads_is_cut_off(self, strict: Server) -> None:
        with strict.connect() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.sendall(framed(packet()) * 30)
            strict.wait_metric("filterd_dns_tcp_connections", lambda n: n == 1)
            strict.wait_metric("filterd_dns_tcp_connections", lambda n: n == 0)

    def test_outside_addresses_hear_nothing_whatever_they_send(self, server: Server) -> None:
        before = server.metrics()['filterd_dns_dropped_total{cause="outside"}']
        with server.udp(OUTSIDE, within_s=0.3) as sock:
            for sent in (packet(), packet(0x0900), packet(counts=bytes(8), body=b""), b"x" * 50):
                sock.send(sent)
            with pytest.raises(TimeoutError):
                sock.recv(4096)
        server.wait_metric('filterd_dns_dropped_total{cause="outside"}', lambda n: n == before + 4)

    def test_a_flood_of_strangers_does_not_grow_the_table_of_clients(self, tmp_path: Path) -> None:
        config, state = write_school(tmp_path)
        school = config / "policies/school.yaml"
        school.write_text(school.read_text() + "limits: {clients: 16}\n")
        with Server(config, state) as small:
            for i in range(64):
                assert _answers(small, f"127.0.31.{i + 1}")
            small.wait_metric("filterd_dns_known_clients", lambda n: n == 16)
            assert _answers(small, PUPIL)


def _drain(sock: socket.socket) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(sock.recv(4096))
    except TimeoutError:
        return found


def _answers(server: Server, source: str) -> bool:
    with server.udp(source, within_s=0.3) as sock:
        sock.send(packet())
        try:
            reply = sock.recv(4096)
            return reply[:2] == b"\x12\x34" and not reply[2] & 2
        except TimeoutError:
            return False
