"""What the commands of `filterd account` share: one change of the accounts, and how things are checked and shown."""

from __future__ import annotations

import contextlib
import datetime
import time
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import click

from filterd.cli.state import act_as_owner, started_by, state_directory
from filterd.config import accounts_csv, units
from filterd.config.accounts_csv import Row
from filterd.core.accounts import Accounts, Record
from filterd.core.policy import Policy
from filterd.errors import ConfigError, Problem, Refused
from filterd.store import accounts as store
from filterd.store import audit, status
from filterd.update import clock

DAY_S: Final = 86400
ONE_TIME_S: Final = 14 * DAY_S  # a printed password that nobody used in two weeks lies somewhere


class Change:
    """One change: the configuration is read by whoever started it, the accounts are written as their owner.

    Within `with`, refusals and damaged files are said and end the command.
    """

    def __init__(self, config_dir: Path, state_dir: Path | None, with_policy: bool = True) -> None:
        from filterd.config import load  # yaml and pydantic: an account is revoked without, and with broken YAML

        self.state = state_directory(config_dir, state_dir)
        self.by = started_by()
        self.now = int(time.time())
        self._policy = load.load(config_dir) if with_policy else None

    @property
    def policy(self) -> Policy:
        assert self._policy is not None
        return self._policy

    def __enter__(self) -> Self:
        act_as_owner(self.state, audit.folder(self.state).name)
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        _end(self.state, error)

    def must_know_time(self) -> None:
        """What is given for a time needs a right clock. Raises Refused."""
        if not clock.is_trusted(self.now, status.read(self.state)):
            raise Refused("clock", "this box does not know the time, and what is given here ends", "set its clock")

    def do(self, change: Callable[[Accounts], Accounts], what: str, ident: str, **more: object) -> Accounts:
        """Change the accounts, with one line in the audit log."""
        return self.do_all(change, [{"what": what, "account": ident, **more}])

    def do_all(self, change: Callable[[Accounts], Accounts], entries: Sequence[Mapping[str, Any]]) -> Accounts:
        """Change the accounts, with these lines in the audit log; nothing where there are none."""
        if not entries:
            return store.load(self.state)
        lines = [{**entry, "by": self.by, "from": "box"} for entry in entries]
        return store.update(self.state, change, lines, self.now)


@contextlib.contextmanager
def said(state: Path) -> Iterator[None]:
    """Refusals and damaged files are said, and end the command."""
    try:
        yield
    except (Refused, ValueError) as error:
        _end(state, error)


def checked(policy: Policy, ident: str, name: str, role: str, classes: Sequence[str], profiles: Sequence[str]) -> Row:
    """What was typed, held against the policy. Raises ConfigError with every mistake."""
    cells = {"id": ident, "name": name, "role": role, "classes": " ".join(classes), "profiles": " ".join(profiles)}
    return accounts_csv.row(cells, "account", *known(policy))


def known(policy: Policy) -> tuple[dict[str, str], dict[str, str]]:
    """The ids of places and of profiles, with the names people say."""
    places = {place.id: place.name for place in policy.places}
    return places, {profile.id: profile.name.vi for profile in policy.profiles}


def day_of(policy: Policy, text: str | None, now: int) -> tuple[int, int]:
    """When a day of the school begins and ends, in Unix seconds. Raises click.BadParameter."""
    zone = zoneinfo.ZoneInfo(policy.time_zone)
    try:
        day = units.day(text) if text else datetime.datetime.fromtimestamp(now, zone).date()
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    midnights = (datetime.datetime.combine(each, datetime.time(), zone) for each in (day, day + datetime.timedelta(1)))
    since, until = (int(midnight.timestamp()) for midnight in midnights)
    return since, until


def lasting_s(text: str, least: int, most: int) -> int:
    """`90d` in seconds, within bounds. Raises click.BadParameter."""
    try:
        found = units.duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not least <= found <= most:
        raise click.BadParameter(f"{text} is out of range; {least // 3600}h to {most // DAY_S}d is")
    return found


def record_of(row: Row, password: str, now: int) -> Record:
    """A new account with a one-time password (its hash)."""
    return Record(
        row.id, row.name, row.role, row.classes, row.profiles, password, now + ONE_TIME_S, made_at=now,
    )  # fmt: skip


def lines_of(record: Record, now: float) -> Iterator[str]:
    """An account as `filterd account list` shows it."""
    words = [f"{record.id:<16} {record.role:<12} {record.name}"]
    if record.revoked_at is not None:
        yield f"{words[0]}  REVOKED {shown(record.revoked_at)}"
        return
    if record.classes:
        words.append(f"classes: {', '.join(record.classes)}")
    if record.profiles:
        words.append(f"profiles: {', '.join(record.profiles)}")
    if record.one_time_until is not None:
        over = now >= record.one_time_until
        words.append("one-time password EXPIRED" if over else f"one-time password until {shown(record.one_time_until)}")
    yield "  ".join(words)
    for token in record.tokens:
        state = f"until {shown(token.expires_at)}" if token.holds(now) else "EXPIRED"
        yield f"    token {token.id}  {state}  {token.label}".rstrip()
    for grant in record.grants:
        if now < grant.until:
            yield f"    stands in for {grant.classroom}, {shown(grant.since)} to {shown(grant.until)}"


def show_password(ident: str, password: str) -> None:
    """Once, on standard output; it is kept nowhere."""
    click.echo(f"{ident}  {password}")


def shown(moment: float) -> str:
    """A moment as people read it, by the box's time zone."""
    return datetime.datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")


def _end(state: Path, error: BaseException | None) -> None:
    if isinstance(error, Refused):
        click.echo(f"refused ({error.rule}): {error}", err=True)
        raise SystemExit(1) from None
    if isinstance(error, ValueError):
        raise ConfigError([Problem(str(state), str(error))]) from None
