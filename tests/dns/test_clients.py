"""Clients by address: their class of now, their share of the queries, and a table that does not grow."""

from __future__ import annotations

import dataclasses
import socket

import pytest

from filterd.core.forwarder import Forwarder
from filterd.core.policy import Limits, Policy
from filterd.dns.clients import Clients, client_key, read_key
from tests import schools


def clients_of(policy: Policy = schools.POLICY) -> tuple[Clients, Forwarder]:
    forwarder = schools.forwarder(schools.snapshot(policy), 1, lambda: schools.NOW)
    return Clients(forwarder), forwarder


def key(address: str) -> bytes:
    return client_key((address, "1", "0", "0") if ":" in address else (address, "1"))


@pytest.mark.parametrize(
    ("address", "tier"),
    [
        ("127.0.31.7", "tieu-hoc"), ("127.0.73.7", "thcs"), ("fd00:73::99", "thcs"), ("127.0.200.1", "staff"),
        ("10.99.0.1", "tieu-hoc"), ("::ffff:127.0.73.7", "thcs"),
    ],
)  # fmt: skip
def test_a_client_has_the_tier_of_its_class(address: str, tier: str) -> None:
    clients, _ = clients_of()
    found = clients.find(key(address), 0.0)
    assert found is not None
    assert found.row is not None
    assert found.row.tier == tier
    assert clients.get(key(address)) is found


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_an_address_outside_the_networks_is_counted_and_not_kept(address: str) -> None:
    clients, _ = clients_of()
    assert clients.find(key(address), 0.0) is None
    assert clients.outside == 1
    assert len(clients) == 0


def test_the_box_itself_is_refused_and_not_ignored_where_it_is_outside() -> None:
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, networks=("10.0.0.0/8",)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))
        clients.add_own(sock)
    found = clients.find(key("127.0.0.1"), 0.0)
    assert found is not None
    assert found.row is None
    assert clients.find(key("127.0.0.2"), 0.0) is None


def test_a_policy_that_refuses_unknown_devices_gives_them_no_row() -> None:
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, unknown_client_tier=None))
    found = clients.find(key("10.99.0.1"), 0.0)
    assert found is not None
    assert found.row is None
    assert found.memo == {}


def test_a_new_snapshot_gives_clients_their_new_row_and_keeps_their_tokens() -> None:
    clients, forwarder = clients_of()
    client = clients.find(key("127.0.31.7"), 0.0)
    assert client is not None
    client.tokens = 5
    client.memo[b"x"] = (1e9, b"", [0])
    moved = dataclasses.replace(schools.POLICY.places[0], tier="staff")
    forwarder.use(schools.snapshot(dataclasses.replace(schools.POLICY, places=(moved, *schools.POLICY.places[1:]))))
    clients.renew()
    assert client.memo == {}, "nothing of the old snapshot is answered from the first packet on"
    again = clients.find(key("127.0.31.7"), 1.0)
    assert again is client
    assert client.row is not None
    assert client.row.tier == "staff"
    assert client.tokens == 5


def test_a_client_that_a_new_policy_puts_outside_is_forgotten() -> None:
    clients, forwarder = clients_of()
    clients.find(key("127.0.31.7"), 0.0)
    forwarder.use(schools.snapshot(dataclasses.replace(schools.POLICY, networks=("10.0.0.0/8",))))
    clients.renew()
    assert clients.find(key("127.0.31.7"), 0.0) is None
    assert len(clients) == 0


def test_clients_of_one_class_share_one_memo() -> None:
    clients, _ = clients_of()
    one, two, other = (clients.find(key(a), 0.0) for a in ("127.0.31.7", "127.0.31.8", "127.0.73.7"))
    assert one is not None and two is not None and other is not None
    assert one.memo is two.memo
    assert one.memo is not other.memo


def test_the_table_is_bounded_and_the_oldest_goes_first() -> None:
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, limits=Limits(clients=3)))
    for last in range(1, 6):
        clients.find(key(f"127.0.31.{last}"), 0.0)
    assert len(clients) == 3
    assert [clients.get(key(f"127.0.31.{last}")) is None for last in range(1, 6)] == [True, True, False, False, False]


def test_a_client_with_open_connections_is_not_forgotten() -> None:
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, limits=Limits(clients=3)))
    connected = clients.find(key("127.0.31.1"), 0.0)
    assert connected is not None
    connected.tcp = 1
    for last in range(2, 20):
        clients.find(key(f"127.0.31.{last}"), 0.0)
    assert len(clients) == 3
    assert clients.get(key("127.0.31.1")) is connected


def spend(clients: Clients, address: str, now: float, count: int) -> int:
    """How many of so many queries at one moment are answered."""
    answered = 0
    for _ in range(count):
        client = clients.find(key(address), now)
        assert client is not None
        client.tokens -= 1
        answered += client.tokens >= 0 or clients.refill(client, now)
    return answered


def test_the_rate_limit_is_a_burst_and_then_a_rate() -> None:
    limits = Limits(queries_per_second=10, burst=20)
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, limits=limits))
    assert spend(clients, "127.0.31.7", 100.0, 50) == 20
    assert clients.limited == 30
    assert spend(clients, "127.0.31.7", 100.05, 5) == 0
    assert spend(clients, "127.0.31.7", 101.0, 50) == 10
    assert spend(clients, "127.0.31.7", 1000.0, 50) == 20, "never more than a burst"
    assert spend(clients, "127.0.31.8", 100.0, 20) == 20, "another client has its own"


def test_what_a_client_owes_is_paid_before_it_is_answered_again() -> None:
    limits = Limits(queries_per_second=10, burst=20)
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, limits=limits))
    assert spend(clients, "127.0.31.7", 100.0, 20) == 20
    client = clients.get(key("127.0.31.7"))
    assert client is not None
    client.tokens -= 15
    assert spend(clients, "127.0.31.7", 101.0, 5) == 0
    assert spend(clients, "127.0.31.7", 101.45, 5) == 0
    assert spend(clients, "127.0.31.7", 102.0, 10) == 5


def test_udp_and_tcp_know_a_client_by_the_same_key() -> None:
    assert client_key(("127.0.31.7", "5")) == bytes((127, 0, 31, 7))
    assert client_key(("fe80::1%lo", "5", "0", "1")) == bytes.fromhex("fe80") + bytes(13) + b"\1" + b"\1\0\0\0"


def test_a_link_local_client_comes_with_its_interface() -> None:
    name = socket.if_indextoname(1)
    address, interface = read_key(client_key((f"fe80::1%{name}", "5", "0", "1")))
    assert (str(address), interface) == ("fe80::1", name)
    assert read_key(bytes.fromhex("fe80") + bytes(13) + b"\1" + b"\xff\xff\xff\0")[1] is None
