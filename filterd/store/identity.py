"""What a table is made of, as one hash: the same lists with the same settings need not be compiled again.

Of a fetched copy the SHA-256 is known; files of people's own are read, folders by names, sizes and times. A new version
of filterd or of the public suffix list reads the same bytes differently, so both are part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import publicsuffixlist

from filterd import __version__
from filterd.core.source import Source
from filterd.errors import ListError
from filterd.store import tablefiles, trees
from filterd.store.shelf import Copy, has_siblings

Located = Copy | ListError | None


class Identities:
    """Hashes of copies; an archive that many sources share is read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str] = {}

    def of_all(self, copies: Iterable[tuple[Source, Located]]) -> str:
        """One hash of all sources with their copies, in their order."""
        rows = [[self._of(copy), *_settings(source)] for source, copy in copies]
        body = json.dumps([_program(), rows], ensure_ascii=False)
        return hashlib.sha256(body.encode()).hexdigest()

    def _of(self, copy: Located) -> str:
        if copy is None or isinstance(copy, ListError):
            return "" if copy is None else str(copy)
        if copy.sha256:
            return copy.sha256
        try:
            return self._of_folder(copy.path, True) if copy.path.is_dir() else self._of_file(copy)
        except (OSError, ListError) as error:
            return str(error)

    def _of_file(self, copy: Copy) -> str:
        with os.fdopen(trees.open_regular(copy.path), "rb") as file:
            found = os.fstat(file.fileno())
            key = found.st_dev, found.st_ino
            if key not in self._known:
                self._known[key] = _digest(file)
        own = self._known[key]
        return own + self._of_folder(copy.path.parent, False) if has_siblings(copy.source) else own

    @staticmethod
    def _of_folder(folder: Path, deep: bool) -> str:
        """Of the names, sizes and times of all files; reading a tree of thousands would take longer than a night's
        look may."""
        rows = []
        for where, below, names in os.walk(folder):
            if not deep:
                below.clear()
            below.sort()
            for name in sorted(names):
                found = os.lstat(os.path.join(where, name))  # noqa: PTH118 - thousands of them
                rows.append((os.path.relpath(where, folder), name, found.st_size, found.st_mtime_ns, found.st_ino))
        return hashlib.sha256(json.dumps(rows).encode("utf-8", "surrogateescape")).hexdigest()


def _digest(file: IO[bytes]) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _settings(source: Source) -> list[object]:
    """What of a source changes the table; not its thresholds, its name or where it comes from."""
    return [
        source.id,
        source.category,
        source.format,
        source.member,
        source.covers,
        source.tld_list,
        source.min_entries,
    ]


def _program() -> list[object]:
    with open(publicsuffixlist.PSLFILE, "rb") as file:  # noqa: PTH123
        return [__version__, tablefiles.FORMAT, _digest(file)]
