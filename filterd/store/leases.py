"""The files in which a DHCP server of this box keeps its leases. That server is their only writer; filterd only reads.

    /var/lib/misc/dnsmasq.leases      rewritten in place
    /var/lib/kea/kea-leases4.csv      appended to; now and then it becomes .1, from which Kea makes a new .2

A path comes from the school's YAML and nowhere else. It is opened only as a regular file: never through a link, and
never waiting for somebody to write into a pipe.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from filterd.core import lease_files
from filterd.core.lease_files import Lease
from filterd.store import files

MAX_BYTES = 4 << 20
_OLDER = (".completed",), (".2", ".1")  # what Kea reads before the file itself: the first set of which a file exists


def signature(paths: Iterable[str]) -> object:
    """Something that differs whenever the files may have changed."""
    return tuple(_look(path + suffix) for path in paths for suffix in ("", ".completed", ".2", ".1"))


def load(paths: Iterable[str]) -> list[Lease]:
    """The leases of all files; one that does not exist holds none.

    Raises OSError for a file that cannot be read, ValueError for one that is no regular file or too large.
    """
    return lease_files.read([data for path in paths for data in _generations(path)])


def _generations(path: str) -> list[bytes]:
    data = _read(path)
    for suffixes in _OLDER if data is None or data.startswith(b"address,") else ():
        older = [found for suffix in suffixes if (found := _read(path + suffix)) is not None]
        if older:
            return older if data is None else [*older, data]
    return [] if data is None else [data]


def _read(path: str) -> bytes | None:
    try:
        return files.read(Path(path), MAX_BYTES)
    except FileNotFoundError:
        return None


def _look(path: str) -> object:
    try:
        found = Path(path).lstat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
