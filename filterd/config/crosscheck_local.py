"""What must hold within local.yaml: nothing twice, one TTL for a set, CNAMEs alone at their names and with an end.

Trees in, problems out. `zones` and `found` read the file as it will be compiled, as far as it is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from filterd.config import records, units
from filterd.config.across import Report, Trees, find, parsed
from filterd.config.compile_local import HOST_TTL_S
from filterd.config.schema_school import BlockAnswer
from filterd.config.yamltree import Path

FILE = "local.yaml"
MAX_CHAIN = 8  # CNAMEs in a row, as many as core.local follows
Aliases = dict[str, tuple[Path, str]]


class Found(NamedTuple):
    """A record and where it stands. `text` is an address, the target of a CNAME, else the RDATA in hex."""

    path: Path
    name: str
    kind: str
    text: str
    ttl_s: int


def check(trees: Trees, report: Report) -> None:
    """Every mistake, at the place where it stands."""
    _same_host(trees, report)
    every = list(found(trees))
    for rule in (_same_record, _aliases, _box_name):
        rule(trees, every, report)


def zones(trees: Trees) -> Iterator[tuple[Path, str]]:
    """(path, name) of everything the school answers for by itself."""
    for pattern in ("zones.*", "leases.domain"):
        for path, value in find(trees, FILE, pattern):
            zone = parsed(units.zone, value)
            if zone is not None:
                yield path, zone


def found(trees: Trees) -> Iterator[Found]:
    """Every record that the file comes to; those of hosts first."""
    yield from _hosts(trees)
    for path, value in find(trees, FILE, "records.*"):
        record = _record(path, value) if isinstance(value, dict) else None
        if record is not None:
            yield record


def _hosts(trees: Trees) -> Iterator[Found]:
    for path, value in find(trees, FILE, "hosts.*"):
        name = parsed(units.domain, path[-1])
        for i, address in enumerate(value if isinstance(value, list) else [value]):
            kind, text = _address(address)
            if name is not None and kind:
                yield Found((*path, i), name, kind, text, HOST_TTL_S)


def _record(path: Path, said: dict[str, Any]) -> Found | None:
    kind, name, value = said.get("type"), said.get("name"), said.get("value")
    if not isinstance(kind, str) or not isinstance(name, str) or not isinstance(value, str):
        return None
    try:
        packed = records.rdata(kind, value)
        text = units.domain(value) if kind == "CNAME" else _address(value)[1] or packed.hex()
        return Found(path, records.owner(kind, name), kind, text, units.duration(said.get("ttl", "5m")))
    except (ValueError, KeyError):
        return None


def _address(value: Any) -> tuple[str, str]:
    try:
        return records.address(value) if isinstance(value, str) else ("", "")
    except ValueError:
        return "", ""


def _same_host(trees: Trees, report: Report) -> None:
    first: dict[str, Path] = {}
    for path, _ in find(trees, FILE, "hosts.*"):
        name = parsed(units.domain, path[-1])
        if name is None:
            continue
        if name in first:
            line = trees[FILE].line(first[name])
            report(FILE, path, f"{name!r} is given twice, first in line {line}; list all its addresses there")
        first.setdefault(name, path)


def _same_record(trees: Trees, every: list[Found], report: Report) -> None:
    seen: dict[tuple[str, str, str], Path] = {}
    ttls: dict[tuple[str, str], int] = {}
    for path, name, kind, text, ttl_s in every:
        first = seen.setdefault((name, kind, text), path)
        if first != path:
            report(FILE, path, f"the same {kind} of {name} stands in line {trees[FILE].line(first)} already")
        elif ttls.setdefault((name, kind), ttl_s) != ttl_s:
            other = ttls[name, kind]
            report(FILE, path, f"another {kind} of {name} has the ttl {other}s; one ttl for all of them (RFC 2181)")


def _aliases(trees: Trees, every: list[Found], report: Report) -> None:
    """A CNAME stands alone at its name (RFC 1034 section 3.6.2), and leads to an end."""
    aliases: Aliases = {}
    others: Aliases = {}
    for path, name, kind, text, _ in every:
        if kind != "CNAME":
            others.setdefault(name, (path, kind))
        elif name in aliases and aliases[name][1] != text:
            report(FILE, path, f"{name} has a CNAME already, in line {trees[FILE].line(aliases[name][0])}; one only")
        else:
            aliases.setdefault(name, (path, text))
    for name, (path, target) in aliases.items():
        if name in others:
            other, kind = others[name]
            line = trees[FILE].line(other)
            report(FILE, path, f"{name} also has {kind} in line {line}; a CNAME must be all there is at its name")
        _follow(aliases, name, target, path, report)
    tops = {zone: path for path, zone in zones(trees)}
    for name in aliases.keys() & tops.keys():
        report(FILE, aliases[name][0], f"{name} is a zone (its own SOA stands there); a CNAME cannot stand beside it")


def _follow(aliases: Aliases, name: str, target: str, path: Path, report: Report) -> None:
    chain = [name]
    while target in aliases and target not in chain and len(chain) <= MAX_CHAIN:
        chain.append(target)
        target = aliases[target][1]
    if target == name:
        report(FILE, path, f"the CNAMEs go round: {' -> '.join([*chain, name])}")
    elif len(chain) > MAX_CHAIN:
        report(FILE, path, f"more than {MAX_CHAIN} CNAMEs in a row; point {name} at the last of them")


def _box_name(trees: Trees, every: list[Found], report: Report) -> None:
    """The box's own name is answered before anything else, so a record there would be a promise that is not kept."""
    if "school.yaml" not in trees:
        return  # that file could not be read, and says so
    answer = trees["school.yaml"].get("block_answer")
    said = answer.get("box_name", BlockAnswer().box_name) if isinstance(answer, dict) else BlockAnswer().box_name
    box = parsed(units.domain, said)
    for path, name, *_ in every:
        if name == box:
            report(FILE, path, f"{name} is the box's own name (block_answer in school.yaml) and has its answer already")
