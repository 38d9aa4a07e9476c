"""What is known of a list beside its bytes, as small JSON files in its folder: `store.lists` writes and reads them.

Values only. They are read back with suspicion: a file that is not what was written here is as good as no file.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from filterd.core.updates import Figures, Outcome, Why

_TEXT, _OPTIONAL_TEXT, _NUMBER, _OPTIONAL_NUMBER = (str,), (str, type(None)), (int,), (int, type(None))


@dataclass(frozen=True, slots=True)
class Meta:
    """Of one copy. `fetched_at` and `changed_at` are Unix seconds; `etag` and `last_modified` as the server wrote them.

    `bytes` and `mtime_ns` are those of the file itself, filled in by whoever puts it into the folder: they tell
    whether this is the copy that was meant. `figures` None: nobody looked. `settings`: what of sources.yaml it was
    read and judged by.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    fetched_at: int = 0
    changed_at: int = 0
    bytes: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    figures: Figures | None = None
    settings: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The inverse of `to_json`; keys it does not know are left alone. Raises ValueError for another shape."""
        found = _fields(data, _META)
        assert isinstance(data, dict)
        figures = data.get("figures")
        if figures is not None and not isinstance(figures, dict):
            raise ValueError("not the figures of a list")
        return cls(**found, figures=None if figures is None else Figures.from_json(figures))


@dataclass(frozen=True, slots=True)
class Held:
    """A download that waits for a person: why, in words for the technician, and since when (Unix seconds)."""

    meta: Meta
    why: Why
    text: str
    since: int

    def to_json(self) -> dict[str, Any]:
        return {**self.meta.to_json(), "why": self.why.value, "text": self.text, "since": self.since}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The inverse of `to_json`. Raises ValueError for another shape."""
        found = _fields(data, {"why": _TEXT, "text": _TEXT, "since": _NUMBER})
        return cls(Meta.from_json(data), Why(found["why"]), found["text"], found["since"])


@dataclass(frozen=True, slots=True)
class Frozen:
    """A person wants the copy in use to stay: since when (Unix seconds), who, and the reason they gave."""

    since: int
    by: str = ""
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The inverse of `to_json`. Raises ValueError for another shape."""
        return cls(**_fields(data, {"since": _NUMBER, "by": _TEXT, "reason": _TEXT}))


@dataclass(frozen=True, slots=True)
class Memory:
    """What the updater remembers of a source; times are Unix seconds. `last_success`: the server had a list.

    `last_change`: new content was taken. `failures`: attempts in vain since. `retry_after`: not to be asked before.
    """

    last_attempt: int | None = None
    last_success: int | None = None
    last_change: int | None = None
    failures: int = 0
    retry_after: int | None = None
    outcome: Outcome | None = None
    why: Why = Why.NONE
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The inverse of `to_json`. Raises ValueError for another shape."""
        found = _fields(data, _MEMORY)
        outcome = found.pop("outcome")
        return cls(outcome=None if outcome is None else Outcome(outcome), why=Why(found.pop("why")), **found)


Kinds = dict[str, tuple[type, ...]]
_META: Kinds = {
    "url": _TEXT,
    "etag": _OPTIONAL_TEXT,
    "last_modified": _OPTIONAL_TEXT,
    "fetched_at": _NUMBER,
    "changed_at": _NUMBER,
    "bytes": _NUMBER,
    "mtime_ns": _NUMBER,
    "sha256": _TEXT,
    "settings": _TEXT,
}
_MEMORY: Kinds = {
    "last_attempt": _OPTIONAL_NUMBER,
    "last_success": _OPTIONAL_NUMBER,
    "last_change": _OPTIONAL_NUMBER,
    "failures": _NUMBER,
    "retry_after": _OPTIONAL_NUMBER,
    "outcome": _OPTIONAL_TEXT,
    "why": _TEXT,
    "text": _TEXT,
}


def _fields(data: object, kinds: Kinds) -> dict[str, Any]:
    """These fields of a JSON object, each of its kind. Raises ValueError, for one that is missing too."""
    if not isinstance(data, dict):
        raise ValueError("not an object")
    for name, kind in kinds.items():
        value = data.get(name, _MISSING)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{name} is not what was written")
    return {name: data[name] for name in kinds}


_MISSING = object()
