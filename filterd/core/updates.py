"""The words of the nightly update: what became of a source, why, and the figures a list is judged by.

Values only. `update` makes them, `store` keeps them, `metrics` and `cli` show them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Outcome(StrEnum):
    """What one run made of one source."""

    TAKEN = "taken"  # new content, now the last good copy
    UNCHANGED = "unchanged"  # asked, and there is nothing new
    HELD = "held"  # new content that waits for a person; the last good copy stays
    REFUSED = "refused"  # what came is no list and was thrown away; the last good copy stays
    FAILED = "failed"  # nothing came; the last good copy stays
    SKIPPED = "skipped"  # not asked: not due yet, or frozen by a person
    LOCAL = "local"  # a file of the box or of this project: read where it is, never fetched


class Why(StrEnum):
    """The reason, as a small closed set: a metric's label."""

    NONE = ""
    # fetching
    NETWORK = "network"  # no connection, or it broke
    RESOLVE = "resolve"  # the upstreams know no address
    TIMEOUT = "timeout"
    TLS = "tls"  # the certificate is not good
    CLOCK = "clock"  # ... because this box does not know the time
    STATUS = "status"  # HTTP said no
    RATE_LIMITED = "rate-limited"  # HTTP 429, or not before Retry-After
    REDIRECT = "redirect"  # too many, in a circle, or to where none may lead
    FORBIDDEN = "forbidden"  # plain HTTP or a private address, and the source does not say that it may
    TOO_LARGE = "too-large"  # more bytes, or a higher compression, than a list has
    TRUNCATED = "truncated"  # fewer bytes than were announced
    MISSING = "missing"  # no such file where `--from` pointed
    DISK = "disk"
    # no list
    HTML = "html"
    BINARY = "binary"
    ARCHIVE = "archive"  # damaged, or not the archive it should be
    FORMAT = "format"  # too few lines are rules
    EMPTY = "empty"
    # judged
    MEMBER = "member"  # the category is gone from its archive
    TOO_FEW = "too-few"  # under min_entries
    COUNT = "count"  # the list itself says that it has more
    HALVED = "halved"  # under half of the last good copy
    SHRUNK = "shrunk"
    GREW = "grew"
    SHARE = "share"  # the share of lines that are rules collapsed
    PROBE = "probe"  # it would block a name that must resolve
    SENTINEL = "sentinel"  # without it a name that must be blocked would not be
    # bundles
    SIGNATURE = "signature"  # nobody this box trusts signed it
    KEY = "key"  # a key that must not be used
    OLDER = "older"  # than the last one of that key: a roll-back
    EXPIRED = "expired"
    DAMAGED = "damaged"  # its files are not those that were signed
    MACHINE = "machine"  # made by another version, or for another kind of machine
    # people
    FROZEN = "frozen"
    NOT_DUE = "not-due"


@dataclass(frozen=True, slots=True)
class Figures:
    """A list in numbers. `entries` are rules that block, `exceptions` those that take away; `refused` lines gave no
    rule, `malformed` of them are no rules of its format at all. `declared`: how many entries its own header says.
    """

    format: str
    lines: int
    entries: int
    exceptions: int = 0
    refused: int = 0
    malformed: int = 0
    declared: int | None = None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError for another shape."""
        try:
            found = cls(**data)
        except TypeError:
            raise ValueError("not the figures of a list") from None
        numbers = (found.lines, found.entries, found.exceptions, found.refused, found.malformed, found.declared or 0)
        if not isinstance(found.format, str) or any(not isinstance(n, int) or n < 0 for n in numbers):
            raise ValueError("not the figures of a list")
        return found


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a list that came: TAKEN, HELD or REFUSED; why; and a sentence for the technician."""

    outcome: Outcome
    why: Why = Why.NONE
    text: str = ""


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """`update:` of school.yaml. `bundle`: where a district publishes its signed one; then lists are not fetched."""

    keep: int = 3  # generations of the table on disk
    bundle: str | None = None  # https: URL of the folder, or an absolute path
    top_sites: str | None = None  # file with one name a line, or rank,name; for `lists diff`
    stale_days: int = 90  # a list whose content has not changed for so long is an alert
