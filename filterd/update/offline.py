"""Lists from a folder, as on a USB stick, in place of the network: which file is a source's, and its way to staging.

Somebody else may have filled the folder: only regular files are read, none that a link leads to outside of it, and no
more bytes than a download may have.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from filterd.core.source import Source
from filterd.core.updates import Why
from filterd.store import files
from filterd.update import body
from filterd.update.faults import FetchError
from filterd.update.fetch import Failure, Fetched

# What a list may be called behind its id, best first, and what lies beside one.
_ENDINGS: Final = (".txt", ".list", ".hosts", ".tar.gz", ".tgz", ".gz", ".xz", ".bz2", ".tar")
_BESIDE: Final = (".json", ".sig", ".asc", ".md5", ".sha256", ".part", ".tmp", ".bak")


def find(folder: Path, source: Source, sources: Iterable[Source] = ()) -> Path | None:
    """What `folder` has for a source, links resolved: `<id>`, `<id>.txt` or another ending, `<id>/copy` or
    `lists/<id>/copy` as in another box's state, or a file of the name that its URL ends in, if of all `sources` no
    other place has one of that name; at last one whose name only looks different, as `My List.TXT` for `my-list`.
    A folder `<id>` only for a list in an archive. None where there is nothing.
    """
    try:
        root = folder.resolve()
        for path in _candidates(root, source, sources):
            real = path.resolve()
            if real.is_relative_to(root) and real.is_file():
                return real
        unpacked = (root / source.id).resolve()
        if source.member is not None and unpacked.is_relative_to(root) and unpacked.is_dir():
            return unpacked
    except (OSError, RuntimeError):  # a folder nobody may read; a circle of links
        return None
    return None


def take(path: Path, staging: Path, source: Source) -> Fetched | Failure:
    """Copy what `find` found to `staging`/<source id>; a compressed single list is unpacked, an archive is not."""
    staged = staging / source.id
    if path.is_dir():
        text = f"{path} is a folder; put the archive itself there, as {source.id}.tar.gz"
        return Failure(Why.ARCHIVE, text)
    try:
        descriptor = files.open_regular(path, source.max_bytes)
    except OSError as error:
        return Failure(Why.MISSING, f"{path} cannot be read: {error.strerror or error}")
    except ValueError as error:
        why = Why.TOO_LARGE if "larger" in str(error) else Why.MISSING
        return Failure(why, str(error))
    try:
        size, sha256 = body.write(staged, _bounded(descriptor, source))
    except FetchError as error:
        staged.unlink(missing_ok=True)
        return Failure(error.why, f"{path}: {error.text}")
    finally:
        os.close(descriptor)
    return Fetched(staged, path.as_uri(), size, sha256)


def _candidates(root: Path, source: Source, sources: Iterable[Source]) -> Iterator[Path]:
    yield root / source.id
    yield from (root / f"{source.id}{ending}" for ending in _ENDINGS)
    yield from sorted(path for path in root.glob(f"{source.id}.*") if not path.name.endswith(_BESIDE))
    yield root / source.id / "copy"
    yield root / "lists" / source.id / "copy"
    name, known = _name(source), list(sources)
    shared = any(_plain(_name(other)) == _plain(name) and other.url != source.url for other in known)
    by_url = bool(name and known and not shared)  # without `sources` nobody can say that it is this one's
    if by_url:
        yield root / name
    wanted = {source.id, *(f"{source.id}{ending}" for ending in _ENDINGS)}
    wanted |= {_plain(name), f"{_plain(name)}.txt"} if by_url else set()  # browsers add .txt to what has no ending
    wanted -= {other.id for other in known} - {source.id}
    yield from sorted(path for path in root.iterdir() if _plain(path.name) in wanted)


def unclaimed(folder: Path, sources: Iterable[Source]) -> tuple[str, ...]:
    """The files of `folder` that are no source's, by name. Raises OSError where it cannot be read."""
    known = list(sources)
    claimed = {find(folder, source, known) for source in known}
    files_there = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    others = (path for path in files_there if path.resolve() not in claimed and not path.name.endswith(_BESIDE))
    return tuple(sorted(path.name for path in others))


def _plain(name: str) -> str:
    """As people and Windows change a name: capitals, and spaces for dashes."""
    return name.lower().replace(" ", "-").replace("_", "-")


def _name(source: Source) -> str:
    """The last part of its URL's path."""
    return urlsplit(source.url).path.rpartition("/")[2]


def _bounded(descriptor: int, source: Source) -> Iterator[bytes]:
    chunks = _chunks(descriptor)
    size = 0
    for chunk in body.unpacked(chunks) if source.member is None else chunks:
        size += len(chunk)
        if size > source.max_bytes:
            raise body.too_large("it unpacks to more", source.max_bytes)
        yield chunk


def _chunks(descriptor: int) -> Iterator[bytes]:
    """To the end. Raises FetchError where the stick cannot be read."""
    while True:
        try:
            chunk = os.read(descriptor, body.CHUNK_BYTES)
        except OSError as error:
            raise FetchError(Why.DISK, f"it cannot be read: {error.strerror}") from None
        if not chunk:
            return
        yield chunk
