"""`STATE/overrides/audit.jsonl`: every change and log-in, one line each, appended and never rewritten.

Whoever changes something for people (overrides, accounts, log-ins) appends here first and changes its own file after;
the line is on disk when `append` returns. `core.audit` knows the lines and their chain. A file that has grown is
renamed to `audit-<number of its last line>.jsonl` and the chain goes on in the next; filterd removes none of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from filterd.core import audit
from filterd.core.audit import MAX_LINE, START, Checker, Head, Line, Report
from filterd.store import atomic, files

MODE: Final = 0o640
ROTATE_BYTES: Final = 4 << 20
MAX_BYTES: Final = 64 << 20  # of a file that can be looked at; ours end near ROTATE_BYTES
Kept = Sequence[tuple[str, Head]]
"""Heads that were kept, each with the words for where."""
_TAIL = 4 * MAX_LINE
_BEGIN = re.compile(rb'\{"sequence":(\d{1,15}),')
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def folder(state_dir: Path) -> Path:
    """Where the log of a state directory is."""
    return state_dir / "overrides"


def path(folder: Path) -> Path:
    """The file that is appended to."""
    return folder / "audit.jsonl"


def append(folder: Path, entry: Mapping[str, Any], now: int, rotate_bytes: int = ROTATE_BYTES) -> Head:
    """Write one more line, wait until it is on disk, and give the new head. `now` is Unix seconds.

    The folder is made if it is not there. Locks itself (`.audit.lock`), so it may be called under any other lock.
    Raises ValueError for an entry that is not JSON or too long, OSError when the line cannot be written; it then is
    not in the log, or was cut off again as far as the disk allowed.
    """
    audit.line(START, entry, now)  # a bad entry touches no file
    atomic.make_folder(folder)
    with atomic.locked(folder / ".audit.lock"):
        _rotate(folder, rotate_bytes)
        before = head(folder)
        descriptor = os.open(path(folder), _FLAGS, MODE)
        try:
            size = _prepared(descriptor, path(folder))
            data, after = audit.line(before, entry, now)
            _write(descriptor, size, data if _ends_a_line(descriptor, size) else b"\n" + data)
        finally:
            os.close(descriptor)
    return after


def head(folder: Path) -> Head:
    """The last whole line's number and hash; `core.audit.START` if there is none. Raises OSError, ValueError."""
    for file in reversed(log_files(folder)):
        found = _last(file)
        if found is not None:
            return found.head
    return START


def read(folder: Path, after: int = 0) -> Iterator[Line]:
    """The whole lines with numbers over `after`, in the files' order. Raises OSError, ValueError."""
    for file in log_files(folder):
        number = _number(file)
        if number is not None and number <= after:
            continue
        for piece in files.read(file, MAX_BYTES).split(b"\n"):
            begin = _BEGIN.match(piece)
            if begin is not None and int(begin[1]) <= after:
                continue  # whoever wants the newest lines does not wait for the hashes of all others
            with contextlib.suppress(ValueError):  # torn or altered: `verify` says so
                found = audit.parse(piece)
                if found.sequence > after:
                    yield found


def verify(folder: Path, head: Head | None = None, known: Kept = (), after: Head = START) -> Report:
    """Look at every line there is, and at heads that were kept. Raises OSError.

    `head` was kept elsewhere, `known` beside the log, each with the words for where. `after`: the head of the last
    line that somebody removed on purpose.
    """
    wanted = [*known, *([("the head that was kept", head)] if head else [])]
    while True:
        before = _names(folder)
        report = _verified(folder, Checker(wanted, after))
        if _names(folder) == before:  # else a writer rotated meanwhile
            return report


def log_files(folder: Path) -> list[Path]:
    """The files of the log, oldest first. Raises OSError."""
    current = path(folder)
    found: list[tuple[int, Path]] = []
    with contextlib.suppress(FileNotFoundError):
        found = [(number, file) for file in folder.iterdir() if (number := _number(file)) is not None]
    return [file for _, file in sorted(found)] + ([current] if os.path.lexists(current) else [])


def _verified(folder: Path, checker: Checker) -> Report:
    for file in log_files(folder):
        try:
            checker.file(file.name, files.read(file, MAX_BYTES).split(b"\n"))
        except FileNotFoundError:
            continue  # renamed by a writer just now
        except ValueError as error:
            checker.problems.append(str(error))
    return checker.report()


def _names(folder: Path) -> list[str]:
    return [file.name for file in log_files(folder)]


def _number(file: Path) -> int | None:
    """Of the last line in a file that was put away; None for any other file."""
    word = file.name.removeprefix("audit-").removesuffix(".jsonl")
    known = file.name == f"audit-{word}.jsonl" and word.isascii() and word.isdigit()
    return int(word) if known else None


def _last(file: Path) -> Line | None:
    """The last whole line of a file: from its end, and from all of it where only there is one."""
    descriptor = files.open_regular(file, MAX_BYTES)
    try:
        size = os.fstat(descriptor).st_size
        found = audit.last(os.pread(descriptor, _TAIL, max(0, size - _TAIL)))
        return found or (audit.last(os.pread(descriptor, size, 0)) if size > _TAIL else None)
    finally:
        os.close(descriptor)


def _rotate(folder: Path, rotate_bytes: int) -> None:
    """Put a file that has grown away, under the number of its last line."""
    current = path(folder)
    try:
        if os.lstat(current).st_size < rotate_bytes:
            return
    except FileNotFoundError:
        return
    found = _last(current)
    away = folder / f"audit-{found.sequence:012}.jsonl" if found else current
    if not os.path.lexists(away):  # a file of the log is never written over
        current.rename(away)
        atomic.sync_folder(folder)


def _prepared(descriptor: int, file: Path) -> int:
    """Its size; a new file is in its folder for good before anything is in the file."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    if found.st_size == 0:
        os.fchmod(descriptor, MODE)
        atomic.sync_folder(file.parent)
    return found.st_size


def _ends_a_line(descriptor: int, size: int) -> bool:
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _write(descriptor: int, size: int, data: bytes) -> None:
    try:
        written = os.write(descriptor, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):  # what stays of it is half a line, or one that nothing was built on
            os.ftruncate(descriptor, size)
        raise
