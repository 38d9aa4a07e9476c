"""The folder of every list: its last good copy, what waits for a person, and what is known of both.

    <state>/lists/.lock .staging/         held by the run under way, and its downloads
                 /<source id>/copy        the list as it was fetched, or the archive it came in
                             /meta.json   what is known of it (`Meta`)
                             /held        a download that waits for a person
                             /held.json   what is known of it, why it waits and since when (`Held`)
                             /frozen      a person wants the copy to stay as it is (`Frozen`)
                             /memory.json the updater's own: attempts, successes, failures (`Memory`)

Writers: the nightly update and `filterd lists`, one at a time under `lock`. Readers: whoever compiles; status and
metrics. A `file:` source is its own copy: relative to `blocklists/`, which it may not leave by links, or absolute.

Two files cannot be replaced in one step. The copy comes first, then its meta, which names the copy's size and time:
one that does not fit is no meta. Sources that share an archive have hard links to the one file.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from filterd.core.source import Source
from filterd.core.updates import Why
from filterd.errors import BusyError, ListError
from filterd.store import atomic, files
from filterd.store.listmeta import Frozen as Frozen
from filterd.store.listmeta import Held as Held
from filterd.store.listmeta import Memory as Memory
from filterd.store.listmeta import Meta as Meta
from filterd.store.shelf import Copy as Copy
from filterd.store.shelf import Shelf as Shelf

COPY, META, HELD, HELD_META, FROZEN, MEMORY = "copy", "meta.json", "held", "held.json", "frozen", "memory.json"
_MAX_JSON_BYTES = 1 << 20
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def locate(source: Source, blocklists: Path, state_dir: Path) -> Copy | None:
    """The copy of a source, or None while nothing was fetched. Raises ListError for a file that cannot be one."""
    if not source.url.startswith("file:"):
        path = _folder(state_dir, source.id) / COPY
        meta = good(state_dir, source.id)
        return _copy(source, path, meta) if path.exists() else None
    name = source.url.removeprefix("file:")
    asked = Path(name.removeprefix("//")) if name.startswith("///") else blocklists / name
    root = asked.parent if name.startswith("///") else blocklists
    path = Path(os.path.realpath(asked))
    if not path.is_relative_to(os.path.realpath(root)):
        raise ListError(f"{asked} leads out of {root}", Why.FORBIDDEN)
    if not path.exists():
        raise ListError(f"{asked} does not exist", Why.MISSING)
    return _copy(source, path, None)


def staged_copy(source: Source, path: Path) -> Copy:
    """A download under way in place of the source's copy. Raises OSError."""
    return _copy(source, path, None)


def _copy(source: Source, path: Path, meta: Meta | None) -> Copy:
    found = path.stat()
    is_tree = stat.S_ISDIR(found.st_mode) or source.member is not None
    if meta is None:
        return Copy(source, path, int(found.st_mtime), is_tree)
    return Copy(source, path, meta.fetched_at, is_tree, meta.sha256)


# -- the last good copy -----------------------------------------------------------------------------------------------


def good(state_dir: Path, source_id: str) -> Meta | None:
    """What is known of the last good copy; None without one, or when nothing on disk is known to be about it."""
    meta = noted(state_dir, source_id)
    return meta if meta is not None and _fits(meta, _folder(state_dir, source_id) / COPY) else None


def noted(state_dir: Path, source_id: str) -> Meta | None:
    """What was last written down of a good copy, whether or not the copy on disk is still that one."""
    try:
        return Meta.from_json(_read(_folder(state_dir, source_id) / META))
    except (OSError, ValueError):
        return None


def take(state_dir: Path, source_id: str, staged: Path, meta: Meta) -> Meta:
    """Make a staged file the last good copy; the staged name stays. Gives the meta as written. Raises OSError.

    A crash leaves the old copy or the new one, and of the new one maybe no meta.
    """
    folder = _made(state_dir, source_id)
    written = _settle(staged, folder / COPY, meta)
    _write(folder / META, written.to_json())
    return written


# -- what waits for a person ------------------------------------------------------------------------------------------


def hold(state_dir: Path, source_id: str, staged: Path, meta: Meta, why: Why, text: str, now: float) -> Held:
    """Put a staged file aside for a person, in place of what waits there; the staged name stays. Raises OSError.

    A list that changes every night while it is held has waited since the first.
    """
    folder = _made(state_dir, source_id)
    before = held(state_dir, source_id)
    since = before.since if before is not None else int(now)
    waiting = Held(_settle(staged, folder / HELD, meta), why, text, since)
    _write(folder / HELD_META, waiting.to_json())
    return waiting


def held(state_dir: Path, source_id: str) -> Held | None:
    """What waits for a person, if anything does."""
    folder = _folder(state_dir, source_id)
    try:
        waiting = Held.from_json(_read(folder / HELD_META))
    except (OSError, ValueError):
        return None
    return waiting if _fits(waiting.meta, folder / HELD) else None


def held_path(state_dir: Path, source_id: str) -> Path:
    """Where the bytes of what waits are, for whoever wants to look at them."""
    return _folder(state_dir, source_id) / HELD


