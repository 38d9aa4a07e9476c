"""Nights in tests: a file comes, is looked at and judged, and becomes the last good copy only if it was taken.

And bodies of lists to try it with, as long as wanted; every name in them is made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from filterd.core.judge import judge, unfit
from filterd.core.rules import Suffixes
from filterd.core.source import Source
from filterd.core.updates import Figures, Judgement, Outcome
from filterd.errors import ListError
from filterd.store import suffixes
from filterd.update.look import look

AROUND = {
    "domains": ("#", "", ""),
    "wildcard": ("#", "*.", ""),
    "hosts": ("#", "0.0.0.0 ", ""),
    "adblock": ("!", "||", "^"),
    "dnsmasq": ("#", "local=/", "/"),
    "rpz": (";", "", " CNAME ."),
    "unbound": ("#", 'local-zone: "', '" always_null'),
    "v2fly": ("#", "domain:", ""),
}
TAKEN = ("taken", "")
LOGIN = b"""<script>var t = setTimeout(function () { location = "/login"; }, 1000);</script>
<!DOCTYPE html>
<html><head><title>School Wi-Fi</title></head><body><form action=/login></form></body></html>
"""
KNOWN: Suffixes = suffixes.load()


class Box:
    """What a school has of one source. `good`: the figures of its last good copy."""

    def __init__(self, source: Source, good: Figures | None = None) -> None:
        self.source = source
        self.good = good

    def night(self, came: Path) -> Judgement:
        try:
            new = look(self.source, came, KNOWN)
        except ListError as error:
            return unfit(str(error), error.why, self.good is not None)
        judgement = judge(self.source, new, self.good)
        if judgement.outcome is Outcome.TAKEN:
            self.good = new
        return judgement


def verdict(box: Box, came: Path) -> tuple[str, str]:
    """Outcome and reason of a night."""
    found = box.night(came)
    assert found.outcome is Outcome.TAKEN or found.text.endswith(("stays in use", "there is no copy of it in use"))
    return found.outcome.value, found.why.value


def a_source(form: str = "auto", **more: object) -> Source:
    values: dict[str, object] = {
        "id": "a-list", "name": "A list", "url": "https://lists.example/a.txt", "format": form, "category": "games",
        "licence": "MIT",
    }  # fmt: skip
    return Source(**(values | more))  # type: ignore[arg-type]


def names(count: int, first: int = 0) -> list[str]:
    return [f"site-{number}.com" for number in range(first, first + count)]


def body(form: str, wanted: int | Iterable[str], declared: int | None = None, end: str = "\n") -> bytes:
    """A list with a header of its own, of so many names or of these."""
    comment, before, after = AROUND[form]
    header = [f"{comment} Title: A list", f"{comment} Expires: 1 day"]
    if declared is not None:
        header.append(f"{comment} Number of entries: {declared:,}")
    listed = names(wanted) if isinstance(wanted, int) else wanted
    return "".join(line + end for line in [*header, comment, *(f"{before}{name}{after}" for name in listed)]).encode()
