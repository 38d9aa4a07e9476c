"""The data of one SVCB or HTTPS record, read and written (RFC 9460 section 2.2).

Part of `wire`: bounds-checked, raises nothing but WireError. TargetName may not be compressed, so the data means the
same wherever it stands.
"""

from __future__ import annotations

from typing import Final

from filterd.errors import WireError

MANDATORY: Final = 0
ALPN: Final = 1
NO_DEFAULT_ALPN: Final = 2
PORT: Final = 3
IPV4HINT: Final = 4
ECH: Final = 5  # RFC 9848
IPV6HINT: Final = 6
DOHPATH: Final = 7  # RFC 9461
ADDRESS_BYTES: Final = {IPV4HINT: 4, IPV6HINT: 16}

Params = list[tuple[int, bytes]]  # (SvcParamKey, SvcParamValue), keys ascending


def read(packet: bytes, at: int, end: int) -> tuple[int, bytes, Params]:
    """SvcPriority (0: AliasMode), TargetName as sent, and the parameters of the data in `packet[at:end]`.

    Raises WireError for a compressed TargetName, for lengths that do not fit, for keys out of order, and for a list of
    keys, protocols or addresses that is none: such a record is malformed, and clients must not use it.
    """
    name = at + 2
    at = _name_end(packet, name, end)
    target = packet[name:at]
    params: Params = []
    last = -1
    while at < end:
        value = at + 4
        if value > end:
            raise WireError("half a SvcParam")
        key = packet[at] << 8 | packet[at + 1]
        at = value + (packet[at + 2] << 8 | packet[at + 3])
        if at > end:
            raise WireError("a SvcParam runs over the end")
        if key <= last:
            raise WireError("SvcParams are not in order")
        last = key
        params.append((key, packet[value:at]))
        if key <= IPV6HINT:
            _check(key, at - value, packet[value:at])
    return packet[name - 2] << 8 | packet[name - 1], target, params


def _name_end(packet: bytes, at: int, end: int) -> int:
    start = at
    while at < end:
        length = packet[at]
        at += 1 + length
        if length == 0:
            return at
        if length > 63:
            raise WireError("a compressed TargetName")
        if at - start > 254:
            raise WireError("name longer than 255 bytes")
    raise WireError("a TargetName runs over the end")


def _check(key: int, size: int, value: bytes) -> None:
    if key == ALPN:
        protocols(value)
    elif key == MANDATORY:
        if not size or size % 2:
            raise WireError("a list of keys that is none")
    elif key in ADDRESS_BYTES and (not size or size % ADDRESS_BYTES[key]):
        raise WireError("address hints of the wrong length")


def protocols(value: bytes) -> list[bytes]:
    """The protocol ids in the value of `alpn` (RFC 9460 section 7.1.1). Raises WireError."""
    found = []
    at = 0
    while at < len(value):
        end = at + 1 + value[at]
        if end == at + 1 or end > len(value):
            raise WireError("a list of protocols that is none")
        found.append(value[at + 1 : end])
        at = end
    if not found:
        raise WireError("a list of protocols that is none")
    return found


def keys(value: bytes) -> list[int]:
    """The SvcParamKeys in the value of `mandatory` (RFC 9460 section 8)."""
    return [value[at] << 8 | value[at + 1] for at in range(0, len(value), 2)]


def hints(params: Params) -> list[bytes]:
    """The packed addresses in `ipv4hint` and `ipv6hint`."""
    found = []
    for key, value in params:
        if key in (IPV4HINT, IPV6HINT):
            size = ADDRESS_BYTES[key]
            found += [value[at : at + size] for at in range(0, len(value), size)]
    return found


def write(priority: int, target: bytes, params: Params) -> bytes:
    """The data of a record; `target` is a wire name."""
    parts = [priority.to_bytes(2, "big"), target]
    for key, value in params:
        parts += [key.to_bytes(2, "big"), len(value).to_bytes(2, "big"), value]
    return b"".join(parts)
