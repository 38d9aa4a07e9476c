"""Files that are whole or not there: temporary file, fsync, rename, fsync of the folder. And locks between writers.

Every file that another process reads is written here. A full disk or a power cut leaves the old content, never half of
the new one. Readers need no lock: they see one content or the other.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FROM = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)


def write(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Replace the content of `path`, whose folder must exist. Raises OSError; `path` then is what it was."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def link(source: Path, path: Path, mode: int = 0o640) -> None:
    """Give a finished file a second name, in place of what `path` was: bytes on disk first, then the name.

    The bytes are shared by a hard link, or copied where the file system has none. `source` is never a symbolic link.
    Raises OSError; `path` then is what it was.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _second_name(source, beside, mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)  # a rename between two names of the same file does nothing
    sync_folder(path.parent)


def _second_name(source: Path, beside: Path, mode: int) -> None:
    with os.fdopen(os.open(source, _FROM), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(source))
        try:
            os.link(source, beside, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with beside.open("xb") as target:
                shutil.copyfileobj(file, target)
                target.flush()
                _finish(target.fileno(), mode)
        else:
            _finish(file.fileno(), mode)


def _finish(descriptor: int, mode: int) -> None:
    os.fchmod(descriptor, mode)
    os.fsync(descriptor)


def sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it, when nobody else is writing it. Raises OSError."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder of the state directory if it is not there, for good. Raises OSError."""
    if not folder.is_dir():
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold a lock against other processes: a lock file, made if needed and never a link, or a folder.

    Waits for whoever holds it; without `wait` raises BlockingIOError then. Raises OSError.
    """
    folder = path.is_dir()  # a folder can be locked itself, where a lock file would be in people's way
    flags = os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
