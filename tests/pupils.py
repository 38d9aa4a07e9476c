"""Pupils who ask for the same few names all the time, and look at every answer: what they notice of anything.

They run in a thread of their own beside whatever a test does to the server.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass

from tests.running import PUPIL, question
from tests.upstreams import ADDRESS

PATIENCE_S = 2.0  # an answer that takes longer is a lost one
BLOCKED, GOOD = bytes(4), socket.inet_aton(ADDRESS)


@dataclass
class Seen:
    """What came back so far. `opened`: a name that must be blocked had another answer."""

    sent: int = 0
    blocked: int = 0
    allowed: int = 0
    opened: int = 0
    wrong: int = 0  # a name that must resolve had another answer
    slowest_s: float = 0.0

    @property
    def lost(self) -> int:
        return self.sent - self.blocked - self.allowed - self.opened - self.wrong

    @property
    def is_spotless(self) -> bool:
        return self.blocked > 0 and self.allowed > 0 and self.lost + self.opened + self.wrong == 0


class Pupils:
    """Ask `port` for `closed` and `free` names in turn, `rate` questions a second, from entering to leaving.

    What they saw is complete once they left. Free names have the address `good`.
    """

    def __init__(
        self, port: int, closed: tuple[str, ...], free: tuple[str, ...], rate: int = 200, good: bytes = GOOD
    ) -> None:
        self.seen = Seen()
        self._good = good
        self._questions = [(question(name).pack(), name in closed) for name in (*closed, *free)]
        self._step_s = 1 / rate
        self._waiting: dict[int, tuple[float, bool]] = {}
        self._stop = threading.Event()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((PUPIL, 0))
        self._sock.connect(("127.0.0.1", port))
        self._sock.setblocking(False)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Seen:
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        """Wait for the last answers, then close."""
        self._stop.set()
        self._thread.join()
        self._sock.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            due = time.monotonic()
            while not self._stop.is_set():
                if selector.select(max(0.0, due - time.monotonic())):
                    self._receive()
                if time.monotonic() >= due:
                    due += self._step_s
                    self._ask()
            end = time.monotonic() + PATIENCE_S
            while self._waiting and (left := end - time.monotonic()) > 0:
                if selector.select(left):
                    self._receive()

    def _ask(self) -> None:
        packet, is_closed = self._questions[self.seen.sent % len(self._questions)]
        ident = self.seen.sent & 0xFFFF
        self.seen.sent += 1
        self._waiting[ident] = time.monotonic(), is_closed
        with contextlib.suppress(OSError):  # nobody listens: lost
            self._sock.send(ident.to_bytes(2, "big") + packet[2:])

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._look(self._sock.recv(4096))

    def _look(self, reply: bytes) -> None:
        asked_at, is_closed = self._waiting.pop(int.from_bytes(reply[:2], "big"), (0.0, False))
        took_s = time.monotonic() - asked_at
        if took_s >= PATIENCE_S:
            return
        self.seen.slowest_s = max(self.seen.slowest_s, took_s)
        address = _address(reply)
        if is_closed:
            self.seen.blocked += address == BLOCKED
            self.seen.opened += address != BLOCKED
        else:
            self.seen.allowed += address == self._good
            self.seen.wrong += address != self._good


def _address(reply: bytes) -> bytes:
    """The data of the first answer, whose name is a pointer; empty where there is none."""
    if reply[6:8] == b"\0\0":
        return b""
    end = reply.index(b"\0", 12) + 5
    return reply[end + 12 : end + 16]
