"""How many entries a list says it has, in the comments at its top: what shows a list that was cut off.

Saying so is optional and done in many ways, and some count lines or names where we count rules; `judge` allows for
that. Pure: the first bytes of a list come in, a number or None goes out.
"""

from __future__ import annotations

import re

from filterd.core.rules.formats import FORMATS

_MAX_COMMENT = 200  # bytes
_HEADER_LINES = 60  # what stands further down speaks of a part of the list
_COUNTED = {
    "entries", "domains", "names", "hosts", "hostnames", "rules", "filters", "records", "addresses", "ips", "networks",
    "urls", "lines", "blocked", "count", "total",
}  # fmt: skip
_BESIDE = {
    "number", "no", "of", "the", "all", "in", "overall", "unique", "network", "domain", "entry", "host", "rule",
    "filter", "address", "ip", "url", "dns", "active", "listed", "included", "current", "block", "blocking", "list",
}  # fmt: skip
_WORDS = re.compile(r"[a-z]+")
_STATEMENT = re.compile(
    r"(?P<label>[a-z][a-z ._-]*?)\s*(?:\([^()]*\)\s*)?[:=]\s*"
    r"(?P<number>\d{1,3}(?:[.,'’_ \xa0\u2009\u202f]\d{3})+|\d{1,9})(?![\d.,]*\d)"
    r"(?P<rest>[^\d:=/]*)"
)
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def declared(head: bytes, format: str) -> int | None:  # noqa: A002 - the word of `sources.yaml`
    """The number of entries that the head of a list of this format declares; None where it says none, or two."""
    known = FORMATS.get(format)
    marks = b"#" + (known.comments if known is not None else b"!;")
    said = set()
    for line in head.splitlines()[:_HEADER_LINES]:
        line = line.strip()
        if line and line[0] in marks and len(line) <= _MAX_COMMENT:
            number = _number(line.lstrip(b"#!; \t").decode("utf-8", "replace").lower())
            if number is not None:
                said.add(number)
    return said.pop() if len(said) == 1 else None


def _number(comment: str) -> int | None:
    """The number in `number of entries: 12,345` or `blocked: 12.345 domains`; None for every other sentence."""
    found = _STATEMENT.fullmatch(_IN_BRACKETS.sub("", comment).strip().rstrip("."))
    if found is None:
        return None
    label, rest = set(_WORDS.findall(found["label"])), set(_WORDS.findall(found["rest"]))
    if not label & _COUNTED or not (label | rest) <= _COUNTED | _BESIDE:
        return None
    return int(re.sub(r"\D", "", found["number"]))
