"""Words of the YAML as values: durations, sizes, clock times, dates, addresses, networks, ids, names, URLs.

Each function takes what the YAML said and returns a plain value, or raises ValueError saying what was seen and what
was expected. Nothing here knows files or pydantic, so flags of commands can be parsed by the same functions.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import re
import zoneinfo
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from filterd.core import names, servers
from filterd.core.policy import Upstream
from filterd.errors import NameSyntaxError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}")
_PHONE = re.compile(r"\+?[0-9][0-9 .()-]{1,24}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")


def shown(value: object) -> str:
    """A value as messages quote it: one line, at most 60 characters."""
    if value is None or isinstance(value, dict | list):
        return {"NoneType": "nothing", "dict": "a map", "list": "a list"}[type(value).__name__]
    text = repr(value)
    return text if len(text) <= 60 else text[:56] + "...'"


def duration(value: object) -> int:
    """`"90s"`, `"15m"`, `"24h"`, `"7d"` as seconds."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a duration; write a whole number and s, m, h or d, such as 15m")
    return int(match[1]) * _SECONDS[match[2]]


def size(value: object) -> int:
    """`"512KiB"`, `"8MiB"` as bytes."""
    match = re.fullmatch(r"([0-9]{1,12})(B|KiB|MiB|GiB)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a size; write a whole number and KiB, MiB or GiB, such as 8MiB")
    return int(match[1]) * _BYTES[match[2]]


