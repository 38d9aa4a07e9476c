"""`STATE/accounts/accounts.json`: who may log in, by hashes alone. Mode 0600; `filterd account` and the web page write.

Every change is one or more lines of the audit log first, then the whole file by an atomic rename, under one lock. When
the power goes between the two, the next writer says in the log which lines never came into force.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from filterd.core import accounts as core
from filterd.core.access import Account
from filterd.core.accounts import Accounts
from filterd.core.attempts import Attempts
from filterd.core.audit import Head
from filterd.errors import Refused
from filterd.store import atomic, audit, files, passwords

MODE: Final = 0o600
MAX_BYTES: Final = 16 << 20
KIND: Final = "account"  # what the lines of changes have under "kind"
UNDONE: Final = "account-undone"  # and the line that says that those from "first" to "last" never came into force
LOG_IN: Final = "log-in"
FAILED: Final = "log-in-failed"


def path(state_dir: Path) -> Path:
    """Where the accounts of a state directory are."""
    return state_dir / "accounts" / "accounts.json"


def load(state_dir: Path) -> Accounts:
    """Every account; none if there is no file. Raises OSError, ValueError if it is not what `update` writes."""
    try:
        data = files.read(path(state_dir), MAX_BYTES)
    except FileNotFoundError:
        return Accounts()
    try:
        return Accounts.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path(state_dir)}: {error}") from None


def update(
    state_dir: Path, change: Callable[[Accounts], Accounts], entries: Sequence[Mapping[str, Any]], now: int
) -> Accounts:
    """Change the accounts: audit lines first, then the file. Gives the new ones.

    `entries` are what the audit log keeps of it, a line each, at least one. Raises what `change` raises before anything
    is written; OSError, ValueError with the accounts as they were.
    """
    atomic.make_folder(path(state_dir).parent)
    with atomic.locked(path(state_dir).parent / ".lock"):
        atomic.sweep(path(state_dir))
        before = load(state_dir)
        after = change(before)
        _settle(state_dir, before, now)
        heads: list[Head] = []
        try:
            for entry in entries:
                heads.append(audit.append(audit.folder(state_dir), {"kind": KIND, **entry}, now))
            after = dataclasses.replace(after, sequence=heads[-1].sequence, chain=heads[-1].hash)
            _save(state_dir, after)
        except BaseException:
            with contextlib.suppress(OSError, ValueError):  # the next writer says it where this one cannot
                _settle(state_dir, load(state_dir), now)
            raise
    return after


def settle(state_dir: Path, now: int) -> None:
    """Say in the audit log which of its lines a power cut kept out of the accounts. Raises OSError, ValueError."""
    atomic.make_folder(path(state_dir).parent)
    with atomic.locked(path(state_dir).parent / ".lock"):
        _settle(state_dir, load(state_dir), now)


def log_in(
    state_dir: Path, ident: str, password: str, address: str, attempts: Attempts, now: int, monotonic: float
) -> Account:
    """Who somebody is, by password; in the audit log either way. `address`: from where.

    An account with a one-time password comes with `must_change`, and may do nothing but `choose_password`. Raises
    Refused: "attempts" before anything is looked at, "login" without saying what was wrong; OSError, ValueError.
    """
    ident = ident.strip().lower()[:40]
    _take(attempts, ident, address, monotonic)
    accounts = load(state_dir)
    record = accounts.find(ident)
    held = record is not None and record.revoked_at is None
    fits = passwords.fits(record.password if record is not None and held else "", password)
    if record is not None and record.one_time_until is not None and now >= record.one_time_until:
        fits = False
    # What was typed where no account has that id may be somebody's password: it is not written down.
    entry = {"kind": LOG_IN if fits else FAILED, "account": ident if held else "", "from": address}
    audit.append(audit.folder(state_dir), entry, now)
    if not fits or record is None:
        raise Refused("login", "the account or the password is wrong", "ask the office for a new password")
    attempts.came_in(ident, address)
    return accounts.public(record)


def choose_password(
    state_dir: Path, ident: str, old: str, new: str, address: str, attempts: Attempts, now: int, monotonic: float
) -> Accounts:
    """Put an account's own password in the place of the one it has.

    Raises Refused: "attempts", "login" for a wrong old password, also in the audit log, "weak"; OSError, ValueError.
    """
    _take(attempts, ident, address, monotonic)
    record = core.must_find(load(state_dir), ident)
    over = record.one_time_until is not None and now >= record.one_time_until
    if not passwords.fits(record.password, old) or over:
        audit.append(audit.folder(state_dir), {"kind": FAILED, "account": ident, "from": address}, now)
        raise Refused("login", "the old password is wrong")
    passwords.must_do(new, record.id, record.name)
    if old == new:
        raise Refused("weak", "this is the old password")
    stored = passwords.hashed(new)

    def change(accounts: Accounts) -> Accounts:
        if core.must_find(accounts, ident).password != record.password:
            raise Refused("login", "the password was changed meanwhile")
        return core.set_password(accounts, ident, stored)

    entry = {"what": "password", "account": ident, "by": ident, "from": address}
    return update(state_dir, change, [entry], now)


def _take(attempts: Attempts, ident: str, address: str, monotonic: float) -> None:
    wait = attempts.wait_s(ident, address, monotonic)
    if wait > 0:
        raise Refused("attempts", "too many attempts", f"try again in {int(wait) + 1} s")


def _save(state_dir: Path, accounts: Accounts) -> None:
    text = json.dumps(accounts.to_json(), ensure_ascii=False, separators=(",", ":"))
    atomic.write(path(state_dir), text.encode("utf-8"), MODE)


def _settle(state_dir: Path, accounts: Accounts, now: int) -> None:
    """The lines of changes after the one that the file carries never came into force."""
    folder = audit.folder(state_dir)
    lost: list[int] = []
    for line in audit.read(folder, accounts.sequence):
        kind = line.entry.get("kind")
        if kind == UNDONE:
            lost.clear()
        elif kind == KIND:
            lost.append(line.sequence)
    if lost:
        audit.append(folder, {"kind": UNDONE, "first": lost[0], "last": lost[-1]}, now)
