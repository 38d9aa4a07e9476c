"""Files that others may have written: opened only if they are regular files of sane size, and read with a bound.

Nobody waits here for somebody to write into a pipe, and no device is asked for its endless bytes. What is published by
filterd itself is written by `store.atomic`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: Path, limit: int, links: bool = False) -> int:
    """A descriptor of a regular file of at most `limit` bytes; by way of a symbolic link at its end only with `links`.

    Raises OSError for what cannot be opened, ValueError with the path for what is not such a file.
    """
    descriptor = os.open(path, _FLAGS if links else _FLAGS | os.O_NOFOLLOW)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size <= limit:
        return descriptor
    os.close(descriptor)
    if stat.S_ISREG(found.st_mode):
        raise _too_large(path, limit)
    raise ValueError(f"{path} is not a regular file")


def read(path: Path, limit: int, first: int | None = None, links: bool = False) -> bytes:
    """All of a regular file of at most `limit` bytes, or its `first` bytes. Raises OSError, ValueError."""
    wanted = limit + 1 if first is None else first
    data = b""
    descriptor = open_regular(path, limit, links)
    try:
        while len(data) < wanted and (more := os.read(descriptor, wanted - len(data))):
            data += more
    finally:
        os.close(descriptor)
    if len(data) > limit:  # it grew, or is one of those of the kernel that say they have no size
        raise _too_large(path, limit)
    return data


def _too_large(path: Path, limit: int) -> ValueError:
    return ValueError(f"{path} is larger than {limit >> 20} MiB")
