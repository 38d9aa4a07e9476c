"""Generations of the compiled table: publishing, going back, taking one over. This is the only module that names them.

    <state>/tables/<number>-<hash>/   the files of one table, see `store.tablefiles`
                  /.pinned            a person went back: nothing is published until that is released
    <state>/CURRENT                   the generation in force, one line

Writers: `lists build`, `rollback` and `import` and the nightly update, one at a time under `tables/.lock`. Readers:
dns, web, proxy, explain. A generation is built in a directory nobody looks at and renamed into place; CURRENT is
replaced by rename.

A damaged trie can crash whoever maps it, so `verify` comes before the first `open_table` of a generation.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterd.core.compiler import Compiled
from filterd.core.table import Table, TableSource
from filterd.errors import TableError
from filterd.store import adoption, atomic, files, tablefiles
from filterd.store.tablefiles import META, REPORT

KEEP = 3
PINNED = ".pinned"
_GENERATION = re.compile(r"(\d{6,12})-[0-9a-f]{16}")
_MAX_PIN_BYTES = 4096
_MAX_REPORT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Pin:
    """A person went back to this generation. `since` is Unix seconds."""

    generation: str
    since: int


def current(state_dir: Path) -> str | None:
    """The generation in force, or None when there is none.

    Where CURRENT is missing or damaged it is the one pinned, else the newest on disk: one bad little file must not
    open the whole school.
    """
    found = pointed(state_dir)
    if found is not None:
        return found
    known = generations(state_dir)
    pin = pinned(state_dir)
    return pin.generation if pin is not None and pin.generation in known else next(iter(known), None)


def pointed(state_dir: Path) -> str | None:
    """The generation that CURRENT names, or None where it is missing or damaged."""
    try:
        text = files.read(state_dir / "CURRENT", _MAX_PIN_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if _GENERATION.fullmatch(text) else None


def sound(state_dir: Path) -> str | None:
    """The generation that a server would start with: the one in force, or where that is damaged the newest sound."""
    now = current(state_dir)
    known = [] if now is None else [now, *(name for name in generations(state_dir) if name != now)]
    return next((name for name in known if _is_sound(state_dir, name)), None)


def generations(state_dir: Path) -> list[str]:
    """All generations on disk, newest first; damaged ones too, `verify` tells."""
    try:
        found = [entry.name for entry in os.scandir(_tables(state_dir)) if _GENERATION.fullmatch(entry.name)]
    except OSError:
        return []
    return sorted(found, key=_number, reverse=True)


def verify(state_dir: Path, generation: str) -> Path:
    """The directory of a generation, once every size and SHA-256 in it is right. Raises TableError saying what is not.

    Reads all bytes: the parent does it once for a generation, before any worker maps it.
    """
    directory = _directory(state_dir, generation)
    tablefiles.check(directory, tablefiles.read_meta(directory))
    return directory


def open_table(directory: Path) -> Table:
    """Map a generation that `verify` passed. Raises TableError when files are missing or of the wrong size."""
    return tablefiles.open_table(directory)


def sources_of(state_dir: Path, generation: str) -> tuple[TableSource, ...]:
    """The sources in a generation, without mapping it. Raises TableError."""
    return tablefiles.sources_of(tablefiles.read_meta(_directory(state_dir, generation)))


def fingerprint_of(state_dir: Path, generation: str) -> str:
    """What the publisher of a generation said it was made of; "" if nothing. Raises TableError."""
    return str(tablefiles.read_meta(_directory(state_dir, generation)).get("fingerprint", ""))


def report_of(state_dir: Path, generation: str) -> dict[str, Any]:
    """What became of every list when a generation was built, by source id; empty when the report is gone."""
    try:
        found = json.loads(files.read(_tables(state_dir) / generation / REPORT, _MAX_REPORT_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def publish(state_dir: Path, compiled: Compiled, built_at: int, keep: int = KEEP, fingerprint: str = "") -> str:
    """Write a compiled table as the newest generation and put it in force; gives its name. `built_at`: Unix seconds.

    `keep` generations stay on disk. Raises TableError when that fails, for want of space mostly, and while a person
    pinned another: then no trace is left and CURRENT is as it was.
    """
    contents = tablefiles.written(compiled, built_at, fingerprint)

    def fill(beside: Path) -> None:
        for name, data in contents.items():
            atomic.write(beside / name, data)

    with _writing(state_dir, "the new table could not be written") as root:
        _need_space(root, 2 * sum(map(len, contents.values())))
        return _add(state_dir, root, tablefiles.hash_of(contents[META]), fill, keep)


def adopt(state_dir: Path, folder: Path, now: int, keep: int = KEEP, meta_sha256: str | None = None) -> str:
    """Put a table in force that another box compiled; gives its generation here. `now`: Unix seconds.

    `folder` holds its files, and its owner may change them any time: they are copied, and what counts is checked on the
    copies, `meta.json` against `meta_sha256`, which a signature vouches for. Raises TableError as `publish` does.
    """
    with _writing(state_dir, f"the table in {folder} could not be taken over") as root:
        offer = adoption.look(folder, meta_sha256)
        _need_space(root, 2 * offer.bytes)

        def fill(beside: Path) -> None:
            adoption.copy(offer, beside)
            os.utime(beside, (now, now))  # as that of a published one: when it came to this box

        return _add(state_dir, root, tablefiles.hash_of(offer.data), fill, keep)


def rollback(state_dir: Path, generation: str | None = None, now: int | None = None) -> str:
    """Put an older generation in force and pin it; gives its name. None: the newest sound one before that in force.

    From then on nothing is published until `release`. Raises TableError if there is no such generation, or it is
    damaged; then nothing changed. `now`: Unix seconds, of the clock if None.
    """
    with _locked(state_dir, "the rollback could not be finished") as root:
        wanted = _sound_before(state_dir) if generation is None else generation
        verify(state_dir, wanted)
        _point(state_dir, wanted)
        pin = {"generation": wanted, "since": int(time.time()) if now is None else now}
        atomic.write(root / PINNED, json.dumps(pin).encode())
        return wanted


def pinned(state_dir: Path) -> Pin | None:
    """The generation that a person went back to, while nobody released it."""
    try:
        found = json.loads(files.read(_tables(state_dir) / PINNED, _MAX_PIN_BYTES))
        pin = Pin(found["generation"], found["since"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return pin if isinstance(pin.since, int) and _is_generation(pin.generation) else None


def release(state_dir: Path) -> None:
    """Let tables be published again. What is in force stays so until then. Raises TableError."""
    with _locked(state_dir, "the table is still pinned") as root:
        if os.path.lexists(root / PINNED):
            (root / PINNED).unlink()
            atomic.sync_folder(root)


def _add(state_dir: Path, root: Path, hashed: str, fill: Callable[[Path], None], keep: int) -> str:
    """A new generation with the files that `fill` writes, in force; older ones than the `keep` newest go."""
    number = max((_number(name) for name in generations(state_dir)), default=0) + 1
    generation = f"{number:06d}-{hashed}"
    beside = Path(tempfile.mkdtemp(dir=root, prefix=".new-"))
    try:
        fill(beside)
        beside.chmod(0o750)
        atomic.sync_folder(beside)
        beside.rename(root / generation)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    _put_in_force(state_dir, root, generation)
    _prune(state_dir, root, keep)
    return generation


def _put_in_force(state_dir: Path, root: Path, generation: str) -> None:
    try:
        atomic.sync_folder(root)
        _point(state_dir, generation)
    except BaseException:
        if pointed(state_dir) != generation:
            with contextlib.suppress(OSError):
                _remove(root, generation)
        raise


def _point(state_dir: Path, generation: str) -> None:
    atomic.write(state_dir / "CURRENT", generation.encode("ascii") + b"\n")


def _sound_before(state_dir: Path) -> str:
    """The newest sound generation older than the one in force."""
    now = current(state_dir)
    older = [name for name in generations(state_dir) if now is None or _number(name) < _number(now)]
    for name in older:
        with contextlib.suppress(TableError):
            verify(state_dir, name)
            return name
    raise TableError(f"there is no sound generation before {now or 'none'} on disk")


@contextlib.contextmanager
def _writing(state_dir: Path, failed: str) -> Iterator[Path]:
    """The folder of tables, locked and swept, for a new generation; not while a person pinned another."""
    with _locked(state_dir, failed) as root:
        pin = pinned(state_dir)
        if pin is not None:
            ends = "'filterd lists accept --table' ends that"
            raise TableError(f"{failed}: a rollback pinned {pin.generation}; {ends}")
        _sweep(state_dir, root)
        yield root


@contextlib.contextmanager
def _locked(state_dir: Path, failed: str) -> Iterator[Path]:
    root = _tables(state_dir)
    try:
        atomic.make_folder(root)
        with atomic.locked(root / ".lock"):
            yield root
    except OSError as error:
        kept = current(state_dir) or "no table"
        raise TableError(f"{failed}: {error}. Still in force: {kept}") from None


def _need_space(root: Path, wanted: int) -> None:
    free = shutil.disk_usage(root).free
    if free < wanted:
        raise OSError(f"{root} has {free >> 20} MiB free; {(wanted >> 20) + 1} MiB are needed (twice the table)")


def _sweep(state_dir: Path, root: Path) -> None:
    """Remove what a killed writer left behind; the lock says that nobody is still at it."""
    for path in (*root.glob(".new-*"), *root.glob(".old-*")):
        shutil.rmtree(path, ignore_errors=True)
    atomic.sweep(root / PINNED)
    atomic.sweep(state_dir / "CURRENT")


def _prune(state_dir: Path, root: Path, keep: int) -> None:
    """Keep the newest sound generations, and the one in force. Processes that still map an older one keep its pages.

    Damaged ones, as many at most, do not count: some power cuts in a row must not leave nothing to fall back on.
    """
    in_force, limit = current(state_dir), max(keep, 1)
    kept = damaged = 0
    for name in generations(state_dir):
        if kept < limit and (name == in_force or _is_sound(state_dir, name)):
            kept += 1
        elif kept < limit and damaged < limit:
            damaged += 1
        elif name != in_force:
            with contextlib.suppress(OSError):
                _remove(root, name)


def _is_sound(state_dir: Path, generation: str) -> bool:
    try:
        verify(state_dir, generation)
    except (TableError, OSError):
        return False
    return True


def _remove(root: Path, generation: str) -> None:
    """Out of sight in one step, then gone: there is never half of a generation."""
    beside = root / f".old-{generation}"
    (root / generation).rename(beside)
    shutil.rmtree(beside, ignore_errors=True)


def _is_generation(value: object) -> bool:
    return isinstance(value, str) and _GENERATION.fullmatch(value) is not None


def _directory(state_dir: Path, generation: str) -> Path:
    if not _GENERATION.fullmatch(generation):
        raise TableError(f"{generation[:80]!r} is no table generation")
    return _tables(state_dir) / generation


def _tables(state_dir: Path) -> Path:
    return state_dir / "tables"


def _number(generation: str) -> int:
    return int(generation.partition("-")[0])
