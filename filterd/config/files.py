"""Which files a configuration directory has, and whether they changed.

Owns the layout `DIR/policies/*.yaml` and `DIR/blocklists/sources.yaml`. It reads bytes and never their meaning, and
imports neither yaml nor pydantic: the dns parent polls `signature` twice a second. People write the files, by hand or
by `filterd site`; `config.load` gives them meaning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

POLICIES = "policies"
BLOCKLISTS = "blocklists"
SOURCES = "sources.yaml"
MAX_FILE_BYTES = 4 << 20


def policy_paths(config_dir: Path) -> list[Path]:
    """Every `policies/*.yaml`, sorted by name; empty if there is no such folder. Hidden files are editors' own."""
    try:
        found = [p for p in (config_dir / POLICIES).iterdir() if p.suffix == ".yaml" and not p.name.startswith(".")]
    except OSError:
        return []
    return sorted(found, key=lambda path: path.name)


def signature(config_dir: Path) -> tuple[tuple[str, int, int, int], ...]:
    """(name, mtime in ns, bytes, inode) of every policy file: equal as long as nobody touched one."""
    seen = []
    for path in policy_paths(config_dir):
        try:
            stat = path.stat()
        except OSError:
            continue
        seen.append((path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(seen)


def read_policies(config_dir: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """The bytes of every policy file by name, and for those that cannot be read the reason."""
    contents: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    for path in policy_paths(config_dir):
        try:
            contents[path.name] = read(path)
        except (OSError, ValueError) as error:
            failed[path.name] = reason(error)
    return contents, failed


def read(path: Path) -> bytes:
    """A regular file's bytes. Raises OSError, or ValueError for what is no regular file or is over 4 MiB."""
    if path.exists() and not path.is_file():
        raise ValueError("is not a regular file")
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"is larger than {MAX_FILE_BYTES >> 20} MiB; that is no configuration")
    return data


def reason(error: OSError | ValueError) -> str:
    """Why `read` failed, for people."""
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error)


def digest_of(contents: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) over names and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(contents):
        total.update(f"{name}\0{len(contents[name])}\0".encode())
        total.update(contents[name])
    return total.hexdigest()


def digest(config_dir: Path) -> str:
    """SHA-256 (hex) over the names and bytes of `policies/*.yaml`; what `Policy.digest` holds once compiled."""
    return digest_of(read_policies(config_dir)[0])
