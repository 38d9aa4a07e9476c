"""Copies on disk as the compiler and the judge read them: a file, or the wanted member of an archive or folder.

`store.lists` says where a copy is. Nothing is written here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filterd.core.compiler import Input
from filterd.core.rules.model import Include
from filterd.core.source import Source
from filterd.errors import ListError
from filterd.store import trees

_FILE_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.!")


@dataclass(frozen=True, slots=True)
class Copy:
    """A list on disk. `time`: Unix seconds of the fetch, or of the file's last change. `is_tree`: holds many lists.

    `sha256`: of its bytes, "" where nobody wrote it down.
    """

    source: Source
    path: Path
    time: int
    is_tree: bool
    sha256: str = ""


class Shelf:
    """All copies of one build, each opened once, so that one archive is read once for all lists in it."""

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
        include = self._siblings(copy.path.parent) if has_siblings(copy.source) else None
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
            raise ListError(f"{copy.path} holds many lists: 'member' must say which", "member")
        path = next((found for name in wanted if (found := tree.find(name)) is not None), None)
        if path is None:
            raise ListError(
                f"{copy.path.name} has no {' or '.join(wanted)}: the category is missing, not empty", "member"
            )
        self._order[source.id] = (str(copy.path), tree.position(path))
        include = _include(tree, os.path.dirname(path)) if source.format == "v2fly" else None  # noqa: PTH120
        return Input(source, lambda: tree.read(path), copy.time, include)

    def _siblings(self, folder: Path) -> Include:
        def include(name: str) -> Iterable[bytes] | None:
            return _include(self._tree(folder), "")(name)

        return include


def has_siblings(source: Source) -> bool:
    """Whether the files beside a list may be parts of it: in a folder of people's own, never in that of a download."""
    return source.format in ("v2fly", "auto") and source.url.startswith("file:")


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
