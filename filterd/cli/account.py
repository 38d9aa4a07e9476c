"""`filterd account`: who may change something here, made and ended by the box's own administrators.

Writes by `store.accounts`, which leaves a line in the audit log for each change. One-time passwords and tokens are
printed once, on standard output, and only their hashes are kept. Exit codes: 0 well, 1 refused by a rule, 2 bad input.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from filterd.cli import accounts
from filterd.cli.accounts import DAY_S, Change
from filterd.cli.options import config_option, state_option
from filterd.cli.state import must_be_readable, state_directory
from filterd.config import accounts_csv
from filterd.core import accounts as core
from filterd.core.access import Grant
from filterd.core.accounts import Accounts, Record, Token
from filterd.core.commands import Role
from filterd.store import accounts as store
from filterd.store import files, passwords

ROLES = [role.value for role in Role]


@click.group()
def account() -> None:
    """Add, list and end the accounts of teachers and staff, their tokens and their substitutes."""


@account.command()
@click.argument("ident", metavar="ID")
@click.option("--name", required=True, metavar="NAME", help="The person's name as the school says it.")
@click.option("--role", type=click.Choice(ROLES), default="teacher", show_default=True)
@click.option("--class", "classes", multiple=True, metavar="CLASS", help="A class of theirs; may be repeated.")
@click.option("--profile", "profiles", multiple=True, metavar="PROFILE", help="A profile they may set.  [default: all]")
@config_option
@state_option
def add(
    ident: str,
    name: str,
    role: str,
    classes: tuple[str, ...],
    profiles: tuple[str, ...],
    config_dir: Path,
    state_dir: Path | None,
) -> None:
    """Add an account and print its password, once."""
    change = Change(config_dir, state_dir)
    row = accounts.checked(change.policy, ident, name, role, classes, profiles)
    with change:
        change.must_know_time()
        password = passwords.one_time()
        record = accounts.record_of(row, passwords.hashed(password), change.now)
        change.do(lambda old: core.add(old, record), "add", ident, role=role, classes=list(record.classes))
    accounts.show_password(ident, password)


@account.command("list")
@config_option
@state_option
def show_all(config_dir: Path, state_dir: Path | None) -> None:
    """List accounts, tokens and substitutes."""
    state = state_directory(config_dir, state_dir)
    must_be_readable(state)
    with accounts.said(state):
        found = store.load(state)
    for record in sorted(found.items, key=lambda each: (each.revoked_at is not None, each.id)):
        for line in accounts.lines_of(record, time.time()):
            click.echo(line)
    for limit in found.limits:
        click.echo(f"profiles of the role {limit.role}: {', '.join(limit.profiles)}")
    if not found.items:
        click.echo("no accounts: only this box's administrators can change something")


@account.command()
@click.argument("ident", metavar="ID|TOKEN-ID")
@click.option("--token", is_flag=True, help="End one token instead, by the id that list shows.")
@config_option
@state_option
def revoke(ident: str, token: bool, config_dir: Path, state_dir: Path | None) -> None:
    """End an account, or one token.

    What it set for classes goes on until it expires.
    """
    with Change(config_dir, state_dir, with_policy=False) as change:
        if token:
            owner = core.revoke_token(store.load(change.state), ident)[1].id
            change.do(lambda old: core.revoke_token(old, ident)[0], "revoke-token", owner, token=ident)
        else:
            change.do(lambda old: core.revoke(old, ident, change.now), "revoke", ident)
    click.echo(f"{'token' if token else 'account'} {ident} is revoked")


@account.command()
@click.argument("ident", metavar="ID")
@config_option
@state_option
def reset(ident: str, config_dir: Path, state_dir: Path | None) -> None:
    """Print a new one-time password, once.

    The old password and every token of the account end.
    """
    with Change(config_dir, state_dir, with_policy=False) as change:
        change.must_know_time()
        password = passwords.one_time()
        stored, until = passwords.hashed(password), change.now + accounts.ONE_TIME_S
        change.do(lambda old: core.reset(old, ident, stored, until), "reset", ident)
    accounts.show_password(ident, password)


@account.command()
@click.argument("ident", metavar="ID")
@click.option("--for", "lasting", default="90d", show_default=True, metavar="TIME", help="1h to 366d.")
@click.option("--label", default="", metavar="TEXT", help="Where it is kept, such as laptop.")
@config_option
@state_option
def token(ident: str, lasting: str, label: str, config_dir: Path, state_dir: Path | None) -> None:
    """Print a new token of an account, once."""
    lasts_s = accounts.lasting_s(lasting, 3600, 366 * DAY_S)
    if len(label) > 40 or (not label.isprintable() and label):
        raise click.UsageError("a label is one line of at most 40 characters")
    with Change(config_dir, state_dir, with_policy=False) as change:
        change.must_know_time()
        text = passwords.new_token()
        made = Token(passwords.token_id(), core.token_hash(text), change.now, change.now + lasts_s, label)
        change.do(lambda old: core.add_token(old, ident, made, change.now), "token", ident, token=made.id)
    click.echo(text)
    click.echo(f"token {made.id} of {ident}, until {accounts.shown(made.expires_at)}; shown this once", err=True)


@account.command()
@click.argument("ident", metavar="ID")
@click.argument("classroom", metavar="CLASS")
@click.option("--on", "day", metavar="DAY", help="The day, as 2026-12-31.  [default: today]")
@config_option
@state_option
def grant(ident: str, classroom: str, day: str | None, config_dir: Path, state_dir: Path | None) -> None:
    """Let a teacher stand in (dạy thay) for one day.

    CLASS is theirs too, from midnight to midnight of the school.
    """
    change = Change(config_dir, state_dir)
    place = accounts_csv.known_id(classroom, accounts.known(change.policy)[0], "CLASS")
    since, until = accounts.day_of(change.policy, day, change.now)
    with change:
        change.must_know_time()
        new = Grant(place, since, until, change.by)
        change.do(lambda old: core.grant(old, ident, new, change.now), "grant", ident, place=place, until=until)
    click.echo(f"{ident} stands in for {place} until {accounts.shown(until)}")


@account.command()
@click.argument("role", type=click.Choice(ROLES))
@click.argument("names", nargs=-1, metavar="[PROFILE]...")
@click.option("--all", "every", is_flag=True, help="Every profile.")
@config_option
@state_option
def profiles(role: str, names: tuple[str, ...], every: bool, config_dir: Path, state_dir: Path | None) -> None:
    """Say which profiles a role may set; --all: every one."""
    if bool(names) == every:
        raise click.UsageError("say which profiles, or --all")
    change = Change(config_dir, state_dir)
    found = tuple(accounts_csv.known_id(name, accounts.known(change.policy)[1], "PROFILE") for name in names)
    with change:
        allowed = None if every else found
        change.do(lambda old: core.limit(old, Role(role), allowed), "profiles", "", role=role, profiles=list(found))
    click.echo(f"{role}: {'every profile' if every else ', '.join(found)}")


@account.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
@state_option
def import_file(file: Path, config_dir: Path, state_dir: Path | None) -> None:
    """Add the accounts in FILE.csv, all or none.

    Prints their one-time passwords, once.

    Accounts that are there already get the name, role, classes and profiles of the file, and keep their password.
    """
    change = Change(config_dir, state_dir)
    places, known = accounts.known(change.policy)
    rows = accounts_csv.parse(files.read(file, accounts_csv.MAX_BYTES, links=True), file.name, places, known)
    with change:
        change.must_know_time()
        before = store.load(change.state)
        made = {row.id: passwords.one_time() for row in rows if before.account(row.id) is None}
        new = [accounts.record_of(row, passwords.hashed(made[row.id]), change.now) for row in rows if row.id in made]
        old = [row for row in rows if row.id not in made and _differs(before, row)]
        change.do_all(
            lambda now: _with(now, new, old),
            [
                *({"what": "add", "account": r.id, "role": r.role, "classes": list(r.classes)} for r in new),
                *({"what": "change", "account": r.id, "role": r.role, "classes": list(r.classes)} for r in old),
            ],
        )
    for ident, password in made.items():
        accounts.show_password(ident, password)
    click.echo(f"{len(new)} added, {len(old)} changed, {len(rows) - len(new) - len(old)} as before", err=True)


def _with(accounts_: Accounts, new: list[Record], old: list[accounts_csv.Row]) -> Accounts:
    for record in new:
        accounts_ = core.add(accounts_, record)
    for row in old:
        accounts_ = core.change(accounts_, row.id, row.name, row.role, row.classes, row.profiles)
    return accounts_


def _differs(before: Accounts, row: accounts_csv.Row) -> bool:
    record = before.find(row.id)
    assert record is not None
    return row != (record.id, record.name, record.role, record.classes, record.profiles)
