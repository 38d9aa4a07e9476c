"""The selector under the worker's event loop: sockets that carry queries are served without going through the loop.

One turn of asyncio's loop costs about as much as answering a query (docs/decisions/0013). So the UDP sockets of clients
and upstreams are *hot*: their callbacks run inside `select`, one `epoll_wait` apart, and the loop only hears of the
rest: timers, TCP, the channel to the parent. A hot callback that leaves work for the loop says so with `interrupt`.
"""

from __future__ import annotations

import logging
import select
import selectors
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import Any, Final

log = logging.getLogger("filterd.dns")

MAX_EVENTS: Final = 256
# Moderation, as network cards do with their interrupts. Where an event comes within BUSY_S of the wake-up before it,
# wait GATHER_S so that the next one finds several packets: a wake-up costs more than answering one. A wake-up with a
# full batch takes longer than BUSY_S, so a server at its limit never waits.
BUSY_S: Final = 0.00015
GATHER_S: Final = 0.00015


class HotSelector(selectors.BaseSelector):
    """An `EpollSelector` for the loop inside an epoll of hot sockets. Give it to `asyncio.SelectorEventLoop`."""

    def __init__(self) -> None:
        self._cold = selectors.EpollSelector()
        self._cold_fd = self._cold.fileno()
        self._epoll = select.epoll()
        self._epoll.register(self._cold_fd, select.EPOLLIN)
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._after: list[Callable[[], None]] = []
        self._interrupted = False
        self._woken = 0.0
        self.faults = 0

    def add(self, fd: int, callback: Callable[[int], None]) -> None:
        """Call `callback(fd)` whenever `fd` can be read."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def closing(self, fd: int) -> None:
        """As `remove`, for one that is closed at once: the kernel takes what is closed out by itself (epoll(7))."""
        self._callbacks.pop(fd, None)

    def after(self, callback: Callable[[], None]) -> None:
        """Call it once, when what can be read now has been read."""
        self._after.append(callback)

    def interrupt(self) -> None:
        """Let the loop have a turn: a timer or a task was made inside a hot callback."""
        self._interrupted = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve hot sockets until something is there for the loop or `timeout` seconds are over."""
        until = None if timeout is None else monotonic() + timeout
        wait = timeout
        callbacks = self._callbacks
        while True:
            if self._after:
                self._finish()
            events = self._epoll.poll(0 if self._interrupted else wait, MAX_EVENTS)
            cold = False
            for fd, _ in events:
                if fd == self._cold_fd:
                    cold = True
                else:
                    callback = callbacks.get(fd)  # None: closed by a callback before it
                    if callback is not None:
                        try:
                            callback(fd)
                        except Exception:  # noqa: BLE001  as in the loop: a bug must not end the worker
                            self._fault()
            if cold or self._interrupted or not events:
                break
            now = monotonic()
            if until is not None:
                wait = until - now
                if wait <= 0:
                    break
            if now - self._woken < BUSY_S:
                if self._after:
                    self._finish()
                sleep(GATHER_S)
                now = monotonic()
            self._woken = now
        if self._after:
            self._finish()
        self._interrupted = False
        return self._cold.select(0) if cold else []

    def _finish(self) -> None:
        after, self._after = self._after, []
        for callback in after:
            try:
                callback()
            except Exception:  # noqa: BLE001  as above
                self._fault()

    def _fault(self) -> None:
        self.faults += 1
        if self.faults & (self.faults - 1) == 0:  # the 1st, 2nd, 4th, 8th...
            log.exception("internal error %d at a socket", self.faults)

    # What the loop itself registers goes to the selector inside.

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._cold.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._cold.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._cold.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._cold.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._cold.get_key(fileobj)

    def close(self) -> None:
        self._epoll.close()
        self._cold.close()
