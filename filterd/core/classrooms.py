"""Which place an address belongs to: longest prefix over the subnets of all classrooms and rooms, IPv4 and IPv6.

Identity is the packet's source address alone; link-local clients (fe80::/10) are told apart by receiving interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from filterd.core.policy import Place

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(text: str) -> Address:
    """A socket's peer address: scope stripped, IPv4-mapped IPv6 as IPv4. Raises ValueError."""
    return plain_address(ip_address(text.partition("%")[0]))


def plain_address(address: Address) -> Address:
    """An IPv4-mapped IPv6 address as the IPv4 address it is."""
    return (address.version == 6 and address.ipv4_mapped) or address


class Prefixes:
    """An immutable longest-prefix map from networks to indexes."""

    def __init__(self, networks: Iterable[tuple[Network, int]]) -> None:
        levels: dict[tuple[int, int], dict[int, int]] = {}
        for network, index in networks:
            shift = network.max_prefixlen - network.prefixlen
            levels.setdefault((network.version, shift), {})[int(network.network_address) >> shift] = index
        self._levels = sorted(levels.items(), key=lambda level: level[0][1])

    def find(self, address: Address) -> int | None:
        """The index of the longest network that holds `address`, or None."""
        number = int(address)
        for (version, shift), table in self._levels:
            if version == address.version:
                found = table.get(number >> shift)
                if found is not None:
                    return found
        return None


class Classrooms:
    """Places by address and by interface, and the networks that may ask at all."""

    def __init__(self, places: tuple[Place, ...], networks: tuple[str, ...]) -> None:
        self.places = places
        self._prefixes = Prefixes((ip_network(net), i) for i, place in enumerate(places) for net in place.subnets)
        self._interfaces = {name: i for i, place in enumerate(places) for name in place.interfaces}
        self._networks = Prefixes((ip_network(net), 0) for net in networks)

    def find(self, address: Address, interface: str | None = None) -> int | None:
        """Index of the place an address is in; link-local addresses go by the interface they came in on."""
        if interface is not None and address.is_link_local:
            return self._interfaces.get(interface)
        return self._prefixes.find(address)

    def may_ask(self, address: Address) -> bool:
        """Whether the address is inside the school's networks (link-local is always on the school's own wire)."""
        return self._networks.find(address) is not None or (address.version == 6 and address.is_link_local)
