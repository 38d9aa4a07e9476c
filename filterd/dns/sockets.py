"""The listening sockets: bound here, or given by systemd; one of each kind for every worker and address.

The parent owns them all for its whole life and lends each to one worker at a time, so a worker that dies loses no
query: its packets wait in the socket for its replacement. The kernel picks the socket by source address
(`SO_ATTACH_REUSEPORT_CBPF`), so one client always meets the same worker: its limits, its memo, its coalescing.
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import logging
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

from filterd.core.policy import Encrypted

log = logging.getLogger("filterd.dns")

SO_ATTACH_REUSEPORT_CBPF: Final = 51
RECEIVE_BYTES: Final = 4 << 20  # a burst of 64 clients must fit while a worker is being replaced
TCP_BACKLOG: Final = 256
LISTEN_FDS_START: Final = 3  # sd_listen_fds(3)
PLAIN: Final = ("udp", "tcp")
ENCRYPTED: Final = ("tls", "https")
PORTS: Final = {853: "tls", 443: "https"}  # what a stream socket of systemd is for, unless its name says it

_LD_W_ABS, _ALU_XOR_X, _ALU_MOD_K, _RET_A, _TAX = 0x20, 0xAC, 0x94, 0x16, 0x07
_NET_OFFSET: Final = 0xFFF00000  # SKF_NET_OFF: offsets count from the IP header


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket of one worker. `transport` is "udp", "tcp", "tls" (DNS over TLS) or "https" (DNS over HTTPS)."""

    transport: str
    address: str
    socket: socket.socket


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:53` or `[::1]:53` as (host, port). Raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        address = None
    good = colon and port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if address is None or not good or bracketed != (address.version == 6):
        raise ValueError(f"{text!r} is not ADDRESS:PORT, as 192.168.1.1:53 or [fd00::1]:53")
    return str(address), int(port)


def open_all(listen: tuple[str, ...], encrypted: Encrypted | None, workers: int) -> list[list[Listener]]:
    """For each worker its listeners: those systemd passed, else bound here. Raises OSError for plain DNS; what of
    encrypted DNS cannot be had is logged, and plain DNS goes on.
    """
    groups = from_systemd(workers)
    wanted = {"tls": encrypted.dot, "https": encrypted.doh} if encrypted is not None else {}
    if groups:
        passed = {listener.transport for group in groups for listener in group}
        for transport in sorted(transport for transport in wanted if wanted[transport] and transport not in passed):
            log.error("systemd passed no socket for %s: enable filterd-encrypted.socket", transport)
        return groups
    groups = bind(listen, workers)
    for transport, addresses in wanted.items():
        for address in addresses:
            try:
                more = bind((address,), workers, (transport,))
            except OSError as error:
                log.error("%s", error.strerror)
                continue
            for group, listeners in zip(groups, more, strict=True):
                group += listeners
    return groups


def bind(addresses: tuple[str, ...], workers: int, transports: tuple[str, ...] = PLAIN) -> list[list[Listener]]:
    """For each worker one listener per address and transport. Raises OSError naming the address.

    SO_REUSEPORT would let a second filter of the same user join in and take half of the queries, so each address is
    first bound without it.
    """
    groups: list[list[Listener]] = [[] for _ in range(workers)]
    for text in addresses:
        host, port = parse_address(text)
        for transport in transports:
            kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
            try:
                _bound(host, port, kind, shared=False).close()
                members = [_bound(host, port, kind) for _ in groups]
            except OSError as error:
                why = f"{error.strerror}{_hint(error.errno, port)}"
                raise OSError(error.errno, f"cannot listen on {text} ({transport}): {why}") from None
            for group, member in zip(groups, members, strict=True):
                group.append(Listener(transport, text, member))
            steer(members)
    return groups


def _hint(number: int | None, port: int) -> str:
    """What a technician can do about it."""
    hints = {
        errno.EADDRINUSE: f"; another program has it, ss -lpn 'sport = :{port}' shows which",
        errno.EADDRNOTAVAIL: "; this box has no such address, `ip address` shows those it has",
        errno.EACCES: "; ports below 1024 are for systemd to open (filterd-dns.socket)",
    }
    return hints.get(number or 0, "")


def _bound(host: str, port: int, kind: int, shared: bool = True) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(TCP_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def steer(members: list[socket.socket]) -> None:
    """Let the kernel choose among sockets of one port by source address: XOR of its words, modulo their number."""
    if len(members) < 2:
        return
    if members[0].family == socket.AF_INET:
        program = [(_LD_W_ABS, _NET_OFFSET + 12)]
    else:
        program = [(_LD_W_ABS, _NET_OFFSET + 8)]
        for offset in (12, 16, 20):
            program += [(_TAX, 0), (_LD_W_ABS, _NET_OFFSET + offset), (_ALU_XOR_X, 0)]
    program += [(_ALU_MOD_K, len(members)), (_RET_A, 0)]
    code = b"".join(struct.pack("HBBI", op, 0, 0, k & 0xFFFFFFFF) for op, k in program)
    buffer = ctypes.create_string_buffer(code)
    filter_program = struct.pack("HL", len(program), ctypes.addressof(buffer))
    members[0].setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, filter_program)


def from_systemd(workers: int) -> list[list[Listener]]:
    """The sockets systemd passed (sd_listen_fds(3)), dealt out to the workers; empty if there are none.

    With fewer sockets of an address than workers, workers share one: all answer, but a client may meet any of them.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    by_address: dict[tuple[str, str], list[socket.socket]] = {}
    for fd in range(LISTEN_FDS_START, LISTEN_FDS_START + count):
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            continue
        host, port = sock.getsockname()[:2]
        name = names[fd - LISTEN_FDS_START] if fd - LISTEN_FDS_START < len(names) else ""
        transport = "udp" if sock.type == socket.SOCK_DGRAM else _stream(name, port)
        text = f"[{host}]:{port}" if sock.family == socket.AF_INET6 else f"{host}:{port}"
        by_address.setdefault((transport, text), []).append(sock)
    groups: list[list[Listener]] = [[] for _ in range(workers)]
    for (transport, text), members in by_address.items():
        if len(members) >= workers:
            steer(members[:workers])
        for i, group in enumerate(groups):
            group.append(Listener(transport, text, members[i % len(members)]))
    return groups if by_address else []


def _stream(name: str, port: int) -> str:
    """What a stream socket is for: its FileDescriptorName= says it, else its port."""
    return name if name in ENCRYPTED else PORTS.get(port, "tcp")
