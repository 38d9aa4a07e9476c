"""Signed bundles as a box takes them: a whole table that somebody else compiled, and who says so.

    <folder>/index.json       what is in it (`core.bundle`)
             index.json.sig   Ed25519 signature over exactly those bytes, in base64
             <generation>/    the table's files, and LICENCES.txt
    <state>/bundle.json       the last one taken of every key

Writers: `store.exports` of the folder, which may be on a stick, a share or a web server that anybody can write to;
`take` of bundle.json. Nothing of a folder is parsed before a trusted key vouches for it, and nothing is used but bytes
that were first copied out of it and then checked, so it does not matter who changes it meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filterd.core import bundle
from filterd.core.bundle import Accepted, File, Index, Record
from filterd.core.table import Table
from filterd.core.updates import Why
from filterd.errors import TableError, TrustError
from filterd.store import atomic, files, keys, tablefiles, tables
from filterd.store.keys import TrustedKey

INDEX, SIGNATURE, LICENCES, RECORD = "index.json", "index.json.sig", "LICENCES.txt", "bundle.json"
MAX_SIGNATURE_BYTES = 1 << 10
_MAX_RECORD_BYTES = 1 << 20
_CHUNK = 1 << 20

Probe = Callable[[Table], str]  # what a table would do wrong to this school, as a sentence; '' for nothing


@dataclass(frozen=True, slots=True)
class Gate:
    """What a bundle is held against. `table`: the hash of the table in force, '' for none or a damaged one; `now`: Unix
    seconds.
    """

    keys: tuple[TrustedKey, ...]
    refused: Mapping[str, str]
    record: Record
    table: str
    now: int
    clock_trusted: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle whose index may be believed. `in_force`: its table is what this box has already."""

    index: Index
    key: TrustedKey
    accepted: Accepted
    in_force: bool
    warning: str


def gate(config_dir: Path, state_dir: Path, now: int, clock_trusted: bool) -> Gate:
    """What this box holds bundles against at the moment. Raises TrustError for a damaged bundle.json."""
    trusted, refused = keys.trusted(config_dir), keys.refused(config_dir)
    return Gate(trusted, refused, recorded(state_dir), _table(state_dir), now, clock_trusted)


def look(folder: Path, gate: Gate) -> Offer:
    """Read the index of a bundle. Raises TrustError saying why it may not be taken; its files are not looked at."""
    data = _read(folder / INDEX, bundle.MAX_INDEX_BYTES)
    signature = _read(folder / SIGNATURE, MAX_SIGNATURE_BYTES)
    key = _signer(folder, data, signature, gate)
    index = Index.parse(data)
    if index.signer != key.id:
        raise TrustError(f"the bundle names {index.signer} as its signer, but {key.name} ({key.id}) signed it")
    _check_machine(index)
    accepted = Accepted(index.version, index.created_at, hashlib.sha256(data).hexdigest())
    warning = bundle.judge(index, accepted, gate.record, gate.now, gate.clock_trusted)
    return Offer(index, key, accepted, index.table == gate.table, warning)


def take(state_dir: Path, folder: Path, offer: Offer, staging: Path, keep: int, now: int, probe: Probe) -> str:
    """Put the table of a bundle in force; gives its generation here. `now`: Unix seconds; `keep`: generations to keep.

    `staging`: an empty folder of ours in the state's file system. Raises TrustError (files that were not signed, the
    probe's reason, no space), or TableError as `tables.adopt`; then what was in force still is.
    """
    generation = tables.current(state_dir) if offer.in_force else None
    if generation is None:
        copied = _copied(folder, offer.index, staging)
        if reason := probe(tables.open_table(copied)):
            raise TrustError(reason, Why.PROBE)
        generation = tables.adopt(state_dir, copied, now, keep, offer.index.files[tablefiles.META].sha256)
    _record(state_dir, recorded(state_dir).after(offer.key.id, offer.accepted))
    return generation


def recorded(state_dir: Path) -> Record:
    """The last bundle taken of every key. Raises TrustError when the file is damaged: then none can be called newer."""
    path = state_dir / RECORD
    try:
        return Record.from_json(json.loads(files.read(path, _MAX_RECORD_BYTES)))
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, RecursionError) as error:
        raise TrustError(
            f"{path} cannot be used ({error}), so no bundle can be told from an older one: the table in force stays. "
            "Remove the file to start anew with the next bundle",
            Why.DAMAGED,
        ) from None


def need_space(folder: Path, index: Index) -> None:
    """Raises TrustError where a bundle's files do not fit twice: as a copy of ours, and as a generation."""
    free = shutil.disk_usage(folder).free
    if free < 2 * index.total:
        needed = (2 * index.total >> 20) + 1
        raise TrustError(f"{folder} has {free >> 20} MiB free; {needed} MiB are needed (twice the bundle)", Why.DISK)


