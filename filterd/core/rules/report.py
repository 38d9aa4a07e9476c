"""What became of every line of a list, and when enough is enough: the error budget.

Counts are kept by kind, the first few refused lines as samples with their numbers, so a report is small however bad
the list. Nothing is printed here: `store` keeps reports, `cli` shows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from filterd.core.rules.model import COVERS_MASK, EXACT, EXCEPTION, IGNORED, Kind, Rule
from filterd.core.updates import Why
from filterd.errors import ListError

MAX_SAMPLES = 20
SAMPLE_CHARACTERS = 80
EARLY_LOOK = 1000  # so many lines that are no rules, outnumbering the rules: do not read on
MAX_MALFORMED = 0.2  # of all lines that ought to be rules; real lists stay under 0.01
_BAD = (Kind.MALFORMED, Kind.TOO_LONG, Kind.TOO_WIDE, Kind.PRIVATE)
_HTML = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<title", b"<?xml", b"<div", b"<h1")
_CONFLICT = (b"<<<<<<< ", b">>>>>>> ", b"||||||| ")


@dataclass(frozen=True, slots=True)
class Sample:
    where: str  # "12", or "data/tiktok:12" inside an archive
    kind: str
    text: str


@dataclass(slots=True)
class Report:
    """The outcome for one source. `entries` are the rules that block, `exceptions` those that take away."""

    source: str
    format: str = ""
    lines: int = 0
    entries: int = 0
    exceptions: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def rule(self, key: bytes, code: int) -> Rule:
        """Count one rule and give it: a key for exactly one name gets its mark."""
        if code & EXCEPTION:
            self.exceptions += 1
        else:
            self.entries += 1
        return (key + b"$" if code & COVERS_MASK == EXACT else key), code

    def skip(self, kind: Kind, file: str, number: int, line: bytes) -> None:
        """Count one line that gave no rule. Raises ListError when it shows that the file is no list."""
        if kind in IGNORED:
            self.ignored[kind.value] += 1
            return
        self.refused[kind.value] += 1
        if line[:1] == b"<" and line.lower().startswith(_HTML):
            raise ListError(f"is a page and not a list: line {number} is HTML: {shown(line)!r}", Why.HTML)
        if line.startswith(_CONFLICT):
            raise ListError(f"line {number} is a mark of a merge nobody finished: {shown(line)!r}", Why.FORMAT)
        if len(self.samples) < MAX_SAMPLES:
            where = f"{file}:{number}" if file else str(number)
            self.samples.append(Sample(where, kind.value, shown(line)))
        bad = self.malformed
        if bad >= EARLY_LOOK and bad > self.rules:
            raise ListError(self._too_bad(), Why.FORMAT)

    @property
    def rules(self) -> int:
        return self.entries + self.exceptions

    @property
    def malformed(self) -> int:
        return sum(self.refused[kind.value] for kind in _BAD)

    @property
    def refused_total(self) -> int:
        return self.refused.total()

    def finish(self, min_entries: int, seems: Callable[[], str | None]) -> None:
        """Judge the whole list. `seems` guesses what format it is in. Raises ListError when it must not be used."""
        bad = self.malformed
        if bad > MAX_MALFORMED * (bad + self.rules):
            guess = seems()
            hint = f"; it looks like {guess}" if guess and guess != self.format else ""
            raise ListError(self._too_bad() + hint, Why.FORMAT)
        if not self.entries and min_entries:
            raise ListError(self.nothing(), Why.FORMAT if self.refused else Why.EMPTY)
        if self.entries < min_entries:
            text = f"has {self.entries} entries, fewer than the {min_entries} it must have (min_entries)"
            raise ListError(text, Why.TOO_FEW)

    def nothing(self) -> str:
        return f"has no entries in {self.lines} lines{self._sample()}"

    def _too_bad(self) -> str:
        total = self.malformed + self.rules
        return f"{self.malformed} of {total} lines are not {self.format} rules{self._sample()}"

    def _sample(self) -> str:
        return f", first line {self.samples[0].where}: {self.samples[0].text!r}" if self.samples else ""

    def to_json(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "lines": self.lines,
            "entries": self.entries,
            "exceptions": self.exceptions,
            "refused": dict(self.refused),
            "ignored": dict(self.ignored),
            "samples": [[s.where, s.kind, s.text] for s in self.samples],
        }


def shown(line: bytes) -> str:
    """A line of a stranger's file for a terminal: cut, and without control characters."""
    text = line[: 4 * SAMPLE_CHARACTERS].decode("utf-8", "replace")[:SAMPLE_CHARACTERS]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
