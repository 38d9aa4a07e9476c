"""The hot path: drain a UDP socket, answer from the memo, hand the rest to the forwarder.

Every line of `_readable` runs for every packet of a school, so it makes no object but the bytes it looks up.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any

from filterd.core import slip
from filterd.core.exchange import UDP
from filterd.dns.batch import Batch, Outbox
from filterd.dns.clients import Client, Clients
from filterd.dns.desk import Desk
from filterd.dns.hot import HotSelector


class UdpListener:
    """One listening socket. It is hot (`hot`): no task, no future, no protocol object, not even a turn of the loop."""

    def __init__(self, hot: HotSelector, sock: socket.socket, clients: Clients, desk: Desk) -> None:
        self._hot = hot
        self._socket = sock
        self._batch = Batch(sock)
        self._outbox = Outbox(sock)
        self._clients = clients
        self._desk = desk
        self.memo_hits = 0
        self.unsent = 0
        self.slipped = 0
        hot.add(sock.fileno(), self._readable)

    def close(self) -> None:
        self._hot.remove(self._socket.fileno())

    def reply(self, address: Any, packet: bytes) -> None:
        """Send one late reply, together with the others of this turn."""
        if not self._outbox.waiting:
            self._hot.after(self._flush)
        self.unsent += self._outbox.put(address, packet)

    def _flush(self) -> None:
        self.unsent += self._outbox.flush()

    def _readable(self, _: int) -> None:
        batch = self._batch
        count = batch.receive()  # at most one batch a wake-up, so that upstream answers and TCP get their turn
        now = monotonic()
        view, names = batch.view, batch.names
        lengths, reply_lengths = batch.lengths, batch.reply_lengths
        known, clients = self._clients.get, self._clients
        hits = unanswered = 0  # slots from `unanswered` on hold replies that are not sent yet
        for slot, at, name, name_end in batch.slots[:count]:
            key = bytes(names[name:name_end])
            client = known(key) or clients.find(key, now)
            if client is not None:
                client.tokens -= 1
                if client.tokens >= 0 or clients.refill(client, now) or self._proves(slot, at, key, client, now):
                    entry = client.memo.get(bytes(view[at + 2 : at + lengths[slot]]))
                    if entry is not None and entry[0] > now:
                        reply = entry[1]
                        size = len(reply) + 2
                        view[at + 2 : at + size] = reply  # the id of the query stays in front of it
                        reply_lengths[slot] = size
                        entry[2][0] += 1
                        hits += 1
                        continue
                    if client.seen != clients.number:
                        client = clients.find(key, now)
                    if client is not None and self._ask(slot, at, key, client, now):
                        continue
                elif clients.over(client):
                    self._slip(slot, at)
            if slot > unanswered:
                self.unsent += batch.send(unanswered, slot)
            unanswered = slot + 1
        if count > unanswered:
            self.unsent += batch.send(unanswered, count)
        self.memo_hits += hits

    def _proves(self, slot: int, at: int, key: bytes, client: Client, now: float) -> bool:
        batch = self._batch
        return self._clients.prove(client, key, bytes(batch.view[at : at + batch.lengths[slot]]), now)

    def _slip(self, slot: int, at: int) -> None:
        """Tell a client over its limit to go on over TCP. With the late replies: between slots without a reply every
        one would need a system call of its own.
        """
        batch = self._batch
        reply = slip.cut(bytes(batch.view[at : at + batch.lengths[slot]]))
        if reply is not None:
            self.slipped += 1
            self.reply(batch.peer(slot), reply)

    def _ask(self, slot: int, at: int, key: bytes, client: Client, now: float) -> bool:
        """Ask the forwarder; True if its reply is in the slot already."""
        batch = self._batch
        packet = bytes(batch.view[at : at + batch.lengths[slot]])
        reply = self._desk.query(packet, UDP, client.row, (self, batch.peer(slot)), now, key)
        if reply is None:
            return False
        size = batch.reply_lengths[slot] = len(reply)
        batch.view[at : at + size] = reply
        return True
