"""One DNS question to one address of an upstream, over UDP, TCP, TLS or HTTPS. It blocks: the update has nothing else
to do. What comes back is taken only if it answers what was asked (RFC 5452 section 9.1).
"""

from __future__ import annotations

import secrets
import socket
import ssl
import time
from pathlib import Path
from typing import Final

import httpx
from dnslib import EDNS0, QTYPE, DNSError, DNSHeader, DNSQuestion, DNSRecord

from filterd.core.servers import Server
from filterd.core.updates import Why
from filterd.update.connect import Dialer, context
from filterd.update.faults import FetchError
from filterd.update.transport import Transport, faults

UDP_BYTES: Final = 1232  # what fits into one packet nearly everywhere
MAX_BYTES: Final = 65535
_HEADERS: Final = {"Content-Type": "application/dns-message", "Accept": "application/dns-message"}


def question(name: str, kind: str) -> DNSRecord:
    """A question for a name in normal form, with an id that nobody can guess."""
    asked = DNSRecord(DNSHeader(id=secrets.randbelow(65536), rd=1), q=DNSQuestion(name, getattr(QTYPE, kind)))
    asked.add_ar(EDNS0(udp_len=UDP_BYTES))
    return asked


class Asker:
    """Remembers nothing but the files of roots it has read."""

    def __init__(self) -> None:
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    def ask(self, server: Server, address: str, asked: DNSRecord, timeout_s: float) -> DNSRecord:
        """What a server says, by one of its addresses. Raises FetchError when it says nothing that fits in time."""
        packet = bytes(asked.pack())
        dialer = Dialer(time.monotonic)
        dialer.begin(timeout_s)
        dialer.allow(server.name, (address,))
        if server.transport == "https":
            return _fitting(self._over_https(server, dialer, packet), asked)
        if server.transport == "udp":
            found = _over_udp(address, server.port, packet, asked, dialer)
            if not found.header.tc:
                return found
        return _fitting(self._over_stream(server, dialer, packet), asked)

    def _context(self, ca: str | None) -> ssl.SSLContext:
        if ca not in self._contexts:
            self._contexts[ca] = context(None if ca is None else Path(ca))
        return self._contexts[ca]

    def _over_stream(self, server: Server, dialer: Dialer, packet: bytes) -> bytes:
        stream = dialer.connect_tcp(server.name, server.port)
        try:
            if server.transport == "tls":
                stream = stream.start_tls(self._context(server.ca), server.name)
            stream.write(len(packet).to_bytes(2, "big") + packet)
            data = b""
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                more = stream.read(MAX_BYTES + 2)
                if not more:
                    raise FetchError(Why.NETWORK, "it closed the connection")
                data += more
            return data[2:]
        finally:
            stream.close()

    def _over_https(self, server: Server, dialer: Dialer, packet: bytes) -> bytes:
        host = f"[{server.name}]" if ":" in server.name else server.name
        url = f"https://{host}:{server.port}{server.path}"
        transport = Transport(dialer, self._context(server.ca), http2=True)
        asked = httpx.Request("POST", url, content=packet, headers=_HEADERS)
        with transport, faults():
            answer = transport.handle_request(asked)
            data = b""
            for chunk in answer.iter_raw():
                data += chunk
                if len(data) > MAX_BYTES:
                    raise FetchError(Why.NETWORK, "it sends more than a DNS message has")
        if answer.status_code != 200:
            raise FetchError(Why.NETWORK, f"HTTP {answer.status_code}")
        return data


def _over_udp(address: str, port: int, packet: bytes, asked: DNSRecord, dialer: Dialer) -> DNSRecord:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, port))  # so that only its packets come in
            sock.send(packet)
            while True:
                sock.settimeout(dialer.left(None))
                found = _parsed(sock.recv(MAX_BYTES), asked)
                if found is not None:  # else somebody guesses, or answers late what was asked before
                    return found
    except TimeoutError:
        raise dialer.late("it said nothing", None) from None
    except OSError as error:
        raise FetchError(Why.NETWORK, f"no connection: {error.strerror or error}") from None


def _fitting(packet: bytes, asked: DNSRecord) -> DNSRecord:
    found = _parsed(packet, asked)
    if found is None:
        raise FetchError(Why.NETWORK, "what it sent is no answer to what was asked")
    return found


def _parsed(packet: bytes, asked: DNSRecord) -> DNSRecord | None:
    """The message, if it is one and answers the question."""
    try:
        found = DNSRecord.parse(packet)
    except (DNSError, ValueError, IndexError, KeyError):
        return None
    same = found.header.id == asked.header.id and found.header.qr == 1 and len(found.questions) == 1
    return found if same and found.q.qname == asked.q.qname and found.q.qtype == asked.q.qtype else None
