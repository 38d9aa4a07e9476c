"""`STATE/overrides/overrides.json`: the overrides in force. Whoever changes them, changes them here, one at a time.

A change is a line of the audit log first, on disk, and then the file with that line's number and hash. So a power cut
between the two leaves the old overrides and a line too many: the next change, or `reconcile`, adds a line that says so.
Every process that decides reads the file, without a lock.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from filterd.core.overrides import Overrides
from filterd.errors import Refused
from filterd.store import atomic, audit, files

MAX_BYTES: Final = 4 << 20
KIND: Final = "override"  # what the lines of changes have under "kind"
UNDONE: Final = "override-undone"  # and those that say that a change, "line", never took effect
LOST: Final = "audit-cut"  # the log ends before what overrides.json has seen of it


def path(state_dir: Path) -> Path:
    """Where it is written."""
    return audit.folder(state_dir) / "overrides.json"


def old_path(state_dir: Path) -> Path:
    """Where it was written once; read while there is no other, and removed by the first change."""
    return state_dir / "overrides.json"


def stamp(state_dir: Path) -> object:
    """What changes whenever another content is in force; None while there is no file. Reads nothing."""
    for file in (path(state_dir), old_path(state_dir)):
        try:
            found = file.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            return error.errno
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


def load(state_dir: Path) -> Overrides:
    """What is in force; nothing if there is no file. Raises OSError, or ValueError if it is not what `update` writes,
    which `core.overrides` knows.
    """
    for file in (path(state_dir), old_path(state_dir)):
        try:
            data = files.read(file, MAX_BYTES)
        except FileNotFoundError:
            continue
        try:
            return Overrides.from_json(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"overrides.json: {error}") from None
    return Overrides()


def update(
    state_dir: Path, change: Callable[[Overrides], Overrides], entry: Mapping[str, Any], now: float
) -> Overrides:
    """Change what is in force; `change` is called once, under the lock, with what is in force then.

    `entry` is what the audit log keeps of it, `now` Unix seconds. A change that changes nothing writes nothing. Raises
    what `change` raises, Refused if it would be too much for the file, OSError, and ValueError for files that are not
    ours: what was in force then is in force still.
    """
    folder = audit.folder(state_dir)
    atomic.make_folder(folder)
    with atomic.locked(folder / ".lock"):
        atomic.sweep(path(state_dir))
        before = load(state_dir)
        after = change(before)
        if after == before:
            return before
        items = _items(after)  # too much is refused before anything is written
        _reconcile(folder, before, now)
        head = audit.append(folder, {"kind": KIND, **entry}, int(now))
        after = dataclasses.replace(after, sequence=head.sequence, chain=head.hash)
        text = f'{{"items":{items},"sequence":{head.sequence},"chain":"{head.hash}"}}'
        atomic.write(path(state_dir), text.encode("utf-8"))
        old_path(state_dir).unlink(missing_ok=True)
    return after


def reconcile(state_dir: Path, now: float) -> list[int]:
    """The numbers of the lines of changes that never took effect: a line that says so is added for each.

    For a start after a power cut. Raises OSError, ValueError.
    """
    folder = audit.folder(state_dir)
    if not folder.is_dir():
        return []
    with atomic.locked(folder / ".lock"):
        return _reconcile(folder, load(state_dir), now)


def _reconcile(folder: Path, state: Overrides, now: float) -> list[int]:
    """The lock is held, so every line of a change behind `state` is one whose writer died or found the disk full."""
    seen = state.sequence if state.chain else 0  # a file from before there was a log counted for itself
    head = audit.head(folder)
    if head.sequence == seen:
        return []
    if head.sequence < seen:
        known = {"kind": LOST, "known": seen, "hash": state.chain}
        if not any(dict(line.entry).items() >= known.items() for line in audit.read(folder)):
            audit.append(folder, {**known, "found": head.sequence}, int(now))
        return []
    undone: list[int] = []
    for line in audit.read(folder, seen):
        if line.entry.get("kind") == KIND:
            undone.append(line.sequence)
        elif line.entry.get("kind") == UNDONE:
            undone = [number for number in undone if number != line.entry.get("line")]
    for number in undone:
        audit.append(folder, {"kind": UNDONE, "line": number}, int(now))
    return undone


def _items(state: Overrides) -> str:
    text = json.dumps(state.to_json()["items"], ensure_ascii=False, separators=(",", ":"))
    if len(text.encode("utf-8")) > MAX_BYTES - 200:  # room for number and hash
        raise Refused("too-many", "there are too many overrides at once", "clear some of them")
    return text
