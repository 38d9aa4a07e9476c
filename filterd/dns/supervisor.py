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
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, Final

import filterd
from filterd.core.firstseen import Noted
from filterd.dns.channel import Channel
from filterd.dns.sockets import Listener

log = logging.getLogger("filterd.dns")

BEAT_S: Final = 4.0  # a worker reports every second; one that has not for so long hangs
LATE_LOOKS: Final = 3  # looks in a row that find it late: after a pause of the whole machine the first means nothing
START_S: Final = 20.0
RESTART_S: Final = 0.05
RESTART_MAX_S: Final = 5.0
STEADY_S: Final = 60.0  # a worker that lived this long died of something new

# Not `-m`, which would look for modules in the current directory first, whosever it is; nor just the installed package,
# which need not be the one that runs here.
PACKAGE_ROOT: Final = str(Path(filterd.__file__).parent.parent)
WORKER_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop()); from filterd.dns.worker import main; sys.exit(main(sys.argv[1]))"
)


class WorkerProcess:
    """One worker's place: its sockets stay, the process in it may change. Restarts are unlimited, with back-off."""

    def __init__(
        self,
        number: int,
        listeners: list[Listener],
        orders: Callable[[], dict[str, Any]],
        on_message: Callable[[int, dict[str, Any]], None],
        on_end: Callable[[int], None],
    ) -> None:
        self.number = number
        self.listeners = listeners
        self.ready = asyncio.Event()
        self.generation: dict[str, Any] = {}
        self.restarts = 0
        self._orders = orders
        self._on_message = on_message
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._beat = self._started = 0.0
        self._late = 0
        self._delay = RESTART_S
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start a process in this place and tell it what to serve."""
        ours, theirs = socket.socketpair()
        try:
            self._spawn(theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        channel = Channel(self._message, self._closed)
        await asyncio.get_running_loop().create_connection(lambda: channel, sock=ours)
        self._channel = channel
        channel.send(self._orders())

    def _spawn(self, control: socket.socket) -> None:
        fds: dict[str, list[int]] = {}
        for listener in self.listeners:
            fds.setdefault(listener.transport, []).append(listener.socket.fileno())
        assignment = {"control": control.fileno(), **fds}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", WORKER_PROGRAM, json.dumps(assignment), PACKAGE_ROOT],
            pass_fds=(control.fileno(), *chain.from_iterable(fds.values())),
            stdin=subprocess.DEVNULL,
        )
        self._late = 0
        self._beat = self._started = monotonic()

    def tell(self) -> None:
        """Something new is in force."""
        if self._channel is not None:
            self._channel.send(self._orders())

    def note(self, noted: list[Noted]) -> None:
        """Domains that were first seen elsewhere. A worker that is starting finds them in the file, or asks later."""
        if noted and self._channel is not None and self.ready.is_set():
            self._channel.send({"noted": noted})

    def check(self, now: float) -> None:
        """Kill a worker that hangs; its end starts another. To be called about twice a second."""
        limit = BEAT_S if self.ready.is_set() else START_S
        if self._channel is None or self._process is None or now - self._beat <= limit:
            self._late = 0
            return
        self._late += 1
        if self._late >= LATE_LOOKS and not self._stopping:
            log.error("worker %d has been silent for %.0f s: replacing it", self.number, now - self._beat)
            self._beat, self._late = now, 0
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
        self._on_end(self.number)
        if monotonic() - self._started > STEADY_S:
            self._delay = RESTART_S
        self.restarts += 1
        self._restarting = asyncio.ensure_future(self._again())

    async def _again(self) -> None:
        """Start another process; again and again where the system has no room for one."""
        assert self._process is not None
        self._process.kill()
        status = self._process.wait()
        log.error("worker %d ended with status %d: starting another", self.number, status)
        while not self._stopping:
            await asyncio.sleep(self._delay)
            self._delay = min(self._delay * 2, RESTART_MAX_S)
            if self._stopping:
                return
            try:
                await self.start()
            except OSError as error:
                log.error("worker %d cannot be started: %s", self.number, error)
            else:
                return
