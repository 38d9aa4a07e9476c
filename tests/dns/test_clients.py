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


def spend(clients: Clients, address: str, now: float, count: int, proven: bool = False) -> int:
    """How many of so many queries at one moment are answered."""
    answered = 0
    for _ in range(count):
        client = clients.find(key(address), now)
        assert client is not None
        client.tokens -= 1
        if client.tokens >= 0 or clients.refill(client, now, proven):
            answered += 1
        else:
            clients.over(client)
    return answered


def test_the_rate_limit_is_a_burst_and_then_a_rate() -> None:
    limits = Limits(queries_per_second=10, burst=20)
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, limits=limits))
    assert spend(clients, "127.0.31.7", 100.0, 50) == 20
    assert clients.limited == 30
    assert spend(clients, "127.0.31.7", 100.05, 5) == 0
    assert spend(clients, "127.0.31.7", 101.0, 50) == 10
    assert spend(clients, "127.0.31.7", 1000.0, 50) == 20, "never more than a burst"
    assert spend(clients, "127.0.31.8", 1000.0, 20) == 20, "another client has its own"


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


def test_a_debt_larger_than_a_burst_is_paid_in_time() -> None:
    clients, _ = clients_of(schools.with_limits(queries_per_second=10, burst=20))
    assert spend(clients, "127.0.31.7", 100.0, 20) == 20
    client = clients.get(key("127.0.31.7"))
    assert client is not None
    client.tokens -= 45
    assert [spend(clients, "127.0.31.7", now, 3) for now in (102.0, 104.0, 105.0)] == [0, 0, 3]


def test_the_addresses_of_a_prefix_share_what_it_may_have() -> None:
    clients, _ = clients_of(schools.with_limits(burst=50, prefix_queries_per_second=10, prefix_burst=200))
    asked = [spend(clients, f"127.0.31.{last}", 100.0, 50) for last in range(1, 11)]
    assert sum(asked) == 200
    assert (clients.limited, clients.prefix_limited) == (0, 300)
    assert spend(clients, "127.0.32.1", 100.0, 50) == 50, "a neighbour has its own"
    assert sum(spend(clients, f"127.0.31.{last}", 105.0, 50) for last in range(11, 21)) == 50
    assert sum(spend(clients, f"127.0.31.{last}", 1000.0, 50) for last in range(21, 31)) == 200, "never more"


def test_made_up_addresses_get_no_more_than_their_prefix_may_have() -> None:
    policy = schools.with_limits(clients=100, prefix_queries_per_second=100, prefix_burst=400)
    clients, _ = clients_of(policy)
    answered = sum(spend(clients, f"fd00:31::{i:x}", 100.0, 1) for i in range(1000))
    assert answered == 100, "each new address takes a small lump"
    assert len(clients) == 100


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("127.0.31.1", "127.0.31.254", True), ("127.0.31.1", "127.0.32.1", False),
        ("fd00:0:0:1200::1", "fd00:0:0:12ff:ffff::2", True), ("fd00:0:0:1200::1", "fd00:0:0:1300::1", False),
        ("::ffff:127.0.31.1", "127.0.31.9", True), ("::ffff:127.0.31.1", "::ffff:127.0.32.1", False),
    ],
)  # fmt: skip
def test_a_prefix_is_24_bits_of_ipv4_and_56_of_ipv6(one: str, other: str, shared: bool) -> None:
    clients, _ = clients_of()
    first, second = (clients.find(key(address), 0.0) for address in (one, other))
    assert first is not None and second is not None
    assert (first.prefix is second.prefix) == shared


def test_link_local_clients_of_two_interfaces_are_two_prefixes() -> None:
    clients, _ = clients_of(dataclasses.replace(schools.POLICY, networks=("fe80::/10",)))
    found = [clients.find(client_key(("fe80::1", "5", "0", scope)), 0.0) for scope in ("1", "1", "2")]
    one, same, other = (client.prefix for client in found if client is not None)
    assert one is same
    assert one is not other


