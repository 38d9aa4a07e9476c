"""Signed bundles as a district makes them: the table in force, copied to a folder that others read.

The folder may be served by a web server or lie on a share while it is written. The files of a table go into a folder of
their own first; the index and its signature, which name them, are replaced last, and the files they named before stay
until the export after. So a reader who comes in between gets the old bundle, the new one, or an index that its
signature does not fit, and never half of one that passes for whole.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from filterd.core import bundle
from filterd.core.bundle import File, Index, Listed
from filterd.core.source import Source
from filterd.core.table import TableSource
from filterd.errors import TableError, TrustError
from filterd.store import atomic, bundles, files, keys, tablefiles, tables
from filterd.store.bundles import INDEX, LICENCES, SIGNATURE

_OURS = re.compile(r"\d{6,12}-[0-9a-f]{16}(-\d{1,16})?|\.new-\w+")


def export(
    state_dir: Path,
    folder: Path,
    private: Ed25519PrivateKey,
    name: str,
    sources: Sequence[Source],
    status: Mapping[str, str],
    now: int,
    days: int = bundle.DAYS,
) -> Index:
    """Write the table in force to `folder` and sign it. `status`: what the last update made of a source, by its id.

    The version is `now` (Unix seconds, from a clock that is right), or one more than the last in the folder: a district
    whose folder is lost goes on counting. Raises TableError for no table or a damaged one, OSError for a full disk; the
    bundle that was there then still is.
    """
    generation = tables.current(state_dir)
    if generation is None:
        raise TableError("there is no table to export; 'filterd update' or 'filterd lists build' makes one")
    folder.mkdir(mode=0o755, exist_ok=True)
    before = _before(folder, private)
    version = max(now, before.version + 1) if before is not None else now
    directory = tables.verify(state_dir, generation)
    listed = _listed(tables.sources_of(state_dir, generation), sources, status)
    beside = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
    try:
        found, names = _copied(directory, beside, _licences(listed, sources))
        named = _placed(folder, beside, generation, version, found)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    index = Index(
        name=name,
        signer=keys.public_of(private, "own").id,
        version=version,
        created_at=now,
        expires_at=now + days * bundle.DAY_S,
        generation=generation,
        folder=named,
        table_format=tablefiles.FORMAT,
        byteorder=sys.byteorder,
        names=names,
        files=found,
        sources=listed,
    )
    _sign(folder, index, private)
    _prune(folder, {named, before.folder if before is not None else named})
    return index


def _before(folder: Path, private: Ed25519PrivateKey) -> Index | None:
    """What this key signed there before; what it did not sign says nothing, least of all its version."""
    try:
        data = files.read(folder / INDEX, bundle.MAX_INDEX_BYTES)
        signature = base64.b64decode(files.read(folder / SIGNATURE, bundles.MAX_SIGNATURE_BYTES))
        if keys.verify(keys.public_of(private, "own"), data, signature):
            return Index.parse(data)
    except (OSError, ValueError, TrustError):
        return None
    return None


def _copied(directory: Path, beside: Path, licences: bytes) -> tuple[dict[str, File], int]:
    """Copies of the table's files, each checked against meta.json, and that against the generation's name.

    They may have changed since they were verified, and a signature must not vouch for that. Gives the number of names.
    """
    found = {
        tablefiles.META: bundles.copy(directory / tablefiles.META, beside / tablefiles.META, bundle.MAX_TOTAL_BYTES)
    }
    whole = found[tablefiles.META].sha256.startswith(directory.name.partition("-")[2])
    path = beside / tablefiles.META
    meta: Mapping[str, Any] = tablefiles.parsed(path, path.read_bytes()) if whole else {"files": {}}
    for name, wanted in meta["files"].items():
        found[name] = bundles.copy(directory / name, beside / name, bundle.MAX_TOTAL_BYTES)
        whole = whole and found[name] == File(wanted["size"], wanted["sha256"])
    if not whole:
        raise TableError(f"{directory} changed while it was copied; export again")
    atomic.write(beside / LICENCES, licences)
    found[LICENCES] = File(len(licences), hashlib.sha256(licences).hexdigest())
    for name, file in found.items():
        _open_to_all(files.open_regular(beside / name, file.size), 0o644)
    _open_to_all(os.open(beside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC), 0o755)
    atomic.sync_folder(beside)
    return found, meta["names"]


def _open_to_all(descriptor: int, mode: int) -> None:
    """Of what was opened: whoever may write to the folder renames things there as he likes, and we may be root."""
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _placed(folder: Path, beside: Path, generation: str, version: int, found: Mapping[str, File]) -> str:
    """Give the new files their name. What is there already is left alone: readers may be at it."""
    for name in (generation, f"{generation}-{version}"):
        target = folder / name
        if not os.path.lexists(target):
            beside.rename(target)
            atomic.sync_folder(folder)
            return name
        if not target.is_symlink() and all(_is(target / file, wanted) for file, wanted in found.items()):
            return name
    raise OSError(f"{folder}: somebody else is writing a bundle there; nothing was changed")


def _is(path: Path, wanted: File) -> bool:
    try:
        descriptor = files.open_regular(path, wanted.size)
    except (OSError, ValueError):
        return False
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == wanted.sha256


def _sign(folder: Path, index: Index, private: Ed25519PrivateKey) -> None:
    data = index.to_bytes()
    atomic.write(folder / INDEX, data, 0o644)
    atomic.write(folder / SIGNATURE, base64.b64encode(keys.sign(private, data)) + b"\n", 0o644)


def _prune(folder: Path, kept: set[str]) -> None:
    """Remove the files of older exports, and of those that were killed."""
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _listed(table: Sequence[TableSource], sources: Sequence[Source], status: Mapping[str, str]) -> tuple[Listed, ...]:
    known = {source.id: source for source in sources}
    found = []
    for row in table:
        source = known.get(row.id)
        name, url, licence = (source.name, _public(source.url), source.licence) if source is not None else ("", "", "")
        outcome = status.get(row.id, "")
        found.append(Listed(row.id, name, url, licence, row.category, row.entries, row.list_time, outcome))
    return tuple(found)


def _public(url: str) -> str:
    """An address as others may see it: without what may be a password, or a place on this box."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return "file:" + parts.path.rpartition("/")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _licences(listed: Sequence[Listed], sources: Sequence[Source]) -> bytes:
    """The text that goes with the table: whose names these are, and under which terms."""
    pages = {source.id: source.homepage for source in sources}
    parts = ["This table was compiled from the lists below. Each stays under its own licence.\n"]
    for row in listed:
        parts.append(
            f"\n{row.id}: {row.name}\n"
            f"  licence   {row.licence or 'not known'}\n"
            f"  from      {row.url or 'not known'}\n"
            + (f"  homepage  {pages[row.id]}\n" if pages.get(row.id) else "")
            + f"  entries   {row.entries} ({row.category}), as of {bundle.day(row.list_time)}\n"
        )
    return "".join(parts).encode()
