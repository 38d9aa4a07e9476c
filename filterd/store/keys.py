"""Ed25519 keys (RFC 8032) of those whose signed files a box believes: a district's bundles, an authority's floor.

    <config>/keys/<name>.pub   a public key that is trusted: PEM (RFC 8410), which openssl reads too
    <name>.key                 a private key: PEM, mode 0600, wherever its owner keeps it

Writers: `filterd keys`, and people who copy a file. Readers: whoever imports or signs. Trust is a file in `keys/` and
ends when that file is removed, so a key that others could put there, or change, is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from filterd.errors import TrustError
from filterd.store import atomic, files

FOLDER, PUBLIC, PRIVATE = "keys", ".pub", ".key"
MAX_BYTES = 1 << 20  # a key in PEM has some 120
MAX_KEYS = 100
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and what it is called here; `raw` are its 32 bytes."""

    name: str
    raw: bytes

    @property
    def id(self) -> str:
        """The first 16 digits of the fingerprint: enough to tell keys apart, too few to compare by telephone."""
        return self.fingerprint[:16]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the raw key, in hex."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def pem(self) -> bytes:
        """The key as its file holds it."""
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def verify(key: TrustedKey, data: bytes, signature: bytes) -> bool:
    """Whether the holder of `key` signed exactly these bytes. `signature`: the 64 raw bytes of RFC 8032."""
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign(private: Ed25519PrivateKey, data: bytes) -> bytes:
    """The 64 raw bytes of a signature over `data`."""
    return private.sign(data)


def signer(keys: Iterable[TrustedKey], data: bytes, signature: bytes) -> TrustedKey | None:
    """The first key that signed these bytes, or None. A name inside `data` is not asked: nobody vouches for it yet."""
    return next((key for key in keys if verify(key, data, signature)), None)


def trusted(config_dir: Path) -> tuple[TrustedKey, ...]:
    """Every key this box trusts, by name. Files that must not be used are left out: `refused` says why."""
    return _look(config_dir)[0]


def refused(config_dir: Path) -> dict[str, str]:
    """Why a file in `keys/` is not used, by its name."""
    return _look(config_dir)[1]


def public_of(private: Ed25519PrivateKey, name: str) -> TrustedKey:
    """The public half."""
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return TrustedKey(name, raw)


def load_public(path: Path) -> TrustedKey:
    """A public key from anywhere, named after its file; nothing is said about whom to trust. Raises TrustError."""
    descriptor = _open(path, links=True)
    try:
        return TrustedKey(path.name.removesuffix(PUBLIC), _raw(path, _content(descriptor)))
    finally:
        os.close(descriptor)


