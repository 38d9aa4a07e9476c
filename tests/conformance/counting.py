"""An upstream that keeps ids and ports, and the arithmetic that tells whether they were drawn evenly."""

from __future__ import annotations

import math
import selectors
import socket
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Self

from tests.upstreams import Question, honest


class Counting:
    """Answers fast, and keeps the id, the source port and the packet of each question."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.seen: list[tuple[int, int, bytes]] = []
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._sock.bind((host, port))
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        host, port = self._sock.getsockname()
        return f"udp://{host}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for sock in (self._sock, self._wake, self._woken):
            sock.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        return
                    packet, peer = self._sock.recvfrom(4096)
                    self.seen.append((int.from_bytes(packet[:2], "big"), peer[1], packet))
                    self._sock.sendto(self.answer(packet), peer)

    def answer(self, packet: bytes) -> bytes:
        """The reply to a question."""
        return honest(Question("", "A", "udp", packet))[0]


def even(pairs: list[tuple[int, int]]) -> bool:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    series = [
        ([ident >> 8 for ident, _ in pairs], 256),
        ([ident & 255 for ident, _ in pairs], 256),
        ([(port - low) * 64 // (high - low + 1) for _, port in pairs], 64),
        ([port & 63 for _, port in pairs], 64),
        ([(after[0] - before[0]) % 65536 >> 8 for before, after in pairwise(pairs)], 256),
    ]
    return all(likelihood(values, classes) > 0.01 for values, classes in series)


def likelihood(values: list[int], classes: int) -> float:
    """p of a chi-square test that `values` are drawn evenly from range(classes) (Wilson and Hilferty's normal form)."""
    counts, expected = Counter(values), len(values) / classes
    chi = sum((counts[i] - expected) ** 2 / expected for i in range(classes))
    freedom = classes - 1
    normal = ((chi / freedom) ** (1 / 3) - 1 + 2 / (9 * freedom)) / math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(normal / math.sqrt(2))
