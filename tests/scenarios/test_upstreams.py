"""Upstreams that are slow, dead, wrong or hostile, and what clients notice of it."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dnslib import QTYPE, RR, TXT, A, DNSRecord

from tests.running import (
    PUPIL,
    Server,
    addresses,
    connected_ports,
    ede_of,
    framed,
    free_port,
    question,
    receive,
    until,
    write_school,
)
from tests.upstreams import ADDRESS, Question, Upstream, honest, silent, with_rcode

BLOCKED = ["0.0.0.0"]
SERVFAIL = 2


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture
def server(school: tuple[Path, Path], upstream: Upstream) -> Iterator[Server]:
    with Server(*school, upstreams=(upstream.url,)) as found:
        yield found


def large(question: Question) -> list[bytes]:
    """Truncated over UDP; 61 kB over TCP."""
    reply = DNSRecord.parse(question.packet).reply(ra=1, aa=0)
    if question.transport == "udp":
        reply.header.tc = 1
    else:
        for i in range(240):
            reply.add_answer(RR(reply.q.qname, QTYPE.TXT, ttl=60, rdata=TXT(f"{i:03d}".encode() + b"x" * 239)))
    return [bytes(reply.pack())]


class TestFailOver:
    @pytest.mark.parametrize("broken", ["closed", "silent", "servfail", "refused"])
    def test_one_broken_upstream_of_two_costs_no_answer(self, school: tuple[Path, Path], broken: str) -> None:
        scripts = {"silent": silent, "servfail": with_rcode(2), "refused": with_rcode(5), "closed": silent}
        with Upstream(scripts[broken]) as bad, Upstream() as good:
            if broken == "closed":
                bad.close()
            with Server(*school, upstreams=(bad.url, good.url)) as server:
                for i in range(8):
                    started = time.monotonic()
                    assert addresses(server.ask(f"n{i}.example.org")) == [ADDRESS]
                    assert time.monotonic() - started < 2.0

    def test_a_silent_one_is_passed_over_soon_and_taken_back_when_it_answers(self, school: tuple[Path, Path]) -> None:
        with (
            Upstream(silent) as first,
            Upstream() as second,
            Server(*school, upstreams=(first.url, second.url)) as server,
        ):
            for i in range(20):  # the second answers them all, and that finds the first one out
                server.ask(f"n{i}.example.org")
            server.wait_metric('filterd_dns_upstream_up{upstream="0"}', lambda up: up == 0)
            before = len(first.questions)
            started = time.monotonic()
            for i in range(20):
                server.ask(f"m{i}.example.org")
            assert time.monotonic() - started < 1.0
            assert len(first.questions) - before < 5, "probes only"
            first.script = honest
            server.wait_metric('filterd_dns_upstream_up{upstream="0"}', lambda up: up == 1)
            assert server.metrics()["filterd_dns_upstream_timeouts_total"] >= 1


class TestOutage:
    def test_stale_answers_then_servfail_then_recovery_without_a_restart(self, school: tuple[Path, Path]) -> None:
        port = free_port()
        brief = Upstream(lambda question: honest(question, ttl_s=1), port)
        with Server(*school, upstreams=(brief.url,)) as server:
            assert addresses(server.ask("known.example.org")) == [ADDRESS]
            brief.script = silent
            stale = until(
                lambda: (reply := server.ask("known.example.org", within_s=4)) and ede_of(reply) == 3 and reply,
                "a stale answer",
            )
            assert addresses(stale) == [ADDRESS]
            assert 0 < stale.rr[0].ttl <= 30
            started = time.monotonic()
            failed = server.ask("unknown.example.org")
            assert time.monotonic() - started < 2.2
            assert failed.header.rcode == SERVFAIL
            assert ede_of(failed) in (22, 23)
            brief.close()
            until(lambda: ede_of(server.ask("other.example.org")) == 22, "it says that no upstream answers")
            started = time.monotonic()
            assert addresses(server.ask("adult.example")) == BLOCKED
            assert addresses(server.ask("known.example.org")) == [ADDRESS]
            assert server.ask("another.example.org").header.rcode == SERVFAIL
            assert time.monotonic() - started < 0.5, "nobody waits for what is known to be down"
            with Upstream(port=port):
                started = time.monotonic()
                until(lambda: addresses(server.ask("unknown.example.org")) == [ADDRESS], "recovery")
                assert time.monotonic() - started < 2.5
            assert server.metrics()["filterd_dns_stale_answers_total"] >= 1

    def test_blocked_and_local_names_are_answered_from_the_first_second_without_any_upstream(
        self, school: tuple[Path, Path]
    ) -> None:
        with Server(*school, upstreams=(f"udp://127.0.0.1:{free_port()}",)) as server:
            assert addresses(server.ask("adult.example")) == BLOCKED
            assert addresses(server.ask("localhost")) == ["127.0.0.1"]
            reply = server.ask("example.org")
            assert reply.header.rcode == SERVFAIL
            assert ede_of(reply) in (22, 23)

    def test_questions_that_nobody_answers_hold_up_neither_blocked_names_nor_the_end_of_the_outage(
        self, server: Server, upstream: Upstream
    ) -> None:
        upstream.script = silent
        with server.udp("127.0.200.8", within_s=5) as flood:
            for i in range(150):  # no more than what a client's socket can hold of answers that come all at once
                flood.send(question(f"f{i}.example.org").pack())
            started = time.monotonic()
            for _ in range(20):
                assert addresses(server.ask("adult.example")) == BLOCKED
            assert time.monotonic() - started < 1.0
            answered = [DNSRecord.parse(flood.recv(4096)) for _ in range(150)]
            assert {reply.header.rcode for reply in answered} == {SERVFAIL}
        upstream.script = honest
        until(lambda: addresses(server.ask("example.org")) == [ADDRESS], "recovery", within_s=3)
        server.wait_metric("filterd_dns_pending_questions", lambda n: n == 0)

    def test_an_upstream_that_is_the_server_itself_is_no_endless_loop(self, school: tuple[Path, Path]) -> None:
        path = school[0] / "policies/school.yaml"
        with Server(*school) as server:
            path.write_text(path.read_text().replace("udp://127.0.0.9:9", f"udp://127.0.0.1:{server.port}"))
            server.wait_log("is in force")
            started = time.monotonic()
            assert server.ask("example.org").header.rcode == SERVFAIL
            assert time.monotonic() - started < 3.0
            before = server.wait_metric("filterd_dns_queries_total", lambda n: n > 0)
            assert before < 50, "the question did not go round and round"
            assert addresses(server.ask("adult.example")) == BLOCKED


class TestAnswers:
    def test_what_does_not_fit_is_asked_again_over_tcp_on_both_sides(self, server: Server, upstream: Upstream) -> None:
        upstream.script = large
        short = server.ask("large.example.org", "TXT")
        assert short.header.tc == 1
        assert not short.rr
        whole = server.ask("large.example.org", "TXT", tcp=True)
        assert len(whole.rr) == 240
        assert [q.transport for q in upstream.asked("large.example.org")] == ["udp", "tcp"], "then the cache knows it"

    def test_an_upstream_without_tcp_costs_a_servfail_in_time(self, server: Server, upstream: Upstream) -> None:
        upstream.script = lambda question: large(question) if question.transport == "udp" else []
        started = time.monotonic()
        assert server.ask("large.example.org", "TXT").header.rcode == SERVFAIL
        assert time.monotonic() - started < 3

    def test_an_answer_from_another_address_is_not_taken(self, server: Server, upstream: Upstream) -> None:
        upstream.held.add("spoofed.example.org")
        with server.udp() as client, Upstream() as stranger:
            client.send(question("spoofed.example.org").pack())
            upstream.wait_for("spoofed.example.org")
            (asked,) = upstream.asked("spoofed.example.org")
            reply = DNSRecord.parse(asked.packet).reply()
            reply.add_answer(RR("spoofed.example.org", rdata=A("192.0.2.66")))
            for port in connected_ports(server.workers()[0]):
                stranger._udp.sendto(bytes(reply.pack()), ("127.0.0.1", port))
            upstream.release("spoofed.example.org")
            assert addresses(DNSRecord.parse(client.recv(4096))) == [ADDRESS]

    def test_malformed_answers_end_in_servfail_and_harm_nobody(self, server: Server, upstream: Upstream) -> None:
        seeded = random.Random(4)

        def garbled(question: Question) -> list[bytes]:
            if not question.name.startswith("bad"):
                return honest(question)
            (right,) = honest(question)
            end = 12 + len(question.name) + 6
            return [right[:end] + seeded.randbytes(40)]

        upstream.script = garbled
        for i in range(30):
            assert server.ask(f"bad{i}.example.org").header.rcode == SERVFAIL
            assert addresses(server.ask(f"good{i}.example.org")) == [ADDRESS]

    def test_nothing_of_a_client_travels_upstream_but_its_question(self, server: Server, upstream: Upstream) -> None:
        record = question("example.org")
        record.ar[0].rdata.append(_subnet_option())
        server.exchange(bytes(record.pack()) + b"trailing junk")
        (asked,) = upstream.asked("example.org")
        assert b"\x00\x08" not in asked.packet[12 + len("example.org") + 6 :], "no client subnet"
        assert b"junk" not in asked.packet
        assert asked.packet[:2] != record.pack()[:2] or asked.packet[2:] != record.pack()[2:]


class TestConfiguration:
    def test_the_flag_upstream_overrides_school_yaml(self, school: tuple[Path, Path], upstream: Upstream) -> None:
        path = school[0] / "policies/school.yaml"
        with Server(*school) as server:
            assert server.ask("example.org").header.rcode == SERVFAIL
            path.write_text(path.read_text().replace("127.0.0.9:9", upstream.url.removeprefix("udp://")))
            until(lambda: addresses(server.ask("example.org")) == [ADDRESS], "the new upstream is in force")
        with Upstream(with_rcode(3)) as other, Server(*school, upstreams=(other.url,)) as server:
            assert server.ask("example.org").header.rcode == 3

    def test_changing_upstreams_makes_no_counter_fall(self, school: tuple[Path, Path], upstream: Upstream) -> None:
        path = school[0] / "policies/school.yaml"
        name = 'filterd_dns_upstream_answers_total{upstream="0"}'
        path.write_text(path.read_text().replace("udp://127.0.0.9:9", upstream.url))
        with Server(*school) as server, Upstream() as other:
            for i in range(5):
                server.ask(f"n{i}.example.org")
            server.wait_metric(name, lambda n: n == 5 + 1)  # with the first probe
            path.write_text(path.read_text().replace(upstream.url, other.url))
            until(lambda: server.ask(f"m{time.monotonic()}.example.org") and other.questions, "the new one is asked")
            server.wait_metric(name, lambda n: n == 6 + len(other.questions))

    def test_fresh_ports_never_repeat_in_a_row_and_none_is_left_open(
        self, school: tuple[Path, Path], upstream: Upstream
    ) -> None:
        path = school[0] / "policies/school.yaml"
        path.write_text(path.read_text() + "source_ports: fresh\n")
        with Server(*school, upstreams=(upstream.url,)) as server:
            server.ask("first.example.org")
            (worker,) = server.workers()
            before = len(connected_ports(worker))
            for i in range(50):
                assert addresses(server.ask(f"n{i}.example.org")) == [ADDRESS]
            until(lambda: len(connected_ports(worker)) <= before, "sockets are closed again")


class TestTcpClients:
    def test_a_hundred_questions_at_once_are_all_answered_and_a_slow_one_holds_up_none(
        self, server: Server, upstream: Upstream
    ) -> None:
        upstream.held.add("slow.example.org")
        packets = {}
        with server.connect() as sock:
            names = ["slow.example.org"] + [f"n{i}.example.org" for i in range(98)] + ["adult.example"]
            for ident, name in enumerate(names):
                record = question(name)
                record.header.id = ident
                packets[ident] = record.pack()
            sock.sendall(b"".join(framed(bytes(packet)) for packet in packets.values()))
            replies = [DNSRecord.parse(receive(sock)) for _ in names[1:]]
            upstream.release("slow.example.org")
            last = DNSRecord.parse(receive(sock))
        assert sorted(reply.header.id for reply in replies) == list(range(1, 100))
        assert last.header.id == 0
        assert addresses(last) == [ADDRESS]

    def test_a_client_that_says_it_is_done_still_gets_what_it_asked(self, server: Server, upstream: Upstream) -> None:
        upstream.held.add("slow.example.org")
        with server.connect() as sock:
            sock.sendall(framed(bytes(question("slow.example.org").pack())))
            sock.shutdown(1)
            upstream.wait_for("slow.example.org")
            upstream.release("slow.example.org")
            assert addresses(DNSRecord.parse(receive(sock))) == [ADDRESS]
            assert receive(sock) == b"", "and then the connection ends"

    @pytest.mark.skipif(shutil.which("kdig") is None, reason="kdig is not installed")
    def test_kdig_keeps_a_connection_open(self, server: Server) -> None:
        command = ["kdig", "@127.0.0.1", "-p", str(server.port), "-b", PUPIL, "+tcp", "+keepopen"]
        command += ["adult.example", "example.org", "localhost"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert done.stdout.count("status: NOERROR") == 3, done.stdout + done.stderr


def _subnet_option() -> object:
    from dnslib import EDNSOption

    return EDNSOption(8, b"\0\1\x18\0\xc0\0\2")
