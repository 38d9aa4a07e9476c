"""The files of one compiled table: how they are written, checked and mapped.

    trie.marisa   the keys
    sets.bin      the set id of each key: 2 or 4 bytes, native order
    networks.bin  boundaries of address lists and their set ids; only with such lists
    meta.json     sources, sets, and size and SHA-256 of the files above
    report.json   what became of every list, for people; not part of the table

`store.tables` says where they are and which are in force. The hash in a generation's name is that of `meta.json`, which
holds those of the other files: one name vouches for every byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
import sys
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import marisa_trie

from filterd.core.compiler import Compiled
from filterd.core.networks import NONE, Bounds
from filterd.core.table import CODE_BITS, Table, TableSource
from filterd.errors import TableError
from filterd.store import files

FORMAT = 1
TRIE, SETS, NETWORKS, META, REPORT = "trie.marisa", "sets.bin", "networks.bin", "meta.json", "report.json"
PARTS = frozenset({TRIE, SETS, NETWORKS})
MAX_META_BYTES = 64 << 20
_SHORT = 1 << 16
_MAX_NUMBER = 1 << 37  # a size, a count, or a time in Unix seconds
_SOURCE = [str, str, int, int, bool]  # the fields of a `TableSource`


def written(compiled: Compiled, built_at: int, fingerprint: str) -> dict[str, bytes]:
    """All files of a table by name. `fingerprint`: what it was made of, "" if nobody says."""
    width = 2 if len(compiled.sets) <= _SHORT else 4
    files = {TRIE: compiled.trie.tobytes(), SETS: _set_ids(compiled.ids, width)}
    if compiled.bounds.sets:
        files[NETWORKS] = _networks(compiled.bounds, width)
    return {**files, META: _meta(compiled, built_at, width, files, fingerprint), REPORT: _report(compiled)}


def check(directory: Path, meta: Mapping[str, Any]) -> None:
    """Read every file that `meta` speaks of. Raises TableError for one of another size or SHA-256."""
    for name, wanted in meta["files"].items():
        path = directory / name
        size = _size(path)
        if size != wanted["size"]:
            raise TableError(f"{path} has {size} bytes, not {wanted['size']}")
        with _open(path, size) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted["sha256"]:
                raise TableError(f"{path} does not have the SHA-256 it was written with: it is damaged")


def open_table(directory: Path) -> Table:
    """Map the files of a generation that `tables.verify` passed. Raises TableError where one is missing or cut."""
    meta = read_meta(directory)
    for name, wanted in meta["files"].items():
        if _size(directory / name) != wanted["size"]:
            raise TableError(f"{directory / name} has {_size(directory / name)} bytes: it is damaged")
    try:
        trie = marisa_trie.BinaryTrie()
        trie.mmap(str(directory / TRIE))
        ids = _map_ids(directory / SETS, meta["width"], meta["keys"])
        bounds = _map_bounds(directory / NETWORKS, meta["width"], *meta["networks"]) if "networks" in meta else NONE
    except (OSError, ValueError, RuntimeError) as error:
        raise TableError(f"{directory} cannot be mapped: {error}") from None
    if len(trie) != meta["keys"]:
        raise TableError(f"{directory / TRIE} has {len(trie)} keys, not {meta['keys']}")
    sources = sources_of(meta)
    sets = [tuple(elements) for elements in meta["sets"]]
    built_at, names = meta["built_at"], meta["names"]
    return Table(trie, ids, sets, sources, generation=directory.name, built_at=built_at, names=names, bounds=bounds)


def read_meta(directory: Path) -> dict[str, Any]:
    """`meta.json` of a generation, whose directory's name holds its hash. Raises TableError."""
    path = directory / META
    with _open(path, MAX_META_BYTES) as file:
        data = file.read()
    if hash_of(data) != directory.name.partition("-")[2]:
        raise TableError(f"{path} does not have the hash in its generation's name: it is damaged")
    return parsed(path, data)


def parsed(path: Path, data: bytes) -> dict[str, Any]:
    """The content of a `meta.json`, which others may have written. Raises TableError for any other shape or format."""
    try:
        meta = json.loads(data)
        numbers = [meta[name] for name in ("built_at", "names", "keys", "width")]
        numbers += [wanted["size"] for wanted in meta["files"].values()]
        sound = all(type(number) is int and 0 <= number <= _MAX_NUMBER for number in numbers)
        sound = sound and all(isinstance(wanted["sha256"], str) for wanted in meta["files"].values())
        sound = sound and all([type(value) for value in row] == _SOURCE for row in meta["sources"])
        sound = sound and all(type(element) is int for elements in meta["sets"] for element in elements)
        networks = meta.get("networks", [0, 0])
        sound = sound and len(networks) == 2 and all(type(count) is int and count >= 0 for count in networks)
        version = meta.get("format"), meta.get("byteorder")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TableError(f"{path} is not what describes a table") from None
    if version != (FORMAT, sys.byteorder):
        raise TableError(f"{path} was written by another version or another kind of machine; build the lists again")
    if not sound:
        raise TableError(f"{path} is not what describes a table")
    if not {TRIE, SETS} <= set(meta["files"]) <= PARTS:  # a name is a path to whoever reads or copies the files
        raise TableError(f"{path} names other files than a table has: {', '.join(map(repr, meta['files']))[:80]}")
    return dict(meta)