def copy(source: Path, target: Path, limit: int) -> File:
    """Copy a regular file of at most `limit` bytes, and say what was copied. Links are not followed.

    Raises OSError, with `source` as its file name if that is to blame, or ValueError for what is no such file. The copy
    is on the disk when this returns.
    """
    total, digest = 0, hashlib.sha256()
    descriptor = files.open_regular(source, limit)
    try:
        with target.open("xb") as file:
            while total <= limit and (chunk := _next(descriptor, min(_CHUNK, limit + 1 - total), source)):
                file.write(chunk)
                digest.update(chunk)
                total += len(chunk)
            file.flush()
            os.fsync(file.fileno())
    finally:
        os.close(descriptor)
    return File(total, digest.hexdigest())


def _next(descriptor: int, size: int, source: Path) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:  # a stick that was pulled out says so here, and not whose fault it is
        raise OSError(error.errno, error.strerror, str(source)) from None


def _table(state_dir: Path) -> str:
    """The hash of the table in force. A damaged one is none: the same bundle again would repair it."""
    generation = tables.current(state_dir)
    if generation is None:
        return ""
    try:
        tables.verify(state_dir, generation)
    except (TableError, OSError):
        return ""
    return generation.partition("-")[2]


def _signer(folder: Path, data: bytes, text: bytes, gate: Gate) -> TrustedKey:
    unused = "".join(f"; not used: {why}" for why in gate.refused.values())
    if not gate.keys:
        raise TrustError(
            f"no key is trusted here, so no bundle is: 'filterd keys trust FILE' adds one{unused}", Why.KEY
        )
    try:
        signature = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise TrustError(f"{folder / SIGNATURE} is no signature: it is not base64", Why.SIGNATURE) from None
    key = keys.signer(gate.keys, data, signature)
    if key is None:
        known = ", ".join(f"{key.name} ({key.id})" for key in gate.keys)
        raise TrustError(
            f"{folder / INDEX} is not signed by a key trusted here ({known}): it was altered, replaced while it was "
            f"read, or signed by another{unused}",
            Why.SIGNATURE,
        )
    return key


def _check_machine(index: Index) -> None:
    if index.byteorder != sys.byteorder:
        raise TrustError(
            f"the bundle's table is for {index.byteorder}-endian machines, this one is {sys.byteorder}-endian: it "
            "cannot be read here, fetch lists instead",
            Why.MACHINE,
        )
    if index.table_format != tablefiles.FORMAT:
        raise TrustError(
            f"the bundle's table has format {index.table_format}, this filterd reads {tablefiles.FORMAT}: one of the "
            "two boxes needs a newer one",
            Why.MACHINE,
        )
    meta = index.files.get(tablefiles.META)
    if meta is None or not meta.sha256.startswith(index.table):
        raise TrustError(f"the bundle's files are not those of its table {index.generation}", Why.DAMAGED)


def _copied(folder: Path, index: Index, staging: Path) -> Path:
    """A checked copy of the table, laid out as in a state directory so that `tables` can read it."""
    need_space(staging, index)
    source = folder / index.folder
    target = staging / "tables" / index.generation
    target.mkdir(parents=True)
    if source.is_symlink():
        raise TrustError(f"{source} is a symbolic link; the bundle's files are expected there", Why.DAMAGED)
    for name, wanted in index.files.items():
        _copy_checked(source / name, target / name, wanted)
    try:
        return tables.verify(staging, index.generation)
    except TableError as error:
        raise TrustError(f"the bundle is signed, but its files do not belong together: {error}", Why.DAMAGED) from None


def _copy_checked(source: Path, target: Path, wanted: File) -> None:
    try:
        found = copy(source, target, wanted.size)
    except ValueError:
        raise TrustError(f"{source} is not the file of {wanted.size:,} bytes that was signed", Why.DAMAGED) from None
    except OSError as error:
        missing = error.filename is not None and Path(os.fsdecode(error.filename)) == source
        why = Why.DAMAGED if missing else Why.DISK
        what = "the bundle is not whole" if missing else "it could not be copied"
        raise TrustError(f"{source if missing else target}: {error.strerror}: {what}", why) from None
    if found.size != wanted.size:
        raise TrustError(f"{source} has {found.size:,} bytes, {wanted.size:,} were signed", Why.DAMAGED)
    if found.sha256 != wanted.sha256:
        raise TrustError(f"{source} does not have the SHA-256 that was signed: it was altered", Why.DAMAGED)


def _record(state_dir: Path, record: Record) -> None:
    atomic.write(state_dir / RECORD, json.dumps(record.to_json(), indent=1).encode() + b"\n")


def _read(path: Path, limit: int) -> bytes:
    try:
        return files.read(path, limit)
    except FileNotFoundError:
        raise TrustError(f"{path} does not exist: there is no bundle, or only half of one", Why.MISSING) from None
    except OSError as error:
        raise TrustError(f"{path} cannot be read: {error.strerror}", Why.MISSING) from None
    except ValueError:
        raise TrustError(f"{path} is no regular file of at most {limit >> 10} KiB", Why.TOO_LARGE) from None
