"""Worker processes: started with the sockets they are lent, told what to serve, replaced when they die or hang."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from filterd.dns.channel import Channel
from filterd.dns.sockets import Listener

log = logging.getLogger("filterd.dns")

BEAT_S: Final = 4.0  # a worker reports every second; one that has not for so long hangs
START_S: Final = 20.0
RESTART_S: Final = 0.05
RESTART_MAX_S: Final = 5.0
STEADY_S: Final = 60.0  # a worker that lived this long died of something new


class WorkerProcess:
    """One worker's place: its sockets stay, the process in it may change. Restarts are unlimited, with back-off."""

    def __init__(
        self,
        number: int,
        listeners: list[Listener],
        orders: Callable[[], dict[str, Any]],
        on_message: Callable[[int, dict[str, Any]], None],
    ) -> None:
        self.number = number
        self.listeners = listeners
        self.ready = asyncio.Event()
        self.generation: dict[str, Any] = {}
        self.restarts = 0
        self._orders = orders
        self._on_message = on_message
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._beat = self._started = 0.0
        self._delay = RESTART_S
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start a process in this place and tell it what to serve."""
        ours, theirs = socket.socketpair()
        fds: dict[str, list[int]] = {"udp": [], "tcp": []}
        for listener in self.listeners:
            fds[listener.transport].append(listener.socket.fileno())
        assignment = {"control": theirs.fileno(), **fds}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "filterd.dns.worker", json.dumps(assignment)],
            pass_fds=(theirs.fileno(), *fds["udp"], *fds["tcp"]),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        ours.setblocking(False)
        self._beat = self._started = monotonic()
        channel = Channel(self._message, self._closed)
        await asyncio.get_running_loop().create_connection(lambda: channel, sock=ours)
        self._channel = channel
        channel.send(self._orders())

    def tell(self) -> None:
        """Something new is in force."""
        if self._channel is not None:
            self._channel.send(self._orders())

    def check(self, now: float) -> None:
        """Kill a worker that hangs; its end starts another."""
        limit = BEAT_S if self.ready.is_set() else START_S
        if self._process is not None and now - self._beat > limit and not self._stopping:
            log.error("worker %d has been silent for %.0f s: replacing it", self.number, now - self._beat)
            self._beat = now
            self._process.send_signal(signal.SIGKILL)

    def stop(self) -> None:
        """Ask the process to end."""
        self._stopping = True
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> None:
        """Wait for its end; kill it after `timeout_s`."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _message(self, message: dict[str, Any]) -> None:
        self._beat = monotonic()
        if "ready" in message:
            self.generation = message["ready"]
            self.ready.set()
        if "swapped" in message:
            self.generation = message["swapped"]
        self._on_message(self.number, message)

    def _closed(self) -> None:
        self._channel = None
        if self._stopping or self._process is None:
            return
        self.ready.clear()
        if monotonic() - self._started > STEADY_S:
            self._delay = RESTART_S
        self.restarts += 1
        asyncio.get_running_loop().call_later(self._delay, self._again)
        self._delay = min(self._delay * 2, RESTART_MAX_S)

    def _again(self) -> None:
        if self._stopping or self._process is None:
            return
        self._process.kill()
        status = self._process.wait()
        log.error("worker %d ended with status %d: starting another", self.number, status)
        self._restarting = asyncio.ensure_future(self.start())
