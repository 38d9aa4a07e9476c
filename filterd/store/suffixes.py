"""The public suffix list as the `publicsuffixlist` package ships it, both sections, and a few shared hosts more.

Read once by whoever compiles.
"""

from __future__ import annotations

from pathlib import Path

import publicsuffixlist

from filterd.core.rules import Suffixes
from filterd.core.rules.suffixes import SHARED_HOSTS


def load() -> Suffixes:
    """The suffixes of the installed package: no network, and as old as the package."""
    with Path(publicsuffixlist.PSLFILE).open(encoding="utf-8") as lines:
        return Suffixes([*lines, *SHARED_HOSTS])
