"""Random bytes, fetched by the page: a system call for each name would cost more than the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

PAGE_BYTES: Final = 4096


class Noise:
    """`source(n)` gives n random bytes of a kind nobody can guess. No byte is given out twice."""

    __slots__ = ("_at", "_page", "_source")

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._page = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """So many random bytes, at most a page."""
        at = self._at
        if at + size > len(self._page):
            self._page, at = self._source(PAGE_BYTES), 0
        self._at = at + size
        return self._page[at : at + size]
