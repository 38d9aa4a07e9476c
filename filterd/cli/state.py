"""Where the box's own files are, and whose: a command that root starts writes there as their owner, not as root."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
from pathlib import Path

import click


def state_directory(config_dir: Path, flag: Path | None) -> Path:
    """The state directory. Raises ConfigError if school.yaml has to say and cannot be read."""
    if flag is not None:
        return flag
    from filterd.config.load import state_dir  # yaml and pydantic: only where no flag spares them

    return state_dir(config_dir)


def must_be_readable(state_dir: Path) -> None:
    """Raises PermissionError where somebody else's directories would look like empty ones."""
    for path in (state_dir, state_dir / "lists", state_dir / "tables"):
        if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def act_as_owner(state_dir: Path, folder: str | None = None) -> None:
    """Become the user the lists, or a `folder` of the state, belong to, for good, if root started the command; says so
    on stderr. A folder that is not there yet is to be the owner's of the state directory.

    Call it before anything there is touched: a link that the service's user laid must not lead root anywhere, and what
    root makes the service could not renew. Raises OSError.
    """
    from filterd.store import lists  # archives and compilers: not for the server

    uid, gid = lists.owner_of(state_dir) if folder is None else _owner_of(state_dir, folder)
    if os.geteuid() != 0 or uid == 0:
        return
    os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    click.echo(f"filterd: acting as {lists.user_name(uid)}, whose {state_dir} is", err=True)


def started_by() -> str:
    """Who started the command, as the system knows it, for the audit log; ask before `act_as_owner`."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "") if os.getuid() == 0 else ""
    return f"{behind} (sudo)" if behind and behind.isprintable() and len(behind) <= 40 else user


def _owner_of(state_dir: Path, folder: str) -> tuple[int, int]:
    """User and group id; a link counts as its maker's, unless root made it."""
    for path in (state_dir / folder, state_dir):
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            found = found if found.st_uid else path.stat()
            return found.st_uid, found.st_gid
    return os.geteuid(), os.getegid()
