"""Replies that filterd makes itself: errors, blocked names, special names, stale and truncated ones."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from filterd.core import special, wire
from filterd.core.policy import BlockAnswer, Policy
from filterd.core.verdict import Action, Reason, Verdict
from filterd.core.wire import Answer, Query

EDE_STALE = 3  # RFC 8914 section 4
EDE_BLOCKED = 15
EDE_PROHIBITED = 18
EDE_NO_UPSTREAM = 22
EDE_NETWORK = 23
ERROR_BYTES = 11  # who asks in somebody else's name must not multiply what that one gets
# What people read where no category says it. "Lesson" is what a profile or an override is for.
_SAID = {
    Reason.AUTHORITY: "Cơ quan quản lý yêu cầu đóng / Closed by the authority",
    Reason.SCHOOL_BLOCK: "Nhà trường đóng / Closed by the school",
    Reason.OVERRIDE: "Thầy cô đang đóng / Closed by a teacher for now",
    Reason.PROFILE: "Đóng trong giờ này / Closed during this lesson",
    Reason.ALLOW_LIST_ONLY: "Giờ này chỉ mở trang đã chọn / Only chosen sites are open now",
    Reason.REBINDING: "Địa chỉ nội bộ từ bên ngoài / A private address from outside",
    Reason.BYPASS: "DNS mã hoá tắt trong mạng trường / Encrypted DNS is off in this school's network",
}
_ECHO = wire.RD | wire.CD
_OPT = wire.opt(False)
_OPT_DO = wire.opt(True)


def reply(
    query: Query,
    flags: int,
    counts: tuple[int, int, int],
    body: bytes,
    options: bytes = b"",
) -> bytes:
    """Header, the client's own question, sections and, for a client that sent one, our OPT.

    `flags` are those beside QR, RD, CD and RA. A reply that does not fit the client's UDP size is the caller's matter.
    """
    header_flags = wire.QR | wire.RA | (query.flags & _ECHO) | flags
    answers, authorities, additionals = counts
    options += query.echo
    if query.edns is None:
        return wire.pack_header(query.id, header_flags, 1, answers, authorities, additionals) + query.question + body
    header = wire.pack_header(query.id, header_flags, 1, answers, authorities, additionals + 1)
    if options:
        return header + query.question + body + wire.opt(query.do, 0, options)
    return header + query.question + body + (_OPT_DO if query.do else _OPT)


def error(query: Query, rcode: int, ede: int | None = None, text: str = "", udp: bool = True) -> bytes:
    """A reply without records. Over UDP it is at most ERROR_BYTES longer than the query: what does not fit is left out,
    the text of the extended error first, then the cookie of a client that had none of ours to show.
    """
    options = wire.ede(ede, text) if ede is not None and query.edns is not None else b""
    if udp and len(options) + len(query.echo) > ERROR_BYTES:
        room = ERROR_BYTES + (4 + len(query.cookie) if query.cookie is not None else 0)
        if ede is not None and len(options) + len(query.echo) > room:
            options = wire.ede(ede)
        if len(options) + len(query.echo) > room:
            query.echo = b""
    return reply(query, rcode, (0, 0, 0), b"", options)


def bad_version(query: Query) -> bytes:
    """BADVERS with our version in the OPT (RFC 6891 section 6.1.3): the code's upper bits stand in the OPT."""
    header = wire.pack_header(query.id, wire.QR | wire.RA | (query.flags & _ECHO), 1, 0, 0, 1)
    return header + query.question + wire.opt(query.do, wire.BADVERS)


def truncated(query: Query) -> bytes:
    """TC=1 and empty sections: ask again over TCP (RFC 2181 section 9)."""
    return reply(query, wire.TC, (0, 0, 0), b"")


def any_answer(query: Query) -> bytes:
    """RFC 8482 section 4.2: one small HINFO instead of everything."""
    return reply(query, 0, (1, 0, 0), wire.record(wire.HINFO, 3600, b"\x07RFC8482\0"))


def upstream(query: Query, answer: Answer, elapsed_s: int, cap_s: int, options: bytes = b"") -> bytes:
    """An upstream's answer for this client: TTLs aged and capped; AD only for clients that asked (RFC 6840 5.8)."""
    flags = answer.flags & wire.RCODE_MASK
    if answer.flags & wire.AD and (query.do or query.flags & wire.AD):
        flags |= wire.AD
    flags |= wire.QR | wire.RA | (query.flags & _ECHO)
    answers, authorities, additionals = answer.counts
    question = query.question
    tail = b""
    if query.edns is not None:
        options += query.echo
        additionals += 1
        tail = wire.opt(query.do, 0, options) if options else _OPT_DO if query.do else _OPT
    header = wire.pack_header(query.id, flags, 1, answers, authorities, additionals)
    message = bytearray(header + question + answer.body + tail)
    wire.age(message, wire.HEADER_BYTES + len(question), answer.ttls, elapsed_s, cap_s)
    return bytes(message)


