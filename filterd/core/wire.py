"""DNS bytes: the one bounds-checked reader of packets, and the writers of headers, OPT and synthetic records.

Owns every offset and bit of RFC 1035 section 4 and RFC 6891, with its parts `wirenames`, `links` and `svcparams`. No
other module slices a packet (`svcb` and the two id bytes of a memoised reply aside). Readers raise `WireError` and
nothing else, whatever the bytes; writers take checked values.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from filterd.core import links, svcparams
from filterd.core.names import key_of_labels
from filterd.core.private import FIRST_V4, FIRST_V6, MOSTLY, is_private
from filterd.core.wirenames import read_name, skip_name
from filterd.errors import WireError

HEADER_BYTES: Final = 12
MIN_UDP_BYTES: Final = 512  # RFC 1035 section 4.2.1
MAX_BYTES: Final = 65_535  # over a stream: its length has two bytes (RFC 1035 section 4.2.2)
MAX_UDP_BYTES: Final = 1232  # what fits every path without fragments (DNS Flag Day 2020)

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
AD: Final = 0x0020
CD: Final = 0x0010
OPCODE_MASK: Final = 0x7800
RCODE_MASK: Final = 0x000F

NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
BADVERS: Final = 16  # extended RCODE, RFC 6891 section 9

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
HINFO: Final = 13
TXT: Final = 16
AAAA: Final = 28
DNAME: Final = 39
OPT: Final = 41
RRSIG: Final = 46
SVCB: Final = 64
HTTPS: Final = 65
TKEY: Final = 249
TSIG: Final = 250
IXFR: Final = 251
AXFR: Final = 252
ANY: Final = 255
IN: Final = 1

COOKIE_OPTION: Final = 10  # RFC 7873
EDE_OPTION: Final = 15  # RFC 8914
MAX_OPTIONS: Final = 32  # an OPT with more is somebody's attack
MAX_RECORDS: Final = 6000  # more than the smallest records that fit in 64 KiB
MAX_TARGETS: Final = 11  # CNAMEs in one answer; all of them are judged, so a longer chain cannot hide its end
PRIVATE: Final = links.PRIVATE  # bits of `Answer.marks`
SVCB_MARK: Final = links.SVCB_MARK

_HEADER = Struct("!HHHHHH")
_TWO = Struct("!HH")
_RECORD = Struct("!HHIH")  # TYPE, CLASS, TTL, RDLENGTH
_U32 = Struct("!I")
_SOA_TAIL = Struct("!IIIII")
_LEADING = frozenset({CNAME, DNAME, RRSIG})
_RARE = frozenset({HTTPS, SVCB, DNAME, RRSIG})

pack_header = _HEADER.pack
read_record = _RECORD.unpack_from  # (TYPE, CLASS, TTL, RDLENGTH) where they stand
Header = tuple[int, int, int, int, int, int]  # id, flags, QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT


class Query:
    """A client's question, checked. `question` is QNAME, QTYPE and QCLASS as sent (RFC 1035 section 4.1.2), `name` the
    QNAME in lower case, `key` its key (`names`).

    `edns` is the version (None: no OPT), `udp_bytes` what the client takes over UDP, within [512, 1232]. `plain`: no
    EDNS options, nothing behind and no mixed case, so the same packet may well come again. `formerr`: the question
    could be read, what follows could not. `cookie` is the data of its COOKIE option (RFC 7873 section 4): the client's
    8 bytes, and the server's 8 to 32 if it has them. `echo` are the EDNS options that every reply to it carries.
    """

    __slots__ = (
        "cookie", "do", "echo", "edns", "flags", "formerr", "id", "key", "name", "plain", "qclass", "qtype",
        "question", "udp_bytes",
    )  # fmt: skip

    def __init__(
        self, ident: int, flags: int, question: bytes, name: bytes, key: bytes, qtype: int, qclass: int
    ) -> None:
        self.id = ident
        self.flags = flags
        self.question = question
        self.name = name
        self.key = key
        self.qtype = qtype
        self.qclass = qclass
        self.edns: int | None = None
        self.udp_bytes = MIN_UDP_BYTES
        self.do = False
        self.plain = question.startswith(name)
        self.formerr = False
        self.cookie: bytes | None = None
        self.echo = b""


def read_header(packet: bytes) -> Header:
    """(id, flags, QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT) of at least 12 bytes."""
    if len(packet) < HEADER_BYTES:
        raise WireError("shorter than a header")
    return _HEADER.unpack_from(packet)


def read_query(packet: bytes) -> Query:
    """One question and at most one OPT. Raises WireError where the question itself cannot be read (RFC 9619)."""
    ident, flags, questions, answers, authorities, additionals = read_header(packet)
    if questions != 1 or answers:
        raise WireError("not exactly one question")
    lower = packet.lower()  # once for all labels; no header field is read from it
    labels = []
    at = HEADER_BYTES
    try:
        length = packet[at]
        while length:
            if length > 63:
                raise WireError("compression or unknown label type in the question")
            end = at + 1 + length
            labels.append(lower[at + 1 : end])
            at = end
            length = packet[at]
    except IndexError:
        raise WireError("question name runs over the end") from None
    end = at + 5
    if at >= HEADER_BYTES + 255:
        raise WireError("question name longer than 255 bytes")
    if end > len(packet):
        raise WireError("question runs over the end")
    qtype, qclass = _TWO.unpack_from(packet, end - 4)
    key = key_of_labels(labels)
    query = Query(ident, flags, packet[HEADER_BYTES:end], lower[HEADER_BYTES : at + 1], key, qtype, qclass)
    if additionals or authorities:
        _read_records(packet, end, authorities, additionals, query)
    elif end != len(packet):
        query.plain = False
    return query


def read_bare_cookie(packet: bytes) -> Query | None:
    """A query without any question that asks for a server cookie alone (RFC 7873 section 5.4); None for all others."""
    ident, flags, questions, answers, authorities, additionals = read_header(packet)
    if questions or answers or authorities or not additionals or flags & (QR | OPCODE_MASK):
        return None
    query = Query(ident, flags, b"", b"", b"", 0, 0)
    _read_records(packet, HEADER_BYTES, 0, additionals, query)
    return query if query.cookie is not None and not query.edns and not query.formerr else None


def _read_records(packet: bytes, at: int, authorities: int, additionals: int, query: Query) -> None:
    """What stands behind the question: an OPT (RFC 6891), a TSIG that is not looked at, an SOA in IXFR (RFC 1995)."""
    if authorities + additionals > 4 or (authorities and query.qtype != IXFR):
        query.formerr = True
        return
    try:
        for index in range(authorities + additionals):
            owner = at
            at = skip_name(packet, at)
            if at + 10 > len(packet):
                raise WireError("record runs over the end")
            kind, klass, ttl, length = _RECORD.unpack_from(packet, at)
            at += 10
            if at + length > len(packet):
                raise WireError("record data runs over the end")
            if kind == OPT:
                if query.edns is not None or packet[owner] or index < authorities:
                    raise WireError("a second or misplaced OPT")
                query.edns = (ttl >> 16) & 0xFF
                query.do = bool(ttl & 0x8000)
                query.udp_bytes = min(max(klass, MIN_UDP_BYTES), MAX_UDP_BYTES)
                if length:
                    query.plain = False
                    _check_options(packet, at, at + length, query)
            else:
                query.plain = False
            at += length
        if at != len(packet):
            query.plain = False
    except WireError:
        query.formerr = True


def _check_options(packet: bytes, at: int, end: int, query: Query) -> None:
    for _ in range(MAX_OPTIONS):
        if at == end:
            return
        if at + 4 > end:
            break
        code, length = _TWO.unpack_from(packet, at)
        data = at + 4
        at = data + length
        if at > end:
            break
        if code == COOKIE_OPTION:
            if length != 8 and not 16 <= length <= 40:
                break
            if query.cookie is None:  # all but the first are ignored
                query.cookie = packet[data:at]
    raise WireError("EDNS options are malformed")


class Answer:
    """An upstream's reply without id, question and OPT; pointers in `body` count from the start of the message.

    `ttls` are the offsets of the TTLs in `body`; `targets` the wire names it leads to, in lower case: of CNAMEs in
    order, then of DNAME, HTTPS and SVCB. `negative`: NXDOMAIN or no data (RFC 2308 section 2), behind CNAMEs too.
    `marks`: PRIVATE where the answer section holds an address that `private` knows, SVCB_MARK for HTTPS and SVCB.
    """

    __slots__ = ("body", "counts", "flags", "marks", "negative", "targets", "ttl_s", "ttls")

    def __init__(
        self,
        flags: int,
        counts: tuple[int, int, int],
        body: bytes,
        ttls: tuple[int, ...],
        ttl_s: int,
        targets: tuple[bytes, ...],
        negative: bool,
        marks: int = 0,
    ) -> None:
        self.flags = flags
        self.counts = counts
        self.body = body
        self.ttls = ttls
        self.ttl_s = ttl_s  # the least TTL; for a negative answer what RFC 2308 section 5 says; 0 if nothing says
        self.targets = targets
        self.negative = negative
        self.marks = marks


def read_answer(packet: bytes, start: int, header: Header | None = None) -> Answer:
    """Check an upstream's reply whose question ended at `start`. Raises WireError if it is not a DNS message, if its
    CNAMEs loop or never end, for malformed addresses and service records, and for an extended RCODE.
    """
    _, flags, _, answers, authorities, additionals = header or read_header(packet)
    total = answers + authorities + additionals
    if total > MAX_RECORDS:
        raise WireError("too many records")
    size = len(packet)
    at = start
    ttls: list[int] = []
    zeroed: list[int] = []
    targets: list[bytes] = []
    least = 1 << 31
    soa_ttl = None
    kept = additionals
    end = -1
    rare = False
    marks = aside = 0
    more: tuple[bytes, ...] = ()
    for index in range(total):
        owner = at
        if at + 11 > size:
            raise WireError("record runs over the end")
        short = packet[at] == 192 and HEADER_BYTES <= packet[at + 1] < at  # nearly every owner, without a call
        at = at + 2 if short else skip_name(packet, at)
        if at + 10 > size:
            raise WireError("record runs over the end")
        kind, _, ttl, length = _RECORD.unpack_from(packet, at)
        data = at + 10
        if data + length > size:
            raise WireError("record data runs over the end")
        if kind == OPT:
            # Hop by hop (RFC 6891 section 6.2.3). What stands behind it is dropped, not moved: pointers count bytes.
            if index < answers + authorities or packet[owner]:
                raise WireError("misplaced OPT")
            if ttl >> 24:
                raise WireError("an extended RCODE")
            if end < 0:
                end = owner
                kept = index - answers - authorities
        elif end < 0:
            if ttl >> 31:  # RFC 2181 section 8: treat it as 0
                ttl = 0
                zeroed.append(at + 4)
            ttls.append(at + 4 - start)
            if index < answers:
                if ttl < least:
                    least = ttl
                if kind == A:
                    if length != 4:
                        raise WireError("an A record that holds no address")
                    if FIRST_V4[packet[data]] and is_private(packet[data : data + 4]):
                        marks |= PRIVATE
                elif kind == AAAA:
                    if length != 16:
                        raise WireError("an AAAA record that holds no address")
                    first = FIRST_V6[packet[data]]
                    if first and packet[data : data + 2] != MOSTLY and is_private(packet[data : data + 16]):
                        marks |= PRIVATE
                elif kind == CNAME:
                    if skip_name(packet, data) != data + length:
                        raise WireError("a CNAME's name does not fill its data")
                    targets.append(read_name(packet, data).lower())
                    if len(targets) > MAX_TARGETS:
                        raise WireError("too long a chain of CNAMEs")
                elif kind in _RARE:
                    rare = True
            elif kind == SOA and index < answers + authorities and length >= 22:
                soa_ttl = min(ttl, _U32.unpack_from(packet, data + length - 4)[0])
        at = data + length
    if end < 0:
        end = at
    if rare:
        more, aside, bits = links.read(packet, start, ttls[:answers], targets)
        marks |= bits
    negative = flags & RCODE_MASK == NXDOMAIN or not answers
    if targets:
        links.check_chain(packet[HEADER_BYTES : start - 4].lower(), targets)
        if len(targets) + aside == answers:
            negative = negative or _TWO.unpack_from(packet, start - 4)[0] not in _LEADING
    if negative:
        least = min(least, soa_ttl) if soa_ttl is not None else 0
    if zeroed:
        packet = _with_zeroes(packet, zeroed)
    counts = (answers, authorities, kept)
    return Answer(flags, counts, packet[start:end], tuple(ttls), least, tuple(targets) + more, negative, marks)


def addresses(answer: Answer) -> list[bytes]:
    """The packed addresses in the answer section: of A and AAAA records, and the hints of HTTPS and SVCB records."""
    body = answer.body
    found = []
    for at in answer.ttls[: answer.counts[0]]:
        kind = body[at - 4] << 8 | body[at - 3]
        if kind == A:
            found.append(body[at + 6 : at + 10])
        elif kind == AAAA:
            found.append(body[at + 6 : at + 22])
        elif kind in (HTTPS, SVCB):
            end = at + 6 + (body[at + 4] << 8 | body[at + 5])
            found += svcparams.hints(svcparams.read(body, at + 6, end)[2])
    return found


def _with_zeroes(packet: bytes, offsets: list[int]) -> bytes:
    changed = bytearray(packet)
    for offset in offsets:
        _U32.pack_into(changed, offset, 0)
    return bytes(changed)


def age(message: bytearray, start: int, ttls: tuple[int, ...], elapsed_s: int, cap_s: int) -> None:
    """In a message whose records begin at `start`, set every TTL to itself less `elapsed_s`, within [0, `cap_s`]."""
    for offset in ttls:
        left = _U32.unpack_from(message, start + offset)[0] - elapsed_s
        _U32.pack_into(message, start + offset, cap_s if left > cap_s else left if left > 0 else 0)


def opt(do: bool, extended_rcode: int = 0, options: bytes = b"") -> bytes:
    """Our OPT pseudo-record (RFC 6891 section 6.1.2): version 0, 1232 bytes, the client's DO bit."""
    ttl = (extended_rcode >> 4) << 24 | (0x8000 if do else 0)
    return b"\0" + _RECORD.pack(OPT, MAX_UDP_BYTES, ttl, len(options)) + options


