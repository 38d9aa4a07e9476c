"""Bytes in and out of one connection: slow readers, dead addresses, and endings."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from filterd.dns.upstream import stream as module
from filterd.dns.upstream.places import Worker
from filterd.dns.upstream.stream import Stream
from filterd.dns.upstream.tls import Tls
from tests.certificates import Authority
from tests.dns.parts import Parts, run, until
from tests.peers import Line, Peer, server_context


class User:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.is_open = False
        self.data = b""
        self.ends: list[OSError | None] = []

    def opened(self) -> None:
        self.is_open = True

    def received(self, data: bytes) -> None:
        self.data += data

    def lost(self, error: OSError | None) -> None:
        self.ends.append(error)


def connected(parts: Parts, port: int, user: User, tls: Tls | None = None, host: str = "127.0.0.1") -> Stream:
    return Stream(Worker(parts.loop, parts.hot, parts.desk), (host, port), tls, user)


def echo(line: Line) -> None:
    while data := line.sock.recv(65536):
        line.send(data)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_what_is_written_comes_back_however_much(secure: bool, authority: Authority) -> None:
    sent = bytes(range(256)) * 800  # more than buffers take at once, less than is kept

    async def story(parts: Parts) -> None:
        user = User()
        tls = Tls("tls://127.0.0.1", "127.0.0.1", str(authority.ca), "dot") if secure else None
        stream = connected(parts, peer.port, user, tls)
        await until(lambda: user.is_open)
        stream.write(sent)
        await until(lambda: len(user.data) == len(sent))
        assert user.data == sent
        stream.close()
        assert user.ends == [], "who closes hears nothing"

    context = server_context(authority.certificate, authority.key, "dot") if secure else None
    with Peer(echo, context) as peer:
        run(story)


def test_a_server_that_does_not_read_is_left() -> None:
    ended = threading.Event()

    async def story(parts: Parts) -> None:
        user = User()
        stream = connected(parts, peer.port, user)
        await until(lambda: user.is_open)
        while not user.ends:
            stream.write(bytes(20_000))
            assert len(stream._unsent) <= module.MAX_UNSENT_BYTES + 20_000
            await until(lambda: True)
            if len(stream._unsent) > module.MAX_UNSENT_BYTES:
                await until(lambda: user.ends)
        assert "does not read" in str(user.ends[0])
        ended.set()

    with Peer(lambda line: ended.wait(10) and None) as peer:
        run(story)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_a_server_that_closes_is_heard_once(secure: bool, authority: Authority) -> None:
    async def story(parts: Parts) -> None:
        user = User()
        tls = Tls("tls://127.0.0.1", "127.0.0.1", str(authority.ca), "dot") if secure else None
        connected(parts, peer.port, user, tls)
        await until(lambda: user.ends)
        assert user.ends == [None]
        assert user.data == b"bye"

    context = server_context(authority.certificate, authority.key, "dot") if secure else None
    with Peer(lambda line: line.send(b"bye"), context) as peer:
        run(story)


def test_a_connection_that_is_not_accepted_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.1)

    async def story(parts: Parts) -> None:
        user = User()
        connected(parts, full.getsockname()[1], user)
        await until(lambda: user.ends)
        assert isinstance(user.ends[0], TimeoutError)

    with socket.socket() as full:  # with its queue full, the kernel drops what comes
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(full.getsockname())
            run(story)
        finally:
            for sock in waiting:
                sock.close()


def test_a_handshake_that_does_not_end_is_given_up_in_time(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.1)
    monkeypatch.setattr(module, "READY_S", 0.2)
    ended = threading.Event()

    async def story(parts: Parts) -> None:
        user = User()
        connected(parts, peer.port, user, Tls("tls://127.0.0.1", "127.0.0.1", str(authority.ca), "dot"))
        await until(lambda: user.ends)
        assert isinstance(user.ends[0], TimeoutError)
        ended.set()

    with Peer(lambda line: ended.wait(10) and None) as peer:
        run(story)
