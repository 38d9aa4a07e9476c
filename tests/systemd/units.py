"""The units of systemd/, read as systemd reads them: a directive may stand more than once, an empty one clears."""

from __future__ import annotations

from pathlib import Path

SYSTEMD = Path(__file__).parents[2] / "systemd"
SERVICE = SYSTEMD / "filterd-dns.service"
SOCKET = SYSTEMD / "filterd-dns.socket"
ENCRYPTED_SOCKET = SYSTEMD / "filterd-encrypted.socket"
ENCRYPTED_CONF = SYSTEMD / "filterd-dns.encrypted.conf"  # a drop-in of the service

UPDATE = SYSTEMD / "filterd-update.service"
NIGHTLY = SYSTEMD / "filterd-update.timer"
AT_START = SYSTEMD / "filterd-update-start.timer"


def directives(unit: Path) -> list[tuple[str, str]]:
    """All `Key=value` lines of a unit, in order."""
    lines = (line.strip() for line in unit.read_text(encoding="utf-8").splitlines())
    return [(key, value) for key, sign, value in (line.partition("=") for line in lines if line[:1] != "#") if sign]


def values(unit: Path, key: str) -> list[str]:
    """The values of one directive, in order."""
    return [value for name, value in directives(unit) if name == key]


def value(unit: Path, key: str) -> str:
    """The value of a directive that stands exactly once."""
    (only,) = values(unit, key)
    return only