def rewritten(query: Query, target: bytes, ttl_s: int, addresses: Iterable[bytes], flags: int = 0) -> bytes:
    """A CNAME to `target` (wire name) and behind it the addresses, if any, of the type that was asked for.

    The CNAME stays in the answer: some clients look for it. Without addresses an SOA says for how long.
    """
    at = wire.HEADER_BYTES + len(query.question) + 12  # where the CNAME's data begins
    owner = (0xC000 | at).to_bytes(2, "big")
    records = [wire.record(query.qtype, ttl_s, packed, owner) for packed in addresses]
    body = wire.record(wire.CNAME, ttl_s, target) + b"".join(records)
    if records or query.qtype == wire.CNAME:
        return reply(query, flags, (1 + len(records), 0, 0), body)
    return reply(query, flags, (1, 1, 0), body + wire.soa(ttl_s, owner))


def records(query: Query, ttl_s: int, found: Iterable[bytes], flags: int = 0, options: bytes = b"") -> bytes:
    """A record of the type that was asked for with each of these data; none is an answer without data, with its SOA."""
    body = [wire.record(query.qtype, ttl_s, data) for data in found]
    if not body:
        return reply(query, flags, (0, 1, 0), wire.soa(ttl_s), options)
    return reply(query, flags, (len(body), 0, 0), b"".join(body), options)


def stale(query: Query, answer: Answer, ttl_s: int) -> bytes:
    """An expired answer with a short TTL and Extended DNS Error 3 (RFC 8767 section 4)."""
    options = wire.ede(EDE_STALE) if query.edns is not None else b""
    return upstream(query, answer, -ttl_s, ttl_s, options)


class Synthetic:
    """Blocked and special answers of one policy; addresses are packed once."""

    def __init__(self, policy: Policy) -> None:
        block: BlockAnswer = policy.block_answer
        self._mode = block.mode
        self._ipv4 = ip_address(block.ipv4).packed if block.ipv4 else None
        self._ipv6 = ip_address(block.ipv6).packed if block.ipv6 else None
        self._modes = {c.id: c.answer for c in policy.categories if c.answer}
        self._texts = {c.id: wire.ede(EDE_BLOCKED, f"filterd: {c.name.vi} / {c.name.en}") for c in policy.categories}
        self._reasons = {reason: wire.ede(EDE_BLOCKED, f"filterd: {_SAID.get(reason, reason)}") for reason in Reason}

    def reply(self, query: Query, key: bytes, verdict: Verdict) -> bytes:
        """The reply to a question that is not forwarded."""
        if verdict.action is Action.REWRITE:
            return self.box(query, verdict.ttl_s)
        kind = special.special(key) if verdict.step == 0 else None
        return self.blocked(query, verdict, verdict.ttl_s) if kind is None else self.special(query, kind, verdict)

    def blocked(self, query: Query, verdict: Verdict, ttl_s: int) -> bytes:
        """What policy says for a blocked name; HTTPS, SVCB and all other types get no data, so no hint leaks.

        The name of a private address that came from outside is not a blocked one: it has no data.
        """
        category = verdict.category or ""
        mode = self._modes.get(category, self._mode)
        options = b""
        if query.edns is not None:
            options = self._texts.get(category) or self._reasons[verdict.reason]
        if verdict.reason is Reason.REBINDING:
            return reply(query, wire.NOERROR, (0, 1, 0), wire.soa(ttl_s), options)
        if mode == "nxdomain":
            return reply(query, wire.NXDOMAIN, (0, 1, 0), wire.soa(ttl_s), options)
        if mode == "zero":
            ipv4, ipv6 = bytes(4), bytes(16)
        else:
            ipv4, ipv6 = self._ipv4 or bytes(4), self._ipv6 or b""
        return self._addresses(query, ttl_s, ipv4, ipv6 or None, options)

    def box(self, query: Query, ttl_s: int) -> bytes:
        """The box's own name."""
        return self._addresses(query, ttl_s, self._ipv4, self._ipv6, b"", wire.AA)

    def special(self, query: Query, kind: special.Special, verdict: Verdict) -> bytes:
        """A special-use name. Authoritative, as RFC 6303 section 4 asks of such zones."""
        ttl_s = verdict.ttl_s
        if kind is special.Special.LOCALHOST:
            loopback = bytes(15) + b"\1"
            return self._addresses(query, ttl_s, b"\x7f\0\0\1", loopback, b"", wire.AA)
        options = b""
        if verdict.reason is Reason.BYPASS and query.edns is not None:
            options = self._reasons[Reason.BYPASS]
        rcode = wire.NOERROR if kind is special.Special.NODATA else wire.NXDOMAIN
        return reply(query, wire.AA | rcode, (0, 1, 0), wire.soa(ttl_s), options)

    def _addresses(
        self,
        query: Query,
        ttl_s: int,
        ipv4: bytes | None,
        ipv6: bytes | None,
        options: bytes,
        flags: int = 0,
    ) -> bytes:
        found = ipv4 if query.qtype == wire.A else ipv6 if query.qtype == wire.AAAA else None
        return records(query, ttl_s, () if found is None else (found,), flags, options)
