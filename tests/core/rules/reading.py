"""Reads small lists in tests: a handful of public suffixes, and rules shown as people write them."""

from __future__ import annotations

from collections.abc import Iterable

from filterd.core import names
from filterd.core.rules import EXCEPTION, Report, Suffixes, parse
from filterd.core.rules.model import COVERS_MASK, COVERS_NAMES, Include
from filterd.core.source import Source

LISTED = ("com", "net", "org", "vn", "com.vn", "io", "github.io", "weebly.com", "blogspot.com", "jp")
SUFFIXES = Suffixes(["// a comment", "", *LISTED, "*.ck", "!www.ck", "*.kawasaki.jp"])


def source(form: str = "auto", **more: object) -> Source:
    values: dict[str, object] = {
        "id": "a-list", "name": "A list", "url": "file:a.txt", "format": form, "category": "games", "licence": "MIT",
        "min_entries": 0,
    }  # fmt: skip
    return Source(**(values | more))  # type: ignore[arg-type]


def read(
    text: str | bytes | Iterable[bytes], form: str, include: Include | None = None, **more: object
) -> tuple[list[str], Report]:
    """Rules as `example.com subtree`, exceptions with a `-` before them; and the report."""
    if isinstance(text, str):
        text = text.encode()
    chunks = [text] if isinstance(text, bytes) else text
    rules, report = parse(chunks, source(form, **more), SUFFIXES, include)
    return [_shown(key, code) for key, code in rules], report


def _shown(key: bytes, code: int) -> str:
    covers = COVERS_NAMES[code & COVERS_MASK]
    assert key.endswith(b"$") == (covers == "exact")
    return f"{'-' if code & EXCEPTION else ''}{names.text_of_key(key)} {covers}"
