"""A body on its way to disk: decoded, unpacked, counted, hashed, and broken off when it is too much or too slow.

wire -> bytes counted -> Content-Encoding -> a packed single list unpacked -> file
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import itertools
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, cast

from filterd.core.source import Source
from filterd.core.updates import Why
from filterd.update.faults import FetchError
from filterd.update.web import Answer, Limits

CHUNK_BYTES: Final = 1 << 18
_MAGIC: Final = {b"\x1f\x8b": gzip.GzipFile, b"BZh": bz2.BZ2File, b"\xfd7zXZ\0": lzma.LZMAFile}
_LONGEST_MAGIC: Final = 6
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, OSError, MemoryError)


class _Chunks(io.RawIOBase):
    """Chunks as a file that can only be read on."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _Wire:
    """What comes over the network, counted. Iterating raises FetchError for what is too much or too slow."""

    def __init__(
        self, answer: Answer, source: Source, limits: Limits, monotonic: Callable[[], float],
        progress: Callable[[str, int, int | None], None] | None,
    ) -> None:  # fmt: skip
        self._answer = answer
        self._source = source
        self._limits = limits
        self._monotonic = monotonic
        self._progress = progress
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        said = self._answer.headers.get("content-length", "")
        total = int(said[:18]) if said.isascii() and said.isdigit() else None
        most = self._source.max_bytes
        if total is not None and total > most:
            raise too_large(f"it says that it has {total:,} bytes", most)
        began, before = self._monotonic(), 0
        for chunk in self._answer.chunks:
            self.bytes += len(chunk)
            if self.bytes > most:
                raise too_large("it is larger", most)
            if self._progress is not None:
                self._progress(self._source.id, self.bytes, total)
            now = self._monotonic()
            passed = now - began
            if passed >= self._limits.window_s:
                if self.bytes - before < self._limits.slowest * passed:
                    raise FetchError(Why.TIMEOUT, f"only {self.bytes - before:,} bytes came in {passed:.0f} s")
                began, before = now, self.bytes
            yield chunk


def save(
    answer: Answer, path: Path, source: Source, limits: Limits, monotonic: Callable[[], float],
    progress: Callable[[str, int, int | None], None] | None,
) -> tuple[int, str]:  # fmt: skip
    """Write the body to `path`; its size and SHA-256 there. Raises FetchError, and `path` is what it has become."""
    wire = _Wire(answer, source, limits, monotonic, progress)
    plain = _decoded(iter(wire), answer.headers.get("content-encoding", ""))
    if source.member is None:
        plain = unpacked(plain)

    def bounded() -> Iterator[bytes]:
        size = 0
        for chunk in plain:
            size += len(chunk)
            if size > source.max_bytes:
                raise too_large("it unpacks to more", source.max_bytes)
            if size > limits.ratio_from and size > limits.ratio * wire.bytes:
                raise FetchError(Why.TOO_LARGE, f"it unpacks to more than {limits.ratio:g} times what was sent")
            yield chunk

    return write(path, bounded())


def write(path: Path, chunks: Iterator[bytes]) -> tuple[int, str]:
    """A new file of these bytes: its size and SHA-256. Raises FetchError where the disk takes no more."""
    digest, size = hashlib.sha256(), 0
    try:
        path.unlink(missing_ok=True)
        with path.open("xb", buffering=0) as file:
            for chunk in chunks:
                _all(file, chunk)
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise FetchError(Why.DISK, f"it cannot be written to {path.parent}: {error.strerror or error}") from None
    return size, digest.hexdigest()


def _all(file: IO[bytes], chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _decoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Raises FetchError for an encoding that was not asked for."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return chunks
    if name in ("gzip", "x-gzip"):
        return _read(cast("IO[bytes]", gzip.GzipFile(fileobj=io.BufferedReader(_Chunks(chunks)))), "gzip")
    raise FetchError(Why.ARCHIVE, f"it is sent in the encoding {encoding[:40]!r}; gzip or none was asked for")


def unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A list that was packed by itself (gzip, bzip2, xz), unpacked; anything else as it is. Raises FetchError for one
    that is damaged.
    """
    head = b""
    while len(head) < _LONGEST_MAGIC and (chunk := next(chunks, b"")):
        head += chunk
    whole = itertools.chain([head], chunks)
    for magic, opened in _MAGIC.items():
        if head.startswith(magic):
            file = io.BufferedReader(_Chunks(whole))
            return _read(cast("IO[bytes]", opened(file) if opened is not gzip.GzipFile else opened(fileobj=file)), "")
    return whole


def _read(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    """All of a packed file. Its end must be there: only then its checksum was right."""
    while True:
        try:
            chunk = file.read(CHUNK_BYTES)
        except EOFError:
            raise FetchError(Why.TRUNCATED, f"its {encoding or 'packed file'} has no end", again=True) from None
        except _DAMAGED as error:
            raise FetchError(Why.ARCHIVE, f"its {encoding or 'packed file'} is damaged: {error}") from None
        if not chunk:
            return
        yield chunk


def too_large(what: str, most: int) -> FetchError:
    """`what` is larger than a source's `max_bytes`."""
    return FetchError(Why.TOO_LARGE, f"{what} than max_size allows, {most / (1 << 20):g} MiB")
