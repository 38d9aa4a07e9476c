"""Whether this box knows the time. Boxes without a battery clock start in 1970, or where they were switched off.

Certificates cannot be checked with a wrong clock, so the update waits for a right one and everything else goes on.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Final

RELEASED: Final = 1_795_219_200  # Unix seconds, 2026-11-21: no clock of a box that runs this was ever right before
FAR_S: Final = 20 * 365 * 86400  # a saved time so much later was itself saved by a wrong clock
SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd(8) makes it once it was told


def is_trusted(now: float, status: dict[str, Any], synchronized: Path = SYNCHRONIZED) -> bool:
    """Whether `now` (Unix seconds) can be: not before this program existed, nor before the end of the last run."""
    if now < RELEASED:
        return False
    if synchronized.exists():
        return now < RELEASED + FAR_S
    ended = status.get("ended_at")
    saved = ended if isinstance(ended, int | float) and ended < RELEASED + FAR_S else 0
    return saved <= now < RELEASED + FAR_S


def shown(now: float) -> str:
    """A moment as a technician reads it."""
    return datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
