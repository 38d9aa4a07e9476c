"""What the last update did, for the metrics: `STATE/status.json` and whether a rollback pinned the table.

The updater and `filterd lists` write them, at night or when a person is at work; a look every few seconds is enough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from filterd.metrics.updates import UpdateState, state_of
from filterd.store import status, tables

LOOK_S: Final = 5.0

Stamp = tuple[int, int, int]  # of a file: inode, size, time


class UpdateWatch:
    """Follows one state directory; whatever lies there, `state` is what could be believed of it."""

    def __init__(self, state_dir: Path) -> None:
        self.state = UpdateState()
        self._state_dir = state_dir
        self._next = float("-inf")
        self._stamp: Stamp | None = None

    def poll(self, now: float) -> UpdateState:
        """The newest state; the disk is looked at every `LOOK_S`. `now`: monotonic seconds."""
        if now >= self._next:
            self._next = now + LOOK_S
            stamp = self._stamp_now()
            pinned = tables.pinned(self._state_dir) is not None
            if stamp != self._stamp:
                self._stamp = stamp
                self.state = state_of(status.read(self._state_dir), pinned)
            self.state.pinned = pinned
        return self.state

    def _stamp_now(self) -> Stamp | None:
        try:
            found = status.path(self._state_dir).stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
