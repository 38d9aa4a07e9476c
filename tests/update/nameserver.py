"""A DNS server on loopback with a zone that a test writes: addresses, aliases, and answers that change."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping, Sequence

from dnslib import AAAA, CNAME, QTYPE, RR, A, DNSRecord

from tests.upstreams import Question, Script, Upstream


class Nameserver(Upstream):
    """One that may be closed in the very moment it has answered, when its thread may have seen that first."""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()
        self._thread.join()


def zone(records: Mapping[str, Sequence[str]]) -> Script:
    """For each name its addresses, or one name that it is an alias of; NXDOMAIN for all others. `records` may be
    changed at any time.
    """

    def script(question: Question) -> list[bytes]:
        reply = DNSRecord.parse(question.packet).reply(ra=1, aa=0)
        name = question.name
        if name not in records:
            reply.header.rcode = 3
        while name in records:
            following = ""
            for value in records[name]:
                kind = _kind(value)
                if kind == "CNAME":
                    following = value.lower()
                if kind in ("CNAME", question.kind):
                    data = CNAME(value) if kind == "CNAME" else _address(value)
                    reply.add_answer(RR(name, getattr(QTYPE, kind), rdata=data, ttl=60))
            name = following
        return [bytes(reply.pack())]

    return script


def changing(name: str, *answers: Sequence[str]) -> Script:
    """Another answer for each question of type A; the last one for all that follow. What DNS rebinding does."""
    records: dict[str, Sequence[str]] = {name: answers[0]}
    inner = zone(records)
    left = list(answers)

    def script(question: Question) -> list[bytes]:
        if question.kind == "A":
            records[name] = left.pop(0) if len(left) > 1 else left[0]
        return inner(question)

    return script


def _address(value: str) -> A | AAAA:
    packed = tuple(ipaddress.ip_address(value).packed)
    return A(packed) if len(packed) == 4 else AAAA(packed)


def _kind(value: str) -> str:
    try:
        return "A" if ipaddress.ip_address(value).version == 4 else "AAAA"
    except ValueError:
        return "CNAME"
