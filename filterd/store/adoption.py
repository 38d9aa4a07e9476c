"""A table that another box compiled: what its folder holds, and a copy of it whose every byte was checked.

The folder is a stranger's until its bytes are here: a share, a stick, a download that somebody may still write to. So
`meta.json` is read once and kept, and every other file is copied first and checked as copied. `store.tables` puts the
copy in force.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterd.errors import TableError
from filterd.store import atomic, files, tablefiles

MAX_PART_BYTES = 1 << 31
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Offer:
    """A folder with a table, as far as `meta.json` says; `bytes` is the size of all its files."""

    folder: Path
    data: bytes
    meta: dict[str, Any]
    bytes: int


def look(folder: Path, meta_sha256: str | None) -> Offer:
    """What a folder offers. Raises TableError, also for a `meta.json` without that SHA-256, where one is given."""
    path = folder / tablefiles.META
    try:
        data = files.read(path, tablefiles.MAX_META_BYTES)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise TableError(str(error)) from None
    if meta_sha256 is not None and hashlib.sha256(data).hexdigest() != meta_sha256:
        raise TableError(f"{path} does not have the SHA-256 that was signed")
    meta = tablefiles.parsed(path, data)
    sizes = [wanted["size"] for wanted in meta["files"].values()]
    if not all(0 <= size <= MAX_PART_BYTES for size in sizes):
        raise TableError(f"{path} says that a file is larger than any table")
    return Offer(folder, data, meta, len(data) + sum(sizes))


def copy(offer: Offer, beside: Path) -> None:
    """Copy the files into a folder of our own and check the copies. Raises TableError, OSError for our disk."""
    for name, wanted in offer.meta["files"].items():
        _copy(offer.folder / name, beside / name, wanted["size"], wanted["sha256"])
    atomic.write(beside / tablefiles.META, offer.data)
    tablefiles.check_ids(beside, offer.meta)


def _copy(source: Path, target: Path, size: int, sha256: str) -> None:
    digest = hashlib.sha256()
    left = size
    try:
        descriptor = files.open_regular(source, MAX_PART_BYTES)
    except OSError as error:
        raise TableError(f"{source} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise TableError(str(error)) from None
    with os.fdopen(descriptor, "rb") as reading, target.open("xb") as writing:
        while left and (chunk := _read(reading.fileno(), min(left, _CHUNK_BYTES), source)):
            digest.update(chunk)
            writing.write(chunk)
            left -= len(chunk)
        more = _read(reading.fileno(), 1, source)
        writing.flush()
        os.fchmod(writing.fileno(), 0o640)
        os.fsync(writing.fileno())
    if left or more:
        raise TableError(f"{source} has {'more' if more else size - left} bytes, not {size}")
    if digest.hexdigest() != sha256:
        raise TableError(
            f"{source} does not have the SHA-256 that {tablefiles.META} says: it was altered or is damaged"
        )


def _read(descriptor: int, size: int, source: Path) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:  # a stick that was pulled out; not our disk
        raise TableError(f"{source} cannot be read: {error.strerror}") from None
