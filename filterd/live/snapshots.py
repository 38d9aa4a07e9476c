"""Builds snapshots from published files, for every process that decides."""

from __future__ import annotations

import logging
from pathlib import Path

from filterd.core.local import Leases
from filterd.core.overrides import Overrides
from filterd.core.policy import Policy
from filterd.core.snapshot import Seen, Snapshot
from filterd.core.table import EMPTY, Table
from filterd.store import tables

log = logging.getLogger("filterd.live")


def open_table(directory: Path | None) -> Table:
    """Map a table that was verified before; no table is the empty one."""
    return EMPTY if directory is None else tables.open_table(directory)


def build(
    policy: Policy,
    directory: Path | None,
    overrides: Overrides,
    now: float,
    before: Snapshot | None = None,
    leases: Leases = (),
    seen: Seen | None = None,
) -> Snapshot:
    """A snapshot of these inputs at `now` (Unix seconds). A table that `before` has mapped already is shared."""
    if before is not None and directory is not None and before.table.generation == directory.name:
        table = before.table
    else:
        table = open_table(directory)
    return Snapshot(policy, table, overrides, now, before, seen, leases)