def accept(state_dir: Path, source_id: str, now: float) -> Meta:
    """Make what waits the last good copy, as of `now`. Raises ListError if nothing waits, OSError.

    What waits goes last: killed before, the same can be asked for again.
    """
    waiting = held(state_dir, source_id)
    if waiting is None:
        raise ListError(f"{source_id}: nothing waits to be accepted", Why.MISSING)
    meta = take(state_dir, source_id, held_path(state_dir, source_id), replace(waiting.meta, changed_at=int(now)))
    drop_held(state_dir, source_id)
    return meta


def drop_held(state_dir: Path, source_id: str) -> None:
    """Throw away what waits, if anything does. Raises OSError."""
    folder = _folder(state_dir, source_id)
    _remove(folder / HELD_META)
    _remove(folder / HELD)


# -- what a person froze, what the updater remembers ------------------------------------------------------------------


def freeze(state_dir: Path, source_id: str, reason: str, now: float, by: str | None = None) -> Frozen:
    """Keep the copy in use as it is until `thaw`. `by`: who wants it; else the name of the user. Raises OSError."""
    wanted = Frozen(int(now), user_name(os.getuid()) if by is None else by, reason)
    _write(_made(state_dir, source_id) / FROZEN, wanted.to_json())
    return wanted


def thaw(state_dir: Path, source_id: str) -> None:
    """Let the source be renewed again. Raises OSError."""
    _remove(_folder(state_dir, source_id) / FROZEN)


def frozen(state_dir: Path, source_id: str) -> Frozen | None:
    """Who froze the source, if somebody did. A damaged note still freezes: what a person wanted is not forgotten."""
    path = _folder(state_dir, source_id) / FROZEN
    try:
        return Frozen.from_json(_read(path))
    except (OSError, ValueError):
        return Frozen(0, "", "the note is damaged") if os.path.lexists(path) else None


def remember(state_dir: Path, source_id: str, memory: Memory) -> None:
    """Keep what the updater knows of a source for its next run. Raises OSError."""
    _write(_made(state_dir, source_id) / MEMORY, memory.to_json())


def recall(state_dir: Path, source_id: str) -> Memory:
    """What the updater remembered; nothing for a source it has not met."""
    try:
        return Memory.from_json(_read(_folder(state_dir, source_id) / MEMORY))
    except (OSError, ValueError):
        return Memory()


# -- one run ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lock(state_dir: Path) -> Iterator[None]:
    """Keep every other writer out. Raises BusyError at once where one is at work, OSError."""
    root = _made(state_dir)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(atomic.locked(root / ".lock", wait=False))
        except BlockingIOError:
            raise BusyError(f"{root}: another update is at work; try again when it is done") from None
        yield


@contextlib.contextmanager
def staging(state_dir: Path) -> Iterator[Path]:
    """An empty folder for downloads, in the file system of the copies; gone afterwards. Needs `lock`. Raises OSError.

    Sweeps what a killed run left behind, here and in the folders of the lists.
    """
    root = _made(state_dir)
    folder = root / ".staging"
    _sweep(root, folder)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def owner_of(state_dir: Path) -> tuple[int, int]:
    """User and group id of whom the lists belong to; where none are yet, the state directory; else who asks.

    A link counts as its maker's, unless root made it.
    """
    for path in (state_dir / "lists", state_dir):
        for look in (path.lstat, path.stat):
            with contextlib.suppress(OSError):
                found = look()
                if found.st_uid:
                    return found.st_uid, found.st_gid
    return (0, 0) if state_dir.exists() else (os.geteuid(), os.getegid())


def user_name(uid: int) -> str:
    """The name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _sweep(root: Path, folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    for left in root.glob("*/.*.tmp"):
        if not left.is_dir():
            left.unlink(missing_ok=True)


def _settle(staged: Path, target: Path, meta: Meta) -> Meta:
    """Put a staged file under its name in a folder of a list; gives its meta with what the file itself says."""
    atomic.link(staged, target)
    found = target.lstat()
    return replace(meta, bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def _fits(meta: Meta, path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == (meta.bytes, meta.mtime_ns)


def _folder(state_dir: Path, source_id: str) -> Path:
    if not _ID.fullmatch(source_id):
        raise ListError(f"{source_id[:80]!r} is no id of a source")
    return state_dir / "lists" / source_id


def _made(state_dir: Path, source_id: str | None = None) -> Path:
    """The folder of all lists, or of one, made if need be."""
    folder = state_dir / "lists" if source_id is None else _folder(state_dir, source_id)
    atomic.make_folder(folder)
    return folder


def _read(path: Path) -> Any:
    """A small JSON file. Raises OSError, ValueError."""
    try:
        return json.loads(files.read(path, _MAX_JSON_BYTES))
    except RecursionError:
        raise ValueError(f"{path} is not what was written") from None


def _write(path: Path, value: dict[str, Any]) -> None:
    atomic.write(path, json.dumps(value, ensure_ascii=False, indent=1).encode())


def _remove(path: Path) -> None:
    """Gone for good, also after a power cut."""
    if os.path.lexists(path):
        path.unlink()
        atomic.sync_folder(path.parent)
