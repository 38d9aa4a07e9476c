"""Accounts as they are stored: who, with which hashes, tokens and grants. Values only, changed as wholes.

`store.accounts` keeps them on disk and makes the secrets; here are only hashes of those: a password's by argon2, a
token's by SHA-256, since 256 random bits need no slow hash. Times are Unix seconds.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import hmac
import typing
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

from filterd.core.access import Account, Grant
from filterd.core.commands import Role
from filterd.errors import Refused

FORMAT: Final = 1
MAX_ACCOUNTS: Final = 2000
MAX_TOKENS: Final = 20  # of an account
MAX_GRANTS: Final = 50
CLOCK_SLACK_S: Final = 300  # a token from further ahead was made by a wrong clock, or this one is wrong


@dataclass(frozen=True, slots=True)
class Token:
    """A key to the API. `sha256` is of the text that was shown once; `id` names it in lists."""

    id: str
    sha256: str
    made_at: int
    expires_at: int
    label: str = ""

    def holds(self, now: float) -> bool:
        return self.made_at - CLOCK_SLACK_S <= now < self.expires_at


@dataclass(frozen=True, slots=True)
class Record:
    """One account. No `password`: nobody can log in with one. `one_time_until`: it was printed, and must be changed."""

    id: str
    name: str
    role: Role
    classes: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()  # empty: those of its role
    password: str = ""
    one_time_until: int | None = None
    tokens: tuple[Token, ...] = ()
    grants: tuple[Grant, ...] = ()
    made_at: int = 0
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class RoleLimit:
    """The only profiles that a role may set."""

    role: Role
    profiles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts. `sequence` and `chain` are the number and hash of the audit line of the last change."""

    items: tuple[Record, ...] = ()
    limits: tuple[RoleLimit, ...] = ()
    sequence: int = 0
    chain: str = ""

    def find(self, ident: str) -> Record | None:
        return next((record for record in self.items if record.id == ident), None)

    def account(self, ident: str) -> Account | None:
        """The account in force of that id, without its secrets."""
        record = self.find(ident)
        return None if record is None or record.revoked_at is not None else self.public(record)

    def public(self, record: Record) -> Account:
        """A record without its secrets; its profiles are its own, within those of its role."""
        allowed: tuple[str, ...] | None = record.profiles or None
        for limit in self.limits:
            if limit.role == record.role:
                allowed = tuple(p for p in limit.profiles if not record.profiles or p in record.profiles)
        return Account(
            record.id, record.name, record.role, record.classes, allowed, record.grants,
            must_change=record.one_time_until is not None,
        )  # fmt: skip

    def by_token(self, text: str, now: float) -> Account | None:
        """Whose token this is, if it holds. Looks at every token, so that the time taken tells nothing."""
        digest, found = token_hash(text).encode(), None
        for record in self.items:
            for token in record.tokens:
                if (
                    hmac.compare_digest(token.sha256.encode(), digest)
                    and token.holds(now)
                    and record.revoked_at is None
                ):
                    found = record
        return None if found is None else dataclasses.replace(self.public(found), must_change=False)

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The inverse of `to_json`. Raises ValueError on anything else."""
        try:
            if data.pop("format") != FORMAT:
                raise ValueError("not accounts of this version")
            found = _built(cls, data)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a set of accounts: {error}") from None
        ids = [record.id for record in found.items]
        if len(set(ids)) != len(ids):
            raise ValueError("not a set of accounts: an id is there twice")
        return typing.cast(Self, found)


def token_hash(text: str) -> str:
    """What is stored of a token, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def must_find(accounts: Accounts, ident: str) -> Record:
    """The record in force of that id. Raises Refused: "unknown", "revoked"."""
    record = accounts.find(ident)
    if record is None:
        near = difflib.get_close_matches(ident, [r.id for r in accounts.items if r.revoked_at is None], n=1)
        raise Refused("unknown", f"there is no account {ident!r}", f"did you mean {near[0]!r}?" if near else "")
    if record.revoked_at is not None:
        raise Refused("revoked", f"the account {ident} is revoked", "add it again to bring it back")
    return record


def add(accounts: Accounts, record: Record) -> Accounts:
    """With a new account, or one that was revoked made anew. Raises Refused: "exists", "too-many"."""
    before = accounts.find(record.id)
    if before is not None and before.revoked_at is None:
        raise Refused("exists", f"there is an account {record.id} already", "reset gives it a new password")
    if before is not None:
        return put(accounts, record)
    if len(accounts.items) >= MAX_ACCOUNTS:
        raise Refused("too-many", f"there are {MAX_ACCOUNTS} accounts already")
    return dataclasses.replace(accounts, items=(*accounts.items, record))


