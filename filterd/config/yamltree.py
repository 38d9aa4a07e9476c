"""One YAML file's bytes as a tree of plain values that remembers lines. The only module that reads YAML.

It accepts the part of YAML that people mean: one document of maps, lists and scalars. Aliases, anchors, merge keys and
tags are refused (they are how a small file becomes a huge one), and so are a key given twice, NUL, deep nesting and
more than 200,000 values. A plain scalar is a whole number, a decimal, true, false or null only in their one obvious
spelling; everything else is text: `no` is not false, `10:15` is not 615, `2026-11-21` stays as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from filterd.errors import Problem

Path = tuple[str | int, ...]

MAX_DEPTH = 24
MAX_VALUES = 200_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")
_STRING_TAGS = frozenset({None, "tag:yaml.org,2002:str", "!"})
# Words of libyaml, and what a person most likely did.
_HINTS = {
    "did not find expected key": "is a line near here indented otherwise than its neighbours?",
    "mapping values are not allowed": "indented too far, a text with ': ' without quotes, or above no space after ':'?",
    "could not find expected ':'": "a colon and a space follow a key",
    "did not find expected ','": "the bracket that opens in line {line} is not closed",
    "unexpected end of stream": "the quote that opens in line {line} is not closed",
    "cannot start any token": "a text that begins so stands in quotes",
    "expected alphabetic or numeric character": "a text that begins with * or & stands in quotes",
}


@dataclass(slots=True)
class Tree:
    """`lines` are 1-based and by path; `plain` holds the spelling of scalars that are not text."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    plain: dict[Path, str] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of a path, or of its nearest parent that the file has."""
        return self.lines.get(self.known(path), 1)

    def known(self, path: Path) -> Path:
        """The longest part of a path that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return path

    def find(self, pattern: str) -> Iterator[tuple[Path, Any]]:
        """(path, value) of what matches `tiers.*.block.*`, where a star is any key or index; nothing if nothing is."""
        yield from _find(self.value, pattern.split("."), ())

    def get(self, *path: str | int) -> Any:
        """The value at a path, or None."""
        value = self.value
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


def show(path: Path) -> str:
    """`("classrooms", 2, "tier")` as `classrooms[2].tier`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def read(data: bytes, file: str) -> tuple[Tree, list[Problem]]:
    """The tree of a file and what is wrong with it; a tree that could not be finished has the value None.

    `file` is how messages name it, such as "policies/classes.yaml". Never raises on any bytes.
    """
    reader = _Reader(file)
    try:
        reader.run(data)
    except _ReadError as stop:
        reader.tree.value = None
        reader.problems.append(Problem(f"{file}:{stop.line}", stop.what))
    return reader.tree, reader.problems


class _ReadError(Exception):
    """A mistake after which the rest of the file means nothing. Caught by `read`."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


class _Reader:
    """Events of libyaml to a tree, without ever holding more than the tree."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.tree = Tree()
        self.problems: list[Problem] = []

    def run(self, data: bytes) -> None:
        text = _decode(data)
        try:
            self.events = yaml.parse(text, Loader=_LOADER)
            next(self.events)  # the stream's start
            if isinstance(self.next(), yaml.StreamEndEvent):
                raise _ReadError(1, "the file is empty")
            self.tree.value = self.node(self.next(), ())
            self.next()  # the document's end
            after = self.next()
            if not isinstance(after, yaml.StreamEndEvent):
                raise _ReadError(after.start_mark.line + 1, "a second document begins here; only one is read")
        except yaml.YAMLError as error:
            raise _syntax(error, text) from None

    def next(self) -> Any:
        return next(self.events)

    def node(self, event: Any, path: Path) -> Any:
        line = event.start_mark.line + 1
        if path not in self.tree.lines:
            self.tree.lines[path] = line
        if len(self.tree.lines) > MAX_VALUES:
            raise _ReadError(line, f"more than {MAX_VALUES:,} values; that is no configuration")
        if len(path) > MAX_DEPTH:
            raise _ReadError(line, f"nested more than {MAX_DEPTH} deep; that is no configuration")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _ReadError(line, "anchors (&x) and aliases (*x) are not accepted; quote text that begins so")
        if event.tag not in _STRING_TAGS:
            raise _ReadError(line, f"the tag {event.tag[:40]!r} is not accepted; quote text that begins with '!'")
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        return self.scalar(event, path)

    def mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise _ReadError(line, 'a key must be plain text; an address such as "[::1]:53" stands in quotes')
            key = event.value
            below = (*path, key)
            if key == "<<" and event.implicit[0]:
                raise _ReadError(line, "merging (<<) is not accepted; write the keys out")
            if key in found:
                first = self.tree.lines[below]
                self.problem(line, below, f"the key is given twice, first in line {first}; YAML would keep only one")
                _Reader(self.file).skip(self, below)
                continue
            self.tree.lines[below] = line
            found[key] = self.node(self.next(), below)
        return found

    def sequence(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            found.append(self.node(event, (*path, len(found))))
        return found

    def skip(self, other: _Reader, path: Path) -> None:
        """Read one node of another reader's events and keep nothing but the problems in it."""
        self.events, self.problems = other.events, other.problems
        self.node(self.next(), path)

    def scalar(self, event: Any, path: Path) -> Any:
        text = event.value
        if not event.implicit[0]:  # quoted, a block, or tagged as text
            return text
        if text in _WORDS:
            value: Any = _WORDS[text]
        elif _INTEGER.fullmatch(text):
            value = int(text)
        elif _DECIMAL.fullmatch(text):
            value = float(text)
        else:
            return text
        self.tree.plain[path] = text
        return value

    def problem(self, line: int, path: Path, what: str) -> None:
        self.problems.append(Problem(f"{self.file}:{line} {show(path)}", what))


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _ReadError(1, "the file is UTF-16; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _ReadError(line, f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8") from None
    return text


def _syntax(error: yaml.YAMLError, text: str) -> _ReadError:
    """libyaml's complaint in the words of a person who edits a file."""
    position = getattr(error, "position", None)
    if position is not None:
        character = getattr(error, "character", "?")
        code = character if isinstance(character, int) else ord(str(character)[:1] or "?")
        line = text.encode("utf-8").count(b"\n", 0, position) + 1
        return _ReadError(line, f"the character U+{code:04X} cannot stand in YAML")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    lines = text.splitlines()
    seen = lines[line - 1] if line <= len(lines) else ""
    if "\t" in seen[: len(seen) - len(seen.lstrip())]:
        return _ReadError(line, "a tab in the indentation; use spaces")
    what = getattr(error, "problem", None) or "cannot be read"
    began = getattr(error, "context_mark", None)
    context = getattr(error, "context", None)
    hint = next((hint for words, hint in _HINTS.items() if words in what), context or "")
    where = began.line + 1 if began is not None else line
    return _ReadError(line, f"not YAML: {what}" + (f"; {hint.format(line=where)}" if hint else ""))


def _find(value: Any, steps: list[str], path: Path) -> Iterator[tuple[Path, Any]]:
    if not steps:
        yield path, value
        return
    step, rest = steps[0], steps[1:]
    if step == "*":
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in pairs:
            yield from _find(item, rest, (*path, key))
    elif isinstance(value, dict) and step in value:
        yield from _find(value[step], rest, (*path, step))
