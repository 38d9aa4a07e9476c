"""The value of a DNS record as people write it, checked and packed to RDATA as it travels (RFC 1035 section 3.3).

Text in, bytes out; nothing here knows files. `schema_local` checks with it, `compile_local` packs with it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import dnslib

from filterd.config import units

A, CNAME, PTR, MX, TXT, AAAA, SRV = 1, 5, 12, 15, 16, 28, 33
TYPES = {"A": A, "AAAA": AAAA, "PTR": PTR, "CNAME": CNAME, "TXT": TXT, "SRV": SRV, "MX": MX}
_STRING_BYTES = 255  # of one character-string, RFC 1035 section 3.3


def owner(kind: str, name: str) -> str:
    """The name a record stands at; that of a PTR may be written as the address it is about."""
    if kind == "PTR":
        try:
            return ipaddress.ip_address(name).reverse_pointer
        except ValueError:
            pass
    return units.domain(name)


def rdata(kind: str, value: str) -> bytes:
    """Uncompressed RDATA of a value. Raises ValueError saying what the type expects."""
    buffer = dnslib.DNSBuffer()
    _MAKERS[kind](value).pack(buffer)
    return bytes(buffer.data)


def address(value: str) -> tuple[str, str]:
    """An address with its type, for records and for `hosts`: ("AAAA", "fd00::1")."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        found = None
    if found is None or "%" in value:
        raise ValueError(f"{units.shown(value)} is not an address, such as 192.168.1.20 or fd00::20")
    return ("A" if found.version == 4 else "AAAA"), str(found)


def _a(value: str) -> dnslib.RD:
    return dnslib.A(units.ipv4(value))


def _aaaa(value: str) -> dnslib.RD:
    return dnslib.AAAA(units.ipv6(value))


def _cname(value: str) -> dnslib.RD:
    return dnslib.CNAME(units.domain(value))


def _txt(value: str) -> dnslib.RD:
    data = value.encode("utf-8")
    parts = [data[at : at + _STRING_BYTES] for at in range(0, len(data), _STRING_BYTES)]
    return dnslib.TXT(parts or [b""])


def _mx(value: str) -> dnslib.RD:
    (preference,), host = _numbers(value, 1, "PREFERENCE HOST, such as 10 mail.truong.lan")
    return dnslib.MX(host, preference)


def _srv(value: str) -> dnslib.RD:
    (priority, weight, port), host = _numbers(value, 3, "PRIORITY WEIGHT PORT HOST, such as 0 100 389 dc1.truong.lan")
    return dnslib.SRV(priority, weight, port, host)


def _numbers(value: str, count: int, expected: str) -> tuple[list[int], str]:
    """So many 16-bit numbers and a host name; "." is a host that means "no such service" (RFC 2782, RFC 7505)."""
    words = value.split()
    numbers = [int(word) for word in words[:count] if word.isascii() and word.isdigit() and len(word) < 6]
    if len(words) != count + 1 or len(numbers) != count or max(numbers) > 0xFFFF:
        raise ValueError(f"{units.shown(value)} is not {expected}")
    return numbers, words[-1] if words[-1] == "." else units.domain(words[-1])


_MAKERS: dict[str, Callable[[str], dnslib.RD]] = {
    "A": _a,
    "AAAA": _aaaa,
    "PTR": _cname,
    "CNAME": _cname,
    "TXT": _txt,
    "SRV": _srv,
    "MX": _mx,
}