def test_the_box_itself_does_not_suffer_with_its_neighbours() -> None:
    clients, _ = clients_of(schools.with_limits(prefix_burst=40))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        clients.add_own(sock)
    assert spend(clients, "127.0.0.2", 100.0, 50) == 40
    assert spend(clients, "127.0.0.1", 100.0, 5) == 5


def test_over_tcp_the_prefix_does_not_count() -> None:
    clients, _ = clients_of(schools.with_limits(prefix_burst=40))
    assert spend(clients, "127.0.31.1", 100.0, 50) == 40
    assert spend(clients, "127.0.31.2", 100.0, 5) == 0
    assert spend(clients, "127.0.31.2", 100.0, 50, proven=True) == 50


def test_packets_in_its_name_leave_a_client_its_reserve_over_tcp() -> None:
    clients, _ = clients_of(schools.with_limits(queries_per_second=10, burst=40))
    assert spend(clients, "127.0.31.1", 100.0, 500) == 40
    assert spend(clients, "127.0.31.1", 100.0, 500, proven=True) == 40
    assert clients.limited == 920
    assert spend(clients, "127.0.31.1", 101.0, 50) == 10
    assert spend(clients, "127.0.31.1", 101.0, 50, proven=True) == 10


def test_the_reserve_is_not_for_who_owes() -> None:
    clients, _ = clients_of(schools.with_limits(queries_per_second=10, burst=40))
    assert spend(clients, "127.0.31.1", 100.0, 40, proven=True) == 40
    client = clients.get(key("127.0.31.1"))
    assert client is not None
    client.tokens -= 15
    assert spend(clients, "127.0.31.1", 101.0, 5, proven=True) == 0


COOKIE = b"\1\2\3\4\5\6\7\x08"


def asked_with(cookie: bytes) -> bytes:
    option = b"\0\x0a" + len(cookie).to_bytes(2, "big") + cookie
    return schools.query(edns=schools.OPT[:-2] + len(option).to_bytes(2, "big") + option)


def test_a_server_cookie_of_ours_proves_a_client_and_no_other_does() -> None:
    clients, forwarder = clients_of(schools.with_limits(burst=40, prefix_burst=40))
    forwarder.use_secrets((bytes(16),))
    assert forwarder.cookies is not None
    clients = Clients(forwarder, lambda: schools.NOW)
    assert spend(clients, "127.0.31.1", 100.0, 40) == 40
    address = key("127.0.31.2")
    client = clients.find(address, 100.0)
    assert client is not None
    good = forwarder.cookies.answer(COOKIE, address, schools.NOW)[4:]
    for refused in (COOKIE, good[:-1] + b"\0", good + b"\0", forwarder.cookies.answer(COOKIE, b"", schools.NOW)[4:]):
        assert not clients.prove(client, address, asked_with(refused), 100.0)
    for junk in (b"", b"\0\x0a\0\x18", schools.query(), asked_with(good)[:-1], b"\xff" * 60 + b"\0\x0a\0\x18"):
        assert not clients.prove(client, address, junk, 100.0)
    assert clients.prove(client, address, asked_with(good), 100.0)
    assert client.tokens > 0


def test_without_secrets_no_cookie_proves_anything() -> None:
    clients, forwarder = clients_of()
    client = clients.find(key("127.0.31.1"), 0.0)
    assert client is not None
    assert forwarder.cookies is None
    assert not clients.prove(client, key("127.0.31.1"), asked_with(COOKIE * 3), 0.0)


@pytest.mark.parametrize(("slip", "heard"), [(0, 0), (1, 30), (2, 15), (10, 3)])
def test_every_so_many_th_query_over_the_limit_hears_of_it(slip: int, heard: int) -> None:
    clients, _ = clients_of(schools.with_limits(burst=20, queries_per_second=1, slip=slip))
    assert spend(clients, "127.0.31.7", 100.0, 20) == 20
    client = clients.get(key("127.0.31.7"))
    assert client is not None
    assert sum(clients.over(client) for _ in range(30)) == heard
    assert clients.limited == 30
