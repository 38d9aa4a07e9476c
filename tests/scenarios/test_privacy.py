"""What a server leaves behind at its defaults: no name that was allowed, in no file, no log line and no metric."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import CLASSES, PUPIL, SCHOOL, SEVENTH, STAFF, Server, framed, question, receive, write_school
from tests.upstreams import Question, Upstream, honest

SECRET = "zq7private"  # a label of every name that is asked for
COUNT = 1000


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    school = SCHOOL + "newly_seen: {category: games, days: 7}\n"
    yield write_school(tmp_path, school=school, classes=CLASSES)


def often_wrong(asked: Question) -> list[bytes]:
    """Answers, now and then something that is none, or nothing."""
    kind = len(asked.name) % 7
    if kind == 0:
        return [b"\xff" * 40, *honest(asked)]
    if kind == 1:
        return [asked.packet[:2] + b"\x81\x82" + asked.packet[4:]]
    return honest(asked)


def ask_all(server: Server) -> int:
    """So many allowed names, of all classes, over UDP and TCP; gives how many were answered."""
    sent = [bytes(question(f"n{i}{'x' * (i % 23)}.{SECRET}.example.org").pack()) for i in range(COUNT)]
    answered = 0
    for at, source in enumerate((PUPIL, SEVENTH, STAFF)):
        mine = sent[at::4]
        with server.udp(source) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            for i in range(0, len(mine), 20):
                for packet in mine[i : i + 20]:
                    sock.send(packet)
                answered += sum(len(sock.recv(4096)) > 12 for _ in mine[i : i + 20])
    with server.connect(STAFF) as sock:
        for packet in sent[3::4]:
            sock.sendall(framed(packet))
            answered += len(receive(sock)) > 12
    return answered


def test_no_allowed_name_is_kept(places: tuple[Path, Path]) -> None:
    config, state = places
    with Upstream() as upstream, Server(config, state, upstreams=(upstream.url,)) as server:
        upstream.script = often_wrong
        assert ask_all(server) == COUNT
        asked = upstream.asked(f"n0.{SECRET}.example.org")
        assert asked, "the names were really forwarded"
        metrics = server.metrics_text()
        server.stop()
        log = server.log
    assert SECRET not in metrics
    assert SECRET not in log
    files = [path for path in state.rglob("*") if path.is_file()]
    assert files
    held = [str(path) for path in files if SECRET.encode() in path.read_bytes().lower()]
    assert held == []
