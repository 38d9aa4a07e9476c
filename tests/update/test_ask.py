from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from dnslib import DNSRecord

from filterd.core.policy import Upstream as Configured
from filterd.core.servers import Server, parse
from filterd.core.updates import Why
from filterd.update.ask import Asker, question
from filterd.update.faults import FetchError
from tests.certificates import Authority
from tests.peers import Line, Peer, Play, answering_https, server_context
from tests.upstreams import honest


def by(url: str) -> Server:
    return parse(Configured(url))


def test_a_question_has_an_id_that_nobody_can_guess_and_leaves_room_for_the_answer() -> None:
    asked = [question("lists.example", "AAAA") for _ in range(50)]
    assert len({each.header.id for each in asked}) > 40
    read = DNSRecord.parse(asked[0].pack())
    assert (str(read.q.qname), read.header.rd, read.ar[0].edns_len) == ("lists.example.", 1, 1232)


def dripping(line: Line) -> None:
    """A long answer, of which a byte comes every 20 ms until the other end has had enough."""
    line.question()
    line.send(b"\x10\x00")
    line.sock.settimeout(0.02)
    while True:
        line.send(b"\0")
        with contextlib.suppress(TimeoutError):
            if not line.sock.recv(1):
                return


def mute(line: Line) -> None:
    """Takes whatever comes."""
    while line.sock.recv(4096):
        pass


def closing(line: Line) -> None:
    line.question()


@pytest.mark.parametrize(
    ("play", "why", "text"),
    [
        pytest.param(dripping, Why.TIMEOUT, "it was not done after 0.3 s", id="a byte now and then"),
        pytest.param(mute, Why.TIMEOUT, "it was not done after 0.3 s", id="nothing"),
        pytest.param(closing, Why.NETWORK, "it closed the connection", id="closes"),
        pytest.param(lambda line: line.reset(), Why.NETWORK, "reset", id="resets"),
    ],
)
def test_a_server_that_does_not_answer_over_tcp_is_left(play: Play, why: Why, text: str) -> None:
    with Peer(play) as peer, pytest.raises(FetchError, match=text) as failed:
        Asker().ask(by(peer.url("tcp")), "127.0.0.1", question("lists.example", "A"), 0.3)
    assert failed.value.why is why


@pytest.mark.parametrize("scheme", ["tls", "https"])
def test_a_server_that_never_ends_the_handshake_is_left(scheme: str) -> None:
    with Peer(mute) as peer, pytest.raises(FetchError, match="TLS handshake") as failed:
        Asker().ask(by(peer.url(scheme)), "127.0.0.1", question("lists.example", "A"), 0.3)
    assert failed.value.why is Why.TIMEOUT


@pytest.mark.parametrize("scheme", ["tls", "https"])
def test_a_certificate_of_an_unknown_authority_is_refused_before_anything_is_asked(scheme: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Peer(mute, server_context(authority.certificate, authority.key, "h2")) as peer:
        with pytest.raises(FetchError, match="unable to get local issuer") as failed:
            Asker().ask(by(peer.url(scheme)), "127.0.0.1", question("lists.example", "A"), 2.0)
        assert failed.value.why is Why.TLS
        assert not peer.questions


def test_more_than_a_message_has_is_not_read(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def flood(line: Line) -> None:
        answering_https(line, answer=lambda question: [honest(question)[0] + bytes(70_000)])

    with Peer(flood, server_context(authority.certificate, authority.key, "h2")) as peer:
        server = parse(Configured(peer.url("https"), ca=str(authority.ca)))
        with pytest.raises(FetchError, match="more than a DNS message has"):
            Asker().ask(server, "127.0.0.1", question("lists.example", "A"), 2.0)
