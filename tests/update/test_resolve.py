from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dnslib import CNAME, RR, A, DNSRecord

from filterd.core.policy import Route
from filterd.core.policy import Upstream as Configured
from filterd.core.updates import Why
from filterd.update.faults import FetchError
from filterd.update.resolve import KEEP_S, Resolver
from tests.certificates import Authority
from tests.peers import Line, Peer, answering, answering_https, server_context
from tests.update.nameserver import Nameserver, changing, zone
from tests.upstreams import ADDRESS, ADDRESS6, Question, honest, silent, with_rcode

HOST = "lists.example"
BOTH = [ADDRESS, ADDRESS6]


def resolver(*urls: str, routes: tuple[Route, ...] = (), timeout_s: float = 2.0) -> Resolver:
    return Resolver(tuple(map(Configured, urls)), routes, timeout_s=timeout_s)


@pytest.fixture
def upstream() -> Iterator[Nameserver]:
    with Nameserver() as made:
        yield made


@pytest.mark.parametrize(
    ("text", "address"), [("192.0.2.7", "192.0.2.7"), ("::1", "::1"), ("2001:DB8:0::7", "2001:db8::7")]
)
def test_an_address_is_its_own_and_nobody_is_asked(text: str, address: str, upstream: Nameserver) -> None:
    assert resolver(upstream.url).addresses(text) == [address]
    assert not upstream.questions


