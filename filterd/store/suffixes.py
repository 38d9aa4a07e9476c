"""The public suffix list as the `publicsuffixlist` package ships it, both sections, and a few shared hosts more.

Read once by whoever compiles, and by workers of a school that closes newly seen domains.
"""

from __future__ import annotations

import functools
from pathlib import Path

import publicsuffixlist

from filterd.core.rules import Suffixes
from filterd.core.rules.suffixes import SHARED_HOSTS
from filterd.core.sites import Sites


@functools.cache
def load() -> Suffixes:
    """The suffixes of the installed package: no network, and as old as the package. Read once in a process."""
    with Path(publicsuffixlist.PSLFILE).open(encoding="utf-8") as lines:
        return Suffixes([*lines, *SHARED_HOSTS])


def sites(own: tuple[str, ...]) -> Sites:
    """What tells registrable domains; names in the zones `own` are none."""
    with Path(publicsuffixlist.PSLFILE).open(encoding="utf-8") as lines:
        return Sites(lines, own)
