"""The public suffix list as the `publicsuffixlist` package ships it, both sections. Read once by whoever compiles."""

from __future__ import annotations

from pathlib import Path

import publicsuffixlist

from filterd.core.rules import Suffixes


def load() -> Suffixes:
    """The suffixes of the installed package: no network, and as old as the package."""
    with Path(publicsuffixlist.PSLFILE).open(encoding="utf-8") as lines:
        return Suffixes(lines)
