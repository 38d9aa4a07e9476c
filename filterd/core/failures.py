"""Questions that failed a moment ago are not asked again at once (RFC 9520 section 3.2)."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0  # then twice as long each time...
MAX_S: Final = 30.0  # ...up to this, and anew once it has been well for as long
MAX_FAILURES: Final = 4096


class Failures:
    """Failed questions. Times are monotonic seconds.

    `by_key`: by cache key, until when each is not asked and for how long that was. It is empty while all is well, which
    to see must not cost a call.
    """

    __slots__ = ("by_key",)

    def __init__(self) -> None:
        self.by_key: dict[bytes, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self.by_key)

    def holds(self, key: bytes, now: float) -> bool:
        """Whether a question must not be asked yet."""
        failure = self.by_key.get(key)
        return failure is not None and failure[0] > now

    def note(self, key: bytes, now: float) -> None:
        """It failed once more."""
        if len(self.by_key) >= MAX_FAILURES:
            self.by_key.clear()
        until, pause_s = self.by_key.get(key, (0.0, 0.0))
        pause_s = min(pause_s * 2, MAX_S) if pause_s and now < until + MAX_S else FIRST_S
        self.by_key[key] = (now + pause_s, pause_s)

    def forget(self, key: bytes) -> None:
        """It was answered."""
        self.by_key.pop(key, None)

    def clear(self) -> None:
        self.by_key.clear()
