"""What the box answers out of itself, in words: special names, its own name, the school's records, leases, listeners.

`explain` shows it. The replies are made by the code that makes them for devices, then read.
"""

from __future__ import annotations

from typing import Final

from dnslib import QTYPE, RR, DNSRecord

from filterd.core import names, replies, wire
from filterd.core.local import Rewrite
from filterd.core.matrix import Row
from filterd.core.snapshot import Snapshot
from filterd.core.verdict import Action, Verdict

_HEADER: Final = bytes((0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0))  # RD, one question
_PLAIN: Final = frozenset({"A", "AAAA", "CNAME", "PTR", "SRV", "MX"})


def answer(snapshot: Snapshot, row: Row, verdict: Verdict, name: str, qtype: str) -> tuple[str, int] | Rewrite:
    """Words and TTL of the reply to a question that step 0 decided; wire name and TTL of an alias that leads out."""
    kind = QTYPE.reverse[qtype] if qtype in QTYPE.reverse else int(qtype.removeprefix("TYPE"))
    query = wire.read_query(_HEADER + names.wire_of_text(name) + kind.to_bytes(2, "big") + b"\0\1")
    found = snapshot.ddr.reply(query, query.key) if snapshot.ddr is not None else None
    if found is not None:
        return _words(found, qtype)
    if verdict.action is Action.REWRITE and query.key != snapshot.box_key and snapshot.local is not None:
        local = snapshot.local.reply(query, query.key, row.lan)
        return _words(local, qtype) if isinstance(local, bytes) else local
    return _words(replies.Synthetic(snapshot.policy).reply(query, query.key, verdict), qtype)


def _words(reply: bytes, qtype: str) -> tuple[str, int]:
    found = DNSRecord.parse(reply)
    said = [_record(record) for record in found.rr if QTYPE[record.rtype] in _PLAIN]
    others = len(found.rr) - len(said)
    if others:
        said.append(f"{others} {qtype} record{'s' if others > 1 else ''}")
    if found.header.rcode == wire.NXDOMAIN:
        said.append("NXDOMAIN")
    elif not any(QTYPE[record.rtype] == qtype for record in found.rr):
        said.append("no data")
    return ", ".join(said), (found.rr or found.auth)[0].ttl


def _record(record: RR) -> str:
    text = str(record.rdata).rstrip(".")
    return f"CNAME {text}" if QTYPE[record.rtype] == "CNAME" else text