def put(accounts: Accounts, record: Record) -> Accounts:
    """With a record in the place of the one of its id."""
    items = tuple(record if old.id == record.id else old for old in accounts.items)
    return dataclasses.replace(accounts, items=items)


def revoke(accounts: Accounts, ident: str, now: int) -> Accounts:
    """Without an account; its id stays, so that the audit log goes on meaning one person. Raises Refused."""
    record = must_find(accounts, ident)
    gone = Record(record.id, record.name, record.role, made_at=record.made_at, revoked_at=now)
    return put(accounts, gone)


def reset(accounts: Accounts, ident: str, password: str, until: int) -> Accounts:
    """With a one-time password (its hash) that holds until then; every token of the account ends. Raises Refused."""
    record = must_find(accounts, ident)
    return put(accounts, dataclasses.replace(record, password=password, one_time_until=until, tokens=()))


def change(
    accounts: Accounts, ident: str, name: str, role: Role, classes: tuple[str, ...], profiles: tuple[str, ...]
) -> Accounts:
    """With another name, role, classes and profiles; password, tokens and grants stay. Raises Refused."""
    record = must_find(accounts, ident)
    grants = record.grants if role is Role.TEACHER else ()
    new = dataclasses.replace(record, name=name, role=role, classes=classes, profiles=profiles, grants=grants)
    return put(accounts, new)


def set_password(accounts: Accounts, ident: str, password: str) -> Accounts:
    """With a password (its hash) that its owner chose; tokens stay. Raises Refused."""
    return put(accounts, dataclasses.replace(must_find(accounts, ident), password=password, one_time_until=None))


def add_token(accounts: Accounts, ident: str, token: Token, now: float) -> Accounts:
    """With one more token; those that expired are forgotten. Raises Refused: "too-many" or of the account."""
    record = must_find(accounts, ident)
    kept = tuple(old for old in record.tokens if old.expires_at > now)
    if len(kept) >= MAX_TOKENS:
        raise Refused("too-many", f"{ident} has {MAX_TOKENS} tokens already", "revoke one of them")
    return put(accounts, dataclasses.replace(record, tokens=(*kept, token)))


def revoke_token(accounts: Accounts, token_id: str) -> tuple[Accounts, Record]:
    """Without a token, and whose it was. Raises Refused: "unknown"."""
    for record in accounts.items:
        kept = tuple(token for token in record.tokens if token.id != token_id)
        if len(kept) < len(record.tokens):
            return put(accounts, dataclasses.replace(record, tokens=kept)), record
    raise Refused("unknown", f"there is no token {token_id!r}", "list shows those there are")


def grant(accounts: Accounts, ident: str, new: Grant, now: float) -> Accounts:
    """With a class to stand in for; grants that ended are forgotten. Raises Refused: "role", "past", "too-many"."""
    record = must_find(accounts, ident)
    if record.role is not Role.TEACHER:
        raise Refused("role", f"{ident} is {record.role}, and only teachers stand in for teachers")
    if new.until <= now or new.since >= new.until:
        raise Refused("past", "that day is over")
    kept = tuple(old for old in record.grants if old.until > now and old != new)
    if len(kept) >= MAX_GRANTS:
        raise Refused("too-many", f"{ident} stands in for {MAX_GRANTS} classes already")
    return put(accounts, dataclasses.replace(record, grants=(*kept, new)))


def limit(accounts: Accounts, role: Role, profiles: Collection[str] | None) -> Accounts:
    """With the only profiles that a role may set; None: every profile."""
    kept = tuple(old for old in accounts.limits if old.role != role)
    new = () if profiles is None else (RoleLimit(role, tuple(dict.fromkeys(profiles))),)
    return dataclasses.replace(accounts, limits=(*kept, *new))


def _built(kind: Any, value: Any) -> Any:
    """A value of a dataclass above from plain JSON. Raises TypeError, ValueError."""
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise TypeError("something else than a list")
        return tuple(_built(typing.get_args(kind)[0], item) for item in value)
    if kind == (int | None):
        return None if value is None else _built(int, value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _built(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    if kind is Role:
        return Role(value)
    if type(value) is not kind:
        raise TypeError(f"something else than {kind.__name__}")
    if kind is str and not value.isprintable():
        raise TypeError("a text that moves the cursor")
    return value
