"""HTTPS and SVCB answers without what would lead past the filter: ECH, HTTP/3 and address hints (RFC 9460, RFC 9848).

The raw answer stays in the cache; what a client of a row may see of it is made here. The answer section is written
anew, so names are expanded, and the result is read back by `wire`: whatever comes out is a valid message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from filterd.core import svcparams, wire
from filterd.core.svcparams import Params
from filterd.core.wire import Answer
from filterd.core.wirenames import read_name, skip_name
from filterd.errors import WireError

MAX_RECORDS: Final = 32  # in the answer section; it is written anew for each question that the memo does not know
_MAX_BYTES: Final = 65_535 - 2048  # leaves room for our OPT
_FIRST_POINTER: Final = 0xC000
_SERVICE: Final = frozenset({wire.HTTPS, wire.SVCB})
_SOA_TTL_AT: Final = 6  # in a record whose owner is a pointer
_SIGNER: Final = 18  # bytes before the signer's name (RFC 4034 section 3.1)
# Bytes before the name in the data of what belongs into such an answer; of other kinds nothing is kept.
_NAME_AT: Final = {wire.CNAME: 0, wire.DNAME: 0, wire.RRSIG: _SIGNER}

Refuse = Callable[[bytes], bool]
Set = tuple[bytes, int]  # owner in lower case, type


class _Record(NamedTuple):
    """A record of class IN; nothing in `data` is compressed."""

    owner: bytes
    kind: int
    ttl: int
    data: bytes


def edited(answer: Answer, question: bytes, strip_ech: bool, strip_h3: bool, refuse: Refuse | None) -> Answer:
    """The answer without `ech`, without `h3` in `alpn`, without the hints that `refuse` (packed address) is true for.

    `question` are the bytes that stand before the body: as many as the upstream's, the case aside. A record that cannot
    be used without what was taken away is dropped (`mandatory`; no protocol left), as are signatures over what changed,
    and AD. With no record left it is an answer without data, with an SOA of ours (RFC 2308 section 5). The additional
    section, where servers put the records that an alias leads to (RFC 9460 section 4.1), is dropped in any case:
    clients ask for what they need. Gives the same object where nothing changes. Raises WireError for what is no answer,
    and for one that becomes too large.
    """
    if not strip_ech and not strip_h3 and refuse is None:
        return answer
    answer = _without_additionals(answer)
    if answer.counts[0] > MAX_RECORDS:
        raise WireError("too many records to edit")
    start = wire.HEADER_BYTES + len(question)
    message = bytes(wire.HEADER_BYTES) + question + answer.body
    changed: set[Set] = set()
    records: list[_Record] = []
    at = start
    for offset in answer.ttls[: answer.counts[0]]:
        owner = read_name(message, at)
        kind, klass, ttl, length = wire.read_record(message, start + offset - 4)
        data = start + offset + 6
        at = data + length
        new: bytes | None = None
        if kind in _SERVICE:
            new = _edited_data(message, data, at, strip_ech, strip_h3, refuse)
            if new != message[data:at]:
                changed.add((owner.lower(), kind))
        elif kind in _NAME_AT:
            new = _expanded(message, data, at, _NAME_AT[kind])
        elif kind in (wire.A, wire.AAAA):
            new = message[data:at]
        if new is not None and klass == wire.IN:
            records.append(_Record(owner, kind, ttl, new))
    if not changed:
        return answer
    return _written(answer, question, [each for each in records if not _signs(each, changed)])


def _without_additionals(answer: Answer) -> Answer:
    answers, authorities, additionals = answer.counts
    if not additionals:
        return answer
    kept = answers + authorities
    end = 0
    if kept:
        last = answer.ttls[kept - 1]
        end = last + 6 + (answer.body[last + 4] << 8 | answer.body[last + 5])
    counts, body, ttls = (answers, authorities, 0), answer.body[:end], answer.ttls[:kept]
    return Answer(answer.flags, counts, body, ttls, answer.ttl_s, answer.targets, answer.negative, answer.marks)


def _edited_data(
    message: bytes, at: int, end: int, strip_ech: bool, strip_h3: bool, refuse: Refuse | None
) -> bytes | None:
    """The data of one record with fewer parameters; None where nothing usable is left."""
    priority, target, params = svcparams.read(message, at, end)
    kept: Params = []
    gone = set()
    for key, value in params:
        new: bytes | None = value
        if key == svcparams.ECH and strip_ech:
            new = None
        elif key == svcparams.ALPN and strip_h3:
            new = _without_h3(value) or None
        elif key in svcparams.ADDRESS_BYTES and refuse is not None:
            new = b"".join(hint for hint in svcparams.hints([(key, value)]) if not refuse(hint)) or None
        if new is None:
            gone.add(key)
        else:
            kept.append((key, new))
    if kept == params:
        return message[at:end]
    for key, value in kept:
        if key == svcparams.NO_DEFAULT_ALPN and svcparams.ALPN in gone:
            return None
        if key == svcparams.MANDATORY and not gone.isdisjoint(svcparams.keys(value)):
            return None
    return svcparams.write(priority, target, kept)


def _without_h3(value: bytes) -> bytes:
    """The value of `alpn` without HTTP/3 and its drafts."""
    kept = [name for name in svcparams.protocols(value) if name != b"h3" and not name.startswith(b"h3-")]
    return b"".join(bytes((len(name),)) + name for name in kept)


def _expanded(message: bytes, data: int, end: int, name_at: int) -> bytes:
    """Data that holds a name behind `name_at` bytes, with that name in full."""
    behind = skip_name(message, data + name_at)
    if behind > end:
        raise WireError("a name runs over its record")
    return message[data : data + name_at] + read_name(message, data + name_at) + message[behind:end]


def _signs(record: _Record, changed: set[Set]) -> bool:
    """Whether it is a signature over a set that is not what it was."""
    return record.kind == wire.RRSIG and (record.owner.lower(), record.data[0] << 8 | record.data[1]) in changed


def _written(answer: Answer, question: bytes, records: list[_Record]) -> Answer:
    """An answer of these records alone. An owner that was there before is a pointer (RFC 1035 section 4.1.4)."""
    start = wire.HEADER_BYTES + len(question)
    flags = answer.flags & ~wire.AD
    if not records:
        return Answer(flags, (0, 1, 0), wire.soa(answer.ttl_s), (_SOA_TTL_AT,), answer.ttl_s, (), True)
    body = bytearray()
    known = {question[:-4].lower(): wire.HEADER_BYTES}
    for record in records:
        owner = record.owner
        at = known.setdefault(owner.lower(), start + len(body))
        if at < min(start + len(body), 0x4000):
            owner = (_FIRST_POINTER | at).to_bytes(2, "big")
        body += wire.record(record.kind, record.ttl, record.data, owner)
    if start + len(body) > _MAX_BYTES:
        raise WireError("too large without compression")
    header = (0, flags, 1, len(records), 0, 0)
    written = wire.read_answer(wire.pack_header(*header) + question + body, start, header)
    written.ttl_s = answer.ttl_s
    return written
