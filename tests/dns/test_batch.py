"""Many datagrams in one system call: what comes in, from whom, and where replies go."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator

import pytest

from filterd.dns.batch import BATCH, SLOT_BYTES, Batch, Inbox, Outbox, receive_one
from tests.running import has_ipv6


@pytest.fixture(params=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> int:
    if request.param == "ipv6" and not has_ipv6():
        pytest.skip("::1 is not there")
    return socket.AF_INET6 if request.param == "ipv6" else socket.AF_INET


@pytest.fixture
def server(family: int) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def client(server: socket.socket) -> Iterator[socket.socket]:
    with socket.socket(server.family, socket.SOCK_DGRAM) as sock:
        sock.connect(server.getsockname())
        sock.settimeout(5)
        yield sock


def packet(batch: Batch, slot: int) -> bytes:
    at = batch.slots[slot][1]
    return bytes(batch.view[at : at + batch.lengths[slot]])


def test_nothing_waiting_is_zero(server: socket.socket) -> None:
    assert Batch(server).receive() == 0


def test_packets_arrive_whole_in_order_and_with_their_sender(server: socket.socket, client: socket.socket) -> None:
    batch = Batch(server)
    sent = [b"", b"x", bytes(range(256)), b"y" * SLOT_BYTES]
    for data in sent:
        client.send(data)
    assert batch.receive() == len(sent)
    assert [packet(batch, i) for i in range(len(sent))] == sent
    _, _, first, last = batch.slots[0]
    key = bytes(batch.names[first:last])
    wanted = socket.inet_pton(server.family, client.getsockname()[0])
    assert key == (wanted if server.family == socket.AF_INET else wanted + bytes(4))


def test_a_packet_larger_than_a_slot_is_cut_and_harms_no_neighbour(
    server: socket.socket, client: socket.socket
) -> None:
    batch = Batch(server)
    client.send(b"a" * 9000)
    client.send(b"b" * 10)
    assert batch.receive() == 2
    assert packet(batch, 0) == b"a" * SLOT_BYTES
    assert packet(batch, 1) == b"b" * 10


def test_no_more_than_a_batch_comes_at_once_and_none_is_lost(server: socket.socket, client: socket.socket) -> None:
    batch = Batch(server)
    for i in range(BATCH + 5):
        client.send(b"%d" % i)
    assert batch.receive() == BATCH
    assert packet(batch, BATCH - 1) == b"%d" % (BATCH - 1)
    assert batch.receive() == 5
    assert packet(batch, 0) == b"%d" % BATCH


def test_replies_leave_from_their_slots_and_unanswered_ones_are_left_out(
    server: socket.socket, client: socket.socket
) -> None:
    batch = Batch(server)
    for i in range(6):
        client.send(b"%d" % i)
    assert batch.receive() == 6
    for slot in (0, 1, 3, 4):
        at = batch.slots[slot][1]
        reply = b"reply %d" % slot
        batch.view[at : at + len(reply)] = reply
        batch.reply_lengths[slot] = len(reply)
    assert batch.send(0, 2) == 0
    assert batch.send(3, 5) == 0
    assert [client.recv(100) for _ in range(4)] == [b"reply 0", b"reply 1", b"reply 3", b"reply 4"]


def test_a_client_that_cannot_be_reached_costs_only_its_own_reply() -> None:
    family = socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock, socket.socket(family, socket.SOCK_DGRAM) as good:
        good.bind(("127.0.0.1", 0))
        good.settimeout(5)
        sock.bind(("127.0.0.1", 0))
        outbox = Outbox(sock)
        peer = bytes((2, 0)) + good.getsockname()[1].to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8)
        nowhere = bytes((2, 0, 0, 0, 127, 0, 0, 1)) + bytes(8)
        assert outbox.put(peer, b"one") == 0
        outbox.put(nowhere, b"two")
        outbox.put(peer, b"three")
        assert outbox.flush() == 1
        assert [good.recv(10), good.recv(10)] == [b"one", b"three"]


def test_late_replies_go_to_whom_they_are_for_however_many_there_are(
    server: socket.socket, client: socket.socket
) -> None:
    batch, outbox = Batch(server), Outbox(server)
    client.send(b"x")
    assert batch.receive() == 1
    peer = batch.peer(0)
    client.send(b"somebody else's packet in the same slot")
    batch.receive()
    for i in range(BATCH * 2 + 1):
        assert outbox.put(peer, b"%d" % i) == 0
    assert outbox.flush() == 0
    assert [int(client.recv(10)) for _ in range(BATCH * 2 + 1)] == list(range(BATCH * 2 + 1))


@pytest.mark.parametrize("receive", [Inbox().receive, receive_one], ids=["many", "one"])
def test_nothing_there_is_told_from_nobody_there(receive: Callable[[socket.socket], list[bytes] | None]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        theirs.bind(("127.0.0.1", 0))
        ours.connect(theirs.getsockname())
        assert receive(ours) == []
        theirs.sendto(b"one", ours.getsockname())
        theirs.sendto(b"two", ours.getsockname())
        first = receive(ours)
        assert first is not None
        assert first + (receive(ours) or []) == [b"one", b"two"]
        theirs.close()
        ours.send(b"x")
        assert receive(ours) is None
        assert receive(ours) == []


@pytest.mark.parametrize("asked", ["127.0.0.9", "127.0.31.7"])
def test_a_socket_on_all_addresses_answers_from_the_one_that_was_asked(asked: str) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("0.0.0.0", 0))
        server.setblocking(False)
        batch, outbox = Batch(server), Outbox(server)
        client.settimeout(5)
        for round_ in range(3):  # what the kernel wrote into the control length must not shorten the next one
            client.sendto(b"question", (asked, server.getsockname()[1]))
            wait_readable(server)
            assert batch.receive() == 1
            late = batch.peer(0)
            batch.reply_lengths[0] = 8
            assert batch.send(0, 1) == 0
            assert client.recvfrom(100)[1][0] == asked, round_
            assert outbox.put(late, b"late") == 0 and outbox.flush() == 0
            assert client.recvfrom(100) == (b"late", (asked, server.getsockname()[1]))


def wait_readable(sock: socket.socket) -> None:
    assert select.select([sock], [], [], 5)[0]
