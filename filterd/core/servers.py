"""Upstream URLs as values, and which upstream is asked for which zone. Pure: nothing is resolved or opened here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from filterd.core import names
from filterd.core.policy import Policy, Upstream
from filterd.errors import NameSyntaxError

PORTS: Final = {"udp": 53, "tcp": 53, "tls": 853, "https": 443}
ENCRYPTED: Final = ("tls", "https")


class Server(NamedTuple):
    """One upstream, ready to connect to: `addresses` are tried in order, `name` is what its certificate must hold (an
    address, or a name in `names.normal` form). `path` is the URL's for https, else "".
    """

    transport: str
    name: str
    port: int
    path: str
    addresses: tuple[str, ...]
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every server once, and by zone (`names` key; `b""` for all other names) the indexes to ask, best first.

    `mixed[i]`: names go to that server in random case. Not where nobody off-path can send in its name: over streams,
    and on the box or in a private network.
    """

    servers: tuple[Upstream, ...]
    routes: dict[bytes, tuple[int, ...]]
    mixed: tuple[bool, ...] = ()


def parse(upstream: Upstream) -> Server:
    """Raises ValueError saying what is wrong, with an example of what is right."""
    url = upstream.url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong(url) from None
    transport = parts.scheme
    if transport not in PORTS or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise _wrong(url)
    path = parts.path
    if transport == "https":
        path = path or "/dns-query"
    elif path:
        raise _wrong(url)
    addresses = tuple(_address(url, each) for each in upstream.addresses)
    try:
        name = str(ipaddress.ip_address(host))
    except ValueError:
        try:
            name = names.normal(host)
        except NameSyntaxError as error:
            raise ValueError(f"{url!r}: {error}") from None
        if not addresses:
            raise ValueError(f"{url!r} holds a name; add its addresses, as addresses: [9.9.9.9]") from None
    else:
        addresses = addresses or (name,)
    if upstream.ca is not None and transport not in ENCRYPTED:
        raise ValueError(f"{url!r}: ca means nothing without tls:// or https://")
    return Server(transport, name, port or PORTS[transport], path, addresses, upstream.ca)


def _address(url: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{url!r}: {text!r} is not an address, as 9.9.9.9 or 2620:fe::fe") from None


def _wrong(url: str) -> ValueError:
    examples = "udp://9.9.9.9:53, tcp://[2620:fe::fe]:53, tls://dns.quad9.net or https://dns.quad9.net/dns-query"
    return ValueError(f"{url!r} is not an upstream; write {examples}")


def plan(policy: Policy, instead: tuple[str, ...] = ()) -> Plan:
    """The servers of a policy; `instead`: URLs from the command line in place of its own, its routes stay."""
    servers: list[Upstream] = []

    def indexes(upstreams: tuple[Upstream, ...]) -> tuple[int, ...]:
        for upstream in upstreams:
            if upstream not in servers:
                servers.append(upstream)
        return tuple(dict.fromkeys(servers.index(upstream) for upstream in upstreams))

    own = tuple(Upstream(url) for url in instead) or policy.upstreams
    routes = {b"": indexes(own)}
    for route in policy.routes:
        routes[names.key_of_text(route.zone)] = indexes(route.upstreams)
    mixed = tuple(policy.case_randomisation and _is_far(parse(server)) for server in servers)
    return Plan(tuple(servers), routes, mixed)


def rerouted(before: Plan, after: Plan) -> tuple[bytes, ...]:
    """The zones (wire names) that other servers are asked for now: what was said of them is another's word. Answers of
    the servers for all other names stay, as they may be all there is in an outage.
    """

    def servers(of: Plan, zone: bytes) -> tuple[Upstream, ...] | None:
        return tuple(of.servers[i] for i in of.routes[zone]) if zone in of.routes else None

    zones = (before.routes.keys() | after.routes.keys()) - {b""}
    changed = [names.text_of_key(zone).rstrip(".") for zone in zones if servers(before, zone) != servers(after, zone)]
    return tuple(map(names.wire_of_text, changed))


def is_near(address: str) -> bool:
    """Whether an upstream is on this box or in a private network, where nobody off-path can send with its address."""
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_private or parsed.is_link_local


def _is_far(server: Server) -> bool:
    return server.transport == "udp" and not is_near(server.addresses[0])
