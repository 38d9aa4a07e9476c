"""Compiled tables on disk. This is the only module that writes or names these files.

    <state>/tables/<number>-<hash>/trie.marisa   the keys
                                   sets.bin      the set id of each key: 2 or 4 bytes, native order
                                   networks.bin  boundaries of address lists and their set ids; only with such lists
                                   meta.json     sources, sets, and size and SHA-256 of the files above
                                   report.json   what became of every list, for people; not part of the table
    <state>/CURRENT                              the generation in force, one line

Writer: `lists build` and the nightly update, one at a time under `tables/.lock`. Readers: dns, web, proxy, explain.
A generation is built in a directory nobody looks at and renamed into place; CURRENT is replaced by rename. The hash
in its name is that of `meta.json`, which holds those of the other files: one name vouches for every byte.

A damaged trie can crash whoever maps it, so `verify` comes before the first `open_table` of a generation.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import re
import shutil
import sys
import tempfile
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import marisa_trie

from filterd.core.compiler import Compiled
from filterd.core.networks import NONE, Bounds
from filterd.core.table import Table, TableSource
from filterd.errors import TableError
from filterd.store import atomic

FORMAT = 1
KEEP = 3
TRIE, SETS, NETWORKS, META, REPORT = "trie.marisa", "sets.bin", "networks.bin", "meta.json", "report.json"
_GENERATION = re.compile(r"(\d{6,12})-[0-9a-f]{16}")
_MAX_META_BYTES = 64 << 20
_SHORT = 1 << 16


def current(state_dir: Path) -> str | None:
    """The generation in force, or None when there is none.

    Where CURRENT is missing or damaged it is the newest on disk: one bad little file must not open the whole school.
    """
    return pointed(state_dir) or next(iter(generations(state_dir)), None)


def pointed(state_dir: Path) -> str | None:
    """The generation that CURRENT names, or None where it is missing or damaged."""
    try:
        text = (state_dir / "CURRENT").read_bytes()[:80].decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if _GENERATION.fullmatch(text) else None


def generations(state_dir: Path) -> list[str]:
    """All generations on disk, newest first; damaged ones too, `verify` tells."""
    try:
        found = [entry.name for entry in os.scandir(_tables(state_dir)) if _GENERATION.fullmatch(entry.name)]
    except OSError:
        return []
    return sorted(found, key=_number, reverse=True)


def verify(state_dir: Path, generation: str) -> Path:
    """The directory of a generation, once every size and SHA-256 in it is right. Raises TableError saying what is not.

    Reads all bytes: the parent does it once for a generation, before any worker maps it.
    """
    if not _GENERATION.fullmatch(generation):
        raise TableError(f"{generation[:80]!r} is no table generation")
    directory = _tables(state_dir) / generation
    meta = _read_meta(directory)
    for name, wanted in meta["files"].items():
        path = directory / name
        size = _size(path)
        if size != wanted["size"]:
            raise TableError(f"{path} has {size} bytes, not {wanted['size']}")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted["sha256"]:
                raise TableError(f"{path} does not have the SHA-256 it was written with: it is damaged")
    return directory


def open_table(directory: Path) -> Table:
    """Map a generation that `verify` passed. Raises TableError when files are missing or of the wrong size."""
    meta = _read_meta(directory)
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
    sources = _sources(meta)
    sets = [tuple(elements) for elements in meta["sets"]]
    built_at, names = meta["built_at"], meta["names"]
    return Table(trie, ids, sets, sources, generation=directory.name, built_at=built_at, names=names, bounds=bounds)


def sources_of(state_dir: Path, generation: str) -> tuple[TableSource, ...]:
    """The sources in a generation, without mapping it. Raises TableError."""
    return _sources(_read_meta(_tables(state_dir) / generation))


def publish(state_dir: Path, compiled: Compiled, built_at: int) -> str:
    """Write a compiled table as the newest generation and put it in force; gives its name. `built_at`: Unix seconds.

    Raises TableError when that fails, for want of space mostly: then no trace is left and CURRENT is as it was.
    """
    root = _tables(state_dir)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with atomic.locked(root / ".lock"):
            _sweep(root)
            return _publish(state_dir, root, compiled, built_at)
    except OSError as error:
        kept = current(state_dir) or "no table"
        raise TableError(f"the new table could not be written: {error}. Still in force: {kept}") from None


def report_of(state_dir: Path, generation: str) -> dict[str, Any]:
    """What became of every list when a generation was built, by source id; empty when the report is gone."""
    try:
        found = json.loads((_tables(state_dir) / generation / REPORT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _publish(state_dir: Path, root: Path, compiled: Compiled, built_at: int) -> str:
    trie = compiled.trie.tobytes()
    width = 2 if len(compiled.sets) <= _SHORT else 4
    files = {TRIE: trie, SETS: _set_ids(compiled.ids, width)}
    if compiled.bounds.sets:
        files[NETWORKS] = _networks(compiled.bounds, width)
    meta = _meta(compiled, built_at, width, files)
    _need_space(root, 2 * sum(map(len, (*files.values(), meta))))
    number = max((_number(name) for name in generations(state_dir)), default=0) + 1
    generation = f"{number:06d}-{_hash(meta)}"
    beside = Path(tempfile.mkdtemp(dir=root, prefix=".new-"))
    try:
        for name, data in (*files.items(), (META, meta), (REPORT, _report(compiled))):
            atomic.write(beside / name, data)
        beside.chmod(0o750)
        beside.rename(root / generation)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    atomic.sync_folder(root)
    _put_in_force(state_dir, root, generation)
    _prune(state_dir, root)
    return generation


def _put_in_force(state_dir: Path, root: Path, generation: str) -> None:
    try:
        atomic.write(state_dir / "CURRENT", generation.encode("ascii") + b"\n")
    except BaseException:
        if current(state_dir) != generation:
            shutil.rmtree(root / generation, ignore_errors=True)
        raise


def _meta(compiled: Compiled, built_at: int, width: int, files: Mapping[str, bytes]) -> bytes:
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
    return json.dumps(meta, separators=(",", ":")).encode()


def _report(compiled: Compiled) -> bytes:
    report = {name: found.to_json() for name, found in compiled.reports.items()}
    for name, reason in compiled.refused.items():
        report.setdefault(name, {})["reason"] = reason
    return json.dumps(report, ensure_ascii=False, indent=1).encode()


def _read_meta(directory: Path) -> dict[str, Any]:
    path = directory / META
    try:
        if path.stat().st_size > _MAX_META_BYTES:
            raise TableError(f"{path} is far too large: it is damaged")
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    if _hash(data) != directory.name.partition("-")[2]:
        raise TableError(f"{path} does not have the hash in its generation's name: it is damaged")
    meta: dict[str, Any] = json.loads(data)
    if meta.get("format") != FORMAT or meta.get("byteorder") != sys.byteorder:
        raise TableError(f"{path} was written by another version or another kind of machine; build the lists again")
    return meta


def _sources(meta: Mapping[str, Any]) -> tuple[TableSource, ...]:
    return tuple(TableSource(*row) for row in meta["sources"])


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


def _need_space(root: Path, wanted: int) -> None:
    free = shutil.disk_usage(root).free
    if free < wanted:
        raise OSError(f"{root} has {free >> 20} MiB free; {(wanted >> 20) + 1} MiB are needed (twice the table)")


def _sweep(root: Path) -> None:
    """Remove what a killed writer left behind; the lock says that nobody is still at it."""
    for path in root.glob(".new-*"):
        shutil.rmtree(path, ignore_errors=True)


def _prune(state_dir: Path, root: Path) -> None:
    """Keep the newest generations. Processes that still map an older one keep its pages."""
    kept = {current(state_dir), *generations(state_dir)[:KEEP]}
    for name in generations(state_dir):
        if name not in kept:
            with contextlib.suppress(OSError):
                shutil.rmtree(root / name)


def _tables(state_dir: Path) -> Path:
    return state_dir / "tables"


def _number(generation: str) -> int:
    return int(generation.partition("-")[0])


def _hash(meta: bytes) -> str:
    return hashlib.sha256(meta).hexdigest()[:16]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
