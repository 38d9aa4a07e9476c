"""The secrets of server cookies and loop probes: new at every start, rolled once a day, never on disk."""

from __future__ import annotations

import secrets
from typing import Final

from filterd.core.cookies import SECRET_BYTES

ROLL_S: Final = 86400.0
KEPT: Final = 2  # the current one, and the one before for whoever still shows what was made with it


class Secrets:
    """The parent's. Workers are told them all, so that each takes what another has made."""

    def __init__(self, now: float) -> None:
        self._newest_first = [secrets.token_bytes(SECRET_BYTES)]
        self._rolled = now

    def roll(self, now: float) -> bool:
        """Make a new secret where the current one is a day old (monotonic seconds); True if there is one."""
        if now - self._rolled < ROLL_S:
            return False
        self._rolled = now
        self._newest_first = [secrets.token_bytes(SECRET_BYTES), *self._newest_first][:KEPT]
        return True

    def to_json(self) -> list[str]:
        """In hex, the current one first."""
        return [secret.hex() for secret in self._newest_first]
