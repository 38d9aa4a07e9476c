"""Passwords and tokens: made of the system's chance, hashed, compared in a time that tells nothing.

A password is hashed by argon2id, one at a time in a process, so that a flood of log-ins takes 19 MiB and no more.
Nothing here is written down; `store.accounts` keeps the hashes.
"""

from __future__ import annotations

import functools
import secrets
import threading
import unicodedata
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from filterd.errors import Refused

SHORTEST: Final = 10  # characters of a password that its owner chose
LONGEST: Final = 256
TOKEN_BYTES: Final = 32
# RFC 9106 lets memory be weighed against passes; two over 19 MiB are bearable on a box of 1 GiB.
_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 << 10, parallelism=1)
_ONE_AT_A_TIME: Final = threading.Lock()
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else on paper


def one_time() -> str:
    """A password to be printed once: four groups of four, 79 random bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def new_token() -> str:
    """The text of a token: 256 random bits."""
    return "filterd-" + secrets.token_urlsafe(TOKEN_BYTES)


def token_id() -> str:
    """What a token is called in lists; no secret."""
    return secrets.token_hex(4)


def hashed(password: str) -> str:
    """What is stored of a password: argon2id with its salt and costs."""
    with _ONE_AT_A_TIME:
        return _HASHER.hash(_normal(password))


def fits(stored: str, password: str) -> bool:
    """Whether this is the password. Without a stored hash it takes as long, and is not."""
    known = bool(stored)
    normal = _normal(password[:LONGEST])
    against = stored or _nobody()
    with _ONE_AT_A_TIME:
        try:
            return _HASHER.verify(against, normal) and known and len(password) <= LONGEST
        except (VerificationError, InvalidHashError):
            return False


def must_do(password: str, ident: str, name: str) -> None:
    """Return if somebody may choose this password. Raises Refused("weak") saying what is wrong."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused("weak", f"a password has {SHORTEST} to {LONGEST} characters", "three or four words do well")
    plain = password.lower()
    if len(set(plain)) < 5 or plain in (ident * LONGEST)[: len(plain)] or name.lower() in plain:
        raise Refused("weak", "this password is easy to guess", "three or four words do well")


@functools.cache
def _nobody() -> str:
    """The hash that a log-in without an account is held against."""
    with _ONE_AT_A_TIME:
        return _HASHER.hash(secrets.token_urlsafe(TOKEN_BYTES))


def _normal(password: str) -> bytes:
    """One spelling of accents, whatever keyboard they were typed on."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
