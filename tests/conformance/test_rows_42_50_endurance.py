"""Rows 42 to 50: failures, outages, loops, floods, and answers made to be heavy. Row 51: tests/scenarios."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from filterd.core.names import wire_of_text
from tests import schools
from tests.conformance.lab import RATES, Lab, addresses, ede, fresh, question, reply_to, told
from tests.running import PUPIL, STAFF, Server, framed, free_port, receive, until, write_school
from tests.scenarios.test_hostile_clients import ROWS
from tests.upstreams import ADDRESS, Question, Upstream, honest, silent, with_rcode

BLOCKED = ["0.0.0.0"]


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


def change(school: tuple[Path, Path], more: str) -> None:
    path = school[0] / "policies/school.yaml"
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")


# -- 42 to 44 failures and outages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rcode", [2, 5, 1, 4], ids=["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"])
def test_row_42_a_failure_is_told_as_servfail_kept_briefly_and_asked_again(lab: Lab, rcode: int) -> None:
    lab.upstream.script = with_rcode(rcode)
    name = fresh("failing")
    replies = [lab.ask(name) for _ in range(5)]
    assert {reply.rcode() for reply in replies} == {dns.rcode.SERVFAIL}
    assert {ede(reply) for reply in replies} <= {22, 23}
    assert len(lab.packets_up(name)) <= 3
    lab.upstream.script = honest
    until(lambda: addresses(lab.ask(name)) == [ADDRESS], "it is asked again", within_s=5)


def test_row_42_failures_are_forgotten_when_the_upstream_comes_back(school: tuple[Path, Path]) -> None:
    port = free_port()
    with Server(*school, upstreams=(f"udp://127.0.0.1:{port}",)) as server:
        for _ in range(4):
            assert server.ask("known.example.org").header.rcode == dns.rcode.SERVFAIL
        with Upstream(port=port):
            started = time.monotonic()
            until(lambda: server.ask("known.example.org").header.rcode == 0, "it is asked again", within_s=5)
            assert time.monotonic() - started < 2.5


def test_row_43_a_stale_answer_is_judged_by_todays_policy(school: tuple[Path, Path]) -> None:
    with (
        Upstream(lambda asked: honest(asked, ttl_s=1)) as upstream,
        Server(*school, upstreams=(upstream.url,)) as server,
    ):
        assert server.ask("later-blocked.example").header.rcode == 0
        names = school[0] / "policies/names.yaml"
        names.write_text(names.read_text(encoding="utf-8") + "  - later-blocked.example\n", encoding="utf-8")
        server.wait_log("is in force")
        upstream.script = silent
        until(lambda: _ask(server, "other.example.org").rcode() == dns.rcode.SERVFAIL, "the upstream is silent")
        assert addresses(_ask(server, "later-blocked.example")) == BLOCKED


def test_row_43_a_stale_answer_says_so_and_lives_half_a_minute(school: tuple[Path, Path]) -> None:
    with (
        Upstream(lambda asked: honest(asked, ttl_s=1)) as upstream,
        Server(*school, upstreams=(upstream.url,)) as server,
    ):
        assert addresses(_ask(server, "stale.example.org")) == [ADDRESS]
        upstream.script = silent
        started = time.monotonic()
        stale = until(
            lambda: (reply := _ask(server, "stale.example.org")) and ede(reply) == 3 and reply, "a stale answer"
        )
        assert addresses(stale) == [ADDRESS]
        assert 0 < stale.answer[0].ttl <= 30
        assert time.monotonic() - started < 3.5


def test_row_44_a_slow_upstream_is_overtaken_by_the_second(school: tuple[Path, Path]) -> None:
    with Upstream() as slow, Upstream() as quick, Server(*school, upstreams=(slow.url, quick.url)) as server:
        assert addresses(_ask(server, "warm.example.org")) == [ADDRESS]
        waits = []
        for i in range(5):
            slow.held.add(f"slow{i}.example.org")
            started = time.monotonic()
            assert addresses(_ask(server, f"slow{i}.example.org")) == [ADDRESS]
            waits.append(time.monotonic() - started)
        assert max(waits) < 0.5


def test_row_44_what_needs_no_upstream_is_answered_while_all_are_slow(lab: Lab) -> None:
    known = fresh("known")
    assert addresses(lab.ask(known)) == [ADDRESS]
    lab.upstream.script = silent
    with lab.server.udp(STAFF) as flood:
        for _ in range(2000):
            flood.send(question(fresh("slow")).to_wire())
        waits = []
        for _ in range(50):
            for name, expected in (("adult.example", BLOCKED), (known, [ADDRESS]), ("localhost", ["127.0.0.1"])):
                started = time.monotonic()
                assert addresses(lab.ask(name)) == expected
                waits.append(time.monotonic() - started)
    assert sorted(waits)[len(waits) * 95 // 100] < 0.05


def test_row_44_nobody_waits_longer_than_the_budget(lab: Lab) -> None:
    lab.upstream.script = silent
    started = time.monotonic()
    reply = lab.ask(fresh("budget"))
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert ede(reply) in (22, 23)
    assert time.monotonic() - started < 2.2


# -- 45 loops ---------------------------------------------------------------------------------------------------------


def test_row_45_a_question_is_sent_at_most_three_times(lab: Lab) -> None:
    lab.upstream.script = silent
    name = fresh("three")
    lab.ask(name)
    assert len(lab.packets_up(name)) <= 3


def test_row_45_two_boxes_that_ask_each_other_do_not_go_round(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    schools = [write_school(tmp_path / str(i)) for i in range(2)]
    for at in range(2):
        path = schools[at][0] / "policies/school.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace(":5300", f":{ports[at]}"), encoding="utf-8")
    flags = [("--listen", f"127.0.0.1:{port}") for port in ports]
    with (
        Server(*schools[0], *flags[0], upstreams=(f"udp://127.0.0.1:{ports[1]}",)) as one,
        Server(*schools[1], *flags[1], upstreams=(f"udp://127.0.0.1:{ports[0]}",)) as two,
    ):
        started = time.monotonic()
        assert _ask(one, "round.example.org").rcode() == dns.rcode.SERVFAIL
        assert time.monotonic() - started < 2.5
        assert addresses(_ask(one, "adult.example")) == BLOCKED
        one.wait_metric("filterd_dns_queries_total", lambda n: n > 0)
        assert sum(server.metrics().get("filterd_dns_queries_total", 0) for server in (one, two)) < 60


# -- 46 amplification -------------------------------------------------------------------------------------------------

LARGE = tuple(f'{{name}} 60 IN TXT "{i:03d}{"x" * 235}"' for i in range(16))


def matrix() -> list[bytes]:
    """One packet of each kind this page has."""
    odd = [case.values[0] for case in ROWS if case.values[0]]
    kinds = ("A", "AAAA", "TXT", "MX", "NS", "SOA", "HTTPS", "ANY", "DNSKEY", "RRSIG", "CAA", "PTR")
    names = ("adult.example", "localhost", "x.onion", "example.org", ".", "1.0.0.127.in-addr.arpa")
    asked = [
        question(name, kind, use_edns=edns, **options).to_wire()
        for name in names
        for kind in kinds
        for edns in (0, False)
        for options in ({"payload": 4096, "want_dnssec": True} if edns == 0 else {},)
    ]
    return odd + asked


def test_row_46_udp_replies_stay_small_and_errors_no_larger_than_what_was_sent(lab: Lab) -> None:
    lab.upstream.script = told(*LARGE)
    sent = received = 0
    for packet in matrix():
        reply = _first_reply(lab.server, packet)
        sent += len(packet)
        received += len(reply)
        assert len(reply) <= 1232
        if reply and reply[3] & 15 in (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.REFUSED):
            assert len(reply) <= len(packet) + 11
    assert received < 4 * sent


def _first_reply(server: Server, packet: bytes) -> bytes:
    """The reply to a packet, or nothing: then the reply to the question behind it comes first."""
    behind = b"\x99\x99" + question("adult.example").to_wire()[2:]
    with server.udp(STAFF) as sock:
        sock.send(packet)
        try:
            if len(packet) < 12 or packet[2] & 0x80:
                sock.send(behind)
            reply = sock.recv(65536)
        except TimeoutError:
            return b""
        return b"" if reply[:2] == b"\x99\x99" else reply


# -- 47, 48 floods ----------------------------------------------------------------------------------------------------


def test_row_47_over_the_rate_half_is_silence_and_half_is_sent_to_tcp(school: tuple[Path, Path]) -> None:
    change(school, "limits: {queries_per_second: 20, burst: 40, slip: 2}\n")
    with Server(*school) as server, server.udp() as sock:
        for i in range(240):
            sock.send(i.to_bytes(2, "big") + question("adult.example").to_wire()[2:])
        replies = _drain(sock)
        whole = [reply for reply in replies if not reply[2] & 2]
        slipped = [reply for reply in replies if reply[2] & 2]
        assert 40 <= len(whole) < 80
        assert 60 <= len(slipped) <= 105
        most = len(question("adult.example").to_wire())
        assert max(map(len, slipped)) <= most, "nobody is amplified"
        server.wait_metric('filterd_dns_dropped_total{cause="rate_limit"}', lambda n: n > 0)
        assert addresses(_ask(server, "adult.example", tcp=True)) == BLOCKED, "over TCP it is known who asks"
        assert addresses(_ask(server, "adult.example", source="127.0.31.99")) == BLOCKED


def test_row_47_a_prefix_has_a_rate_of_its_own(school: tuple[Path, Path]) -> None:
    change(school, "limits: {prefix_queries_per_second: 20, prefix_burst: 40, slip: 0}\n")
    with Server(*school) as server:
        answered = 0
        packet = question("adult.example").to_wire()
        socks = [server.udp(f"127.0.31.{i + 1}", within_s=0.3) for i in range(100)]
        try:
            for sock in socks:
                sock.send(packet)
            answered = sum(len(_drain(sock, 0.05)) for sock in socks)
        finally:
            for sock in socks:
                sock.close()
        assert answered <= 80
        assert addresses(_ask(server, "adult.example", source="127.0.73.1")) == BLOCKED


def test_row_48_a_pulse_of_answers_to_one_client_is_bounded(school: tuple[Path, Path]) -> None:
    """Questions for slow names gather; then all answers come at once, to whoever they seemed to come from."""
    names = [f"pulse{i}.example.org" for i in range(3000)]
    change(school, f"limits: {{{RATES}}}\n")
    with Upstream() as upstream, Server(*school, upstreams=(upstream.url,)) as server:
        upstream.held.update(names)
        with server.udp(within_s=0.5) as victim:
            for name in names:
                victim.send(question(name).to_wire())
            upstream.wait_for(names[0])
            for name in names:
                upstream.release(name)
            answered = [reply for reply in _drain(victim) if reply[7]]
        assert 0 < len(answered) <= 1000


# -- 49 and 50 ---------------------------------------------------------------------------------------------------------


def test_row_49_heavy_answers_cost_other_clients_little(lab: Lab) -> None:
    heavy = told(*(f"{{name}} 60 IN A 10.{i >> 8}.{i & 255}.1" for i in range(3500)))
    lab.upstream.script = lambda asked: heavy(asked) if asked.name.startswith("heavy") else honest(asked)
    stop = threading.Event()

    def attack() -> None:
        while not stop.is_set():
            with lab.server.connect("127.0.31.66") as sock:
                sock.sendall(framed(question(fresh("heavy")).to_wire()))
                receive(sock)

    thread = threading.Thread(target=attack)
    thread.start()
    try:
        waits = []
        for _ in range(100):
            started = time.monotonic()
            assert addresses(lab.ask("adult.example")) == BLOCKED
            waits.append(time.monotonic() - started)
    finally:
        stop.set()
        thread.join()
    assert sorted(waits)[95] < 0.1


@pytest.mark.parametrize("links", [20, 1200])
def test_row_49_a_reply_of_nothing_but_aliases_is_given_up_early(lab: Lab, links: int) -> None:
    owners = [schools.HERE, *(wire_of_text(f"h{i}.example.net") for i in range(links))]
    chain = [schools.alias(f"h{i}.example.net", 60, owner) for i, owner in enumerate(owners[:-1])]

    def aliases(asked: Question) -> list[bytes]:
        end = asked.packet.index(b"\0", 12) + 5
        if asked.transport == "udp" and links > 30:
            return [reply_to(asked, "QR TC RD RA").to_wire()]
        return [asked.packet[:2] + schools.reply(asked.packet[12:end], chain)[2:]]

    lab.upstream.script = aliases
    started = time.monotonic()
    assert lab.ask(fresh("aliases")).rcode() == dns.rcode.SERVFAIL
    assert time.monotonic() - started < 1.0


def test_row_50_compressed_answers_travel_as_they_came(lab: Lab) -> None:
    seen = []

    def compressed(asked: Question) -> list[bytes]:
        records = (f"{{name}} 60 IN MX {i} mail{i}.a.very.long.name.in.example.net." for i in range(20))
        seen.extend(told(*records, additional=["mail1.a.very.long.name.in.example.net. 60 IN A 192.0.2.1"])(asked))
        return [seen[-1]]

    lab.upstream.script = compressed
    name = fresh("packed")
    raw = lab.server.exchange(question(name, "MX").to_wire(), STAFF)
    start = 12 + len(name) + 2 + 4
    assert raw[start:-11] == seen[0][start:-11], "the sections are the upstream's, byte for byte"


def _ask(server: Server, name: str, source: str = PUPIL, *, tcp: bool = False) -> dns.message.Message:
    return dns.message.from_wire(server.exchange(question(name).to_wire(), source, tcp=tcp))


def _drain(sock: socket.socket, within_s: float = 0.5) -> list[bytes]:
    found = []
    sock.settimeout(within_s)
    try:
        while True:
            found.append(sock.recv(65536))
    except TimeoutError:
        return found
