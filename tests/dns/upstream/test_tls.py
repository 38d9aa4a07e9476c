"""TLS towards upstreams: whose certificate is believed, what is said where none is, and sessions that go on."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from filterd.core import policy
from filterd.dns.upstream import tls as module
from tests.certificates import Authority
from tests.dns.parts import Parts, run, until
from tests.dns.upstream.asking import answered
from tests.peers import Peer, answering, answering_https, server_context
from tests.upstreams import Upstream

NAMES = ("dns.example", "192.0.2.1")


def self_signed(directory: Path) -> Authority:
    """A certificate that nobody signed but its own key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = Authority(directory)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "5", "-subj", "/CN=dns.example"]
    command += ["-addext", "subjectAltName=DNS:dns.example", "-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def expired(directory: Path) -> Authority:
    made = Authority(directory)
    made.write(*NAMES, days=(-20, -1))
    return made


def not_yet_valid(directory: Path) -> Authority:
    made = Authority(directory)
    made.write(*NAMES, days=(5, 90))
    return made


def of_another_name(directory: Path) -> Authority:
    made = Authority(directory)
    made.write("dns.example.org", "example", "192.0.2.2")
    return made


def of_an_address_only(directory: Path) -> Authority:
    """The address that is connected to proves nothing where a name was asked for."""
    made = Authority(directory)
    made.write("127.0.0.1")
    return made


def of_an_untrusted_root(directory: Path) -> Authority:
    (directory / "other").mkdir()
    other = Authority(directory / "other")
    other.write(*NAMES)
    trusted = Authority(directory)
    trusted.certificate, trusted.key = other.certificate, other.key
    return trusted


REFUSED = (self_signed, expired, not_yet_valid, of_another_name, of_an_address_only, of_an_untrusted_root)


def served(authority: Authority, transport: str, host: str = "dns.example") -> tuple[Peer, policy.Upstream]:
    context = server_context(authority.certificate, authority.key, "dot" if transport == "tls" else "h2")
    peer = Peer(answering if transport == "tls" else answering_https, context)
    return peer, policy.Upstream(peer.url(transport, host), ("127.0.0.1",), str(authority.ca))


@pytest.mark.parametrize("transport", ["tls", "https"])
@pytest.mark.parametrize("make", REFUSED)
def test_a_wrong_certificate_is_never_asked(
    make: object, transport: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = make(tmp_path)  # type: ignore[operator]
    peer, upstream = served(authority, transport)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, *(f"n{i}" for i in range(10)))).rcodes == [2] * 10
        assert (await answered(parts, *(f"m{i}" for i in range(10)))).rcodes == [2] * 10

    with peer, caplog.at_level(logging.WARNING):
        run(story, upstreams=(upstream,))
        assert not peer.questions
    lines = [record.message for record in caplog.records if "is not asked" in record.message]
    assert len(lines) == 1, "once a minute"
    assert upstream.url in lines[0]
    assert "certificate is refused" in lines[0]
    assert ("clock" in lines[0]) is (make is not_yet_valid)


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_after_a_wrong_certificate_the_next_upstream_is_asked(transport: str, tmp_path: Path) -> None:
    peer, upstream = served(of_another_name(tmp_path), transport)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a", "b", "c")).good == 3

    with peer, Upstream() as good:
        run(story, upstreams=(upstream, good.url))
        assert not peer.questions


@pytest.mark.parametrize("transport", ["tls", "https"])
@pytest.mark.parametrize("host", ["dns.example", "127.0.0.1"])
def test_a_right_certificate_is_asked_by_name_or_address(host: str, transport: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.write("dns.example", "127.0.0.1")
    peer, upstream = served(authority, transport, host)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).good == 1

    with peer:
        run(story, upstreams=(upstream,))


def test_a_server_that_speaks_no_tls_gets_no_question(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).rcodes == [2]

    with Peer(lambda line: line.exactly(1 << 16) and None) as peer:
        upstream = policy.Upstream(peer.url("tls"), (), str(authority.ca))
        run(story, upstreams=(upstream,))
        assert not peer.questions


def test_an_https_server_without_http2_gets_no_question(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).rcodes == [2]

    with Peer(answering, server_context(authority.certificate, authority.key, "http/1.1")) as peer:
        run(story, upstreams=(policy.Upstream(peer.url("https"), (), str(authority.ca)),))
        assert not peer.questions
    assert "HTTP/2" in caplog.text


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "unreadable"])
def test_without_its_ca_a_server_is_not_asked_and_the_next_one_is(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peer, upstream = served(Authority(tmp_path), "tls", "127.0.0.1")
    ca = tmp_path / "gone.pem"
    if content is not None:
        ca.write_text(content)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).good == 1

    with peer, Upstream() as good:
        run(story, upstreams=(dataclasses.replace(upstream, ca=str(ca)), good.url))
        assert not peer.connections
    assert str(ca) in caplog.text


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_next_connection_resumes_the_session(version: ssl.TLSVersion, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_context(authority.certificate, authority.key, "dot")
    context.maximum_version = version

    async def story(parts: Parts) -> None:
        for i in range(3):
            assert (await answered(parts, f"n{i}")).good == 1
            peer.hang_up()
            await until(lambda: not parts.upstreams._carriers[0].stream.connections)

    with Peer(answering, context) as peer:
        run(story, upstreams=(policy.Upstream(peer.url("tls"), (), str(authority.ca)),))
        assert (peer.connections, peer.resumed) == (3, 2)


def test_a_certificate_is_looked_at_again_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSION_S", 0.0)
    peer, upstream = served(Authority(tmp_path), "tls", "127.0.0.1")

    async def story(parts: Parts) -> None:
        for i in range(2):
            assert (await answered(parts, f"n{i}")).good == 1
            peer.hang_up()
            await until(lambda: not parts.upstreams._carriers[0].stream.connections)

    with peer:
        run(story, upstreams=(upstream,))
        assert peer.resumed == 0


def test_tls_1_1_is_refused(tmp_path: Path) -> None:
    assert module.context(None, "dot").minimum_version == ssl.TLSVersion.TLSv1_2
    assert module.context(None, "dot").verify_mode == ssl.CERT_REQUIRED
    assert module.context(None, "dot").check_hostname