def ede(code: int, text: str = "") -> bytes:
    """An Extended DNS Error option (RFC 8914 section 2); the text is cut to 100 bytes of whole characters."""
    raw = text.encode()[:100].decode(errors="ignore").encode()
    return _TWO.pack(EDE_OPTION, 2 + len(raw)) + code.to_bytes(2, "big") + raw


def cookie(data: bytes) -> bytes:
    """A COOKIE option (RFC 7873 section 4)."""
    return _TWO.pack(COOKIE_OPTION, len(data)) + data


def record(kind: int, ttl_s: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    """One record of class IN; the owner is a wire name, by default a pointer to the question's name."""
    return owner + _RECORD.pack(kind, IN, ttl_s, len(data)) + data


def soa(ttl_s: int, owner: bytes = b"\xc0\x0c") -> bytes:
    """The SOA that lets a client cache a synthetic negative answer for `ttl_s` (RFC 2308 section 5)."""
    data = b"\x07filterd\x08internal\0\0" + _SOA_TAIL.pack(1, 3600, 600, 86400, ttl_s)
    return owner + _RECORD.pack(SOA, IN, ttl_s, len(data)) + data


def header_only(ident: int, flags: int, rcode: int) -> bytes:
    """A reply of 12 bytes: nothing of the question is echoed but the opcode (and RD where the opcode is QUERY)."""
    keep = flags & OPCODE_MASK or flags & (RD | CD)
    return _HEADER.pack(ident, QR | keep | (RA if not flags & OPCODE_MASK else 0) | rcode, 0, 0, 0, 0)
