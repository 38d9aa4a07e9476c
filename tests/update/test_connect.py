from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core.updates import Why
from filterd.update.connect import MAX_ADDRESSES, Dialer, context
from filterd.update.faults import FetchError
from tests.peers import Line, Peer

HOST = "lists.example"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def echo(line: Line) -> None:
    while data := line.sock.recv(4096):
        line.send(data)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer(echo) as made:
        yield made


def dialer(*addresses: str, clock: Clock | None = None, most_s: float = 5.0) -> Dialer:
    made = Dialer(clock or Clock())
    made.begin(most_s)
    made.allow(HOST, addresses)
    return made


def test_a_name_is_connected_to_where_it_may_be_and_nowhere_else(peer: Peer) -> None:
    stream = dialer("127.0.0.1").connect_tcp(HOST, peer.port, 2.0)
    stream.write(b"hello")
    assert stream.read(100) == b"hello"
    stream.close()
    for host in ("other.example", "127.0.0.1", "localhost"):
        with pytest.raises(FetchError, match="no address to connect to"):
            dialer("127.0.0.1").connect_tcp(host, peer.port, 2.0)
    assert peer.connections == 1


def test_the_addresses_that_are_tried_are_not_endless(peer: Peer) -> None:
    wrong = [f"127.0.1.{n}" for n in range(MAX_ADDRESSES)]
    dialer(*wrong[1:], "127.0.0.1").connect_tcp(HOST, peer.port, 2.0).close()
    with pytest.raises(FetchError, match=r"no connection to 127\.0\.1\.0 port [0-9]+: Connection refused") as failed:
        dialer(*wrong, "127.0.0.1").connect_tcp(HOST, peer.port, 2.0)
    assert (failed.value.why, failed.value.again) == (Why.NETWORK, True)


@contextlib.contextmanager
def full() -> Iterator[int]:
    """A port whose queue is full: the kernel drops what asks to connect."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_host_that_does_not_answer_is_waited_for_so_long() -> None:
    with (
        full() as port,
        pytest.raises(FetchError, match=r"port [0-9]+ took no connection for 0\.1 s") as failed,
    ):
        dialer("127.0.0.1").connect_tcp(HOST, port, 0.1)
    assert (failed.value.why, failed.value.again) == (Why.TIMEOUT, False)


def test_a_read_is_waited_for_so_long(peer: Peer) -> None:
    stream = dialer("127.0.0.1").connect_tcp(HOST, peer.port, 2.0)
    with pytest.raises(FetchError, match=r"it said nothing for 0\.05 s"):
        stream.read(100, timeout=0.05)
    stream.close()


def test_a_write_that_nobody_takes_is_waited_for_so_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # nobody reads
        stream = dialer("127.0.0.1").connect_tcp(HOST, listener.getsockname()[1], 2.0)
        with pytest.raises(FetchError, match=r"it took nothing for 0\.05 s"):
            stream.write(bytes(1 << 24), timeout=0.05)
        stream.close()


def test_a_connection_that_breaks_is_worth_another_try() -> None:
    with Peer(lambda line: line.reset()) as peer:
        stream = dialer("127.0.0.1").connect_tcp(HOST, peer.port, 2.0)
        with pytest.raises(FetchError, match="the connection broke") as failed:
            stream.read(1, timeout=2.0)
        assert (failed.value.why, failed.value.again) == (Why.NETWORK, True)
        stream.close()


def test_after_its_time_a_download_does_nothing_more(peer: Peer) -> None:
    clock = Clock()
    made = dialer("127.0.0.1", clock=clock)
    stream = made.connect_tcp(HOST, peer.port, 2.0)
    clock.now = 5.0
    late = pytest.raises(FetchError, match="it was not done after 5 s")
    with late:
        stream.read(1)
    with late:
        stream.write(b"x")
    with late:
        made.connect_tcp(HOST, peer.port, 2.0)
    made.begin(5.0)
    stream.write(b"again")
    assert stream.read(100) == b"again"
    clock.now = 10.0
    with late:
        stream.start_tls(context(None), HOST)  # closes it


def test_an_idle_connection_that_was_closed_is_seen(peer: Peer) -> None:
    stream = dialer("127.0.0.1").connect_tcp(HOST, peer.port, 2.0)
    stream.write(b"x")
    assert stream.read(1) == b"x"
    assert stream.get_extra_info("is_readable") is False
    peer.hang_up()
    assert stream.read(1) == b""
    assert stream.get_extra_info("is_readable") is True
    assert stream.get_extra_info("ssl_object") is None
    assert stream.get_extra_info("anything") is None
    stream.close()


def test_certificates_are_verified_and_old_tls_is_not_spoken() -> None:
    made = context(None)
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["no file", "empty", "something else"])
def test_roots_that_cannot_be_used_are_said(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(FetchError, match=r"ca\.pem cannot be used") as failed:
        context(tmp_path / "ca.pem")
    assert failed.value.why is Why.TLS
