"""The answer cache (raw upstream answers, no verdicts, outlives every snapshot) and the reply memo (belongs to one).

Both are bounded in bytes. Sizes are what CPython really keeps for an entry: the objects, their headers and their share
of the dict. The constants were measured with tracemalloc; `tests/core/test_cache.py` measures them again.
"""

from __future__ import annotations

from collections import OrderedDict

from filterd.core.wire import Answer

_ENTRY_BYTES = 640  # key, tuples, floats, list node and dict slot of one answer
_TTL_BYTES = 40  # a slot and an int; offsets up to 256 are shared ints
_TARGET_BYTES = 48
_MEMO_BYTES = 240

Replies = dict[bytes, tuple[float, bytes, list[int]]]


class Entry:
    """`stored`, `expires` are monotonic seconds; after `expires` it is stale."""

    __slots__ = ("answer", "expires", "size", "stored")

    def __init__(self, answer: Answer, stored: float, expires: float, size: int) -> None:
        self.answer = answer
        self.stored = stored
        self.expires = expires
        self.size = size


class AnswerCache:
    """Least recently used out first.

    An OrderedDict, because a plain dict finds its first key by walking over the holes that evictions left: with a full
    cache that cost more than all the rest of a miss.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Entry | None:
        """The entry, fresh or stale, now the most recently used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, answer: Answer, now: float, ttl_s: float) -> Entry:
        """Keep an answer; returns its entry, which is not kept where one answer would push out all others."""
        body = len(answer.body)
        size = _ENTRY_BYTES + len(key) + body + (8 if body < 256 else _TTL_BYTES) * len(answer.ttls)
        if answer.targets:
            size += sum(map(len, answer.targets)) + _TARGET_BYTES * len(answer.targets)
        entry = Entry(answer, now, now + ttl_s, size)
        entries = self._entries
        if key in entries:
            self.size_bytes -= entries.pop(key).size
        if size > self.limit_bytes // 16:
            return entry
        self.size_bytes += size
        entries[key] = entry
        while self.size_bytes > self.limit_bytes:
            self.size_bytes -= entries.popitem(last=False)[1].size
        return entry

    def drop(self, zones: tuple[bytes, ...]) -> None:
        """Forget all answers for names in these zones (wire names), and perhaps a few more that only look like them."""
        # Behind the name stand type, class, and a byte of DO and CD.
        for key in [key for key in self._entries if key[:-5].endswith(zones)]:
            self.size_bytes -= self._entries.pop(key).size


class Memo:
    """Finished replies by (row, transport) and the client's packet without its id.

    A value is (valid_until in monotonic seconds, reply without its id, counter cell). Two generations: when the young
    one has taken half the limit it becomes the old one, and what is asked again from there is young again. So the
    popular stays, and a hit pays for no bookkeeping.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._young_bytes = self._old_bytes = 0
        self._young: dict[tuple[int, str], Replies] = {}
        self._old: dict[tuple[int, str], Replies] = {}
        self.has_old = False

    @property
    def size_bytes(self) -> int:
        return self._young_bytes + self._old_bytes

    def young(self, row: int, transport: str) -> Replies:
        """The replies to look in first; the same dict for as long as the memo lives."""
        return self._young.setdefault((row, transport), {})

    def recall(self, row: int, transport: str, packet: bytes, now: float) -> tuple[float, bytes, list[int]] | None:
        """What the old generation has, made young again."""
        old = self._old.get((row, transport))
        if not old:
            return None
        entry = old.pop(packet[2:], None)
        if entry is None or entry[0] <= now:
            return None
        self._put(row, transport, packet[2:], entry)
        return entry

    def put(self, row: int, transport: str, packet: bytes, valid_until: float, reply: bytes, cell: list[int]) -> None:
        """Remember a reply to this packet."""
        self._put(row, transport, packet[2:], (valid_until, reply[2:], cell))

    def _put(self, row: int, transport: str, key: bytes, entry: tuple[float, bytes, list[int]]) -> None:
        young = self.young(row, transport)
        known = young.get(key)
        if known is not None:
            self._young_bytes += len(entry[1]) - len(known[1])
        else:
            self._young_bytes += _MEMO_BYTES + len(key) + len(entry[1])
            if self._young_bytes > self.limit_bytes // 2:
                self._old = {at: dict(replies) for at, replies in self._young.items()}
                self._old_bytes = self._young_bytes
                self.has_old = True
                self._young_bytes = _MEMO_BYTES + len(key) + len(entry[1])
                for replies in self._young.values():
                    replies.clear()
        young[key] = entry
