"""The demo's questions: what each class asks, what it should get, and what it got.

Asks a running server over UDP and TCP from each class's own loopback address and judges the replies by the wire alone:
what a device sees, not what the server thinks. Owns no process; `deploy.demo` starts and stops the server.
"""

from __future__ import annotations

import socket
import struct
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from dnslib import EDNS0, QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord

EDE_OPTION = 15  # RFC 8914
BLOCKED = 15
NO_UPLINK = frozenset({22, 23})  # no reachable authority; network error
MADE_HERE = "filterd.internal."  # in the SOA of every answer that the box makes
SAFE = frozenset({"forcesafesearch.google.com", "restrictmoderate.youtube.com", "213.180.193.56"})
REPLY_S = 5.0  # longer than the server takes to give up on its upstreams
WIDTH = 80
WHY_WIDTH = 23


class Got(StrEnum):
    """What a device can tell from a reply."""

    ALLOW = "allow"  # the world's answer, whatever it was
    BLOCK = "block"
    SAFE = "safe"  # a search engine's safe host, or that there is nothing else
    LOCAL = "local"  # answered by the box itself
    NO_UPLINK = "no uplink"
    NOTHING = "nothing"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of one class. `expected` is allow, block, safe or local."""

    who: str
    source: str
    name: str
    expected: Got
    transport: str = "udp"
    qtype: str = "A"


@dataclass(frozen=True, slots=True)
class Answer:
    got: Got
    why: str


_3A, _7A, _11B, _STAFF = (
    ("3A", "127.0.31.7"),
    ("7A", "127.0.71.7"),
    ("11B", "127.0.111.7"),
    ("staff", "127.0.200.7"),
)

DEMO: tuple[Ask, ...] = (
    Ask(*_3A, "youtube.com", Got.BLOCK),
    Ask(*_3A, "roblox.com", Got.BLOCK),
    Ask(*_3A, "adult.canary.filterd.internal", Got.BLOCK),
    Ask(*_3A, "wikipedia.org", Got.ALLOW),
    Ask(*_3A, "moet.gov.vn", Got.ALLOW),
    Ask(*_3A, "use-application-dns.net", Got.BLOCK),
    Ask(*_7A, "youtube.com", Got.BLOCK),
    Ask(*_7A, "facebook.com", Got.BLOCK),
    Ask(*_7A, "bet365.com", Got.BLOCK, "tcp"),
    Ask(*_7A, "search.yahoo.com", Got.BLOCK),
    Ask(*_7A, "dns.google", Got.BLOCK),
    Ask(*_7A, "www.google.com", Got.SAFE),
    Ask(*_7A, "www.google.com", Got.SAFE, "udp", "HTTPS"),
    Ask(*_7A, "yandex.com", Got.SAFE),
    Ask(*_7A, "khanacademy.org", Got.ALLOW),
    Ask(*_11B, "youtube.com", Got.ALLOW),
    Ask(*_11B, "www.youtube.com", Got.SAFE),
    Ask(*_11B, "facebook.com", Got.BLOCK),
    Ask(*_11B, "bet365.com", Got.BLOCK, "udp", "HTTPS"),
    Ask(*_11B, "wikipedia.org", Got.ALLOW, "tcp"),
    Ask(*_STAFF, "facebook.com", Got.ALLOW),
    Ask(*_STAFF, "www.google.com", Got.ALLOW),
    Ask(*_STAFF, "bet365.com", Got.BLOCK),
    Ask(*_STAFF, "scam.canary.filterd.internal", Got.BLOCK),
    Ask(*_STAFF, "loc.filterd.internal", Got.LOCAL),
    Ask(*_3A, "localhost", Got.LOCAL),
)


def ask_all(server: tuple[str, int], questions: Sequence[Ask] = DEMO) -> list[Answer]:
    """All answers, in the order of the questions; asked at once, so names that must time out do so together."""
    with ThreadPoolExecutor(max_workers=len(questions)) as threads:
        return list(threads.map(lambda question: ask(server, question), questions))


def ask(server: tuple[str, int], question: Ask, timeout_s: float = REPLY_S) -> Answer:
    """Ask one question from the class's own address."""
    record = DNSRecord(DNSHeader(rd=1), q=DNSQuestion(question.name, getattr(QTYPE, question.qtype)))
    record.add_ar(EDNS0(udp_len=1232))
    exchange = _tcp if question.transport == "tcp" else _udp
    try:
        reply = exchange(server, question.source, record.pack(), timeout_s)
    except TimeoutError:
        return Answer(Got.NOTHING, f"no reply within {timeout_s:g} s")
    except OSError as error:
        return Answer(Got.NOTHING, error.strerror or str(error))
    if reply[:2] != record.pack()[:2]:
        return Answer(Got.ERROR, "a reply to another question")
    return judge(DNSRecord.parse(reply))