def check_ids(directory: Path, meta: Mapping[str, Any]) -> None:
    """Check that the files of a table fit each other, as ours always do. Raises TableError.

    A look-up trusts every id: one out of range would end it with an error, question after question.
    """
    width, keys = meta["width"], meta["keys"]
    v4, v6 = meta.get("networks", (0, 0))
    elements = [element for each in meta["sets"] for element in each]
    used = _ids(directory / SETS, width, 0) if keys else array("H")
    ranged = _ids(directory / NETWORKS, width, 4 * v4 + 16 * v6) if v4 or v6 else array("H")
    fits = (
        len(used) == keys
        and len(ranged) == v4 + v6
        and max(max(used, default=0), max(ranged, default=0)) < len(meta["sets"])
    )
    if not fits or min(elements, default=0) < 0 or max(elements, default=-1) >= len(meta["sources"]) << CODE_BITS:
        raise TableError(f"{directory}: the files do not fit each other; it is no table of ours")


def _ids(path: Path, width: int, start: int) -> array[int]:
    """The set ids in a file from an offset on. Raises TableError."""
    try:
        return array({2: "H", 4: "I"}[width], path.read_bytes()[start:])
    except (OSError, ValueError, KeyError):
        raise TableError(f"{path} does not fit {META}; it is no table of ours") from None


def sources_of(meta: Mapping[str, Any]) -> tuple[TableSource, ...]:
    """The sources of a table."""
    return tuple(TableSource(*row) for row in meta["sources"])


def hash_of(meta: bytes) -> str:
    """The hash of `meta.json`, as it stands in the name of a generation."""
    return hashlib.sha256(meta).hexdigest()[:16]


def _meta(compiled: Compiled, built_at: int, width: int, files: Mapping[str, bytes], fingerprint: str) -> bytes:
    meta: dict[str, Any] = {
        "format": FORMAT,
        "byteorder": sys.byteorder,
        "built_at": built_at,
        "names": compiled.names,
        "keys": len(compiled.trie),
        "width": width,
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
        "sources": [[s.id, s.category, s.entries, s.list_time, s.longest_wins] for s in compiled.sources],
        "sets": compiled.sets,
    }
    if NETWORKS in files:
        meta["networks"] = [len(compiled.bounds.v4), len(compiled.bounds.high)]
    if fingerprint:
        meta["fingerprint"] = fingerprint
    return json.dumps(meta, separators=(",", ":")).encode()


def _report(compiled: Compiled) -> bytes:
    report = {name: found.to_json() for name, found in compiled.reports.items()}
    for name, reason in compiled.refused.items():
        report.setdefault(name, {})["reason"] = reason
    return json.dumps(report, ensure_ascii=False, indent=1).encode()


def _map_ids(path: Path, width: int, keys: int) -> memoryview:
    if not keys:
        return memoryview(b"").cast("H")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), keys * width, access=mmap.ACCESS_READ)
    return memoryview(mapped).cast("H" if width == 2 else "I")


def _map_bounds(path: Path, width: int, v4: int, v6: int) -> Bounds:
    """The four arrays that `_networks` wrote, in its order."""
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 16 * v6 + (4 + width) * v4 + width * v6, access=mmap.ACCESS_READ))
    middle = 16 * v6 + 4 * v4
    return Bounds(
        mapped[16 * v6 : middle].cast("I"),
        mapped[: 8 * v6].cast("Q"),
        mapped[8 * v6 : 16 * v6].cast("Q"),
        mapped[middle:].cast("H" if width == 2 else "I"),
    )


def _networks(bounds: Bounds, width: int) -> bytes:
    """High halves, low halves, IPv4 boundaries and set ids, one array behind the other: the widest first."""
    parts = array("Q", bounds.high), array("Q", bounds.low), array("I", bounds.v4)
    return b"".join(part.tobytes() for part in parts) + _set_ids(bounds.sets, width)


def _set_ids(ids: Iterable[int], width: int) -> bytes:
    return array("H" if width == 2 else "I", ids).tobytes()


def _open(path: Path, limit: int) -> io.BufferedReader:
    """A regular file of at most `limit` bytes. Raises TableError for a link, a pipe, whatever else may lie there."""
    try:
        return os.fdopen(files.open_regular(path, limit), "rb")
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise TableError(f"{error}: it is damaged") from None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
