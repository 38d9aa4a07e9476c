"""Names of devices from the files of DHCP servers: dnsmasq's leases and Kea's CSV (memfile).

Pure: bytes and a moment in, leases out. A device chooses its name itself and the server may be writing the file just
now, so nothing here fails: what is no lease, half a line at the end included, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

MAX_LEASES: Final = 10_000
FOREVER: Final = float("inf")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
# Names by which devices look for a proxy or a tunnel: whoever calls itself so would be given their traffic.
_NOT_FOR_DEVICES = frozenset({"wpad", "isatap", "localhost"})
_KEA_HEADER = b"address,"
_KEA_FOREVER = str(0xFFFFFFFF)  # valid lifetime without end, RFC 2131 section 3.3
_KEA_COLUMNS = frozenset({"address", "valid_lifetime", "expire", "hostname", "state"})


class Lease(NamedTuple):
    """`address` in its one normal text form; `name` one clean label, or "" for a device without; `until` Unix seconds.

    A lease that is no more (given back, declined) has an `until` of 0.
    """

    address: str
    name: str
    until: float


def read(files: Iterable[bytes]) -> list[Lease]:
    """The leases of some files, oldest file first: of an address the last entry counts, at its first place."""
    found: dict[str, Lease] = {}
    for data in files:
        lines = data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").split("\n")
        for lease in _kea(lines) if data.startswith(_KEA_HEADER) else _dnsmasq(lines):
            if lease.address in found or len(found) < MAX_LEASES:
                found[lease.address] = lease
    return list(found.values())


def names_at(leases: Iterable[Lease], now: float) -> tuple[tuple[str, str], ...]:
    """(host label, address) of what is leased at `now` (Unix seconds). Where two devices use one name, the first in the
    file has it; a device has at most one address of a family.
    """
    taken: dict[tuple[str, bool], str] = {}
    for lease in leases:
        if lease.name and lease.until > now:
            taken.setdefault((lease.name, ":" in lease.address), lease.address)
    return tuple((name, address) for (name, _), address in taken.items())


def next_end(leases: Iterable[Lease], now: float) -> float:
    """When the first of the leases at `now` ends, in Unix seconds."""
    return min((lease.until for lease in leases if lease.until > now), default=FOREVER)


def label_of(hostname: str) -> str:
    """A device's name as one label: of a full name the first, in lower case, without what is no letter, digit or '-'.

    "" where nothing is left, or where a device must not have that name.
    """
    first = hostname.partition(".")[0].lower()
    label = "".join([c for c in first if c in _PLAIN])[:63].strip("-")
    return "" if label in _NOT_FOR_DEVICES else label


def _dnsmasq(lines: list[str]) -> Iterator[Lease]:
    """`1700000000 aa:bb:cc:dd:ee:ff 192.168.1.50 laptop *`: end (0: none), MAC or IAID, address, name, client id."""
    for line in lines:
        fields = line.split(" ")
        if len(fields) >= 4 and fields[0].isdecimal():
            yield from _lease(fields[2], fields[3], float(fields[0]) or FOREVER)


def _kea(lines: list[str]) -> Iterator[Lease]:
    """Columns by the names in the header; later versions of Kea have more of them. Commas in a field are escaped."""
    columns = {name: at for at, name in enumerate(lines[0].strip().split(","))}
    if not columns.keys() >= _KEA_COLUMNS:
        return
    address, lifetime, expire = columns["address"], columns["valid_lifetime"], columns["expire"]
    hostname, state, kind = columns["hostname"], columns["state"], columns.get("lease_type")
    for line in lines[1:]:
        fields = line.rstrip("\r").split(",")
        if len(fields) != len(columns) or not (fields[lifetime].isdecimal() and fields[expire].isdecimal()):
            continue
        if kind is not None and fields[kind] != "0":  # a delegated prefix is nobody's address
            continue
        until = FOREVER if fields[lifetime] == _KEA_FOREVER else float(fields[expire])
        gone = fields[state] != "0" or fields[lifetime] == "0"
        yield from _lease(fields[address], fields[hostname], 0.0 if gone else until)


def _lease(address: str, hostname: str, until: float) -> Iterator[Lease]:
    try:
        yield Lease(str(ip_address(address)), label_of(hostname), until)
    except ValueError:  # no address: the server's own id (`duid` lines of dnsmasq), or no lease at all
        return
