"""DNS cookies (RFC 7873) with the server cookies of RFC 9018: who shows one has received a reply of ours before.

Nothing is kept per client: a server cookie is a keyed hash over the client's cookie, its address and a time. The parent
makes the secrets and hands them to the workers; they live in memory only. Here are no clock and no randomness.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from siphash24 import siphash24

from filterd.core import wire

SECRET_BYTES: Final = 16
MAX_AGE_S: Final = 3600  # RFC 9018 section 4.3, like the two below
MAX_AHEAD_S: Final = 300
RENEW_S: Final = 1800
_CLIENT_BYTES: Final = 8
_BYTES: Final = 24  # the client's cookie, version, three reserved bytes, time, hash
_HASHED_BYTES: Final = 16
_VERSION: Final = 1
_TIME: Final = 0xFFFFFFFF
_ADDRESS_BYTES: Final = 16  # behind it a client's key has the scope, which is the box's own matter


class Cookies:
    """The cookies of a server. `secrets` are 16 bytes each, the current one first: those behind it are still accepted,
    so that a roll disturbs nobody.
    """

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = secrets
        self.good = self.bad = self.new = 0  # queries with a server cookie that is ours, with another, with none

    def answer(self, cookie: bytes, client: bytes, now: float) -> bytes:
        """The COOKIE option for a reply to a query with `cookie` from the address `client` (4 or 16 bytes, more is not
        looked at) at `now`, in Unix seconds.
        """
        secret = self._secret_of(cookie, client, now)
        if secret is not None:
            self.good += 1
            if secret == self._secrets[0] and _age_s(cookie, now) < RENEW_S:
                return wire.cookie(cookie)
        elif len(cookie) > _CLIENT_BYTES:
            self.bad += 1
        else:
            self.new += 1
        made = int(now) & _TIME
        hashed = cookie[:_CLIENT_BYTES] + bytes((_VERSION, 0, 0, 0)) + made.to_bytes(4, "big")
        return wire.cookie(hashed + _hash(self._secrets[0], hashed, client))

    def valid(self, cookie: bytes, client: bytes, now: float) -> bool:
        """Whether `cookie` holds a server cookie that was made for this client, lately and with one of our secrets."""
        return self._secret_of(cookie, client, now) is not None

    def bare(self, packet: bytes, client: bytes, now: float) -> bytes | None:
        """The reply to a query without a question that asks for a cookie (RFC 7873 section 5.4); None for others."""
        query = wire.read_bare_cookie(packet)
        if query is None or query.cookie is None:
            return None
        header = wire.pack_header(query.id, wire.QR | wire.RA | query.flags & (wire.RD | wire.CD), 0, 0, 0, 1)
        return header + wire.opt(query.do, 0, self.answer(query.cookie, client, now))

    def _secret_of(self, cookie: bytes, client: bytes, now: float) -> bytes | None:
        """The secret that a cookie was made with. The reserved bytes are hashed and not looked at."""
        if len(cookie) != _BYTES or cookie[_CLIENT_BYTES] != _VERSION:
            return None
        if not -MAX_AHEAD_S <= _age_s(cookie, now) <= MAX_AGE_S:
            return None
        hashed, shown = cookie[:_HASHED_BYTES], cookie[_HASHED_BYTES:]
        for secret in self._secrets:
            if compare_digest(_hash(secret, hashed, client), shown):
                return secret
        return None


def _hash(secret: bytes, hashed: bytes, client: bytes) -> bytes:
    digest: bytes = siphash24(hashed + client[:_ADDRESS_BYTES], key=secret).digest()
    return digest


def _age_s(cookie: bytes, now: float) -> int:
    """By serial number arithmetic (RFC 1982), as the time has 32 bits; negative if it lies ahead."""
    age = int(now) - int.from_bytes(cookie[12:16], "big") & _TIME
    return age - _TIME - 1 if age >> 31 else age
