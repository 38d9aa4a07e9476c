"""Makes packets: good ones of every kind, bent ones that keep most of their structure, and answers that are not.

Everything comes from one seeded `random.Random`, so a run can be repeated. How an upstream treats a question is drawn
from the question alone (`fate`), so any part of a run can tell what a name's answer should have been.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from struct import pack
from zlib import crc32

from filterd.core import names

POISON = b"\xcb\x00\x71\x42"  # 203.0.113.66: stands only in packets that are not the answer
FATES = ("honest", "honest", "honest", "wrong", "bent", "bent", "cut", "failing", "silent", "unreachable")
_A, _NS, _CNAME, _SOA, _TXT, _AAAA, _DNAME, _OPT, _HTTPS = 1, 2, 5, 6, 16, 28, 39, 41, 65
_KINDS = (
    *(1,) * 20,
    *(28,) * 8,
    *(65,) * 8,
    64,
    16,
    15,
    2,
    5,
    6,
    12,
    33,
    39,
    46,
    48,
    255,
    251,
    252,
    250,
    249,
    41,
    0,
    65400,
)
_NAMES = (
    "adult.example", "www.adult.example", "youtube.com", "moet.gov.vn", "olm.vn", "localhost", "4.3.2.10.in-addr.arpa",
    "use-application-dns.net", "mask.icloud.com", "_dns.resolver.arpa", "bad.example", "tro-choi.example", "x.onion",
    "loc.filterd.internal", "www.google.com", "1.0.d.f.ip6.arpa",
)  # fmt: skip
_OPTIONS = (3, 8, 10, 11, 12, 15, 26946)
_EDGES_16 = (0, 1, 2, 11, 12, 127, 128, 255, 256, 512, 4096, 0x7FFF, 0x8000, 0xC000, 0xC00C, 0xFFFE, 0xFFFF)


def fate(question: bytes) -> str:
    """What the upstream does with a question (QNAME, QTYPE, QCLASS in any case)."""
    return FATES[crc32(question.lower()) % len(FATES)]


def question_of(packet: bytes) -> bytes:
    """The question section of a well-formed packet with one question."""
    at = 12
    while packet[at]:
        at += packet[at] + 1
    return packet[12 : at + 5]


class Maker:
    """A source of packets. `names` bounds how many different names are asked, so that caches are hit as well."""

    def __init__(self, chance: random.Random, names: int = 60) -> None:
        self.chance = chance
        self.names = names
        self._wrongs: tuple[Callable[[bytes], bytes], ...] = (
            self._other_name, self._other_type, self._no_response, self._other_opcode, self._question_count,
            self._too_short,
        )  # fmt: skip

    # -- from clients ---------------------------------------------------------------------------------------------

    def query(self) -> bytes:
        """A packet of a client: good (seven in ten), or bent."""
        packet = self.good_query()
        return packet if self.chance.random() < 0.7 else self.bent(packet)

    def good_query(self) -> bytes:
        """A question with flags, class and OPT as they occur."""
        chance = self.chance
        name = self._name()
        if chance.random() < 0.2:
            name = self._mixed_case(name)
        flags = chance.choice((0x0100, 0x0100, 0x0100, 0x0120, 0x0110, 0x0130, 0x0000))
        question = name + pack("!HH", chance.choice(_KINDS), 1 if chance.random() < 0.97 else chance.choice(_EDGES_16))
        extra = chance.choice((b"", self._opt(), self._opt()))
        head = chance.randbytes(2) + pack("!HHHHH", flags, 1, 0, 0, bool(extra))
        return head + question + extra

    def _name(self) -> bytes:
        chance = self.chance
        kind = chance.random()
        if kind < 0.25:
            return names.wire_of_text(chance.choice(_NAMES))
        if kind < 0.9:
            return names.wire_of_text(f"n{chance.randrange(self.names)}.example.org")
        wire = b""
        while len(wire) < 180 and chance.random() < 0.7:
            label = chance.randbytes(chance.randrange(1, 64))
            wire += bytes((len(label),)) + label
        return wire + b"\0"

    def _mixed_case(self, name: bytes) -> bytes:
        return bytes(c ^ 32 if chr(c).isalpha() and self.chance.random() < 0.5 else c for c in name)

    def _opt(self) -> bytes:
        chance = self.chance
        options = b""
        while chance.random() < 0.15:
            data = chance.randbytes(chance.choice((0, 2, 4, 8, 8, 16, 24, 40, 41)))
            options += pack("!HH", chance.choice(_OPTIONS), len(data)) + data
        size = chance.choice((0, 100, 512, 1232, 1232, 4096, 65535))
        version_and_flags = chance.choice((0, 0, 0x8000, 0x8000, 0x7FFF, 0x10000, 0xFF000000))
        return b"\0" + pack("!HHIH", _OPT, size, version_and_flags, len(options)) + options

    # -- from upstreams -------------------------------------------------------------------------------------------

    def honest(self, asked: bytes) -> bytes:
        """A good answer of some kind to the packet `asked`; the kind depends on the question alone."""
        question = question_of(asked)
        drawn = random.Random(crc32(question.lower()) >> 4)
        answers, authorities, rcode = self._sections(question, drawn)
        extra = b"\0" + pack("!HHIH", _OPT, 1232, 0, 0) if drawn.random() < 0.8 else b""
        head = asked[:2] + pack("!HHHHH", 0x8180 | rcode, 1, len(answers), len(authorities), bool(extra))
        return head + question + b"".join(answers) + b"".join(authorities) + extra

    def _sections(self, question: bytes, drawn: random.Random) -> tuple[list[bytes], list[bytes], int]:
        kind = int.from_bytes(question[-4:-2], "big")
        ttl_s = drawn.choice((0, 1, 5, 300, 86400, 1 << 31))
        soa = _record(_SOA, ttl_s, b"\0\0" + pack("!IIIII", 1, 2, 3, 4, drawn.choice((0, 60, 9999999))), b"\0")
        shape = drawn.random()
        if shape < 0.15:
            return [], [soa], 3
        if shape < 0.3:
            return [], [soa] if shape < 0.27 else [], 0
        if shape < 0.5:
            return self._chain(drawn, kind, ttl_s), [], 0
        many = drawn.choice((1, 2, 3, 90)) if shape < 0.95 else 200
        return [_record(kind, ttl_s, _data(kind, drawn)) for _ in range(many)], [], 0

    @staticmethod
    def _chain(drawn: random.Random, kind: int, ttl_s: int) -> list[bytes]:
        found, owner = [], b"\xc0\x0c"
        for hop in range(drawn.choice((1, 2, 3, 10, 11, 12))):
            text = drawn.choice((f"c{hop}.example.net", f"c{hop}.cdn.example", "www.adult.example", "n1.example.org"))
            target = names.wire_of_text(text)
            found.append(_record(_CNAME, ttl_s, target, owner))
            owner = target
        return [*found, _record(kind, ttl_s, _data(kind, drawn), owner)]

    def bent(self, packet: bytes) -> bytes:
        """A packet with some of its structure broken."""
        data = bytearray(packet)
        for _ in range(self.chance.choice((1, 1, 1, 2, 3, 8))):
            self._bend(data)
        return bytes(data)

    def _bend(self, data: bytearray) -> None:
        chance = self.chance
        size = len(data)
        at = chance.randrange(2, size) if size > 2 else 0
        kind = chance.randrange(9)
        if kind == 0 and size:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and size:
            data[at] = chance.randrange(256)
        elif kind == 2:
            at = chance.choice((4, 6, 8, 10))  # one of the counts
            data[at : at + 2] = pack("!H", chance.choice(_EDGES_16))
        elif kind == 3:
            data[at : at + 2] = pack("!H", chance.choice(_EDGES_16))
        elif kind == 4:
            data[at : at + 2] = pack(
                "!H", 0xC000 | min(chance.randrange(size + 2), 0x3FFF)
            )  # a pointer, perhaps forwards
        elif kind == 5:
            del data[at:]
        elif kind == 6:
            del data[at : at + chance.randrange(1, 12)]
        elif kind == 7:
            data[at:at] = chance.randbytes(chance.randrange(1, 30))
        else:
            start = chance.randrange(0, size + 1)
            data[at:at] = data[start : start + chance.randrange(1, 60)]

    def wrong(self, asked: bytes) -> bytes:
        """A well-made packet with an address in it that is not the answer to `asked`: it must be passed over."""
        question = question_of(asked)
        record = _record(_A, 3600, POISON)
        right = asked[:2] + pack("!HHHHH", 0x8180, 1, 1, 0, 0) + question + record
        return self.chance.choice(self._wrongs)(right)

    def _other_name(self, right: bytes) -> bytes:
        question = question_of(right)
        other = self.chance.choice((b"\4evil\7example\0", b"\0", bytes((question[0],)) + b"!" * question[0] + b"\0"))
        if other == question[:-4].lower():
            other = b"\5other\0"
        return right[:12] + other + right[12 + len(question) - 4 :]

    def _other_type(self, right: bytes) -> bytes:
        end = 12 + len(question_of(right))
        at = end - self.chance.choice((2, 4))
        return right[:at] + pack("!H", int.from_bytes(right[at : at + 2], "big") ^ 0x10) + right[at + 2 :]

    @staticmethod
    def _no_response(right: bytes) -> bytes:
        return right[:2] + bytes((right[2] & 0x7F,)) + right[3:]

    def _other_opcode(self, right: bytes) -> bytes:
        return right[:2] + bytes((right[2] | self.chance.randrange(1, 16) << 3,)) + right[3:]

    def _question_count(self, right: bytes) -> bytes:
        return right[:4] + self.chance.choice((b"\0\0", b"\0\2", b"\xff\xff")) + right[6:]

    def _too_short(self, right: bytes) -> bytes:
        return right[: self.chance.choice((0, 1, 2, 11, 12, 12 + len(question_of(right)) - 1))]


def cut(asked: bytes) -> bytes:
    """TC=1 and nothing else."""
    return asked[:2] + b"\x83\x80\0\1\0\0\0\0\0\0" + question_of(asked)


def failing(asked: bytes, rcode: int) -> bytes:
    """An RCODE and nothing else."""
    return asked[:2] + bytes((0x81, 0x80 | rcode)) + b"\0\1\0\0\0\0\0\0" + question_of(asked)


def _record(kind: int, ttl_s: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + pack("!HHIH", kind, 1, ttl_s, len(data)) + data


def _data(kind: int, drawn: random.Random) -> bytes:
    if kind == _A:
        return b"\xc6\x33\x64" + drawn.randbytes(1)
    if kind == _AAAA:
        return b"\x20\x01\x0d\xb8" + drawn.randbytes(12)
    if kind in (_NS, _CNAME, 12, _DNAME):
        return b"\3www\7example\3net\0"
    if kind == _SOA:
        return b"\0\0" + bytes(20)
    if kind == 15:
        return b"\0\1\4mail\xc0\x0c"
    if kind == 33:
        return b"\0\1\0\1\0\1\3sip\7example\3net\0"
    if kind in (_HTTPS, 64):
        keys = b"\0\1\0\6\2h2\2h3\0\4\0\4\xc6\x33\x64\1\0\5\0\x08\0\6\xfe\r\0\2\0\0"
        return drawn.choice((b"\0\0\3svc\7example\3net\0", b"\0\1\0" + keys))
    if kind == _TXT:
        text = drawn.randbytes(drawn.randrange(0, 255))
        return bytes((len(text),)) + text
    return drawn.randbytes(drawn.randrange(0, 40))