def judge(reply: DNSRecord) -> Answer:
    """What a reply says about the filter's verdict: Extended DNS Errors first, then who speaks for the name."""
    rcode = str(RCODE[reply.header.rcode])
    addresses = [str(record.rdata) for record in reply.rr if record.rtype in (QTYPE.A, QTYPE.AAAA)]
    shown = ", ".join([rcode, *addresses[:1]]) if rcode != "NOERROR" or not addresses else addresses[0]
    for code, text in extended_errors(reply):
        if code == BLOCKED:
            return Answer(Got.BLOCK, _fitting("EDE 15 ", text.removeprefix("filterd: ")))
        if rcode == "SERVFAIL" and code in NO_UPLINK:
            return Answer(Got.NO_UPLINK, f"SERVFAIL, EDE {code}")
    if reply.header.aa:
        return Answer(Got.LOCAL, shown if addresses else f"{rcode}, no address set")
    safe = _safe(reply)
    if safe:
        return Answer(Got.SAFE, safe)
    if rcode in ("NOERROR", "NXDOMAIN"):
        return Answer(Got.ALLOW, shown if addresses else f"{rcode} from upstream")
    return Answer(Got.ERROR, shown)


def _safe(reply: DNSRecord) -> str:
    """The safe host or address of an answer; or that the box says, in no zone's name, that there is no data."""
    for record in reply.rr:
        if str(record.rdata).rstrip(".") in SAFE:
            return str(record.rdata).rstrip(".")
    made_here = any(record.rtype == QTYPE.SOA and str(record.rdata.mname) == MADE_HERE for record in reply.auth)
    return "no data" if made_here and not reply.rr and not reply.header.rcode else ""


def extended_errors(reply: DNSRecord) -> list[tuple[int, str]]:
    """Code and text of every Extended DNS Error of a reply."""
    options = [o for record in reply.ar if record.rtype == QTYPE.OPT for o in record.rdata if o.code == EDE_OPTION]
    return [(int.from_bytes(o.data[:2], "big"), bytes(o.data[2:]).decode("utf-8", "replace")) for o in options]


def passes(expected: Got, got: Got) -> bool:
    """No uplink is an honest answer to a question that is sent there, and to no other."""
    return got is expected or (expected in (Got.ALLOW, Got.SAFE) and got is Got.NO_UPLINK)


def report(questions: Sequence[Ask], answers: Sequence[Answer]) -> tuple[str, bool]:
    """The table of verdicts and what follows from it, 80 columns wide; and whether all is well."""
    lines = [_row(" ", "CLASS", "NAME", "EXPECTED", "GOT", "WHY")]
    wrong = no_uplink = 0
    for question, answer in zip(questions, answers, strict=True):
        good = passes(question.expected, answer.got)
        wrong += not good
        no_uplink += answer.got is Got.NO_UPLINK
        extra = " ".join(e for e, usual in ((question.qtype, "A"), (question.transport, "udp")) if e != usual)
        name = f"{question.name} ({extra})" if extra else question.name
        mark = " " if good else "!"
        lines.append(_row(mark, question.who, name, question.expected, answer.got, answer.why))
    lines.append("")
    if no_uplink:
        lines += [
            f"No uplink: {no_uplink} allowed names got SERVFAIL, the honest answer when offline;",
            "counted as passed. Blocked and local names do not need it.",
        ]
    total = len(questions)
    lines.append(f"{total - wrong} of {total} as expected." if wrong else f"All {total} as expected.")
    return "\n".join(lines), not wrong


def _row(mark: str, who: str, name: str, expected: str, got: str, why: str) -> str:
    text = f"{mark} {who:<6}{name:<30}{expected:<9}{got:<10}{unicodedata.normalize('NFC', why)}"
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _fitting(before: str, text: str) -> str:
    """The text of a block in both languages where it fits into the last column, else in the one that does."""
    for words in (text, *text.split(" / ")):
        if len(before + words) <= WHY_WIDTH:
            return before + words
    return before + text


def _udp(server: tuple[str, int], source: str, packet: bytes, timeout_s: float) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.bind((source, 0))
        sock.connect(server)
        sock.send(packet)
        return sock.recv(4096)


def _tcp(server: tuple[str, int], source: str, packet: bytes, timeout_s: float) -> bytes:
    with socket.create_connection(server, timeout_s, (source, 0)) as sock, sock.makefile("rb") as stream:
        sock.sendall(struct.pack("!H", len(packet)) + packet)
        head = stream.read(2)
        reply = stream.read(int.from_bytes(head, "big"))
        if len(head) < 2 or not reply:
            raise ConnectionResetError("closed without a reply")
        return reply
