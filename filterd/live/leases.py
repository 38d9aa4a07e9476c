"""Follows the lease files of the policy in force: which device has which address now.

The dns parent looks every two seconds and hands the result to its workers when it changed. A file that cannot be read
leaves what was known, until those leases end.
"""

from __future__ import annotations

import logging

from filterd.core import lease_files
from filterd.core.lease_files import FOREVER, Lease
from filterd.core.policy import Leases
from filterd.store import leases as store

log = logging.getLogger("filterd.live")


class LeaseWatch:
    """`found` are the (host label, address) pairs in force, `problem` says what is wrong with the files, or ""."""

    def __init__(self) -> None:
        self.found: tuple[tuple[str, str], ...] = ()
        self.problem = ""
        self._leases: list[Lease] = []
        self._seen: object = None
        self._next_end = FOREVER
        self._looked_at = 0.0

    def poll(self, configured: Leases | None, now: float) -> bool:
        """Look at the files; True if `found` is another. `now` in Unix seconds."""
        paths = configured.files if configured is not None else ()
        seen = (paths, store.signature(paths))
        changed = seen != self._seen
        if changed:
            self._seen = seen
            self._read(paths)
        elif self._looked_at <= now < self._next_end:  # nothing has ended and the clock was not set back
            return False
        self._looked_at = now
        self._next_end = lease_files.next_end(self._leases, now)
        found = lease_files.names_at(self._leases, now)
        changed, self.found = found != self.found, found
        return changed

    def _read(self, paths: tuple[str, ...]) -> None:
        try:
            self._leases = store.load(paths)
        except (OSError, ValueError) as error:
            problem = f"leases: {error}; in force: the {len(self._leases)} known before"
            if problem != self.problem:
                log.error("%s", problem)
            self.problem = problem
        else:
            self.problem = ""