@pytest.mark.parametrize("name", [HOST, "Lists.EXAMPLE.", "lists_2.example", "xn--bcher-kva.example", "bücher.example"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ipv4_comes_first_then_ipv6(transport: str, name: str, upstream: Nameserver) -> None:
    assert resolver(upstream.url.replace("udp", transport)).addresses(name) == BOTH
    assert [question.kind for question in upstream.questions] == ["A", "AAAA"]
    assert {question.transport for question in upstream.questions} == {transport}


def test_over_tls_the_certificate_must_be_the_server_s(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.write("dns.example")
    with Peer(answering, server_context(authority.certificate, authority.key)) as peer:
        for name, good in (("dns.example", True), ("other.example", False)):
            asked = Resolver((Configured(peer.url("tls", name), ("127.0.0.1",), str(authority.ca)),))
            if good:
                assert asked.addresses(HOST) == BOTH
            else:
                with pytest.raises(FetchError, match="Hostname mismatch") as failed:
                    asked.addresses(HOST)
                assert failed.value.why is Why.TLS  # or this box's clock: `Fetcher` knows
        assert len(peer.questions) == 2


@pytest.mark.parametrize("host", ["dns.example", "127.0.0.1"])
def test_over_https_a_server_may_speak_http_2_alone(host: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.write("dns.example", "127.0.0.1")
    with Peer(answering_https, server_context(authority.certificate, authority.key, "h2")) as peer:
        url = peer.url("https", host) + "/dns-query"
        assert Resolver((Configured(url, ("127.0.0.1",), str(authority.ca)),)).addresses(HOST) == BOTH
        head = peer.heads[0]
        assert (head[":method"], head[":path"], head[":authority"]) == ("POST", "/dns-query", f"{host}:{peer.port}")
        assert head["content-type"] == head["accept"] == "application/dns-message"
        assert not head.keys() & {"user-agent", "cookie", "accept-language"}


def test_a_status_over_https_is_no_answer(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.write("dns.example")

    def refusing(line: Line) -> None:
        answering_https(line, status="403")

    with Peer(refusing, server_context(authority.certificate, authority.key, "h2")) as peer:
        asked = Resolver((Configured(peer.url("https", "dns.example"), ("127.0.0.1",), str(authority.ca)),))
        with pytest.raises(FetchError, match="HTTP 403"):
            asked.addresses(HOST)


def test_aliases_are_followed_within_the_answer() -> None:
    records = {HOST: ["a.cdn.example"], "a.cdn.example": ["B.cdn.example"], "b.cdn.example": ["192.0.2.9"]}
    with Nameserver(zone(records)) as upstream:
        assert resolver(upstream.url).addresses(HOST) == ["192.0.2.9"]


def test_addresses_of_other_names_in_an_answer_are_not_the_host_s() -> None:
    def script(question: Question) -> list[bytes]:
        reply = DNSRecord.parse(question.packet).reply()
        reply.add_answer(RR("other.example", rdata=A("192.0.2.66")))
        if question.kind == "A":
            reply.add_answer(RR(HOST, rdata=A("192.0.2.1")))
        return [bytes(reply.pack())]

    with Nameserver(script) as upstream:
        assert resolver(upstream.url).addresses(HOST) == ["192.0.2.1"]


def test_aliases_in_a_circle_end() -> None:
    def script(question: Question) -> list[bytes]:
        reply = DNSRecord.parse(question.packet).reply()
        reply.add_answer(RR(HOST, 5, rdata=CNAME("b.example")), RR("b.example", 5, rdata=CNAME(HOST)))
        return [bytes(reply.pack())]

    with Nameserver(script) as upstream, pytest.raises(FetchError, match="no address"):
        resolver(upstream.url).addresses(HOST)


def test_one_family_is_enough_though_nobody_answers_for_the_other() -> None:
    def script(question: Question) -> list[bytes]:
        return honest(question) if question.kind == "A" else []

    with Nameserver(script) as upstream:
        assert resolver(upstream.url, timeout_s=0.1).addresses(HOST) == [ADDRESS]


def test_an_answer_too_large_for_udp_is_asked_for_over_tcp() -> None:
    def script(question: Question) -> list[bytes]:
        full = honest(question)
        return [full[0][:2] + b"\x83\x80" + full[0][4:]] if question.transport == "udp" else full

    with Nameserver(script) as upstream:
        assert resolver(upstream.url).addresses(HOST) == BOTH
        assert [question.transport for question in upstream.questions] == ["udp", "tcp"] * 2


def _other_id(packet: bytes) -> bytes:
    return bytes((packet[0] ^ 1,)) + packet[1:]


def _other_name(packet: bytes) -> bytes:
    return packet.replace(b"\x05lists", b"\x05lisst")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_other_id, id="another id"),
        pytest.param(_other_name, id="another name"),
        pytest.param(lambda packet: packet[:2] + b"\x01\x00" + packet[4:], id="no answer but a question"),
        pytest.param(lambda packet: packet[:-3], id="cut off"),
        pytest.param(lambda packet: b"", id="nothing"),
        pytest.param(lambda packet: packet[:12] + b"\xc0\x0c" + packet[14:], id="a name that points to itself"),
    ],
)
def test_over_udp_what_does_not_fit_is_passed_over(spoil: Callable[[bytes], bytes]) -> None:
    def script(question: Question) -> list[bytes]:
        (good,) = honest(question)
        return [spoil(good.replace(b"\xc6\x33\x64\x07", b"\x06\x06\x06\x06")), good]

    with Nameserver(script) as upstream:
        assert resolver(upstream.url).addresses(HOST) == BOTH
        assert len(upstream.questions) == 2


def test_over_tcp_what_does_not_fit_is_the_end() -> None:
    said = pytest.raises(FetchError, match="no answer to what was asked")
    with Nameserver(lambda question: [_other_id(honest(question)[0])]) as upstream, said:
        resolver(upstream.url.replace("udp", "tcp")).addresses(HOST)


@pytest.mark.parametrize("kind", ["silent", "closed", "SERVFAIL", "REFUSED", "NXDOMAIN", "empty"])
def test_every_upstream_is_asked_until_one_knows(kind: str, upstream: Nameserver) -> None:
    scripts = {"silent": silent, "SERVFAIL": with_rcode(2), "REFUSED": with_rcode(5), "NXDOMAIN": with_rcode(3)}
    with Nameserver(scripts.get(kind, with_rcode(0))) as first:
        if kind == "closed":
            first.close()
        assert resolver(first.url, upstream.url, timeout_s=0.2).addresses(HOST) == BOTH


def test_every_address_of_an_upstream_is_asked(upstream: Nameserver) -> None:
    configured = Configured(f"tcp://dns.example:{upstream.port}", ("127.0.0.9", "127.0.0.1"))
    assert Resolver((configured,), timeout_s=1.0).addresses(HOST) == BOTH


def test_a_lost_packet_is_sent_again() -> None:
    seen: list[bytes] = []

    def script(question: Question) -> list[bytes]:
        seen.append(question.packet)
        return honest(question) if len(seen) != 1 else []

    with Nameserver(script) as upstream:
        assert resolver(upstream.url, timeout_s=0.2).addresses(HOST) == BOTH


def test_a_failure_says_what_each_upstream_said(upstream: Nameserver) -> None:
    with Nameserver(with_rcode(3)) as first, Nameserver(silent) as second:
        asked = resolver(first.url, second.url, "udp://dns.example", timeout_s=0.1)
        with pytest.raises(FetchError) as failed:
            asked.addresses(HOST)
        assert failed.value.why is Why.RESOLVE
        assert failed.value.text == (
            f"the upstreams know no address of {HOST} ({first.url}: NXDOMAIN;"
            f" {second.url}: it was not done after 0.1 s;"
            " udp://dns.example: 'udp://dns.example' holds a name; add its addresses, as addresses: [9.9.9.9])"
        )


@pytest.mark.parametrize("name", ["", ".", "a..example", "a b", "-" * 64, "x." * 130])
def test_what_is_no_name_is_not_asked_for(name: str, upstream: Nameserver) -> None:
    with pytest.raises(FetchError) as failed:
        resolver(upstream.url).addresses(name)
    assert failed.value.why is Why.RESOLVE
    assert not upstream.questions


def test_zones_have_their_own_upstreams_here_too(upstream: Nameserver) -> None:
    records = {"lists.school.lan": ["192.168.1.2"], "school.lan": ["192.168.1.3"]}
    with Nameserver(zone(records)) as own, Nameserver(zone({"x.sub.school.lan": ["192.168.9.9"]})) as sub:
        routes = (Route("school.lan", (Configured(own.url),)), Route("sub.school.lan", (Configured(sub.url),)))
        asked = resolver(upstream.url, routes=routes)
        assert asked.addresses("lists.school.lan") == ["192.168.1.2"]
        assert asked.addresses("school.lan") == ["192.168.1.3"]
        assert asked.addresses("x.sub.school.lan") == ["192.168.9.9"]
        assert asked.addresses("preschool.lan") == BOTH
        with pytest.raises(FetchError):
            asked.addresses("gone.school.lan")
        assert {question.name for question in upstream.questions} == {"preschool.lan"}


def test_the_system_s_resolver_is_never_asked(upstream: Nameserver, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the system's resolver was asked")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, refuse)
    assert resolver(upstream.url).addresses(HOST) == BOTH


def test_what_is_known_is_kept_for_a_while() -> None:
    now = 0.0
    with Nameserver(changing(HOST, ["192.0.2.1"], ["192.0.2.2"])) as upstream:
        asked = Resolver((Configured(upstream.url),), monotonic=lambda: now)
        assert asked.addresses(HOST) == ["192.0.2.1"]
        asked.addresses(HOST).clear()  # the caller's own
        now = KEEP_S - 1
        assert asked.addresses(HOST.upper()) == ["192.0.2.1"]
        now = KEEP_S
        assert asked.addresses(HOST) == ["192.0.2.2"]


def test_a_failure_is_not_kept() -> None:
    records: dict[str, list[str]] = {}
    with Nameserver(zone(records)) as upstream:
        asked = resolver(upstream.url)
        with pytest.raises(FetchError):
            asked.addresses(HOST)
        records[HOST] = ["192.0.2.1"]
        assert asked.addresses(HOST) == ["192.0.2.1"]


def test_without_upstreams_nothing_is_known() -> None:
    with pytest.raises(FetchError, match="there is no upstream"):
        Resolver(()).addresses(HOST)


def test_a_name_that_nobody_answers_for_is_waited_for_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filterd.update.resolve.SILENCE_S", 0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        mute.setblocking(False)
        asked = resolver(f"udp://127.0.0.1:{mute.getsockname()[1]}", timeout_s=0.1)
        for pause_s, is_asked in ((0.0, True), (0.0, False), (0.6, True)):
            time.sleep(pause_s)
            with pytest.raises(FetchError, match="the upstreams know no address"):
                asked.addresses(HOST)
            assert bool(packets(mute)) is is_asked


def packets(sock: socket.socket) -> int:
    """How many have come since the last time."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while sock.recv(4096):
            count += 1
    return count
