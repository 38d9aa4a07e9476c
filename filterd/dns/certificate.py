"""The certificate for encrypted DNS: TLS contexts from its files, and what is wrong with them in words.

Workers load it (`context`); the parent looks at it first and again whenever the files change (`Watch`), so that workers
hear only of one that is good. Under systemd the key is a credential (systemd.exec(5), LoadCredential=): a file in
$CREDENTIALS_DIRECTORY with the name of a configured one is read in its place.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from filterd.core.policy import Encrypted
from filterd.store import files

log = logging.getLogger("filterd.dns")

DOT_PROTOCOLS: Final = ("dot",)  # ALPN, RFC 7858 as IANA registered it
DOH_PROTOCOLS: Final = ("h2", "http/1.1")
MAX_BYTES: Final = 1 << 20  # a certificate with all its chain has some 10 KB
Stamp = list[list[int]]
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: dates are told apart here, with words
_PARTIAL_CHAIN: Final = 0x80000  # X509_V_FLAG_PARTIAL_CHAIN: the certificate itself is what is trusted


class Certificate(NamedTuple):
    """What a certificate says of itself. Unix seconds; names in lower case."""

    names: tuple[str, ...]
    not_before: float
    not_after: float


def context(encrypted: Encrypted, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """A server's TLS context, for clients that speak one of `protocols` (RFC 7301). Raises ValueError in words."""
    certificate, key = paths(encrypted)
    for what, path in (("certificate", certificate), ("key", key)):
        try:
            files.read(path, MAX_BYTES, links=True)
        except OSError as error:
            raise ValueError(f"the {what} {path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ValueError(f"the {what} {error}") from None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(list(protocols))

    def locked() -> str:
        raise ValueError(f"the key {key} is locked with a password; write it without")

    try:
        made.load_cert_chain(certificate, key, locked)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"the key {key} is not the key of the certificate {certificate}") from None
        why = f" ({error.reason})" if error.reason else ""
        raise ValueError(f"{certificate} and {key} are not a PEM certificate and its key{why}") from None
    return made


def paths(encrypted: Encrypted) -> tuple[Path, Path]:
    """Where the certificate and the key are read."""
    return _credential(encrypted.certificate), _credential(encrypted.key)


def _credential(configured: str) -> Path:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory and (Path(directory) / Path(configured).name).exists():
        return Path(directory) / Path(configured).name
    return Path(configured)


def stamp(encrypted: Encrypted) -> Stamp:
    """What tells the files of now from those of another time; plain lists, as they are after JSON."""
    return [_stamp(path) for path in paths(encrypted)]


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError as error:
        return [error.errno or 0]
    return [stat.st_mtime_ns, stat.st_size, stat.st_ino]


def inspect(encrypted: Encrypted) -> Certificate:
    """Load the certificate and show it to ourselves in a handshake. Raises ValueError as `context` does."""
    server = context(encrypted, DOT_PROTOCOLS)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= _NO_CHECK_TIME | _PARTIAL_CHAIN
    certificate = paths(encrypted)[0]
    try:
        client.load_verify_locations(certificate)
        found = _shown(server, client)
    except ssl.SSLError as error:
        raise ValueError(f"no client can use the certificate {certificate}: {error.reason or error}") from None
    names = tuple(name.lower() for kind, name in found.get("subjectAltName", ()) if kind == "DNS")
    dates = (ssl.cert_time_to_seconds(found[key]) for key in ("notBefore", "notAfter"))
    return Certificate(names, *map(float, dates))


def problem(encrypted: Encrypted) -> str:
    """What is wrong with the files as they are now, for somebody who looks before a start; empty for nothing."""
    try:
        return _objection(inspect(encrypted), encrypted)
    except ValueError as error:
        return str(error)


def _shown(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """The server's certificate as a client sees it."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)]
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return dict(ends[0].getpeercert() or {})


def _covers(names: tuple[str, ...], name: str) -> bool:
    return name in names or "*." + name.partition(".")[2] in names


class Watch:
    """What the parent knows of the certificate. `stamp` is of the files that workers are to load, None before there are
    any; `problem` is empty while all is well.
    """

    def __init__(self) -> None:
        self.stamp: Stamp | None = None
        self.failures = 0
        self.problem = ""
        self.current: Certificate | None = None
        self._seen: object = None  # at the last look
        self._taken: object = None  # when the files were last read
        self._refused = ""  # why the files hold another one than is in force

    def poll(self, encrypted: Encrypted | None, at_once: bool = False) -> bool:
        """Look at the files; True if workers are to load them. A change is taken after two equal looks: certificate and
        key are written one after the other.
        """
        if encrypted is None:
            self.current = self._seen = self._taken = None
            self._say("")
            return False
        seen = (encrypted.name, stamp(encrypted))
        settled, self._seen = seen == self._seen, seen
        changed = False
        if seen != self._taken and (at_once or settled):
            self._taken = seen
            changed = self._take(encrypted)
        dated = _objection(self.current, encrypted) if self.current is not None else ""
        self._say(self._refused or dated)
        return changed

    def _take(self, encrypted: Encrypted) -> bool:
        """Read the files. One that clients will refuse is better than none, and worse than one they accept."""
        before, found_in = self.current, stamp(encrypted)
        kept = "the one before stays in force" if before is not None else "there is no encrypted DNS"
        try:
            found = inspect(encrypted)
        except ValueError as error:
            self._refused = f"{error}; {kept}"
            return False
        objection = _objection(found, encrypted)
        if objection and before is not None and not _objection(before, encrypted):
            self._refused = f"{objection}; {kept}"
            return False
        self._refused = ""
        self.current = found
        self.stamp = found_in
        log.info("certificate for %s, valid until %s", encrypted.name, _day(found.not_after))
        return True

    def _say(self, problem: str) -> None:
        if problem == self.problem:
            return
        self.problem = problem
        if problem:
            self.failures += 1
            log.error("encrypted DNS: %s", problem)
        else:
            log.info("encrypted DNS: all is well again")


def _objection(found: Certificate, encrypted: Encrypted) -> str:
    """What clients hold against a certificate that can be loaded; empty for nothing."""
    now = time.time()
    if now >= found.not_after:
        return f"the certificate expired on {_day(found.not_after)}"
    if now < found.not_before:
        return f"the certificate is not valid before {_day(found.not_before)}, or the clock is wrong"
    if not _covers(found.names, encrypted.name):
        return f"the certificate is not for {encrypted.name} but for {', '.join(found.names) or 'no name'}"
    return ""


def _day(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(unix_s))
