"""A pupil who asks the parts of a worker, and hears."""

from __future__ import annotations

from tests import schools
from tests.dns.parts import PLAIN, Parts, until
from tests.upstreams import ADDRESS


class Listener:
    """Takes replies as a listener does."""

    def __init__(self) -> None:
        self.replies: list[bytes] = []

    def reply(self, _: object, packet: bytes) -> None:
        self.replies.append(packet)

    @property
    def rcodes(self) -> list[int]:
        return [reply[3] & 15 for reply in self.replies]

    @property
    def good(self) -> int:
        """Replies with the address that stand-ins give."""
        return sum(bytes(map(int, ADDRESS.split("."))) in reply for reply in self.replies)


def ask(parts: Parts, listener: Listener, name: str, ident: bytes = b"aa") -> None:
    """A pupil's question for NAME.example.org."""
    packet = ident + PLAIN[:10] + bytes((len(name),)) + name.encode() + PLAIN[10:]
    row = schools.row(parts.forwarder.snapshot, "3a")
    reply = parts.desk.query(packet, "udp", row, (listener, 1), parts.loop.time())
    if reply is not None:  # no upstream had to be asked, or none could be
        listener.replies.append(reply)


async def answered(parts: Parts, *names: str) -> Listener:
    """Ask for all of them at once and wait for all replies."""
    listener = Listener()
    for name in names:
        ask(parts, listener, name)
    await until(lambda: len(listener.replies) == len(names))
    return listener
