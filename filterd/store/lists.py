"""The last good copy of every list: where it is and how it is read.

    <state>/lists/<source id>/copy        the list as it was fetched, or the archive it came in
                             /meta.json   when it was fetched, among others; the updater's

Writer: the nightly update. Readers: whoever compiles. A `file:` source is its own copy: relative to `blocklists/`,
which it may not leave by links, or absolute. The network is never used here.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filterd.core.compiler import Input
from filterd.core.rules.model import Include
from filterd.core.source import Source
from filterd.errors import ListError
from filterd.store import trees

COPY, META = "copy", "meta.json"
_FILE_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.!")


@dataclass(frozen=True, slots=True)
class Copy:
    """A list on disk. `time`: Unix seconds of the fetch, or of the file's last change. `is_tree`: holds many lists."""

    source: Source
    path: Path
    time: int
    is_tree: bool


def locate(source: Source, blocklists: Path, state_dir: Path) -> Copy | None:
    """The copy of a source, or None while nothing was fetched. Raises ListError for a file that cannot be one."""
    if not source.url.startswith("file:"):
        folder = state_dir / "lists" / source.id
        path = folder / COPY
        return _copy(source, path, _fetched_at(folder / META)) if path.exists() else None
    name = source.url.removeprefix("file:")
    asked = Path(name.removeprefix("//")) if name.startswith("///") else blocklists / name
    root = asked.parent if name.startswith("///") else blocklists
    path = Path(os.path.realpath(asked))
    if not path.is_relative_to(os.path.realpath(root)):
        raise ListError(f"{asked} leads out of {root}")
    if not path.exists():
        raise ListError(f"{asked} does not exist")
    return _copy(source, path, None)


def _copy(source: Source, path: Path, fetched_at: int | None) -> Copy:
    found = path.stat()
    is_tree = stat.S_ISDIR(found.st_mode) or source.member is not None
    return Copy(source, path, int(found.st_mtime) if fetched_at is None else fetched_at, is_tree)


def _fetched_at(meta: Path) -> int | None:
    try:
        return int(json.loads(meta.read_bytes())["fetched_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the file's own time will do


class Shelf:
    """All copies of one build, each opened once, so that both passes of the compiler read the same bytes."""

    def __init__(self) -> None:
        self._trees: dict[Path, trees.Tree] = {}
        self._handles: list[int] = []
        self._order: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for tree in self._trees.values():
            tree.close()
        for handle in self._handles:
            os.close(handle)

    def take(self, copy: Copy) -> Input:
        """What the compiler reads. Raises ListError when the copy, or the member wanted of it, is not there."""
        if copy.is_tree:
            return self._from_tree(copy)
        handle = trees.open_regular(copy.path)
        self._handles.append(handle)
        include = self._siblings(copy.path.parent) if copy.source.format in ("v2fly", "auto") else None
        return Input(copy.source, lambda: trees.chunks_of(handle), copy.time, include)

    def in_reading_order(self, inputs: Iterable[Input]) -> list[Input]:
        """Lists of one archive in the order they lie in it: then a pass unpacks it once, not once for each."""
        return sorted(inputs, key=lambda each: self._order.get(each.source.id, ("", 0)))

    def _tree(self, path: Path) -> trees.Tree:
        if path not in self._trees:
            self._trees[path] = trees.FolderTree(path) if path.is_dir() else trees.TarTree(path)
        return self._trees[path]

    def _from_tree(self, copy: Copy) -> Input:
        tree = self._tree(copy.path)
        source = copy.source
        wanted = _files_of(source)
        if not any(wanted):
            raise ListError(f"{copy.path} holds many lists: 'member' must say which")
        path = next((found for name in wanted if (found := tree.find(name)) is not None), None)
        if path is None:
            raise ListError(f"{copy.path.name} has no {' or '.join(wanted)}: the category is missing, not empty")
        self._order[source.id] = (str(copy.path), tree.position(path))
        include = _include(tree, os.path.dirname(path)) if source.format == "v2fly" else None  # noqa: PTH120
        return Input(source, lambda: tree.read(path), copy.time, include)

    def _siblings(self, folder: Path) -> Include:
        def include(name: str) -> Iterable[bytes] | None:
            return _include(self._tree(folder), "")(name)

        return include


def _files_of(source: Source) -> tuple[str, ...]:
    """The paths in an archive that may hold the list, best first. UT1: `domains`, never `urls` (whole pages)."""
    member = (source.member or "").strip("/")
    if source.format == "ut1":
        folder = member.removesuffix("/domains")
        return (f"{folder}/domains".lstrip("/"),)
    if source.format == "v2fly":
        return (member, f"data/{member}")
    return (member,)


def _include(tree: trees.Tree, folder: str) -> Include:
    def include(name: str) -> Iterable[bytes] | None:
        if not name or not _FILE_NAME_CHARACTERS.issuperset(name):
            return None
        path = tree.find(f"{folder}/{name}".lstrip("/"))
        return None if path is None else tree.read(path)

    return include