def load_private(path: Path) -> Ed25519PrivateKey:
    """A private key that only its owner reads. Raises TrustError for any other.

    systemd's copies of credentials (systemd.exec(5)) show a group of readers that is nobody; their folder is closed.
    """
    descriptor = _open(path, links=True)
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in (0, os.geteuid()):
            raise _refusal(path, f"belongs to user {found.st_uid}, not to root or to you")
        forbidden = _OTHERS_WRITE if _is_credential(path) else _OTHERS
        if found.st_mode & forbidden:
            mode = stat.S_IMODE(found.st_mode)
            raise _refusal(path, f"has mode {mode:04o}: others may read or change it; chmod 600 it, or make a new key")
        data = _content(descriptor)
    finally:
        os.close(descriptor)
    if b"PRIVATE KEY" not in data:
        raise _refusal(path, "holds no private key in PEM; the file to sign with ends in .key")
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        raise _refusal(path, "is locked with a password; write it without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refusal(path, "is damaged: its PEM holds no private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _refusal(path, "is not an Ed25519 key; 'filterd keys new' makes one")
    return key


def create(folder: Path, name: str) -> TrustedKey:
    """Make a pair of keys: `<name>.key` (0600) and `<name>.pub` in `folder`, which must exist.

    Raises TrustError if one of the files is there: no key is ever overwritten. OSError when nothing can be written.
    """
    _check_name(name)
    private = Ed25519PrivateKey.generate()
    key = public_of(private, name)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    secret, public = folder / f"{name}{PRIVATE}", folder / f"{name}{PUBLIC}"
    for path in (secret, public):
        if os.path.lexists(path):
            raise _refusal(path, "is there already; no key is overwritten. Choose another name or folder")
    _write_new(secret, pem, 0o600)
    try:
        _write_new(public, key.pem, 0o644)
    except BaseException:
        secret.unlink()
        raise
    atomic.sync_folder(folder)
    return key


def trust(config_dir: Path, key: TrustedKey) -> bool:
    """Put a key into `keys/` under its name; False if it is trusted already. Raises TrustError, OSError.

    Another key of that name is never replaced, and none gets a second name: whoever ends a trust removes one file.
    """
    _check_name(key.name)
    folder = config_dir / FOLDER
    if not config_dir.is_dir():
        raise _refusal(config_dir, "is no configuration directory")
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask: the service reads it and does not write it
    good, bad = _look(config_dir)
    path = folder / f"{key.name}{PUBLIC}"
    for other in good:
        if other.raw == key.raw:
            if other.name == key.name:
                return False
            raise TrustError(f"this key is trusted already, as {other.name}", "key")
    if os.path.lexists(path):
        why = bad.get(path.name, "holds another key")
        raise _refusal(path, f"{why}; remove it first if it is no longer to be trusted, or choose another --name")
    atomic.write(path, key.pem, 0o644)
    return True


def _look(config_dir: Path) -> tuple[tuple[TrustedKey, ...], dict[str, str]]:
    folder = config_dir / FOLDER
    good: list[TrustedKey] = []
    bad: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        names = sorted(path.name for path in folder.iterdir() if path.suffix == PUBLIC and path.name[0] != ".")
        closed = _fault(folder, folder.stat())
        for name in names[:MAX_KEYS]:
            try:
                if closed:
                    raise TrustError(closed, "key")
                good.append(_trusted(folder / name))
            except TrustError as error:
                bad[name] = str(error)
        bad |= dict.fromkeys(names[MAX_KEYS:], f"there are more than {MAX_KEYS} keys; this one is not looked at")
    return tuple(good), bad


def _trusted(path: Path) -> TrustedKey:
    name = path.name.removesuffix(PUBLIC)
    _check_name(name)
    descriptor = _open(path, links=False)
    try:
        if fault := _fault(path, os.fstat(descriptor)):
            raise TrustError(fault, "key")
        return TrustedKey(name, _raw(path, _content(descriptor)))
    finally:
        os.close(descriptor)


def _fault(path: Path, found: os.stat_result) -> str:
    """Who else could have written this; empty if nobody."""
    if found.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to user {found.st_uid}, not to root or to you: chown it if you trust it"
    if found.st_mode & _OTHERS_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        return f"{path} has mode {mode:04o}: others may change it; look who did, then chmod go-w it"
    return ""


def _raw(path: Path, data: bytes) -> bytes:
    if b"PRIVATE KEY" in data:
        raise _refusal(path, "is a PRIVATE key, which only its owner may have; the file to give away ends in .pub")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise _refusal(path, "holds no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _refusal(path, "is not an Ed25519 key; 'filterd keys new' makes one")
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _open(path: Path, links: bool) -> int:
    try:
        return files.open_regular(path, MAX_BYTES, links)
    except OSError as error:
        link = " (a symbolic link is not followed here)" if not links and path.is_symlink() else ""
        raise _refusal(path, f"cannot be read: {error.strerror}{link}") from None
    except ValueError as error:
        raise TrustError(str(error), "key") from None


def _content(descriptor: int) -> bytes:
    return os.read(descriptor, MAX_BYTES)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """A file that was not there before, by nobody's link, never for a moment open to others."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def _is_credential(path: Path) -> bool:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.parent == Path(folder or "")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise TrustError(f"{name[:60]!r} is no name for a key: a-z, 0-9 and '-' only, at most 40 characters", "key")


def _refusal(path: Path, what: str) -> TrustError:
    return TrustError(f"{path} {what}", "key")
