"""Upstream URLs: what is taken, what is refused and how it says so; which zone goes where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from filterd.core.policy import Route, Upstream
from filterd.core.servers import Server, is_near, parse, plan
from tests import schools


@pytest.mark.parametrize(
    ("upstream", "server"),
    [
        (Upstream("udp://9.9.9.9"), Server("udp", "9.9.9.9", 53, "", ("9.9.9.9",))),
        (Upstream("tcp://[2620:FE::fe]:5353"), Server("tcp", "2620:fe::fe", 5353, "", ("2620:fe::fe",))),
        (
            Upstream("tls://DNS.quad9.net", ("9.9.9.9", "2620:fe::fe")),
            Server("tls", "dns.quad9.net", 853, "", ("9.9.9.9", "2620:fe::fe")),
        ),
        (Upstream("https://9.9.9.9"), Server("https", "9.9.9.9", 443, "/dns-query", ("9.9.9.9",))),
        (
            Upstream("https://dns.example:8443/q", ("192.0.2.1",), "/etc/ca.pem"),
            Server("https", "dns.example", 8443, "/q", ("192.0.2.1",), "/etc/ca.pem"),
        ),
    ],
    ids=lambda value: value.url if isinstance(value, Upstream) else "",
)
def test_a_url_is_read(upstream: Upstream, server: Server) -> None:
    assert parse(upstream) == server


@pytest.mark.parametrize(
    ("upstream", "says"),
    [
        (Upstream("9.9.9.9"), "is not an upstream"),
        (Upstream("quic://9.9.9.9"), "is not an upstream"),
        (Upstream("udp://9.9.9.9/path"), "is not an upstream"),
        (Upstream("udp://9.9.9.9:99999"), "is not an upstream"),
        (Upstream("udp://user@9.9.9.9"), "is not an upstream"),
        (Upstream("https://9.9.9.9/dns-query{?dns}#x"), "is not an upstream"),
        (Upstream("tls://dns.quad9.net"), "add its addresses"),
        (Upstream("tls://dns.quad9.net", ("dns.quad9.net",)), "is not an address"),
        (Upstream("tls://bad name", ("9.9.9.9",)), "not a domain name"),
        (Upstream("udp://9.9.9.9", (), "ca.pem"), "ca means nothing"),
    ],
    ids=lambda value: value.url if isinstance(value, Upstream) else "",
)
def test_a_bad_url_is_refused_with_its_reason(upstream: Upstream, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(upstream)


def test_a_zone_goes_to_its_own_servers_and_no_server_is_there_twice() -> None:
    inside = Upstream("udp://10.0.0.5")
    policy = replace(schools.POLICY, routes=(Route("truong.lan", (inside,)), Route("10.in-addr.arpa", (inside,))))
    found = plan(policy)
    assert found.servers == (*policy.upstreams, inside)
    assert found.routes == {b"": (0, 1), b"lan.truong.": (2,), b"arpa.in-addr.10.": (2,)}


def test_the_command_line_replaces_upstreams_but_no_route() -> None:
    policy = replace(schools.POLICY, routes=(Route("truong.lan", (Upstream("udp://10.0.0.5"),)),))
    found = plan(policy, ("udp://127.0.0.9:53",))
    assert [server.url for server in found.servers] == ["udp://127.0.0.9:53", "udp://10.0.0.5"]


@pytest.mark.parametrize(
    ("address", "near"),
    [("127.0.0.1", True), ("192.168.1.1", True), ("fd00::1", True), ("::1", True), ("9.9.9.9", False),
     ("2620:fe::fe", False)],
)  # fmt: skip
def test_near_is_the_box_or_a_private_network(address: str, near: bool) -> None:
    assert is_near(address) is near
