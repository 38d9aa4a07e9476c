"""The chain of the audit log: what one line is, and what a log that was altered, cut or torn looks like.

A line is JSON, `{"sequence":…,"time":…,"previous":…,"entry":{…},"sha256":…}`: `sha256` is of the line's own bytes with
`,"sha256":"…"` and the newline left out, `previous` that of the line before. So nobody changes, removes or moves a line
without changing every hash after it; what that cannot show, a tail cut off or a log written anew, shows against a
head that was kept elsewhere. `store.audit` reads and writes the files; bytes in, values out.

A power cut may leave half a line. Nothing was built on it, and the chain passes over it: it is said, and no fault.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

MAX_LINE: Final = 16 << 10  # bytes
MAX_SAID: Final = 1000  # sentences of each kind in a report
_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\Z')
_SEAL_BYTES: Final = len(',"sha256":""}') + 64
_HEAD = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a log at some moment: its number, from 1, and its hash. Written `12:ab…`."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`. Raises ValueError."""
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text[:90]!r} is no head; one is a number, a colon and 64 digits of 0-9 and a-f")
        return cls(int(found[1]), found[2])


START: Final = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line, its own hash checked. `time` is Unix seconds."""

    sequence: int
    time: int
    previous: str
    entry: Mapping[str, Any]
    hash: str

    @property
    def head(self) -> Head:
        return Head(self.sequence, self.hash)


class TornError(ValueError):
    """Bytes that are not a whole line, as a power cut leaves them. Caught by `Checker` and `last`, which pass over."""


def line(head: Head, entry: Mapping[str, Any], now: int) -> tuple[bytes, Head]:
    """The line after `head`, with its newline, and the head it makes. Raises ValueError for what is no JSON or long."""
    body = {"sequence": head.sequence + 1, "time": now, "previous": head.hash, "entry": dict(entry)}
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not an entry for the audit log: {error}") from None
    if len(data) + _SEAL_BYTES > MAX_LINE:
        raise ValueError(f"an entry of {len(data)} bytes is too long for the audit log")
    digest = hashlib.sha256(data).hexdigest()
    return data[:-1] + f',"sha256":"{digest}"}}\n'.encode(), Head(head.sequence + 1, digest)


def parse(data: bytes) -> Line:
    """A line without its newline. Raises TornError for half a line, ValueError for one whose hash does not fit."""
    seal = _SEAL.search(data)
    if seal is None or b"\0" in data or len(data) > MAX_LINE:
        raise TornError("not a whole line")
    digest = seal[1].decode()
    if hashlib.sha256(data[: seal.start()] + b"}").hexdigest() != digest:
        raise ValueError("altered: its hash does not fit")
    try:
        body = json.loads(data)
        found = Line(body["sequence"], body["time"], body["previous"], body["entry"], digest)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("not an audit line, though its hash fits") from None
    shapes = ((found.sequence, int), (found.time, int), (found.previous, str), (found.entry, dict))
    if not all(type(value) is shape for value, shape in shapes):
        raise ValueError("not an audit line, though its hash fits")
    return found


def last(data: bytes) -> Line | None:
    """The last whole line in some bytes of a log, which may begin within a line; None if there is none."""
    for piece in reversed(data.split(b"\n")):
        try:
            return parse(piece)
        except ValueError:
            continue
    return None


@dataclass(frozen=True, slots=True)
class Report:
    """What a look at a whole log found. `problems` are sentences; `torn` too, of half lines, which are no problem."""

    head: Head
    lines: int
    problems: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class Checker:
    """Follows a chain over the files of a log in their order; one look is one object.

    `wanted`: heads that were kept, each with the words for where; `head`: that of the line before the first one.
    """

    wanted: Sequence[tuple[str, Head]] = ()
    head: Head = START
    lines: int = 0
    seen: set[Head] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    highest: int = field(init=False)
    removed: int = field(init=False)

    def __post_init__(self) -> None:
        self.highest = self.removed = self.head.sequence
        self.seen |= {self.head, START}  # nothing has to be there for these

    def file(self, name: str, pieces: Iterable[bytes]) -> None:
        """Take the lines of a file, without their newlines."""
        for number, piece in enumerate(pieces, 1):
            if piece:
                self._piece(f"{name} line {number}", piece)

    def _piece(self, where: str, piece: bytes) -> None:
        try:
            found = parse(piece)
        except TornError:
            _say(self.torn, f"{where}: {len(piece)} bytes that are no whole line, as a power cut leaves them")
            return
        except ValueError as error:
            _say(self.problems, f"{where}: {error}")
            return
        self._follow(where, found)

    def _follow(self, where: str, found: Line) -> None:
        """Does it follow the line before? Either way the next one is held against this one."""
        expected = self.head.sequence + 1
        if found.sequence != expected:
            _say(self.problems, f"{where}: it is line {found.sequence} of the log where {expected} was expected")
        elif found.previous != self.head.hash:
            self.problems.append(
                f"{where}: line {found.sequence} does not follow the line before: that one was changed"
            )
        if any(found.head == wanted for _, wanted in self.wanted):
            self.seen.add(found.head)
        self.highest = max(self.highest, found.sequence)
        self.head = found.head
        self.lines += 1

    def report(self) -> Report:
        """What was found, the kept heads included."""
        problems = list(self.problems)
        for where, wanted in self.wanted:
            if wanted.sequence > self.highest:
                problems.append(
                    f"the end is missing: {where} knows {wanted.sequence} lines, and the log has {self.highest}"
                )
            elif wanted not in self.seen and wanted.sequence < self.removed:
                problems.append(f"line {wanted.sequence}, which {where} knows, is one of those that were removed")
            elif wanted not in self.seen:
                problems.append(f"line {wanted.sequence} is not the one that {where} knows: the log was written anew")
        return Report(self.head, self.lines, tuple(problems), tuple(self.torn))


def _say(sentences: list[str], sentence: str) -> None:
    """A file of nothing but damage fills no memory."""
    if len(sentences) < MAX_SAID:
        sentences.append(sentence)
