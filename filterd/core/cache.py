"""The answer cache (raw upstream answers, no verdicts, outlives every snapshot) and the reply memo (belongs to one).

Both are bounded in bytes. Sizes are estimates of what CPython really keeps for an entry, measured by
`benchmarks/`: the objects, their headers and their share of the dict.
"""

from __future__ import annotations

from typing import NamedTuple

from filterd.core.wire import Answer

_ENTRY_BYTES = 640  # key, tuples, floats and dict slot of one answer
_MEMO_BYTES = 420


class Entry(NamedTuple):
    """`stored`, `expires` are monotonic seconds; after `expires` it is stale."""

    answer: Answer
    stored: float
    expires: float
    bytes: int


class AnswerCache:
    """Least recently used out first; a dict keeps its order, so no second structure is needed."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self._entries: dict[bytes, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Entry | None:
        """The entry, fresh or stale, now the most recently used."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry
        return entry

    def put(self, key: bytes, answer: Answer, now: float, ttl_s: float) -> None:
        size = _ENTRY_BYTES + len(key) + len(answer.body) + 8 * len(answer.ttls) + 90 * len(answer.targets)
        old = self._entries.pop(key, None)
        if old is not None:
            self.bytes -= old.bytes
        if size > self.limit_bytes // 16:  # one answer must not push out all others
            return
        self.bytes += size
        self._entries[key] = Entry(answer, now, now + ttl_s, size)
        while self.bytes > self.limit_bytes:
            self.bytes -= self._entries.pop(next(iter(self._entries))).bytes

    def clear(self) -> None:
        self._entries.clear()
        self.bytes = 0


class Memo:
    """Finished replies by (row, transport) and the client's packet without its id.

    A value is (valid_until in monotonic seconds, reply without its id, counter cell). When it is full it starts anew:
    what is asked often is back at once, and no bookkeeping is paid on a hit.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self._tables: dict[tuple[int, str], dict[bytes, tuple[float, bytes, list[int]]]] = {}

    def table(self, row: int, transport: str) -> dict[bytes, tuple[float, bytes, list[int]]]:
        """The replies of one row over one transport; the same dict for as long as the memo lives."""
        return self._tables.setdefault((row, transport), {})

    def put(
        self,
        table: dict[bytes, tuple[float, bytes, list[int]]],
        packet: bytes,
        valid_until: float,
        reply: bytes,
        cell: list[int],
    ) -> None:
        key = packet[2:]
        if key not in table:
            self.bytes += _MEMO_BYTES + len(key) + len(reply)
            if self.bytes > self.limit_bytes:
                self.clear()
                self.bytes = _MEMO_BYTES + len(key) + len(reply)
        table[key] = (valid_until, reply[2:], cell)

    def clear(self) -> None:
        for table in self._tables.values():
            table.clear()
        self.bytes = 0