def percent(value: object) -> float:
    """`"20%"` as 0.2."""
    match = re.fullmatch(r"([0-9]{1,4})%", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a percentage; write a whole number and %, such as 20%")
    return int(match[1]) / 100


def clock(value: object) -> int:
    """`"08:45"` as minutes after midnight; 24-hour clock."""
    match = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a time of day; write 00:00 to 23:59, such as 08:45")
    return int(match[1]) * 60 + int(match[2])


def day(value: object) -> datetime.date:
    """`2026-12-31` as a date, from 2020 to 2099."""
    if isinstance(value, str) and re.fullmatch(r"20[2-9][0-9]-[0-9]{2}-[0-9]{2}", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not in the calendar") from None
    raise ValueError(f"{shown(value)} is not a date; write year-month-day, such as 2026-12-31")


def identifier(value: str) -> str:
    """An id: a-z, 0-9 and '-', at most 40 characters."""
    if _ID.fullmatch(value):
        return value
    plain = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:40].strip("-")
    hint = f"; {plain!r} would do" if plain else ""
    raise ValueError(f"{shown(value)} is not an id: a-z, 0-9 and '-' only, at most 40 characters{hint}")


def network(value: str) -> str:
    """`192.168.31.0/24` or `fd00:31::/64` in its normal form; a bare address is that one host."""
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        nearest = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a network; write ADDRESS/BITS, such as 192.168.31.0/24") from None
    raise ValueError(f"{shown(value)} has bits set after the prefix; did you mean {str(nearest)!r}?")


def ipv4(value: str) -> str:
    """An IPv4 address in its normal form."""
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not an IPv4 address, such as 192.168.1.1") from None


def ipv6(value: str) -> str:
    """An IPv6 address in its normal form, without a scope."""
    try:
        found = ipaddress.IPv6Address(value)
    except ValueError:
        found = None
    if found is None or found.scope_id:
        raise ValueError(f"{shown(value)} is not an IPv6 address, such as fd00::1")
    return str(found)


def endpoint(value: str) -> str:
    """`127.0.0.1:5300` or `[::1]:5300` in its normal form; a host name is not accepted."""
    host, colon, port = value.rpartition(":")
    expected = f"{shown(value)} is not ADDRESS:PORT, such as 127.0.0.1:53 or [::1]:53"
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ValueError(expected)
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError(expected) from None
    if bracketed != (address.version == 6):
        raise ValueError(expected)
    return f"[{address}]:{int(port)}" if bracketed else f"{address}:{int(port)}"


def upstream(url: str, addresses: tuple[str, ...] = (), ca: str | None = None) -> Upstream:
    """A resolver with its URL in full: `udp://9.9.9.9` is `udp://9.9.9.9:53`."""
    server = servers.parse(Upstream(url, addresses, ca))
    host = f"[{server.name}]" if ":" in server.name else server.name
    own = (server.name,) if server.name in server.addresses else ()
    told = server.addresses if server.addresses != own else ()
    return Upstream(f"{server.transport}://{host}:{server.port}{server.path}", told, ca)


def zone(value: str) -> str:
    """A domain, also of one label such as `lan`, or a network, which stands for its reverse zone
    (RFC 1035 section 3.5, RFC 3596 section 2.5).
    """
    if "/" not in value or "://" in value:
        return domain(value)
    found = ipaddress.ip_network(network(value))
    step = 8 if found.version == 4 else 4
    if found.prefixlen == 0 or found.prefixlen % step:
        parts = list(found.subnets(new_prefix=found.prefixlen - found.prefixlen % step + step))
        listed = f"its {len(parts)} networks {parts[0]} to {parts[-1]}, one by one"
        raise ValueError(
            f"{str(found)!r} is no reverse zone of its own: those end at every {step} bits; write {listed}"
        )
    labels = found.network_address.reverse_pointer.split(".")
    return ".".join(labels[(found.max_prefixlen - found.prefixlen) // step :])


def interface(value: str) -> str:
    """The name of a network interface, such as `eth0.31`."""
    if not _INTERFACE.fullmatch(value):
        raise ValueError(f"{shown(value)} is not the name of a network interface, such as eth0.31")
    return value


def time_zone(value: str) -> str:
    """A zone of the IANA database."""
    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(f"{shown(value)} is not a time zone; write Area/City, such as Asia/Ho_Chi_Minh") from None
    return value


def phone(value: str) -> str:
    """A telephone number as people dial it."""
    if not _PHONE.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a telephone number")
    return value


def web_url(value: str) -> str:
    """An http: or https: URL with a host and no user, spaces or control characters."""
    try:
        parts = urlsplit(value)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_ok = urlsplit(""), False
    plain = value.isascii() and value.isprintable() and " " not in value
    if parts.scheme not in ("http", "https") or not port_ok or not plain or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError(f"{shown(value)} is not a URL, such as https://example.org/list.txt")
    if parts.username is not None:
        raise ValueError(f"{shown(value)} holds a user name; such URLs are not accepted")
    return value


def source_url(value: str) -> str:
    """A `web_url`, `file:curated/x.txt` below blocklists/, or `file:///absolute/path`."""
    if not value.startswith("file:"):
        return web_url(value)
    path = value.removeprefix("file:")
    if path.startswith("///"):
        path = path[2:]
    elif path.startswith("/"):
        raise ValueError(f"{shown(value)}: write file:curated/x.txt, below blocklists/, or file:///absolute/path")
    if not path.strip("/") or ".." in path.split("/") or not path.isprintable():
        raise ValueError(f"{shown(value)} names no file; '..' is not accepted")
    return value


def domain(value: str) -> str:
    """A host name of two labels or more, in its normal form (lower case, A-labels)."""
    if re.fullmatch(r"[0-9a-fA-F.:]+/[0-9]{1,3}", value):
        raise ValueError(f"{shown(value)} is a network; names only")
    if "://" in value or "/" in value:
        host = re.sub(r"^[a-z]+:/+", "", value.lower()).partition("/")[0]
        raise ValueError(f"{shown(value)} is a URL; write the name only" + (f": {host}" if host else ""))
    try:
        name = names.normal(value)
    except NameSyntaxError as error:
        raise ValueError(str(error)) from None
    if name.rpartition(".")[2].isdigit():
        raise ValueError(f"{shown(value)} is an address; names only")
    return name


def rule_name(value: str) -> str:
    """A name as policies hold it: `example.com` and all below it, or `=example.com` exactly that name.

    `*.example.com` means the first. Refuses public suffixes (https://publicsuffix.org, ICANN part) unless exact:
    `com.vn` would open or close every company of the country.
    """
    if value.startswith("="):
        return "=" + domain(value[1:])
    name = domain(value.removeprefix("*."))
    if is_public_suffix(name):
        raise ValueError(f"{name!r} is a public suffix: it would cover every site below it; name the sites")
    return name


def is_public_suffix(name: str) -> bool:
    """Whether everybody can register names directly below this one; unknown top-level names count too."""
    return _suffixes().publicsuffix(name) == name


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)
