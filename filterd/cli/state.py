"""Where the box's own files are, and whose: a command that root starts writes there as their owner, not as root."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import click


def state_directory(config_dir: Path, flag: Path | None) -> Path:
    """The state directory. Raises ConfigError if school.yaml has to say and cannot be read."""
    if flag is not None:
        return flag
    from filterd.config.load import state_dir  # yaml and pydantic: only where no flag spares them

    return state_dir(config_dir)


def must_be_readable(state_dir: Path) -> None:
    """Raises PermissionError where somebody else's directory would look like an empty one."""
    if state_dir.exists() and not os.access(state_dir, os.R_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(state_dir))


def act_as_owner(state_dir: Path) -> None:
    """Become the user the lists belong to, for good, if root started the command; says so on stderr.

    Call it before anything there is touched: a link that the service's user laid must not lead root anywhere, and what
    root makes the service could not renew. Raises OSError.
    """
    from filterd.store import lists  # archives and compilers: not for the server

    uid, gid = lists.owner_of(state_dir)
    if os.geteuid() != 0 or uid == 0:
        return
    os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    click.echo(f"filterd: acting as {lists.user_name(uid)}, whose {state_dir} is", err=True)
