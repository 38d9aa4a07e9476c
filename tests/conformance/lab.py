"""A school, a running server and an upstream that says what a test tells it, with dnspython and dig around them."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from filterd.config.schema_school import LimitsModel
from tests.running import PUPIL, Server, framed, receive, write_school
from tests.upstreams import Question, Script, Upstream

RATES = ", ".join(f"{key}: 1000000" for key in LimitsModel.model_fields if key.endswith(("per_second", "burst")))
UDP_BYTES = 1232  # what we say upstream that we take
_numbers = itertools.count(1)


class Lab:
    """One server with one upstream."""

    def __init__(self, server: Server, upstream: Upstream) -> None:
        self.server = server
        self.upstream = upstream

    def ask(
        self, name: str, kind: str = "A", source: str = PUPIL, *, tcp: bool = False, **options: Any
    ) -> dns.message.Message:
        """A question as dnspython makes it (RD set, EDNS unless told otherwise), and the reply as it reads it."""
        query = question(name, kind, **options)
        reply = dns.message.from_wire(self.server.exchange(query.to_wire(), source, tcp=tcp))
        assert query.is_response(reply)
        return reply

    def dig(self, *arguments: str, tool: str = "dig", source: str = PUPIL) -> str:
        """What dig or kdig prints. Skips where it is not installed."""
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
        command = [tool, "@127.0.0.1", "-p", str(self.server.port), "-b", source, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout + done.stderr

    def packets_up(self, name: str) -> list[bytes]:
        """What went up for a name."""
        return [asked.packet for asked in self.upstream.asked(name)]


@contextmanager
def laboratory(directory: Path, more: str = "", limits: str = "", script: Script | None = None) -> Iterator[Lab]:
    """A server whose school.yaml has `more` at its end, and `limits` beside rates that no test meets."""
    config, state = write_school(directory)
    school = config / "policies/school.yaml"
    bounds = f"limits: {{{RATES}{', ' if limits else ''}{limits}}}\n"
    school.write_text(school.read_text(encoding="utf-8") + bounds + more, encoding="utf-8")
    with Upstream(**({"script": script} if script else {})) as upstream, Server(
        config, state, upstreams=(upstream.url,)
    ) as server:  # fmt: skip
        yield Lab(server, upstream)


def fresh(word: str = "n") -> str:
    """A name nobody asked for yet."""
    return f"{word}{next(_numbers)}.example.org"


def question(name: str, kind: str = "A", **options: Any) -> dns.message.QueryMessage:
    """A query; `flags` are dnspython's words ("RD AD"), `use_edns`, `want_dnssec`, `payload` and `options` its own."""
    flags = options.pop("flags", "RD")
    options.setdefault("use_edns", 0)
    query = dns.message.make_query(name, kind, **options)
    query.flags = dns.flags.from_text(flags)
    return query


def told(
    *answers: str,
    authority: Iterable[str] = (),
    additional: Iterable[str] = (),
    flags: str = "QR RD RA",
    rcode: int = 0,
) -> Script:
    """A script: these records (`"{name} 60 IN A 192.0.2.1"`, where {name} is the question's) for every question."""

    def script(asked: Question) -> list[bytes]:
        reply = reply_to(asked, flags=flags, rcode=rcode)
        for lines, section in ((answers, reply.answer), (authority, reply.authority), (additional, reply.additional)):
            section.extend(_rrset(line.replace("{name}", f"{asked.name}.")) for line in lines)
        data = reply.to_wire(max_size=65535)
        if asked.transport == "udp" and len(data) > UDP_BYTES:
            return [reply_to(asked, flags=f"{flags} TC", rcode=rcode).to_wire()]
        return [data]

    return script


def reply_to(asked: Question, flags: str = "QR RD RA", rcode: int = 0) -> dns.message.Message:
    """An empty reply to what arrived."""
    reply = dns.message.make_response(dns.message.from_wire(asked.packet), our_payload=1232)
    reply.flags = dns.flags.from_text(flags)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    return reply


def _rrset(line: str) -> dns.rrset.RRset:
    owner, ttl_s, _, kind, data = line.split(None, 4)
    return dns.rrset.from_text(owner, int(ttl_s), "IN", kind, data)


def addresses(reply: dns.message.Message) -> list[str]:
    """A and AAAA of the answer section."""
    kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
    return [rdata.address for rrset in reply.answer if rrset.rdtype in kinds for rdata in rrset]


def ede(reply: dns.message.Message) -> int | None:
    """The Extended DNS Error of a reply (RFC 8914)."""
    found = [option for option in reply.options if option.otype == dns.edns.OptionType.EDE]
    return int(found[0].code) if found else None


def one_after_another(*scripts: Script) -> Script:
    """The first script for the first question, and so on; the last one from then on."""
    left = list(scripts)

    def script(asked: Question) -> Iterable[bytes]:
        return (left.pop(0) if len(left) > 1 else left[0])(asked)

    return script


def pipelined(sock: socket.socket, packets: Iterable[bytes], count: int) -> list[bytes]:
    """All packets at once on one connection, and the first `count` replies."""
    sock.sendall(b"".join(map(framed, packets)))
    return [receive(sock) for _ in range(count)]
