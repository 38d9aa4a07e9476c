"""Questions that failed a moment ago are not asked again at once (RFC 9520 section 3.2)."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0  # then twice as long each time...
MAX_S: Final = 30.0  # ...up to this, and anew once it has been well for as long
MAX_FAILURES: Final = 4096


class Failures:
    """Failed questions by cache key. Times are monotonic seconds."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[bytes, tuple[float, float]] = {}  # until when, and for how long

    def __len__(self) -> int:
        return len(self._by_key)

    def holds(self, key: bytes, now: float) -> bool:
        """Whether a question must not be asked yet."""
        failure = self._by_key.get(key)
        return failure is not None and failure[0] > now

    def note(self, key: bytes, now: float) -> None:
        """It failed once more."""
        if len(self._by_key) >= MAX_FAILURES:
            self._by_key.clear()
        until, pause_s = self._by_key.get(key, (0.0, 0.0))
        pause_s = min(pause_s * 2, MAX_S) if pause_s and now < until + MAX_S else FIRST_S
        self._by_key[key] = (now + pause_s, pause_s)

    def forget(self, key: bytes) -> None:
        """It was answered."""
        self._by_key.pop(key, None)

    def clear(self) -> None:
        self._by_key.clear()
