"""The index of a signed bundle: what is in it, and whether it may follow what this box had before.

`store.exports` makes one for each export; `store.bundles` parses it, once a trusted key vouches for its bytes. The
bytes that were signed are JSON in UTF-8. `kind` keeps a signature over another sort of file from passing for one here.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from filterd.core.updates import Why
from filterd.errors import TrustError

KIND: Final = "filterd-bundle"
FORMAT: Final = 1
MAX_INDEX_BYTES: Final = 4 << 20
MAX_TOTAL_BYTES: Final = 1 << 30
MAX_FILES: Final = 20
DAY_S: Final = 86400
DAYS: Final = 30  # that a bundle may be imported after it was made, unless its maker says otherwise
AHEAD_S: Final = DAY_S  # clocks differ; a bundle from further ahead was signed by a wrong one, or this one is
_FILE_NAME = re.compile(r"[a-zA-Z]{1,30}\.[a-z]{1,10}")
_GENERATION = re.compile(r"\d{6,12}-[0-9a-f]{16}")
_FOLDER = re.compile(r"\d{6,12}-[0-9a-f]{16}(-\d{1,16})?")
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_NUMBER = 1 << 53  # what every reader of JSON knows exactly


@dataclass(frozen=True, slots=True)
class File:
    """A file of the bundle."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A source as it is in the table: `list_time` in Unix seconds, `status` a word of `core.updates.Outcome` or ''."""

    id: str
    name: str
    url: str
    licence: str
    category: str
    entries: int
    list_time: int
    status: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """What was signed. Times are Unix seconds; `folder` holds `files`; `version` only ever grows for one key."""

    name: str
    signer: str
    version: int
    created_at: int
    expires_at: int
    generation: str
    folder: str
    table_format: int
    byteorder: str
    names: int
    files: Mapping[str, File]
    sources: tuple[Listed, ...]

    @property
    def table(self) -> str:
        """The table's own hash: the same wherever it is, while each box counts its generations by itself."""
        return self.generation.partition("-")[2]

    @property
    def total(self) -> int:
        """The size of all files, in bytes."""
        return sum(file.size for file in self.files.values())

    def to_bytes(self) -> bytes:
        """What is signed and written."""
        body = {"kind": KIND, "format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(body, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The inverse, for bytes that a trusted key signed. Raises TrustError."""
        try:
            found = json.loads(data.decode("utf-8"))
            if not isinstance(found, dict) or found.get("kind") != KIND:
                raise ValueError("it is no index of a bundle")
            if found.get("format") != FORMAT:
                raise TrustError(
                    f"the bundle has format {str(found.get('format'))[:20]}, this filterd reads {FORMAT}: "
                    "one of the two boxes needs a newer one",
                    Why.MACHINE,
                )
            return cls(
                name=_text(found, "name"),
                signer=_match(found, "signer", _KEY_ID),
                version=_number(found, "version"),
                created_at=_number(found, "created_at"),
                expires_at=_number(found, "expires_at"),
                generation=_match(found, "generation", _GENERATION),
                folder=_match(found, "folder", _FOLDER),
                table_format=_number(found, "table_format"),
                byteorder=_text(found, "byteorder"),
                names=_number(found, "names"),
                files=_files(found),
                sources=_sources(found),
            )
        except (ValueError, RecursionError) as error:
            raise TrustError(f"index.json is signed, but {error}", Why.FORMAT) from None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The last bundle of one key that this box took. `digest`: SHA-256 of its index, in hex."""

    version: int
    created_at: int
    digest: str


@dataclass(frozen=True, slots=True)
class Record:
    """`STATE/bundle.json`: which key signed the last one (its id, or ''), and the last one of every key, by its id."""

    signer: str = ""
    accepted: Mapping[str, Accepted] = dataclasses.field(default_factory=dict)

    @property
    def last(self) -> Accepted | None:
        """The bundle that was imported last."""
        return self.accepted.get(self.signer)

    def after(self, signer: str, accepted: Accepted) -> Record:
        """What is recorded once a bundle of this key was taken."""
        return Record(signer, {**self.accepted, signer: accepted})

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The inverse of `to_json`. Raises ValueError for another shape."""
        rows = data.get("accepted") if isinstance(data, dict) and data.get("format") == FORMAT else None
        if not isinstance(rows, dict):
            raise ValueError("it is not what an import writes")
        accepted = {}
        for key, row in rows.items():
            digest = _match(row, "digest", _SHA256)
            accepted[key] = Accepted(_number(row, "version"), _number(row, "created_at"), digest)
        if data.get("signer") not in accepted:
            raise ValueError("it names a key of which it holds nothing")
        return cls(data["signer"], accepted)


def judge(index: Index, accepted: Accepted, record: Record, now: int, clock_trusted: bool) -> str:
    """Whether a bundle may follow what was taken before: a warning, or '' for none. Raises TrustError if it may not.

    `accepted` is this bundle as it would be recorded; `now` Unix seconds, believed only with `clock_trusted`.
    """
    before = record.accepted.get(index.signer)
    if before is not None and index.version < before.version:
        raise TrustError(
            f"the bundle has version {index.version} ({day(index.created_at)}); version {before.version} "
            f"({day(before.created_at)}) of the same key was imported before: an older one is never taken",
            Why.OLDER,
        )
    if before is not None and index.version == before.version and accepted.digest != before.digest:
        raise TrustError(
            f"the bundle has version {index.version}, and another one with that version was imported before: "
            "export it again",
            Why.OLDER,
        )
    if record.last is not None and index.created_at < record.last.created_at:
        raise TrustError(
            f"the bundle was made on {day(index.created_at)}, the last one imported on {day(record.last.created_at)}: "
            "an older one is never taken, whoever signed it",
            Why.OLDER,
        )
    return _dates(index, now, clock_trusted)


def _dates(index: Index, now: int, clock_trusted: bool) -> str:
    expired = f"the bundle expired on {day(index.expires_at)}"
    early = f"the bundle was made on {day(index.created_at)}, which is more than a day ahead of this box"
    if clock_trusted and now >= index.expires_at:
        raise TrustError(f"{expired}; today is {day(now)}. Ask for a newer one", Why.EXPIRED)
    if clock_trusted and index.created_at > now + AHEAD_S:
        raise TrustError(f"{early} ({day(now)}): one of the two clocks is wrong", Why.CLOCK)
    if clock_trusted:
        return ""
    wrong = f"; {expired} by it" if now >= index.expires_at else ""
    return f"this box does not know the time (it says {day(now)}), so the bundle's dates were not checked{wrong}"


def day(unix_s: int) -> str:
    """A date in UTC, for people; what is later than any calendar is told in seconds."""
    try:
        return (datetime.date(1970, 1, 1) + datetime.timedelta(days=unix_s // DAY_S)).isoformat()
    except OverflowError:
        return f"second {unix_s}"


def _files(found: Mapping[str, Any]) -> dict[str, File]:
    rows = found.get("files")
    if not isinstance(rows, dict) or not 1 <= len(rows) <= MAX_FILES:
        raise ValueError("it names no files, or too many")
    files = {}
    for name, row in rows.items():
        if not _FILE_NAME.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no name of a bundle's file")
        files[name] = File(_number(row, "size"), _match(row, "sha256", _SHA256))
    if sum(file.size for file in files.values()) > MAX_TOTAL_BYTES:
        raise ValueError(f"its files are larger than {MAX_TOTAL_BYTES >> 20} MiB")
    return files


def _sources(found: Mapping[str, Any]) -> tuple[Listed, ...]:
    rows = found.get("sources")
    if not isinstance(rows, list):
        raise ValueError("it names no sources")
    return tuple(
        Listed(
            id=_text(row, "id"),
            name=_text(row, "name"),
            url=_text(row, "url"),
            licence=_text(row, "licence"),
            category=_text(row, "category"),
            entries=_number(row, "entries"),
            list_time=_number(row, "list_time"),
            status=_text(row, "status"),
        )
        for row in rows
    )


def _text(found: Any, key: str) -> str:
    value = found.get(key) if isinstance(found, dict) else None
    if not isinstance(value, str) or len(value) > 2000 or not (value.isprintable() or not value):
        raise ValueError(f"its {key!r} is no line of text")
    return value


def _number(found: Any, key: str) -> int:
    value = found.get(key) if isinstance(found, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_NUMBER:
        raise ValueError(f"its {key!r} is no number from 0 to 2^53")
    return value


def _match(found: Any, key: str, pattern: re.Pattern[str]) -> str:
    value = _text(found, key)
    if not pattern.fullmatch(value):
        raise ValueError(f"its {key!r} is {value[:60]!r}")
    return value
