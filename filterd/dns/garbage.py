"""When a worker looks for garbage that keeps itself alive: by its own clock, between questions (docs/decisions/0014).

Questions, answers and replies leave none; a client's TCP connection does, in asyncio: objects that know each other.
"""

from __future__ import annotations

import gc
from typing import Final

OLD_S: Final = 900
YOUNG_OBJECTS: Final = 10_000  # 1,400 TCP connections, some 1.4 MB
YOUNG_IN_A_ROW: Final = 5  # then what outlived them is looked at as well


class Collector:
    """Takes the place of Python's own."""

    def __init__(self) -> None:
        self._seconds = self._young = 0

    def take_over(self) -> None:
        """What there is by now lives on and is not looked at again."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def second(self) -> None:
        """To be called once a second. Most looks are at what came up since the last one, and are short."""
        self._seconds += 1
        many = gc.get_count()[0] > YOUNG_OBJECTS
        self._young += many
        if self._young > YOUNG_IN_A_ROW or self._seconds >= OLD_S:
            gc.collect()
            self._seconds = self._young = 0
        elif many:
            gc.collect(0)
