"""Listeners: addresses as people write them, one socket for every worker, and one worker for every client."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core.policy import Encrypted
from filterd.dns import sockets
from filterd.dns.sockets import Listener, parse_address
from tests.running import REPO, free_port, has_ipv6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:53", ("127.0.0.1", 53)),
        ("[::1]:5300", ("::1", 5300)),
        ("[FD00:0::1]:65535", ("fd00::1", 65535)),
        ("[fe80::1%eth0]:53", ("fe80::1%eth0", 53)),
    ],
)
def test_an_address_is_understood(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:५३",
        "127.0.0.1:²", "::1:53", "fd00::1:53", "[127.0.0.1]:53", "[::1]", "[::1:53", "localhost:53", "0x7f.1:53",
        "127.0.0.1:99999999999",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not ADDRESS:PORT, as 192\.168\.1\.1:53 or \[fd00::1\]:53"):
        parse_address(text)


@pytest.fixture
def bound() -> Iterator[list[list[Listener]]]:
    groups: list[list[Listener]] = []
    yield groups
    for group in groups:
        for listener in group:
            listener.socket.close()


def test_every_worker_has_a_udp_and_a_tcp_socket_of_every_address(bound: list[list[Listener]]) -> None:
    one, two = (f"127.0.0.1:{free_port()}", f"127.0.0.2:{free_port('127.0.0.2')}")
    bound += sockets.bind((one, two), 3)
    assert len(bound) == 3
    for group in bound:
        assert [(item.transport, item.address) for item in group] == [
            ("udp", one), ("tcp", one), ("udp", two), ("tcp", two),
        ]  # fmt: skip
        assert not any(item.socket.get_inheritable() or item.socket.getblocking() for item in group)


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_client_always_meets_the_same_worker_and_neighbours_another(
    bound: list[list[Listener]], workers: int, transport: str
) -> None:
    port = free_port()
    bound += sockets.bind((f"127.0.0.1:{port}",), workers)
    listeners = [next(item.socket for item in group if item.transport == transport) for group in bound]
    met: dict[str, set[int]] = {}
    for round_ in range(3):
        for last in range(10, 30):
            address = f"127.0.31.{last}"
            met.setdefault(address, set()).add(_who_hears(listeners, transport, address, port, round_))
    assert all(len(workers_met) == 1 for workers_met in met.values())
    shares = [sum(at in workers_met for workers_met in met.values()) for at in range(workers)]
    assert max(shares) - min(shares) <= 1, "addresses in a row are dealt out evenly"


def _who_hears(listeners: list[socket.socket], transport: str, source: str, port: int, round_: int) -> int:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as client:
        client.bind((source, 0))
        client.connect(("127.0.0.1", port))
        if transport == "udp":
            client.send(b"x")
        for at, listener in enumerate(listeners):
            try:
                if transport == "udp":
                    assert listener.recvfrom(10)[1][0] == source
                else:
                    listener.accept()[0].close()
            except BlockingIOError:
                continue
            return at
    raise AssertionError(f"nobody heard {source} in round {round_}")


@pytest.mark.skipif(not has_ipv6(), reason="::1 is not there")
def test_ipv6_is_steered_too_and_is_ipv6_only(bound: list[list[Listener]]) -> None:
    port = free_port("::1")
    bound += sockets.bind((f"[::1]:{port}",), 2)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("::1", port))
    heard = 0
    for group in bound:
        assert group[0].socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        try:
            heard += group[0].socket.recv(10) == b"x"
        except BlockingIOError:
            continue
    assert heard == 1


def test_a_second_filter_cannot_take_half_of_the_queries(bound: list[list[Listener]]) -> None:
    port = free_port()
    bound += sockets.bind((f"127.0.0.1:{port}",), 2)
    with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port} \(udp\)") as caught:
        sockets.bind((f"127.0.0.1:{port}",), 2)
    assert caught.value.errno == errno.EADDRINUSE
    assert f"another program has it, ss -lpn 'sport = :{port}' shows which" in str(caught.value)


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:53531 \(udp\).*this box has no such address"):
        sockets.bind(("192.0.2.1:53531",), 1)


def test_sockets_for_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    assert sockets.from_systemd(2) == []
    monkeypatch.delenv("LISTEN_PID")
    assert sockets.from_systemd(2) == []


@pytest.mark.parametrize(("passed", "workers"), [(1, 1), (2, 2), (1, 3), (4, 2)])
def test_sockets_that_were_passed_are_dealt_out(passed: int, workers: int) -> None:
    program = (
        f"from filterd.dns import sockets; groups = sockets.from_systemd({workers});"
        "print([[(i.transport, i.address, i.socket.fileno() >= 3) for i in group] for group in groups])"
    )
    wrapper = Path(__file__).parent.parent / "scenarios" / "with_sockets.py"
    port = free_port()
    command = [sys.executable, str(wrapper), str(port), str(passed), sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=20)
    address = f"127.0.0.1:{port}"
    assert done.stdout.strip() == str([[("udp", address, True), ("tcp", address, True)]] * workers), done.stderr


def test_what_a_stream_of_systemd_is_for_its_name_says_or_its_port() -> None:
    assert sockets._stream("tls", 8853) == "tls"
    assert sockets._stream("https", 53) == "https"
    assert sockets._stream("filterd-encrypted.socket", 853) == "tls"
    assert sockets._stream("filterd-encrypted.socket", 443) == "https"
    assert sockets._stream("filterd-dns.socket", 53) == "tcp"
    assert sockets._stream("", 5300) == "tcp"


@pytest.mark.parametrize(
    ("names", "expected"), [("a:tls", ["udp", "tls"]), ("x:https", ["udp", "https"]), ("", ["udp", "tcp"])]
)
def test_sockets_are_told_apart_by_the_names_systemd_gives_them(names: str, expected: list[str]) -> None:
    program = "from filterd.dns import sockets; (group,) = sockets.from_systemd(1); print([i.transport for i in group])"
    wrapper = Path(__file__).parent.parent / "scenarios" / "with_sockets.py"
    command = [sys.executable, str(wrapper), str(free_port()), "1", sys.executable, "-c", program]
    environment = {**os.environ, "LISTEN_FDNAMES": names}
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=20, env=environment)
    assert done.stdout.strip() == str(expected), done.stderr


def test_encrypted_listeners_stand_beside_the_plain_ones(bound: list[list[Listener]]) -> None:
    plain, tls, https = (f"127.0.0.1:{free_port()}" for _ in range(3))
    encrypted = Encrypted("dns.school.example", "c", "k", dot=(tls,), doh=(https,))
    bound += sockets.open_all((plain,), encrypted, 2)
    for group in bound:
        assert [(item.transport, item.address) for item in group] == [
            ("udp", plain), ("tcp", plain), ("tls", tls), ("https", https),
        ]  # fmt: skip


def test_what_cannot_be_had_of_encrypted_dns_is_said_and_the_rest_goes_on(
    bound: list[list[Listener]], caplog: pytest.LogCaptureFixture
) -> None:
    plain, tls = (f"127.0.0.1:{free_port()}" for _ in range(2))
    encrypted = Encrypted("dns.school.example", "c", "k", dot=("192.0.2.1:853", tls))
    bound += sockets.open_all((plain,), encrypted, 1)
    assert [item.transport for item in bound[0]] == ["udp", "tcp", "tls"]
    assert "cannot listen on 192.0.2.1:853 (tls)" in caplog.text
