"""Archives and folders that hold many lists: a tar file, or a directory, as a tree of readable files.

A stranger packed the tree. Links are followed only inside it, nothing is unpacked to disk, and a folder that holds
a copy of itself (`blacklists/blacklists`) is not looked into. Reads nothing but the tree it was given.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from filterd.core.rules import pages
from filterd.core.updates import Why
from filterd.errors import ListError
from filterd.store import files

CHUNK_BYTES = 1 << 18
MAX_FILE_BYTES = 1 << 29
MAX_TREE_BYTES = 1 << 32
MAX_RATIO = 50  # unpacked to packed; real archives of lists have 3 to 10
MIN_TREE_BYTES = 1 << 26  # what any archive may unpack to
MAX_MEMBERS = 50_000
MAX_READ_BYTES = 1 << 20  # what tarfile may take into memory at once: long names and extended headers
MAX_HEADER_BYTES = 1 << 21  # before one member, and
MAX_HEADERS_BYTES = 1 << 25  # before all of them: no more of a packed archive is ever in memory
MAX_PATH_BYTES = 4096
_MAX_GLOBALS = 100  # settings that an archive may have for all its members; each is copied for each
_MAX_HOPS = 8
_HEAD_BYTES = 4096  # a page in place of the archive shows itself in fewer
# What tarfile and the unpackers raise for bytes that nobody meant well; headers within headers end in RecursionError.
_BROKEN = (
    tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError,
    ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError, MemoryError,
)  # fmt: skip


class Tree(Protocol):
    """Files by path (`blacklists/adult/domains`, no leading slash)."""

    def find(self, wanted: str) -> str | None:
        """The path of a file, following links inside the tree and a top folder before it; None if there is none."""

    def read(self, path: str) -> Iterator[bytes]:
        """The bytes of a found file, in chunks. Raises ListError when the archive is damaged."""

    def position(self, path: str) -> int:
        """Where the file lies: reading in this order is one pass over an archive."""

    def close(self) -> None: ...


def open_regular(path: Path) -> int:
    """A descriptor of a regular file of sane size, never a link, device or pipe. Raises ListError."""
    try:
        return files.open_regular(path, MAX_FILE_BYTES)
    except OSError as error:
        why = Why.MISSING if isinstance(error, FileNotFoundError) else Why.DISK
        raise ListError(f"{path} cannot be opened: {error.strerror}", why) from None
    except ValueError as error:
        raise ListError(str(error), Why.TOO_LARGE if path.is_file() else Why.DISK) from None


def chunks_of(handle: int) -> Iterator[bytes]:
    """The file from its start, whoever read it before."""
    at = 0
    while chunk := os.pread(handle, CHUNK_BYTES, at):
        yield chunk
        at += len(chunk)


class _Bounded:
    """An archive for `tarfile`, which reads a long name or an extended header whole, however long it says it is, and
    as many of them as there are. It passes over what members hold, so until `begin` all that is read is headers.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = MAX_HEADERS_BYTES
        self._left_here = MAX_HEADER_BYTES
        self._counts = True
        self.seek = file.seek
        self.tell = file.tell

    def next_member(self) -> None:
        """The headers of another member begin."""
        self._left_here = MAX_HEADER_BYTES

    def begin(self) -> None:
        """From now on members are read."""
        self._counts = False

    def read(self, size: int) -> bytes:
        if size > MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        if self._counts:
            self._left -= size
            self._left_here -= size
            if min(self._left, self._left_here) < 0:
                raise tarfile.ReadError("more headers than any archive needs")
        return self._file.read(size)


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    """The tar file in a file that may be compressed."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    return lzma.LZMAFile(file) if magic == b"\xfd7zXZ\0" else file


class TarTree:
    """A tar file, compressed or not. It stays open: two passes over many members must see the same bytes."""

    def __init__(self, path: Path) -> None:
        """Reads the whole index. Raises ListError for anything that is no sound archive."""
        self._path = path
        self._files: dict[str, tarfile.TarInfo] = {}
        self._links: dict[str, str] = {}
        self._file = os.fdopen(open_regular(path), "rb")
        packed = os.fstat(self._file.fileno()).st_size
        self._limit = min(MAX_TREE_BYTES, max(MIN_TREE_BYTES, MAX_RATIO * packed))
        try:
            bounded: Any = _Bounded(_unpacked(self._file))
            self._tar = tarfile.open(fileobj=bounded, mode="r:")  # noqa: SIM115 - closed by close()
            self._index(bounded)
            bounded.begin()
            self._check_to_the_end()
        except _BROKEN as error:
            head = os.pread(self._file.fileno(), _HEAD_BYTES, 0)
            self._file.close()
            pages.refuse(head)
            raise ListError(f"{path} is no sound archive: {error or type(error).__name__}", Why.ARCHIVE) from None
        except ListError:
            self._file.close()
            raise

    def _index(self, file: _Bounded) -> None:
        total = 0
        for count, member in enumerate(self._tar, 1):
            file.next_member()
            total += member.size
            member.pax_headers = {}  # nobody asks for them, and a stranger says how many there are
            if len(self._tar.pax_headers) > _MAX_GLOBALS or len(member.name) + len(member.linkname) > MAX_PATH_BYTES:
                raise tarfile.ReadError("longer names or more settings than any archive needs")
            if member.issparse():
                raise tarfile.ReadError("a file with holes, which no list has")
            if count > MAX_MEMBERS or total > self._limit or member.size > MAX_FILE_BYTES:
                raise ListError(f"{self._path} unpacks to more than a list archive would", Why.TOO_LARGE)
            name = _inside("", member.name)
            if name is None:
                continue
            if member.isreg():
                self._files[name] = member
            elif member.issym() or member.islnk():
                target = _inside("" if member.islnk() else os.path.dirname(name), member.linkname)  # noqa: PTH120
                if target is not None:
                    self._links[name] = target

    def _check_to_the_end(self) -> None:
        """Read what follows the last member: only at its end does a compressed file prove its checksum."""
        assert self._tar.fileobj is not None
        for _ in range(self._limit // CHUNK_BYTES):
            if not self._tar.fileobj.read(CHUNK_BYTES):
                return
        raise ListError(f"{self._path} unpacks to more than a list archive would", Why.TOO_LARGE)

    def find(self, wanted: str) -> str | None:
        names = [*self._files, *self._links]
        return _find(wanted, names, lambda path: _resolved(path, self._links), self._files.__contains__)

    def read(self, path: str) -> Iterator[bytes]:
        try:
            file = self._tar.extractfile(self._files[path])
            while file is not None and (chunk := file.read(CHUNK_BYTES)):
                yield chunk
        except _BROKEN as error:
            raise ListError(f"{self._path} is damaged: {error or type(error).__name__}", Why.ARCHIVE) from None

    def position(self, path: str) -> int:
        return self._files[path].offset_data

    def close(self) -> None:
        self._tar.close()
        self._file.close()


class FolderTree:
    """A directory: an unpacked archive, or a checked-out v2fly `data/`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._open: dict[str, int] = {}

    def find(self, wanted: str) -> str | None:
        inside = _inside("", wanted)
        if inside is None:
            return None
        for path in (self._root / inside, self._root.parent / inside):
            real = Path(os.path.realpath(path))
            # The parent only where the wanted path begins with the root's own name: `data/x` in a folder `data`.
            if real.is_relative_to(self._root) and real.is_file():
                return real.relative_to(self._root).as_posix()
        return None

    def read(self, path: str) -> Iterator[bytes]:
        if path not in self._open:
            self._open[path] = open_regular(self._root / path)
        return chunks_of(self._open[path])

    def position(self, path: str) -> int:  # noqa: ARG002 - in a folder every order is as good
        return 0

    def close(self) -> None:
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()


def _inside(folder: str, name: str) -> str | None:
    """The normal form of a path inside the tree, or None when it leads out of it."""
    path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
    return None if path.startswith(("/", "../")) or path in ("..", ".") else path


def _resolved(path: str, links: dict[str, str]) -> str | None:
    """The path with every link in it followed; None when that leads out of the tree or in a circle."""
    for _ in range(_MAX_HOPS):
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            link = links.get("/".join(parts[:count]))
            if link is not None:
                joined = _inside("", "/".join([link, *parts[count:]]))
                if joined is None:
                    return None
                path = joined
                break
        else:
            return path
    return None


def _find(
    wanted: str, names: list[str], resolve: Callable[[str], str | None], exists: Callable[[str], bool]
) -> str | None:
    """`wanted` itself, or below the one top folder that archives of a repository have; never a second copy within."""
    inside = _inside("", wanted)
    if inside is None:
        return None
    first = inside.split("/")[0]
    tops = {name.split("/")[0] for name in names} - {first}
    for path in (inside, *sorted(f"{top}/{inside}" for top in tops)):
        real = resolve(path)
        if real is not None and exists(real):
            return real
    return None
